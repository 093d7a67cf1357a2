use serde::{Deserialize, Serialize};

/// A ranking that the method is compared with, on all exemplars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// Euclidean distance of the network's input.
    L2Pixels,
    /// Cosine of the network's input.
    CosinePixels,
    /// Euclidean distance of what the last stage of blocks sees; architectures with four such stages only.
    L2Layer4,
    /// Cosine of the same.
    CosineLayer4,
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
        Self::L2Layer4,
        Self::CosineLayer4,
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
            Self::L2Layer4 => "l2-layer4",
            Self::CosineLayer4 => "cosine-layer4",
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
            Self::L2Layer4 | Self::CosineLayer4 => Seen::Layer4,
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
            Seen::Layer4 | Seen::Features => 1,
        }
    }
}

/// What of a query a baseline compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Pixels,
    Layer4,
    Features,
}

/// Disturbed copies of a query: as many as the method's default takes, so that both have the same passes.
pub(crate) const COPIES: usize = 16;
