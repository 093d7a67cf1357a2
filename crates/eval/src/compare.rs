//! What changed from one run to another.

mod setting;
mod words;

use crate::condition::Condition;
use crate::error::EvalError;
use crate::experiment::{Experiment, Protocol};
use crate::run::RunFolder;
use crate::statistics::{Bootstrap, Difference, Interval, holm};
use crate::summary::{Found, paired};
use crate::summary::{Measure, Outcome};

/// What changed from run A to run B. Its text is Markdown.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was asked otherwise, or of something else.
    pub differs: Vec<Differing>,
    /// Whether both asked the same queries of the same exemplars, so that they are compared query by query.
    pub is_paired: bool,
    /// The protocols that both have.
    pub protocols: Vec<ComparedProtocol>,
    /// Contestants of B that A has not.
    pub new: Vec<String>,
    /// Contestants of A that B has not.
    pub missing: Vec<String>,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Its name.
    pub what: String,
    /// What A has.
    pub a: String,
    /// What B has.
    pub b: String,
}

/// What changed under a protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedProtocol {
    /// The protocol.
    pub protocol: Protocol,
    /// Its main measure, which is compared.
    pub measure: Measure,
    /// The conditions that both have, in A's order.
    pub conditions: Vec<Condition>,
    /// The contestants that both have, in A's order: each first over all of these conditions, then under each.
    pub changes: Vec<Change>,
}

/// How a contestant's mean changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its name.
    pub contestant: String,
    /// The condition; `None` over all that both have.
    pub condition: Option<Condition>,
    /// The mean in A.
    pub before: Interval,
    /// The mean in B.
    pub after: Interval,
    /// B minus A query by query, where both asked the same queries.
    pub difference: Option<Difference>,
    /// The p value after Holm's correction over the contestants; only for changes over all conditions.
    pub adjusted: Option<f64>,
}

impl Change {
    /// What it shows, [`Outcome::Better`] if B is: paired, when the interval of the difference leaves out 0, and the
    /// corrected p value, where there is one, is below 0.05; else when the intervals of the means lie apart.
    pub fn outcome(&self) -> Outcome {
        let (above, below) = match self.difference {
            Some(_) if self.adjusted.is_some_and(|p| p >= 0.05) => (false, false),
            Some(Difference { interval, .. }) => (interval.low > 0.0, interval.high < 0.0),
            None => (self.after.low > self.before.high, self.after.high < self.before.low),
        };
        match (above, below) {
            (true, _) => Outcome::Better,
            (_, true) => Outcome::Worse,
            _ => Outcome::Open,
        }
    }
}

/// What changed from run `a` to run `b`.
///
/// Queries are paired where the digest of the images is the same in both: then both drew the same exemplars and queries.
/// *Determinism*: the files decide; intervals are resampled by the seed of `a`.
///
/// # Errors
///
/// [`EvalError`] when one of them is not finished or its files are damaged.
pub fn compare(a: &RunFolder, b: &RunFolder) -> Result<Comparison, EvalError> {
    let (of_a, of_b) = (a.experiment()?, b.experiment()?);
    let (subject_a, subject_b) = (a.subject()?, b.subject()?);
    let is_paired = subject_a.images == subject_b.images;
    let mut protocols = Vec::new();
    for &protocol in of_a.protocols.iter().filter(|protocol| of_b.protocols.contains(protocol)) {
        let both = Both {
            protocol,
            is_paired,
            bootstrap: Bootstrap { seed: of_a.seed, ..Bootstrap::default() },
            a: (&of_a, Found::read(a, &of_a, protocol)?),
            b: (&of_b, Found::read(b, &of_b, protocol)?),
        };
        protocols.push(both.compared()?);
    }
    Ok(Comparison {
        differs: setting::differing((&of_a, &subject_a), (&of_b, &subject_b)),
        is_paired,
        protocols,
        new: missing(&of_b, &of_a),
        missing: missing(&of_a, &of_b),
    })
}

/// Contestants of one experiment that another has not.
fn missing(of: &Experiment, other: &Experiment) -> Vec<String> {
    let is_there = |name: &String| other.contestants.iter().any(|known| known.name == *name);
    of.contestants.iter().map(|known| known.name.clone()).filter(|name| !is_there(name)).collect()
}

/// The records of both runs under a protocol.
struct Both<'a> {
    protocol: Protocol,
    is_paired: bool,
    bootstrap: Bootstrap,
    a: (&'a Experiment, Found<'a>),
    b: (&'a Experiment, Found<'a>),
}

impl Both<'_> {
    fn compared(&self) -> Result<ComparedProtocol, EvalError> {
        let place = |condition: &Condition| self.b.0.conditions.iter().position(|known| known == condition);
        let conditions: Vec<(Condition, [usize; 2])> = self
            .a
            .0
            .conditions
            .iter()
            .enumerate()
            .filter_map(|(at, condition)| Some((*condition, [at, place(condition)?])))
            .collect();
        let all: [Vec<usize>; 2] =
            [0, 1].map(|run| conditions.iter().map(|(_, places)| places[run]).collect());
        let mut changes = Vec::new();
        let both = self.a.0.contestants.iter().map(|known| known.name.as_str());
        for name in both.filter(|name| self.b.0.contestants.iter().any(|known| known.name == *name)) {
            changes.extend(self.change(name, None, [&all[0], &all[1]])?);
            for (condition, [in_a, in_b]) in &conditions {
                changes.extend(self.change(name, Some(*condition), [&[*in_a], &[*in_b]])?);
            }
        }
        let is_overall = |change: &&mut Change| change.condition.is_none();
        let overall: Vec<&mut Change> = changes.iter_mut().filter(is_overall).collect();
        let p_values: Vec<f64> = overall
            .iter()
            .filter_map(|change| change.difference.map(|difference| difference.p_value))
            .collect();
        let adjusted = holm(&p_values)?;
        let with_difference = overall.into_iter().filter(|change| change.difference.is_some());
        for (change, adjusted) in with_difference.zip(adjusted) {
            change.adjusted = Some(adjusted);
        }
        let conditions = conditions.into_iter().map(|(condition, _)| condition).collect();
        Ok(ComparedProtocol {
            protocol: self.protocol,
            measure: Measure::main(self.protocol),
            conditions,
            changes,
        })
    }

    fn change(
        &self,
        contestant: &str,
        condition: Option<Condition>,
        [in_a, in_b]: [&[usize]; 2],
    ) -> Result<Option<Change>, EvalError> {
        let main = Measure::main(self.protocol);
        let of_a = self.a.1.per_query(contestant, in_a, main)?;
        let of_b = self.b.1.per_query(contestant, in_b, main)?;
        let (Some(of_a), Some(of_b)) = (of_a, of_b) else { return Ok(None) };
        let mean = |values: &std::collections::BTreeMap<usize, f64>| {
            self.bootstrap.mean(&values.values().copied().collect::<Vec<_>>())
        };
        let (first, second) = paired(&of_b, &of_a);
        let difference = (self.is_paired && !first.is_empty())
            .then(|| self.bootstrap.difference(&first, &second))
            .transpose()?;
        let (before, after) = (mean(&of_a)?, mean(&of_b)?);
        let contestant = contestant.to_owned();
        Ok(Some(Change { contestant, condition, before, after, difference, adjusted: None }))
    }
}

#[cfg(test)]
mod tests;
