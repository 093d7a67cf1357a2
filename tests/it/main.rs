//! Integration tests, by what a user relies on.
//!
//! | module | says |
//! | --- | --- |
//! | `circles` | no circle of more than two files in any crate |
//! | `tidy` | the house: edges between crates, forbidden names, top-level entries, paths in the documents |
//! | `ranking` | shortlists equal brute force and the golden scores; filters; ties |
//! | `ingest` | idempotence, upserts, refusals, states, another model |
//! | `glyphs` | the whole product on drawn glyphs with the shipped network |
//! | `determinism` | equal queries on equal data give equal bits, whatever happens beside them |
//! | `edges` | odd queries and odd collections, with the method on |
//! | `mnist` | the whole product on real digits; skipped where the data is absent |

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::float_cmp,
    reason = "a test says what it expects by failing, and why it is skipped on standard error"
)]

mod circles;
mod determinism;
mod edges;
mod glyphs;
mod ingest;
mod mnist;
mod ranking;
mod support;
mod tidy;
