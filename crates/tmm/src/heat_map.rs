use lookalike_plugin_api::{Budget, Completion, FeatureRows, Image, ImageError};
use lookalike_vision::{Model, ModelError, Pixels};

use crate::logit_map::LogitMap;
use crate::score::DimensionError;

/// Network inputs in one look at the budget. A pass forward and back through a ResNet-18 on 28 x 28 pixels takes a
/// slow core about 10 ms an input, and the contract asks for a look every 50 ms.
const INPUTS_AT_ONCE: usize = 4;

/// One addend of a score: the dummy logit of some view of the exemplars.
#[derive(Debug, Clone, Copy)]
pub struct ScoreTerm<'a> {
    /// From the view's raw feature rows to logits.
    pub map: &'a LogitMap,
    /// The exemplars as the network sees them in this view, for instance with the trigger.
    pub images: &'a [Pixels],
    /// How much of a clean pixel is in the view's pixel, times the term's weight in the score: 1 for the images
    /// themselves, and for a blended trigger what the blend keeps of the image (`1 - omega`, `omega` and 1 for
    /// convex, as printed and additive). Finite. That a blend may clamp is left out of account.
    pub slope: f32,
}

/// What [`heat_map`] made.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMaps {
    /// One per exemplar in the order given; fewer when the budget ran out.
    pub maps: Vec<Image>,
    /// How the work ended.
    pub completion: Completion,
}

/// Why there is no heat map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeatMapError {
    /// The model failed.
    #[error("the model made no features or no gradient")]
    Model(#[from] ModelError),
    /// A term's head is not for the features of this model.
    #[error(transparent)]
    Dimension(#[from] DimensionError),
    /// Two terms are not about the same exemplars.
    #[error(
        "term {term} of the score has {found} images, the first has {expected}; give every exemplar to each term"
    )]
    Images {
        /// The term, counted from 0.
        term: usize,
        /// Its images.
        found: usize,
        /// Images of the first term.
        expected: usize,
    },
    /// A term's slope is NaN or infinite.
    #[error("slope of term {term} of the score is {found}, a finite number was expected")]
    Slope {
        /// The term, counted from 0.
        term: usize,
        /// Its slope.
        found: f32,
    },
    /// The model's input is too large for an image.
    #[error("the heat map is no image")]
    Image(#[from] ImageError),
}

/// What in each exemplar answers to the trigger: the gradient of the score `sum of terms` (dummy logits) with respect
/// to the exemplar's clean pixels.
///
/// *Shapes*: one image per exemplar, one channel, of the model's input size. Its samples are absolute slopes summed
/// over the channels, scaled so that the largest is 255; they compare places within an exemplar, not exemplars. A
/// gradient that is zero everywhere gives a black image.
///
/// One exemplar takes a step of the budget per term. *Determinism*: as the model's gradients; how many exemplars are
/// asked for together does not matter beyond their last bits.
///
/// # Errors
///
/// [`HeatMapError`] when terms, heads and model do not fit together, or the model fails.
pub fn heat_map(model: &Model, terms: &[ScoreTerm<'_>], budget: &Budget) -> Result<HeatMaps, HeatMapError> {
    let exemplars = terms.first().map_or(0, |term| term.images.len());
    for (at, term) in terms.iter().enumerate() {
        let (found, expected) = (term.map.head().dimension(), model.head().dimension());
        if found != expected {
            // Said the other way round: what the head gets is rows of this model.
            return Err(DimensionError { found: expected, expected: found }.into());
        }
        if term.images.len() != exemplars {
            return Err(HeatMapError::Images { term: at, found: term.images.len(), expected: exemplars });
        }
        if !term.slope.is_finite() {
            return Err(HeatMapError::Slope { term: at, found: term.slope });
        }
    }
    let mut made = HeatMaps { maps: Vec::with_capacity(exemplars), completion: Completion::Complete };
    let at_once = (INPUTS_AT_ONCE / terms.len().max(1)).max(1);
    for start in (0..exemplars).step_by(at_once) {
        let chunk = start..exemplars.min(start + at_once);
        if let Some(reason) = budget.spend((chunk.len() * terms.len()) as u64) {
            made.completion = reason;
            break;
        }
        for slopes in slopes(model, terms, chunk)? {
            made.maps.push(rendered(model, &slopes)?);
        }
    }
    Ok(made)
}

/// The score's gradient with respect to the clean pixels of each of some exemplars, `[channels, height, width]`.
fn slopes(
    model: &Model,
    terms: &[ScoreTerm<'_>],
    exemplars: std::ops::Range<usize>,
) -> Result<Vec<Vec<f64>>, ModelError> {
    let n = exemplars.len();
    let batch: Vec<Pixels> = terms.iter().flat_map(|term| &term.images[exemplars.clone()]).cloned().collect();
    let (_, gradients) = model.feature_pullback(&batch, &mut |features| dummy_slopes(terms, n, features))?;
    let mut sums = vec![vec![0.0; batch[0].values().len()]; n];
    for (term, gradients) in terms.iter().zip(gradients.chunks_exact(n)) {
        for (sums, gradient) in sums.iter_mut().zip(gradients) {
            for (sum, slope) in sums.iter_mut().zip(gradient.values()) {
                *sum += f64::from(term.slope) * f64::from(*slope);
            }
        }
    }
    Ok(sums)
}

/// Gradients of the dummy logits with respect to features, `n` rows for each of the terms.
fn dummy_slopes(terms: &[ScoreTerm<'_>], n: usize, features: &FeatureRows) -> Vec<f32> {
    let mut pulled = Vec::with_capacity(features.values().len());
    for (at, term) in terms.iter().enumerate() {
        let rows = (at * n..(at + 1) * n).map(|row| features.row(row));
        pulled.extend(term.map.pulled(rows, |_, cotangent| {
            if let Some(dummy) = cotangent.last_mut() {
                *dummy = 1.0;
            }
        }));
    }
    pulled
}

fn rendered(model: &Model, slopes: &[f64]) -> Result<Image, ImageError> {
    let (height, width) = (model.manifest().height, model.manifest().width);
    let mut heat = vec![0.0_f64; height * width];
    for plane in slopes.chunks_exact(height * width) {
        heat.iter_mut().zip(plane).for_each(|(sum, slope)| *sum += slope.abs());
    }
    let most = heat.iter().copied().fold(0.0, f64::max);
    let scale = if most > 0.0 { 255.0 / most } else { 0.0 };
    let sample = |heat: &f64| (heat * scale).round().clamp(0.0, 255.0);
    #[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
    let samples = heat.iter().map(|heat| sample(heat) as u8).collect();
    Image::new(height, width, 1, samples)
}

#[cfg(test)]
mod tests;
