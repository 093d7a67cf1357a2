//! How a network is trained.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use crate::compute::Device;
use crate::manifest::ModelManifest;

/// Largest [`TrainConfig::epochs`].
pub const MAX_EPOCHS: usize = 10_000;

/// Largest [`TrainConfig::batch`], and with it largest [`TrainConfig::shard`].
pub const MAX_BATCH: usize = 65_536;

/// Largest [`TrainConfig::learning_rate`].
pub const MAX_LEARNING_RATE: f32 = 10.0;

/// Largest [`TrainConfig::weight_decay`].
pub const MAX_WEIGHT_DECAY: f32 = 1.0;

/// Largest [`TrainConfig::clip`].
pub const MAX_CLIP: f32 = 1e6;

/// Largest [`Augmentation::crop_padding`], in pixels.
pub const MAX_CROP_PADDING: usize = 64;

/// How a network is trained. The defaults are those that the shipped glyph network was made with, by stochastic
/// gradient descent as residual networks are commonly trained (He et al. 2016, section 3.4; one cycle by Smith 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Times that every image is seen, 1 to [`MAX_EPOCHS`]. Default 6: enough for small sets of easy images.
    pub epochs: usize,
    /// Images in one update, 2 to [`MAX_BATCH`]. Default 64, by measurement on the glyphs.
    pub batch: usize,
    /// Images that one thread works on at a time, and over which batch normalisations take their statistics, 2 to
    /// [`MAX_BATCH`]; a batch is cut into shards of nearly equal length that are no larger. Default 32, so that two
    /// threads share a batch; statistics over few images regularise (Hoffer et al. 2017, "ghost batches"). A larger
    /// one is faster for networks of many weights, whose gradient is summed up once per shard.
    pub shard: usize,
    /// Highest learning rate, above 0 to [`MAX_LEARNING_RATE`]. Default 0.1, as He et al. 2016 for SGD; `AdamW` takes
    /// about a hundredth of it.
    pub learning_rate: f32,
    /// What makes an update of a gradient. Default SGD with Nesterov's momentum of 0.9.
    pub optimiser: Optimiser,
    /// What becomes of the learning rate over the steps. Default [`Schedule::OneCycle`].
    pub schedule: Schedule,
    /// Pull of kernels and head towards zero, 0 to [`MAX_WEIGHT_DECAY`]; normalisations and biases are left alone. For
    /// SGD it is added to the gradient, for `AdamW` it is decoupled: a step shrinks a weight by learning rate x decay.
    /// Default 5e-4 (Zagoruyko and Komodakis 2016); `AdamW` commonly takes 0.01 to 0.1.
    pub weight_decay: f32,
    /// Share of a target that is spread evenly over all classes, 0 to below 1. Default 0; 0.1 is common (Szegedy et
    /// al. 2016).
    pub label_smoothing: f32,
    /// What is done to an image each time that it is seen. Default nothing.
    pub augmentation: Augmentation,
    /// Largest Euclidean length of the whole gradient, which is scaled down to it (Pascanu et al. 2013), above 0 to
    /// [`MAX_CLIP`]; `None` leaves it as it is. Default `None`.
    pub clip: Option<f32>,
    /// Decides the initial weights, the order of the images and their augmentation. Default 0.
    pub seed: u64,
    /// Threads that share a batch; 0, the default, takes all cores. The result does not depend on it.
    #[serde(skip)]
    pub threads: usize,
    /// Where the network runs. Default the processor. Another device changes the last bits.
    #[serde(skip)]
    pub device: Device,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 6,
            batch: 64,
            shard: 32,
            learning_rate: 0.1,
            optimiser: Optimiser::Sgd { momentum: 0.9, nesterov: true },
            schedule: Schedule::OneCycle,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            augmentation: Augmentation::default(),
            clip: None,
            seed: 0,
            threads: 0,
            device: Device::Cpu,
        }
    }
}

/// What makes an update of a gradient. All formulas are those of PyTorch's optimisers of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimiser {
    /// Stochastic gradient descent with momentum (Sutskever et al. 2013).
    Sgd {
        /// Share of the last update that is kept, 0 to below 1; 0.9 is common.
        momentum: f32,
        /// Whether the gradient is taken to be that after the momentum's step (Nesterov).
        nesterov: bool,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
    AdamW {
        /// Share of the running mean of gradients that a step keeps, 0 to below 1; 0.9 by Kingma and Ba 2015.
        beta1: f32,
        /// Share of the running mean of squared gradients that a step keeps, 0 to below 1; 0.999 by the same.
        beta2: f32,
        /// Added to the root of the mean square, above 0 to 1; 1e-8 by the same.
        eps: f32,
    },
}

impl Optimiser {
    /// `AdamW` with the numbers of Kingma and Ba 2015.
    pub const ADAMW: Self = Self::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
}

/// What becomes of the learning rate from the first step to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It rises evenly over the first tenth of the steps and falls to zero along half a cosine.
    OneCycle,
    /// It falls to zero along half a cosine from the first step (Loshchilov and Hutter 2017).
    Cosine,
    /// It stays.
    Constant,
}

/// Share of the steps in which the learning rate of [`Schedule::OneCycle`] rises.
const WARM_UP: f32 = 0.1;

impl Schedule {
    /// The learning rate's factor when `done` of all steps, in 0..1, are done; in 0..=1.
    pub(super) fn factor(self, done: f32) -> f32 {
        let fallen = match self {
            Self::OneCycle if done < WARM_UP => return (done / WARM_UP).max(0.01),
            Self::OneCycle => (done - WARM_UP) / (1.0 - WARM_UP),
            Self::Cosine => done,
            Self::Constant => return 1.0,
        };
        0.5 * (1.0 + (std::f32::consts::PI * fallen).cos())
    }
}

/// What is done to an image each time that it is seen. The choice depends on seed, epoch and image alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Black pixels that are laid around the image before a piece of the old size is cut from it at a random place, 0
    /// to [`MAX_CROP_PADDING`] and less than the input's shorter side; 0, the default, moves nothing. 4 is common for
    /// 32 x 32 pixels (He et al. 2016).
    pub crop_padding: usize,
    /// Whether every second image is mirrored, left to right. Wrong for digits and signs, and off by default.
    pub flip: bool,
}

impl TrainConfig {
    /// Whether it can be used.
    ///
    /// # Errors
    ///
    /// [`TrainError::Config`] with the first value that is out of range, and the range.
    pub fn validate(&self) -> Result<(), TrainError> {
        range("epochs", self.epochs, 1, MAX_EPOCHS)?;
        range("batch", self.batch, 2, MAX_BATCH)?;
        range("shard", self.shard, 2, MAX_BATCH)?;
        above("learning rate", self.learning_rate, MAX_LEARNING_RATE)?;
        match self.optimiser {
            Optimiser::Sgd { momentum, .. } => share("momentum", momentum)?,
            Optimiser::AdamW { beta1, beta2, eps } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                above("eps", eps, 1.0)?;
            }
        }
        let decay = self.weight_decay;
        check(
            "weight decay",
            decay,
            (0.0..=MAX_WEIGHT_DECAY).contains(&decay),
            &format_args!("0 to {MAX_WEIGHT_DECAY}"),
        )?;
        share("label smoothing", self.label_smoothing)?;
        range("crop padding", self.augmentation.crop_padding, 0, MAX_CROP_PADDING)?;
        self.clip.map_or(Ok(()), |clip| above("gradient clip", clip, MAX_CLIP))
    }

    /// [`TrainConfig::validate`] for the inputs of `manifest`.
    pub(super) fn validate_for(&self, manifest: &ModelManifest) -> Result<(), TrainError> {
        self.validate()?;
        let most = manifest.height.min(manifest.width).saturating_sub(1);
        range("crop padding", self.augmentation.crop_padding, 0, most)
    }
}

fn range(field: &'static str, found: usize, least: usize, most: usize) -> Result<(), TrainError> {
    check(field, found, (least..=most).contains(&found), &format_args!("{least} to {most}"))
}

fn share(field: &'static str, found: f32) -> Result<(), TrainError> {
    check(field, found, (0.0..1.0).contains(&found), &"0 to below 1")
}

fn above(field: &'static str, found: f32, most: f32) -> Result<(), TrainError> {
    check(field, found, found > 0.0 && found <= most, &format_args!("above 0 to {most}"))
}

fn check(
    field: &'static str,
    found: impl fmt::Display,
    right: bool,
    range: &dyn fmt::Display,
) -> Result<(), TrainError> {
    if right {
        Ok(())
    } else {
        Err(TrainError::Config { field, found: found.to_string(), range: range.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_follow_their_schedules() {
        let at = |schedule: Schedule| [0.0, 0.05, 0.1, 0.55].map(|done| schedule.factor(done));
        let near = |found: [f32; 4], expected: [f32; 4]| {
            let right = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6);
            assert!(right, "{found:?} instead of {expected:?}");
        };
        near(at(Schedule::OneCycle), [0.01, 0.5, 1.0, 0.5]);
        // cos(pi/20), cos(pi/10) and cos(11 pi/20), half of one more each.
        near(at(Schedule::Cosine), [1.0, 0.993_844_2, 0.975_528_26, 0.421_782_77]);
        near(at(Schedule::Constant), [1.0; 4]);
        assert!(Schedule::OneCycle.factor(0.999) < 1e-5 && Schedule::Cosine.factor(0.999) < 1e-5);
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        let refused = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(refused(|c| c.epochs = 0), "the training's epochs is 0, expected 1 to 10000");
        assert_eq!(refused(|c| c.batch = 1), "the training's batch is 1, expected 2 to 65536");
        assert_eq!(
            refused(|c| c.learning_rate = f32::NAN),
            "the training's learning rate is NaN, expected above 0 to 10"
        );
        assert_eq!(
            refused(|c| c.optimiser = Optimiser::AdamW { beta1: 0.9, beta2: 1.0, eps: 1e-8 }),
            "the training's beta2 is 1, expected 0 to below 1"
        );
        assert_eq!(
            refused(|c| c.label_smoothing = -0.1),
            "the training's label smoothing is -0.1, expected 0 to below 1"
        );
        assert_eq!(refused(|c| c.weight_decay = 2.0), "the training's weight decay is 2, expected 0 to 1");
        assert_eq!(
            refused(|c| c.clip = Some(0.0)),
            "the training's gradient clip is 0, expected above 0 to 1000000"
        );
        assert_eq!(
            refused(|c| c.augmentation.crop_padding = 65),
            "the training's crop padding is 65, expected 0 to 64"
        );
        TrainConfig::default().validate().unwrap();
    }
}
