//! Shortlists are exact, ordered, filtered, and agree with the reference.

use std::sync::Arc;

use lookalike_engine::{
    Database, Direction, Filter, IngestItem, ItemImage, Metric, Query, SearchError, StoreConfig, TagValue,
};
use lookalike_plugin_api::{Budget, Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image};
use proptest::prelude::*;
use safetensors::SafeTensors;

use crate::support::{collection_of, shared, strip};

fn keys(answer: &lookalike_engine::Answer) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.key.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Brute force in f64, with its own formula, must agree about every score.
    #[test]
    fn shortlists_equal_brute_force(
        rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 8), 1..40),
        query in prop::collection::vec(any::<u8>(), 8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let collection = collection_of(&folder.path().join("db"), &rows);
        for metric in [Metric::L2, Metric::Cosine] {
            let query = Query { hits: rows.len(), metric, ..Query::decoded(strip(&query)) };
            let answer = collection.search(&query).unwrap();
            prop_assert_eq!(answer.hits.len(), rows.len());
            let found: Vec<f32> = answer.hits.iter().map(|hit| hit.stages[0].score).collect();
            let in_order = found.windows(2).all(|pair| match metric.direction() {
                Direction::LargerIsNearer => pair[0] >= pair[1],
                Direction::SmallerIsNearer => pair[0] <= pair[1],
            });
            prop_assert!(in_order, "{found:?}");
            let lookalike_engine::QueryImage::Decoded(image) = &query.image else { unreachable!() };
            for hit in &answer.hits {
                let expected = by_hand(metric, image.samples(), &rows[hit.id as usize]);
                let score = f64::from(hit.stages[0].score);
                prop_assert!((score - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{score} {expected}");
            }
        }
    }
}

fn by_hand(metric: Metric, a: &[u8], b: &[u8]) -> f64 {
    let (a, b): (Vec<f64>, Vec<f64>) =
        (a.iter().copied().map(f64::from).collect(), b.iter().copied().map(f64::from).collect());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    match metric {
        Metric::L2 => a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        Metric::Cosine | Metric::Whitened => {
            let norms = (dot(&a, &a) * dot(&b, &b)).sqrt();
            if norms > 0.0 { dot(&a, &b) / norms } else { 0.0 }
        }
    }
}

#[test]
fn equal_scores_come_in_the_order_of_storing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vec![vec![9, 9], vec![1, 2], vec![1, 2], vec![1, 2]];
    let collection = collection_of(&folder.path().join("db"), &rows);
    let answer = collection.search(&Query { metric: Metric::L2, ..Query::decoded(strip(&[1, 2])) }).unwrap();
    assert_eq!(keys(&answer), ["row/00001", "row/00002", "row/00003", "row/00000"]);
    assert_eq!(answer.hits[0].stages[0].score, 0.0);
}

#[test]
fn a_filter_narrows_before_ranking_and_an_empty_result_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(
        &folder.path().join("db"),
        Arc::new(crate::support::Samples::new(2)),
        StoreConfig::default(),
    );
    let collection = database.unwrap().collection_or_create("main").unwrap();
    let items = (0..60_u8).map(|n| IngestItem {
        key: format!("k{n:02}"),
        image: ItemImage::Decoded(strip(&[n, 1])),
        label: (n % 3 != 2).then(|| format!("class {}", n % 3)),
        tags: [("n".to_owned(), TagValue::Number(f64::from(n)))].into(),
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    let search = |filter: &str| {
        let filter: Filter = filter.parse().unwrap();
        let query =
            Query { metric: Metric::L2, hits: 3, filter: Some(filter), ..Query::decoded(strip(&[30, 1])) };
        collection.search(&query).unwrap()
    };
    assert_eq!(keys(&search("label = \"class 1\"")), ["k31", "k28", "k34"]);
    assert_eq!(keys(&search("not has label and n < 30")), ["k29", "k26", "k23"]);
    assert_eq!(keys(&search("n in (1, 59) or n = 30")), ["k30", "k01", "k59"]);
    let nothing = search("label = absent");
    assert_eq!((nothing.hits.len(), nothing.matched), (0, 0));
}

#[test]
fn a_collection_too_small_to_whiten_answers_by_cosine_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection_of(&folder.path().join("db"), &[vec![1, 2, 3]]);
    let answer = collection.search(&Query::decoded(strip(&[1, 2, 3]))).unwrap();
    assert_eq!((answer.metric, answer.notes.len()), (Metric::Cosine, 1));
    assert_eq!(keys(&answer), ["row/00000"]);
}

#[test]
fn a_query_out_of_range_is_refused_with_the_range() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection_of(&folder.path().join("db"), &[vec![1, 2, 3]]);
    let error = collection.search(&Query { hits: 0, ..Query::decoded(strip(&[1, 2, 3])) }).unwrap_err();
    assert!(matches!(error, SearchError::Hits { found: 0 }), "{error}");
    let error = collection.search(&Query::encoded(b"no image".to_vec())).unwrap_err();
    assert!(matches!(error, SearchError::Decode(_)), "{error}");
}

/// Gives back stored rows by number: the image's first two samples.
struct Recorded {
    rows: FeatureRows,
    fingerprint: Fingerprint,
}

impl Embedder for Recorded {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        let number = |image: &Image| usize::from(image.samples()[0]) * 256 + usize::from(image.samples()[1]);
        let values = images.iter().flat_map(|image| self.rows.row(number(image)).to_vec()).collect();
        FeatureRows::new(self.rows.dimension(), values).map_err(EmbedError::new)
    }
}

#[test]
fn all_three_metrics_agree_with_the_reference() {
    let Some(path) = shared("golden/mnist-resnet18.safetensors") else { return };
    let bytes = std::fs::read(path).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let values = |name: &str| -> Vec<f32> {
        let data = golden.tensor(name).unwrap();
        data.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    let queries = ["self", "dim", "noisy", "test"];
    let mut rows = values("features");
    let exemplars = rows.len() / 512;
    queries.iter().for_each(|query| rows.extend(values(&format!("{query}.features"))));
    let fingerprint = Fingerprint {
        model: "recorded".to_owned(),
        weights: Digest([0; 32]),
        preprocessing: Digest([0; 32]),
        dimension: 512,
    };
    let recorded = Recorded { rows: FeatureRows::new(512, rows).unwrap(), fingerprint };
    let folder = tempfile::tempdir().unwrap();
    let database =
        Database::create(&folder.path().join("db"), Arc::new(recorded), StoreConfig::default()).unwrap();
    let collection = database.collection_or_create("main").unwrap();
    let numbered = |n: usize| strip(&[(n / 256) as u8, (n % 256) as u8]);
    let items = (0..exemplars).map(|n| crate::support::item(&format!("{n:04}"), numbered(n), None));
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();

    for (number, name) in queries.into_iter().enumerate() {
        let query_row = values(&format!("{name}.features"));
        for metric in Metric::ALL {
            let query = Query { hits: exemplars, metric, ..Query::decoded(numbered(exemplars + number)) };
            let answer = collection.search(&query).unwrap();
            let golden = values(&format!("{name}.{metric}"));
            let largest = golden.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            // 256 rows leave half of a 512 x 512 covariance to the shrinkage. Its inverse in f32, as the reference
            // takes it, is off by some thousandths; in f64 the formula is good to the last digits.
            let (exact, tolerance) = match metric {
                Metric::L2 | Metric::Cosine => (None, 1e-4),
                Metric::Whitened => (Some(whitened_by_hand(&values("features"), &query_row)), 1e-2),
            };
            for hit in &answer.hits {
                let (found, golden) = (hit.stages[0].score.abs(), golden[hit.id as usize].abs());
                assert!((found - golden).abs() <= tolerance * largest, "{name} {metric}: {found}, {golden}");
                if let Some(exact) = &exact {
                    let exact = exact[hit.id as usize];
                    assert!(
                        (f64::from(hit.stages[0].score) - exact).abs() <= 1e-4,
                        "{name}: {found}, {exact}"
                    );
                }
            }
        }
    }
}

/// Whitened cosine of each row with the query in plain f64 loops: with A = S + shrink mean(diag S) I and
/// A y = q - m, the numerator is (x - m) . y, and each norm is that of the forward-solved row.
fn whitened_by_hand(features: &[f32], query: &[f32]) -> Vec<f64> {
    let dimension = query.len();
    let rows: Vec<Vec<f64>> =
        features.chunks(dimension).map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect();
    let mean: Vec<f64> =
        (0..dimension).map(|j| rows.iter().map(|row| row[j]).sum::<f64>() / rows.len() as f64).collect();
    let centred = |row: &[f64]| -> Vec<f64> { row.iter().zip(&mean).map(|(v, m)| v - m).collect() };
    let mut lower = vec![vec![0.0; dimension]; dimension];
    for row in rows.iter().map(|row| centred(row)) {
        for (i, line) in lower.iter_mut().enumerate() {
            line.iter_mut().zip(&row).take(i + 1).for_each(|(sum, v)| *sum += row[i] * v);
        }
    }
    let scale = 1.0 / (rows.len() - 1) as f64;
    lower.iter_mut().flatten().for_each(|v| *v *= scale);
    let spread = (0..dimension).map(|i| lower[i][i]).sum::<f64>() / dimension as f64;
    (0..dimension).for_each(|i| lower[i][i] += lookalike_engine::SHRINK * spread);
    for i in 0..dimension {
        for j in 0..=i {
            let (above, this) = lower.split_at_mut(i);
            let known: f64 = {
                let other = if j == i { &this[0] } else { &above[j] };
                this[0][..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum()
            };
            let rest = this[0][j] - known;
            this[0][j] = if j == i { rest.sqrt() } else { rest / above[j][j] };
        }
    }
    let whitened = |row: &[f64]| -> Vec<f64> {
        let mut z: Vec<f64> = Vec::with_capacity(dimension);
        for (i, v) in centred(row).into_iter().enumerate() {
            let known: f64 = lower[i][..i].iter().zip(&z).map(|(l, z)| l * z).sum();
            z.push((v - known) / lower[i][i]);
        }
        let norm = z.iter().map(|v| v * v).sum::<f64>().sqrt();
        z.into_iter().map(|v| v / norm).collect()
    };
    let query = whitened(&query.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    rows.iter().map(|row| whitened(row).iter().zip(&query).map(|(a, b)| a * b).sum()).collect()
}
