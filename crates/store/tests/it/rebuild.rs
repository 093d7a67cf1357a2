use lookalike_plugin_api::{Digest, Fingerprint};
use lookalike_store::{Collection, MaintenanceError, ModelRole, WriteError};

use crate::database::{create, open, place};
use crate::sample::{deletes, exemplar, fingerprint, row, upserts};

fn other(number: u8) -> Fingerprint {
    Fingerprint {
        model: format!("model {number}"),
        weights: Digest([number; 32]),
        preprocessing: Digest([9; 32]),
        dimension: 3,
    }
}

fn new_row(id: u32) -> Vec<f32> {
    vec![id as f32 + 0.5; 3]
}

fn fill(things: &Collection) {
    things.write(upserts((0..20).map(|n| exemplar(&format!("k{n}"), n)).collect())).unwrap();
}

/// Writes the missing rows of a model, `most` at a time, until there is none.
fn complete(things: &Collection, model: u16, most: usize) {
    loop {
        let missing: Vec<u32> = things.catalog().without_row(model, "clean").iter().take(most).collect();
        if missing.is_empty() {
            return;
        }
        let rows: Vec<_> = missing.into_iter().map(|id| (id, new_row(id))).collect();
        assert_eq!(things.write_rows(model, "clean", &rows).unwrap(), rows.len() as u64);
    }
}

#[test]
fn the_old_rows_are_served_until_the_switch_and_again_after_a_rollback() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    fill(&things);
    let model = things.begin_rebuild(&other(1)).unwrap();
    complete(&things, model, 7);
    assert_eq!(*things.fingerprint(), fingerprint());
    assert_eq!(things.rows("clean", &[3]).unwrap().row(0), row(3));
    things.switch_model().unwrap();
    assert_eq!(*things.fingerprint(), other(1));
    assert_eq!(things.rows("clean", &[3]).unwrap().row(0), new_row(3));
    things.rollback().unwrap();
    assert_eq!(*things.fingerprint(), fingerprint());
    assert_eq!(things.rows("clean", &[3]).unwrap().row(0), row(3));
    things.rollback().unwrap();
    things.drop_previous_model().unwrap();
    assert!(matches!(things.rollback(), Err(MaintenanceError::NoModel { .. })));
    assert_eq!(things.catalog().models().len(), 1);
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
    drop((store, things));
    let (_store, things) = open(&root);
    assert_eq!(*things.fingerprint(), other(1));
    assert_eq!(things.rows("clean", &[19]).unwrap().row(0), new_row(19));
}

#[test]
fn a_rebuild_is_taken_up_where_it_was_left() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    fill(&things);
    let model = things.begin_rebuild(&other(1)).unwrap();
    things.write_rows(model, "clean", &[(0, new_row(0)), (4, new_row(4))]).unwrap();
    drop((store, things));
    let (_store, things) = open(&root);
    assert_eq!(things.begin_rebuild(&other(1)).unwrap(), model);
    assert_eq!(things.catalog().without_row(model, "clean").len(), 18);
    let roles: Vec<_> = things.catalog().models().iter().map(|model| model.role).collect();
    assert_eq!(roles, [ModelRole::Current, ModelRole::Building]);
    assert!(matches!(things.begin_rebuild(&other(2)), Err(MaintenanceError::OtherRebuild { .. })));
    things.abandon_rebuild().unwrap();
    assert_ne!(things.begin_rebuild(&other(2)).unwrap(), model);
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
}

#[test]
fn exemplars_of_between_are_missing_until_they_are_completed() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    fill(&things);
    let model = things.begin_rebuild(&other(1)).unwrap();
    complete(&things, model, 100);
    things.write(upserts(vec![exemplar("late", 77)])).unwrap();
    things.write(deletes(&["k2"])).unwrap();
    let error = things.switch_model().unwrap_err();
    assert!(matches!(error, MaintenanceError::Incomplete { missing: 1, .. }), "{error}");
    complete(&things, model, 100);
    things.switch_model().unwrap();
    let late = things.id_of("late").unwrap().unwrap();
    assert_eq!(things.rows("clean", &[late]).unwrap().row(0), new_row(late));
    // Stored under the new model, it has no row of the old one.
    let newest = lookalike_store::NewExemplar {
        rows: vec![("clean".to_owned(), vec![1.0; 3])],
        ..exemplar("newest", 78)
    };
    things.write(upserts(vec![newest])).unwrap();
    let error = things.rollback().unwrap_err();
    assert!(matches!(error, MaintenanceError::Incomplete { missing: 1, .. }), "{error}");
    let old = things.begin_rebuild(&fingerprint()).unwrap();
    assert_eq!(things.catalog().without_row(old, "clean").len(), 1);
    let id = things.id_of("newest").unwrap().unwrap();
    things.write_rows(old, "clean", &[(id, row(78))]).unwrap();
    things.switch_model().unwrap();
    assert_eq!(*things.fingerprint(), fingerprint());
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
}

#[test]
fn rows_that_do_not_fit_the_model_are_refused_and_known_rows_stay() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    fill(&things);
    let model = things.begin_rebuild(&other(1)).unwrap();
    let refused = |row: Vec<f32>| {
        let error = things.write_rows(model, "clean", &[(0, row)]).unwrap_err();
        assert!(matches!(error, MaintenanceError::Write(WriteError::Refused { .. })), "{error}");
    };
    refused(vec![1.0; 4]);
    refused(vec![1.0, f32::NAN, 1.0]);
    assert_eq!(things.write_rows(model, "clean", &[(0, new_row(0)), (9_999, new_row(1))]).unwrap(), 1);
    assert_eq!(things.write_rows(model, "clean", &[(0, new_row(5))]).unwrap(), 0);
    assert!(matches!(things.write_rows(77, "clean", &[]), Err(MaintenanceError::NoModel { .. })));
    // The current model's rows are those of its exemplars.
    assert_eq!(things.begin_rebuild(&fingerprint()).unwrap(), things.catalog().current_model());
}

#[test]
fn a_dropped_view_leaves_nothing_behind_and_may_come_again() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    fill(&things);
    let model = things.catalog().current_model();
    let rows: Vec<_> = (0..18).map(|id| (id, row(id.into()))).collect();
    things.write_rows(model, "blur", &rows).unwrap();
    things.write(deletes(&["k3"])).unwrap();
    assert_eq!(things.drop_view(model, "blur").unwrap(), 17);
    assert_eq!(things.catalog().views(), ["clean"]);
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
    for name in ["blur", "clean"] {
        let error = things.drop_view(model, name).unwrap_err();
        assert!(matches!(error, MaintenanceError::NoView { .. }), "{error}");
    }
    drop((store, things));
    let (_store, things) = open(&root);
    assert_eq!(things.write_rows(model, "blur", &[(4, row(7))]).unwrap(), 1);
    assert_eq!(things.rows("blur", &[4]).unwrap().row(0), row(7));
    assert_eq!(things.catalog().without_row(model, "blur").len(), 18);
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
}
