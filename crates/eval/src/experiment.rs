use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::condition::{Aim, Condition};
use crate::contest::{Baseline, Contestant, Way};
use crate::error::EvalError;

/// Most exemplars of one evaluation: their images, rows and layers' activations are held in memory.
pub const MOST_EXEMPLARS: usize = 100_000;
/// Most queries of one protocol.
pub const MOST_QUERIES: usize = 10_000;
/// Most seeds: each is a database of its own.
pub const MOST_SEEDS: usize = 16;
/// Most rankings of one evaluation: each is compared with three others, and beyond some 250 comparisons no p value
/// that the intervals' resamples can give would be left below 0.05 by the correction.
pub const MOST_CONTESTANTS: usize = 80;
/// Most neighbours that lists are compared over.
pub const MOST_NEIGHBOURS: usize = 1_000;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The query is an exemplar, disturbed: its original is to come first.
    SelfRetrieval,
    /// The query is a test image: exemplars of its class are to come first.
    NonSelf,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SelfRetrieval => "self-retrieval",
            Self::NonSelf => "non-self",
        })
    }
}

/// Everything that decides the numbers of an evaluation, but the images and the model. Stored as JSON in its run
/// directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Exemplars drawn from the training images, 2 to [`MOST_EXEMPLARS`].
    pub exemplars: usize,
    /// Queries of each protocol, 2 to [`MOST_QUERIES`].
    pub queries: usize,
    /// Decides exemplars, queries, what happens to them, and the resamples of the intervals.
    pub seed: u64,
    /// Seeds of triggers and fine-tuning, 1 to [`MOST_SEEDS`]: how many times the method runs.
    pub trigger_seeds: usize,
    /// Neighbours that precision and overlap look at, 1 to [`MOST_NEIGHBOURS`]; the paper looks at 10 and fewer.
    pub neighbours: usize,
    /// What is looked for.
    pub protocols: Vec<Protocol>,
    /// What happens to the queries; the first is the clean one.
    pub conditions: Vec<Condition>,
    /// The rankings compared.
    pub contestants: Vec<Contestant>,
    /// Lengths of shortlists whose ceiling is measured; none measures none.
    pub shortlists: Vec<usize>,
}

/// A set of questions that is ready made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// The paper's disturbances, every baseline, the method in the shared mode with its controls.
    Paper,
    /// The eleven conditions of the first measurements, with the rankings of [`Suite::Paper`].
    Eleven,
    /// The common corruptions, with few rankings.
    Corruptions,
    /// The paper's ablations (figures 7a to 7c): kinds of trigger, layers, epochs, blends and modes, every candidate
    /// through the network: a minute a query on two cores.
    Ablations,
    /// Attacks by gradient, with few rankings, one of which runs every candidate through the network.
    Attacks,
}

impl Suite {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("paper", Self::Paper),
        ("eleven", Self::Eleven),
        ("corruptions", Self::Corruptions),
        ("ablations", Self::Ablations),
        ("attacks", Self::Attacks),
    ];

    /// Its experiment.
    pub fn experiment(self) -> Experiment {
        let experiment = Experiment {
            exemplars: 5_000,
            queries: 100,
            seed: 0,
            trigger_seeds: 1,
            neighbours: 10,
            protocols: vec![Protocol::SelfRetrieval],
            conditions: Condition::paper(),
            contestants: Contestant::shared(),
            shortlists: vec![50, 100, 200, 500, 1_000],
        };
        match self {
            Self::Paper => experiment,
            Self::Eleven => Experiment { conditions: Condition::eleven(), ..experiment },
            Self::Corruptions => Experiment {
                conditions: Condition::corruptions(),
                contestants: Contestant::few(),
                queries: 40,
                ..experiment
            },
            Self::Ablations => Experiment {
                exemplars: 500,
                queries: 10,
                conditions: ["clean", "brightness=0.6", "noise=5"]
                    .iter()
                    .filter_map(|name| name.parse().ok())
                    .collect(),
                contestants: Contestant::ablations(),
                shortlists: Vec::new(),
                ..experiment
            },
            Self::Attacks => Experiment {
                conditions: std::iter::once(Condition::Clean)
                    .chain(
                        Aim::ALL
                            .into_iter()
                            .flat_map(|aim| [0.01, 0.03, 0.1].map(|reach| Condition::Attacked(aim, reach))),
                    )
                    .collect(),
                contestants: Contestant::attacked(),
                exemplars: 1_000,
                queries: 40,
                ..experiment
            },
        }
    }
}

impl Experiment {
    /// Whether it can be run.
    ///
    /// # Errors
    ///
    /// [`EvalError::Range`] for the first number out of range, [`EvalError::Experiment`] for what does not go together.
    pub fn validate(&self) -> Result<(), EvalError> {
        let ranges = [
            ("exemplars", self.exemplars, 2, MOST_EXEMPLARS),
            ("queries", self.queries, 2, MOST_QUERIES),
            ("trigger seeds", self.trigger_seeds, 1, MOST_SEEDS),
            ("rankings", self.contestants.len(), 1, MOST_CONTESTANTS),
            (
                "neighbours",
                self.neighbours,
                1,
                MOST_NEIGHBOURS.min(self.exemplars - usize::from(self.exemplars > 1)),
            ),
        ];
        for (what, found, least, most) in ranges {
            if !(least..=most).contains(&found) {
                return Err(EvalError::Range { what, found, least, most });
            }
        }
        let wrong = |reason: String| Err(EvalError::Experiment { reason });
        if self.conditions.first() != Some(&Condition::Clean) {
            return wrong(
                "the first condition must be clean: lists are compared with those of the clean query"
                    .to_owned(),
            );
        }
        if self.protocols.is_empty() {
            return wrong("no protocol is named; name self-retrieval, non-self or both".to_owned());
        }
        let twice = |names: Vec<String>| {
            let mut seen = BTreeSet::new();
            names.into_iter().find(|name| !seen.insert(name.clone()))
        };
        let conditions = twice(self.conditions.iter().map(ToString::to_string).collect());
        if let Some(name) =
            conditions.or_else(|| twice(self.protocols.iter().map(ToString::to_string).collect()))
        {
            return wrong(format!("{name} is named twice"));
        }
        if self.shortlists.contains(&0) {
            return wrong("a shortlist of 0 keeps nothing; leave it out".to_owned());
        }
        let mut names = BTreeSet::new();
        for contestant in &self.contestants {
            if let Way::Tmm(way) = &contestant.way {
                way.config()
                    .map_err(|source| EvalError::Settings { contestant: contestant.name.clone(), source })?;
            }
            if contestant.name.is_empty() || !names.insert(&contestant.name) {
                return wrong(format!("contestant \"{}\" is named twice or not at all", contestant.name));
            }
        }
        let reference = Way::Baseline(Baseline::Whitened);
        if !self.contestants.iter().any(|contestant| contestant.way == reference) {
            return wrong(
                "no contestant is the baseline \"whitened\", which the others are compared with".to_owned(),
            );
        }
        Ok(())
    }
}
