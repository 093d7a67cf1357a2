use std::sync::Arc;

use lookalike_plugin_api::{Digest, Image};
use lookalike_store::NewExemplar;

use super::report::Refusal;
use crate::views::Served;

/// A batch between two stages; what it holds carries its place in the batch, so that refusals of different stages
/// come into input order.
pub(super) struct Embedded {
    pub(super) exemplars: Vec<Placed<Prepared>>,
    pub(super) refusals: Vec<Placed<Refusal>>,
    /// Who makes the rows of this batch.
    pub(super) served: Arc<Served>,
}

/// A value with its place in its batch.
pub(super) struct Placed<T> {
    pub(super) place: usize,
    pub(super) value: T,
}

/// One image after decoding.
pub(super) struct Prepared {
    pub(super) exemplar: NewExemplar,
    /// Digest of the encoded image.
    pub(super) content: Digest,
    /// The image to make rows of; `None` when the exemplar has what it is to have.
    pub(super) image: Option<Image>,
}
