use lookalike_plugin_api::{Artifact, Completion, ExemplarId, RerankError, order_by_score};
use lookalike_vision::Pixels;

use super::halt::Halt;
use super::{Method, QueryRun};
use crate::certificate::{MeasuredRadiusError, RadiusSearch, measured_radius};

/// The stage that makes what is shown beside the scores.
pub(crate) const EXPLAIN: &str = "explain";
/// Nearest exemplars whose change is looked for, and how finely, as a share of the largest distance.
const WATCHED: usize = 10;
const TOLERANCE: f64 = 1.0 / 64.0;

impl<M: Method> QueryRun<'_, M> {
    /// Runs the stage that explains. The scores are there already: a budget that ends leaves a note and no more.
    pub(crate) fn explained(
        &mut self,
        work: impl FnOnce(&mut Self, &mut u64) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        match self.timed(EXPLAIN, work) {
            Err(Halt::Spent(completion)) => {
                self.note(format!("the explanation was not finished ({completion:?})"));
                Ok(())
            }
            ended => ended,
        }
    }

    /// The distance, up to `most`, at which the nearest candidates change, each disturbed query answered by the whole
    /// method.
    pub(crate) fn measure(&mut self, most: f64, directions: usize) -> Result<(), Halt> {
        let search =
            RadiusSearch { k: WATCHED, directions, most, tolerance: most * TOLERANCE, seed: self.job.seed };
        let config = M::unexplained(self.config);
        let query = self.prepared();
        let found = measured_radius(&query, &search, self.budget, |moved| self.ranked(&config, moved));
        let found = found.map_err(|error| {
            if let MeasuredRadiusError::Rank(Unranked(error)) = error {
                Halt::Failed(error)
            } else {
                Halt::of_step(EXPLAIN, error)
            }
        })?;
        match found.radius {
            Some(value) => self.artifacts.push(Artifact::Number { name: "measured_radius", value }),
            None => self.note(format!(
                "the {WATCHED} nearest did not change up to a distance of {most} in {} directions",
                found.directions
            )),
        }
        finished(found.completion)
    }

    /// The candidates as the method ranks them for another query image.
    fn ranked(&self, config: &M::Config, query: &Pixels) -> Result<Vec<ExemplarId>, Unranked> {
        let mut run = self.again(config, query.clone());
        match run.run() {
            Ok(()) | Err(Halt::Spent(_)) => {}
            Err(Halt::Failed(error)) => return Err(Unranked(error)),
        }
        let mut order: Vec<(ExemplarId, f32)> = self.job.candidates.iter().copied().zip(run.scores).collect();
        order_by_score(&mut order);
        Ok(order.into_iter().map(|(id, _)| id).collect())
    }
}

/// Why a disturbed query has no ranking.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unranked(RerankError);

/// A step that the budget ended early ends its run.
pub(crate) fn finished(completion: Completion) -> Result<(), Halt> {
    if completion == Completion::Complete { Ok(()) } else { Err(Halt::Spent(completion)) }
}
