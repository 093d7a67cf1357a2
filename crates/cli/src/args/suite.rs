use std::str::FromStr;

use lookalike_eval::Suite;

use super::typed::NotUnderstood;

/// A suite by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SuiteName(pub(crate) Suite);

impl FromStr for SuiteName {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Suite::ALL.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, suite)| Self(suite)).ok_or_else(|| NotUnderstood {
            found: text.to_owned(),
            expected: "paper, eleven, corruptions, ablations or attacks",
        })
    }
}
