use super::tensor::{CheckpointTensor, Storage};

/// Most tensors of a checkpoint.
pub(super) const MAX_TENSORS: usize = 65_536;

/// Most bytes of a tensor's name.
pub(super) const MAX_NAME_BYTES: usize = 1024;

/// What a file of any format holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) storages: Vec<Storage>,
    pub(super) tensors: Vec<CheckpointTensor>,
    /// Entries beside the tensors that are none.
    pub(super) others: Vec<String>,
}
