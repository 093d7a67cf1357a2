use crate::ranking::arithmetic::{check, dot, unit};
use crate::ranking::{Cosine, Ranking, RankingError, best_first};

/// Alpha query expansion (Radenovic, Tolias and Chum 2018, section 3.5): the query is replaced by the weighted sum of
/// itself and its nearest exemplars, `q + sum over the n nearest x of max(q x, 0)^alpha x`, all of unit length, and
/// the sum brought to unit length. The exemplars are then ranked anew by cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlphaExpansion {
    /// Exemplars that are added, n.
    pub neighbours: usize,
    /// Power of the cosine, 0 at least; 0 weighs all alike (average query expansion).
    pub alpha: f64,
}

/// 10 neighbours; alpha 3, the paper's.
impl Default for AlphaExpansion {
    fn default() -> Self {
        Self { neighbours: 10, alpha: 3.0 }
    }
}

impl AlphaExpansion {
    /// The expanded query, of unit length.
    ///
    /// # Errors
    ///
    /// [`RankingError`] when the query has another dimension than the rows or is not finite, and when alpha is
    /// negative.
    pub fn expand(&self, query: &[f32], exemplars: &Cosine) -> Result<Vec<f32>, RankingError> {
        let rows = exemplars.rows();
        check(query, rows.dimension())?;
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            let (name, range) = ("alpha", "finite, 0 at least");
            return Err(RankingError::Setting { name, found: self.alpha, range });
        }
        let query = unit(query);
        let scores = exemplars.scores(&query)?;
        let mut sum: Vec<f64> = query.iter().map(|value| f64::from(*value)).collect();
        for id in best_first(&scores).into_iter().take(self.neighbours) {
            let neighbour = rows.row(id as usize);
            let cosine = dot(neighbour, &query);
            if cosine > 0.0 {
                let weight = cosine.powf(self.alpha);
                sum.iter_mut().zip(neighbour).for_each(|(sum, value)| *sum += weight * f64::from(*value));
            }
        }
        let sum: Vec<f32> = sum.into_iter().map(|value| value as f32).collect();
        Ok(unit(&sum))
    }
}

#[cfg(test)]
mod tests {
    use lookalike_plugin_api::FeatureRows;

    use super::*;

    #[test]
    fn the_query_moves_towards_its_nearest_exemplars() {
        let exemplars = Cosine::new(&FeatureRows::new(2, vec![6.0, 8.0, 0.0, 1.0, -1.0, 0.0]).unwrap());
        let expanded = AlphaExpansion { neighbours: 1, alpha: 2.0 }.expand(&[5.0, 0.0], &exemplars).unwrap();
        // (1, 0) + 0.6^2 (0.6, 0.8) = (1.216, 0.288), of length 1.249640.
        assert!((expanded[0] - 1.216 / 1.249_64).abs() < 1e-5, "{expanded:?}");
        assert!((expanded[1] - 0.288 / 1.249_64).abs() < 1e-5, "{expanded:?}");
    }

    #[test]
    fn exemplars_at_a_right_angle_or_beyond_add_nothing() {
        let exemplars = Cosine::new(&FeatureRows::new(2, vec![0.0, 1.0, -1.0, 0.0]).unwrap());
        let expanded = AlphaExpansion { neighbours: 9, alpha: 0.0 }.expand(&[2.0, 0.0], &exemplars).unwrap();
        assert_eq!(expanded, [1.0, 0.0]);
        let error = AlphaExpansion { neighbours: 1, alpha: -1.0 }.expand(&[2.0, 0.0], &exemplars);
        assert!(matches!(error, Err(RankingError::Setting { name: "alpha", .. })));
    }
}
