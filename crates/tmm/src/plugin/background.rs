use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lookalike_plugin_api::{ExemplarId, FeatureRows, LabelId, RerankError, Space, View};
use lookalike_vision::Model;

use super::TmmReranker;
use crate::blend::deviation;
use crate::config::MOST_BACKGROUND;
use crate::fisher::Fisher;
use crate::run::QueryRun;
use crate::run::embedding::Embedding;
use crate::run::halt::Halt;

/// Samples that are kept, and values in the clean rows of one at most: 8,192 rows of 512 values.
const KEPT: usize = 4;
const MOST_KEPT_VALUES: usize = 1 << 22;
/// Images whose deviations make the collection's mean.
const MEASURED_IMAGES: usize = 256;
const MEASURED_AT_ONCE: usize = 4;
/// Values of derived rows that a sample keeps at most: 64 MiB.
const MOST_DERIVED_VALUES: usize = 1 << 24;

/// The exemplars that stand for the collection in the fine-tuning, and what was computed of them.
pub(crate) struct Background {
    pub(crate) ids: Vec<ExemplarId>,
    /// Raw rows of the clean view.
    pub(crate) clean: FeatureRows,
    /// Class of each exemplar: its label's, else the model's own prediction.
    pub(crate) classes: Vec<usize>,
    /// Exemplars whose class was predicted.
    pub(crate) predicted: usize,
    derived: Mutex<Derived>,
}

#[derive(Default)]
struct Derived {
    rows: HashMap<(String, Space), Arc<FeatureRows>>,
    fisher: Option<Arc<Fisher>>,
    mean_deviation: Option<f32>,
}

impl Background {
    fn sample(embedding: &Embedding<'_>, stage: &'static str, size: usize, seed: u64) -> Result<Self, Halt> {
        let most = if size == 0 { MOST_BACKGROUND + 1 } else { size };
        let ids = embedding.source.background(most, seed);
        if ids.len() > MOST_BACKGROUND {
            let reason = "the whole collection is too large a background; give its size a number";
            return Err(Halt::Failed(RerankError::Undefined { stage, reason }));
        }
        let clean = embedding.clean(stage, &ids)?;
        let mut classes = predicted(embedding.model, &clean);
        let labels = embedding.source.labels(&ids).map_err(|error| Halt::of_source(stage, error))?;
        let mut of_label: HashMap<LabelId, Option<usize>> = HashMap::new();
        let mut predicted = 0;
        for (class, label) in classes.iter_mut().zip(labels) {
            let named = label.and_then(|label| {
                *of_label.entry(label).or_insert_with(|| {
                    embedding.source.label_name(label).and_then(|name| class_of(embedding.model, name))
                })
            });
            match named {
                Some(named) => *class = named,
                None => predicted += 1,
            }
        }
        Ok(Self { ids, clean, classes, predicted, derived: Mutex::default() })
    }

    /// Rows of a view in a space; whitened ones have unit length.
    pub(crate) fn rows(
        &self,
        embedding: &Embedding<'_>,
        stage: &'static str,
        view: &str,
        space: Space,
    ) -> Result<Arc<FeatureRows>, Halt> {
        let key = (view.to_owned(), space);
        if let Some(known) = self.derived().rows.get(&key) {
            return Ok(Arc::clone(known));
        }
        let raw = if view == View::CLEAN {
            self.clean.clone()
        } else {
            embedding.source.rows(view, &self.ids).map_err(|error| Halt::of_source(stage, error))?
        };
        let rows = Arc::new(match space {
            Space::Raw => raw,
            Space::Whitened => embedding.whitened(stage, view, &raw)?,
        });
        let mut derived = self.derived();
        let kept: usize = derived.rows.values().map(|rows| rows.values().len()).sum();
        if kept + rows.values().len() <= MOST_DERIVED_VALUES {
            derived.rows.insert(key, Arc::clone(&rows));
        }
        Ok(rows)
    }

    /// The Fisher information of the model's head at the clean rows.
    pub(crate) fn fisher(&self, model: &Model, stage: &'static str) -> Result<Arc<Fisher>, Halt> {
        if let Some(known) = &self.derived().fisher {
            return Ok(Arc::clone(known));
        }
        let fisher = Fisher::of_head(model.head().weight(), model.head().bias(), &self.clean);
        let fisher = Arc::new(fisher.map_err(|error| Halt::of_step(stage, error))?);
        self.derived().fisher = Some(Arc::clone(&fisher));
        Ok(fisher)
    }

    /// Mean standard deviation of the pixels of some of the images, spread over the sample; 0 for none.
    pub(crate) fn mean_deviation(&self, embedding: &Embedding<'_>, stage: &'static str) -> Result<f32, Halt> {
        if let Some(known) = self.derived().mean_deviation {
            return Ok(known);
        }
        let every = self.ids.len().div_ceil(MEASURED_IMAGES).max(1);
        let ids: Vec<ExemplarId> = self.ids.iter().copied().step_by(every).collect();
        let mut sum = 0.0;
        // Few at a time: a decoded photograph is large.
        for chunk in ids.chunks(MEASURED_AT_ONCE) {
            embedding.poll()?;
            let images = embedding.source.images(chunk).map_err(|error| Halt::of_source(stage, error))?;
            sum += images.iter().map(|image| deviation(&embedding.model.prepare(image))).sum::<f32>();
        }
        let mean = sum / ids.len().max(1) as f32;
        self.derived().mean_deviation = Some(mean);
        Ok(mean)
    }

    /// Whatever a thread that panicked left is whole: entries are put in at once.
    fn derived(&self) -> MutexGuard<'_, Derived> {
        self.derived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which sample of which state of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    state: u64,
    size: usize,
    seed: u64,
}

/// The samples that were used last.
#[derive(Default)]
pub(crate) struct Backgrounds {
    kept: Mutex<VecDeque<(Key, Arc<Background>)>>,
}

impl Backgrounds {
    /// The sample of the job's collection; made if the host's state or the sample is another than those kept.
    pub(crate) fn sample(
        &self,
        embedding: &Embedding<'_>,
        stage: &'static str,
        size: usize,
        seed: u64,
    ) -> Result<Arc<Background>, Halt> {
        let key = embedding.source.state_number().map(|state| Key { state, size, seed });
        if let Some(key) = key
            && let Some(known) = self.kept().iter().find(|(other, _)| *other == key)
        {
            return Ok(Arc::clone(&known.1));
        }
        let made = Arc::new(Background::sample(embedding, stage, size, seed)?);
        if let Some(key) = key.filter(|_| made.clean.values().len() <= MOST_KEPT_VALUES) {
            let mut kept = self.kept();
            kept.retain(|(other, _)| *other != key);
            kept.push_front((key, Arc::clone(&made)));
            kept.truncate(KEPT);
        }
        Ok(made)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(Key, Arc<Background>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueryRun<'_, TmmReranker> {
    /// The query's class: that of its label, else the model's own of its clean row.
    pub(crate) fn query_class(&self, clean: &FeatureRows) -> usize {
        let named = self.job.query_label.and_then(|label| class_of(self.model, label));
        named.unwrap_or_else(|| predicted(self.model, clean)[0])
    }

    pub(crate) fn background(&mut self, stage: &'static str) -> Result<Arc<Background>, Halt> {
        let embedding = self.embedding();
        let sample =
            self.method.backgrounds.sample(&embedding, stage, self.config.background, self.job.seed)?;
        if sample.predicted > 0 {
            let (predicted, of) = (sample.predicted, sample.ids.len());
            self.note(format!(
                "{predicted} of {of} background exemplars have no label of the model; its own prediction stands in"
            ));
        }
        Ok(sample)
    }
}

fn class_of(model: &Model, label: &str) -> Option<usize> {
    model.manifest().classes.iter().position(|class| class == label)
}

/// The model's own classes of clean rows; none for rows that are not the model's.
fn predicted(model: &Model, clean: &FeatureRows) -> Vec<usize> {
    if clean.dimension() != model.head().dimension() {
        return vec![0; clean.len()];
    }
    model.head().predicted(clean)
}
