//! What the program does: a file for each command.

pub(crate) mod backup;
pub(crate) mod compact;
pub(crate) mod datasets;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod duplicates;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod ingest;
pub(crate) mod init;
pub(crate) mod judge;
pub(crate) mod migrate;
pub(crate) mod model;
pub(crate) mod rebuild;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod stats;
pub(crate) mod train;
pub(crate) mod trigger;
pub(crate) mod verify;
pub(crate) mod view;
