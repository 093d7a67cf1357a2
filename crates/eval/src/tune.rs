//! A search of the method's settings on images that no test query is drawn from.

mod table;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lookalike_vision::Model;
use serde::{Deserialize, Serialize};

use self::trial::trial;
use crate::condition::Condition;
use crate::contest::{Baseline, Contestant, TmmWay, Way};
use crate::error::EvalError;
use crate::experiment::{Experiment, MOST_CONTESTANTS, Protocol};
use crate::run::run;
use crate::run::{RunFolder, RunProgress};
use crate::subject::Subject;
use crate::summary::{Line, Measure, Summary};

/// What the outcome of a search is called where it takes part in an evaluation.
pub const TUNED: &str = "tuned";

/// Most settings of one search.
pub const MOST_TRIALS: usize = 500;

/// Fewest settings of one search: as many as its second stage tries.
pub const FEWEST_TRIALS: usize = 8;

/// One of so many trials is tried on all queries by the second stage, and one of so many queries is asked by the first.
const KEPT: usize = 4;

/// Trials of one round: each needs the views of its own alone, and a collection keeps so many.
const ROUND: usize = 25;

/// How the search goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// Settings that are tried, [`FEWEST_TRIALS`] to [`MOST_TRIALS`].
    pub trials: usize,
    /// Queries of the last stage, of each data set.
    pub queries: usize,
    /// Exemplars of each data set.
    pub exemplars: usize,
    /// Longest median time of a query in milliseconds, on every data set; slower settings are not taken.
    pub most_milliseconds: f64,
    /// Decides the trials, and which images they see.
    pub seed: u64,
}

/// A data set that settings are searched on, and the model that sees it.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The model.
    pub model: Arc<Model>,
    /// Images that [`Subject::draw_for_tuning`] drew for [`Tuning::experiment`]. Its name is that of a folder, and no
    /// other ground's.
    pub subject: Subject,
}

/// What a search found, as its file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Views and settings.
    pub way: TmmWay,
    /// Self-retrieval at 1, the mean over the eleven conditions and the data sets, on the queries of the search.
    pub found: f64,
    /// The same of whitened cosine alone.
    pub whitened: f64,
    /// Median time of a query in milliseconds where it was searched, on the slowest data set.
    pub milliseconds: f64,
    /// Settings that were tried.
    pub trials: usize,
    /// What decided the trials and the images.
    #[serde(default)]
    pub seed: u64,
    /// Exemplars of each data set.
    #[serde(default)]
    pub exemplars: usize,
    /// The same by data set.
    #[serde(default)]
    pub sets: Vec<SetFound>,
}

impl Preset {
    /// Whether an evaluation on the data set of this name, of so many training images, may ask for what the settings were
    /// searched on: it has another seed, or both take more than there is. Then it would test them on what they know.
    pub fn may_know(&self, name: &str, training_images: usize, experiment: &Experiment) -> bool {
        let is_apart = self.seed == experiment.seed
            && self.exemplars.saturating_add(experiment.exemplars) <= training_images;
        !is_apart && self.sets.iter().any(|set| set.name == name)
    }
}

/// What a search's best setting found on one data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFound {
    /// The data set's name.
    pub name: String,
    /// Self-retrieval at 1, the mean over the eleven conditions.
    pub found: f64,
    /// The same of whitened cosine alone.
    pub whitened: f64,
    /// Median time of a query in milliseconds.
    pub milliseconds: f64,
}

/// A ranking's results on every data set, in their order.
#[derive(Debug, Clone)]
struct Tried {
    contestant: Contestant,
    sets: Vec<OnSet>,
}

/// Self-retrieval at 1 over the eleven conditions, and the median time of a query.
#[derive(Debug, Clone, Copy)]
struct OnSet {
    found: f64,
    milliseconds: f64,
}

impl Tried {
    fn found(&self) -> f64 {
        self.sets.iter().map(|on| on.found).sum::<f64>() / self.sets.len() as f64
    }

    fn milliseconds(&self) -> f64 {
        self.sets.iter().map(|on| on.milliseconds).fold(0.0, f64::max)
    }
}

impl Tuning {
    /// The experiment whose subject is drawn for the search; see [`Subject::draw_for_tuning`].
    pub fn experiment(&self) -> Experiment {
        Experiment {
            exemplars: self.exemplars,
            queries: self.queries,
            seed: self.seed,
            trigger_seeds: 1,
            neighbours: 10.min(self.exemplars.saturating_sub(1)),
            protocols: vec![Protocol::SelfRetrieval],
            conditions: Condition::eleven(),
            contestants: Vec::new(),
            shortlists: Vec::new(),
        }
    }

    /// Settings that the second stage tries at most, beside whitened cosine.
    fn kept(&self) -> usize {
        self.trials.div_ceil(KEPT).clamp(FEWEST_TRIALS, MOST_CONTESTANTS - 1)
    }

    /// Whether it can be done, before any image is drawn.
    ///
    /// # Errors
    ///
    /// [`EvalError::Range`] for the first number out of range.
    pub fn validate(&self) -> Result<(), EvalError> {
        if !(FEWEST_TRIALS..=MOST_TRIALS).contains(&self.trials) {
            let (what, found) = ("trials", self.trials);
            return Err(EvalError::Range { what, found, least: FEWEST_TRIALS, most: MOST_TRIALS });
        }
        Experiment { contestants: vec![reference()], ..self.experiment() }.validate()
    }

    fn check(&self, grounds: &[Ground]) -> Result<(), EvalError> {
        self.validate()?;
        let mut seen = BTreeSet::new();
        let is_folder = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
        let mut names = grounds.iter().map(|ground| ground.subject.name.as_str());
        let reason = if grounds.is_empty() {
            "no data set is named to search on".to_owned()
        } else if let Some(name) = names.clone().find(|name| !is_folder(name)) {
            format!("\"{name}\" cannot name a folder; name the data set otherwise")
        } else if let Some(name) = names.find(|name| !seen.insert(*name)) {
            format!("{name} is named twice; give one of them another name")
        } else {
            return Ok(());
        };
        Err(EvalError::Experiment { reason })
    }
}

fn reference() -> Contestant {
    Contestant { name: Baseline::Whitened.name().to_owned(), way: Way::Baseline(Baseline::Whitened) }
}

/// Searches for the settings that find most originals in the mean over the data sets: all trials on a quarter of the
/// queries, then the best quarter of them on all. `trials.md` lists what was tried, `preset.json` is the best.
///
/// For each data set the folder has a `sets/NAME`, and in it the runs `stage-1-N` and `stage-2-DIGEST`; a search that
/// was cut off goes on in them.
///
/// *Determinism*: the tuning, the subjects and the models decide what is found, but for the limit of time.
///
/// # Errors
///
/// [`EvalError`]; what was written until then stays.
pub fn tune(
    folder: &RunFolder,
    grounds: &[Ground],
    tuning: &Tuning,
    progress: &mut dyn FnMut(RunProgress),
) -> Result<Preset, EvalError> {
    tuning.check(grounds)?;
    let trials: Vec<Contestant> = (0..tuning.trials).map(|number| trial(tuning.seed, number)).collect();
    // The first stage asks the first of the queries.
    let few = tuning.queries.div_ceil(KEPT).clamp(2, tuning.queries.max(2));
    let mut search = Search { folder, grounds, tuning, progress };
    let mut first = Vec::new();
    for (round, part) in trials.chunks(ROUND).enumerate() {
        let tried = search.stage(&format!("stage-1-{round}"), part, few)?;
        first.extend(tried.into_iter().filter(|tried| tried.contestant != reference()));
    }
    sort(&mut first);
    let is_fast = |tried: &&Tried| tried.milliseconds() <= tuning.most_milliseconds;
    let kept: Vec<Contestant> =
        first.iter().filter(is_fast).take(tuning.kept()).map(|tried| tried.contestant.clone()).collect();
    // By its contestants: another limit of time may keep others.
    let names: Vec<&str> = kept.iter().map(|trial| trial.name.as_str()).collect();
    let digest = blake3::hash(names.join(" ").as_bytes()).to_hex();
    let mut second = if kept.is_empty() {
        Vec::new()
    } else {
        search.stage(&format!("stage-2-{}", &digest[..8]), &kept, tuning.queries)?
    };
    sort(&mut second);
    folder.write("trials.md", table::markdown(grounds, &first, &second).as_bytes())?;
    let best = second.iter().filter(is_fast).find_map(|tried| match &tried.contestant.way {
        Way::Tmm(way) => Some((tried, way.clone())),
        Way::Baseline(_) => None,
    });
    let whitened = second.iter().find(|tried| tried.contestant == reference());
    let (Some((best, way)), Some(whitened)) = (best, whitened) else {
        let reason = format!(
            "no setting answers within {} ms; allow more time, or take fewer exemplars and another folder",
            tuning.most_milliseconds
        );
        return Err(EvalError::Experiment { reason });
    };
    let preset = Preset {
        way,
        found: best.found(),
        whitened: whitened.found(),
        milliseconds: best.milliseconds(),
        trials: tuning.trials,
        seed: tuning.seed,
        exemplars: tuning.exemplars,
        sets: (grounds.iter().zip(best.sets.iter().zip(&whitened.sets)))
            .map(|(ground, (best, whitened))| SetFound {
                name: ground.subject.name.clone(),
                found: best.found,
                whitened: whitened.found,
                milliseconds: best.milliseconds,
            })
            .collect(),
    };
    let json = serde_json::to_vec_pretty(&preset)
        .map_err(|error| EvalError::Experiment { reason: error.to_string() })?;
    folder.write("preset.json", &json)?;
    Ok(preset)
}

/// Best first; names decide between equals.
fn sort(tried: &mut [Tried]) {
    tried.sort_by(|a, b| {
        let by_name = || a.contestant.name.cmp(&b.contestant.name);
        b.found().total_cmp(&a.found()).then_with(by_name)
    });
}

/// A search that goes on.
struct Search<'a> {
    folder: &'a RunFolder,
    grounds: &'a [Ground],
    tuning: &'a Tuning,
    progress: &'a mut dyn FnMut(RunProgress),
}

impl Search<'_> {
    /// Whitened cosine and some trials on every data set, each with the first `queries` of its queries.
    fn stage(&mut self, name: &str, trials: &[Contestant], queries: usize) -> Result<Vec<Tried>, EvalError> {
        let contestants: Vec<Contestant> =
            std::iter::once(reference()).chain(trials.iter().cloned()).collect();
        let experiment = Experiment { queries, contestants: contestants.clone(), ..self.tuning.experiment() };
        let mut tried: Vec<Tried> =
            contestants.into_iter().map(|contestant| Tried { contestant, sets: Vec::new() }).collect();
        for Ground { model, subject } in self.grounds {
            let home = RunFolder::new(self.folder.path().join("sets").join(&subject.name).join(name));
            let mut subject = subject.clone();
            subject.own.truncate(queries);
            let Self { progress, .. } = self;
            let set = subject.name.clone();
            let mut told = |step: RunProgress| {
                progress(RunProgress { stage: format!("{set}, {name}: {}", step.stage), ..step });
            };
            run(&home, model, &subject, &experiment, &mut told)?;
            let lines = lines(&home)?;
            for one in &mut tried {
                let line = lines.get(&one.contestant.name).ok_or_else(|| EvalError::Damaged {
                    path: home.path().to_owned(),
                    reason: format!("{} is missing", one.contestant.name),
                })?;
                let milliseconds = line.overall.milliseconds;
                one.sets.push(OnSet { found: worth(line), milliseconds });
            }
        }
        Ok(tried)
    }
}

/// Contestants of a finished run by their names.
fn lines(folder: &RunFolder) -> Result<BTreeMap<String, Line>, EvalError> {
    let protocol = Summary::of(folder)?.protocols.into_iter().next();
    let lines = protocol.map(|protocol| protocol.lines).unwrap_or_default();
    Ok(lines.into_iter().map(|line| (line.contestant.clone(), line)).collect())
}

fn worth(line: &Line) -> f64 {
    line.overall.measures.get(&Measure::Retrieved).map_or(0.0, |interval| interval.estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_stage_of_any_search_can_be_run() {
        for trials in [FEWEST_TRIALS, 40, MOST_TRIALS] {
            let tuning = Tuning { trials, queries: 4, exemplars: 30, most_milliseconds: 1.0, seed: 2 };
            tuning.validate().unwrap();
            let kept = (0..tuning.kept()).map(|number| trial(2, number));
            let contestants = std::iter::once(reference()).chain(kept).collect();
            Experiment { contestants, ..tuning.experiment() }.validate().unwrap();
        }
    }

    #[test]
    fn a_search_writes_its_best_setting_and_goes_on_where_it_was_cut_off() {
        let manifest = lookalike_vision::ModelManifest {
            name: "tiny".to_owned(),
            architecture: lookalike_vision::Architecture::Cnn(lookalike_vision::CnnConfig {
                widths: vec![4, 6],
                convolutions: 1,
            }),
            channels: 1,
            height: 28,
            width: 28,
            classes: vec!["one".to_owned(), "two".to_owned()],
            normalisation: None,
        };
        let model = Arc::new(Model::seeded(manifest, 1).unwrap());
        let tuning =
            Tuning { trials: FEWEST_TRIALS, queries: 4, exemplars: 30, most_milliseconds: 1e9, seed: 2 };
        let glyph = |index: &u64| {
            let glyph = lookalike_datasets::GlyphSet::new(1).glyph(*index);
            Ok::<_, EvalError>(crate::Known { image: glyph.image, label: None, factors: None })
        };
        let numbers: Vec<u64> = (0..60).collect();
        let experiment = tuning.experiment();
        let subject = Subject::draw_for_tuning("glyphs", &numbers, &experiment, glyph).unwrap();
        let tested = Subject::draw("glyphs", [&numbers, &[]], Vec::new(), &experiment, glyph).unwrap();
        assert!(subject.exemplars.iter().all(|known| !tested.exemplars.contains(known)));

        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(home.path());
        let named = |name: &str| Ground {
            model: Arc::clone(&model),
            subject: Subject { name: name.to_owned(), ..subject.clone() },
        };
        let grounds = [named("one"), named("another")];
        let preset = tune(&folder, &grounds, &tuning, &mut |_| ()).unwrap();
        assert!((0.0..=1.0).contains(&preset.found) && preset.trials == FEWEST_TRIALS, "{preset:?}");
        let written = std::fs::read(home.path().join("preset.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Preset>(&written).unwrap(), preset);
        // The same images under two names are found as well as each other.
        let [one, another] = preset.sets.as_slice() else { panic!("{preset:?}") };
        assert_eq!((one.name.as_str(), another.name.as_str()), ("one", "another"));
        let bits = |found: [f64; 2]| found.map(f64::to_bits);
        assert_eq!(bits([one.found, one.whitened]), bits([another.found, another.whitened]));
        assert_eq!(bits([one.found, one.whitened]), bits([preset.found, preset.whitened]));
        let told = std::fs::read_to_string(home.path().join("trials.md")).unwrap();
        for expected in ["| views-copies", "| trial-007", "| whitened", "one", "another"] {
            assert!(told.contains(expected), "{expected} is not in\n{told}");
        }

        let experiment = Experiment { exemplars: 30, ..tuning.experiment() };
        assert!(!preset.may_know("one", 60, &experiment) && !preset.may_know("elsewhere", 10, &experiment));
        assert!(preset.may_know("one", 59, &experiment));
        assert!(preset.may_know("one", 60, &Experiment { seed: 3, ..experiment }));
        // As it was written before a search had several data sets.
        let mut old: serde_json::Value = serde_json::from_slice(&written).unwrap();
        for name in ["sets", "seed", "exemplars"] {
            old.as_object_mut().unwrap().remove(name).unwrap();
        }
        assert_eq!(serde_json::from_value::<Preset>(old).unwrap().way, preset.way);

        let mut stages = Vec::new();
        assert_eq!(tune(&folder, &grounds, &tuning, &mut |p| stages.push(p.stage)).unwrap(), preset);
        assert!(stages.iter().all(|stage| stage.ends_with("done")), "{stages:?}");

        let error = tune(&folder, &[], &tuning, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("no data set"), "{error}");
        let error =
            tune(&folder, &[named("one"), named("one")], &tuning, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("one is named twice"), "{error}");
    }
}
