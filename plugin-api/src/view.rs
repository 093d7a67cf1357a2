use std::fmt;

use crate::Digest;

/// Identity of a feature view: the digest of the model's fingerprint and the view's transformation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewId(pub Digest);

impl fmt::Debug for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewId({})", self.0.short())
    }
}

/// A feature view: the features of a whole collection under one fixed transformation of its images.
///
/// The view named [`View::CLEAN`] is the images as they are; every collection has it. A plugin declares further
/// views, say the images blended with a stored trigger, and the host keeps their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Digest of fingerprint and transformation.
    pub id: ViewId,
    /// Name within the collection, 1 to 64 bytes.
    pub name: String,
}

impl View {
    /// Name of the view without a transformation.
    pub const CLEAN: &'static str = "clean";
}
