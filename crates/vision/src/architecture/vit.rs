use serde::{Deserialize, Serialize};

use super::telling::{ArchitectureError, Telling, VIT, in_range};

/// Largest [`VitConfig::depth`].
pub const MAX_VIT_DEPTH: usize = 64;

/// Largest [`VitConfig::width`].
pub const MAX_VIT_WIDTH: usize = 2048;

/// Largest [`VitConfig::mlp`].
pub const MAX_VIT_MLP: usize = 8192;

/// Largest number of patches of an input. The attention of a block grows with its square.
pub const MAX_PATCHES: usize = 4096;

/// Values that a head sees of a token in nearly all published networks: tiny, small, base and large.
const USUAL_HEAD: usize = 64;

/// The published network that has other heads ("huge"), as width and heads.
const HUGE: (usize, usize) = (1280, 16);

/// One Vision Transformer, the plain one of "An Image is Worth 16x16 Words" (Dosovitskiy and others, 2021) as in
/// torchvision and timm, without dropout.
///
/// Patches become tokens by one linear layer, and a learned table of positions is added. Each block adds to the
/// tokens the attention of their layer normalisation, then a two-layer perceptron of it with the exact GELU between.
/// [`Pooling`] makes one row of the tokens; its layer normalisation is the feature row. All layer normalisations add
/// 1e-6 to the variance, which is what torchvision and timm do.
///
/// *Tensor names* are those of torchvision's `VisionTransformer`: `conv_proj`, `class_token`,
/// `encoder.pos_embedding`, `encoder.layers.encoder_layer_BLOCK` with `ln_1`, `self_attention.in_proj_weight`,
/// `self_attention.in_proj_bias`, `self_attention.out_proj`, `ln_2`, `mlp.0` and `mlp.3`, then `encoder.ln` and
/// `heads.head`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Side of a patch, in pixels. It divides both sides of the input, which has at most [`MAX_PATCHES`] patches.
    pub patch: usize,
    /// Blocks, 1 to [`MAX_VIT_DEPTH`].
    pub depth: usize,
    /// Values of a token, 1 to [`MAX_VIT_WIDTH`]; the length of a feature row.
    pub width: usize,
    /// Attention heads of a block; divides the width.
    pub heads: usize,
    /// Inner width of a block's perceptron, 1 to [`MAX_VIT_MLP`]; four times the width in most networks.
    pub mlp: usize,
    /// What becomes the feature row.
    pub pooling: Pooling,
}

/// How the tokens behind the last block become one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The token of the class, which goes through the blocks before those of the patches; the weights have the tensor
    /// `class_token`.
    ClassToken,
    /// The mean of the patches' tokens, normalised after the mean, as in timm's networks with `fc_norm`; there is no
    /// class token.
    Mean,
}

impl Pooling {
    /// Tokens beside those of the patches.
    pub(crate) fn extra_tokens(self) -> usize {
        match self {
            Self::ClassToken => 1,
            Self::Mean => 0,
        }
    }
}

impl VitConfig {
    /// The network with a class token and a perceptron four times as wide as its tokens.
    pub fn new(patch: usize, depth: usize, width: usize, heads: usize) -> Self {
        Self { patch, depth, width, heads, mlp: width.saturating_mul(4), pooling: Pooling::ClassToken }
    }

    /// 12 blocks, 192 features: about 5.5 million weights.
    pub fn tiny(patch: usize) -> Self {
        Self::new(patch, 12, 192, 3)
    }

    /// 12 blocks, 384 features: about 22 million weights.
    pub fn small(patch: usize) -> Self {
        Self::new(patch, 12, 384, 6)
    }

    /// 12 blocks, 768 features: about 86 million weights.
    pub fn base(patch: usize) -> Self {
        Self::new(patch, 12, 768, 12)
    }

    /// 24 blocks, 1,024 features: about 304 million weights.
    pub fn large(patch: usize) -> Self {
        Self::new(patch, 24, 1024, 16)
    }

    /// Values in a feature row.
    pub fn features(&self) -> usize {
        self.width
    }

    /// Whether a network can be built from it.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError::Range`] with the first value that is out of range, or [`ArchitectureError::Heads`].
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        in_range("patch side", self.patch, crate::limits::MAX_INPUT_SIDE)?;
        in_range("depth", self.depth, MAX_VIT_DEPTH)?;
        in_range("width", self.width, MAX_VIT_WIDTH)?;
        in_range("perceptron width", self.mlp, MAX_VIT_MLP)?;
        if self.heads == 0 || !self.width.is_multiple_of(self.heads) {
            return Err(ArchitectureError::Heads { heads: self.heads, width: self.width });
        }
        Ok(())
    }

    /// Whether an input of `height` x `width` pixels divides into patches, and not too many.
    ///
    /// # Errors
    ///
    /// [`ArchitectureError::Patch`] when it does not, [`ArchitectureError::Range`] for more than [`MAX_PATCHES`].
    pub fn fits(&self, height: usize, width: usize) -> Result<(), ArchitectureError> {
        let patch = self.patch;
        if patch == 0 || !height.is_multiple_of(patch) || !width.is_multiple_of(patch) {
            return Err(ArchitectureError::Patch { patch, height, width });
        }
        in_range("number of patches", (height / patch).saturating_mul(width / patch), MAX_PATCHES)
    }

    /// The network, its input channels and its number of classes, with this number of heads if it is known.
    pub(super) fn told_by(
        telling: &Telling<'_>,
        heads: Option<usize>,
    ) -> Result<(Self, usize, usize), ArchitectureError> {
        let [width, channels, patch, across] = telling.shape(VIT)?;
        if patch != across {
            return Err(ArchitectureError::NotTold { name: VIT });
        }
        let heads = match (heads, width) {
            (Some(heads), _) => heads,
            (None, width) if width == HUGE.0 => HUGE.1,
            (None, width) if width.is_multiple_of(USUAL_HEAD) => width / USUAL_HEAD,
            (None, width) => return Err(ArchitectureError::HeadsNotTold { width }),
        };
        let [mlp, _] = telling.shape("encoder.layers.encoder_layer_0.mlp.0.weight")?;
        let depth = telling.count(MAX_VIT_DEPTH, |block| {
            format!("encoder.layers.encoder_layer_{block}.self_attention.in_proj_weight")
        });
        let pooling = if telling.has("class_token") { Pooling::ClassToken } else { Pooling::Mean };
        let config = Self { patch, depth, width, heads, mlp, pooling };
        config.validate()?;
        let [classes, _] = telling.shape("heads.head.weight")?;
        Ok((config, channels, classes))
    }
}
