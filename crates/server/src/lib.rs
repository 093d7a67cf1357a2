//! Lookalike over gRPC: a thin asynchronous shell over the engine.
//!
//! [`serve`] answers on a TCP listener, [`serve_incoming`] on any stream of connections; both take the database and
//! a future that ends their life. The service and its messages are in [`proto`], together with a client; what the
//! fields mean is documented in `proto/lookalike/v1/lookalike.proto`. Beside the service itself the server answers
//! the usual health and reflection requests.
//!
//! What it does not do: it adds no behaviour to the library, fetches no URL, encrypts nothing and asks nobody who
//! they are; put a proxy in front of it where that matters.
//!
//! # Examples
//!
//! ```no_run
//! # async fn example(database: std::sync::Arc<lookalike_engine::Database>) -> Result<(), Box<dyn std::error::Error>> {
//! use lookalike_server::ServerConfig;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7700").await?;
//! let shutdown = async {
//!     // Without a signal handler the server runs until the process is killed.
//!     if tokio::signal::ctrl_c().await.is_err() {
//!         std::future::pending::<()>().await;
//!     }
//! };
//! lookalike_server::serve(listener, database, ServerConfig::default(), shutdown).await?;
//! # Ok(())
//! # }
//! ```

mod config;
mod convert;
mod failure;
mod generated;
mod lane;
mod serve;
mod service;
mod status;

pub use config::{ConfigError, ServerConfig};
pub use generated::v1 as proto;
pub use serve::{ServeError, serve, serve_incoming};
