use lookalike_plugin_api::View;

use super::*;
use crate::Collection;
use crate::toy::{self, Toy, ToyViews};

fn snapshot(collection: &Collection) -> Snapshot {
    collection.snapshot(&Budget::unlimited())
}

fn collection(folder: &std::path::Path) -> Collection {
    let views = Arc::new(ToyViews::new("toy", &[("dim", 1), ("dark", 2)]));
    toy::with_rerankers(folder, &Toy::new(1), &[views]).unwrap()
}

/// A source that leaves projecting to the contract's own implementation.
struct Plain<'a>(&'a Snapshot);

impl ExemplarSource for Plain<'_> {
    fn images(&self, ids: &[ExemplarId]) -> Result<Vec<Image>, SourceError> {
        self.0.images(ids)
    }

    fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, SourceError> {
        self.0.rows(view, ids)
    }

    fn labels(&self, ids: &[ExemplarId]) -> Result<Vec<Option<LabelId>>, SourceError> {
        self.0.labels(ids)
    }

    fn label_name(&self, label: LabelId) -> Option<&str> {
        self.0.label_name(label)
    }

    fn background(&self, size: usize, seed: u64) -> Vec<ExemplarId> {
        self.0.background(size, seed)
    }

    fn whiten(&self, view: &str, rows: &FeatureRows) -> Result<FeatureRows, SourceError> {
        self.0.whiten(view, rows)
    }
}

#[test]
fn a_projection_is_that_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..2600);
    let gone: Vec<String> = (0..2600).step_by(7).map(|number| format!("k{number}")).collect();
    collection.delete(&gone).unwrap();
    let snapshot = snapshot(&collection);
    let all: Vec<ExemplarId> = snapshot.state.catalog().live().iter().collect();
    let few: Vec<ExemplarId> = [1801, 3, 1801, 2, 1025].into();
    let directions = FeatureRows::new(4, vec![0.5, -0.5, 0.5, 0.5, 0.0, 1.0, 0.0, 0.0]).unwrap();
    for view in [View::CLEAN, "dim", "dark"] {
        for space in [Space::Raw, Space::Whitened] {
            for ids in [&all, &few] {
                let found = snapshot.project(view, space, &directions, ids).unwrap();
                let expected = Plain(&snapshot).project(view, space, &directions, ids).unwrap();
                assert_eq!((found.len(), found.dimension()), (ids.len(), 2));
                for (found, expected) in found.values().iter().zip(expected.values()) {
                    // Raw rows of a view reach 100,000.
                    let tolerance = 1e-5 * expected.abs().max(1.0);
                    assert!((found - expected).abs() <= tolerance, "{view}: {found}, expected {expected}");
                }
            }
        }
    }
}

#[test]
fn a_projection_has_the_same_bits_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..2000);
    let snapshot = snapshot(&collection);
    let ids: Vec<ExemplarId> = (0..2000).collect();
    let directions = FeatureRows::new(4, vec![0.5, -0.5, 0.25, 0.125]).unwrap();
    let project = || snapshot.project("dim", Space::Whitened, &directions, &ids).unwrap();
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(project(), one_core.install(project));
}

#[test]
fn a_source_may_be_asked_from_all_threads_of_a_pool_before_it_was_whitened() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    toy::ingest(&collection, 0..3000);
    let snapshot = snapshot(&collection);
    let directions = FeatureRows::new(4, vec![0.5, -0.5, 0.25, 0.125]).unwrap();
    let two_cores = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let ids: Vec<ExemplarId> = (0..3000).collect();
    let answers: Vec<FeatureRows> = two_cores.install(|| {
        (0..16)
            .into_par_iter()
            .map(|_| snapshot.project("dark", Space::Whitened, &directions, &ids).unwrap())
            .collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn what_a_source_cannot_answer_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let without = toy::with_rerankers(folder.path(), &Toy::new(1), &[]).unwrap();
    toy::ingest(&without, 0..10);
    drop(without);
    let collection = collection(folder.path());
    toy::ingest(&collection, 10..30);
    collection.delete(&["k20".to_owned()]).unwrap();
    let snapshot = snapshot(&collection);
    let direction = FeatureRows::new(4, vec![1.0; 4]).unwrap();
    let project = |view, ids: &[ExemplarId]| snapshot.project(view, Space::Raw, &direction, ids);

    assert!(project("dim", &[12, 29]).is_ok());
    assert!(matches!(snapshot.rows("dim", &[29]), Ok(rows) if rows.len() == 1));
    for error in [snapshot.rows("dim", &[9]).unwrap_err(), project("dim", &[12, 9]).unwrap_err()] {
        assert!(matches!(error, SourceError::Incomplete { missing: 10, .. }), "{error}");
        assert!(error.to_string().contains("`lookalike view complete`"), "{error}");
    }
    for error in [snapshot.rows("x", &[]).unwrap_err(), project("x", &[]).unwrap_err()] {
        assert!(matches!(error, SourceError::View { .. }), "{error}");
    }
    for error in [snapshot.rows("dim", &[20]).unwrap_err(), project("dim", &[12, 20]).unwrap_err()] {
        assert!(matches!(error, SourceError::Missing { id: 20 }), "{error}");
    }
    let long = FeatureRows::new(5, vec![1.0; 5]).unwrap();
    let error = snapshot.whiten("dim", &long).unwrap_err();
    assert!(matches!(error, SourceError::Dimension { .. }), "{error}");
    assert!(snapshot.project("dim", Space::Raw, &long, &[12]).is_err());
}

#[test]
fn every_state_has_a_number_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    let empty = snapshot(&collection);
    toy::ingest(&collection, 0..1);
    assert_ne!(empty.state_number(), snapshot(&collection).state_number());
    assert_eq!(snapshot(&collection).state_number(), snapshot(&collection).state_number());
    let other = tempfile::tempdir().unwrap();
    let other = self::collection(other.path());
    assert_ne!(empty.state_number(), snapshot(&other).state_number());
}
