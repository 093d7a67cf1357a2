use std::fmt;
use std::str::FromStr;

use lookalike_vision::Layer;
use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::stored_as_text::stored_as_text;

/// A ranking that the method is compared with, on all exemplars. Written by its [`Baseline::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Baseline {
    /// Euclidean distance of the network's input.
    L2Pixels,
    /// Cosine of the network's input.
    CosinePixels,
    /// Euclidean distance of what a layer sees; a network of less than four blocks lacks the first layers.
    L2At(Layer),
    /// Cosine of the same.
    CosineAt(Layer),
    /// Euclidean distance of the features (equation 6).
    L2,
    /// Cosine of the features (equation 5).
    Cosine,
    /// Whitened cosine of the features.
    Whitened,
    /// Mahalanobis distance with the covariance that the classes share, shrunk as for whitening.
    Mahalanobis,
    /// Euclidean distance of the logits.
    Logits,
    /// Whitened cosine with the mean feature row of the query and 16 disturbed copies.
    Averaged,
    /// Whitened cosine of whichever of the query and its 16 disturbed copies is nearest to the exemplar.
    BestCopy,
    /// k-reciprocal re-ranking of the best 200 by whitened cosine.
    Reciprocal,
    /// Alpha query expansion among whitened rows.
    Expansion,
}

impl Baseline {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::L2Pixels,
        Self::CosinePixels,
        Self::L2At(Layer::Layer1),
        Self::CosineAt(Layer::Layer1),
        Self::L2At(Layer::Layer2),
        Self::CosineAt(Layer::Layer2),
        Self::L2At(Layer::Layer3),
        Self::CosineAt(Layer::Layer3),
        Self::L2At(Layer::Layer4),
        Self::CosineAt(Layer::Layer4),
        Self::L2,
        Self::Cosine,
        Self::Whitened,
        Self::Mahalanobis,
        Self::Logits,
        Self::Averaged,
        Self::BestCopy,
        Self::Reciprocal,
        Self::Expansion,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2Pixels => "l2-pixels",
            Self::CosinePixels => "cosine-pixels",
            Self::L2At(Layer::Layer1) => "l2-layer1",
            Self::L2At(Layer::Layer2) => "l2-layer2",
            Self::L2At(Layer::Layer3) => "l2-layer3",
            Self::L2At(Layer::Layer4) => "l2-layer4",
            Self::CosineAt(Layer::Layer1) => "cosine-layer1",
            Self::CosineAt(Layer::Layer2) => "cosine-layer2",
            Self::CosineAt(Layer::Layer3) => "cosine-layer3",
            Self::CosineAt(Layer::Layer4) => "cosine-layer4",
            Self::L2 => "l2",
            Self::Cosine => "cosine",
            Self::Whitened => "whitened",
            Self::Mahalanobis => "mahalanobis",
            Self::Logits => "logits",
            Self::Averaged => "averaged",
            Self::BestCopy => "best-copy",
            Self::Reciprocal => "reciprocal",
            Self::Expansion => "expansion",
        }
    }

    /// Whether it draws copies of the query.
    pub fn is_seeded(self) -> bool {
        matches!(self, Self::Averaged | Self::BestCopy)
    }

    /// What of the query it compares.
    pub(crate) fn seen(self) -> Seen {
        match self {
            Self::L2Pixels | Self::CosinePixels => Seen::Pixels,
            Self::L2At(layer) | Self::CosineAt(layer) => Seen::At(layer),
            Self::L2
            | Self::Cosine
            | Self::Whitened
            | Self::Mahalanobis
            | Self::Logits
            | Self::Averaged
            | Self::BestCopy
            | Self::Reciprocal
            | Self::Expansion => Seen::Features,
        }
    }

    /// Forward passes of the network per query.
    pub fn forward_passes(self) -> usize {
        if self.is_seeded() {
            return 1 + COPIES;
        }
        match self.seen() {
            Seen::Pixels => 0,
            Seen::At(_) | Seen::Features => 1,
        }
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Baseline {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let known = Self::ALL.iter().copied().find(|baseline| baseline.name() == text);
        known.ok_or_else(|| EvalError::Baseline { found: text.to_owned() })
    }
}

stored_as_text!(Baseline);

/// What of a query a baseline compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Pixels,
    At(Layer),
    Features,
}

/// Disturbed copies of a query: as many as the suites' forms of the method take, so that both have the same passes.
pub(crate) const COPIES: usize = 16;
