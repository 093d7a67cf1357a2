//! A search of the method's settings on images that no test query is drawn from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vision::Model;

use crate::contest::{Baseline, Contestant, Setting, TmmWay, ViewRecipe, Way};
use crate::random::{Random, Use};
use crate::run::run;
use crate::{
    Condition, EvalError, Experiment, Line, Measure, Protocol, RunFolder, RunProgress, Subject, Summary,
};

/// Most settings of one search.
pub const MOST_TRIALS: usize = 500;

/// Fewest settings of one search: as many as its second stage tries.
pub const FEWEST_TRIALS: usize = 8;

/// One of so many trials is tried on all queries by the second stage, and one of so many queries is asked by the first.
const KEPT: usize = 4;

/// Views that a trial may have, each with its chance in tenths: those that METHOD's first measurements name.
const VIEWS: [(&str, usize); 8] = [
    ("global:as_printed:0.3", 4),
    ("global:as_printed:0.5", 2),
    ("random:as_printed:0.3", 5),
    ("random:convex:0.3", 2),
    ("blur:1", 6),
    ("blur:2", 2),
    ("mirror", 2),
    ("noise:3", 2),
];

/// Values that a trial draws from, by setting.
const VALUES: [(&str, &[&str]); 7] = [
    ("positives", &["0", "8", "16", "32", "64"]),
    ("epochs", &["0", "5", "10", "20", "40", "80"]),
    ("learning_rate", &["0.0003", "0.001", "0.003", "0.01"]),
    ("background", &["256", "1024", "4096"]),
    ("score", &["log_probability", "logit", "margin"]),
    ("dummy_start", &["query", "zero"]),
    ("copies", &["best", "mean"]),
];

/// How the search goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// Settings that are tried, [`FEWEST_TRIALS`] to [`MOST_TRIALS`].
    pub trials: usize,
    /// Queries of the last stage.
    pub queries: usize,
    /// Exemplars.
    pub exemplars: usize,
    /// Longest median time of a query in milliseconds; slower settings are not taken.
    pub most_milliseconds: f64,
    /// Decides the trials, and which images they see.
    pub seed: u64,
}

/// What a search found, as its file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Views and settings.
    pub way: TmmWay,
    /// Mean self-retrieval at 1 over the eleven conditions, on the queries of the search.
    pub found: f64,
    /// The same of whitened cosine alone.
    pub whitened: f64,
    /// Median time of a query in milliseconds, where it was searched.
    pub milliseconds: f64,
    /// Settings that were tried.
    pub trials: usize,
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

    fn trials(&self) -> Vec<Contestant> {
        (0..self.trials).map(|number| trial(self.seed, number)).collect()
    }
}

/// One draw of views and settings. The first two are what the search has to beat: the sum of views with as many copies
/// as the default takes, and the default itself.
fn trial(seed: u64, number: usize) -> Contestant {
    let known = match number {
        0 => Some(("views-copies", "mode=views")),
        1 => Some(("tmm", "mode=shared")),
        _ => None,
    };
    let settings = |settings: Vec<(String, String)>| -> BTreeMap<String, Setting> {
        settings.into_iter().map(|(name, value)| (name, Setting::of(&value))).collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let view = |text: &str| text.parse::<ViewRecipe>().ok();
    if let Some((name, mode)) = known {
        let views = ["random:as_printed:0.3", "blur:1"].into_iter().filter_map(view).collect();
        let parameters =
            settings(vec![pair("preset", "default"), pair("mode", mode.trim_start_matches("mode="))]);
        let way = Way::Tmm(TmmWay { views, parameters, minus_prior: false });
        return Contestant { name: name.to_owned(), way };
    }
    let mut random = Random::new(seed, Use::Trial, number as u64);
    let mut views: Vec<ViewRecipe> = VIEWS
        .iter()
        .filter(|(_, tenths)| random.below(10) < *tenths)
        .filter_map(|(text, _)| view(text))
        .collect();
    if views.is_empty() {
        views.extend(view("plain"));
    }
    let mode = if random.below(3) == 0 { "views" } else { "shared" };
    let mut chosen = vec![pair("preset", "default"), pair("mode", mode)];
    for (name, values) in VALUES {
        let value = values[random.below(values.len())];
        // What a mode does not look at would only make two names of one ranking.
        let matters = match name {
            "positives" => true,
            "copies" => mode == "views",
            _ => mode == "shared",
        };
        if matters {
            chosen.push(pair(name, value));
        }
    }
    let way = Way::Tmm(TmmWay { views, parameters: settings(chosen), minus_prior: false });
    Contestant { name: format!("trial-{number:03}"), way }
}

/// Searches: all trials on a quarter of the queries, then the best quarter on all of them. The folders `stage-1-N` and
/// `stage-2-DIGEST` of `folder` are runs of their own, and a search that was cut off goes on in them.
///
/// *Determinism*: the tuning, the subject and the model decide what is found, but for the limit of time.
///
/// # Errors
///
/// [`EvalError`]; what was written until then stays.
pub fn tune(
    folder: &RunFolder,
    model: &Arc<Model>,
    subject: &Subject,
    tuning: &Tuning,
    progress: &mut dyn FnMut(RunProgress),
) -> Result<Preset, EvalError> {
    if !(FEWEST_TRIALS..=MOST_TRIALS).contains(&tuning.trials) {
        let (what, found) = ("trials", tuning.trials);
        return Err(EvalError::Range { what, found, least: FEWEST_TRIALS, most: MOST_TRIALS });
    }
    let reference = Contestant { name: "whitened".to_owned(), way: Way::Baseline(Baseline::Whitened) };
    Experiment { contestants: vec![reference.clone()], ..tuning.experiment() }.validate()?;
    let trials = tuning.trials();
    // The first stage asks the first of the queries.
    let few = tuning.queries.div_ceil(KEPT).clamp(2, tuning.queries.max(2));
    let mut first = subject.clone();
    first.own.truncate(few);
    let experiment = |contestants: &[Contestant], queries: usize| {
        let contestants = std::iter::once(&reference).chain(contestants).cloned().collect();
        Experiment { queries, contestants, ..tuning.experiment() }
    };
    // Each round of trials needs the views of its own alone: a collection keeps so many.
    let mut scored: Vec<(f64, Contestant)> = Vec::new();
    for (round, part) in trials.chunks(ROUND).enumerate() {
        let home = RunFolder::new(folder.path().join(format!("stage-1-{round}")));
        run(&home, model, &first, &experiment(part, few), progress)?;
        let lines = lines(&home)?;
        for trial in part {
            let Some(line) = lines.iter().find(|line| line.contestant == trial.name) else { continue };
            if line.overall.milliseconds <= tuning.most_milliseconds {
                scored.push((worth(line), trial.clone()));
            }
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let kept: Vec<Contestant> = scored
        .into_iter()
        .take(tuning.trials.div_ceil(KEPT).max(FEWEST_TRIALS))
        .map(|(_, trial)| trial)
        .collect();
    let too_slow = || {
        let reason = format!(
            "no setting answers within {} ms; allow more time, or take fewer exemplars and another folder",
            tuning.most_milliseconds
        );
        EvalError::Experiment { reason }
    };
    if kept.is_empty() {
        return Err(too_slow());
    }
    // By its contestants: another limit of time may keep others.
    let kept_names: Vec<&str> = kept.iter().map(|trial| trial.name.as_str()).collect();
    let digest = blake3::hash(kept_names.join(" ").as_bytes()).to_hex();
    let home = RunFolder::new(folder.path().join(format!("stage-2-{}", &digest[..8])));
    run(&home, model, subject, &experiment(&kept, tuning.queries), progress)?;
    let lines = lines(&home)?;
    let fast = |line: &&Line| line.overall.milliseconds <= tuning.most_milliseconds;
    let best = lines.iter().filter(fast).find_map(|line| {
        let trial = kept.iter().find(|trial| trial.name == line.contestant)?;
        match &trial.way {
            Way::Tmm(way) => Some((line, way.clone())),
            Way::Baseline(_) => None,
        }
    });
    let Some((line, way)) = best else { return Err(too_slow()) };
    let whitened = lines.iter().find(|line| line.contestant == reference.name).map_or(0.0, worth);
    let preset = Preset {
        way,
        found: worth(line),
        whitened,
        milliseconds: line.overall.milliseconds,
        trials: tuning.trials,
    };
    let json = serde_json::to_vec_pretty(&preset)
        .map_err(|error| EvalError::Experiment { reason: error.to_string() })?;
    folder.write("preset.json", &json)?;
    Ok(preset)
}

/// Trials of one round.
const ROUND: usize = 25;

/// Contestants of a finished run, best first.
fn lines(folder: &RunFolder) -> Result<Vec<Line>, EvalError> {
    Ok(Summary::of(folder)?.protocols.into_iter().next().map(|protocol| protocol.lines).unwrap_or_default())
}

fn worth(line: &Line) -> f64 {
    line.overall.measures.get(&Measure::Retrieved).map_or(0.0, |interval| interval.estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trial_can_be_run_and_is_the_same_again() {
        let mut all = Vec::new();
        for number in 0..200 {
            let Contestant { way, .. } = trial(3, number);
            assert_eq!(way, trial(3, number).way);
            let Way::Tmm(way) = way else { panic!("trial {number} is no setting of the method") };
            way.config().unwrap_or_else(|error| panic!("trial {number}: {error}"));
            assert!(!way.views.is_empty());
            all.push(way);
        }
        let shared = Setting::Text("shared".to_owned());
        let tried = all.iter().filter(|way| way.parameters["mode"] == shared).count();
        assert!((100..180).contains(&tried), "{tried} of 200 in the shared mode");
    }

    #[test]
    fn a_search_writes_its_best_setting_and_goes_on_where_it_was_cut_off() {
        let manifest = vision::ModelManifest {
            name: "tiny".to_owned(),
            architecture: vision::Architecture::Cnn(vision::CnnConfig {
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
            let glyph = datasets::GlyphSet::new(1).glyph(*index);
            Ok::<_, EvalError>(crate::Known { image: glyph.image, label: None, factors: None })
        };
        let numbers: Vec<u64> = (0..60).collect();
        let experiment = tuning.experiment();
        let subject = Subject::draw_for_tuning("glyphs", &numbers, &experiment, glyph).unwrap();
        let tested = Subject::draw("glyphs", [&numbers, &[]], Vec::new(), &experiment, glyph).unwrap();
        assert!(subject.exemplars.iter().all(|known| !tested.exemplars.contains(known)));

        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(home.path());
        let preset = tune(&folder, &model, &subject, &tuning, &mut |_| ()).unwrap();
        assert!((0.0..=1.0).contains(&preset.found) && preset.trials == FEWEST_TRIALS, "{preset:?}");
        let written = std::fs::read(home.path().join("preset.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Preset>(&written).unwrap(), preset);
        let mut stages = Vec::new();
        assert_eq!(tune(&folder, &model, &subject, &tuning, &mut |p| stages.push(p.stage)).unwrap(), preset);
        assert!(stages.iter().all(|stage| stage == "done"), "{stages:?}");
    }
}
