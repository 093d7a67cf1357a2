use std::time::Duration;

use lookalike_plugin_api::{CancelFlag, SplitMix64};
use rayon::ThreadPoolBuilder;

use super::*;
use crate::toy::{self, Toy};
use crate::{IngestItem, ItemImage, encode_png};

fn matrix(rows: &[&[f32]]) -> Matrix {
    let mut matrix = Matrix::new(rows[0].len());
    rows.iter().enumerate().for_each(|(id, row)| matrix.push(id as u32, row));
    matrix
}

fn all(matrix: &Matrix) -> RoaringBitmap {
    (0..matrix.len() as u32).collect()
}

fn ids(report: &DuplicateReport) -> Vec<(u32, u32)> {
    report.pairs.iter().map(|pair| (pair.first, pair.second)).collect()
}

/// Rows around a few centres, so that many pairs are near each other.
fn clustered(rows: usize, dimension: usize) -> Matrix {
    let mut random = SplitMix64::new(7);
    let mut matrix = Matrix::new(dimension);
    for id in 0..rows {
        let mut centre = SplitMix64::new((id % 97) as u64);
        let row: Vec<f32> = (0..dimension).map(|_| centre.unit() + 0.2 * random.unit()).collect();
        matrix.push(id as u32, &row);
    }
    matrix
}

#[test]
fn pairs_are_found_by_direction_and_connected_into_groups() {
    let rows =
        matrix(&[&[1.0, 0.0], &[0.0, 2.0], &[3.0, 0.0], &[0.0, 0.0], &[-1.0, 0.0], &[1.0, 0.1], &[0.0, 5.0]]);
    let report = compare_all(&rows, &all(&rows), 0.99, 10, &Budget::unlimited());
    assert_eq!(ids(&report), [(0, 2), (1, 6), (0, 5), (2, 5)]);
    let exact: Vec<bool> = report.pairs.iter().map(|pair| pair.similarity >= 1.0).collect();
    assert_eq!(exact, [true, true, false, false]);
    assert_eq!(report.groups, [vec![0, 2, 5], vec![1, 6]]);
    assert_eq!((report.found, report.compared), (4, 21));
    assert_eq!(report.completion, Completion::Complete);
}

#[test]
fn every_pair_is_found_that_a_plain_double_loop_finds() {
    let rows = clustered(1500, 48);
    let live: RoaringBitmap = (0..1500).filter(|id| id % 7 != 3).collect();
    let report = compare_all(&rows, &live, 0.97, usize::MAX, &Budget::unlimited());
    let cosine = |a: u32, b: u32| {
        let (a, b) = (rows.row(a).unwrap(), rows.row(b).unwrap());
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let mut expected = 0;
    for a in &live {
        for b in live.range(a + 1..) {
            expected += u64::from(cosine(a, b) >= 0.97);
        }
    }
    // A pair within a millionth of the threshold may fall on either side.
    assert!(report.found.abs_diff(expected) <= 2, "{} pairs, expected {expected}", report.found);
    assert!(expected > 1000);
    assert!(report.pairs.iter().all(|p| (f64::from(p.similarity) - cosine(p.first, p.second)).abs() < 2e-6));
    assert!(report.pairs.windows(2).all(|pair| by_similarity_is_ascending(&pair[0], &pair[1])));
}

fn by_similarity_is_ascending(a: &DuplicatePair, b: &DuplicatePair) -> bool {
    a.similarity > b.similarity || (a.similarity >= b.similarity && (a.first, a.second) < (b.first, b.second))
}

#[test]
fn equal_rows_have_a_similarity_of_one_wherever_they_lie() {
    let mut random = SplitMix64::new(3);
    let row: Vec<f32> = (0..512).map(|_| random.unit() * 9.0).collect();
    let mut rows = Matrix::new(512);
    (0..1400).for_each(|id| rows.push(id, &row));
    let report = compare_all(&rows, &all(&rows), 1.0, 3, &Budget::unlimited());
    assert_eq!(report.found, 1400 * 1399 / 2);
    assert_eq!(ids(&report), [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(report.groups.len(), 1);
    assert_eq!(report.groups[0].len(), 1400);
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let rows = clustered(2000, 64);
    let run = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| compare_all(&rows, &all(&rows), 0.96, 50, &Budget::unlimited()))
    };
    let one = run(1);
    assert_eq!(one.pairs.len(), 50);
    assert!(one.found > 50);
    assert_eq!(run(4), one);
    assert_eq!(run(7), one);
}

#[test]
fn a_budget_that_is_gone_gives_what_was_found_until_then() {
    let rows = clustered(600, 8);
    let cancel = CancelFlag::default();
    cancel.cancel();
    let budget = Budget::unlimited().with_cancel(cancel);
    let report = compare_all(&rows, &all(&rows), 0.5, 10, &budget);
    assert_eq!((report.completion, report.compared, report.found), (Completion::Cancelled, 0, 0));
    let late = Budget::unlimited().with_time_limit(Duration::ZERO);
    assert_eq!(compare_all(&rows, &all(&rows), 0.5, 10, &late).completion, Completion::Deadline);
}

#[test]
fn nothing_to_compare_is_an_empty_report() {
    let report = compare_all(&Matrix::new(3), &RoaringBitmap::new(), 0.5, 10, &Budget::unlimited());
    assert_eq!((report.found, report.compared, report.groups.len()), (0, 0, 0));
    let one = matrix(&[&[1.0, 2.0]]);
    assert_eq!(compare_all(&one, &all(&one), 0.0, 10, &Budget::unlimited()).found, 0);
}

#[test]
fn a_collection_tells_same_contents_from_similar_rows() {
    let folder = tempfile::tempdir().unwrap();
    let collection = toy::collection(folder.path(), "twins", &Toy::new(1));
    let item = |key: &str, number| IngestItem {
        image: ItemImage::Encoded(encode_png(&toy::image(number)).unwrap()),
        ..toy::item(key, number)
    };
    let items =
        [item("a", 0x0a0b_0c0d), item("b", 0x0a0b_0c0d), item("c", 0x0a0b_0c0e), item("d", 0xff00_0000)];
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    collection.delete(&["d".to_owned()]).unwrap();
    let report = collection.near_duplicates(0.9, 10, &Budget::unlimited()).unwrap();
    let pairs: Vec<_> = report.pairs.iter().map(|p| (p.first, p.second, p.same_content)).collect();
    assert_eq!(pairs, [(0, 1, true), (0, 2, false), (1, 2, false)]);
    for threshold in [f32::NAN, -0.1, 1.5] {
        let error = collection.near_duplicates(threshold, 1, &Budget::unlimited()).unwrap_err();
        assert!(matches!(error, DuplicatesError::Threshold { .. }));
    }
}
