//! Disk: collections, exemplars, feature rows, bitmaps and their integrity.
//!
//! A [`Store`] is one directory that one process holds. It has collections; a [`Collection`] keeps, under one model's
//! fingerprint, encoded images with their keys, labels and tags, and a feature row for each of its views. All changes
//! are made in batches, [`Collection::write`]: a batch is durable and visible as a whole or not at all. What there is
//! after the newest batch is a [`Catalog`], an immutable value with the ids and their bitmaps by label and tag.
//!
//! The promise: when a write is acknowledged, the whole batch survives a kill of the process; on Linux with ext4 or
//! XFS, on a disk that honours flushes, it also survives a power cut. The store checks this at opening and reports
//! [`Durability::PowerSafe`] or [`Durability::ProcessCrashOnly`]. The tree underneath is beta software without a
//! repair tool: keep backups.
//!
//! Feature rows are also kept as arrays in files, so that a million of them need not be read one by one:
//! [`Collection::load_segments`] maps them, and reads from the tree what no file has. These files are derived. They
//! are checked whenever they are opened, and may be deleted at any time.
//!
//! What it does not do: it decodes no image, computes no feature and searches nothing. It keeps what is ground
//! state; whatever else can be computed from it is the engine's.
//!
//! # What it costs
//!
//! Measured with `cargo bench -p lookalike-store` on two cores of a shared Intel Xeon with ext4: rows of 512 values, 256
//! exemplars a batch, every batch flushed. The floor of writing is a plain log with fdatasync, 286 MB/s.
//!
//! | what | small images (800 bytes) | large images (40 KiB) |
//! | --- | --- | --- |
//! | write, one writer | 44 to 51 MB/s, 15,000 to 18,000 exemplars/s | 270 to 300 MB/s |
//! | write, two writers that share flushes | 46 to 57 MB/s | |
//! | write, mode [`WriteMode::Bulk`] | 50 to 56 MB/s: the tree takes the time, not the flush | |
//! | open 60,000 with mapped rows | 0.16 to 0.23 s | |
//! | write 1,000,000, one writer | 32 MB/s: the tree is slower the larger it is | |
//! | open 1,000,000 with mapped rows | 1.0 s; records and keys are counted beside, some 3 s more | |
//! | verify 60,000; 1,000,000 | 0.6 s; 21 s | |
//! | compact 60,000; 1,000,000 | 5 s; 122 s | |
//! | disk after writing 60,000, and after compaction | 2.1 and 1.7 to 1.9 times the data | |
//! | disk after compaction of 1,000,000 | 1.8 times the data | |
//!
//! # Examples
//!
//! ```
//! use lookalike_plugin_api::{Digest, Fingerprint};
//! use lookalike_store::{NewExemplar, Store, StoreConfig, WriteBatch};
//!
//! # let folder = tempfile::tempdir()?;
//! # let root = folder.path().join("database");
//! let store = Store::create(&root, StoreConfig::default())?;
//! let fingerprint = Fingerprint {
//!     model: "tiny".to_owned(),
//!     weights: Digest([1; 32]),
//!     preprocessing: Digest([2; 32]),
//!     dimension: 2,
//! };
//! let birds = store.create_collection("birds", &fingerprint)?;
//! let wren = NewExemplar {
//!     key: "wren-1".to_owned(),
//!     label: Some("wren".to_owned()),
//!     tags: [("year".to_owned(), 2024.0.into())].into(),
//!     image: b"the bytes of a file".to_vec(),
//!     media_type: "image/png".to_owned(),
//!     height: 32,
//!     width: 32,
//!     channels: 3,
//!     rows: vec![("clean".to_owned(), vec![0.5, -1.0])],
//! };
//! let receipt = birds.write(WriteBatch { upserts: vec![wren], deletes: Vec::new() })?;
//! let id = receipt.outcomes[0].id();
//! assert_eq!(birds.image(id)?.as_deref(), Some(&b"the bytes of a file"[..]));
//! assert_eq!(birds.rows("clean", &[id])?.row(0), [0.5, -1.0]);
//! assert!(birds.catalog().label_of(id).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod batch;
mod before;
mod catalog;
mod collection;
mod config;
mod container;
mod copy;
mod draft;
mod entry;
mod error;
mod generation;
mod ground;
mod key;
mod limits;
mod lock;
mod mapped;
mod marker;
mod old_format;
#[cfg(test)]
mod on_memory;
#[cfg(target_os = "linux")]
mod power;
mod record;
mod salvage;
mod schema;
mod segment;
mod store;
mod tag;
mod validate;
mod value;
mod verify;

pub use archive::{ArchiveError, ArchiveReport, ArchiveWriter, restore};
pub use batch::{NewExemplar, Upserted, WriteBatch, WriteReceipt};
pub use catalog::Catalog;
pub use collection::{Collection, CompactReport};
pub use config::{Doubt, Durability, DurabilityDemand, StoreConfig, WriteMode};
pub use error::{Damage, MaintenanceError, OpenError, ReadError, TreeError, WriteError};
pub use generation::folder::FolderError;
pub use limits::{
    MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, MAX_COLLECTION_NAME_BYTES, MAX_DESCRIPTION_BYTES, MAX_DIMENSION,
    MAX_IMAGE_BYTES, MAX_KEY_BYTES, MAX_LABEL_BYTES, MAX_MEDIA_TYPE_BYTES, MAX_MODEL_NAME_BYTES,
    MAX_PAGE_ENTRIES, MAX_TAG_NAME_BYTES, MAX_TAG_TEXT_BYTES, MAX_TAGS, MAX_VIEW_NAME_BYTES, MAX_VIEWS,
};
pub use record::{CollectionStats, Page, Record, content_digest};
pub use salvage::{SalvageReport, migrate, salvage};
pub use schema::model::{Model, ModelRole};
pub use segment::{RowSegment, SegmentError, SegmentSaving};
pub use store::Store;
pub use tag::TagValue;
pub use validate::refusal::Refusal;
pub use verify::{Finding, Loss, VerifyReport};
