use plugin_api::{Completion, ExemplarId, FeatureRows, SourceError};

use super::embedding::Embedding;
use super::halt::Halt;
use crate::random::{Random, Stream};
use crate::whiten::Whitening;
use crate::{
    Consolidation, DummyHead, DummyStart, FeatureSpace, Fisher, Schedule, TmmConfig, TrainingRows, fine_tune,
    margin, score,
};

const STAGE: &str = "fine_tune";

/// Length of a dummy row that starts from the query on whitened rows. Those have unit length, so the cosine alone would
/// keep every logit within +-1.
const SHARPNESS: f32 = 10.0;

/// Rows that a judge is trained on, all raw.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// The query and its disturbed copies.
    pub(crate) query: &'a FeatureRows,
    pub(crate) query_class: usize,
    /// The same with the trigger.
    pub(crate) query_triggered: &'a FeatureRows,
    /// The background sample.
    pub(crate) background: &'a FeatureRows,
    /// The same with the trigger.
    pub(crate) triggered: &'a FeatureRows,
    /// Class of each exemplar of the background.
    pub(crate) labels: &'a [usize],
}

/// Fine-tuned heads that score the triggered candidates of one query.
pub(crate) enum Judge {
    /// The model's head with a dummy class, on raw triggered rows.
    Raw(DummyHead),
    /// One dummy class against everything else per view, on whitened rows of unit length.
    Whitened { triggered: DummyHead, whitening: Whitening, clean: DummyHead },
}

impl Judge {
    /// Fine-tunes on the evidence. Also gives the margin of the triggered query.
    pub(crate) fn train(
        config: &TmmConfig,
        seed: u64,
        embedding: &Embedding<'_>,
        evidence: &Evidence<'_>,
        steps: &mut u64,
    ) -> Result<(Self, f32), Halt> {
        let training = Training { config, seed, embedding };
        match config.feature_space {
            FeatureSpace::Raw => training.raw(evidence, steps),
            FeatureSpace::Whitened => training.whitened(evidence, steps),
        }
    }

    /// Scores of the candidates `ids`, whose raw triggered rows are `triggered`.
    pub(crate) fn score(
        &self,
        stage: &'static str,
        embedding: &Embedding<'_>,
        ids: &[ExemplarId],
        triggered: &FeatureRows,
    ) -> Result<Vec<f32>, Halt> {
        let of = |head, rows: &FeatureRows| score(head, rows).map_err(|error| Halt::of_step(stage, error));
        match self {
            Self::Raw(head) => of(head, triggered),
            Self::Whitened { triggered: triggered_head, whitening, clean } => {
                let triggered = unit_rows(stage, whitening.apply(triggered), embedding)?;
                let clean_rows = whitened_clean(stage, embedding, &embedding.clean(stage, ids)?)?;
                let pairs = of(triggered_head, &triggered)?.into_iter().zip(of(clean, &clean_rows)?);
                Ok(pairs.map(|(triggered, clean)| triggered + clean).collect())
            }
        }
    }
}

struct Training<'a> {
    config: &'a TmmConfig,
    seed: u64,
    embedding: &'a Embedding<'a>,
}

impl Training<'_> {
    fn raw(&self, evidence: &Evidence<'_>, steps: &mut u64) -> Result<(Judge, f32), Halt> {
        let own = self.embedding.model.head();
        let (row, bias) =
            self.dummy_row(evidence.query_triggered.row(0), mean_norm(own.weight(), own.dimension()));
        let mut head = head(own.weight(), own.bias(), &row, bias)?;
        let query = FeatureRows::new(own.dimension(), evidence.query.row(0).to_vec());
        let query = query.map_err(|error| Halt::of_step(STAGE, error))?;
        let fisher = Fisher::of_head(own.weight(), own.bias(), evidence.background);
        let fisher = fisher.map_err(|error| Halt::of_step(STAGE, error))?;
        let consolidation = Consolidation { strength: self.config.ewc, fisher: &fisher };
        let rows = TrainingRows {
            positives: evidence.query_triggered,
            query: Some((&query, evidence.query_class)),
            triggered: evidence.triggered,
            clean: Some(evidence.background),
            labels: evidence.labels,
        };
        let margin = self.tune(&mut head, &rows, (self.config.ewc > 0.0).then_some(consolidation), steps)?;
        Ok((Judge::Raw(head), margin))
    }

    fn whitened(&self, evidence: &Evidence<'_>, steps: &mut u64) -> Result<(Judge, f32), Halt> {
        let rows = evidence.triggered.len();
        let whitening = Whitening::fit(evidence.triggered)
            .ok_or_else(|| Halt::of_source(STAGE, SourceError::Whitening { rows }))?;
        let own = |rows: &FeatureRows| unit_rows(STAGE, whitening.apply(rows), self.embedding);
        let (positives, others) = (own(evidence.query_triggered)?, own(evidence.triggered)?);
        let (triggered, margin) = self.one_class(&positives, &others, steps)?;
        let positives = whitened_clean(STAGE, self.embedding, evidence.query)?;
        let others = whitened_clean(STAGE, self.embedding, evidence.background)?;
        let (clean, _) = self.one_class(&positives, &others, steps)?;
        Ok((Judge::Whitened { triggered, whitening, clean }, margin))
    }

    /// A head of the dummy class against one class of everything else.
    fn one_class(
        &self,
        positives: &FeatureRows,
        others: &FeatureRows,
        steps: &mut u64,
    ) -> Result<(DummyHead, f32), Halt> {
        let (row, mut bias) = self.dummy_row(positives.row(0), SHARPNESS);
        if self.config.dummy_start == DummyStart::Query {
            // The query itself starts on the edge of the dummy class and everything else well outside, where log P is
            // nearly the logit: the start ranks by whitened cosine, and only near exemplars pull at it.
            bias -= SHARPNESS;
        }
        let mut head = head(&vec![0.0; row.len()], &[0.0], &row, bias)?;
        let labels = vec![0; others.len()];
        let rows = TrainingRows { positives, query: None, triggered: others, clean: None, labels: &labels };
        let margin = self.tune(&mut head, &rows, None, steps)?;
        Ok((head, margin))
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
                let mut random = Random::new(self.seed, Stream::DummyRow);
                let most = 1.0 / (query.len() as f32).sqrt();
                (query.iter().map(|_| random.between(-most, most)).collect(), random.between(-most, most))
            }
        }
    }

    /// Fine-tunes `head` and gives the margin of the first positive.
    fn tune(
        &self,
        head: &mut DummyHead,
        rows: &TrainingRows<'_>,
        consolidation: Option<Consolidation<'_>>,
        steps: &mut u64,
    ) -> Result<f32, Halt> {
        let mut random = Random::new(self.seed, Stream::Order);
        let order: Vec<_> =
            (0..self.config.epochs).map(|_| random.permutation(rows.triggered.len())).collect();
        let schedule = Schedule {
            order: &order,
            batch: self.config.batch,
            learning_rate: self.config.learning_rate,
            consolidation,
        };
        let tuned = fine_tune(head, rows, &schedule, self.embedding.budget)
            .map_err(|error| Halt::of_step(STAGE, error))?;
        *steps += tuned.trace.len() as u64;
        if tuned.completion != Completion::Complete {
            return Err(Halt::Spent(tuned.completion));
        }
        let margins = margin(head, rows.positives).map_err(|error| Halt::of_step(STAGE, error))?;
        Ok(margins[0])
    }
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

fn whitened_clean(
    stage: &'static str,
    embedding: &Embedding<'_>,
    rows: &FeatureRows,
) -> Result<FeatureRows, Halt> {
    let whitened = embedding
        .source
        .whiten(plugin_api::View::CLEAN, rows)
        .map_err(|error| Halt::of_source(stage, error))?;
    unit_rows(stage, whitened.into_values(), embedding)
}

/// The rows, each scaled to unit length; a row of zeros stays.
fn unit_rows(
    stage: &'static str,
    mut values: Vec<f32>,
    embedding: &Embedding<'_>,
) -> Result<FeatureRows, Halt> {
    for row in values.chunks_exact_mut(embedding.model.head().dimension()) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        if length > 0.0 {
            for value in row {
                *value /= length;
            }
        }
    }
    embedding.rows(stage, values)
}
