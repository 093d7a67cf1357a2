//! One evaluation in one directory:
//!
//! ```text
//! experiment.json              what was asked
//! subject.json                 of which images and which model
//! database/seed-N/             the exemplars with the views of that seed
//! raw/PROTOCOL/CONDITION.csv   one line per query and contestant, see Record
//! raw/PROTOCOL/CONDITION.ceiling.csv
//! ```
//!
//! Files of `raw` appear whole. A run that was cut off goes on with the first condition that has no file.

mod measured;
mod targets;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lookalike_vision::Model;

use self::measured::{Clean, Measuring};
use self::targets::Targets;
use crate::condition::Condition;
use crate::contest::Arena;
use crate::error::EvalError;
use crate::experiment::{Experiment, Protocol};
use crate::record::{Ceiling, Record};
use crate::record::{read, write, write_whole};
use crate::subject::{Subject, SubjectRecord};

/// A run's directory.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The directory at `path`, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was asked.
    ///
    /// # Errors
    ///
    /// [`EvalError`] when there is no run, or its file is damaged.
    pub fn experiment(&self) -> Result<Experiment, EvalError> {
        self.json("experiment.json")
    }

    /// Of which images and model.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::experiment`].
    pub fn subject(&self) -> Result<SubjectRecord, EvalError> {
        self.json("subject.json")
    }

    /// The lines of a condition; `None` if it was not reached yet.
    ///
    /// # Errors
    ///
    /// [`EvalError`] when the file is damaged.
    pub fn records(
        &self,
        protocol: Protocol,
        condition: &Condition,
    ) -> Result<Option<Vec<Record>>, EvalError> {
        let path = self.raw(protocol, condition, "csv");
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// The lines of a condition of a finished run.
    ///
    /// # Errors
    ///
    /// [`EvalError`] when the condition was not reached, or the file is damaged.
    pub fn finished(&self, protocol: Protocol, condition: &Condition) -> Result<Vec<Record>, EvalError> {
        self.records(protocol, condition)?.ok_or_else(|| EvalError::Experiment {
            reason: format!("it lacks {protocol} under {condition}; run it again, and it goes on there"),
        })
    }

    /// The shortlists' ceilings under a condition; empty if none were measured.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::records`].
    pub fn ceilings(&self, protocol: Protocol, condition: &Condition) -> Result<Vec<Ceiling>, EvalError> {
        let path = self.raw(protocol, condition, "ceiling.csv");
        if path.exists() { read(&path) } else { Ok(Vec::new()) }
    }

    /// Writes a file of the run, whole.
    ///
    /// # Errors
    ///
    /// [`EvalError::File`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, EvalError> {
        let path = self.path.join(name);
        write_whole(&path, bytes)?;
        Ok(path)
    }

    fn raw(&self, protocol: Protocol, condition: &Condition, ending: &str) -> PathBuf {
        // A corruption and a disturbance may have one name: they keep apart what stands behind it.
        let name = condition.to_string().replace(':', "-severity-").replace('=', "-");
        self.path.join("raw").join(protocol.to_string()).join(format!("{name}.{ending}"))
    }

    fn json<T: for<'a> serde::Deserialize<'a>>(&self, name: &str) -> Result<T, EvalError> {
        let path = self.path.join(name);
        let text = fs::read(&path).map_err(|source| EvalError::File { path: path.clone(), source })?;
        serde_json::from_slice(&text).map_err(|error| EvalError::Damaged { path, reason: error.to_string() })
    }

    /// Notes what the run is about, or checks that it is still about the same.
    fn claim(&self, experiment: &Experiment, subject: &SubjectRecord) -> Result<(), EvalError> {
        let other = |what| EvalError::Other { path: self.path.clone(), what };
        if !self.path.join("subject.json").exists() {
            let pretty = |value: serde_json::Result<Vec<u8>>, name: &str| {
                let bytes = value.map_err(|error| EvalError::Damaged {
                    path: self.path.join(name),
                    reason: error.to_string(),
                })?;
                self.write(name, &bytes).map(drop)
            };
            pretty(serde_json::to_vec_pretty(experiment), "experiment.json")?;
            return pretty(serde_json::to_vec_pretty(subject), "subject.json");
        }
        if self.experiment()? != *experiment {
            return Err(other("experiment"));
        }
        if self.subject()? != *subject {
            return Err(other("data set or model"));
        }
        Ok(())
    }
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProgress {
    /// What is being done.
    pub stage: String,
    /// Conditions that are done, over all protocols.
    pub done: usize,
    /// Conditions in all.
    pub of: usize,
}

/// Runs an experiment, or goes on with it, until every condition has its raw file.
///
/// *Determinism*: the experiment, the subject and the model decide every number but the times.
///
/// # Errors
///
/// [`EvalError`]; what was written until then stays, and the next call goes on from there.
pub fn run(
    folder: &RunFolder,
    model: &Arc<Model>,
    subject: &Subject,
    experiment: &Experiment,
    progress: &mut dyn FnMut(RunProgress),
) -> Result<(), EvalError> {
    experiment.validate()?;
    folder.claim(experiment, &subject.record(model))?;
    let of = experiment.protocols.len() * experiment.conditions.len();
    let mut done = 0;
    let mut arena = None;
    for &protocol in &experiment.protocols {
        let mut clean: Option<Clean> = None;
        let targets = Targets::new(subject.queries(protocol).len());
        for condition in &experiment.conditions {
            if let Some(records) = folder.records(protocol, condition)? {
                if *condition == Condition::Clean {
                    clean = Some(Clean::of(&records));
                }
                done += 1;
                continue;
            }
            if arena.is_none() {
                let mut stage = |stage: &str| progress(RunProgress { stage: stage.to_owned(), done, of });
                let home = folder.path().join("database");
                arena = Some(Arena::new(model, subject, experiment, &home, &mut stage)?);
            }
            let Some(arena) = &arena else { continue };
            progress(RunProgress { stage: format!("{protocol}, {condition}"), done, of });
            let clean_lists = clean.as_ref();
            let measuring =
                Measuring { arena, subject, experiment, protocol, targets: &targets, clean: clean_lists };
            let (records, ceilings) = measuring.condition(condition)?;
            if !ceilings.is_empty() {
                write(&folder.raw(protocol, condition, "ceiling.csv"), &ceilings)?;
            }
            write(&folder.raw(protocol, condition, "csv"), &records)?;
            if *condition == Condition::Clean {
                clean = Some(Clean::of(&records));
            }
            done += 1;
        }
    }
    progress(RunProgress { stage: "done".to_owned(), done, of });
    Ok(())
}

/// Forward passes of each contestant per query, a pass back counted as two.
pub(crate) fn forward_passes(experiment: &Experiment, exemplars: usize) -> HashMap<String, usize> {
    let passes = |contestant: &crate::contest::Contestant| contestant.way.forward_passes(exemplars);
    experiment.contestants.iter().map(|known| (known.name.clone(), passes(known))).collect()
}

#[cfg(test)]
mod tests;
