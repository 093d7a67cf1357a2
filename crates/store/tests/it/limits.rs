use super::store::{
    MAX_BATCH_OPERATIONS, MAX_IMAGE_BYTES, NewExemplar, Refusal, TagValue, WriteBatch, WriteError,
};

use super::database::{create, open, place};
use super::sample::{bytes, exemplar, row, tagged, upserts};

fn refusal(new: NewExemplar) -> Refusal {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    // The good one before it must not be stored either.
    let refused = things.write(upserts(vec![exemplar("good", 1), new]));
    assert!(things.catalog().is_empty());
    assert_eq!(things.id_of("good").unwrap(), None);
    match refused {
        Err(WriteError::Refused { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_that_are_too_long_or_empty_are_refused() {
    let long = "ä".repeat(128);
    for new in [
        exemplar("", 1),
        exemplar(&long, 1),
        NewExemplar { label: Some(long.clone()), ..exemplar("a", 1) },
        NewExemplar { label: Some(String::new()), ..exemplar("a", 1) },
        NewExemplar { media_type: String::new(), ..exemplar("a", 1) },
        NewExemplar { image: Vec::new(), ..exemplar("a", 1) },
        NewExemplar { image: vec![0; MAX_IMAGE_BYTES + 1], ..exemplar("a", 1) },
        tagged("a", 1, &[("", 1.0.into())]),
        tagged("a", 1, &[(&long[..66], 1.0.into())]),
        tagged("a", 1, &[("t", long.as_str().into())]),
    ] {
        assert!(matches!(refusal(new), Refusal::Length { .. }));
    }
}

#[test]
fn numbers_and_shapes_that_cannot_be_are_refused() {
    let infinite = tagged("a", 1, &[("t", f64::INFINITY.into())]);
    assert!(matches!(refusal(infinite), Refusal::TagNotFinite { .. }));
    for (height, width, channels) in [(0, 1, 1), (1, 0, 3), (1, 1, 2)] {
        let new = NewExemplar { height, width, channels, ..exemplar("a", 1) };
        assert!(matches!(refusal(new), Refusal::Shape { .. }));
    }
}

#[test]
fn rows_must_fit_the_model() {
    let with = |rows: Vec<(&str, Vec<f32>)>| {
        let rows = rows.into_iter().map(|(view, row)| (view.to_owned(), row)).collect();
        refusal(NewExemplar { rows, ..exemplar("a", 1) })
    };
    assert_eq!(with(vec![]), Refusal::NoCleanRow);
    assert_eq!(with(vec![("blur", row(1))]), Refusal::NoCleanRow);
    assert!(matches!(with(vec![("clean", vec![1.0])]), Refusal::Dimension { found: 1, expected: 4, .. }));
    assert!(matches!(with(vec![("clean", row(1)), ("clean", row(1))]), Refusal::ViewTwice { .. }));
    let broken = with(vec![("clean", vec![0.0, f32::NAN, 0.0, 0.0])]);
    assert!(matches!(broken, Refusal::RowNotFinite { column: 1, .. }));
}

#[test]
fn tags_that_are_too_many_or_too_large_together_are_refused() {
    let many = |count: usize, text: &str| {
        let tags = (0..count).map(|n| (format!("{n:064}"), TagValue::from(text))).collect();
        NewExemplar { tags, ..exemplar("a", 1) }
    };
    assert!(matches!(refusal(many(65, "")), Refusal::TooManyTags { found: 65 }));
    assert!(matches!(refusal(many(64, &"x".repeat(255))), Refusal::DescriptionTooLarge { .. }));
    let (_folder, root) = place();
    let (store, things) = create(&root);
    let new = many(64, &"x".repeat(120));
    things.write(upserts(vec![new.clone()])).unwrap();
    drop((store, things));
    assert_eq!(open(&root).1.record(0).unwrap().unwrap().tags, new.tags);
}

#[test]
fn batches_that_are_too_large_are_refused() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    let deletes = vec!["a".to_owned(); MAX_BATCH_OPERATIONS + 1];
    let refused = things.write(WriteBatch { upserts: Vec::new(), deletes });
    assert!(matches!(refused, Err(WriteError::TooManyOperations { .. })));
    let large = NewExemplar { image: vec![1; MAX_IMAGE_BYTES], ..exemplar("a", 1) };
    let refused = things.write(upserts(vec![large; 4]));
    assert!(matches!(refused, Err(WriteError::TooManyBytes { .. })));
}

#[test]
fn the_largest_image_comes_back_whole() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    let image = bytes(3, MAX_IMAGE_BYTES);
    things.write(upserts(vec![NewExemplar { image: image.clone(), ..exemplar("a", 1) }])).unwrap();
    drop((store, things));
    // Opening refuses a tree that keeps values in files which are not synced with its log.
    let (_store, things) = open(&root);
    assert!(things.image(0).unwrap() == Some(image));
}
