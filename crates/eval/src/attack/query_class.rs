use lookalike_plugin_api::{Budget, FeatureRows, RowsError};
use lookalike_tmm::{
    Blend, DimensionError, DummyHead, FineTuneError, HeadError, LogitMap, LogitMapError, Schedule, ScoreKind,
    TmmConfig, TrainingRows, TriggerError, TriggerSearch, TriggerStart, deviation, fine_tune,
    optimise_trigger, score,
};
use lookalike_vision::{Model, ModelError, Pixels};

use super::{Attack, AttackError, Attacked, attack};
use crate::random::{Use, seeded};

/// Updates of the head, in batches of [`BATCH`]: about as many as the paper's one epoch over the 60,000 images of MNIST
/// has in its batches of 256.
const UPDATES: usize = 240;
/// Exemplars in a batch.
const BATCH: usize = 64;

/// The class that the method makes for a query: the query's trigger (equation 8), and the head that the triggered query
/// falls into a dummy class of (equation 3). What [`QueryClass::attack`] drives an image out of.
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
    /// Fits trigger and head to a query and a `background` that stands for the other exemplars, whose classes are the
    /// model's own predictions. As printed, the blend is the query's standard deviation times the image and the rest of
    /// the trigger (algorithm 1), and trigger and learning rates are the paper's. Not the paper's, so that the class is
    /// tight after few exemplars: the head is held by no consolidation, its dummy row starts from zero, and it takes 240
    /// updates of 64 exemplars. It is `preset=paper` with `mode=exact ewc=0 dummy_start=zero batch=64 epochs=60
    /// background=256`.
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
        let class = model.head().predicted(&clean).first().copied().unwrap_or_default();
        let mut head = DummyHead::new(own.weight(), own.bias(), &vec![0.0; own.dimension()], 0.0)?;
        let [known, triggered] = [model.features(background)?, model.features(&on(background))?];
        let labels = model.head().predicted(&known);
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
        let features = model.features(&[self.triggered(image)])?;
        Ok(score(self.map.head(), &features, ScoreKind::LogProbability)?[0])
    }

    /// Looks for the image near `image` whose score is lowest.
    ///
    /// What is driven up are the log odds against the class, `log sum of e^z over the other classes - z of the dummy`:
    /// they order images as the score does, and have a gradient also where the score is 0 in f32, so that an image is not
    /// taken for robust because its score is saturated.
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
            let mut odds = Ok(0.0);
            let mut uphill = |features: &FeatureRows| match self.odds_against(features) {
                Ok((found, slope)) => {
                    odds = Ok(found);
                    slope
                }
                Err(error) => {
                    odds = Err(error);
                    vec![0.0; features.values().len()]
                }
            };
            let (_, gradient) = model.feature_pullback(&[self.triggered(at)], &mut uphill)?;
            let gradient = gradient.into_iter().next().map(Pixels::into_values).unwrap_or_default();
            Ok((odds?, gradient.into_iter().map(|slope| keep * slope).collect()))
        })
    }

    fn triggered(&self, image: &Pixels) -> Pixels {
        Blend::AsPrinted.apply(image, &self.trigger, self.omega)
    }

    /// The log odds against the class of one row of features, and their gradient with respect to it: the shares among the
    /// other classes, less one of the dummy class, through the head.
    fn odds_against(&self, features: &FeatureRows) -> Result<(f32, Vec<f32>), QueryClassError> {
        let logits = self.map.logits(features)?;
        let Some((dummy, others)) = logits.values().split_last() else { return Ok((0.0, Vec::new())) };
        let most = others.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut slopes: Vec<f32> = others.iter().map(|logit| (logit - most).exp()).collect();
        let total: f32 = slopes.iter().sum();
        slopes.iter_mut().for_each(|share| *share /= total);
        slopes.push(-1.0);
        Ok((most + total.ln() - dummy, self.map.pullback(features, &slopes)?.into_values()))
    }
}

/// Positions of the background for [`UPDATES`] batches, shuffled anew in each epoch.
fn order(count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut random = seeded(seed, Use::Attack, 1);
    let epochs = UPDATES.div_ceil(count.div_ceil(BATCH).max(1));
    let shuffled = |_| {
        let mut order: Vec<usize> = (0..count).collect();
        random.shuffle(&mut order);
        order
    };
    (0..epochs).map(shuffled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(dummy_bias: f32) -> QueryClass {
        let head = DummyHead::new(&[1.0, 0.0, 0.0, 1.0], &[0.0, 0.5], &[0.5, -0.25], dummy_bias).unwrap();
        QueryClass { trigger: Pixels::new(1, 1, 1, vec![0.0]).unwrap(), omega: 1.0, map: LogitMap::raw(head) }
    }

    #[test]
    fn log_odds_and_their_gradient_are_those_of_the_formula_by_hand() {
        // Logits 2, 1.5 and 0.75: log(e^2 + e^1.5) - 0.75 = 2.474077 - 0.75. The shares of 2 and 1.5 are 0.622459 and
        // 0.377541, less the dummy's row (0.5, -0.25).
        let (odds, slope) = class(0.0).odds_against(&FeatureRows::new(2, vec![2.0, 1.0]).unwrap()).unwrap();
        assert!((odds - 1.724_077).abs() < 1e-5, "{odds}");
        assert!((slope[0] - 0.122_459).abs() < 1e-5 && (slope[1] - 0.627_541).abs() < 1e-5, "{slope:?}");
    }

    #[test]
    fn a_saturated_class_has_the_same_gradient() {
        let row = FeatureRows::new(2, vec![2.0, 1.0]).unwrap();
        let (_, slope) = class(0.0).odds_against(&row).unwrap();
        for bias in [30.0, 150.0] {
            let (odds, of_saturated) = class(bias).odds_against(&row).unwrap();
            assert_eq!(of_saturated, slope);
            assert!((odds - (1.724_077 - bias)).abs() < 1e-4, "{odds}");
        }
    }
}
