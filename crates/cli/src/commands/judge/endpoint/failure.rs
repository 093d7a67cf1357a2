use std::time::Duration;

use thiserror::Error;

use crate::show::output::{things, visible};

/// Characters of a reply that a message shows.
const SHOWN: usize = 160;

/// Why a question has no answer.
#[derive(Debug, Error)]
#[error("asked {}", things(u64::from(*attempts), "time"))]
pub(super) struct Failure {
    #[source]
    cause: Cause,
    attempts: u32,
}

#[derive(Debug, Error)]
enum Cause {
    #[error("the endpoint answers {status}: {start}")]
    Status { status: u16, wait: Option<Duration>, start: String },
    #[error("the endpoint's answer is no chat completion: {start}")]
    Shape { start: String },
    #[error("the endpoint cannot be reached")]
    Transport(#[source] ureq::Error),
    #[error("the endpoint's answer is longer than {0} bytes")]
    TooLong(u64),
    #[error("the endpoint took too long ({0}); give it more time with --timeout")]
    Slow(ureq::Timeout),
}

impl Failure {
    fn of(cause: Cause) -> Self {
        Self { cause, attempts: 1 }
    }

    pub(super) fn status(status: u16, wait: Option<Duration>, text: &str) -> Self {
        Self::of(Cause::Status { status, wait, start: start(text) })
    }

    pub(super) fn shape(text: &str) -> Self {
        Self::of(Cause::Shape { start: start(text) })
    }

    pub(super) fn after(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Whether it may be over soon: the endpoint is busy or broken, or the connection was.
    pub(super) fn may_pass(&self) -> bool {
        match &self.cause {
            Cause::Status { status, .. } => *status == 429 || *status >= 500,
            Cause::Slow(_) => true,
            Cause::Transport(error) => {
                matches!(
                    error,
                    ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound
                )
            }
            Cause::Shape { .. } | Cause::TooLong(_) => false,
        }
    }

    /// How long the endpoint asks to be left alone.
    pub(super) fn asked_for(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Status { wait, .. } => *wait,
            Cause::Shape { .. } | Cause::Transport(_) | Cause::TooLong(_) | Cause::Slow(_) => None,
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        Self::of(if let ureq::Error::BodyExceedsLimit(limit) = error {
            Cause::TooLong(limit)
        } else if let ureq::Error::Timeout(timeout) = error {
            Cause::Slow(timeout)
        } else {
            Cause::Transport(error)
        })
    }
}

/// The first words of a text, on one line.
fn start(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = words.chars().take(SHOWN).collect();
    let dots = if shown.len() < words.len() { ".." } else { "" };
    if words.is_empty() { "nothing".to_owned() } else { visible(&shown) + dots }
}
