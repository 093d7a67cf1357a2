use lookalike_plugin_api::{ExemplarId, StageScores, order_by_score};

use super::TmmReranker;
use crate::run::QueryRun;
use crate::run::halt::Halt;

impl QueryRun<'_, TmmReranker> {
    /// The stored views for all candidates, then the network for the best of them.
    pub(crate) fn cascade(&mut self, scores: &mut Vec<f32>) -> Result<(), Halt> {
        self.shared(scores)?;
        let mut order: Vec<(ExemplarId, f32)> =
            self.job.candidates.iter().copied().zip(scores.iter().copied()).collect();
        self.stages.push(StageScores { stage: "shared", scores: order.clone() });
        order_by_score(&mut order);
        let best: Vec<ExemplarId> = order.iter().take(self.config.cascade).map(|(id, _)| *id).collect();
        let mut exact = Vec::with_capacity(best.len());
        match self.exact(&best, &mut exact) {
            Ok(()) => {}
            Err(Halt::Spent(completion)) if !exact.is_empty() => {
                // Every candidate has a score, and what the second pass reached counts.
                let (done, of) = (exact.len(), best.len());
                self.note(format!("the exact stage scored {done} of {of} candidates ({completion:?})"));
            }
            Err(Halt::Spent(completion)) => {
                self.note(format!("the exact stage did not get to its scores ({completion:?})"));
                return Ok(());
            }
            Err(failed) => return Err(failed),
        }
        let exact: Vec<(ExemplarId, f32)> = best.into_iter().zip(exact).collect();
        place_above(self.job.candidates, scores, &exact);
        self.stages.push(StageScores { stage: "exact", scores: exact });
        Ok(())
    }
}

/// Puts candidates with another score in front of all others, whose order stays: these move below the least of the
/// new scores, in steps that keep them apart.
fn place_above(candidates: &[ExemplarId], scores: &mut [f32], above: &[(ExemplarId, f32)]) {
    let new: std::collections::HashMap<ExemplarId, f32> = above.iter().copied().collect();
    let least = above.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min);
    let mut rest: Vec<(ExemplarId, f32)> = candidates
        .iter()
        .copied()
        .zip(scores.iter().copied())
        .filter(|(id, _)| !new.contains_key(id))
        .collect();
    order_by_score(&mut rest);
    // Equal scores stay equal, so that their ids go on deciding.
    let (mut below, mut last) = (least, None);
    let mut moved = std::collections::HashMap::with_capacity(rest.len());
    for (id, score) in rest {
        if last != Some(score) {
            below = below.next_down();
            last = Some(score);
        }
        moved.insert(id, below);
    }
    for (id, score) in candidates.iter().zip(scores) {
        *score = new.get(id).or_else(|| moved.get(id)).copied().unwrap_or(*score);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_scores_come_first_and_the_rest_keeps_its_order_and_its_ties() {
        let candidates = [3, 1, 9, 4, 7];
        let mut scores = [5.0, 4.0, 4.0, 9.0, 1e9];
        place_above(&candidates, &mut scores, &[(4, -20.0), (7, -30.0)]);
        let mut order: Vec<_> = candidates.into_iter().zip(scores).collect();
        order_by_score(&mut order);
        assert_eq!(order.iter().map(|entry| entry.0).collect::<Vec<_>>(), [4, 7, 3, 1, 9]);
        assert_eq!(scores[1].to_bits(), scores[2].to_bits());
        assert!(scores[0] < -30.0);
    }
}
