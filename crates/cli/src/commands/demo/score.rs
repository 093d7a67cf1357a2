use super::tally::{Mean, Tally, median};
use crate::args::ranking::Ranking;

/// Seed of the stored glyphs; the shipped network was trained on others.
pub(super) const GLYPH_SEED: u64 = 1;

/// How one ranking did.
#[derive(Debug, Clone)]
pub(super) struct RankingScore {
    pub(super) ranking: Ranking,
    pub(super) clean: Tally,
    pub(super) disturbed: Tally,
}

impl RankingScore {
    pub(super) fn both_same_class(&self) -> Mean {
        self.clean.same_class.with(self.disturbed.same_class)
    }

    pub(super) fn both_factor_distance(&self) -> Mean {
        self.clean.factor_distance.with(self.disturbed.factor_distance)
    }

    pub(super) fn median_seconds(&self) -> f64 {
        median(self.clean.seconds.iter().chain(&self.disturbed.seconds).copied())
    }
}
