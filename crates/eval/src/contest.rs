//! The rankings that are compared, and the collection that all of them rank.

mod arena;
mod baseline;
mod limits;
mod tmm_way;
mod view_recipe;

pub use arena::{Arena, Asked, Scored};
pub use baseline::Baseline;
pub(crate) use limits::MOST_LAYER_BYTES;
pub use tmm_way::{Setting, TmmWay};
pub use view_recipe::ViewRecipe;

use std::collections::BTreeMap;

use lookalike_vision::Layer;
use serde::{Deserialize, Serialize};

/// One ranking of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contestant {
    /// What tables and curves call it; no name twice.
    pub name: String,
    /// How it ranks.
    pub way: Way,
}

/// How a contestant ranks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A ranking that the method is compared with.
    Baseline(Baseline),
    /// The method.
    Tmm(TmmWay),
}

impl Way {
    /// Whether another seed may give another ranking.
    pub fn is_seeded(&self) -> bool {
        match self {
            Self::Baseline(baseline) => baseline.is_seeded(),
            Self::Tmm(_) => true,
        }
    }

    /// Forward passes of the network per query over so many exemplars, a pass back counted as two: what the settings
    /// ask for, so that an early end of a trigger's search makes it less.
    pub fn forward_passes(&self, exemplars: usize) -> usize {
        match self {
            Self::Baseline(baseline) => baseline.forward_passes(),
            Self::Tmm(way) => way.forward_passes(exemplars),
        }
    }
}

/// The view with a fitted trigger, as the first measurements had it.
const GLOBAL: &str = "global:as_printed:0.3";
/// The same with a random one.
const RANDOM: &str = "random:as_printed:0.3";
const BLUR: &str = "blur:1";

impl Contestant {
    fn baseline(name: &str, baseline: Baseline) -> Self {
        Self { name: name.to_owned(), way: Way::Baseline(baseline) }
    }

    /// The method in these views with these settings: `name=value`, where numbers are numbers.
    pub(crate) fn tmm(name: &str, views: &[&str], settings: &[&str]) -> Self {
        let views = views.iter().filter_map(|view| view.parse().ok()).collect();
        let parameters: BTreeMap<String, Setting> = settings
            .iter()
            .filter_map(|setting| setting.split_once('='))
            .map(|(name, value)| (name.to_owned(), Setting::of(value)))
            .collect();
        let way = Way::Tmm(TmmWay { views, parameters, minus_prior: false });
        Self { name: name.to_owned(), way }
    }

    fn minus_prior(self) -> Self {
        let way = match self.way {
            Way::Tmm(way) => Way::Tmm(TmmWay { minus_prior: true, ..way }),
            Way::Baseline(baseline) => Way::Baseline(baseline),
        };
        Self { way, ..self }
    }

    /// The baselines that any collection has room for: early layers see so much of an image that 5,000 of them take a
    /// gigabyte.
    pub fn baselines() -> Vec<Self> {
        let is_early = |baseline: &Baseline| matches!(baseline, Baseline::L2At(layer) | Baseline::CosineAt(layer) if *layer != Layer::Layer4);
        let all = Baseline::ALL.iter().filter(|baseline| !is_early(baseline));
        all.map(|baseline| Self::baseline(baseline.name(), *baseline)).collect()
    }

    /// All baselines, the method in the shared mode and its controls: which view, which trigger, with and without
    /// fitting, with and without copies of the query.
    pub fn shared() -> Vec<Self> {
        // As many copies as the baselines take.
        let shared = ["mode=shared", "positives=16"];
        let with = |more: &[&'static str]| [&shared[..], more].concat();
        let views = |more: &[&'static str]| [&["mode=views"][..], more].concat();
        let mut all = Self::baselines();
        all.extend([
            // No fitting: the sum of whitened cosines.
            Self::tmm("views", &[RANDOM, BLUR], &views(&["positives=0"])),
            Self::tmm("views-copies", &[RANDOM, BLUR], &views(&["positives=16"])),
            // As it is shipped, with the views that it was searched with.
            Self::tmm("multiview", &[GLOBAL, RANDOM], &["mode=views"]),
            // The method, and what it is without one of its parts.
            Self::tmm("tmm", &[GLOBAL, BLUR], &shared),
            Self::tmm("tmm-trigger-only", &[GLOBAL], &shared),
            Self::tmm("tmm-random-trigger", &[RANDOM], &shared),
            Self::tmm("tmm-fixed-patch", &["fixed-patch"], &shared),
            Self::tmm("tmm-blur-only", &[BLUR], &shared),
            Self::tmm("tmm-no-trigger", &["plain"], &shared),
            Self::tmm("tmm-no-fitting", &[GLOBAL], &with(&["epochs=0"])),
            Self::tmm("tmm-no-copies", &[GLOBAL], &with(&["positives=0"])),
            Self::tmm("tmm-minus-prior", &[GLOBAL], &shared).minus_prior(),
            Self::tmm("tmm-convex", &["global:convex:0.3"], &shared),
            Self::tmm("tmm-additive", &["global:additive:0.3"], &shared),
            // Equation 3 as printed, on stored rows: one epoch of the background's 4,096, and as many updates as an epoch of
            // the paper's 60,000 has.
            Self::tmm("tmm-paper", &[GLOBAL], &["preset=paper", "mode=shared"]),
            Self::tmm("tmm-paper-240", &[GLOBAL], &["preset=paper", "mode=shared", "epochs=15"]),
        ]);
        all
    }

    /// A few of [`Contestant::shared`], for suites of many conditions.
    pub fn few() -> Vec<Self> {
        let names = ["l2", "cosine", "whitened", "best-copy", "views", "multiview", "tmm", "tmm-paper"];
        Self::shared().into_iter().filter(|contestant| names.contains(&contestant.name.as_str())).collect()
    }

    /// [`Contestant::few`] and the class that the attacks on the score are against, as a ranking.
    pub fn attacked() -> Vec<Self> {
        let class = ["ewc=0", "dummy_start=zero", "batch=64", "epochs=60", "background=256"];
        let settings = [&["preset=paper", "mode=exact"][..], &class].concat();
        let mut all = Self::few();
        all.push(Self::tmm("tmm-exact-class", &[], &settings));
        all
    }

    /// The paper's ablations with every candidate through the network.
    pub fn ablations() -> Vec<Self> {
        let names = ["l2", "cosine", "whitened"];
        let is_asked = |baseline: &&Baseline| {
            names.contains(&baseline.name()) || matches!(baseline, Baseline::CosineAt(_))
        };
        let chosen = Baseline::ALL.iter().filter(is_asked);
        let mut all: Vec<Self> = chosen.map(|baseline| Self::baseline(baseline.name(), *baseline)).collect();
        // 80 updates of 64 exemplars. One epoch of the few exemplars in the paper's batches would be two updates, after
        // which no form of the method finds anything, and there is nothing to compare.
        let settings = ["preset=paper", "mode=exact", "background=256", "batch=64"];
        let paper = |name: &str, more: &[&'static str]| {
            let epochs: &[&str] =
                if more.iter().any(|set| set.starts_with("epochs")) { &[] } else { &["epochs=20"] };
            Self::tmm(name, &[], &[&settings[..], epochs, more].concat())
        };
        let exact =
            |name: &str, more: &[&'static str]| Self::tmm(name, &[], &[&["mode=exact"][..], more].concat());
        all.extend([
            paper("paper", &[]),
            paper("paper-fixed-patch", &["trigger=fixed_patch"]),
            paper("paper-variable-patch", &["trigger=variable_patch"]),
            paper("paper-random", &["trigger=random"]),
            paper("paper-layer1", &["layer=layer1"]),
            paper("paper-layer2", &["layer=layer2"]),
            paper("paper-layer3", &["layer=layer3"]),
            paper("paper-layer4", &["layer=layer4"]),
            paper("paper-1-epoch", &["epochs=1"]),
            paper("paper-5-epochs", &["epochs=5"]),
            paper("paper-60-epochs", &["epochs=60"]),
            paper("paper-convex", &["blend=convex"]),
            paper("paper-additive", &["blend=additive"]),
            exact("exact", &[]),
            exact("exact-random", &["trigger=random"]),
            exact("exact-convex", &["blend=convex"]),
            exact("exact-additive", &["blend=additive"]),
            Self::tmm("cascade", &[GLOBAL, BLUR], &["mode=cascade", "cascade=50"]),
        ]);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_baseline_is_read_as_it_is_written() {
        for baseline in Baseline::ALL {
            assert_eq!(baseline.to_string().parse::<Baseline>().unwrap(), *baseline);
        }
        let error = serde_json::from_str::<Baseline>("\"l3\"").unwrap_err().to_string();
        assert!(error.starts_with("\"l3\" is no baseline; use l2-pixels"), "{error}");
    }

    #[test]
    fn ready_made_contestants_have_the_views_and_settings_that_they_were_given() {
        let all = [Contestant::shared(), Contestant::ablations(), Contestant::attacked()];
        for contestant in all.concat() {
            let json = serde_json::to_string(&contestant).unwrap();
            assert_eq!(serde_json::from_str::<Contestant>(&json).unwrap(), contestant);
            let Way::Tmm(way) = &contestant.way else { continue };
            let config = way.config().unwrap_or_else(|error| panic!("{}: {error}", contestant.name));
            assert_eq!(
                way.views.is_empty(),
                config.mode == Some(lookalike_tmm::Mode::Exact),
                "{}",
                contestant.name
            );
        }
    }
}
