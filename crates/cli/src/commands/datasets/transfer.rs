use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lookalike_datasets::{SourceFile, VerifyError};
use thiserror::Error;
use ureq::http::{Response, header};
use ureq::{Agent, Body, Proxy};

use super::part::Part;

/// Longest wait for a name, for a connection and for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Addresses in a chain of redirections, at most.
const REDIRECTIONS: u32 = 5;
/// Requests for the rest of a file whose transfer broke off after some progress, at most.
const RESUMPTIONS: u32 = 5;
/// Bytes that are read at once.
const PIECE: usize = 1 << 16;

/// Fetches files over HTTP and HTTPS.
///
/// A file's size and digest come from the table, never from the server: what is too long is cut off, and a file gets
/// its name when its digest is right.
#[derive(Debug)]
pub(super) struct Transfer {
    agent: Agent,
}

/// How a file came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// It was there, and is right.
    There,
    /// It was fetched from its first byte.
    Whole,
    /// Its beginning was there from an earlier fetch.
    Resumed,
}

impl Fetched {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::There => "there already",
            Self::Whole => "fetched",
            Self::Resumed => "fetched the rest",
        }
    }
}

impl Transfer {
    /// With the longest silence of a server in the middle of a file.
    pub(super) fn new(silence: Duration, proxy: Option<Proxy>) -> Self {
        let config = Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            .max_redirects(REDIRECTIONS)
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(silence))
            .build();
        Self { agent: config.new_agent() }
    }

    /// Makes sure that `file` is in `folder`, from `url` where it is not. `progress` hears the number of bytes that
    /// are there.
    ///
    /// # Errors
    ///
    /// [`FetchError`]. Whatever came before a transfer broke off is kept, and the next call goes on from there; what
    /// has the wrong digest is not.
    pub(super) fn fetch(
        &self,
        file: &SourceFile,
        url: &str,
        folder: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Fetched, FetchError> {
        let whole = folder.join(file.name);
        if whole.exists() {
            return file
                .verify(&whole)
                .map(|()| Fetched::There)
                .map_err(|source| FetchError::There { source });
        }
        let failed = |source| FetchError::Write { path: whole.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let part = Part::open(&whole).map_err(failed)?;
        let mut part = part.ok_or_else(|| FetchError::Busy { path: whole.clone() })?;
        if part.length() > file.bytes {
            part.clear().map_err(failed)?;
        }
        let mut resumptions = 0;
        loop {
            let before = part.length();
            match self.receive(file, url, &mut part, progress) {
                Ok(()) => {}
                Err(FetchError::BrokenOff { .. }) if part.length() > before && resumptions < RESUMPTIONS => {
                    resumptions += 1;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let inherited = part.is_inherited();
            match file.verify(part.path()) {
                Ok(()) => {
                    part.keep(&whole).map_err(failed)?;
                    return Ok(if inherited { Fetched::Resumed } else { Fetched::Whole });
                }
                Err(source) => {
                    part.clear().map_err(failed)?;
                    // What was there before may be the beginning of another file: once more from the first byte.
                    if !inherited {
                        return Err(FetchError::Wrong { url: url.to_owned(), source });
                    }
                }
            }
        }
    }

    /// Appends what is missing of the file.
    fn receive(
        &self,
        file: &SourceFile,
        url: &str,
        part: &mut Part,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), FetchError> {
        if part.length() == file.bytes {
            return Ok(());
        }
        let response = self.rest(file, url, part)?;
        let mut body = response.into_body();
        if let Some(length) = body.content_length() {
            let found = part.length().saturating_add(length);
            if found != file.bytes {
                return Err(FetchError::Length { url: url.to_owned(), found, expected: file.bytes });
            }
        }
        let mut body = body.as_reader();
        let mut piece = vec![0; PIECE];
        while part.length() < file.bytes {
            let broken = |source, found| FetchError::BrokenOff {
                url: url.to_owned(),
                found,
                expected: file.bytes,
                source,
            };
            let read = match body.read(&mut piece) {
                Ok(0) => return Err(broken(io::ErrorKind::UnexpectedEof.into(), part.length())),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(error, part.length())),
            };
            if part.length() + read as u64 > file.bytes {
                return Err(too_long(file, url, part));
            }
            append(part, &piece[..read])?;
            progress(part.length());
        }
        // One byte more would be enough to know.
        match body.read(&mut piece[..1]) {
            Ok(1..) => Err(too_long(file, url, part)),
            Ok(0) | Err(_) => Ok(()),
        }
    }

    /// The answer whose body follows what is there of the part. The part is empty afterwards where the server gives
    /// the whole file only.
    fn rest(&self, file: &SourceFile, url: &str, part: &mut Part) -> Result<Response<Body>, FetchError> {
        let from = part.length();
        let mut response = self.ask(url, from)?;
        let status = response.status().as_u16();
        if from > 0 && status == 206 && continues(&response, from, file.bytes) {
            return Ok(response);
        }
        if from > 0 && matches!(status, 206 | 416) {
            response = self.ask(url, 0)?;
        }
        let status = response.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status { url: url.to_owned(), status });
        }
        clear(part)?;
        Ok(response)
    }

    fn ask(&self, url: &str, from: u64) -> Result<Response<Body>, FetchError> {
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        request
            .call()
            .map_err(|source| FetchError::Unreachable { url: url.to_owned(), source: Box::new(source) })
    }
}

/// Whether a partial answer is the rest of the file, by RFC 9110, section 14.4.
fn continues(response: &Response<Body>, from: u64, bytes: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let Some((range, size)) =
        range.and_then(|range| range.strip_prefix("bytes ")).and_then(|range| range.split_once('/'))
    else {
        return false;
    };
    let starts = range.split_once('-').and_then(|(first, _)| first.parse().ok()) == Some(from);
    starts && (size == "*" || size.parse() == Ok(bytes))
}

fn append(part: &mut Part, piece: &[u8]) -> Result<(), FetchError> {
    part.append(piece).map_err(|source| FetchError::Write { path: part.path().to_owned(), source })
}

fn clear(part: &mut Part) -> Result<(), FetchError> {
    part.clear().map_err(|source| FetchError::Write { path: part.path().to_owned(), source })
}

fn too_long(file: &SourceFile, url: &str, part: &mut Part) -> FetchError {
    match clear(part) {
        Ok(()) => FetchError::TooLong { url: url.to_owned(), expected: file.bytes },
        Err(error) => error,
    }
}

/// Why a file was not fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum FetchError {
    /// Something else has its name.
    #[error("a file of that name is there and is not the official one; move it away to have it fetched")]
    There {
        /// What is wrong with it.
        #[source]
        source: VerifyError,
    },
    /// Another process fetches it.
    #[error("{} is being fetched by another process; wait until it is done", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no answer.
    #[error("no usable answer from {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The answer is no file.
    #[error("{url} answers with status {status}, expected 200")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer announces a file of another size.
    #[error("{url} has a file of {found} bytes, expected {expected}")]
    Length {
        /// The address.
        url: String,
        /// Bytes announced, with those that were there.
        found: u64,
        /// Bytes of the official file.
        expected: u64,
    },
    /// More comes than the file has.
    #[error("{url} sends more than the {expected} bytes expected")]
    TooLong {
        /// The address.
        url: String,
        /// Bytes of the official file.
        expected: u64,
    },
    /// The connection broke.
    #[error(
        "{url} broke off after {found} of {expected} bytes, which are kept; the same command goes on from there"
    )]
    BrokenOff {
        /// The address.
        url: String,
        /// Bytes that are there.
        found: u64,
        /// Bytes of the official file.
        expected: u64,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The content is another.
    #[error("{url} has another file, of which nothing is kept")]
    Wrong {
        /// The address.
        url: String,
        /// Digest found and expected.
        #[source]
        source: VerifyError,
    },
}

impl FetchError {
    /// Whether another address may help.
    pub(super) fn is_about_address(&self) -> bool {
        match self {
            Self::There { .. } | Self::Busy { .. } | Self::Write { .. } => false,
            Self::Unreachable { .. }
            | Self::Status { .. }
            | Self::Length { .. }
            | Self::TooLong { .. }
            | Self::BrokenOff { .. }
            | Self::Wrong { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests;
