use lookalike_plugin_api::{ParameterError, ParameterSpec, ParameterValue, Parameters};

use crate::parameter::{choice, count, number};
use crate::words::words;

/// Largest number of disturbed copies of a query.
pub const MAX_COPIES: usize = 64;

/// Largest number of directions that are looked in for a nearest change.
const MAX_DIRECTIONS: usize = 1024;

/// What becomes of the copies of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Per exemplar and view, the copy that is nearest to it counts.
    Best,
    /// The mean over the copies counts.
    Mean,
}

words!(Copies { Best => "best", Mean => "mean" });

const MEASURED: &[&str] = &["off", "measured"];

/// Settings of [`MultiViewReranker`](crate::MultiViewReranker). Every field is public and every number has a range, which
/// [`MultiViewConfig::validate`] checks and [`MultiViewConfig::schema`] lists.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiViewConfig {
    /// Disturbed copies of the query beside itself, 0..=[`MAX_COPIES`].
    pub disturbed_copies: usize,
    /// Which of them counts.
    pub copies: Copies,
    /// Whether the distance is measured at which the nearest exemplars first change, see
    /// [`measured_radius`](crate::measured_radius): many queries' worth of work.
    pub measures_radius: bool,
    /// Largest distance that is measured: Euclidean length over all pixel values of 0..=1, 1e-3..=1e3.
    pub radius: f64,
    /// Directions that are measured, 1..=1024.
    pub directions: usize,
}

/// What `lookalike eval tune` found best in the mean over MNIST, CIFAR-10, GTSRB and drawn glyphs, among 40 settings
/// (`crates/eval/reports/multiview.md`). The paper has no such ranking.
impl Default for MultiViewConfig {
    fn default() -> Self {
        Self {
            disturbed_copies: 32,
            copies: Copies::Best,
            measures_radius: false,
            radius: 1.0,
            directions: 8,
        }
    }
}

impl MultiViewConfig {
    /// The parameters that a request may give, with these settings as their defaults.
    pub fn schema(&self) -> Vec<ParameterSpec> {
        let copies = "whether the best or the mean of the query's disturbed copies counts";
        let certify = "whether the distance is measured at which the nearest exemplars first change";
        let radius = "largest distance that is measured, Euclidean over pixels of 0..1";
        let points = "directions that are measured";
        vec![
            count(
                "disturbed_copies",
                self.disturbed_copies,
                [0, MAX_COPIES],
                "disturbed copies of the query beside itself",
            ),
            choice("copies", self.copies.name(), Copies::NAMES, copies),
            choice("certify", MEASURED[usize::from(self.measures_radius)], MEASURED, certify),
            number("certificate_radius", self.radius, [1e-3, 1e3], radius),
            count("certificate_points", self.directions, [1, MAX_DIRECTIONS], points),
        ]
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    ///
    /// [`ParameterError::Value`] with the range for the first field outside it.
    pub fn validate(&self) -> Result<(), ParameterError> {
        self.schema().iter().try_for_each(|spec| spec.check(&spec.default))
    }

    /// These settings with the parameters of one request.
    ///
    /// # Errors
    ///
    /// [`ParameterError`] for an unknown name or a value outside its range.
    pub fn with_parameters(&self, parameters: &Parameters) -> Result<Self, ParameterError> {
        parameters.check(&self.schema())?;
        let mut config = self.clone();
        for (name, value) in &parameters.0 {
            match (name.as_str(), value) {
                #[expect(clippy::cast_sign_loss, reason = "the schema takes no negative number")]
                ("disturbed_copies", ParameterValue::Number(count)) => {
                    config.disturbed_copies = *count as usize;
                }
                #[expect(clippy::cast_sign_loss, reason = "the schema takes no negative number")]
                ("certificate_points", ParameterValue::Number(count)) => config.directions = *count as usize,
                ("certificate_radius", ParameterValue::Number(radius)) => config.radius = *radius,
                ("copies", ParameterValue::Text(word)) => {
                    config.copies = Copies::from_name(word).unwrap_or(config.copies);
                }
                ("certify", ParameterValue::Text(word)) => config.measures_radius = word == MEASURED[1],
                _ => {}
            }
        }
        Ok(config)
    }

    /// One line for people; `views` are those looked at, the clean one included.
    pub(super) fn summary(&self, views: usize) -> String {
        let own = match (self.disturbed_copies, self.copies) {
            (0, _) => "whitened cosine of the query".to_owned(),
            (1, Copies::Best) => {
                "whitened cosine of the query or a disturbed copy, whichever is nearer".to_owned()
            }
            (copies, Copies::Best) => {
                format!("whitened cosine of the query or the nearest of {copies} disturbed copies")
            }
            (1, Copies::Mean) => "mean whitened cosine of the query and a disturbed copy".to_owned(),
            (copies, Copies::Mean) => {
                format!("mean whitened cosine of the query and {copies} disturbed copies")
            }
        };
        if views == 1 { own } else { format!("{own}, summed over {views} views") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_reaches_its_field() {
        let other = MultiViewConfig {
            disturbed_copies: 3,
            copies: Copies::Mean,
            measures_radius: true,
            radius: 2.5,
            directions: 9,
        };
        let parameters =
            other.schema().into_iter().map(|spec| (spec.name.to_owned(), spec.default)).collect();
        assert_eq!(MultiViewConfig::default().with_parameters(&Parameters(parameters)).unwrap(), other);
        assert_eq!(other.validate(), Ok(()));
        let many = MultiViewConfig { disturbed_copies: 65, ..other };
        assert_eq!(
            many.validate().unwrap_err().to_string(),
            "parameter \"disturbed_copies\" is \"65\", it takes a whole number from 0 to 64"
        );
    }

    #[test]
    fn the_summary_says_what_runs() {
        let config = MultiViewConfig::default();
        assert_eq!(
            config.summary(3),
            "whitened cosine of the query or the nearest of 32 disturbed copies, summed over 3 views"
        );
        let plain = MultiViewConfig { disturbed_copies: 0, ..config };
        assert_eq!(plain.summary(1), "whitened cosine of the query");
        let mean = MultiViewConfig { disturbed_copies: 4, copies: Copies::Mean, ..plain };
        assert_eq!(mean.summary(1), "mean whitened cosine of the query and 4 disturbed copies");
    }
}
