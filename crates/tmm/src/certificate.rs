//! How far a query may move before its answer changes: a bound estimated from gradients, and a radius measured.

mod direction;
mod measured;

use lookalike_plugin_api::{Budget, Completion};
use lookalike_vision::{Model, ModelError, Pixels};

use crate::logit_map::{LogitMap, LogitMapError};
use crate::margin::margin;
use crate::random::{Stream, seeded};
use crate::score::DimensionError;
use direction::{direction, moved};

pub use measured::{MeasuredRadius, MeasuredRadiusError, RadiusSearch, measured_radius};

/// Points in one look at the budget: each is two network inputs, see the like number of the heat map.
const POINTS_AT_ONCE: usize = 2;

/// Where [`certify`] looks at gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CertificateSearch {
    /// Radius of the ball around the triggered query: Euclidean length over all pixel values (0..=1 each) and
    /// channels, finite and above 0. For a query of 784 pixels, noise of deviation 0.1 has length 2.8.
    pub radius: f64,
    /// Points of the ball to look at, at least 1; the first is the triggered query itself.
    pub points: usize,
    /// The seed that the points come from.
    pub seed: u64,
}

/// What is known of how far a triggered query may move without leaving the dummy class (equation 7 and lemma 2 of the
/// paper, which names no norm: here it is the Euclidean length of the change of the network's input).
///
/// The bound is an **estimate**, no proof: the Lipschitz constant is the steepest gradient of a sample of points,
/// which is at most the true one, so the true bound is at most this one. It speaks of one fine-tuned head and of
/// pixels that carry the trigger already. That the top k stays while the query stays in the dummy class is the
/// paper's lemma 1, which assumes that the trigger leaves every other exemplar's logits alone; and a search for the
/// changed query fine-tunes its head anew, which no lemma speaks of. The top k can therefore change below the bound:
/// [`measured_radius`] shows where it does.
///
/// A blend that keeps only a share of the image turns a change of the query of length r into one of that share of r:
/// divide by the share for the length on the clean query.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// `gamma_2`, equation 7: the dummy logit minus the largest other logit at the triggered query.
    pub margin: f32,
    /// The largest length of the gradient, with respect to the pixels, of the dummy logit or of the strongest other
    /// logit, over the points looked at: logits per unit of Euclidean length. `None` when no point was looked at.
    pub lipschitz_estimate: Option<f64>,
    /// Radius of the ball that the points were drawn from.
    pub radius: f64,
    /// Points looked at; fewer than asked for when the budget ran out.
    pub points: usize,
    /// How the work ended.
    pub completion: Completion,
}

impl Certificate {
    /// `gamma_2 / (2 L)`, with the estimate for L: below this length no change should take the query out of the dummy
    /// class. Gradients beyond [`Certificate::radius`] were not looked at, so a larger bound says no more than that
    /// radius.
    ///
    /// `None` when there is no bound: the query is not in the dummy class (the margin is not above 0), no point was
    /// looked at, or every gradient was zero.
    pub fn bound_estimate(&self) -> Option<f64> {
        let steepest = self.lipschitz_estimate.filter(|steepest| *steepest > 0.0)?;
        let bound = f64::from(self.margin) / (2.0 * steepest);
        (bound > 0.0 && bound.is_finite()).then_some(bound)
    }
}

/// Why there is no [`Certificate`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The radius is no length.
    #[error("radius of the certificate is {found}, a finite number above 0 was expected")]
    Radius {
        /// The radius given.
        found: f64,
    },
    /// No point is asked for.
    #[error("the certificate looks at 0 points, at least 1 is needed")]
    Points,
    /// The model failed.
    #[error("the model made no features or no gradient")]
    Model(#[from] ModelError),
    /// Head and model do not fit together, or a logit is not finite.
    #[error("the head made no logits of the triggered query")]
    Logits(#[from] LogitMapError),
    /// The head is not for the features of this model.
    #[error(transparent)]
    Dimension(#[from] DimensionError),
}

/// The margin of a triggered query and an estimate of how far it may move.
///
/// `triggered` is the query as the network sees it, with the trigger; `map` leads from its features to the logits of
/// the fine-tuned head. Looks at gradients at the query itself and at seeded points of the ball around it, in random
/// directions and at distances uniform in 0 to the radius: points uniform by volume would in hundreds of dimensions
/// nearly all lie on the surface. Pixels are not clamped.
///
/// Of all logits only two matter: the dummy logit and the largest other, whose gradient at a point is that of the
/// strongest other class there.
///
/// A point is a step of the budget. *Determinism*: the points come from the seed alone, gradients as the model's; the
/// points of a shorter search are the first of a longer one.
///
/// # Errors
///
/// [`CertificateError`] when the search asks for nothing, shapes do not fit together, or the model fails.
pub fn certify(
    model: &Model,
    map: &LogitMap,
    triggered: &Pixels,
    search: &CertificateSearch,
    budget: &Budget,
) -> Result<Certificate, CertificateError> {
    search.validate()?;
    let features = model.features(std::slice::from_ref(triggered))?;
    let margin = margin(map.head(), &map.head_rows(&features)?)?[0];
    let steepest = steepest(triggered, search, budget, |points| steepness(model, map, points))?;
    Ok(Certificate {
        margin,
        lipschitz_estimate: (steepest.points > 0).then_some(steepest.length),
        radius: search.radius,
        points: steepest.points,
        completion: steepest.completion,
    })
}

impl CertificateSearch {
    fn validate(&self) -> Result<(), CertificateError> {
        if !self.radius.is_finite() || self.radius <= 0.0 {
            return Err(CertificateError::Radius { found: self.radius });
        }
        if self.points == 0 {
            return Err(CertificateError::Points);
        }
        Ok(())
    }
}

/// The steepest gradient found, and where looking ended.
struct Steepest {
    length: f64,
    points: usize,
    completion: Completion,
}

/// The largest length among the gradients that `gradients` gives for points of the ball, any number for each point.
fn steepest(
    centre: &Pixels,
    search: &CertificateSearch,
    budget: &Budget,
    mut gradients: impl FnMut(&[Pixels]) -> Result<Vec<Pixels>, ModelError>,
) -> Result<Steepest, ModelError> {
    let mut random = seeded(search.seed, Stream::Ball);
    let mut found = Steepest { length: 0.0, points: 0, completion: Completion::Complete };
    while found.points < search.points {
        let at_once = POINTS_AT_ONCE.min(search.points - found.points);
        if let Some(reason) = budget.spend(at_once as u64) {
            found.completion = reason;
            break;
        }
        let point = |number: usize| {
            if number == 0 {
                return centre.clone();
            }
            let towards = direction(&mut random, centre.values().len());
            moved(centre, &towards, search.radius * f64::from(random.unit()))
        };
        let points: Vec<Pixels> = (found.points..found.points + at_once).map(point).collect();
        for gradient in gradients(&points)? {
            let square: f64 = gradient.values().iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            found.length = found.length.max(square.sqrt());
        }
        found.points += at_once;
    }
    Ok(found)
}

/// Gradients of the dummy logit and of the strongest other logit with respect to the pixels of each point.
fn steepness(model: &Model, map: &LogitMap, points: &[Pixels]) -> Result<Vec<Pixels>, ModelError> {
    let twice: Vec<Pixels> = points.iter().chain(points).cloned().collect();
    let (_, gradients) = model.feature_pullback(&twice, &mut |features| {
        let mut row = 0;
        map.pulled(features.rows(), |logits, cotangent| {
            let dummy = logits.len() - 1;
            let wanted = if row < points.len() { dummy } else { strongest(&logits[..dummy]) };
            if let Some(slope) = cotangent.get_mut(wanted) {
                *slope = 1.0;
            }
            row += 1;
        })
    })?;
    Ok(gradients)
}

/// The first of the largest.
fn strongest(logits: &[f32]) -> usize {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests;
