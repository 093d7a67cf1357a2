//! `lookalike serve`: the database over gRPC, until it is told to stop.

use std::sync::Arc;

use anyhow::Context;
use lookalike_server::ServerConfig;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::args::{GlobalArgs, ServeArgs};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::show::output::{Output, Report, visible};

pub(crate) fn run(args: &ServeArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let database = Arc::new(Opened::open(&args.db, global, args.write_mode.config())?.database.into_engine());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| {
            format!("{} cannot be listened on; choose another with --listen", args.listen)
        })?;
        // Asked for before anyone is told that the server is there, so that no signal is missed.
        let told_to_stop = told_to_stop()?;
        output.report(&ServeReport {
            database: args.db.display().to_string(),
            collections: database.collection_names()?,
            address: listener.local_addr()?.to_string(),
        })?;
        lookalike_server::serve(listener, Arc::clone(&database), ServerConfig::default(), told_to_stop)
            .await?;
        Ok(Ending::Done)
    })
}

/// Ready when the user interrupts the process or the system asks it to end.
#[cfg(unix)]
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler the server runs until the process is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Printed when the server can be reached.
#[derive(Debug, Serialize)]
struct ServeReport {
    database: String,
    collections: Vec<String>,
    address: String,
}

impl Report for ServeReport {
    fn text(&self) -> String {
        format!(
            "serving {} ({}) on {}; stop with ctrl-c\n",
            visible(&self.database),
            self.collections.join(", "),
            self.address
        )
    }
}
