//! A server's life: from the first connection to the end of the last request.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lookalike_engine::Database;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_stream::{Stream, StreamExt};
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::{ConfigError, ServerConfig};
use crate::lane::Lane;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::lookalike_server::LookalikeServer;
use crate::service::Service;

/// How long cancelled work may take to notice: ten times and more of what the library promises.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// Requests that one connection may have open.
const STREAMS_PER_CONNECTION: u32 = 64;

/// Silence after which a client is asked whether it is there, so that work for one that vanished is cancelled.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// The name under which health is asked for the server as a whole.
const WHOLE_SERVER: &str = "";

type Lookalike = LookalikeServer<Service>;

/// Why a server could not run, or did not end well.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system gives no thread.
    #[error("a worker thread cannot be started; ask for fewer workers")]
    Worker(#[source] io::Error),
    /// The reflection service does not understand the compiled proto file.
    #[error("the reflection service cannot be made")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the transport failed")]
    Transport(#[from] tonic::transport::Error),
    /// Work went on after the shutdown, although it was cancelled. It still uses the database.
    #[error("{requests} requests did not stop when they were cancelled; end the process to be rid of them")]
    Unfinished {
        /// How many.
        requests: usize,
    },
}

/// Answers gRPC requests on a TCP listener until `shutdown` is ready; see [`serve_incoming`].
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(
    listener: TcpListener,
    database: Arc<Database>,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    // Small answers are not to wait for company.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    serve_incoming(incoming, database, config, shutdown).await
}

/// Answers gRPC requests on the connections of `incoming` until `shutdown` is ready.
///
/// Health says *serving* from the first connection on and *not serving* from the shutdown on. A shutdown takes no
/// more connections, waits up to [`ServerConfig::grace`] for the requests in hand, then cancels them; their clients
/// get UNAVAILABLE. When this returns `Ok`, no request uses the database any more.
///
/// It must run in a tokio runtime with I/O and time enabled.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve_incoming<IO, IE>(
    incoming: impl Stream<Item = Result<IO, IE>>,
    database: Arc<Database>,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    IE: Into<Box<dyn Error + Send + Sync>>,
{
    config.validate()?;
    let grace = config.grace;
    let limit = config.max_message_bytes;
    let lane = Lane::new(config.workers, config.queue_length).map_err(ServeError::Worker)?;
    let service = LookalikeServer::new(Service::new(&database, lane.clone(), config))
        .max_decoding_message_size(limit)
        .max_encoding_message_size(limit);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<Lookalike>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;

    let (began, shutting_down) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        retire(health).await;
        // An error says that nobody waits for the grace to end, which `serving` does as long as it runs.
        let _ = began.send(());
    };
    let serving = Server::builder()
        .max_concurrent_streams(Some(STREAMS_PER_CONNECTION))
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .add_service(service)
        .add_service(health_service)
        .add_service(reflection)
        // The transport takes the end of the stream for a shutdown, but the last connection may still be in use.
        .serve_with_incoming_shutdown(incoming.chain(tokio_stream::pending()), shutdown);
    let mut serving = std::pin::pin!(serving);
    let mercy = async {
        match shutting_down.await {
            Ok(()) => sleep(grace).await,
            // The transport failed before the shutdown began; then `serving` is ready.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = &mut serving => {
            ended?;
            lane.stop();
        }
        () = mercy => {
            lane.stop();
            // Clients that keep a connection open for nothing are left to the runtime; no work depends on them.
            if let Ok(ended) = timeout(CANCEL_WAIT, serving).await {
                ended?;
            }
        }
    }
    // Work whose client went away may still be on its way to the next look at its budget.
    match timeout(CANCEL_WAIT, lane.idle()).await {
        Ok(()) => Ok(()),
        Err(_) => Err(ServeError::Unfinished { requests: lane.in_hand() }),
    }
}

/// Tells those who watch that the server is going, and lets go of them: a watcher would keep its connection open.
async fn retire(mut health: HealthReporter) {
    health.set_not_serving::<Lookalike>().await;
    health.set_service_status(WHOLE_SERVER, ServingStatus::NotServing).await;
    health.clear_service_status(Lookalike::NAME).await;
    health.clear_service_status(WHOLE_SERVER).await;
}
