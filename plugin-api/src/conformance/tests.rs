mod embedder;
mod reranker;

use super::{MemoryError, MemoryExemplar, MemorySource};
use crate::{ExemplarSource, FeatureRows, Image, SourceError, View};

fn images() -> Vec<Image> {
    let image = |height: usize, width: usize, step: usize| {
        let samples = (0..height * width).map(|i| (i * step % 251) as u8).collect();
        Image::new(height, width, 1, samples).unwrap()
    };
    vec![image(4, 4, 3), image(2, 7, 50), image(5, 3, 111), image(4, 4, 29), image(1, 9, 77)]
}

fn moments(image: &Image) -> [f32; 2] {
    let n = image.samples().len() as f32;
    let mean = image.samples().iter().map(|&v| f32::from(v)).sum::<f32>() / n;
    let spread = image.samples().iter().map(|&v| (f32::from(v) - mean).powi(2)).sum::<f32>() / n;
    [mean, spread.sqrt()]
}

fn source() -> MemorySource {
    let labels = [Some("a"), Some("b"), None, Some("a"), Some("a")];
    let exemplars: Vec<MemoryExemplar> = images()
        .into_iter()
        .zip(labels)
        .map(|(image, label)| MemoryExemplar { image, label: label.map(str::to_owned) })
        .collect();
    let rows = FeatureRows::new(2, images().iter().flat_map(moments).collect()).unwrap();
    MemorySource::new(exemplars, rows).unwrap()
}

#[test]
fn the_memory_source_answers_in_the_order_asked_for() {
    let source = source();
    let rows = source.rows(View::CLEAN, &[4, 0]).unwrap();
    assert_eq!(rows.row(0), moments(&images()[4]));
    assert_eq!(source.images(&[2, 1]).unwrap(), [images()[2].clone(), images()[1].clone()]);
    assert_eq!(source.labels(&[1, 2, 0]).unwrap(), [Some(1), None, Some(0)]);
    assert_eq!((source.label_name(1), source.label_name(2)), (Some("b"), None));
    assert!(matches!(source.images(&[5]), Err(SourceError::Missing { id: 5 })));
    assert!(matches!(source.rows("other", &[0]), Err(SourceError::View { .. })));
}

#[test]
fn the_background_is_spread_over_the_labels() {
    let source = source();
    for seed in 0..20 {
        let three = source.background(3, seed);
        let mut labels = source.labels(&three).unwrap();
        labels.sort_unstable();
        assert_eq!(labels, [None, Some(0), Some(1)]);
        assert!(three.is_sorted());
        assert_eq!(three, source.background(3, seed));
    }
    assert_eq!(source.background(99, 1), source.ids());
    assert!(source.background(0, 1).is_empty());
}

#[test]
fn a_memory_source_refuses_rows_that_do_not_fit() {
    assert_eq!(
        MemorySource::new(vec![], FeatureRows::new(1, vec![0.0]).unwrap()).unwrap_err(),
        MemoryError::RowCount { found: 1, exemplars: 0 }
    );
    assert!(matches!(
        source().whiten(View::CLEAN, &FeatureRows::empty(3)),
        Err(SourceError::Dimension { found: 3, expected: 2 })
    ));
    let empty = MemorySource::new(vec![], FeatureRows::empty(2)).unwrap();
    assert!(matches!(
        empty.whiten(View::CLEAN, &FeatureRows::empty(2)),
        Err(SourceError::Whitening { rows: 0 })
    ));
}
