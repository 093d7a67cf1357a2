//! What the store accepts. Every limit is checked before anything of a batch is written.

/// Largest length of a user's key, in bytes; the smallest is 1.
pub const MAX_KEY_BYTES: usize = 255;
/// Largest length of a label, in bytes; the smallest is 1.
pub const MAX_LABEL_BYTES: usize = 255;
/// Largest length of a tag's name, in bytes; the smallest is 1.
pub const MAX_TAG_NAME_BYTES: usize = 64;
/// Largest length of a tag's text, in bytes.
pub const MAX_TAG_TEXT_BYTES: usize = 255;
/// Most tags of one exemplar.
pub const MAX_TAGS: usize = 64;
/// Most bytes of an exemplar's key, label, tag names and tag texts together. A record holds them with some bytes of
/// lengths and numbers for each, and must fit into one value of the tree.
pub const MAX_DESCRIPTION_BYTES: usize = 12_288;
/// Largest length of a media type such as `image/png`, in bytes.
pub const MAX_MEDIA_TYPE_BYTES: usize = 127;
/// Largest encoded image, in bytes; the smallest is 1.
pub const MAX_IMAGE_BYTES: usize = 16 << 20;
/// Largest length of a view's name, in bytes; the smallest is 1.
pub const MAX_VIEW_NAME_BYTES: usize = 64;
/// Most views of one collection.
pub const MAX_VIEWS: usize = 64;
/// Most values of a feature row; the fewest is 1. A row is stored as one value of the tree, and larger values
/// would leave the log for files that are not synced with it.
pub const MAX_DIMENSION: usize = 3_500;
/// Most operations (upserts and deletes) of one batch.
pub const MAX_BATCH_OPERATIONS: usize = 4_096;
/// Most image and row bytes of one batch.
pub const MAX_BATCH_BYTES: usize = 64 << 20;
/// Most entries of one [`Page`](crate::Page); a larger wish is cut to this.
pub const MAX_PAGE_ENTRIES: usize = 1_000;
/// Largest length of a model's name in a fingerprint, in bytes.
pub const MAX_MODEL_NAME_BYTES: usize = 255;
/// Largest length of a collection's name, which is made of `a-z`, `0-9`, `_` and `-`.
pub const MAX_COLLECTION_NAME_BYTES: usize = 64;

/// Largest value of the tree with its header, in bytes. With segments of 1 MiB a leaf of such values still stays in
/// the log; larger leaves become separate files, which are neither synced nor counted in the cache.
pub(crate) const MAX_VALUE_BYTES: usize = 14_336;
/// Image bytes of one chunk.
pub(crate) const CHUNK_BYTES: usize = 14_000;

/// The file that makes a directory a database, and what it says.
pub(crate) const MARKER_FILE: &str = "lookalike.json";
pub(crate) const MARKER_MAGIC: &str = "lookalike";
