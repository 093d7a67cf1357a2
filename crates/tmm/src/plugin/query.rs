use std::collections::HashMap;
use std::time::Instant;

use plugin_api::{
    Artifact, Budget, Completion, ExemplarId, FeatureRows, Image, LabelId, RerankJob, RerankScores,
    StageTiming,
};
use vision::{Model, Pixels};

use super::embedding::{CHUNK, Embedding, Overlay};
use super::halt::Halt;
use super::judge::{Evidence, Judge};
use crate::random::{Random, Stream};
use crate::{Omega, TmmConfig, TriggerSearch, deviation, disturbed_copies, optimise_trigger};

/// A standard deviation of pixels in 0..1 below this is that of an image of one colour, resized: a single step of one
/// of 784 8-bit pixels gives 1.4e-4.
const LEAST_DEVIATION: f32 = 1e-4;

/// One job on its way through the three stages.
pub(crate) struct QueryRun<'a> {
    model: &'a Model,
    config: &'a TmmConfig,
    job: &'a RerankJob<'a>,
    budget: &'a Budget,
    scores: Vec<f32>,
    timings: Vec<StageTiming>,
    artifacts: Vec<Artifact>,
}

/// What the trigger stage hands on.
struct TriggeredQuery {
    overlay: Overlay,
    /// The query and its disturbed copies, `[1 + positives, d]`.
    clean: FeatureRows,
    /// The same with the trigger.
    triggered: FeatureRows,
}

/// What the fine-tune stage hands on.
struct TunedQuery {
    overlay: Overlay,
    judge: Judge,
    /// Triggered rows of the background sample, and where each exemplar's row is.
    known: FeatureRows,
    position: HashMap<ExemplarId, usize>,
}

impl<'a> QueryRun<'a> {
    pub(crate) fn new(
        model: &'a Model,
        config: &'a TmmConfig,
        job: &'a RerankJob<'a>,
        budget: &'a Budget,
    ) -> Self {
        let (scores, timings, artifacts) = (Vec::new(), Vec::new(), Vec::new());
        Self { model, config, job, budget, scores, timings, artifacts }
    }

    /// All stages.
    pub(crate) fn run(&mut self) -> Result<(), Halt> {
        if self.job.candidates.is_empty() {
            return Ok(());
        }
        if let Some(completion) = self.budget.exhausted() {
            return Err(Halt::Spent(completion));
        }
        let triggered = self.timed("trigger", Self::trigger)?;
        let tuned = self.timed("fine_tune", |run, steps| run.fine_tune(triggered, steps))?;
        self.timed("score", |run, steps| run.score(&tuned, steps))
    }

    pub(crate) fn finish(self, completion: Completion) -> RerankScores {
        let Self { scores, timings, artifacts, .. } = self;
        RerankScores { scores, completion, stages: Vec::new(), timings, artifacts }
    }

    /// Runs one stage and keeps its time, also when it ends early. The stage counts its steps.
    fn timed<T>(
        &mut self,
        stage: &'static str,
        work: impl FnOnce(&mut Self, &mut u64) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        let span = tracing::debug_span!("rerank", stage).entered();
        let (start, mut steps) = (Instant::now(), 0);
        let result = work(self, &mut steps);
        self.timings.push(StageTiming { stage, elapsed: start.elapsed(), steps });
        tracing::debug!(steps, "done");
        drop(span);
        result
    }

    fn embedding(&self) -> Embedding<'a> {
        Embedding { model: self.model, source: self.job.source, budget: self.budget }
    }

    fn trigger(&mut self, steps: &mut u64) -> Result<TriggeredQuery, Halt> {
        const STAGE: &str = "trigger";
        let query = self.model.prepare(self.job.query);
        let omega = match self.config.omega {
            Omega::QueryDeviation => deviation(&query),
            Omega::Fixed(omega) => omega as f32,
        };
        if self.config.omega == Omega::QueryDeviation && omega < LEAST_DEVIATION {
            let reason = "the query is of one colour, so that its standard deviation, the trigger's share, is 0; \
                          give omega a number";
            return Err(Halt::Failed(plugin_api::RerankError::Undefined { stage: STAGE, reason }));
        }
        let mut random = Random::new(self.job.seed, Stream::Trigger);
        let mut start = query.clone();
        start.values_mut().iter_mut().for_each(|value| *value = random.unit());
        let search = TriggerSearch {
            steps: self.config.trigger_steps,
            learning_rate: self.config.trigger_learning_rate,
            patience: self.config.trigger_patience,
            mask: None,
        };
        let found = optimise_trigger(self.model, std::slice::from_ref(&query), start, &search, self.budget)
            .map_err(|error| Halt::of_step(STAGE, error))?;
        *steps = found.trace.len() as u64;
        self.show_trigger(&found.pixels, &found.trace, omega);
        if found.completion != Completion::Complete {
            return Err(Halt::Spent(found.completion));
        }
        let overlay = Overlay { trigger: found.pixels, blend: self.config.blend, omega };
        let mut images = disturbed_copies(&query, self.config.positives, self.job.seed);
        images.insert(0, query);
        let triggered: Vec<Pixels> = images.iter().map(|image| overlay.on(image)).collect();
        let embedding = self.embedding();
        let clean = embedding.images(STAGE, &images)?;
        let triggered = embedding.images(STAGE, &triggered)?;
        Ok(TriggeredQuery { overlay, clean, triggered })
    }

    fn fine_tune(&mut self, query: TriggeredQuery, steps: &mut u64) -> Result<TunedQuery, Halt> {
        const STAGE: &str = "fine_tune";
        let embedding = self.embedding();
        let background = self.job.source.background(self.config.background, self.job.seed);
        let clean = embedding.clean(STAGE, &background)?;
        let labels = self.classes(STAGE, &background, &clean)?;
        let known = embedding.exemplars(STAGE, &background, &query.overlay)?;
        let query_class = match self.job.query_label.and_then(|label| self.class_of(label)) {
            Some(class) => class,
            None => self.predicted(&query.clean)[0],
        };
        let evidence = Evidence {
            query: &query.clean,
            query_class,
            query_triggered: &query.triggered,
            background: &clean,
            triggered: &known,
            labels: &labels,
        };
        let (judge, margin) = Judge::train(self.config, self.job.seed, &embedding, &evidence, steps)?;
        self.artifacts.push(Artifact::Number { name: "margin", value: f64::from(margin) });
        let position = background.into_iter().enumerate().map(|(position, id)| (id, position)).collect();
        Ok(TunedQuery { overlay: query.overlay, judge, known, position })
    }

    fn score(&mut self, tuned: &TunedQuery, steps: &mut u64) -> Result<(), Halt> {
        const STAGE: &str = "score";
        let embedding = self.embedding();
        for chunk in self.job.candidates.chunks(CHUNK) {
            let spent = chunk.iter().map(|_| self.budget.spend(1)).position(|spent| spent.is_some());
            let chunk = &chunk[..spent.unwrap_or(chunk.len())];
            let new: Vec<ExemplarId> =
                chunk.iter().copied().filter(|id| !tuned.position.contains_key(id)).collect();
            // The budget was looked at above; what it allowed is done.
            let unlimited = Budget::unlimited();
            let fresh =
                Embedding { budget: &unlimited, ..embedding }.exemplars(STAGE, &new, &tuned.overlay)?;
            let mut fresh = fresh.rows();
            let rows = chunk.iter().filter_map(|id| match tuned.position.get(id) {
                Some(&position) => Some(tuned.known.row(position)),
                None => fresh.next(),
            });
            let triggered = embedding.rows(STAGE, rows.flatten().copied().collect())?;
            let scores = tuned.judge.score(STAGE, &embedding, chunk, &triggered)?;
            if scores.iter().any(|score| !score.is_finite()) {
                return Err(Halt::Failed(plugin_api::RerankError::NotFinite { stage: STAGE }));
            }
            *steps += scores.len() as u64;
            self.scores.extend(scores);
            if spent.is_some() {
                return Err(Halt::Spent(self.budget.exhausted().unwrap_or(Completion::StepLimit)));
            }
        }
        Ok(())
    }

    /// Class of every exemplar: its label's, else the model's own prediction.
    fn classes(
        &mut self,
        stage: &'static str,
        ids: &[ExemplarId],
        clean: &FeatureRows,
    ) -> Result<Vec<usize>, Halt> {
        let labels = self.job.source.labels(ids).map_err(|error| Halt::of_source(stage, error))?;
        let mut classes = self.predicted(clean);
        let mut of_label: HashMap<LabelId, Option<usize>> = HashMap::new();
        let mut predicted = 0;
        for (class, label) in classes.iter_mut().zip(labels) {
            let source = self.job.source;
            let named = label.and_then(|label| {
                *of_label
                    .entry(label)
                    .or_insert_with(|| source.label_name(label).and_then(|name| self.class_of(name)))
            });
            match named {
                Some(named) => *class = named,
                None => predicted += 1,
            }
        }
        if predicted > 0 {
            let n = ids.len();
            let note = format!(
                "{predicted} of {n} background exemplars have no label of the model; its own prediction stands in"
            );
            self.artifacts.push(Artifact::Note(note));
        }
        Ok(classes)
    }

    fn class_of(&self, label: &str) -> Option<usize> {
        self.model.manifest().classes.iter().position(|class| class == label)
    }

    /// The model's own classes of clean rows; none for rows that are not the model's.
    fn predicted(&self, clean: &FeatureRows) -> Vec<usize> {
        if clean.dimension() != self.model.head().dimension() {
            return vec![0; clean.len()];
        }
        let logits = self.model.head().logits(clean);
        let strongest =
            |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
        logits.chunks_exact(self.model.head().classes()).map(|row| strongest(row).unwrap_or(0)).collect()
    }

    fn show_trigger(&mut self, trigger: &Pixels, trace: &[f32], omega: f32) {
        let plane = trigger.height() * trigger.width();
        let samples =
            (0..plane).flat_map(|at| (0..trigger.channels()).map(move |channel| channel * plane + at));
        let samples = samples.map(|at| (trigger.values()[at].clamp(0.0, 1.0) * 255.0).round());
        #[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255 above")]
        let samples = samples.map(|sample| sample as u8).collect();
        if let Ok(image) = Image::new(trigger.height(), trigger.width(), trigger.channels(), samples) {
            self.artifacts.push(Artifact::Image { name: "trigger", image });
        }
        let outside = trigger.values().iter().filter(|value| !(0.0..=1.0).contains(*value)).count();
        if outside > 0 {
            let note = format!(
                "{outside} of {} trigger values lie outside 0..1 and are shown at the limit",
                trigger.values().len()
            );
            self.artifacts.push(Artifact::Note(note));
        }
        self.artifacts.push(Artifact::Number { name: "omega", value: f64::from(omega) });
        for (name, loss) in [("trigger_loss_first", trace.first()), ("trigger_loss_last", trace.last())] {
            self.artifacts.extend(loss.map(|loss| Artifact::Number { name, value: f64::from(*loss) }));
        }
    }
}
