use plugin_api::{Budget, FeatureRows, RowsError};
use tmm::{
    Blend, DimensionError, DummyHead, FineTuneError, HeadError, LogitMap, LogitMapError, Schedule, ScoreKind,
    TmmConfig, TrainingRows, TriggerError, TriggerSearch, TriggerStart, deviation, fine_tune,
    optimise_trigger, score,
};
use vision::{Model, ModelError, Pixels};

use super::{Attack, AttackError, Attacked, attack};
use crate::contest::predicted;
use crate::random::{Random, Use};

/// Updates of the head, in batches of [`BATCH`]: about as many as the paper's one epoch over the 60,000 images of MNIST
/// has in its batches of 256.
const UPDATES: usize = 240;
/// Exemplars in a batch.
const BATCH: usize = 64;

/// The class that the printed method makes for a query: the query's trigger (equation 8), and the head that the
/// triggered query falls into a dummy class of (equation 3). What [`QueryClass::attack`] drives an image out of.
#[derive(Debug, Clone)]
pub struct QueryClass {
    trigger: Pixels,
    omega: f32,
    map: LogitMap,
}

/// Why a query has no class of its own, or an image no score in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryClassError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The trigger cannot be fitted.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    /// The head cannot begin.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The head cannot be fine-tuned.
    #[error(transparent)]
    FineTune(#[from] FineTuneError),
    /// The head is not the model's.
    #[error(transparent)]
    Dimension(#[from] DimensionError),
    /// A logit is not finite.
    #[error(transparent)]
    Logits(#[from] LogitMapError),
    /// Features are not finite.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

impl QueryClass {
    /// Fits trigger and head with the settings of the paper to a query and a `background` that stands for the other
    /// exemplars, whose classes are the model's own predictions. As printed, the blend is the query's standard deviation
    /// times the image and the rest of the trigger (algorithm 1).
    ///
    /// *Determinism*: as the model's gradients; the seed decides where the search for the trigger begins, and the order
    /// of the background.
    ///
    /// # Errors
    ///
    /// [`QueryClassError`] when images are not the model's input, or numbers leave the finite ones.
    pub fn fit(
        model: &Model,
        query: &Pixels,
        background: &[Pixels],
        seed: u64,
    ) -> Result<Self, QueryClassError> {
        let paper = TmmConfig::paper();
        let search = TriggerSearch {
            steps: paper.trigger_steps,
            learning_rate: paper.trigger_learning_rate,
            patience: paper.trigger_patience,
            mask: None,
        };
        let (query, budget) = (std::slice::from_ref(query), Budget::unlimited());
        let start = TriggerStart::Uniform.pixels(model, seed)?;
        let trigger = optimise_trigger(model, query, start, &search, &budget)?.pixels;
        let omega = deviation(&query[0]);
        let on = |images: &[Pixels]| -> Vec<Pixels> {
            images.iter().map(|image| Blend::AsPrinted.apply(image, &trigger, omega)).collect()
        };
        let own = model.head();
        let [clean, positives] = [model.features(query)?, model.features(&on(query))?];
        let class = predicted(model, &clean).first().copied().unwrap_or_default();
        let mut head = DummyHead::new(own.weight(), own.bias(), &vec![0.0; own.dimension()], 0.0)?;
        let [known, triggered] = [model.features(background)?, model.features(&on(background))?];
        let labels = predicted(model, &known);
        let rows = TrainingRows {
            positives: &positives,
            query: Some((&clean, class)),
            triggered: &triggered,
            clean: Some(&known),
            labels: &labels,
        };
        let schedule = Schedule {
            order: &order(background.len(), seed),
            batch: BATCH,
            learning_rate: paper.learning_rate,
            consolidation: None,
        };
        fine_tune(&mut head, &rows, &schedule, &budget)?;
        Ok(Self { trigger, omega, map: LogitMap::raw(head) })
    }

    /// How readily an image falls into the class: `log P(dummy)` of the image with the trigger (equation 4).
    ///
    /// # Errors
    ///
    /// [`QueryClassError`] when the image is not the model's input.
    pub fn score(&self, model: &Model, image: &Pixels) -> Result<f32, QueryClassError> {
        self.of_features(&model.features(&[self.triggered(image)])?)
    }

    /// Looks for the image near `image` whose score is lowest.
    ///
    /// # Errors
    ///
    /// As [`attack`], with [`QueryClassError`] when the image is not the model's input.
    pub fn attack(
        &self,
        model: &Model,
        image: &Pixels,
        settings: &Attack,
    ) -> Result<Attacked, AttackError<QueryClassError>> {
        let keep = Blend::AsPrinted.keep(self.omega);
        attack(image, settings, |at| {
            let mut failed = None;
            let mut downhill = |features: &FeatureRows| match self.slope(features) {
                Ok(slope) => slope,
                Err(error) => {
                    failed = Some(error);
                    vec![0.0; features.values().len()]
                }
            };
            let (features, gradient) = model.feature_pullback(&[self.triggered(at)], &mut downhill)?;
            if let Some(error) = failed {
                return Err(error);
            }
            let gradient = gradient.into_iter().next().map(Pixels::into_values).unwrap_or_default();
            Ok((-self.of_features(&features)?, gradient.into_iter().map(|slope| keep * slope).collect()))
        })
    }

    fn triggered(&self, image: &Pixels) -> Pixels {
        Blend::AsPrinted.apply(image, &self.trigger, self.omega)
    }

    fn of_features(&self, features: &FeatureRows) -> Result<f32, QueryClassError> {
        Ok(score(self.map.head(), features, ScoreKind::LogProbability)?[0])
    }

    /// The gradient of `-log P(dummy)` with respect to one row of features: probabilities less one of the dummy class,
    /// through the head.
    fn slope(&self, features: &FeatureRows) -> Result<Vec<f32>, QueryClassError> {
        let logits = self.map.logits(features)?;
        let most = logits.values().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut shares: Vec<f32> = logits.values().iter().map(|logit| (logit - most).exp()).collect();
        let total: f32 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= total);
        if let Some(dummy) = shares.last_mut() {
            *dummy -= 1.0;
        }
        Ok(self.map.pullback(features, &shares)?.into_values())
    }
}

/// Positions of the background for [`UPDATES`] batches, shuffled anew in each epoch.
fn order(count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut random = Random::new(seed, Use::Attack, 1);
    let epochs = UPDATES.div_ceil(count.div_ceil(BATCH).max(1));
    let shuffled = |_| {
        let mut order: Vec<usize> = (0..count).collect();
        random.shuffle(&mut order);
        order
    };
    (0..epochs).map(shuffled).collect()
}
