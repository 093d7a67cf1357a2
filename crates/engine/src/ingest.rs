//! Storing images: decode -> embed -> store, in batches, with a report of what was refused and why.

mod duplicate;
mod error;
mod item;
mod pipeline;
mod report;
mod rows;
mod staged;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use lookalike_plugin_api::{Budget, Digest, ExemplarId, View};
use lookalike_store::{NewExemplar, Upserted, WriteBatch, WriteError, content_digest};
use rayon::prelude::*;
use tracing::info_span;

pub use self::duplicate::DuplicatePolicy;
use self::duplicate::{Admission, admit};
pub use self::error::IngestError;
pub use self::item::{Incoming, IngestItem, ItemImage};
use self::item::{read_file, take_batch};
use self::pipeline::{FEEDERS, Input, ModelTurn, Numbered, in_order};
pub use self::report::{IngestProgress, IngestReport, MAX_REFUSALS_KEPT, Refusal, RefusalReason};
pub(crate) use self::rows::rows_of;
use self::rows::{embed, embed_again, portions};
use self::staged::{Embedded, Placed, Prepared};
use crate::collection::Collection;
use crate::decode::{decode, encode_png};
use crate::state::State;
use crate::views::Served;

/// Batches that may wait between embedding and storing.
const WAITING_BATCHES: usize = 2;

/// How an ingest treats what it is given. The default keeps everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestOptions {
    /// What becomes of an image whose very bytes are stored under another key.
    pub duplicates: DuplicatePolicy,
}

impl Collection {
    /// Stores images, batch by batch, in the order of `items`, as [`Collection::ingest_with`] does it by default.
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
        self.ingest_with(items, &IngestOptions::default(), budget, progress)
    }

    /// Stores images, batch by batch, in the order of `items`.
    ///
    /// With its clean row, an image gets one in every view that the registered rerankers declare.
    ///
    /// Running the same ingest again changes nothing: images that are there with the same content, label and tags
    /// are not even embedded. An image that cannot be decoded or is outside a limit is refused by itself, and the
    /// ingest goes on. Two batches are under way at a time; they are stored in input order. `progress` is called
    /// after every batch that the store has acknowledged; what it counts as stored survives a kill. When the budget
    /// runs out, the ingest ends after the batches in hand. At the end, new rows are written into files if they are
    /// many, so that they are mapped from there, now and at the next opening; that takes some seconds after a large
    /// ingest, and is never an error.
    ///
    /// # Errors
    ///
    /// [`IngestError`] when the model or the disk fails; everything acknowledged before stays.
    pub fn ingest_with<Items>(
        &self,
        items: Items,
        options: &IngestOptions,
        budget: &Budget,
        progress: &mut (dyn FnMut(&IngestProgress) + Send),
    ) -> Result<IngestReport, IngestError>
    where
        Items: IntoIterator<Item = IngestItem, IntoIter: Send>,
    {
        let items = items.into_iter().map(|item| Incoming::Item(item, None));
        self.ingest_incoming(items, options, budget, progress)
    }

    /// The same for images that bring their feature rows along, and beside ones that their reader refused: those are in
    /// the report in their places.
    ///
    /// # Errors
    ///
    /// As [`Collection::ingest_with`].
    pub fn ingest_incoming(
        &self,
        items: impl Iterator<Item = Incoming> + Send,
        options: &IngestOptions,
        budget: &Budget,
        progress: &mut (dyn FnMut(&IngestProgress) + Send),
    ) -> Result<IngestReport, IngestError> {
        let start = Instant::now();
        let input = Input::new(items);
        let turn = ModelTurn::default();
        let (sender, receiver) = sync_channel(WAITING_BATCHES);
        // Writing has its own thread: the disk flushes one batch while the model works on the next.
        thread::scope(|scope| {
            let writer = scope.spawn(|| self.store_batches(in_order(receiver), options.duplicates, progress));
            let feeders: Vec<_> = (0..FEEDERS)
                .map(|_| {
                    let (input, turn, sender) = (&input, &turn, sender.clone());
                    let duplicates = options.duplicates;
                    scope.spawn(move || {
                        let fed = self.feed(input, turn, duplicates, budget, &sender);
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
            self.keep_rows();
            fed?;
            report.completion = input.completion();
            report.embedding = turn.total();
            report.elapsed = start.elapsed();
            Ok(report)
        })
    }

    /// Decodes and embeds batch after batch; ends early when the writer has given up (its error is the one to
    /// report).
    fn feed<I: Iterator<Item = Incoming>>(
        &self,
        input: &Input<I>,
        turn: &ModelTurn,
        duplicates: DuplicatePolicy,
        budget: &Budget,
        sender: &SyncSender<Numbered<Embedded>>,
    ) -> Result<(), IngestError> {
        while let Some(Numbered { number, value }) = input.batch(budget, take_batch) {
            let mut value = self.prepare(value, duplicates)?;
            embed(&mut value, turn)?;
            if sender.send(Numbered { number, value }).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Stage `decode`, on all cores.
    fn prepare(&self, batch: Vec<Incoming>, duplicates: DuplicatePolicy) -> Result<Embedded, IngestError> {
        let _span = info_span!("stage", name = "decode", n = batch.len()).entered();
        // Rows that are known and rows that are made must be of one model.
        let state = self.state();
        let outcomes: Vec<Result<Prepared, Prevented>> = batch
            .into_par_iter()
            .map(|incoming| match incoming {
                Incoming::Refused(refusal) => Err(Prevented::Refused(refusal)),
                Incoming::Item(item, row) => {
                    let key = item.key.clone();
                    let mut prepared =
                        prepare_one(item).map_err(|reason| Prevented::Refused(Refusal { key, reason }))?;
                    self.find_row(&state, &mut prepared, row, duplicates).map_err(Prevented::Unreadable)?;
                    Ok(prepared)
                }
            })
            .collect();
        let exemplars = Vec::with_capacity(outcomes.len());
        let mut embedded = Embedded { exemplars, refusals: Vec::new(), served: Arc::clone(state.served()) };
        for (place, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(value) => embedded.exemplars.push(Placed { place, value }),
                Err(Prevented::Refused(value)) => embedded.refusals.push(Placed { place, value }),
                Err(Prevented::Unreadable(error)) => return Err(IngestError::Read(error)),
            }
        }
        Ok(embedded)
    }

    /// Gives an exemplar the rows that are there already: all of its content, if that is stored, or the clean one that
    /// it brought.
    ///
    /// What stored content lacks in a view, it goes on lacking: to complete a view is a work of its own.
    fn find_row(
        &self,
        state: &State,
        prepared: &mut Prepared,
        brought: Option<Vec<f32>>,
        duplicates: DuplicatePolicy,
    ) -> Result<(), lookalike_store::ReadError> {
        let rows = &mut prepared.exemplar.rows;
        if let Some(id) = self.stored_alike(&prepared.exemplar.key, prepared.content, duplicates)?
            && state.clean().row(id).is_some()
        {
            let known = state.views().filter_map(|view| Some((view, view.matrix().row(id)?)));
            rows.extend(known.map(|(view, row)| (view.kept().to_owned(), row.to_vec())));
            prepared.image = None;
        } else if let Some(row) = brought {
            rows.push((View::CLEAN.to_owned(), row));
            if state.served().views().is_empty() {
                prepared.image = None;
            }
        }
        Ok(())
    }

    /// The exemplar that holds this content under the same key, or, where duplicates are looked for anyway, under any
    /// key.
    fn stored_alike(
        &self,
        key: &str,
        content: Digest,
        duplicates: DuplicatePolicy,
    ) -> Result<Option<ExemplarId>, lookalike_store::ReadError> {
        let stored = self.stored();
        if let Some(id) = stored.id_of(key)?
            && let Some(record) = stored.record(id)?
            && record.content == content
        {
            return Ok(Some(id));
        }
        if duplicates == DuplicatePolicy::Keep {
            return Ok(None);
        }
        Ok(stored.ids_of_content(&content)?.first().copied())
    }

    /// Writes exemplars with their rows. If other rows are wanted since these were made, for another model for
    /// instance, they are made again of the images.
    fn write_embedded(
        &self,
        exemplars: Vec<NewExemplar>,
        served: &Served,
    ) -> Result<Vec<Upserted>, IngestError> {
        let mut outcomes = Vec::with_capacity(exemplars.len());
        for mut upserts in portions(exemplars) {
            let receipt = self.write_with(|state| {
                if !state.served().makes_rows_of(served) {
                    embed_again(&mut upserts, state.served())?;
                }
                Ok::<_, IngestError>(WriteBatch { upserts, deletes: Vec::new() })
            })?;
            outcomes.extend(receipt.outcomes);
        }
        Ok(outcomes)
    }

    /// Stage `store`: writes batches until there are no more.
    fn store_batches(
        &self,
        batches: impl Iterator<Item = Embedded>,
        duplicates: DuplicatePolicy,
        progress: &mut (dyn FnMut(&IngestProgress) + Send),
    ) -> Result<IngestReport, IngestError> {
        let mut report = IngestReport::empty();
        for Embedded { exemplars, mut refusals, served } in batches {
            let _span = info_span!("stage", name = "store", n = exemplars.len()).entered();
            // Whether an image is a duplicate is decided here, where all before it is stored: the first one wins,
            // however the stages before took turns.
            let Admission { admitted, refused, skipped } = admit(&self.stored(), exemplars, duplicates)?;
            if !admitted.is_empty() {
                let outcomes = self.write_embedded(admitted, &served)?;
                outcomes.into_iter().for_each(|outcome| report.count(outcome));
            }
            report.duplicates += skipped;
            refusals.extend(refused);
            refusals.sort_by_key(|refusal| refusal.place);
            report.refuse(refusals.into_iter().map(|refusal| refusal.value));
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
        for keys in keys.chunks(lookalike_store::MAX_BATCH_OPERATIONS) {
            let batch = WriteBatch { upserts: Vec::new(), deletes: keys.to_vec() };
            deleted.extend(self.write_with(|_| Ok::<_, WriteError>(batch))?.deleted);
        }
        Ok(deleted)
    }
}

/// What kept one image from being prepared.
enum Prevented {
    Refused(Refusal),
    Unreadable(lookalike_store::ReadError),
}

/// The outcome of a thread; a panic in it goes on in this one.
fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn prepare_one(item: IngestItem) -> Result<Prepared, RefusalReason> {
    let (bytes, image, media_type) = match item.image {
        ItemImage::Decoded(image) => (encode_png(&image)?, image, "image/png"),
        ItemImage::Encoded(bytes) => {
            let decoded = decode(&bytes)?;
            (bytes, decoded.image, decoded.media_type)
        }
        ItemImage::File(path) => {
            let bytes = read_file(&path)?;
            let decoded = decode(&bytes)?;
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
    exemplar.check_description()?;
    let content = content_digest(&exemplar.image);
    Ok(Prepared { exemplar, content, image: Some(image) })
}
