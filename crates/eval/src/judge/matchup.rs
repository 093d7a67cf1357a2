use std::collections::BTreeMap;

use crate::condition::Condition;
use crate::error::EvalError;
use crate::experiment::Protocol;
use crate::judge::JudgeError;
use crate::record::Record;
use crate::run::RunFolder;
use crate::subject::Subject;

/// Neighbours of each list that are judged unless said otherwise.
pub const DEFAULT_JUDGED: usize = 6;
/// Most neighbours of each list that are judged: a picture of more is too wide to look at.
pub const MOST_JUDGED: usize = 12;

/// Whose lists of a finished run are put side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Matchup {
    /// The contestant that is asked about.
    pub first: String,
    /// What it is compared with.
    pub second: String,
    /// The protocol whose queries are judged.
    pub protocol: Protocol,
    /// Conditions whose lists are judged; none stands for all of the run.
    pub conditions: Vec<Condition>,
    /// Nearest neighbours of each list, the original left out, 1 to [`MOST_JUDGED`].
    pub neighbours: usize,
}

/// `tmm` against `whitened`, self-retrieval, all conditions, [`DEFAULT_JUDGED`] neighbours.
impl Default for Matchup {
    fn default() -> Self {
        Self {
            first: "tmm".to_owned(),
            second: "whitened".to_owned(),
            protocol: Protocol::SelfRetrieval,
            conditions: Vec::new(),
            neighbours: DEFAULT_JUDGED,
        }
    }
}

/// Two lists of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairing {
    /// What had happened to the query.
    pub condition: Condition,
    /// Place of the query among the protocol's.
    pub query: usize,
    /// Places of the nearest exemplars, best first, the original left out: the first contestant's, the second's.
    pub lists: [Vec<usize>; 2],
}

impl Pairing {
    /// Whether both lists hold the same images, in whatever order: a tie that nobody need be asked about.
    pub fn is_same_set(&self) -> bool {
        let [first, second] = self.lists.each_ref().map(|list| {
            let mut list = list.clone();
            list.sort_unstable();
            list
        });
        first == second
    }
}

impl Matchup {
    /// Whether its numbers and names can be.
    ///
    /// # Errors
    ///
    /// [`JudgeError::Range`] and [`JudgeError::Itself`].
    pub fn validate(&self) -> Result<(), JudgeError> {
        if !(1..=MOST_JUDGED).contains(&self.neighbours) {
            let found = self.neighbours as f64;
            return Err(JudgeError::Range { what: "neighbours", found, expected: "1 to 12" });
        }
        if self.first == self.second {
            return Err(JudgeError::Itself { name: self.first.clone() });
        }
        Ok(())
    }

    /// The conditions that are judged: those named, or all of the run.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when the run has not what is named, or cannot be read.
    pub fn conditions(&self, folder: &RunFolder) -> Result<Vec<Condition>, JudgeError> {
        let experiment = folder.experiment()?;
        for name in [&self.first, &self.second] {
            if !experiment.contestants.iter().any(|contestant| contestant.name == *name) {
                let names: Vec<&str> =
                    experiment.contestants.iter().map(|known| known.name.as_str()).collect();
                return Err(JudgeError::Contestant { found: name.clone(), known: names.join(", ") });
            }
        }
        if !experiment.protocols.contains(&self.protocol) {
            return Err(JudgeError::Protocol { found: self.protocol });
        }
        if let Some(found) = self.conditions.iter().find(|named| !experiment.conditions.contains(named)) {
            let names: Vec<String> = experiment.conditions.iter().map(ToString::to_string).collect();
            return Err(JudgeError::Condition { found: found.to_string(), known: names.join(", ") });
        }
        let is_judged =
            |condition: &Condition| self.conditions.is_empty() || self.conditions.contains(condition);
        Ok(experiment.conditions.into_iter().filter(is_judged).collect())
    }

    /// The pairs of lists of a finished run, by condition and query. Of a contestant that ran with several seeds the
    /// first seed's lists are taken.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when the run has not what is named, is not finished or is damaged, when it is a run of other
    /// images than `subject`, and when it kept fewer neighbours.
    pub fn pairings(&self, folder: &RunFolder, subject: &Subject) -> Result<Vec<Pairing>, JudgeError> {
        self.validate()?;
        let conditions = self.conditions(folder)?;
        if folder.subject()?.images != subject.digest().to_string() {
            return Err(EvalError::Other { path: folder.path().to_owned(), what: "data set" }.into());
        }
        let mut pairings = Vec::new();
        for condition in conditions {
            let records = folder.finished(self.protocol, &condition)?;
            let [first, second] = [&self.first, &self.second]
                .map(|contestant| self.lists(folder, subject, &records, contestant));
            let (first, mut second) = (first?, second?);
            for (query, of_first) in first {
                let of_second = second.remove(&query).ok_or_else(|| {
                    damaged(folder, format!("{} lacks query {query} under {condition}", self.second))
                })?;
                pairings.push(Pairing { condition, query, lists: [of_first, of_second] });
            }
        }
        Ok(pairings)
    }

    /// The lists of a contestant under one condition, by query.
    fn lists(
        &self,
        folder: &RunFolder,
        subject: &Subject,
        records: &[Record],
        contestant: &str,
    ) -> Result<BTreeMap<usize, Vec<usize>>, JudgeError> {
        let queries = subject.queries(self.protocol);
        let mut lists = BTreeMap::new();
        for record in records.iter().filter(|record| record.contestant == contestant && record.seed == 0) {
            let Some(asked) = queries.get(record.query) else {
                return Err(damaged(folder, format!("there is no query {}", record.query)).into());
            };
            let others = record.neighbours().into_iter().map(|(id, _)| id as usize);
            let mut list: Vec<usize> = others.filter(|place| Some(*place) != asked.original).collect();
            if list.len() < self.neighbours {
                return Err(JudgeError::Neighbours { found: list.len(), needed: self.neighbours });
            }
            list.truncate(self.neighbours);
            if let Some(place) = list.iter().find(|place| **place >= subject.exemplars.len()) {
                return Err(damaged(folder, format!("there is no exemplar {place}")).into());
            }
            lists.insert(record.query, list);
        }
        Ok(lists)
    }
}

fn damaged(folder: &RunFolder, reason: String) -> EvalError {
    EvalError::Damaged { path: folder.path().join("raw"), reason }
}
