//! What users of the store rely on. The library's own tests include `semantics`, `model` and `limits` a second time,
//! to run them on a tree in memory; these name the store and its databases by `super`.
//!
//! - `folders`: creating, opening, locking, dropping; what is no database
//! - `semantics`: what a batch does to keys, ids, labels, tags and rows
//! - `model`: random batches and reopenings against a map in memory
//! - `kill`: a writing process is killed, again and again
//! - `obstacles`: directories that cannot be written, full disks, files that were deleted
//! - `power_cut`: the power of a writing process's disk is cut, again and again
//! - `damage`: flipped bits and cut files
//! - `segments`: rows in files, and what becomes of them
//! - `maintenance`: verify, compact, write modes, salvage
//! - `archive`: backup and restore
//! - `rebuild`: rows of another model, switch and rollback
//! - `formats`: databases of every format version
//! - `limits`: what is refused

use lookalike_store as store;

#[cfg(test)]
mod archive;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod database;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod maintenance;
#[cfg(test)]
mod model;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(test)]
mod obstacles;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod power_cut;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod script;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod segments;
#[cfg(test)]
mod semantics;
#[cfg(test)]
mod survey;
#[cfg(test)]
mod writer;
