//! What a run found: means with intervals over its queries, and paired differences.

use std::collections::BTreeMap;

use crate::error::EvalError;
use crate::experiment::{Experiment, Protocol};
use crate::record::Record;
use crate::run::RunFolder;
use crate::run::forward_passes;
use crate::statistics::{Bootstrap, Difference, Interval, holm, mean_over_seeds};
use crate::subject::SubjectRecord;

/// A measure of a query, for which more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Whether the original came first, 0 or 1.
    Retrieved,
    /// Share of the nearest with the query's label.
    Precision,
    /// Average precision at R; its mean over queries is MAP@R.
    AveragePrecision,
    /// Share of the clean query's nearest that are still there.
    Overlap,
    /// Rank-biased overlap with the clean query's list.
    RankBiasedOverlap,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Retrieved, Self::Precision, Self::AveragePrecision, Self::Overlap, Self::RankBiasedOverlap];

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retrieved => "self-retrieval at 1",
            Self::Precision => "precision@k",
            Self::AveragePrecision => "MAP@R",
            Self::Overlap => "overlap@k with the clean list",
            Self::RankBiasedOverlap => "rank-biased overlap with the clean list",
        }
    }

    /// What a protocol is about.
    pub fn main(protocol: Protocol) -> Self {
        match protocol {
            Protocol::SelfRetrieval => Self::Retrieved,
            Protocol::NonSelf => Self::AveragePrecision,
        }
    }

    fn of(self, record: &Record) -> Option<f64> {
        match self {
            Self::Retrieved => record.rank.map(|rank| f64::from(u8::from(rank == 1))),
            Self::Precision => record.precision,
            Self::AveragePrecision => record.average_precision,
            Self::Overlap => record.overlap,
            Self::RankBiasedOverlap => record.rank_biased_overlap,
        }
    }
}

/// A contestant under one condition, or over all conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The measures that there are, as means over the queries (and conditions), 95 % intervals by resampling queries.
    pub measures: BTreeMap<Measure, Interval>,
    /// Median place of the original.
    pub median_rank: Option<f64>,
    /// Mean precision of the queries that the model classifies rightly, and of the others.
    pub precision_right_wrong: [Option<f64>; 2],
    /// Mean distance of the nearest neighbours' known factors.
    pub latent: Option<f64>,
    /// Mean share of the nearest that were mixed in.
    pub outliers: f64,
    /// Median time of a query in milliseconds.
    pub milliseconds: f64,
}

/// Everything about a contestant under a protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name.
    pub contestant: String,
    /// Forward passes of the network per query, a pass back counted as two.
    pub forward_passes: usize,
    /// Over all conditions, clean included.
    pub overall: Standing,
    /// Under each condition, in the experiment's order.
    pub conditions: Vec<Standing>,
}

/// A paired difference of the protocol's main measure, over all conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    /// The contestant that is asked about.
    pub first: String,
    /// What it is compared with.
    pub second: String,
    /// First minus second, with its interval and p value.
    pub difference: Difference,
    /// The p value after Holm's correction over all contrasts of the protocol.
    pub adjusted: f64,
}

/// What a contrast shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The first is better: the interval is above 0 and the corrected p value below 0.05.
    Better,
    /// The second is.
    Worse,
    /// Neither is shown.
    Open,
}

impl Contrast {
    /// What it shows.
    pub fn outcome(&self) -> Outcome {
        let Interval { low, high, .. } = self.difference.interval;
        match () {
            () if self.adjusted >= 0.05 => Outcome::Open,
            () if low > 0.0 => Outcome::Better,
            () if high < 0.0 => Outcome::Worse,
            () => Outcome::Open,
        }
    }
}

/// Mean shares of a full ranking's nearest that a shortlist keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Over all conditions.
    pub overall: f64,
    /// Under each condition, in the experiment's order; `None` where it was not measured.
    pub conditions: Vec<Option<f64>>,
}

/// What a run found under a protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtocolSummary {
    /// The protocol.
    pub protocol: Protocol,
    /// Contestants, best first by the main measure.
    pub lines: Vec<Line>,
    /// Every contestant against `l2`, `cosine` and `whitened`, and the pairs that differ in one part of the method.
    pub contrasts: Vec<Contrast>,
    /// What a shortlist keeps of the full ranking's nearest, by ranking, metric and length.
    pub ceilings: BTreeMap<(String, String, usize), Kept>,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// What was asked.
    pub experiment: Experiment,
    /// Of what.
    pub subject: SubjectRecord,
    /// By protocol.
    pub protocols: Vec<ProtocolSummary>,
}

/// Pairs that differ in one part, where both took part: the part, with it, without it.
pub const PARTS: [(&str, &str, &str); 9] = [
    ("a trigger view and a blurred one beside fine-tuning", "tmm", "tmm-no-trigger"),
    ("a trigger view beside fine-tuning", "tmm-trigger-only", "tmm-no-trigger"),
    ("fitting the trigger rather than drawing it", "tmm-trigger-only", "tmm-random-trigger"),
    ("fine-tuning the dummy class", "tmm-trigger-only", "tmm-no-fitting"),
    ("copies of the query in the dummy class", "tmm-trigger-only", "tmm-no-copies"),
    ("taking the dummy class's prior off", "tmm-minus-prior", "tmm-trigger-only"),
    ("the method rather than the best of as many copies", "tmm", "best-copy"),
    ("the method rather than summed views with as many copies", "tmm", "views-copies"),
    ("views without any fitting", "views", "whitened"),
];

/// Rankings that every contestant is compared with.
pub const REFERENCES: [&str; 3] = ["l2", "cosine", "whitened"];

impl Summary {
    /// What the finished run in `folder` found.
    ///
    /// # Errors
    ///
    /// [`EvalError`] when the run is not finished or its files are damaged.
    pub fn of(folder: &RunFolder) -> Result<Self, EvalError> {
        let (experiment, subject) = (folder.experiment()?, folder.subject()?);
        let mut protocols = Vec::with_capacity(experiment.protocols.len());
        for &protocol in &experiment.protocols {
            let found = Found::read(folder, &experiment, protocol)?;
            let ceilings = ceilings(folder, &experiment, protocol)?;
            protocols.push(ProtocolSummary {
                protocol,
                lines: found.lines(subject.exemplars)?,
                contrasts: found.contrasts()?,
                ceilings,
            });
        }
        Ok(Self { experiment, subject, protocols })
    }
}

fn ceilings(
    folder: &RunFolder,
    experiment: &Experiment,
    protocol: Protocol,
) -> Result<BTreeMap<(String, String, usize), Kept>, EvalError> {
    let count = experiment.conditions.len();
    let mut sums: BTreeMap<(String, String, usize), Vec<(f64, usize)>> = BTreeMap::new();
    for (at, condition) in experiment.conditions.iter().enumerate() {
        for line in folder.ceilings(protocol, condition)? {
            let key = (line.full, line.metric, line.length);
            let sum = &mut sums.entry(key).or_insert_with(|| vec![(0.0, 0); count])[at];
            *sum = (sum.0 + line.kept, sum.1 + 1);
        }
    }
    let kept = |sums: Vec<(f64, usize)>| {
        let (all, queries) = sums.iter().fold((0.0, 0), |(all, n), (sum, count)| (all + sum, n + count));
        let mean = |(sum, count): (f64, usize)| (count > 0).then(|| sum / count as f64);
        Kept { overall: all / queries as f64, conditions: sums.into_iter().map(mean).collect() }
    };
    Ok(sums.into_iter().map(|(key, sums)| (key, kept(sums))).collect())
}

/// The records of a protocol, by condition.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    experiment: &'a Experiment,
    protocol: Protocol,
    by_condition: Vec<Vec<Record>>,
}

/// Two contestants to be compared over some of the conditions, given by their places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) first: &'a str,
    pub(crate) second: &'a str,
    pub(crate) conditions: &'a [usize],
}

impl<'e> Found<'e> {
    /// All records of a protocol; an error if a condition was not reached.
    pub(crate) fn read(
        folder: &RunFolder,
        experiment: &'e Experiment,
        protocol: Protocol,
    ) -> Result<Self, EvalError> {
        let by_condition: Result<_, _> =
            experiment.conditions.iter().map(|condition| folder.finished(protocol, condition)).collect();
        Ok(Self { experiment, protocol, by_condition: by_condition? })
    }

    /// The mean of a measure over some of the conditions.
    pub(crate) fn mean(
        &self,
        contestant: &str,
        conditions: &[usize],
        measure: Measure,
    ) -> Result<Option<Interval>, EvalError> {
        let Some(values) = self.per_query(contestant, conditions, measure)? else { return Ok(None) };
        Ok(Some(self.bootstrap().mean(&values.into_values().collect::<Vec<_>>())?))
    }

    /// The paired differences of the main measure, corrected after Holm over all of them; `None` for a pair that has no
    /// query in common.
    pub(crate) fn differences(&self, pairs: &[Pair<'_>]) -> Result<Vec<Option<Contrast>>, EvalError> {
        let main = Measure::main(self.protocol);
        let mut differences: Vec<Option<Difference>> = Vec::with_capacity(pairs.len());
        for Pair { first, second, conditions } in pairs {
            let of_first = self.per_query(first, conditions, main)?;
            let of_second = self.per_query(second, conditions, main)?;
            let (of_first, of_second) = paired(&of_first.unwrap_or_default(), &of_second.unwrap_or_default());
            let difference = (!of_first.is_empty())
                .then(|| self.bootstrap().difference(&of_first, &of_second))
                .transpose()?;
            differences.push(difference);
        }
        let p_values: Vec<f64> = differences.iter().flatten().map(|difference| difference.p_value).collect();
        let mut adjusted = holm(&p_values)?.into_iter();
        let contrast = |(pair, difference): (&Pair<'_>, Option<Difference>)| {
            let difference = difference?;
            let (first, second) = (pair.first.to_owned(), pair.second.to_owned());
            Some(Contrast { first, second, difference, adjusted: adjusted.next()? })
        };
        Ok(pairs.iter().zip(differences).map(contrast).collect())
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap { seed: self.experiment.seed, ..Bootstrap::default() }
    }

    fn lines(&self, exemplars: usize) -> Result<Vec<Line>, EvalError> {
        let passes = forward_passes(self.experiment, exemplars);
        let mut lines = Vec::with_capacity(self.experiment.contestants.len());
        for contestant in &self.experiment.contestants {
            let name = contestant.name.as_str();
            let all: Vec<usize> = (0..self.by_condition.len()).collect();
            let conditions = all
                .iter()
                .map(|at| self.standing(name, std::slice::from_ref(at)))
                .collect::<Result<_, _>>()?;
            lines.push(Line {
                contestant: name.to_owned(),
                forward_passes: passes.get(name).copied().unwrap_or(0),
                overall: self.standing(name, &all)?,
                conditions,
            });
        }
        let main = Measure::main(self.protocol);
        let worth = |line: &Line| line.overall.measures.get(&main).map_or(f64::NEG_INFINITY, |i| i.estimate);
        lines.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then_with(|| a.contestant.cmp(&b.contestant)));
        Ok(lines)
    }

    fn contrasts(&self) -> Result<Vec<Contrast>, EvalError> {
        let names: Vec<&str> = self.experiment.contestants.iter().map(|known| known.name.as_str()).collect();
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for &first in &names {
            let others = REFERENCES.iter().copied().filter(|other| *other != first && names.contains(other));
            pairs.extend(others.map(|second| (first, second)));
        }
        let parts = PARTS.iter().map(|(_, first, second)| (*first, *second));
        for pair in parts.filter(|(first, second)| names.contains(first) && names.contains(second)) {
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        let all: Vec<usize> = (0..self.by_condition.len()).collect();
        let pairs: Vec<Pair<'_>> =
            pairs.into_iter().map(|(first, second)| Pair { first, second, conditions: &all }).collect();
        Ok(self.differences(&pairs)?.into_iter().flatten().collect())
    }

    /// Records of a contestant under some of the conditions.
    fn records<'a>(
        &'a self,
        contestant: &'a str,
        conditions: &'a [usize],
    ) -> impl Iterator<Item = &'a Record> {
        conditions
            .iter()
            .flat_map(|at| &self.by_condition[*at])
            .filter(move |record| record.contestant == contestant)
    }

    /// The measure of each query, as a mean over conditions and seeds; `None` if no record has it. Overlaps do not
    /// exist under the clean condition.
    pub(crate) fn per_query(
        &self,
        contestant: &str,
        conditions: &[usize],
        measure: Measure,
    ) -> Result<Option<BTreeMap<usize, f64>>, EvalError> {
        let mut sums: BTreeMap<usize, BTreeMap<usize, (f64, usize)>> = BTreeMap::new();
        for record in self.records(contestant, conditions) {
            let Some(value) = measure.of(record) else { continue };
            let sum = sums.entry(record.seed).or_default().entry(record.query).or_default();
            *sum = (sum.0 + value, sum.1 + 1);
        }
        let Some(queries) = sums.values().next().map(|of_seed| of_seed.keys().copied().collect::<Vec<_>>())
        else {
            return Ok(None);
        };
        let of_seeds: Vec<Vec<f64>> = sums
            .values()
            .map(|of_seed| of_seed.values().map(|(sum, count)| sum / *count as f64).collect())
            .collect();
        Ok(Some(queries.into_iter().zip(mean_over_seeds(&of_seeds)?).collect()))
    }

    fn standing(&self, contestant: &str, conditions: &[usize]) -> Result<Standing, EvalError> {
        let mut measures = BTreeMap::new();
        for measure in Measure::ALL {
            if let Some(values) = self.per_query(contestant, conditions, measure)? {
                let values: Vec<f64> = values.into_values().collect();
                measures.insert(measure, self.bootstrap().mean(&values)?);
            }
        }
        let records = || self.records(contestant, conditions);
        let mean = |values: Vec<f64>| {
            if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / values.len() as f64) }
        };
        let precision = |right: bool| {
            mean(records().filter(|r| r.right == Some(right)).filter_map(|r| r.precision).collect())
        };
        let ranks: Vec<f64> = records().filter_map(|record| record.rank).map(|rank| rank as f64).collect();
        let times: Vec<f64> = records().map(|record| record.microseconds as f64 / 1e3).collect();
        Ok(Standing {
            measures,
            median_rank: median(ranks),
            precision_right_wrong: [precision(true), precision(false)],
            latent: mean(records().filter_map(|record| record.latent).collect()),
            outliers: mean(records().map(|record| record.outliers).collect()).unwrap_or(0.0),
            milliseconds: median(times).unwrap_or(0.0),
        })
    }
}

/// The values of the queries that both have, in the same order.
pub(crate) fn paired(first: &BTreeMap<usize, f64>, second: &BTreeMap<usize, f64>) -> (Vec<f64>, Vec<f64>) {
    first.iter().filter_map(|(query, value)| Some((*value, *second.get(query)?))).unzip()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
