//! What changes the model of a database: rebuild and rollback.

use std::fs;
use std::path::Path;

use lookalike_engine::StoreConfig;
use lookalike_engine::plugin_api::Embedder;
use lookalike_store::Store;
use lookalike_vision::{ComputeConfig, Model};

use crate::bench::{Bench, entries, json, refusal, run, text};

fn filled(bench: &Bench) -> String {
    let db = bench.database();
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "20"]);
    db
}

/// Name and role of every model that rows are kept of.
fn roles(db: &str) -> Vec<(String, String)> {
    let stats = json(&["stats", db]);
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let models = stats["models"].as_array().unwrap().iter();
    models
        .map(|model| {
            let name = word(&model["fingerprint"]).split('"').nth(1).unwrap().to_owned();
            (name, word(&model["role"]))
        })
        .collect()
}

fn expected(roles: &[(&str, &str)]) -> Vec<(String, String)> {
    roles.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect()
}

#[test]
fn a_rebuild_serves_the_new_model_and_a_rollback_the_old_one_until_it_is_dropped() {
    let bench = Bench::new();
    let (db, other) = (filled(&bench), bench.other_model());
    let cost = json(&["rebuild", &db, "--model", &other, "--dry-run"]);
    assert_eq!((cost["images"].as_u64(), cost["row_bytes"].as_u64()), (Some(20), Some(20 * 16 * 4)));
    assert_eq!(roles(&db), expected(&[("glyphs", "current")]));
    assert_eq!(entries(&bench.path("db/models")).len(), 1);

    let done = json(&["rebuild", &db, "--model", &other]);
    assert_eq!(
        (done["collections"][0]["embedded"].as_u64(), done["collections"][0]["switched"].as_bool()),
        (Some(20), Some(true))
    );
    assert_eq!(roles(&db), expected(&[("glyphs", "previous"), ("other", "current")]));
    assert_eq!(json(&["stats", &db])["model"]["name"], "other");
    assert_eq!(
        json(&["search", &db, "glyphs:1:3", "--hits", "1"])["rankings"][0]["hits"].as_array().unwrap().len(),
        1
    );
    assert_eq!(json(&["rebuild", &db])["collections"][0]["embedded"], 0);

    text(&["rollback", &db]);
    assert_eq!(json(&["stats", &db])["model"]["name"], "glyphs");
    assert!(text(&["rollback", &db, "--drop"]).contains("removed the rows of \"other\""));
    assert_eq!(roles(&db), expected(&[("glyphs", "current")]));
    assert_eq!(entries(&bench.path("db/models")).len(), 1);
    assert!(refusal(&["rollback", &db]).contains("no collection keeps rows of a previous model"));
    assert_eq!(json(&["verify", &db])["clean"], true);
}

#[test]
fn what_was_stored_since_the_rebuild_is_embedded_before_going_back() {
    let bench = Bench::new();
    let (db, other) = (filled(&bench), bench.other_model());
    text(&["rebuild", &db, "--model", &other]);
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "2", "--prefix", "new/"]);
    let line = refusal(&["rollback", &db]);
    let weights = line.split("--model ").nth(1).unwrap().split('"').next().unwrap();
    let done = json(&["rebuild", &db, "--model", weights]);
    assert_eq!(
        (done["collections"][0]["embedded"].as_u64(), done["collections"][0]["found"].as_u64()),
        (Some(2), Some(20))
    );
    assert_eq!(json(&["stats", &db])["model"]["name"], "glyphs");
}

/// Makes some rows of another model and ends there, as a kill would.
fn interrupt(db: &str, weights: &str) {
    let model = Model::open(Path::new(weights), ComputeConfig::default()).unwrap();
    let store = Store::open(Path::new(db), StoreConfig::default()).unwrap();
    let main = store.collection("main").unwrap().unwrap();
    let number = main.begin_rebuild(Embedder::fingerprint(&model)).unwrap();
    let rows: Vec<_> = (0..5).map(|id| (id, vec![0.5; 16])).collect();
    assert_eq!(main.write_rows(number, "clean", &rows).unwrap(), 5);
}

#[test]
fn an_interrupted_rebuild_is_told_and_goes_on_where_it_was_or_is_given_up() {
    let bench = Bench::new();
    let (db, other) = (filled(&bench), bench.other_model());
    interrupt(&db, &other);
    assert!(text(&["stats", &db]).contains("a rebuild is under way, 5 of 20 rows are made"));
    assert_eq!(
        json(&["search", &db, "glyphs:1:3", "--hits", "1"])["rankings"][0]["hits"][0]["key"],
        "glyph/00003"
    );
    let line = refusal(&["rebuild", &db, "--model", "builtin:glyphs"]);
    assert!(line.contains("is being rebuilt with \"other\"") && line.contains("--abandon"), "{line}");

    assert_eq!(json(&["rebuild", &db, "--abandon"])["collections"], serde_json::json!(["main"]));
    assert_eq!(roles(&db), expected(&[("glyphs", "current")]));
    assert_eq!(run(&["rebuild", &db, "--abandon"]).status.code(), Some(1));

    interrupt(&db, &other);
    let done = json(&["rebuild", &db, "--model", &other]);
    assert_eq!(
        (done["collections"][0]["embedded"].as_u64(), done["collections"][0]["found"].as_u64()),
        (Some(15), Some(5))
    );
    assert_eq!(roles(&db), expected(&[("glyphs", "previous"), ("other", "current")]));
}

#[test]
fn collections_may_be_on_different_models_and_each_finds_its_own() {
    let bench = Bench::new();
    let (db, other) = (filled(&bench), bench.other_model());
    {
        let store = Store::open(Path::new(&db), StoreConfig::default()).unwrap();
        let served = store.collection("main").unwrap().unwrap().fingerprint();
        store.create_collection("birds", &served).unwrap();
    }
    text(&["ingest", &db, "--collection", "birds", "--dataset", "glyphs", "--count", "5"]);
    text(&["rebuild", &db, "--model", &other, "--collection", "birds"]);
    assert_eq!(json(&["stats", &db, "--collection", "birds"])["model"]["name"], "other");
    assert_eq!(json(&["stats", &db])["model"]["name"], "glyphs");
    text(&["rebuild", &db, "--model", &other]);
    text(&["rollback", &db, "--collection", "main"]);
    let line = refusal(&["rollback", &db]);
    assert!(line.contains("name the one to change with --collection"), "{line}");
    text(&["rollback", &db, "--collection", "birds"]);
    assert_eq!(json(&["stats", &db, "--collection", "birds"])["model"]["name"], "glyphs");
}

#[test]
fn a_model_that_cannot_be_used_is_refused_before_anything_is_changed() {
    let bench = Bench::new();
    let db = filled(&bench);
    assert!(refusal(&["rebuild", &db, "--model", &bench.text("absent")]).contains("are not there"));
    let other = bench.other_model();
    fs::write(&other, b"no weights").unwrap();
    assert!(refusal(&["rebuild", &db, "--model", &other]).contains("is refused"));
    assert_eq!(roles(&db), expected(&[("glyphs", "current")]));
    assert_eq!(entries(&bench.path("db/models")).len(), 1);
}
