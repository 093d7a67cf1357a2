use std::fs;

use super::*;
use crate::test_data::{all, first_error, gzip, pixels, real};

/// An IDX file of two-by-three images, or of labels when there is no shape.
fn idx(magic: u32, count: u32, shape: &[u32], content: &[u8]) -> Vec<u8> {
    let header = [magic, count].into_iter().chain(shape.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(content.iter().copied()).collect()
}

/// A folder with a test part of these two files.
fn folder(images: &[u8], labels: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t10k-images-idx3-ubyte"), images).unwrap();
    fs::write(folder.path().join("t10k-labels-idx1-ubyte"), labels).unwrap();
    folder
}

fn error(images: &[u8], labels: &[u8]) -> DatasetError {
    first_error(mnist(folder(images, labels).path(), Split::Test))
}

fn good_images() -> Vec<u8> {
    idx(IMAGES_MAGIC, 2, &[2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
}

fn good_labels() -> Vec<u8> {
    idx(LABELS_MAGIC, 2, &[], &[3, 9])
}

#[test]
fn plain_and_gzip_files_give_the_same_samples() {
    let plain = all(mnist(folder(&good_images(), &good_labels()).path(), Split::Test));
    assert_eq!(plain.len(), 2);
    assert_eq!(plain[1].key, "mnist/test/00001");
    assert_eq!(plain[1].label.as_deref(), Some("9"));
    assert_eq!(plain[1].tags, [("split".to_owned(), "test".to_owned())]);
    assert_eq!(pixels(&plain[1]), &Image::new(2, 3, 1, vec![7, 8, 9, 10, 11, 12]).unwrap());
    let packed = tempfile::tempdir().unwrap();
    fs::write(packed.path().join("t10k-images-idx3-ubyte.gz"), gzip(&good_images())).unwrap();
    fs::write(packed.path().join("t10k-labels.idx1-ubyte.gz"), gzip(&good_labels())).unwrap();
    assert_eq!(all(mnist(packed.path(), Split::Test)), plain);
}

#[test]
fn a_missing_part_is_named() {
    let found = first_error(mnist(folder(&good_images(), &good_labels()).path(), Split::All));
    assert!(found.to_string().contains("train-images-idx3-ubyte"), "{found}");
}

#[test]
fn swapped_files_are_told_by_their_magic() {
    let found = error(&good_labels(), &good_images());
    assert!(matches!(&found, DatasetError::Magic { found: LABELS_MAGIC, expected: IMAGES_MAGIC, .. }));
    assert!(found.to_string().contains("begins with 0x00000801, expected 0x00000803"), "{found}");
}

#[test]
fn differing_counts_are_refused() {
    let labels = idx(LABELS_MAGIC, 3, &[], &[1, 2, 3]);
    assert!(matches!(
        error(&good_images(), &labels),
        DatasetError::CountMismatch { images: 2, labels: 3, .. }
    ));
}

#[test]
fn a_count_that_lies_is_refused_before_anything_is_read() {
    let images = idx(IMAGES_MAGIC, u32::MAX, &[28, 28], &[0; 784]);
    let labels = idx(LABELS_MAGIC, u32::MAX, &[], &[1]);
    assert!(matches!(
        mnist(folder(&images, &labels).path(), Split::Test),
        Err(DatasetError::Truncated { found: 800, .. })
    ));
    let packed = folder(&gzip(&images), &gzip(&labels));
    let mut samples = mnist(packed.path(), Split::Test).unwrap();
    assert!(samples.next().unwrap().is_ok());
    assert!(matches!(samples.next(), Some(Err(DatasetError::Truncated { found: 800, expected: 1584, .. }))));
    assert!(samples.next().is_none());
}

#[test]
fn sides_outside_the_limit_are_refused() {
    for shape in [[0, 28], [28, 4097], [u32::MAX, u32::MAX]] {
        assert!(matches!(
            error(&idx(IMAGES_MAGIC, 2, &shape, &[]), &good_labels()),
            DatasetError::Shape { offset: 16, source: ImageError::Side { .. }, .. }
        ));
    }
}

#[test]
fn a_cut_file_is_named_with_the_byte() {
    let images = good_images();
    for length in 0..images.len() {
        let plain = error(&images[..length], &good_labels());
        assert!(matches!(plain, DatasetError::Truncated { .. }), "{length}: {plain}");
        let packed = error(&gzip(&images[..length]), &good_labels());
        assert!(matches!(packed, DatasetError::Truncated { found, .. } if found == length as u64));
    }
    let packed = gzip(&images);
    let found = error(&packed[..packed.len() - 12], &good_labels());
    assert!(matches!(found, DatasetError::Read { .. } | DatasetError::Truncated { .. }), "{found}");
}

#[test]
fn bytes_after_the_last_record_are_refused() {
    let mut images = good_images();
    images.push(0);
    assert!(matches!(error(&images, &good_labels()), DatasetError::Trailing { offset: 28, records: 2, .. }));
}

#[test]
fn a_wrong_label_is_named_and_the_next_sample_follows() {
    let labels = idx(LABELS_MAGIC, 2, &[], &[10, 4]);
    let folder = folder(&good_images(), &labels);
    let mut samples = mnist(folder.path(), Split::Test).unwrap();
    assert!(matches!(samples.next(), Some(Err(DatasetError::Label { offset: 8, found: 10, most: 9, .. }))));
    assert_eq!(samples.next().unwrap().unwrap().label.as_deref(), Some("4"));
    assert!(samples.next().is_none());
}

#[test]
fn the_official_files_are_read_whole() {
    let Some(folder) = real("mnist") else { return };
    let train = mnist(&folder, Split::Train).unwrap();
    assert_eq!(train.len_hint(), Some(60_000));
    let mut per_class = [0_u32; 10];
    for sample in train {
        let label = sample.unwrap().label.unwrap();
        per_class[label.parse::<usize>().unwrap()] += 1;
    }
    assert_eq!(per_class, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    let test = all(mnist(&folder, Split::Test));
    assert_eq!((test.len(), test[0].label.as_deref()), (10_000, Some("7")));
}
