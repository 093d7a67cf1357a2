use crate::subject::Known;

/// Mean distance of drawn images from a drawn one in what made them, by
/// [`GlyphFactors::distance`](lookalike_datasets::GlyphFactors::distance): the root of the mean squared difference over the
/// factors, each in units of its range. One of another class counts as 1, the opposite end of every range; so does one
/// that was not drawn. `None` if the first was not drawn.
///
/// A judge that needs no model and no person.
pub fn mean_latent_distance<'a>(
    query: &Known,
    neighbours: impl ExactSizeIterator<Item = &'a Known>,
) -> Option<f64> {
    let factors = query.factors.as_ref()?;
    let count = neighbours.len().max(1) as f64;
    let distance = |other: &Known| match &other.factors {
        Some(of_other) if other.label == query.label => f64::from(factors.distance(of_other)),
        _ => 1.0,
    };
    Some(neighbours.map(distance).sum::<f64>() / count)
}

#[cfg(test)]
mod tests {
    use lookalike_datasets::GlyphSet;

    use super::*;

    #[test]
    fn neighbours_of_another_class_count_as_opposite() {
        let glyph = GlyphSet::new(1).glyph(0);
        let known = |label: &str, factors| Known {
            image: glyph.image.clone(),
            label: Some(label.to_owned()),
            factors: Some(factors),
        };
        let mut turned = glyph.factors;
        // Half of one of eight ranges: sqrt((1/2)^2 / 8).
        turned.rotation += if turned.rotation > 0.0 { -15.0 } else { 15.0 };
        let query = known("ring", glyph.factors);
        let neighbours = [known("ring", turned), known("cross", glyph.factors), known("ring", glyph.factors)];
        let one = mean_latent_distance(&query, neighbours[..1].iter()).unwrap();
        assert!((one - 0.176_776_7).abs() < 1e-6, "{one}");
        let three = mean_latent_distance(&query, neighbours.iter()).unwrap();
        assert!((three - 1.176_776_7 / 3.0).abs() < 1e-6, "{three}");

        let photograph = Known { factors: None, ..query.clone() };
        assert_eq!(mean_latent_distance(&query, [&photograph].into_iter()), Some(1.0));
        assert_eq!(mean_latent_distance(&photograph, neighbours.iter()), None);
    }
}
