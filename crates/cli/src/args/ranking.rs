//! The rankings that a search may be asked for.

use std::fmt;
use std::str::FromStr;

use lookalike_engine::plugin_api::Parameters;
use lookalike_engine::{Candidates, Metric, Rerank};
use thiserror::Error;

/// Names under which the rerankers are registered.
const MULTIVIEW: &str = "multiview";
const TMM: &str = "tmm";

/// One way to order the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranking {
    /// A plain metric, on its own.
    Metric(Metric),
    /// The query and disturbed copies of it in several views, over candidates by the whitened metric.
    MultiView,
    /// TMM-NN over the same.
    Tmm,
}

impl Ranking {
    /// All that need no mode, the plain ones first.
    pub(crate) const ALL: [Self; 4] = [
        Self::Metric(Metric::L2),
        Self::Metric(Metric::Cosine),
        Self::Metric(Metric::Whitened),
        Self::MultiView,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Metric(metric) => metric.name(),
            Self::MultiView => MULTIVIEW,
            Self::Tmm => TMM,
        }
    }

    /// Metric of the shortlist stage.
    pub(crate) fn metric(self) -> Metric {
        match self {
            Self::Metric(metric) => metric,
            Self::MultiView | Self::Tmm => Metric::Whitened,
        }
    }

    /// The second stage, if this ranking has one.
    pub(crate) fn rerank(self, candidates: Candidates, parameters: &Parameters) -> Option<Rerank> {
        match self {
            Self::Metric(_) => None,
            Self::MultiView | Self::Tmm => {
                Some(Rerank { reranker: self.name().to_owned(), candidates, parameters: parameters.clone() })
            }
        }
    }
}

impl fmt::Display for Ranking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rankings of one search, none twice, in the order asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rankings(pub(crate) Vec<Ranking>);

/// A word that is no ranking.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("\"{found}\" is no ranking; choose from l2, cosine, whitened, multiview, tmm, or all")]
pub(crate) struct UnknownRanking {
    found: String,
}

impl FromStr for Rankings {
    type Err = UnknownRanking;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut rankings = Vec::new();
        for word in list.split(',').map(str::trim) {
            let known = Ranking::ALL.into_iter().filter(|_| word == "all");
            let called = [&Ranking::ALL[..], &[Ranking::Tmm]].concat().into_iter();
            let named: Vec<Ranking> = known.chain(called.filter(|ranking| word == ranking.name())).collect();
            if named.is_empty() {
                return Err(UnknownRanking { found: word.to_owned() });
            }
            rankings
                .extend(named.into_iter().filter(|ranking| !rankings.contains(ranking)).collect::<Vec<_>>());
        }
        Ok(Self(rankings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_rankings_keeps_its_order_and_drops_repetitions() {
        let rankings: Rankings = "tmm, l2,tmm".parse().unwrap();
        assert_eq!(rankings.0, [Ranking::Tmm, Ranking::Metric(Metric::L2)]);
        assert_eq!("all".parse::<Rankings>().unwrap().0, Ranking::ALL);
        let error = "l2,l3".parse::<Rankings>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"l3\" is no ranking; choose from l2, cosine, whitened, multiview, tmm, or all"
        );
    }
}
