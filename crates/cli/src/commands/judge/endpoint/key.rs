use std::env;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use ureq::http::HeaderValue;

/// Where the key is looked for when no file is named.
const VARIABLE: &str = "LOOKALIKE_JUDGE_KEY";
/// Most bytes of a file that holds a key.
const MOST_KEY_BYTES: u64 = 16 * 1024;
/// What stands for the key where it must not be seen.
const MASK: &str = "[key]";

/// A key for an endpoint. It has no printed form.
pub(super) struct Key(String);

impl Key {
    /// The key in the file, or else in the environment; `None` where there is none.
    pub(super) fn find(file: Option<&Path>) -> anyhow::Result<Option<Self>> {
        if let Some(path) = file {
            let mut text = String::new();
            File::open(path)
                .and_then(|file| file.take(MOST_KEY_BYTES).read_to_string(&mut text))
                .with_context(|| format!("key file {} cannot be read", path.display()))?;
            return Self::of(&text).with_context(|| format!("key file {}", path.display())).map(Some);
        }
        match env::var(VARIABLE) {
            Ok(text) => Self::of(&text).context(VARIABLE).map(Some),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => anyhow::bail!("{VARIABLE} is no text"),
        }
    }

    fn of(text: &str) -> anyhow::Result<Self> {
        let key = text.trim();
        anyhow::ensure!(!key.is_empty(), "it is empty; expected the key and nothing else");
        anyhow::ensure!(
            key.bytes().all(|byte| byte.is_ascii_graphic()),
            "it holds spaces or other letters than a key has; expected the key and nothing else"
        );
        Ok(Self(key.to_owned()))
    }

    /// The value of the header `Authorization`, marked so that nothing prints it.
    pub(super) fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0))
            .unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }

    /// The text without the key: some endpoints repeat it when they refuse it.
    pub(super) fn masked(&self, text: &str) -> String {
        text.replace(&self.0, MASK)
    }
}
