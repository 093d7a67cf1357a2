use std::sync::Arc;

use lookalike_plugin_api::{Completion, ExemplarId, FeatureRows, Space};
use lookalike_vision::TunedModel;

use super::background::Background;
use crate::config::{DummyStart, TmmConfig};
use crate::fine_tune::{Consolidation, FineTuned, Schedule, TrainingRows, fine_tune};
use crate::fisher::Fisher;
use crate::head::DummyHead;
use crate::layer::{TrainingImages, fine_tune_layer};
use crate::margin::margin;
use crate::random::{Stream, seeded};
use crate::run::embedding::Embedding;
use crate::run::halt::Halt;
use crate::score::ScoreKind;

const STAGE: &str = "fine_tune";

/// Length of a dummy row that starts from the query on whitened rows. Those have unit length, so the cosine alone would
/// keep every logit within +-1.
const SHARPNESS: f32 = 10.0;

/// What the head of the printed method is trained on beside the background's clean rows, all raw.
#[derive(Clone, Copy)]
pub(crate) struct Printed<'a> {
    /// The query, clean, and its class.
    pub(crate) query: (&'a FeatureRows, usize),
    /// The triggered query and its copies.
    pub(crate) positives: &'a FeatureRows,
    /// The triggered background.
    pub(crate) triggered: &'a FeatureRows,
}

/// Fine-tunes dummy heads for one query.
pub(crate) struct Training<'a> {
    pub(crate) config: &'a TmmConfig,
    pub(crate) seed: u64,
    pub(crate) embedding: Embedding<'a>,
    /// Updates made.
    pub(crate) steps: u64,
}

/// A head and the margin of the first positive (equation 7).
pub(crate) struct Trained {
    pub(crate) head: DummyHead,
    pub(crate) margin: f32,
}

impl Training<'_> {
    /// The model's head with a dummy class, on raw rows (equation 3).
    pub(crate) fn printed(
        &mut self,
        background: &Background,
        printed: &Printed<'_>,
    ) -> Result<Trained, Halt> {
        let head = self.start(printed.positives.row(0))?;
        let fisher = self.fisher(background)?;
        let consolidation = self.consolidation(fisher.as_deref());
        let rows = TrainingRows {
            positives: printed.positives,
            query: Some(printed.query),
            triggered: printed.triggered,
            clean: Some(&background.clean),
            labels: &background.classes,
        };
        self.tune(head, &rows, consolidation)
    }

    /// The model's head with a dummy class, together with a layer of the backbone, on images (ablation 4.8.2).
    pub(crate) fn layer<'m>(
        &mut self,
        mut backbone: TunedModel<'m>,
        background: &Background,
        images: &TrainingImages<'_>,
    ) -> Result<(TunedModel<'m>, Trained), Halt> {
        let first = images.positives.first().map(std::slice::from_ref).unwrap_or_default();
        let of_first =
            |backbone: &TunedModel<'_>| backbone.features(first).map_err(|error| Halt::of_step(STAGE, error));
        let mut head = self.start(of_first(&backbone)?.row(0))?;
        let fisher = self.fisher(background)?;
        let order = self.order(images.triggered.len());
        let schedule = self.schedule(&order, self.consolidation(fisher.as_deref()));
        let tuned = fine_tune_layer(&mut backbone, &mut head, images, &schedule, self.embedding.budget)
            .map_err(|error| Halt::of_step(STAGE, error))?;
        self.count(&tuned)?;
        let margins = margin(&head, &of_first(&backbone)?).map_err(|error| Halt::of_step(STAGE, error))?;
        Ok((backbone, Trained { head, margin: margins[0] }))
    }

    /// The model's head with a dummy class as it starts, where the query's first positive has this raw row.
    fn start(&self, query: &[f32]) -> Result<DummyHead, Halt> {
        let own = self.embedding.model.head();
        let (row, bias) = self.dummy_row(query, mean_norm(own.weight(), own.dimension()));
        head(own.weight(), own.bias(), &row, bias)
    }

    fn fisher(&self, background: &Background) -> Result<Option<Arc<Fisher>>, Halt> {
        let is_held = self.config.ewc > 0.0;
        is_held.then(|| background.fisher(self.embedding.model, STAGE)).transpose()
    }

    fn consolidation<'f>(&self, fisher: Option<&'f Fisher>) -> Option<Consolidation<'f>> {
        fisher.map(|fisher| Consolidation { strength: self.config.ewc, fisher })
    }

    fn schedule<'s>(
        &self,
        order: &'s [Vec<usize>],
        consolidation: Option<Consolidation<'s>>,
    ) -> Schedule<'s> {
        let (batch, learning_rate) = (self.config.batch, self.config.learning_rate);
        Schedule { order, batch, learning_rate, consolidation }
    }

    fn count(&mut self, tuned: &FineTuned) -> Result<(), Halt> {
        self.steps += tuned.trace.len() as u64;
        if tuned.completion == Completion::Complete { Ok(()) } else { Err(Halt::Spent(tuned.completion)) }
    }

    /// A head of the dummy class against one class of everything else, on whitened rows of unit length.
    pub(crate) fn one_class(
        &mut self,
        positives: &FeatureRows,
        others: &FeatureRows,
    ) -> Result<Trained, Halt> {
        let (row, mut bias) = self.dummy_row(positives.row(0), SHARPNESS);
        if self.config.dummy_start == DummyStart::Query {
            // The query itself starts on the edge of the dummy class and everything else well outside, where log P is
            // nearly the logit: the start ranks by whitened cosine, and only near exemplars pull at it.
            bias -= SHARPNESS;
        }
        let head = head(&vec![0.0; row.len()], &[0.0], &row, bias)?;
        let labels = vec![0; others.len()];
        let rows = TrainingRows { positives, query: None, triggered: others, clean: None, labels: &labels };
        self.tune(head, &rows, None)
    }

    /// Start of the dummy class: its row, of length `norm` where it starts from the query's row, and its bias.
    fn dummy_row(&self, query: &[f32], norm: f32) -> (Vec<f32>, f32) {
        match self.config.dummy_start {
            DummyStart::Zero => (vec![0.0; query.len()], 0.0),
            DummyStart::Query => {
                let length = query.iter().map(|v| v * v).sum::<f32>().sqrt();
                let scale = if length > 0.0 { norm / length } else { 0.0 };
                (query.iter().map(|value| scale * value).collect(), 0.0)
            }
            DummyStart::Seeded => {
                let mut random = seeded(self.seed, Stream::DummyRow);
                let most = 1.0 / (query.len() as f32).sqrt();
                (query.iter().map(|_| random.between(-most, most)).collect(), random.between(-most, most))
            }
        }
    }

    fn tune(
        &mut self,
        mut head: DummyHead,
        rows: &TrainingRows<'_>,
        consolidation: Option<Consolidation<'_>>,
    ) -> Result<Trained, Halt> {
        let order = self.order(rows.triggered.len());
        let schedule = self.schedule(&order, consolidation);
        let tuned = fine_tune(&mut head, rows, &schedule, self.embedding.budget)
            .map_err(|error| Halt::of_step(STAGE, error))?;
        self.count(&tuned)?;
        let margins = margin(&head, rows.positives).map_err(|error| Halt::of_step(STAGE, error))?;
        Ok(Trained { head, margin: margins[0] })
    }

    /// One order of the exemplars per epoch.
    fn order(&self, exemplars: usize) -> Vec<Vec<usize>> {
        let mut random = seeded(self.seed, Stream::Order);
        (0..self.config.epochs).map(|_| random.permutation(exemplars)).collect()
    }
}

/// A head that scores exemplars by their stored rows in one view.
pub(crate) struct ViewJudge {
    pub(crate) view: String,
    pub(crate) space: Space,
    pub(crate) head: DummyHead,
    directions: FeatureRows,
}

impl ViewJudge {
    pub(crate) fn new(stage: &'static str, view: &str, space: Space, head: DummyHead) -> Result<Self, Halt> {
        let directions = FeatureRows::new(head.dimension(), head.weight().to_vec());
        let directions = directions.map_err(|error| Halt::of_step(stage, error))?;
        Ok(Self { view: view.to_owned(), space, head, directions })
    }

    /// Adds the scores of the exemplars `ids` to `sums`.
    pub(crate) fn add_scores(
        &self,
        stage: &'static str,
        embedding: &Embedding<'_>,
        kind: ScoreKind,
        ids: &[ExemplarId],
        sums: &mut [f32],
    ) -> Result<(), Halt> {
        let products = embedding
            .source
            .project(&self.view, self.space, &self.directions, ids)
            .map_err(|error| Halt::of_source(stage, error))?;
        let mut logits = vec![0.0; self.head.classes()];
        for (sum, products) in sums.iter_mut().zip(products.rows()) {
            for ((logit, product), bias) in logits.iter_mut().zip(products).zip(self.head.bias()) {
                *logit = product + bias;
            }
            *sum += kind.of_logits(&mut logits);
        }
        Ok(())
    }
}

/// Whitened rows of the background in a view.
pub(crate) fn others(
    embedding: &Embedding<'_>,
    background: &Background,
    view: &str,
) -> Result<Arc<FeatureRows>, Halt> {
    background.rows(embedding, STAGE, view, Space::Whitened)
}

fn head(weight: &[f32], bias: &[f32], row: &[f32], row_bias: f32) -> Result<DummyHead, Halt> {
    DummyHead::new(weight, bias, row, row_bias).map_err(|error| Halt::of_step(STAGE, error))
}

/// Mean length of a weight's rows.
fn mean_norm(weight: &[f32], d: usize) -> f32 {
    let rows = weight.chunks_exact(d);
    let n = rows.len().max(1) as f32;
    rows.map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt()).sum::<f32>() / n
}
