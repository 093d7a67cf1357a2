use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use lookalike_plugin_api::{Budget, Completion, ExemplarId, ExemplarSource, FeatureRows};
use lookalike_vision::{Model, Pixels, TunedModel};

use super::halt::Halt;
use crate::blend::Blend;
use crate::stored_trigger::StoredTrigger;

/// Images that one thread takes between two looks at the budget: few enough for the 50 ms of the contract on a slow core.
pub(crate) const CHUNK: usize = 32;
/// Rows that are whitened between two looks at the budget.
const WHITENED_AT_ONCE: usize = 256;

/// Makes feature rows of triggered images.
#[derive(Clone, Copy)]
pub(crate) struct Embedding<'a> {
    pub(crate) model: &'a Model,
    pub(crate) source: &'a dyn ExemplarSource,
    pub(crate) budget: &'a Budget,
}

/// A trigger with all that says how it is laid over an image.
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    pub(crate) trigger: StoredTrigger,
    pub(crate) blend: Blend,
    pub(crate) omega: f32,
    /// Whether the result is cut to 0..=1.
    pub(crate) clamp: bool,
}

impl Overlay {
    pub(crate) fn on(&self, image: &Pixels) -> Pixels {
        let mut triggered = self.trigger.lay_over(image, self.blend, self.omega);
        if self.clamp {
            triggered.values_mut().iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        }
        triggered
    }
}

impl Embedding<'_> {
    /// Rows of `images`.
    pub(crate) fn images(&self, stage: &'static str, images: &[Pixels]) -> Result<FeatureRows, Halt> {
        let mut values = Vec::with_capacity(images.len() * self.model.head().dimension());
        for chunk in images.chunks(CHUNK) {
            self.poll()?;
            let rows = self.model.features(chunk).map_err(|error| Halt::of_step(stage, error))?;
            values.extend_from_slice(rows.values());
        }
        self.rows(stage, values)
    }

    /// Rows of the exemplars `ids` under `overlay`. Images are fetched chunk by chunk and dropped again.
    pub(crate) fn exemplars(
        &self,
        stage: &'static str,
        ids: &[ExemplarId],
        overlay: &Overlay,
    ) -> Result<FeatureRows, Halt> {
        self.exemplars_through(stage, ids, overlay, None)
    }

    /// The same through a backbone of the query's own, if there is one.
    pub(crate) fn exemplars_through(
        &self,
        stage: &'static str,
        ids: &[ExemplarId],
        overlay: &Overlay,
        backbone: Option<&TunedModel<'_>>,
    ) -> Result<FeatureRows, Halt> {
        let done = self.together(ids, |piece| {
            let images = self.source.images(piece).map_err(|error| Halt::of_source(stage, error))?;
            let triggered: Vec<Pixels> =
                images.iter().map(|image| overlay.on(&self.model.prepare(image))).collect();
            let rows = match backbone {
                Some(backbone) => backbone.features(&triggered),
                None => self.model.features(&triggered),
            };
            Ok(rows.map_err(|error| Halt::of_step(stage, error))?.into_values())
        })?;
        match done.ended {
            Some(completion) => Err(Halt::Spent(completion)),
            None => self.rows(stage, done.pieces.concat()),
        }
    }

    /// `work` on the exemplars, [`CHUNK`] of them at a time, on as many threads as the model can use: reading, preparing
    /// and scoring them needs its time too, beside the network. Every thread looks at the budget before each piece.
    pub(crate) fn together<R: Send>(
        &self,
        ids: &[ExemplarId],
        work: impl Fn(&[ExemplarId]) -> Result<R, Halt> + Sync,
    ) -> Result<Together<R>, Halt> {
        let pieces: Vec<&[ExemplarId]> = ids.chunks(CHUNK).collect();
        let results: Vec<Mutex<Option<Result<R, Halt>>>> = pieces.iter().map(|_| Mutex::new(None)).collect();
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let run = || {
            while self.budget.exhausted().is_none() && !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let (Some(piece), Some(result)) = (pieces.get(place), results.get(place)) else { return };
                let made = work(piece);
                failed.fetch_or(matches!(made, Err(Halt::Failed(_))), Ordering::Relaxed);
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            }
        };
        let threads = self.model.threads().min(pieces.len());
        if threads <= 1 {
            run();
        } else {
            thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run))));
        }
        let mut done = Together { pieces: Vec::with_capacity(pieces.len()), ended: None };
        for result in results {
            match result.into_inner().unwrap_or_else(PoisonError::into_inner) {
                _ if done.ended.is_some() => {}
                Some(Ok(made)) => done.pieces.push(made),
                Some(Err(Halt::Failed(error))) => return Err(Halt::Failed(error)),
                Some(Err(Halt::Spent(completion))) => done.ended = Some(completion),
                None => done.ended = Some(self.budget.exhausted().unwrap_or(Completion::Cancelled)),
            }
        }
        Ok(done)
    }

    /// `rows` of a view, whitened by the host, each of unit length; a row of zeros stays.
    pub(crate) fn whitened(
        &self,
        stage: &'static str,
        view: &str,
        rows: &FeatureRows,
    ) -> Result<FeatureRows, Halt> {
        self.whitened_by(stage, rows, |piece| {
            let whitened = self.source.whiten(view, piece).map_err(|error| Halt::of_source(stage, error))?;
            Ok(whitened.into_values())
        })
    }

    /// The same by any other whitening. Between two looks at the budget [`WHITENED_AT_ONCE`] rows are made.
    pub(crate) fn whitened_by(
        &self,
        stage: &'static str,
        rows: &FeatureRows,
        whiten: impl Fn(&FeatureRows) -> Result<Vec<f32>, Halt>,
    ) -> Result<FeatureRows, Halt> {
        let mut values = Vec::with_capacity(rows.values().len());
        for piece in rows.values().chunks(WHITENED_AT_ONCE * rows.dimension()) {
            self.poll()?;
            let piece = FeatureRows::new(rows.dimension(), piece.to_vec());
            values.extend(whiten(&piece.map_err(|error| Halt::of_step(stage, error))?)?);
        }
        self.unit_rows(stage, values)
    }

    /// The rows, each scaled to unit length; a row of zeros stays.
    pub(crate) fn unit_rows(&self, stage: &'static str, mut values: Vec<f32>) -> Result<FeatureRows, Halt> {
        for row in values.chunks_exact_mut(self.model.head().dimension()) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|value| *value /= length);
            }
        }
        self.rows(stage, values)
    }

    /// The host's clean rows of `ids`.
    pub(crate) fn clean(&self, stage: &'static str, ids: &[ExemplarId]) -> Result<FeatureRows, Halt> {
        let rows = self.source.rows(lookalike_plugin_api::View::CLEAN, ids);
        rows.map_err(|error| Halt::of_source(stage, error))
    }

    pub(crate) fn poll(&self) -> Result<(), Halt> {
        self.budget.exhausted().map_or(Ok(()), |completion| Err(Halt::Spent(completion)))
    }

    pub(crate) fn rows(&self, stage: &'static str, values: Vec<f32>) -> Result<FeatureRows, Halt> {
        FeatureRows::new(self.model.head().dimension(), values).map_err(|error| Halt::of_step(stage, error))
    }
}

/// What [`Embedding::together`] made.
pub(crate) struct Together<R> {
    /// Of the first pieces, without a gap.
    pub(crate) pieces: Vec<R>,
    /// Why the others are missing, if any are.
    pub(crate) ended: Option<Completion>,
}
