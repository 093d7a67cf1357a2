use std::fs;

use super::*;
use crate::test_data::{all, first_error, gzip, pixels, real};

/// A record whose planes are filled with 10, 20 and 30.
fn record(labels: &[u8]) -> Vec<u8> {
    let planes = [10, 20, 30].into_iter().flat_map(|level| [level; PLANE]);
    labels.iter().copied().chain(planes).collect()
}

#[test]
fn planes_become_pixels_and_labels_words() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data_batch_2.bin"), [record(&[0]), record(&[9])].concat()).unwrap();
    fs::write(folder.path().join("data_batch_4.bin.gz"), gzip(&record(&[3]))).unwrap();
    let samples = cifar10(folder.path(), Split::Train).unwrap();
    assert_eq!(samples.len_hint(), Some(3));
    let samples = all(Ok(samples));
    let keys: Vec<_> = samples.iter().map(|s| (s.key.as_str(), s.label.as_deref().unwrap())).collect();
    let expected = [
        ("cifar10/train/2/00000", "airplane"),
        ("cifar10/train/2/00001", "truck"),
        ("cifar10/train/4/00000", "cat"),
    ];
    assert_eq!(keys, expected);
    assert_eq!(pixels(&samples[0]).samples()[..6], [10, 20, 30, 10, 20, 30]);
}

#[test]
fn the_coarse_class_becomes_a_tag() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("test.bin"), record(&[14, 98])).unwrap();
    let samples = all(cifar100(folder.path(), Split::Test));
    assert_eq!(samples[0].label.as_deref(), Some("woman"));
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(samples[0].tags, [tag("split", "test"), tag("coarse", "people")]);
}

#[test]
fn names_in_the_folder_replace_the_official_ones() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("test_batch.bin"), record(&[1])).unwrap();
    fs::write(folder.path().join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap();
    assert_eq!(all(cifar10(folder.path(), Split::Test))[0].label.as_deref(), Some("b"));
    fs::write(folder.path().join("batches.meta.txt"), "a\nb\n").unwrap();
    assert!(matches!(
        cifar10(folder.path(), Split::Test),
        Err(DatasetError::Names { found: 2, expected: 10, .. })
    ));
}

#[test]
fn a_file_that_ends_inside_a_record_is_named_with_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test_batch.bin");
    let content = [record(&[1]), record(&[2])].concat();
    for content in [&content[..4000], &gzip(&content[..4000])] {
        fs::write(&path, content).unwrap();
        let mut samples = cifar10(folder.path(), Split::Test).unwrap();
        assert!(samples.next().unwrap().is_ok());
        assert!(matches!(
            samples.next(),
            Some(Err(DatasetError::Truncated { found: 4000, expected: 6146, .. }))
        ));
        assert!(samples.next().is_none());
    }
    fs::write(&path, []).unwrap();
    let found = first_error(cifar10(folder.path(), Split::Test));
    assert!(matches!(found, DatasetError::Truncated { found: 0, expected: 3073, .. }));
}

#[test]
fn a_wrong_label_is_named_and_the_next_sample_follows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("test.bin"),
        [record(&[0, 100]), record(&[20, 0]), record(&[0, 0])].concat(),
    )
    .unwrap();
    let mut samples = cifar100(folder.path(), Split::Test).unwrap();
    assert!(matches!(samples.next(), Some(Err(DatasetError::Label { offset: 1, found: 100, most: 99, .. }))));
    assert!(matches!(
        samples.next(),
        Some(Err(DatasetError::Label { offset: 3074, found: 20, most: 19, .. }))
    ));
    assert_eq!(samples.next().unwrap().unwrap().label.as_deref(), Some("apple"));
    assert!(samples.next().is_none());
}

#[test]
fn a_folder_without_batches_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let found = first_error(cifar10(folder.path(), Split::All));
    assert!(found.to_string().contains("\"data_batch_1.bin\" or \"data_batch_1.bin.gz\""), "{found}");
}

#[test]
fn the_fine_names_are_the_official_hundred_in_order() {
    assert!(names::CIFAR100_FINE.is_sorted());
    assert!(names::CIFAR100_COARSE.is_sorted());
}

#[test]
fn the_shared_part_of_cifar10_is_read_whole() {
    let Some(folder) = real("cifar10") else { return };
    let samples = cifar10(&folder, Split::All).unwrap();
    assert_eq!(samples.len_hint(), Some(3_000));
    let samples = all(Ok(samples));
    assert_eq!(samples.len(), 3_000);
    let mut labels: Vec<_> = samples.iter().map(|sample| sample.label.as_deref().unwrap()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels, names::CIFAR10);
}
