//! The settings that a search tries.

use crate::contest::Contestant;
use crate::random::{Use, seeded};

/// Views that a trial may have, each with its chance in tenths: those that the first measurements of the method named.
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

/// The views of the first two trials.
const KNOWN: [&str; 2] = ["random:as_printed:0.3", "blur:1"];

/// Values that a trial draws from, by setting.
const VALUES: [(&str, &[&str]); 9] = [
    ("positives", &["0", "8", "16", "32", "64"]),
    ("epochs", &["0", "5", "10", "20", "40", "80"]),
    ("learning_rate", &["0.0003", "0.001", "0.003", "0.01"]),
    ("background", &["256", "1024", "4096"]),
    ("score", &["log_probability", "logit", "margin"]),
    ("dummy_start", &["query", "zero"]),
    ("copies", &["best", "mean"]),
    ("feature_space", &["whitened", "whitened", "whitened", "raw"]),
    ("ewc", &["0", "1", "100"]),
];

/// One draw of views and settings. The first two are what the search has to beat: summed views with 16 copies of the
/// query, and a dummy class in the same views.
pub(super) fn trial(seed: u64, number: usize) -> Contestant {
    match number {
        0 => Contestant::tmm("views-copies", &KNOWN, &["mode=views", "positives=16"]),
        1 => Contestant::tmm("tmm", &KNOWN, &["mode=shared", "positives=16"]),
        _ => drawn(seed, number),
    }
}

fn drawn(seed: u64, number: usize) -> Contestant {
    let mut random = seeded(seed, Use::Trial, number as u64);
    let mut views: Vec<&str> =
        VIEWS.iter().filter(|(_, tenths)| random.below(10) < *tenths).map(|(view, _)| *view).collect();
    if views.is_empty() {
        views.push("plain");
    }
    let mode = if random.below(3) == 0 { "views" } else { "shared" };
    let drawn = VALUES.map(|(name, values)| (name, values[random.below(values.len())]));
    let is_raw = drawn.contains(&("feature_space", "raw"));
    let is_triggered = |view: &&str| view.starts_with("global") || view.starts_with("random");
    // Equation 3 has a triggered and a clean part.
    if mode == "shared" && is_raw && !views.iter().any(is_triggered) {
        views.push("random:as_printed:0.3");
    }
    // What a mode does not look at would only make two names of one ranking.
    let matters = |name: &str| match name {
        "positives" => true,
        "copies" => mode == "views",
        "ewc" => mode == "shared" && is_raw,
        _ => mode == "shared",
    };
    let chosen = drawn.into_iter().filter(|(name, _)| matters(name)).chain([("mode", mode)]);
    let chosen: Vec<String> = chosen.map(|(name, value)| format!("{name}={value}")).collect();
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    Contestant::tmm(&format!("trial-{number:03}"), &views, &chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::{Setting, ViewRecipe, Way};

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
        let regularised: Vec<_> = all.iter().filter(|way| way.parameters.contains_key("ewc")).collect();
        assert!(!regularised.is_empty());
        let is_triggered =
            |view: &ViewRecipe| matches!(view, ViewRecipe::Global(..) | ViewRecipe::Random(..));
        assert!(regularised.iter().all(|way| way.views.iter().any(is_triggered)), "no triggered view");
    }
}
