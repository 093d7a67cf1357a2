use std::error::Error;

use lookalike_plugin_api::Completion;
use lookalike_vision::{ModelError, Pixels};

/// Share of the best loss so far that an update must win to count as progress.
pub const FLAT_GAIN: f32 = 0.01;

/// What a search for a trigger found.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// The trigger, masked, in the shape of the images. Its values may leave 0..=1.
    pub pixels: Pixels,
    /// Loss before each update.
    pub trace: Vec<f32>,
    /// How the search ended. Stopping for patience is complete.
    pub completion: Completion,
}

/// Why there is no trigger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// The model failed.
    #[error("the model made no logits or no gradient")]
    Model(#[from] ModelError),
    /// Images, start and mask do not have one shape.
    #[error("{what} has shape {found:?}, the trigger has {expected:?} (channels, height, width)")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// Its channels, height and width.
        found: [usize; 3],
        /// Those of the start.
        expected: [usize; 3],
    },
    /// There is nothing to fit a trigger to.
    #[error("there is no image, a trigger needs at least one")]
    NoImage,
    /// Every query needs a start of its own.
    #[error("there are {found} starts for {expected} queries; give each query one")]
    Starts {
        /// Starts given.
        found: usize,
        /// Queries given.
        expected: usize,
    },
    /// The start is zero, where the loss has no value.
    #[error("the start of trigger {number} is zero everywhere it may change; start from other values")]
    Zero {
        /// The trigger's place among those searched for at once, from 0.
        number: usize,
    },
    /// Loss or trigger became NaN or infinite.
    #[error("trigger {number} is not finite after {updates} updates; lower the learning rate")]
    NotFinite {
        /// The trigger's place among those searched for at once, from 0.
        number: usize,
        /// Updates made until then.
        updates: usize,
    },
    /// A setting is outside its range.
    #[error("{what} is {found}, 1 to {most} are accepted")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        found: usize,
        /// The largest that is accepted.
        most: usize,
    },
    /// Whoever lends the images did not give them.
    #[error("the images for the trigger cannot be had")]
    Images(#[source] Box<dyn Error + Send + Sync>),
    /// Whoever lends the images gave another number of them.
    #[error("{found} images came for the trigger, {expected} were asked for")]
    Lent {
        /// Images that came.
        found: usize,
        /// Images asked for.
        expected: usize,
    },
}
