//! What a protocol's records say, beyond their summary.

use std::collections::BTreeSet;

use super::cast::{self, Cast};
use super::family::Family;
use crate::error::EvalError;
use crate::experiment::Experiment;
use crate::run::RunFolder;
use crate::summary::{Contrast, Measure, ProtocolSummary, REFERENCES, Summary};
use crate::summary::{Found, Pair};

/// A protocol with all that the report says of it.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) experiment: &'a Experiment,
    /// Stored exemplars.
    pub(super) exemplars: usize,
    pub(super) summary: &'a ProtocolSummary,
    pub(super) found: Found<'a>,
    pub(super) main: Measure,
    pub(super) cast: Cast,
    pub(super) families: Vec<Family>,
    /// The method against each reference under each kind of disturbance, the clean queries first; corrected among
    /// themselves.
    pub(super) by_family: Vec<FamilyContrast>,
    /// Changed forms of a contestant against that contestant, over all conditions; corrected among themselves.
    pub(super) variants: Vec<Contrast>,
}

/// A difference under one kind of disturbance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FamilyContrast {
    /// The family's name, or `clean`.
    pub(super) family: String,
    pub(super) contrast: Contrast,
}

impl<'a> Reading<'a> {
    pub(super) fn of(
        folder: &RunFolder,
        Summary { experiment, subject, .. }: &'a Summary,
        summary: &'a ProtocolSummary,
    ) -> Result<Self, EvalError> {
        let found = Found::read(folder, experiment, summary.protocol)?;
        let cast = Cast::of(experiment, summary);
        let families = Family::all(&experiment.conditions);
        let by_family = by_family(&found, experiment, &cast, &families)?;
        let all: Vec<usize> = (0..experiment.conditions.len()).collect();
        let pairs: Vec<Pair<'_>> = cast::variants(experiment)
            .into_iter()
            .map(|(first, second)| Pair { first, second, conditions: &all })
            .collect();
        let variants = found.differences(&pairs)?.into_iter().flatten().collect();
        let main = Measure::main(summary.protocol);
        let exemplars = subject.exemplars;
        Ok(Self { experiment, exemplars, summary, found, main, cast, families, by_family, variants })
    }

    /// The contrast of two contestants over all conditions, if it was asked.
    pub(super) fn contrast(&self, first: &str, second: &str) -> Option<&'a Contrast> {
        self.summary.contrasts.iter().find(|known| known.first == first && known.second == second)
    }

    /// The mean of a contestant's main measure over all conditions.
    pub(super) fn worth(&self, name: &str) -> Option<crate::Interval> {
        cast::line(self.summary, name)?.overall.measures.get(&self.main).copied()
    }

    /// Whether a contestant took part.
    pub(super) fn has(&self, name: &str) -> bool {
        self.experiment.contestants.iter().any(|known| known.name == name)
    }

    /// The shortlists' length in the middle of those that were measured for the method.
    pub(super) fn shortlist_length(&self) -> Option<usize> {
        let method = self.cast.method.as_deref()?;
        let of_method = self.summary.ceilings.keys().filter(|(full, ..)| full == method);
        let lengths: BTreeSet<usize> = of_method.map(|(_, _, length)| *length).collect();
        lengths.iter().nth(lengths.len() / 2).copied()
    }

    /// Kinds of disturbance with the places of their conditions in the experiment, the clean one first.
    pub(super) fn kinds(&self) -> Vec<(String, Vec<usize>)> {
        kinds(self.experiment, &self.families)
    }

    /// Start of the names of the protocol's files.
    pub(super) fn prefix(&self) -> String {
        self.summary.protocol.to_string()
    }
}

fn kinds(experiment: &Experiment, families: &[Family]) -> Vec<(String, Vec<usize>)> {
    let clean: Vec<usize> = (0..experiment.conditions.len())
        .filter(|at| experiment.conditions[*at] == crate::Condition::Clean)
        .collect();
    std::iter::once(("clean".to_owned(), clean))
        .chain(families.iter().map(|family| (family.name.clone(), family.conditions())))
        .collect()
}

fn by_family(
    found: &Found<'_>,
    experiment: &Experiment,
    cast: &Cast,
    families: &[Family],
) -> Result<Vec<FamilyContrast>, EvalError> {
    let Some(method) = cast.method.as_deref() else { return Ok(Vec::new()) };
    let groups = kinds(experiment, families);
    let mut names = Vec::new();
    let mut pairs = Vec::new();
    for (name, conditions) in &groups {
        for second in REFERENCES.iter().copied().filter(|second| *second != method) {
            names.push(name);
            pairs.push(Pair { first: method, second, conditions });
        }
    }
    let differences = found.differences(&pairs)?;
    let with_family = |(family, contrast): (&String, Option<Contrast>)| {
        Some(FamilyContrast { family: family.clone(), contrast: contrast? })
    };
    Ok(names.into_iter().zip(differences).filter_map(with_family).collect())
}
