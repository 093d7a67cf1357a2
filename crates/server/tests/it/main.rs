//! Tests of the gRPC server, in memory: no port, no sleep.
//!
//! - `generated`: the committed code is that of the proto file.
//! - `collections`: what can be done with collections and single exemplars.
//! - `ingest`: the stream of images.
//! - `search`: answers are those of the library, errors say what is wrong.
//! - `lifecycle`: overload, cancelled requests, health, reflection, shutdown.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod collections;
mod generated;
mod harness;
mod ingest;
mod lifecycle;
mod search;
