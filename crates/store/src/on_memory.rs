//! The store on trees in memory: the tests of its behaviour once more, and what it does when things fail.
//!
//! - `semantics`, `model`, `limits`: the files of `tests/it`
//! - `faults`: every operation of a workload fails in every way
//! - `creation`: every operation of creating a collection does
//! - `group`: writers that share a flush
//! - `space`: disks that are full
//! - `readers`: what is seen of batches that are not durable or failed
//! - `maintenance`: compaction and changes of the model that are interrupted
//! - `deleted`: how long the data of deleted exemplars stays

mod creation;
mod database;
mod deleted;
mod faults;
mod group;
#[path = "../tests/it/limits.rs"]
mod limits;
mod maintenance;
#[path = "../tests/it/model.rs"]
mod model;
mod readers;
#[path = "../tests/it/sample.rs"]
mod sample;
#[path = "../tests/it/semantics.rs"]
mod semantics;
mod space;
mod workload;

use crate as store;
