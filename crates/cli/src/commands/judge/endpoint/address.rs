use std::net::IpAddr;

use anyhow::Context;
use ureq::http::Uri;

/// Where questions are sent.
#[derive(Debug, PartialEq)]
pub(super) struct Address {
    pub(super) url: String,
    /// Whether it is this machine.
    pub(super) is_loopback: bool,
}

impl Address {
    /// The place for chat completions under `base`. Without encryption only this machine is reached, unless `insecure`.
    pub(super) fn of(base: &str, insecure: bool) -> anyhow::Result<Self> {
        let expected = "expected a base like https://api.example.org/v1";
        // What stands before an @ is a password, which is not to be printed.
        anyhow::ensure!(
            !base.contains('@'),
            "the endpoint holds a user's name; give the key with --key-file instead"
        );
        let uri: Uri = base.parse().with_context(|| format!("endpoint \"{base}\" is no URL; {expected}"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.with_context(|| format!("endpoint \"{base}\" names no machine; {expected}"))?;
        let is_bare = uri.query().is_none() && !base.contains('#');
        anyhow::ensure!(is_bare, "endpoint \"{base}\" goes on behind its path; {expected}");
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") => (),
            Some("http") => anyhow::ensure!(
                is_loopback || insecure,
                "endpoint \"{base}\" would be sent key and pictures for anyone to read; use https, or --insecure"
            ),
            _ => anyhow::bail!("endpoint \"{base}\" is neither http nor https; {expected}"),
        }
        Ok(Self { url: format!("{}/chat/completions", base.trim_end_matches('/')), is_loopback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_put_behind_the_base() {
        for base in ["https://api.example.org/v1", "https://api.example.org/v1/"] {
            let address = Address::of(base, false).unwrap();
            assert_eq!(address.url, "https://api.example.org/v1/chat/completions");
            assert!(!address.is_loopback);
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for base in ["http://127.0.0.1:8000/v1", "http://localhost:1", "http://[::1]:9/v1"] {
            assert!(Address::of(base, false).unwrap().is_loopback, "{base}");
        }
        for base in ["http://10.0.0.1/v1", "http://localhost.example.org", "http://example.org/v1"] {
            assert!(Address::of(base, false).unwrap_err().to_string().contains("--insecure"), "{base}");
            assert!(!Address::of(base, true).unwrap().is_loopback);
        }
    }

    #[test]
    fn what_is_no_base_is_refused_and_a_password_is_not_repeated() {
        for base in
            ["", "v1", "ftp://example.org", "https://", "https://example.org/v1?key=1", "https://a b/"]
        {
            assert!(Address::of(base, true).is_err(), "{base}");
        }
        let error = format!("{:#}", Address::of("https://me:secret@example.org/v1", true).unwrap_err());
        assert!(!error.contains("secret"), "{error}");
    }
}
