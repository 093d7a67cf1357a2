use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};

use plugin_api::{Budget, ExemplarId, ExemplarSource, FeatureRows};
use vision::{Model, Pixels, TunedModel};

use super::halt::Halt;
use crate::{Blend, StoredTrigger};

/// Images that one thread takes between two looks at the budget: few enough for the 50 ms of the contract on a slow core.
pub(crate) const CHUNK: usize = 32;

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
        let mut values = Vec::with_capacity(ids.len() * self.model.head().dimension());
        for group in ids.chunks(self.at_once()) {
            self.poll()?;
            let rows = together(group, |piece| {
                let images = self.source.images(piece).map_err(|error| Halt::of_source(stage, error))?;
                let triggered: Vec<Pixels> =
                    images.iter().map(|image| overlay.on(&self.model.prepare(image))).collect();
                let rows = match backbone {
                    Some(backbone) => backbone.features(&triggered),
                    None => self.model.features(&triggered),
                };
                rows.map_err(|error| Halt::of_step(stage, error))
            })?;
            rows.iter().for_each(|rows| values.extend_from_slice(rows.values()));
        }
        self.rows(stage, values)
    }

    /// Exemplars between two looks at the budget.
    pub(crate) fn at_once(&self) -> usize {
        CHUNK * self.model.threads()
    }

    /// `rows` of a view, whitened by the host, each of unit length; a row of zeros stays. Between two looks at the
    /// budget `at_once` are made.
    pub(crate) fn whitened(
        &self,
        stage: &'static str,
        view: &str,
        rows: &FeatureRows,
        at_once: usize,
    ) -> Result<FeatureRows, Halt> {
        let mut values = Vec::with_capacity(rows.values().len());
        for chunk in rows.values().chunks(at_once.max(1) * rows.dimension()) {
            self.poll()?;
            let chunk = FeatureRows::new(rows.dimension(), chunk.to_vec());
            let chunk = chunk.map_err(|error| Halt::of_step(stage, error))?;
            let whitened = self.source.whiten(view, &chunk).map_err(|error| Halt::of_source(stage, error))?;
            values.extend_from_slice(whitened.values());
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
        let rows = self.source.rows(plugin_api::View::CLEAN, ids);
        rows.map_err(|error| Halt::of_source(stage, error))
    }

    pub(crate) fn poll(&self) -> Result<(), Halt> {
        self.budget.exhausted().map_or(Ok(()), |completion| Err(Halt::Spent(completion)))
    }

    pub(crate) fn rows(&self, stage: &'static str, values: Vec<f32>) -> Result<FeatureRows, Halt> {
        FeatureRows::new(self.model.head().dimension(), values).map_err(|error| Halt::of_step(stage, error))
    }
}

/// `work` on the exemplars, [`CHUNK`] of them on each of as many threads as it takes: reading, preparing and scoring
/// them needs its time too, beside the network.
pub(crate) fn together<R: Send>(
    ids: &[ExemplarId],
    work: impl Fn(&[ExemplarId]) -> Result<R, Halt> + Sync,
) -> Result<Vec<R>, Halt> {
    let pieces: Vec<&[ExemplarId]> = ids.chunks(CHUNK).collect();
    if let [piece] = pieces[..] {
        return Ok(vec![work(piece)?]);
    }
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = pieces.into_iter().map(|piece| scope.spawn(move || work(piece))).collect();
        let joined = running.into_iter().map(ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
