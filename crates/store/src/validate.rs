//! What may be stored: batches are looked at before anything is written.

pub(crate) mod admission;
pub(crate) mod refusal;
