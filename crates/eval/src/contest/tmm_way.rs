use std::collections::BTreeMap;
use std::fmt;

use lookalike_plugin_api::{ParameterError, ParameterValue, Parameters};
use lookalike_tmm::{Mode, TmmConfig, TriggerKind};
use serde::{Deserialize, Serialize};

use super::ViewRecipe;

/// The method as a contestant: its stored views and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TmmWay {
    /// Views beside the clean one; none for the mode `exact`.
    #[serde(default)]
    pub views: Vec<ViewRecipe>,
    /// Settings by the names that requests use. In the mode `views`, or without one, multiview ranks.
    #[serde(default)]
    pub parameters: BTreeMap<String, Setting>,
    /// Whether each exemplar's mean score over other queries is taken off: what is left is how much more readily it
    /// falls into this query's dummy class than into any.
    #[serde(default)]
    pub minus_prior: bool,
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A word.
    Text(String),
}

impl Setting {
    /// A number if it is written as one, else a word.
    pub fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Number)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl TmmWay {
    pub(crate) fn parameters(&self) -> Parameters {
        let value = |setting: &Setting| match setting {
            Setting::Number(number) => ParameterValue::Number(*number),
            Setting::Text(text) => ParameterValue::Text(text.clone()),
        };
        // Written by earlier versions, where it named the settings that are taken without it.
        let is_base = |name: &str, setting: &Setting| {
            name == "preset" && *setting == Setting::Text("default".to_owned())
        };
        let given = self.parameters.iter().filter(|(name, setting)| !is_base(name, setting));
        Parameters(given.map(|(name, setting)| (name.clone(), value(setting))).collect())
    }

    /// The settings in full.
    ///
    /// # Errors
    ///
    /// [`ParameterError`] for an unknown name or a value out of range.
    pub fn config(&self) -> Result<TmmConfig, ParameterError> {
        TmmConfig::default().with_parameters(&self.parameters())
    }

    pub(crate) fn forward_passes(&self, exemplars: usize) -> usize {
        let config = self.config().unwrap_or_default();
        let copies = 1 + config.positives;
        let stored = copies * (1 + self.views.len());
        let search = match config.trigger {
            TriggerKind::PerQuery | TriggerKind::VariablePatch => 3 * config.trigger_steps,
            TriggerKind::Global | TriggerKind::FixedPatch | TriggerKind::Random => 0,
        };
        let background = match config.background {
            0 => exemplars,
            most => most.min(exemplars),
        };
        // A layer is tuned on images, clean and triggered, once an epoch.
        let layer = if config.layer.is_some() { 3 * 2 * config.epochs * background } else { 0 };
        let through = |candidates: usize| search + 2 * copies + background + layer + candidates;
        match config.mode {
            Some(Mode::Shared) | None => stored,
            Some(Mode::Exact) => through(exemplars),
            Some(Mode::Cascade) => stored + through(config.cascade.min(exemplars)),
        }
    }
}
