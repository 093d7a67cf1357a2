use std::time::Duration;

use thiserror::Error;
use tokio::sync::Semaphore;

/// How a server is run. None of it changes what a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Largest message of either direction, in bytes; at first [`ServerConfig::DEFAULT_MAX_MESSAGE_BYTES`], which is
    /// what the proto file promises to clients.
    pub max_message_bytes: usize,
    /// Requests that are worked on at the same time; at first [`ServerConfig::DEFAULT_WORKERS`]. The engine uses all
    /// cores for one request, so this is about short requests not waiting behind long ones.
    pub workers: usize,
    /// Requests that may wait for a worker; at first [`ServerConfig::DEFAULT_QUEUE_LENGTH`]. Further ones are turned
    /// away.
    pub queue_length: usize,
    /// Ingest streams that may be open at the same time; at first [`ServerConfig::DEFAULT_INGEST_STREAMS`]. Each
    /// holds up to two batches in memory.
    pub ingest_streams: usize,
    /// What a search may take when the request does not say; at first [`ServerConfig::DEFAULT_TIME_LIMIT`].
    pub default_time_limit: Duration,
    /// How long a shutdown waits for the requests in hand before it cancels them; at first
    /// [`ServerConfig::DEFAULT_GRACE`].
    pub grace: Duration,
}

impl ServerConfig {
    /// The largest encoded image, 16 MiB, and 1 MiB for what surrounds it.
    pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 17 << 20;
    /// 4.
    pub const DEFAULT_WORKERS: usize = 4;
    /// 64.
    pub const DEFAULT_QUEUE_LENGTH: usize = 64;
    /// 4.
    pub const DEFAULT_INGEST_STREAMS: usize = 4;
    /// One minute.
    pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_mins(1);
    /// Ten seconds.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

    /// Most workers.
    pub const MAX_WORKERS: usize = 1024;
    /// Smallest value of [`ServerConfig::max_message_bytes`]: room for what surrounds an image.
    pub const LEAST_MESSAGE_BYTES: usize = 64 << 10;

    /// Whether a server can be run like this.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let most_waiting = Semaphore::MAX_PERMITS - Self::MAX_WORKERS;
        let settings = [
            ("max_message_bytes", self.max_message_bytes, Self::LEAST_MESSAGE_BYTES, u32::MAX as usize),
            ("workers", self.workers, 1, Self::MAX_WORKERS),
            ("queue_length", self.queue_length, 0, most_waiting.min(u32::MAX as usize - Self::MAX_WORKERS)),
            ("ingest_streams", self.ingest_streams, 1, Semaphore::MAX_PERMITS),
        ];
        for (setting, found, least, most) in settings {
            if !(least..=most).contains(&found) {
                return Err(ConfigError { setting, found, least, most });
            }
        }
        Ok(())
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: Self::DEFAULT_MAX_MESSAGE_BYTES,
            workers: Self::DEFAULT_WORKERS,
            queue_length: Self::DEFAULT_QUEUE_LENGTH,
            ingest_streams: Self::DEFAULT_INGEST_STREAMS,
            default_time_limit: Self::DEFAULT_TIME_LIMIT,
            grace: Self::DEFAULT_GRACE,
        }
    }
}

/// A setting of [`ServerConfig`] is out of range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("server setting \"{setting}\" is {found}, it takes {least} to {most}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The setting.
    pub setting: &'static str,
    /// Its value.
    pub found: usize,
    /// Smallest value it takes.
    pub least: usize,
    /// Largest value it takes.
    pub most: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_workers_is_refused() {
        assert_eq!(ServerConfig::default().validate(), Ok(()));
        let error = ServerConfig { workers: 0, ..ServerConfig::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "server setting \"workers\" is 0, it takes 1 to 1024");
    }

    #[test]
    fn an_encoded_image_of_the_largest_size_fits_in_a_message() {
        let largest = usize::try_from(lookalike_engine::MAX_ENCODED_BYTES).unwrap();
        assert!(ServerConfig::DEFAULT_MAX_MESSAGE_BYTES > largest);
        let proto = include_str!("../proto/lookalike/v1/lookalike.proto");
        assert!(proto.contains("(17,825,792 bytes)"), "the proto file publishes the limit");
        assert_eq!(ServerConfig::DEFAULT_MAX_MESSAGE_BYTES, 17_825_792);
    }
}
