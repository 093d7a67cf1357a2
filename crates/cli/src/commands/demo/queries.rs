//! What the demonstration asks: stored glyphs as they are, and other stored glyphs after a disturbance.

use lookalike_datasets::{Disturbance, GlyphSet};

use crate::source::Asked;

/// Disturbances of the queries, in turn: each kind as strong as a careless photograph or scan would make it.
const DISTURBANCES: [Disturbance; 10] = [
    Disturbance::Brightness(0.6),
    Disturbance::GaussianNorm(5.0),
    Disturbance::Rotate(10.0),
    Disturbance::Shift(1, -1),
    Disturbance::Blur(1.0),
    Disturbance::SaltAndPepper(0.05),
    Disturbance::Brightness(0.4),
    Disturbance::Rotate(-10.0),
    Disturbance::GaussianNorm(8.0),
    Disturbance::Shift(-2, 0),
];

/// One query with the index of the glyph that it was made from.
#[derive(Debug)]
pub(crate) struct GlyphQuery {
    pub(crate) index: u64,
    pub(crate) asked: Asked,
}

/// `queries` clean and as many disturbed glyphs of the first `count` of a set, spread evenly over it, none twice
/// where there are enough.
pub(crate) fn queries(set: GlyphSet, count: u64, queries: u64) -> [Vec<GlyphQuery>; 2] {
    let step = (count / (2 * queries)).max(1);
    let of_stored = |place: u64| {
        // Not an even step: classes come in rounds of a fixed length that an even one might repeat. What is added
        // stays below the step, so that no glyph is asked for twice.
        let index = (place * step + place % step.min(7)) % count;
        let glyph = set.glyph(index);
        (index, Asked::decoded(&key(index), Some(glyph.name.to_owned()), glyph.image))
    };
    let clean = (0..queries).map(|place| {
        let (index, asked) = of_stored(2 * place);
        GlyphQuery { index, asked }
    });
    let disturbed = (0..queries).map(|place| {
        let (index, asked) = of_stored(2 * place + 1);
        let disturbance = DISTURBANCES[(place % DISTURBANCES.len() as u64) as usize];
        GlyphQuery { index, asked: asked.disturbed(&[disturbance], place) }
    });
    [clean.collect(), disturbed.collect()]
}

/// The key under which a glyph is stored, as [`lookalike_datasets::glyphs`] makes it.
pub(crate) fn key(index: u64) -> String {
    format!("glyph/{index:05}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_queries_are_stored_glyphs_and_disturbed_ones_keep_their_original() {
        let set = GlyphSet::new(1);
        let [clean, disturbed] = queries(set, 120, 10);
        for query in &clean {
            assert_eq!(query.asked.image, set.glyph(query.index).image);
            assert_eq!(query.asked.original, None);
        }
        for query in &disturbed {
            assert_eq!(query.asked.original, Some(set.glyph(query.index).image));
            assert_ne!(query.asked.original.as_ref(), Some(&query.asked.image));
        }
        let mut indices: Vec<u64> = clean.iter().chain(&disturbed).map(|query| query.index).collect();
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), 20);
    }

    #[test]
    fn keys_are_those_of_the_stored_samples() {
        let sample = lookalike_datasets::glyphs(1, 43).nth(42).unwrap().unwrap();
        assert_eq!(sample.key, key(42));
    }
}
