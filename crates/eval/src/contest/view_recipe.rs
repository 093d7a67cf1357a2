use std::fmt;
use std::str::FromStr;

use lookalike_plugin_api::Budget;
use lookalike_tmm::{
    Blend, DEFAULT_GLOBAL_BATCH, GlobalSearch, StoredTrigger, TmmView, Transformation, TriggerKind,
    TriggerStart, optimise_global_trigger,
};
use lookalike_vision::{Model, Pixels};
use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::stored_as_text::stored_as_text;

/// Exemplars that a global trigger is fitted to, at most, and updates of it. This project's choice: the loss is flat
/// by then.
const FITTED_TO: usize = 256;
const UPDATES: usize = 100;
/// Learning rate of the trigger (section 4.3.2).
const LEARNING_RATE: f64 = 0.015;

/// A stored view of a contestant, of which each seed has its own. Written `global:as_printed:0.3` (a trigger fitted to
/// exemplars, its blend and intensity), `random:convex:0.3`, `fixed-patch`, `blur:1` (pixels), `mirror`, `noise:3` (norm)
/// or `plain`, which changes nothing: the view for contestants without a second view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ViewRecipe {
    /// A trigger fitted to exemplars (equation 2).
    Global(Blend, f32),
    /// A random one.
    Random(Blend, f32),
    /// A patch in the corner (T1).
    FixedPatch,
    /// A Gaussian blur of this deviation in pixels.
    Blur(f32),
    /// Left and right exchanged.
    Mirror,
    /// Noise of this norm.
    Noise(f32),
    /// Nothing.
    Plain,
}

impl ViewRecipe {
    /// The view's name in the collection.
    pub(crate) fn view_name(&self) -> String {
        self.to_string().replace([':', '.'], "-")
    }

    pub(crate) fn needs_fitting(&self) -> bool {
        matches!(self, Self::Global(..))
    }

    /// The view, with the `fitted` trigger where it needs one.
    pub(crate) fn view(
        &self,
        model: &Model,
        fitted: Option<&StoredTrigger>,
        seed: u64,
    ) -> Result<TmmView, EvalError> {
        let triggered = |trigger, blend, omega| Transformation::Trigger { trigger, blend, omega };
        let transformation = match (self, fitted) {
            (Self::Global(blend, omega), Some(trigger)) => triggered(trigger.clone(), *blend, *omega),
            (Self::Global(blend, omega) | Self::Random(blend, omega), _) => {
                triggered(StoredTrigger::random(model, &TriggerStart::Uniform, seed)?, *blend, *omega)
            }
            (Self::FixedPatch, _) => triggered(StoredTrigger::fixed_patch(model), Blend::AsPrinted, 1.0),
            (Self::Blur(deviation), _) => Transformation::Blur { deviation: *deviation },
            (Self::Mirror, _) => Transformation::Mirror,
            (Self::Noise(norm), _) => Transformation::Noise { seed, norm: *norm },
            (Self::Plain, _) => Transformation::Noise { seed: 0, norm: 0.0 },
        };
        Ok(TmmView::new(self.view_name(), transformation)?)
    }
}

/// A trigger that leaves the answers for `images` as they are, equation 2.
pub(crate) fn fitted_trigger(
    model: &Model,
    images: &[Pixels],
    seed: u64,
) -> Result<StoredTrigger, EvalError> {
    let images = &images[..images.len().min(FITTED_TO)];
    let search = GlobalSearch {
        steps: UPDATES,
        learning_rate: LEARNING_RATE,
        batch: DEFAULT_GLOBAL_BATCH,
        patience: 0,
        seed,
        mask: None,
    };
    let start = TriggerStart::Uniform.pixels(model, seed)?;
    let mut lend = |numbers: &[usize]| Ok(numbers.iter().map(|number| images[*number].clone()).collect());
    let found =
        optimise_global_trigger(model, images.len(), &mut lend, start, &search, &Budget::unlimited())?;
    Ok(StoredTrigger::found(&found, TriggerKind::Global, model, seed)?)
}

impl fmt::Display for ViewRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global(blend, omega) => write!(f, "global:{}:{omega}", blend.name()),
            Self::Random(blend, omega) => write!(f, "random:{}:{omega}", blend.name()),
            Self::FixedPatch => f.write_str("fixed-patch"),
            Self::Blur(deviation) => write!(f, "blur:{deviation}"),
            Self::Mirror => f.write_str("mirror"),
            Self::Noise(norm) => write!(f, "noise:{norm}"),
            Self::Plain => f.write_str("plain"),
        }
    }
}

impl FromStr for ViewRecipe {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let size = |text: &str| text.parse::<f32>().ok().filter(|size| size.is_finite() && *size >= 0.0);
        let parts: Vec<&str> = text.split(':').collect();
        let recipe = match parts[..] {
            ["global", blend, omega] => {
                Blend::from_name(blend).zip(size(omega)).map(|(b, o)| Self::Global(b, o))
            }
            ["random", blend, omega] => {
                Blend::from_name(blend).zip(size(omega)).map(|(b, o)| Self::Random(b, o))
            }
            ["fixed-patch"] => Some(Self::FixedPatch),
            ["blur", deviation] => size(deviation).map(Self::Blur),
            ["mirror"] => Some(Self::Mirror),
            ["noise", norm] => size(norm).map(Self::Noise),
            ["plain"] => Some(Self::Plain),
            _ => None,
        };
        recipe.ok_or_else(|| EvalError::View { found: text.to_owned() })
    }
}

stored_as_text!(ViewRecipe);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_is_read_as_it_is_written_and_has_a_name_of_its_own() {
        let all = [
            "global:as_printed:0.3",
            "random:convex:0.25",
            "fixed-patch",
            "blur:1.5",
            "mirror",
            "noise:3",
            "plain",
        ];
        for text in all {
            let recipe: ViewRecipe = text.parse().unwrap();
            assert_eq!(recipe.to_string(), text);
            assert!(lookalike_plugin_api::View::is_name(&recipe.view_name()), "{}", recipe.view_name());
        }
        for wrong in ["global", "global:round:0.3", "random:convex:nan", "blur:-1", "noise"] {
            assert!(wrong.parse::<ViewRecipe>().unwrap_err().to_string().contains("is no view"));
        }
    }
}
