use std::collections::HashMap;
use std::sync::Arc;

use lookalike_plugin_api::{
    Artifact, Completion, ExemplarId, FeatureRows, RerankError, SourceError, Space, View,
};
use lookalike_vision::{Layer, Pixels, TunedModel};

use super::TmmReranker;
use super::background::Background;
use super::explain::{Seen, Term};
use super::judge::{Printed, Training, ViewJudge, others};
use crate::blend::deviation;
use crate::config::{FeatureSpace, Omega, StartRule};
use crate::head::DummyHead;
use crate::layer::TrainingImages;
use crate::logit_map::LogitMap;
use crate::patch::patch_mask;
use crate::run::QueryRun;
use crate::run::embedding::{CHUNK, Embedding, Overlay};
use crate::run::halt::Halt;
use crate::score::{ScoreKind, score};
use crate::stored_trigger::StoredTrigger;
use crate::trigger::{TriggerKind, TriggerSearch, TriggerStart, optimise_trigger};
use crate::view::Transformation;
use crate::whiten::Whitening;

/// A standard deviation of pixels in 0..1 below this is that of an image of one colour, resized: a single step of one
/// of 784 8-bit pixels gives 1.4e-4.
const LEAST_DEVIATION: f32 = 1e-4;

/// Most pixel values of the images that a layer is fine-tuned on: they are held twice, 256 MiB each.
const MOST_TRAINING_VALUES: usize = 1 << 26;

/// Candidates whose steps are taken from the budget at once, and that threads share among them.
const GROUP: usize = 1024 * CHUNK;

/// What the trigger stage hands on.
struct TriggeredQuery {
    overlay: Overlay,
    /// The query and its disturbed copies.
    images: Vec<Pixels>,
    /// The query and its disturbed copies, `[1 + positives, d]`.
    clean: FeatureRows,
    /// The same with the trigger.
    triggered: FeatureRows,
}

/// What the fine-tune stage hands on.
struct TunedQuery<'a> {
    overlay: Overlay,
    judge: Judge<'a>,
    /// Triggered rows of the background sample, and where each exemplar's row is; none where a layer is tuned.
    known: FeatureRows,
    position: HashMap<ExemplarId, usize>,
}

/// Fine-tuned heads that score the triggered candidates of one query.
enum Judge<'a> {
    /// The model's head with a dummy class, on raw triggered rows.
    Raw(DummyHead),
    /// The same with a layer of the backbone of its own, through which every candidate runs.
    Layer { backbone: TunedModel<'a>, head: DummyHead },
    /// One dummy class against everything else, on whitened rows of unit length: in the view that the query's trigger
    /// makes, and in the clean one.
    Whitened { triggered: DummyHead, whitening: Whitening, clean: ViewJudge },
}

impl<'a> QueryRun<'a, TmmReranker> {
    /// The printed method: every candidate runs through the network with the query's own trigger.
    pub(crate) fn exact(&mut self, candidates: &[ExemplarId], scores: &mut Vec<f32>) -> Result<(), Halt> {
        let triggered = self.timed("trigger", Self::trigger)?;
        let tuned = self.timed("fine_tune", |run, steps| run.fine_tune(triggered, steps))?;
        self.timed("score", |run, steps| run.score(&tuned, candidates, scores, steps))?;
        if self.is_explained() {
            let terms = self.terms(tuned)?;
            self.explain(candidates, scores, &terms)?;
        }
        Ok(())
    }

    fn terms(&self, tuned: TunedQuery<'_>) -> Result<Vec<Term>, Halt> {
        const STAGE: &str = "explain";
        let seen = Seen::Triggered(tuned.overlay);
        match tuned.judge {
            Judge::Raw(head) => Ok(vec![Term { map: LogitMap::raw(head), seen }]),
            // Its gradients go through a backbone of its own.
            Judge::Layer { .. } => Ok(Vec::new()),
            Judge::Whitened { triggered, whitening, clean } => {
                let probes = LogitMap::probes(&triggered).map_err(|error| Halt::of_step(STAGE, error))?;
                let probes = self.embedding().rows(STAGE, whitening.apply(&probes))?;
                let map =
                    LogitMap::whitened(triggered, &probes).map_err(|error| Halt::of_step(STAGE, error))?;
                let clean = self.whitened_term(View::CLEAN, clean.head, Seen::Clean)?;
                Ok(vec![Term { map, seen }, clean])
            }
        }
    }

    fn omega(&mut self, stage: &'static str, query: &Pixels) -> Result<f32, Halt> {
        if self.config.trigger == TriggerKind::FixedPatch {
            // Stamped, not blended.
            return Ok(1.0);
        }
        match self.config.omega {
            Omega::QueryDeviation => match deviation(query) {
                omega if omega < LEAST_DEVIATION => {
                    let reason = "the query is of one colour, so that its standard deviation, the trigger's share, is \
                                  0; give omega a number";
                    Err(Halt::Failed(RerankError::Undefined { stage, reason }))
                }
                omega => Ok(omega),
            },
            Omega::CollectionMean => {
                let background = self.background(stage)?;
                match background.mean_deviation(&self.embedding(), stage)? {
                    omega if omega < LEAST_DEVIATION => {
                        let reason = "the collection's images are of one colour each, so that their mean standard \
                                      deviation, the trigger's share, is 0; give omega a number";
                        Err(Halt::Failed(RerankError::Undefined { stage, reason }))
                    }
                    omega => Ok(omega),
                }
            }
            Omega::Fixed(omega) => Ok(omega as f32),
        }
    }

    fn trigger(&mut self, steps: &mut u64) -> Result<TriggeredQuery, Halt> {
        const STAGE: &str = "trigger";
        let images = self.query_images(self.config.positives);
        let query = &images[0];
        let omega = self.omega(STAGE, query)?;
        let trigger = self.found_trigger(query, steps)?;
        self.show_trigger(&trigger, omega);
        let (blend, clamp) = (self.config.blend, self.config.clamp);
        let overlay = Overlay { trigger, blend, omega, clamp };
        let triggered: Vec<Pixels> = images.iter().map(|image| overlay.on(image)).collect();
        let clean = self.query_rows(STAGE, View::CLEAN, &images, Pixels::clone)?;
        let triggered = self.embedding().images(STAGE, &triggered)?;
        Ok(TriggeredQuery { overlay, images, clean, triggered })
    }

    /// The trigger that the settings ask for.
    fn found_trigger(&mut self, query: &Pixels, steps: &mut u64) -> Result<StoredTrigger, Halt> {
        const STAGE: &str = "trigger";
        let (model, seed, kind) = (self.model, self.job.seed, self.config.trigger);
        let start = match self.config.trigger_start {
            StartRule::Uniform => TriggerStart::Uniform,
            StartRule::Gaussian => TriggerStart::Gaussian,
        };
        let mask = match kind {
            TriggerKind::PerQuery => None,
            TriggerKind::VariablePatch => Some(patch_mask(query)),
            TriggerKind::FixedPatch => return Ok(StoredTrigger::fixed_patch(model)),
            TriggerKind::Random => {
                return StoredTrigger::random(model, &start, seed)
                    .map_err(|error| Halt::of_step(STAGE, error));
            }
            TriggerKind::Global => {
                let shared = self.views.iter().find_map(|view| {
                    let Transformation::Trigger { trigger, .. } = view.transformation() else { return None };
                    (trigger.kind() == kind).then(|| trigger.clone())
                });
                let reason = "no view has a global trigger; declare one, or take another kind of trigger";
                return shared.ok_or(Halt::Failed(RerankError::Undefined { stage: STAGE, reason }));
            }
        };
        let search = TriggerSearch {
            steps: self.config.trigger_steps,
            learning_rate: self.config.trigger_learning_rate,
            patience: self.config.trigger_patience,
            mask: mask.as_ref(),
        };
        let start = start.pixels(model, seed).map_err(|error| Halt::of_step(STAGE, error))?;
        let found = optimise_trigger(model, std::slice::from_ref(query), start, &search, self.budget)
            .map_err(|error| Halt::of_step(STAGE, error))?;
        *steps = found.trace.len() as u64;
        for (name, loss) in
            [("trigger_loss_first", found.trace.first()), ("trigger_loss_last", found.trace.last())]
        {
            self.artifacts.extend(loss.map(|loss| Artifact::Number { name, value: f64::from(*loss) }));
        }
        if found.completion != Completion::Complete {
            return Err(Halt::Spent(found.completion));
        }
        StoredTrigger::found(&found, kind, model, seed).map_err(|error| Halt::of_step(STAGE, error))
    }

    fn fine_tune(&mut self, query: TriggeredQuery, steps: &mut u64) -> Result<TunedQuery<'a>, Halt> {
        const STAGE: &str = "fine_tune";
        if let Some(layer) = self.config.layer {
            return self.fine_tune_layer(layer, query, steps);
        }
        let embedding = self.embedding();
        let background = self.background(STAGE)?;
        let known = embedding.exemplars(STAGE, &background.ids, &query.overlay)?;
        let mut training = Training { config: self.config, seed: self.job.seed, embedding, steps: 0 };
        let trained = match self.config.feature_space {
            FeatureSpace::Raw => {
                let clean = FeatureRows::new(query.clean.dimension(), query.clean.row(0).to_vec());
                let clean = clean.map_err(|error| Halt::of_step(STAGE, error))?;
                let class = self.query_class(&clean);
                let printed =
                    Printed { query: (&clean, class), positives: &query.triggered, triggered: &known };
                training.printed(&background, &printed).map(|made| (Judge::Raw(made.head), made.margin))
            }
            FeatureSpace::Whitened => whitened(&mut training, &background, &query, &known),
        };
        *steps += training.steps;
        let (judge, margin) = trained?;
        self.artifacts.push(Artifact::Number { name: "margin", value: f64::from(margin) });
        let position = background.ids.iter().enumerate().map(|(position, id)| (*id, position)).collect();
        Ok(TunedQuery { overlay: query.overlay, judge, known, position })
    }

    fn fine_tune_layer(
        &mut self,
        layer: Layer,
        query: TriggeredQuery,
        steps: &mut u64,
    ) -> Result<TunedQuery<'a>, Halt> {
        const STAGE: &str = "fine_tune";
        let undefined = |reason| Err(Halt::Failed(RerankError::Undefined { stage: STAGE, reason }));
        if self.config.feature_space != FeatureSpace::Raw {
            return undefined(
                "a layer is fine-tuned on raw features; set feature_space to raw, or layer to none",
            );
        }
        let background = self.background(STAGE)?;
        if background.ids.len().saturating_mul(query.images[0].values().len()) > MOST_TRAINING_VALUES {
            return undefined(
                "the images of the background are too many to fine-tune a layer on; lower background",
            );
        }
        let embedding = self.embedding();
        let mut clean = Vec::with_capacity(background.ids.len());
        for chunk in background.ids.chunks(CHUNK) {
            embedding.poll()?;
            let images = self.job.source.images(chunk).map_err(|error| Halt::of_source(STAGE, error))?;
            clean.extend(images.iter().map(|image| self.model.prepare(image)));
        }
        let on = |images: &[Pixels]| -> Vec<Pixels> { images.iter().map(|i| query.overlay.on(i)).collect() };
        let (positives, triggered) = (on(&query.images), on(&clean));
        let images = TrainingImages {
            positives: &positives,
            query: Some((&query.images[0], self.query_class(&query.clean))),
            triggered: &triggered,
            clean: Some(&clean),
            labels: &background.classes,
        };
        let backbone = self.model.tunable(layer).map_err(|error| Halt::of_step(STAGE, error))?;
        let mut training = Training { config: self.config, seed: self.job.seed, embedding, steps: 0 };
        let trained = training.layer(backbone, &background, &images);
        *steps += training.steps;
        let (backbone, made) = trained?;
        self.artifacts.push(Artifact::Number { name: "margin", value: f64::from(made.margin) });
        Ok(TunedQuery {
            overlay: query.overlay,
            judge: Judge::Layer { backbone, head: made.head },
            known: FeatureRows::empty(self.model.head().dimension()),
            position: HashMap::new(),
        })
    }

    fn score(
        &mut self,
        tuned: &TunedQuery<'_>,
        candidates: &[ExemplarId],
        scores: &mut Vec<f32>,
        steps: &mut u64,
    ) -> Result<(), Halt> {
        const STAGE: &str = "score";
        // Steps are taken group by group, and what was taken is done.
        let budget = self.budget.without_step_limit();
        let embedding = Embedding { budget: &budget, ..self.embedding() };
        self.score_groups(candidates, GROUP, scores, steps, |run, group| {
            let kind = run.config.score;
            let done = embedding.together(group, |piece| tuned.scores(STAGE, &embedding, kind, piece))?;
            let mut scores = done.pieces.concat();
            if let Judge::Whitened { clean, .. } = &tuned.judge {
                clean.add_scores(STAGE, &embedding, kind, &group[..scores.len()], &mut scores)?;
            }
            Ok((scores, done.ended))
        })
    }

    fn show_trigger(&mut self, trigger: &StoredTrigger, omega: f32) {
        if let Ok(image) = trigger.image() {
            self.artifacts.push(Artifact::Image { name: "trigger", image });
        }
        if trigger.is_scaled() {
            let (least, most) = trigger.range();
            self.note(format!(
                "the trigger's values, {least:.2} to {most:.2}, are shown from black to white"
            ));
        }
        self.artifacts.push(Artifact::Number { name: "omega", value: f64::from(omega) });
    }
}

fn whitened(
    training: &mut Training<'_>,
    background: &Arc<Background>,
    query: &TriggeredQuery,
    known: &FeatureRows,
) -> Result<(Judge<'static>, f32), Halt> {
    const STAGE: &str = "fine_tune";
    let embedding = training.embedding;
    let too_few = || Halt::of_source(STAGE, SourceError::Whitening { rows: known.len() });
    let whitening = Whitening::fit(known, || embedding.poll())?.ok_or_else(too_few)?;
    let own = |rows: &FeatureRows| embedding.whitened_by(STAGE, rows, |piece| Ok(whitening.apply(piece)));
    let triggered = training.one_class(&own(&query.triggered)?, &own(known)?)?;
    let positives = embedding.whitened(STAGE, View::CLEAN, &query.clean)?;
    let clean = training.one_class(&positives, &*others(&embedding, background, View::CLEAN)?)?;
    let clean = ViewJudge::new(STAGE, View::CLEAN, Space::Whitened, clean.head)?;
    Ok((Judge::Whitened { triggered: triggered.head, whitening, clean }, triggered.margin))
}

impl TunedQuery<'_> {
    /// Scores of the exemplars `ids`, in their order, in the view that the query's trigger makes.
    fn scores(
        &self,
        stage: &'static str,
        embedding: &Embedding<'_>,
        kind: ScoreKind,
        ids: &[ExemplarId],
    ) -> Result<Vec<f32>, Halt> {
        let new: Vec<ExemplarId> = ids.iter().copied().filter(|id| !self.position.contains_key(id)).collect();
        let backbone = match &self.judge {
            Judge::Layer { backbone, .. } => Some(backbone),
            Judge::Raw(_) | Judge::Whitened { .. } => None,
        };
        let fresh = embedding.exemplars_through(stage, &new, &self.overlay, backbone)?;
        let mut fresh = fresh.rows();
        let rows = ids.iter().filter_map(|id| match self.position.get(id) {
            Some(&position) => Some(self.known.row(position)),
            None => fresh.next(),
        });
        let triggered = embedding.rows(stage, rows.flatten().copied().collect())?;
        self.judge.score(stage, embedding, kind, &triggered)
    }
}

impl Judge<'_> {
    /// Scores of the candidates whose raw triggered rows are `triggered`.
    fn score(
        &self,
        stage: &'static str,
        embedding: &Embedding<'_>,
        kind: ScoreKind,
        triggered: &FeatureRows,
    ) -> Result<Vec<f32>, Halt> {
        let of =
            |head, rows: &FeatureRows| score(head, rows, kind).map_err(|error| Halt::of_step(stage, error));
        match self {
            Self::Raw(head) | Self::Layer { head, .. } => of(head, triggered),
            Self::Whitened { triggered: head, whitening, .. } => {
                of(head, &embedding.unit_rows(stage, whitening.apply(triggered))?)
            }
        }
    }
}
