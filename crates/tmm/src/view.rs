use lookalike_plugin_api::{Digest, Fingerprint, View, ViewId};
use lookalike_vision::{Model, Pixels};

use crate::blend::Blend;
use crate::disturb::blurred;
use crate::random::{Stream, seeded};
use crate::stored_trigger::{StoredTrigger, StoredTriggerError};

/// Range of a blur's standard deviation, in pixels of the model's input.
pub const BLUR_RANGE: [f32; 2] = [0.1, 16.0];
/// Range of a noise's length, in pixel values of 0..=1 over the whole input.
pub const NOISE_RANGE: [f32; 2] = [0.0, 1000.0];

/// A feature view that this plugin knows: a fixed transformation of every image, under a name.
///
/// The host stores the features of the transformed images at ingest and at rebuild, so that a query needs two forward
/// passes and a scan instead of one forward pass per candidate. A second, differently informative view is what makes
/// a ranking robust (METHOD, "what was measured"); it may be a trigger, and need not be.
#[derive(Debug, Clone, PartialEq)]
pub struct TmmView {
    name: String,
    transformation: Transformation,
}

/// What a [`TmmView`] does to an image in the shape of the model's input. The same for every image.
#[derive(Debug, Clone, PartialEq)]
pub enum Transformation {
    /// A stored trigger laid over it; the result is never cut to 0..=1, whatever a query asks for.
    Trigger {
        /// Of the model that sees the view.
        trigger: StoredTrigger,
        /// How it is laid over.
        blend: Blend,
        /// Its intensity, 0..=1.
        omega: f32,
    },
    /// A Gaussian blur.
    Blur {
        /// Standard deviation in pixels of the model's input, [`BLUR_RANGE`].
        deviation: f32,
    },
    /// Left and right exchanged.
    Mirror,
    /// The same noise added to every image.
    Noise {
        /// Where it comes from.
        seed: u64,
        /// Its Euclidean length over all values, [`NOISE_RANGE`].
        norm: f32,
    },
}

/// Why there is no such view.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The name cannot be used.
    #[error(
        "\"{found}\" cannot name a view; take 1 to {} lower-case letters, digits, - or _, and not \"{}\"",
        View::MAX_NAME_BYTES,
        View::CLEAN
    )]
    Name {
        /// The name given.
        found: String,
    },
    /// Two views have one name.
    #[error("there are two views \"{name}\"; give each a name of its own")]
    Twice {
        /// The name.
        name: String,
    },
    /// A number is outside its range.
    #[error("{what} of view \"{name}\" is {found}, it takes a number from {least} to {most}")]
    Range {
        /// The view.
        name: String,
        /// What the number is.
        what: &'static str,
        /// The number given.
        found: f32,
        /// Smallest value.
        least: f32,
        /// Largest value.
        most: f32,
    },
    /// A trigger is not for the model.
    #[error("the trigger of view \"{name}\" is refused")]
    Trigger {
        /// The view.
        name: String,
        /// Why.
        source: StoredTriggerError,
    },
}

impl TmmView {
    /// A view of this name.
    ///
    /// # Errors
    ///
    /// [`ViewError`] for a name that [`View::is_name`] refuses or a number outside its range.
    pub fn new(name: impl Into<String>, transformation: Transformation) -> Result<Self, ViewError> {
        let name = name.into();
        if !View::is_name(&name) {
            return Err(ViewError::Name { found: name });
        }
        let number = match &transformation {
            Transformation::Trigger { omega, .. } => Some(("omega", *omega, [0.0, 1.0])),
            Transformation::Blur { deviation } => Some(("the blur's deviation", *deviation, BLUR_RANGE)),
            Transformation::Noise { norm, .. } => Some(("the noise's length", *norm, NOISE_RANGE)),
            Transformation::Mirror => None,
        };
        match number {
            Some((what, found, [least, most])) if !(least..=most).contains(&found) => {
                Err(ViewError::Range { name, what, found, least, most })
            }
            Some(_) | None => Ok(Self { name, transformation }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does to an image.
    pub fn transformation(&self) -> &Transformation {
        &self.transformation
    }

    /// The view as the contract declares it, for features of the model with this fingerprint. Equal transformations
    /// of one model have equal ids, whatever their names.
    pub fn declared(&self, fingerprint: &Fingerprint) -> View {
        let mut hasher = blake3::Hasher::new_derive_key("lookalike tmm view 1");
        hasher.update(&fingerprint.weights.0);
        hasher.update(&fingerprint.preprocessing.0);
        self.transformation.hash(&mut hasher);
        View { id: ViewId(Digest(*hasher.finalize().as_bytes())), name: self.name.clone() }
    }

    /// The image under the transformation. An image of another shape than the trigger's keeps what the trigger does
    /// not reach.
    #[must_use]
    pub fn apply(&self, image: &Pixels) -> Pixels {
        match &self.transformation {
            Transformation::Trigger { trigger, blend, omega } => trigger.lay_over(image, *blend, *omega),
            Transformation::Blur { deviation } => blurred(image, *deviation),
            Transformation::Mirror => mirrored(image),
            Transformation::Noise { seed, norm } => noisy(image, *seed, *norm),
        }
    }

    /// How much of an image's pixel is in the view's pixel of the same place; `None` where places are moved or mixed.
    pub(crate) fn slope(&self) -> Option<f32> {
        match &self.transformation {
            Transformation::Trigger { trigger, blend, omega } => Some(trigger.slope(*blend, *omega)),
            Transformation::Noise { .. } => Some(1.0),
            Transformation::Blur { .. } | Transformation::Mirror => None,
        }
    }

    pub(crate) fn is_triggered(&self) -> bool {
        matches!(self.transformation, Transformation::Trigger { .. })
    }

    pub(crate) fn ensure_for(&self, model: &Model) -> Result<(), ViewError> {
        let Transformation::Trigger { trigger, .. } = &self.transformation else { return Ok(()) };
        trigger.ensure_for(model).map_err(|source| ViewError::Trigger { name: self.name.clone(), source })
    }
}

impl Transformation {
    fn hash(&self, hasher: &mut blake3::Hasher) {
        match self {
            Self::Trigger { trigger, blend, omega } => {
                hasher.update(b"trigger ");
                hasher.update(&trigger.digest().0);
                hasher.update(blend.name().as_bytes());
                hasher.update(&omega.to_le_bytes());
            }
            Self::Blur { deviation } => {
                hasher.update(b"blur ");
                hasher.update(&deviation.to_le_bytes());
            }
            Self::Mirror => {
                hasher.update(b"mirror");
            }
            Self::Noise { seed, norm } => {
                hasher.update(b"noise ");
                hasher.update(&seed.to_le_bytes());
                hasher.update(&norm.to_le_bytes());
            }
        }
    }
}

fn mirrored(image: &Pixels) -> Pixels {
    let mut mirrored = image.clone();
    let width = image.width();
    mirrored.values_mut().chunks_exact_mut(width).for_each(<[f32]>::reverse);
    mirrored
}

fn noisy(image: &Pixels, seed: u64, norm: f32) -> Pixels {
    let mut random = seeded(seed, Stream::Noise);
    let noise: Vec<f32> = image.values().iter().map(|_| random.normal()).collect();
    let length = noise.iter().map(|value| value * value).sum::<f32>().sqrt();
    let scale = if length > 0.0 { norm / length } else { 0.0 };
    let mut noisy = image.clone();
    noisy.values_mut().iter_mut().zip(noise).for_each(|(value, noise)| *value += scale * noise);
    noisy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny;
    use crate::trigger::TriggerStart;

    fn random(seed: u64) -> StoredTrigger {
        StoredTrigger::random(&tiny::model(), &TriggerStart::Uniform, seed).unwrap()
    }

    fn all() -> Vec<Transformation> {
        let (blend, omega) = (Blend::AsPrinted, 0.3);
        vec![
            Transformation::Trigger { trigger: random(1), blend, omega },
            Transformation::Trigger { trigger: StoredTrigger::fixed_patch(&tiny::model()), blend, omega },
            Transformation::Blur { deviation: 1.0 },
            Transformation::Mirror,
            Transformation::Noise { seed: 1, norm: 2.0 },
        ]
    }

    fn fingerprint() -> Fingerprint {
        tiny::model().fingerprint().clone()
    }

    #[test]
    fn every_transformation_changes_an_image_in_its_own_way_and_always_in_the_same() {
        let image = tiny::pixels(9);
        let views: Vec<TmmView> = all().into_iter().map(|t| TmmView::new("view", t).unwrap()).collect();
        let changed: Vec<Pixels> = views.iter().map(|view| view.apply(&image)).collect();
        for (at, (view, pixels)) in views.iter().zip(&changed).enumerate() {
            assert_eq!(*pixels, view.apply(&image));
            assert_ne!(*pixels, image);
            assert!(!changed[..at].contains(pixels));
        }
    }

    #[test]
    fn every_number_of_a_transformation_counts_for_its_id_and_the_name_does_not() {
        let id = |name: &str, transformation| {
            TmmView::new(name, transformation).unwrap().declared(&fingerprint()).id
        };
        let mut ids: Vec<ViewId> = all().into_iter().map(|t| id("a", t)).collect();
        assert_eq!(ids, all().into_iter().map(|t| id("b", t)).collect::<Vec<_>>());
        let (blend, omega) = (Blend::AsPrinted, 0.3);
        ids.push(id("a", Transformation::Trigger { trigger: random(1), blend, omega: 0.4 }));
        ids.push(id("a", Transformation::Trigger { trigger: random(2), blend, omega }));
        ids.push(id("a", Transformation::Trigger { trigger: random(1), blend: Blend::Convex, omega }));
        ids.push(id("a", Transformation::Blur { deviation: 2.0 }));
        ids.push(id("a", Transformation::Noise { seed: 2, norm: 2.0 }));
        ids.push(id("a", Transformation::Noise { seed: 1, norm: 3.0 }));
        let mut other = fingerprint();
        other.weights.0[0] ^= 1;
        ids.push(TmmView::new("a", Transformation::Mirror).unwrap().declared(&other).id);
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn the_noise_has_the_length_asked_for() {
        let image = tiny::pixels(9);
        let view = TmmView::new("noise", Transformation::Noise { seed: 5, norm: 2.0 }).unwrap();
        let noisy = view.apply(&image);
        let apart = noisy.values().iter().zip(image.values()).map(|(a, b)| (a - b).powi(2));
        assert!((apart.sum::<f32>().sqrt() - 2.0).abs() < 1e-4);
    }

    #[test]
    fn names_and_numbers_out_of_range_are_refused_with_the_range() {
        for name in ["", "clean", "Ümlaut", "with space", &"x".repeat(41)] {
            assert!(matches!(TmmView::new(name, Transformation::Mirror), Err(ViewError::Name { .. })));
        }
        let error = TmmView::new("soft", Transformation::Blur { deviation: 99.0 }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the blur's deviation of view \"soft\" is 99, it takes a number from 0.1 to 16"
        );
        assert!(TmmView::new("n", Transformation::Noise { seed: 0, norm: f32::NAN }).is_err());
    }
}
