//! Conditions that differ in strength only.

use lookalike_datasets::Disturbance;

use crate::condition::{Aim, Condition};
use crate::corruption::Corruption;

/// Conditions of one kind, by strength.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    /// What sentences and file names call it.
    pub(super) name: String,
    /// What curves write under their axis.
    pub(super) axis: String,
    /// Where the clean query lies on that axis.
    pub(super) clean: f64,
    /// The disturbed conditions: their places on the axis and in the experiment, by place on the axis.
    pub(super) places: Vec<(f64, usize)>,
    /// The kind, for the common corruptions.
    pub(super) corruption: Option<Corruption>,
}

impl Family {
    /// All families of an experiment's conditions but the clean one, in the order in which they appear.
    pub(super) fn all(conditions: &[Condition]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (at, condition) in conditions.iter().enumerate() {
            let Some((family, place)) = Self::of(condition) else { continue };
            match all.iter_mut().find(|known| known.name == family.name) {
                Some(known) => known.places.push((place, at)),
                None => all.push(Self { places: vec![(place, at)], ..family }),
            }
        }
        for family in &mut all {
            family.places.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        all
    }

    /// The conditions' places in the experiment.
    pub(super) fn conditions(&self) -> Vec<usize> {
        self.places.iter().map(|(_, at)| *at).collect()
    }

    fn of(condition: &Condition) -> Option<(Self, f64)> {
        let (name, place) = condition.axis();
        let family = |name: &str, axis: &str, clean: f64| Self {
            name: name.to_owned(),
            axis: axis.to_owned(),
            clean,
            places: Vec::new(),
            corruption: None,
        };
        let found = match condition {
            Condition::Clean => return None,
            Condition::Disturbed(Disturbance::Brightness(_)) => {
                (family("brightness", "brightness, as a factor (1 is the clean query)", 1.0), place)
            }
            Condition::Disturbed(Disturbance::GaussianNorm(_)) => (
                family("noise", "norm of the Gaussian noise, pixels 0 to 1 (0 is the clean query)", 0.0),
                place,
            ),
            Condition::Disturbed(Disturbance::SaltAndPepper(_)) => {
                (family("salt and pepper", "share of the pixels made black or white", 0.0), place)
            }
            Condition::Disturbed(Disturbance::Blur(_)) => {
                (family("blur", "deviation of the Gaussian blur, pixels", 0.0), place)
            }
            Condition::Disturbed(Disturbance::Rotate(_)) => {
                (family("rotation", "rotation, degrees", 0.0), place)
            }
            Condition::Disturbed(Disturbance::Shift(right, down)) => {
                let length = f64::from(*right).hypot(f64::from(*down));
                (family("shift", "length of the shift, pixels", 0.0), length)
            }
            Condition::Disturbed(_) => (family(&name, &name, 0.0), place),
            Condition::Corrupted(kind, _) => {
                let family = family(&format!("{kind} corruption"), "severity (0 is the clean query)", 0.0);
                (Self { corruption: Some(*kind), ..family }, place)
            }
            Condition::Attacked(aim, _) => {
                let title = match aim {
                    Aim::Features => "attack on the features",
                    Aim::Score => "attack on the score of the clean query's own class",
                };
                (family(title, "largest change of a pixel, 0 to 1", 0.0), place)
            }
        };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families(names: &[&str]) -> Vec<Family> {
        let conditions: Vec<Condition> = names.iter().map(|name| name.parse().unwrap()).collect();
        Family::all(&conditions)
    }

    #[test]
    fn strengths_of_a_kind_stand_together_by_strength() {
        let all = families(&["clean", "noise=5", "brightness=0.4", "noise=2.5", "shift=3,4"]);
        let names: Vec<&str> = all.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names, ["noise", "brightness", "shift"]);
        assert_eq!(all[0].places, [(2.5, 3), (5.0, 1)]);
        assert_eq!(all[1].conditions(), [2]);
        assert_eq!(all[2].places, [(5.0, 4)]);
    }

    #[test]
    fn dimming_is_not_the_brightness_corruption() {
        let all = families(&["clean", "brightness=0.4", "brightness:3"]);
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].name, "brightness corruption");
    }
}
