//! Storing images: decode -> embed -> store, in batches, with a report of what was refused and why.

mod pipeline;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use plugin_api::{Budget, Completion, EmbedError, ExemplarId, FeatureRows, Image, View};
use rayon::prelude::*;
use store::{NewExemplar, TagValue, Upserted, WriteBatch, WriteError, content_digest};
use thiserror::Error;
use tracing::info_span;

use self::pipeline::{FEEDERS, Input, ModelTurn, Numbered, in_order};
use crate::collection::Collection;
use crate::decode::{DecodeError, MAX_ENCODED_BYTES, decode, encode_png};

/// Images in one batch: large enough that a flush costs little beside embedding, small enough that a kill loses
/// little work.
const BATCH_IMAGES: usize = 256;

/// Encoded bytes after which a batch is closed early, so that large photographs do not pile up in memory.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Batches that may wait between embedding and storing.
const WAITING_BATCHES: usize = 2;

/// Refusals that a report keeps in full; further ones are counted.
pub const MAX_REFUSALS_KEPT: usize = 1000;

/// One image to store.
#[derive(Debug, Clone)]
pub struct IngestItem {
    /// The user's own name for it, 1 to 255 bytes. An exemplar of the same key is replaced.
    pub key: String,
    /// The image.
    pub image: ItemImage,
    /// Its label.
    pub label: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, TagValue>,
}

/// Where an image comes from.
#[derive(Debug, Clone)]
pub enum ItemImage {
    /// PNG, JPEG, PPM/PGM, BMP or WebP bytes, stored as they are.
    Encoded(Vec<u8>),
    /// A file with such bytes; it is read when its turn comes.
    File(PathBuf),
    /// Decoded pixels, stored as PNG.
    Decoded(Image),
}

/// How far an ingest has come. Every image counted in `stored` or `unchanged` survives a kill from here on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestProgress {
    /// Images taken from the input and settled: stored, unchanged or refused.
    pub settled: u64,
    /// Images written, whether new, replaced or relabelled.
    pub stored: u64,
    /// Images that were already there, with the same content, label and tags.
    pub unchanged: u64,
    /// Images refused.
    pub refused: u64,
}

/// What an ingest did.
#[derive(Debug)]
pub struct IngestReport {
    /// Images that were new.
    pub inserted: u64,
    /// Images that took the place of another content under the same key.
    pub replaced: u64,
    /// Images whose label or tags changed while the content stayed.
    pub relabelled: u64,
    /// Images that were already there as they are.
    pub unchanged: u64,
    /// Number of images refused.
    pub refused: u64,
    /// The first [`MAX_REFUSALS_KEPT`] refusals, in input order.
    pub refusals: Vec<Refusal>,
    /// Whether the input was read to its end.
    pub completion: Completion,
    /// Wall-clock time of the whole.
    pub elapsed: Duration,
    /// Part of it that the model ran.
    pub embedding: Duration,
}

/// One image that was not stored.
#[derive(Debug)]
pub struct Refusal {
    /// Its key.
    pub key: String,
    /// Why.
    pub reason: RefusalReason,
}

/// Why one image was not stored, while the ingest went on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The bytes are no image.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The key, the label or a tag is outside the store's limits.
    #[error(transparent)]
    Limit(#[from] store::Refusal),
}

/// Why an ingest ended before its input did. What was reported as stored is stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The model failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The model gave rows that do not fit the images or the collection.
    #[error(
        "embed: {found_rows} rows of {found} values for {images} images, expected rows of {expected} values"
    )]
    Rows {
        /// Rows given.
        found_rows: usize,
        /// Values in a row given.
        found: usize,
        /// Images handed over.
        images: usize,
        /// The collection's dimension.
        expected: usize,
    },
    /// A batch could not be written.
    #[error("store: a batch could not be written")]
    Write(#[from] WriteError),
    /// What is stored could not be read.
    #[error("store: the collection cannot be read")]
    Read(#[from] store::ReadError),
}

/// A batch between two stages, with the refusals that came before it.
struct Embedded {
    exemplars: Vec<NewExemplar>,
    refusals: Vec<Refusal>,
}

/// One image after decoding.
struct Prepared {
    exemplar: NewExemplar,
    /// The image to embed, or the row that its unchanged content already has.
    features: Features,
}

enum Features {
    Embed(Image),
    Known(Vec<f32>),
}

impl Collection {
    /// Stores images, batch by batch, in the order of `items`.
    ///
    /// Running the same ingest again changes nothing: images that are there with the same content, label and tags
    /// are not even embedded. An image that cannot be decoded or is outside a limit is refused by itself, and the
    /// ingest goes on. Two batches are under way at a time; they are stored in input order. `progress` is called after every batch that the store has acknowledged; what it counts as
    /// stored survives a kill. When the budget runs out, the
    /// ingest ends after the batches in hand.
    ///
    /// # Errors
    ///
    /// [`IngestError`] when the model or the disk fails; everything acknowledged before stays.
    pub fn ingest<Items>(
        &self,
        items: Items,
        budget: &Budget,
        progress: &mut (dyn FnMut(&IngestProgress) + Send),
    ) -> Result<IngestReport, IngestError>
    where
        Items: IntoIterator<Item = IngestItem, IntoIter: Send>,
    {
        let start = Instant::now();
        let input = Input::new(items.into_iter());
        let turn = ModelTurn::default();
        let (sender, receiver) = sync_channel(WAITING_BATCHES);
        // Writing has its own thread: the disk flushes one batch while the model works on the next.
        thread::scope(|scope| {
            let writer = scope.spawn(|| self.store_batches(in_order(receiver), progress));
            let feeders: Vec<_> = (0..FEEDERS)
                .map(|_| {
                    let (input, turn, sender) = (&input, &turn, sender.clone());
                    scope.spawn(move || {
                        let fed = self.feed(input, turn, budget, &sender);
                        if fed.is_err() {
                            input.stop();
                        }
                        fed
                    })
                })
                .collect();
            // The writer ends when no batch can come any more.
            drop(sender);
            let fed = feeders.into_iter().map(joined).fold(Ok(()), Result::and);
            let mut report = joined(writer)?;
            fed?;
            report.completion = input.completion();
            report.embedding = turn.total();
            report.elapsed = start.elapsed();
            Ok(report)
        })
    }

    /// Decodes and embeds batch after batch; ends early when the writer has given up (its error is the one to
    /// report).
    fn feed<I: Iterator<Item = IngestItem>>(
        &self,
        input: &Input<I>,
        turn: &ModelTurn,
        budget: &Budget,
        sender: &SyncSender<Numbered<Embedded>>,
    ) -> Result<(), IngestError> {
        while let Some(Numbered { number, value }) = input.batch(budget, take_batch) {
            let (prepared, refusals) = self.prepare(value)?;
            let exemplars = self.embed(prepared, turn)?;
            let value = Embedded { exemplars, refusals };
            if sender.send(Numbered { number, value }).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Stage `decode`, on all cores.
    fn prepare(&self, batch: Vec<IngestItem>) -> Result<(Vec<Prepared>, Vec<Refusal>), IngestError> {
        let _span = info_span!("stage", name = "decode", n = batch.len()).entered();
        let outcomes: Vec<Result<Prepared, (String, Prevented)>> = batch
            .into_par_iter()
            .map(|item| {
                let key = item.key.clone();
                self.prepare_one(item).map_err(|prevented| (key, prevented))
            })
            .collect();
        let mut prepared = Vec::with_capacity(outcomes.len());
        let mut refusals = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(image) => prepared.push(image),
                Err((key, Prevented::Refused(reason))) => refusals.push(Refusal { key, reason }),
                Err((_, Prevented::Unreadable(error))) => return Err(IngestError::Read(error)),
            }
        }
        Ok((prepared, refusals))
    }

    fn prepare_one(&self, item: IngestItem) -> Result<Prepared, Prevented> {
        let refused = |error: DecodeError| Prevented::Refused(error.into());
        let (bytes, image, media_type) = match item.image {
            ItemImage::Decoded(image) => (encode_png(&image).map_err(refused)?, image, "image/png"),
            ItemImage::Encoded(bytes) => {
                let decoded = decode(&bytes).map_err(refused)?;
                (bytes, decoded.image, decoded.media_type)
            }
            ItemImage::File(path) => {
                let bytes = read_file(&path).map_err(refused)?;
                let decoded = decode(&bytes).map_err(refused)?;
                (bytes, decoded.image, decoded.media_type)
            }
        };
        let exemplar = NewExemplar {
            key: item.key,
            label: item.label,
            tags: item.tags,
            image: bytes,
            media_type: media_type.to_owned(),
            height: image.height() as u32,
            width: image.width() as u32,
            channels: image.channels() as u8,
            rows: Vec::new(),
        };
        exemplar.check_description().map_err(|error| Prevented::Refused(error.into()))?;
        let known = self.known_row(&exemplar).map_err(Prevented::Unreadable)?;
        Ok(Prepared { exemplar, features: known.map_or(Features::Embed(image), Features::Known) })
    }

    /// The clean row of an exemplar whose content is stored under the same key already.
    fn known_row(&self, exemplar: &NewExemplar) -> Result<Option<Vec<f32>>, store::ReadError> {
        let stored = self.stored();
        let Some(id) = stored.id_of(&exemplar.key)? else { return Ok(None) };
        let Some(record) = stored.record(id)? else { return Ok(None) };
        if record.content != content_digest(&exemplar.image) {
            return Ok(None);
        }
        Ok(self.generation().clean().row(id).map(<[f32]>::to_vec))
    }

    /// Stage `embed`.
    fn embed(&self, prepared: Vec<Prepared>, turn: &ModelTurn) -> Result<Vec<NewExemplar>, IngestError> {
        let mut images = Vec::with_capacity(prepared.len());
        let mut exemplars = Vec::with_capacity(prepared.len());
        let mut waiting = Vec::with_capacity(prepared.len());
        for Prepared { mut exemplar, features } in prepared {
            match features {
                Features::Known(row) => exemplar.rows.push((View::CLEAN.to_owned(), row)),
                Features::Embed(image) => {
                    waiting.push(exemplars.len());
                    images.push(image);
                }
            }
            exemplars.push(exemplar);
        }
        if images.is_empty() {
            return Ok(exemplars);
        }
        let _span = info_span!("stage", name = "embed", n = images.len()).entered();
        let rows: FeatureRows = turn.take(|| self.embedder().embed(&images))?;
        let expected = self.fingerprint().dimension as usize;
        if rows.len() != images.len() || rows.dimension() != expected {
            let (found_rows, found, images) = (rows.len(), rows.dimension(), images.len());
            return Err(IngestError::Rows { found_rows, found, images, expected });
        }
        for (place, row) in waiting.into_iter().zip(rows.rows()) {
            exemplars[place].rows.push((View::CLEAN.to_owned(), row.to_vec()));
        }
        Ok(exemplars)
    }

    /// Stage `store`: writes batches until there are no more.
    fn store_batches(
        &self,
        batches: impl Iterator<Item = Embedded>,
        progress: &mut (dyn FnMut(&IngestProgress) + Send),
    ) -> Result<IngestReport, IngestError> {
        let mut report = IngestReport::empty();
        for Embedded { exemplars, refusals } in batches {
            let _span = info_span!("stage", name = "store", n = exemplars.len()).entered();
            if !exemplars.is_empty() {
                let outcomes = self.write(WriteBatch { upserts: exemplars, deletes: Vec::new() })?.outcomes;
                outcomes.into_iter().for_each(|outcome| report.count(outcome));
            }
            report.refused += refusals.len() as u64;
            let free = MAX_REFUSALS_KEPT.saturating_sub(report.refusals.len());
            report.refusals.extend(refusals.into_iter().take(free));
            progress(&report.progress());
        }
        Ok(report)
    }

    /// Deletes exemplars by key; `None` in the result marks a key that was not there.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; nothing is deleted then.
    pub fn delete(&self, keys: &[String]) -> Result<Vec<Option<ExemplarId>>, WriteError> {
        let mut deleted = Vec::with_capacity(keys.len());
        for keys in keys.chunks(store::MAX_BATCH_OPERATIONS) {
            deleted.extend(self.write(WriteBatch { upserts: Vec::new(), deletes: keys.to_vec() })?.deleted);
        }
        Ok(deleted)
    }
}

/// What kept one image from being prepared.
enum Prevented {
    Refused(RefusalReason),
    Unreadable(store::ReadError),
}

impl IngestReport {
    fn empty() -> Self {
        Self {
            inserted: 0,
            replaced: 0,
            relabelled: 0,
            unchanged: 0,
            refused: 0,
            refusals: Vec::new(),
            completion: Completion::Complete,
            elapsed: Duration::ZERO,
            embedding: Duration::ZERO,
        }
    }

    fn count(&mut self, outcome: Upserted) {
        match outcome {
            Upserted::Inserted(_) => self.inserted += 1,
            Upserted::Replaced { .. } => self.replaced += 1,
            Upserted::Relabelled(_) => self.relabelled += 1,
            Upserted::Unchanged(_) => self.unchanged += 1,
        }
    }

    /// Images written.
    pub fn stored(&self) -> u64 {
        self.inserted + self.replaced + self.relabelled
    }

    fn progress(&self) -> IngestProgress {
        IngestProgress {
            settled: self.stored() + self.unchanged + self.refused,
            stored: self.stored(),
            unchanged: self.unchanged,
            refused: self.refused,
        }
    }
}

/// The outcome of a thread; a panic in it goes on in this one.
fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The next batch: [`BATCH_IMAGES`] items, fewer when their bytes reach [`BATCH_BYTES`] or the input ends.
fn take_batch(items: &mut impl Iterator<Item = IngestItem>) -> Vec<IngestItem> {
    let mut batch = Vec::with_capacity(BATCH_IMAGES);
    let mut bytes = 0;
    while batch.len() < BATCH_IMAGES && bytes < BATCH_BYTES {
        let Some(item) = items.next() else { break };
        bytes += match &item.image {
            ItemImage::Encoded(encoded) => encoded.len(),
            ItemImage::Decoded(image) => image.samples().len(),
            // A file that is gone or too large is refused later, by the one who reads it.
            ItemImage::File(path) => {
                path.metadata().map_or(0, |found| found.len().min(MAX_ENCODED_BYTES) as usize)
            }
        };
        batch.push(item);
    }
    batch
}

fn read_file(path: &PathBuf) -> Result<Vec<u8>, DecodeError> {
    let found = path.metadata().map_err(DecodeError::Read)?.len();
    if found > MAX_ENCODED_BYTES {
        return Err(DecodeError::TooLarge { found });
    }
    std::fs::read(path).map_err(DecodeError::Read)
}
