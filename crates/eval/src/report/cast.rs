//! Who plays which part in the report.

use lookalike_vision::Layer;

use crate::contest::{Baseline, Contestant, TmmWay, Way};
use crate::experiment::Experiment;
use crate::summary::{Line, Measure, ProtocolSummary, REFERENCES};
use crate::tune::TUNED;

/// What `multiview` is called where it takes part with the views that it was searched with.
pub(super) const SHIPPED: &str = "multiview";

/// Most curves of one plot.
const MOST_CURVES: usize = 8;

/// The rankings that the report speaks of by name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cast {
    /// The contestant that stands for the method.
    pub(super) method: Option<String>,
    /// Of how many it was chosen as the best, where none is called `tmm`.
    pub(super) chosen_of: Option<usize>,
    /// The rankings that have curves, in the order of their colours.
    pub(super) curves: Vec<String>,
}

impl Cast {
    pub(super) fn of(experiment: &Experiment, summary: &ProtocolSummary) -> Self {
        let main = Measure::main(summary.protocol);
        // By rank, best first.
        let measured: Vec<&str> = summary
            .lines
            .iter()
            .filter(|line| line.overall.measures.contains_key(&main))
            .map(|line| line.contestant.as_str())
            .collect();
        let is_tmm = |name: &str| way(experiment, name).is_some_and(|way| matches!(way, Way::Tmm(_)));
        let variants: Vec<&str> = measured.iter().copied().filter(|name| is_tmm(name)).collect();
        let (method, chosen_of) = if variants.contains(&"tmm") {
            (Some("tmm"), None)
        } else {
            (variants.first().copied(), Some(variants.len()))
        };
        // The controls that take as many copies, the method without a trigger, then whatever ranks best.
        let named =
            ["whitened", "l2", "cosine", "best-copy", "views-copies", SHIPPED, TUNED, "tmm-no-trigger"];
        let mut curves: Vec<&str> = Vec::new();
        for name in method.into_iter().chain(named).chain(measured.iter().copied()) {
            if measured.contains(&name) && !curves.contains(&name) && curves.len() < MOST_CURVES {
                curves.push(name);
            }
        }
        Self {
            method: method.map(str::to_owned),
            chosen_of: chosen_of.filter(|_| method.is_some()),
            curves: curves.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The few that plots with many groups show.
    pub(super) fn few(&self) -> Vec<&str> {
        self.curves.iter().take(4).map(String::as_str).collect()
    }

    /// The kinds of rankings, by which points are coloured.
    pub(super) fn kinds() -> [&'static str; 4] {
        ["the method", "the method, changed", "reference", "other baseline"]
    }

    /// Which of [`Cast::kinds`] a contestant is.
    pub(super) fn kind(&self, experiment: &Experiment, name: &str) -> usize {
        match way(experiment, name) {
            _ if self.method.as_deref() == Some(name) => 0,
            Some(Way::Tmm(_)) => 1,
            _ if REFERENCES.contains(&name) => 2,
            _ => 3,
        }
    }
}

fn way<'a>(experiment: &'a Experiment, name: &str) -> Option<&'a Way> {
    experiment.contestants.iter().find(|known| known.name == name).map(|known| &known.way)
}

/// Changed forms of a contestant and that contestant: `tmm-blur-only` and `tmm`, where both are the method, and
/// [`TUNED`] with what it was searched from.
pub(super) fn variants(experiment: &Experiment) -> Vec<(&str, &str)> {
    let is_tmm = |known: &&Contestant| matches!(known.way, Way::Tmm(_));
    let names: Vec<&str> =
        experiment.contestants.iter().filter(is_tmm).map(|known| known.name.as_str()).collect();
    let base = |name: &str| {
        let bases = names.iter().copied().filter(|base| {
            name.strip_prefix(base).is_some_and(|rest| rest.starts_with('-') && !base.is_empty())
        });
        bases.max_by_key(|base| base.len())
    };
    let changed = names.iter().filter_map(|name| Some((*name, base(name)?)));
    let tuned = names.iter().filter(|name| **name == TUNED);
    let shipped = [SHIPPED, "views-copies", "tmm"];
    let searched = tuned.flat_map(|tuned| {
        shipped.into_iter().filter(|name| names.contains(name)).map(move |shipped| (*tuned, shipped))
    });
    changed.chain(searched).collect()
}

/// A contestant in a few words.
pub(super) fn description(way: &Way) -> String {
    match way {
        Way::Baseline(baseline) => of_baseline(*baseline).to_owned(),
        Way::Tmm(way) => of_method(way),
    }
}

fn of_baseline(baseline: Baseline) -> &'static str {
    match baseline {
        Baseline::L2Pixels => "Euclidean distance of the pixels",
        Baseline::CosinePixels => "cosine of the pixels",
        Baseline::L2At(Layer::Layer1) => "Euclidean distance of what the first stage of blocks sees",
        Baseline::L2At(Layer::Layer2) => "Euclidean distance of what the second stage of blocks sees",
        Baseline::L2At(Layer::Layer3) => "Euclidean distance of what the third stage of blocks sees",
        Baseline::L2At(Layer::Layer4) => "Euclidean distance of what the last stage of blocks sees",
        Baseline::CosineAt(Layer::Layer1) => "cosine of what the first stage of blocks sees",
        Baseline::CosineAt(Layer::Layer2) => "cosine of what the second stage of blocks sees",
        Baseline::CosineAt(Layer::Layer3) => "cosine of what the third stage of blocks sees",
        Baseline::CosineAt(Layer::Layer4) => "cosine of what the last stage of blocks sees",
        Baseline::L2 => "Euclidean distance of the features",
        Baseline::Cosine => "cosine of the features",
        Baseline::Whitened => "cosine of the centred and whitened features: the first stage of a search",
        Baseline::Mahalanobis => "Mahalanobis distance with the covariance that the classes share",
        Baseline::Logits => "Euclidean distance of the logits",
        Baseline::Averaged => "whitened cosine with the mean of the query and 16 disturbed copies of it",
        Baseline::BestCopy => "whitened cosine of whichever of the query and 16 disturbed copies is nearest",
        Baseline::Reciprocal => "k-reciprocal re-ranking of the best 200 by whitened cosine",
        Baseline::Expansion => "alpha query expansion among whitened features",
    }
}

fn of_method(TmmWay { views, parameters, minus_prior }: &TmmWay) -> String {
    let settings: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let views: Vec<String> = views.iter().map(ToString::to_string).collect();
    let is_unfitted = parameters.get("mode") == Some(&crate::Setting::Text("views".to_owned()));
    let what = if is_unfitted {
        "whitened cosines in several views summed, nothing fitted"
    } else {
        "TMM-NN, a class fitted to the query that exemplars fall into"
    };
    let mut parts = vec![format!("{what}, with {}", settings.join(" "))];
    if !views.is_empty() {
        parts.push(format!("views clean, {}", views.join(", ")));
    }
    if *minus_prior {
        parts.push("each exemplar's mean score over other queries taken off".to_owned());
    }
    parts.join("; ")
}

/// The line of a contestant.
pub(super) fn line<'a>(summary: &'a ProtocolSummary, name: &str) -> Option<&'a Line> {
    summary.lines.iter().find(|line| line.contestant == name)
}
