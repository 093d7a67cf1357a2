use crate::{GlyphSet, Sample, SampleImage, Samples};

/// The first `count` glyphs of a seed as samples: key `glyph/00042`, the class's name as label, and every latent
/// factor as a tag.
pub fn glyphs(seed: u64, count: u64) -> Samples {
    let set = GlyphSet::new(seed);
    let records = (0..count).map(move |index| {
        let glyph = set.glyph(index);
        let tags = glyph.factors.named().map(|(name, value, _)| (name.to_owned(), format!("{value:.4}")));
        Ok(Sample {
            key: format!("glyph/{index:05}"),
            image: SampleImage::Decoded(glyph.image),
            label: Some(glyph.name.to_owned()),
            tags: tags.to_vec(),
        })
    });
    Samples::new(records, Some(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glyph_samples_carry_label_and_factors() {
        let mut samples = glyphs(1, 30);
        assert_eq!(samples.len_hint(), Some(30));
        let sample = samples.nth(29).unwrap().unwrap();
        let glyph = GlyphSet::new(1).glyph(29);
        assert_eq!(sample.key, "glyph/00029");
        assert_eq!(sample.label.as_deref(), Some(glyph.name));
        assert_eq!(sample.image, SampleImage::Decoded(glyph.image));
        let width: f32 = sample.tags.iter().find(|tag| tag.0 == "stroke_width").unwrap().1.parse().unwrap();
        assert!((width - glyph.factors.stroke_width).abs() < 1e-4);
        assert!(samples.next().is_none());
    }
}
