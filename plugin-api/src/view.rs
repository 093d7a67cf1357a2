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
    /// Name within the collection, 1 to [`View::MAX_NAME_BYTES`] of lower-case letters, digits, `-` and `_`.
    pub name: String,
}

impl View {
    /// Name of the view without a transformation.
    pub const CLEAN: &'static str = "clean";
    /// Longest name.
    pub const MAX_NAME_BYTES: usize = 40;

    /// Whether the word can name a view beside the clean one.
    pub fn is_name(word: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        (1..=Self::MAX_NAME_BYTES).contains(&word.len()) && word.bytes().all(allowed) && word != Self::CLEAN
    }
}
