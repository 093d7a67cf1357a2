use datasets::{Glyph, GlyphFactors};

use crate::measure::MeasureError;

/// How far the neighbours of a glyph lie from it in what made it: a judge that needs no model and no person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatentDistance {
    /// The mean over all neighbours, where one of another class counts as 1, the opposite end of every range.
    pub mean: f64,
    /// The mean over the neighbours of the query's class; `None` when there are none.
    pub in_class: Option<f64>,
    /// The share of neighbours of the query's class.
    pub class_share: f64,
}

/// The distance of the first `k` neighbours, best first, from `query` in the latent factors, by
/// [`GlyphFactors::distance`]: the root of the mean squared difference over the factors, each in units of its range.
///
/// A neighbour is a class and its factors, as in [`Glyph`].
///
/// # Errors
///
/// [`MeasureError::CutOff`] when `k` is 0 or there are fewer neighbours.
pub fn latent_distance(
    query: &Glyph,
    neighbours: &[(usize, GlyphFactors)],
    k: usize,
) -> Result<LatentDistance, MeasureError> {
    if k == 0 || k > neighbours.len() {
        return Err(MeasureError::CutOff { found: k, most: neighbours.len() });
    }
    let in_class: Vec<f64> = neighbours[..k]
        .iter()
        .filter(|(class, _)| *class == query.class)
        .map(|(_, factors)| f64::from(query.factors.distance(factors)))
        .collect();
    let sum: f64 = in_class.iter().sum();
    Ok(LatentDistance {
        mean: (sum + (k - in_class.len()) as f64) / k as f64,
        in_class: (!in_class.is_empty()).then(|| sum / in_class.len() as f64),
        class_share: in_class.len() as f64 / k as f64,
    })
}

#[cfg(test)]
mod tests {
    use datasets::GlyphSet;

    use super::*;

    #[test]
    fn neighbours_of_another_class_count_as_opposite() {
        let query = GlyphSet::new(1).glyph(0);
        let mut turned = query.factors;
        // Half of one of eight ranges: sqrt((1/2)^2 / 8).
        turned.rotation += if turned.rotation > 0.0 { -15.0 } else { 15.0 };
        let neighbours =
            [(query.class, turned), (query.class + 1, query.factors), (query.class, query.factors)];
        let one = latent_distance(&query, &neighbours, 1).unwrap();
        assert!((one.mean - 0.176_776_7).abs() < 1e-6, "{one:?}");
        let three = latent_distance(&query, &neighbours, 3).unwrap();
        assert!((three.mean - 1.176_776_7 / 3.0).abs() < 1e-6, "{three:?}");
        assert!((three.in_class.unwrap() - 0.176_776_7 / 2.0).abs() < 1e-6, "{three:?}");
        assert!((three.class_share - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_neighbour_of_the_class_only_the_mean_is_known() {
        let query = GlyphSet::new(1).glyph(0);
        let other = [(query.class + 1, query.factors)];
        let found = latent_distance(&query, &other, 1).unwrap();
        assert_eq!(found, LatentDistance { mean: 1.0, in_class: None, class_share: 0.0 });
        assert!(latent_distance(&query, &other, 2).is_err());
    }
}
