use std::fmt;
use std::str::FromStr;

use lookalike_datasets::Disturbance;
use lookalike_plugin_api::{Image, SplitMix64};
use serde::{Deserialize, Serialize};

use crate::corruption::{Corruption, Severity};
use crate::error::EvalError;
use crate::stored_as_text::stored_as_text;

/// What happens to a query's image before it is searched for. Written as on the command line: `clean`,
/// `brightness=0.6`, `noise=2.5`, `saltpepper=0.05`, `blur=1`, `rotate=10`, `shift=1,0`, a corruption with its severity
/// such as `fog:3`, or an attack, `pgd-features=0.03` or
/// `pgd-score=0.03`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Condition {
    /// Nothing.
    Clean,
    /// One of the paper's and the method's disturbances.
    Disturbed(Disturbance),
    /// One of the common corruptions.
    Corrupted(Corruption, Severity),
    /// Projected gradient descent, within this largest change of any pixel in 0..=1.
    Attacked(Aim, f32),
}

/// What an attack is against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aim {
    /// The image's features: away from those of the clean query.
    Features,
    /// The score of the method in the mode `exact`: out of the class that it makes for the clean query, see
    /// [`QueryClass`](crate::QueryClass). Other rankings, and the class that is fitted to the attacked query itself, meet
    /// it as a transferred attack.
    Score,
}

impl Aim {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Features, Self::Score];

    fn name(self) -> &'static str {
        match self {
            Self::Features => "pgd-features",
            Self::Score => "pgd-score",
        }
    }
}

impl Condition {
    /// The disturbances of the paper's figures: brightness 0.1 to 1 and normal noise of norm 0 to 5, where brightness 1
    /// and norm 0 are the clean query.
    pub fn paper() -> Vec<Self> {
        let dimmed = (1..10).map(|tenths| Disturbance::Brightness(tenths as f32 / 10.0));
        let noisy = (1..=5).map(|norm| Disturbance::GaussianNorm(norm as f32));
        std::iter::once(Self::Clean).chain(dimmed.chain(noisy).map(Self::Disturbed)).collect()
    }

    /// The eleven conditions under which the method was measured first.
    pub fn eleven() -> Vec<Self> {
        let disturbed = [
            Disturbance::Brightness(0.8),
            Disturbance::Brightness(0.6),
            Disturbance::Brightness(0.4),
            Disturbance::GaussianNorm(2.5),
            Disturbance::GaussianNorm(5.0),
            Disturbance::GaussianNorm(8.0),
            Disturbance::Rotate(10.0),
            Disturbance::Shift(1, 0),
            Disturbance::Blur(1.0),
            Disturbance::SaltAndPepper(0.05),
        ];
        std::iter::once(Self::Clean).chain(disturbed.map(Self::Disturbed)).collect()
    }

    /// All common corruptions at all severities, and the clean query.
    pub fn corruptions() -> Vec<Self> {
        let all = Corruption::ALL
            .into_iter()
            .flat_map(|kind| Severity::ALL.map(|severity| Self::Corrupted(kind, severity)));
        std::iter::once(Self::Clean).chain(all).collect()
    }

    /// The family that a curve is drawn of, and the condition's place on its axis.
    pub fn axis(&self) -> (String, f64) {
        let name = self.to_string();
        match self {
            Self::Clean | Self::Disturbed(Disturbance::Shift(..)) => (name, 0.0),
            Self::Corrupted(_, severity) => {
                (name.split(':').next().unwrap_or_default().to_owned(), f64::from(severity.get()))
            }
            Self::Disturbed(_) | Self::Attacked(..) => {
                let (family, size) = name.split_once('=').unwrap_or((&name, "0"));
                (family.to_owned(), size.parse().unwrap_or(0.0))
            }
        }
    }

    /// The image after what needs no model; an attack leaves it as it is.
    ///
    /// *Determinism*: the seed and `index`, the query's number, decide every random choice.
    pub fn apply(&self, image: &Image, seed: u64, index: u64) -> Image {
        match self {
            Self::Clean | Self::Attacked(..) => image.clone(),
            Self::Disturbed(disturbance) => disturbance.apply(image, seed ^ SplitMix64::mix(!index)),
            Self::Corrupted(corruption, severity) => corruption.apply(image, *severity, seed, index),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::Disturbed(Disturbance::Brightness(factor)) => write!(f, "brightness={factor}"),
            Self::Disturbed(Disturbance::GaussianNorm(norm)) => write!(f, "noise={norm}"),
            Self::Disturbed(Disturbance::SaltAndPepper(share)) => write!(f, "saltpepper={share}"),
            Self::Disturbed(Disturbance::Shift(right, down)) => write!(f, "shift={right},{down}"),
            Self::Disturbed(Disturbance::Blur(deviation)) => write!(f, "blur={deviation}"),
            Self::Disturbed(Disturbance::Rotate(degrees)) => write!(f, "rotate={degrees}"),
            Self::Disturbed(other) => write!(f, "{other}"),
            Self::Corrupted(corruption, severity) => write!(f, "{corruption}:{}", severity.get()),
            Self::Attacked(aim, reach) => write!(f, "{}={reach}", aim.name()),
        }
    }
}

impl FromStr for Condition {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let unknown = || EvalError::Condition { found: text.to_owned() };
        if text == "clean" {
            return Ok(Self::Clean);
        }
        if let Some((kind, severity)) = text.split_once(':') {
            let severity = severity.parse().ok().and_then(Severity::new);
            let kind = kind.parse::<Corruption>().ok();
            return kind
                .zip(severity)
                .map(|(kind, severity)| Self::Corrupted(kind, severity))
                .ok_or_else(unknown);
        }
        let (kind, value) = text.split_once('=').ok_or_else(unknown)?;
        let size = || value.parse::<f32>().ok().filter(|size| size.is_finite() && *size >= 0.0);
        let disturbance = match kind {
            "brightness" => size().map(Disturbance::Brightness),
            "noise" => size().map(Disturbance::GaussianNorm),
            "saltpepper" => size().map(Disturbance::SaltAndPepper),
            "blur" => size().map(Disturbance::Blur),
            "rotate" => value.parse().ok().filter(|size: &f32| size.is_finite()).map(Disturbance::Rotate),
            "shift" => value
                .split_once(',')
                .and_then(|(right, down)| Some(Disturbance::Shift(right.parse().ok()?, down.parse().ok()?))),
            _ => {
                let aim = Aim::ALL.into_iter().find(|aim| aim.name() == kind).ok_or_else(unknown)?;
                return size().map(|reach| Self::Attacked(aim, reach)).ok_or_else(unknown);
            }
        };
        disturbance.map(Self::Disturbed).ok_or_else(unknown)
    }
}

stored_as_text!(Condition);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_read_as_it_is_written() {
        let all = [Condition::paper(), Condition::eleven(), Condition::corruptions()].concat();
        let attacked = Aim::ALL.map(|aim| Condition::Attacked(aim, 0.03));
        for condition in all.into_iter().chain(attacked) {
            assert_eq!(condition.to_string().parse::<Condition>().unwrap(), condition);
        }
        for wrong in ["", "dark", "brightness=", "brightness=-1", "noise=nan", "fog:0", "fog:6", "melt:1"] {
            let error = wrong.parse::<Condition>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("\"{wrong}\" is no condition")), "{error}");
        }
    }

    #[test]
    fn the_papers_conditions_cover_its_two_axes() {
        let names: Vec<String> = Condition::paper().iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), 15);
        assert_eq!([&names[0], &names[1], &names[9]], ["clean", "brightness=0.1", "brightness=0.9"]);
        assert_eq!([&names[10], &names[14]], ["noise=1", "noise=5"]);
        let (family, place) = Condition::paper()[3].axis();
        assert_eq!(family, "brightness");
        assert!((place - 0.3).abs() < 1e-9, "{place}");
    }
}
