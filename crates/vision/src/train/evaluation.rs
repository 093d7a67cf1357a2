//! How well a model does on labelled images.

use serde::{Deserialize, Serialize};

use super::augment::Moved;
use super::set::TrainSet;
use crate::model::{Model, ModelError};

/// Images that are classified at a time.
const BATCH: usize = 256;

/// How a model did on labelled images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Images classified.
    pub images: usize,
    /// Mean cross entropy, in nats.
    pub loss: f64,
    /// Share of the images that were classified as they are labelled, in 0..=1.
    pub accuracy: f64,
}

/// Classifies all images of `set`. A class that the model does not have is never right, and adds nothing to the loss.
///
/// # Errors
///
/// As [`Model::logits`].
pub fn evaluate(model: &Model, set: &TrainSet) -> Result<Evaluation, ModelError> {
    let (mut loss, mut right) = (0.0, 0);
    let places: Vec<usize> = (0..set.len()).collect();
    for batch in places.chunks(BATCH) {
        let labelled: Vec<_> = batch.iter().map(|&place| set.labelled(place, Moved::default())).collect();
        let (pixels, classes): (Vec<_>, Vec<usize>) =
            labelled.into_iter().map(|image| (image.pixels, image.class)).unzip();
        let logits = model.logits(&pixels)?;
        for (row, class) in logits.rows().zip(classes) {
            let Some(&of_class) = row.get(class) else { continue };
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|logit| (f64::from(*logit) - f64::from(largest)).exp()).sum();
            loss += sum.ln() - (f64::from(of_class) - f64::from(largest));
            right += usize::from(of_class >= largest);
        }
    }
    let images = set.len();
    let of_all = images.max(1) as f64;
    Ok(Evaluation { images, loss: loss / of_all, accuracy: right as f64 / of_all })
}
