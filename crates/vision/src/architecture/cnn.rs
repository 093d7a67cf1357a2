use serde::{Deserialize, Serialize};

use super::telling::{ArchitectureError, CNN, Telling, in_range};

/// Largest number of stages of a [`CnnConfig`].
pub const MAX_CNN_STAGES: usize = 8;

/// Largest number of channels of a [`CnnConfig`].
pub const MAX_CNN_WIDTH: usize = 2048;

/// Largest [`CnnConfig::convolutions`].
pub const MAX_CNN_CONVOLUTIONS: usize = 16;

/// One plain convolutional network, for tests and for training on a processor.
///
/// A stage is a row of 3 x 3 convolutions of stride 1, each with batch normalisation and a rectifier. Between the
/// stages, 2 x 2 max-pooling halves the sides; the mean over the last plane is the feature row.
///
/// *Tensor names*, counted from 0: `stages.STAGE.PLACE.conv.weight`, without bias; `stages.STAGE.PLACE.bn.weight`,
/// `.bias`, `.running_mean` and `.running_var`; `fc.weight` and `fc.bias`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CnnConfig {
    /// Channels of each stage, 1 to [`MAX_CNN_STAGES`] stages of 1 to [`MAX_CNN_WIDTH`].
    pub widths: Vec<usize>,
    /// Convolutions in each stage, 1 to [`MAX_CNN_CONVOLUTIONS`].
    pub convolutions: usize,
}

impl CnnConfig {
    /// Three stages of two convolutions: 128 features, about 290,000 weights.
    pub fn small() -> Self {
        Self { widths: vec![32, 64, 128], convolutions: 2 }
    }

    /// Values in a feature row.
    pub fn features(&self) -> usize {
        self.widths.last().copied().unwrap_or(0)
    }

    /// Whether a network can be built from it.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError::Range`] with the first value that is out of range.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        in_range("stages", self.widths.len(), MAX_CNN_STAGES)?;
        for &width in &self.widths {
            in_range("width", width, MAX_CNN_WIDTH)?;
        }
        in_range("convolutions per stage", self.convolutions, MAX_CNN_CONVOLUTIONS)
    }

    /// Whether an input of `height` x `width` pixels is left with a position in the last stage.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError::Small`] when it is not.
    pub fn fits(&self, height: usize, width: usize) -> Result<(), ArchitectureError> {
        let stages = self.widths.len();
        let least = 1 << stages.clamp(1, MAX_CNN_STAGES).saturating_sub(1);
        if height >= least && width >= least {
            Ok(())
        } else {
            Err(ArchitectureError::Small { stages, height, width, least })
        }
    }

    /// The network, its input channels and its number of classes.
    pub(super) fn told_by(telling: &Telling<'_>) -> Result<(Self, usize, usize), ArchitectureError> {
        let [_, channels, 3, 3] = telling.shape(CNN)? else {
            return Err(ArchitectureError::NotTold { name: CNN });
        };
        let name = |stage: usize, place: usize| format!("stages.{stage}.{place}.conv.weight");
        let stages = telling.count(MAX_CNN_STAGES, |stage| name(stage, 0));
        let widths = (0..stages).filter_map(|stage| telling.first_side(&name(stage, 0))).collect();
        let convolutions = telling.count(MAX_CNN_CONVOLUTIONS, |place| name(0, place));
        let config = Self { widths, convolutions };
        config.validate()?;
        let [classes, _] = telling.shape("fc.weight")?;
        Ok((config, channels, classes))
    }
}
