//! What users of the store rely on.
//!
//! - `folders`: creating, opening, locking, dropping; what is no database
//! - `semantics`: what a batch does to keys, ids, labels, tags and rows
//! - `model`: random batches and reopenings against a map in memory
//! - `kill`: a writing process is killed, again and again
//! - `damage`: flipped bits and cut files
//! - `limits`: what is refused

#[cfg(test)]
mod damage;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod model;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod semantics;
