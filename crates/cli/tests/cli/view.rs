//! Views beside the clean one: added, completed, searched, handed on to another model, saved, dropped.

use crate::bench::{Bench, json, refusal, text};

fn filled(bench: &Bench) -> String {
    let db = bench.database();
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "60"]);
    db
}

fn rows(db: &str) -> Vec<(String, u64, u64)> {
    let views = json(&["view", "list", db])["collections"][0]["views"].clone();
    let count = |view: &serde_json::Value, what: &str| view[what].as_u64().unwrap();
    let views = views.as_array().unwrap().iter();
    views.map(|v| (v["name"].as_str().unwrap().to_owned(), count(v, "rows"), count(v, "missing"))).collect()
}

fn view(name: &str, rows: u64) -> (String, u64, u64) {
    (name.to_owned(), rows, 0)
}

#[test]
fn a_view_is_made_of_what_is_stored_and_of_what_comes_later() {
    let bench = Bench::new();
    let db = filled(&bench);
    assert_eq!(json(&["view", "add", &db, "soft", "--blur", "1.5"])["derived"], 60);
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "70"]);
    assert_eq!(rows(&db), [view("clean", 70), view("soft", 70)]);
    assert_eq!(json(&["view", "complete", &db])["derived"], 0);

    let found = json(&["search", &db, "glyphs:1:65", "--views", "clean,soft", "--hits", "3"]);
    let nearest = &found["rankings"][0]["hits"][0];
    assert_eq!(nearest["key"], "glyph/00065");
    assert!((nearest["score"].as_f64().unwrap() - 2.0).abs() < 1e-3, "{nearest}");
    let mode =
        ["search", &db, "glyphs:1:65", "--rank", "tmm", "--set", "mode=cascade", "--full", "--hits", "1"];
    let found = json(&mode);
    let nearest = &found["rankings"][0]["hits"][0];
    assert_eq!(nearest["key"], "glyph/00065");
    let stages: Vec<_> = nearest["stages"].as_array().unwrap().iter().map(|stage| &stage["stage"]).collect();
    assert_eq!(stages, ["shortlist", "shared", "exact", "score"]);
}

#[test]
fn triggers_make_views_and_stay_with_their_model() {
    let bench = Bench::new();
    let (db, trigger) = (filled(&bench), bench.text("t.safetensors"));
    text(&["trigger", "fit", &db, "--kind", "random", "--out", &trigger]);
    text(&["view", "add", &db, "noisy", "--noise", "2"]);
    text(&["view", "add", &db, "triggered", "--trigger", &trigger, "--omega", "0.4"]);
    assert_eq!(rows(&db), [view("clean", 60), view("noisy", 60), view("triggered", 60)]);

    let (archive, copy) = (bench.text("saved.lookalike"), bench.text("copy"));
    text(&["backup", &db, &archive]);
    text(&["restore", &archive, &copy]);
    assert_eq!(rows(&copy), rows(&db));

    let other = bench.other_model();
    text(&["rebuild", &db, "--model", &other]);
    assert_eq!(rows(&db), [view("clean", 60), view("noisy", 60)]);
    text(&["rollback", &db]);
    assert_eq!(rows(&db), [view("clean", 60), view("noisy", 60), view("triggered", 60)]);
}

#[test]
fn the_recommended_views_are_one_command() {
    let bench = Bench::new();
    let db = bench.database();
    assert!(refusal(&["view", "recommended", &db]).contains("holds no image to fit a trigger to"));
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "60"]);
    assert_eq!(json(&["view", "recommended", &db])["derived"], 120);
    assert_eq!(rows(&db), [view("clean", 60), view("fitted", 60), view("drawn", 60)]);
    let found =
        json(&["search", &db, "glyphs:1:7", "--rank", "tmm", "--full", "--disturb", "brightness=0.6"]);
    assert_eq!(found["rankings"][0]["hits"][0]["key"], "glyph/00007");
    assert!(refusal(&["view", "recommended", &db]).contains("there is a view \"fitted\" already"));
    assert_eq!(rows(&db).len(), 3);
}

#[test]
fn a_dropped_view_leaves_no_rows_and_may_come_again_as_another() {
    let bench = Bench::new();
    let db = filled(&bench);
    text(&["view", "add", &db, "soft", "--blur", "1"]);
    let dropped = json(&["view", "drop", &db, "soft"]);
    assert_eq!(dropped["collections"][0]["dropped"].as_array().unwrap().len(), 1);
    assert_eq!(rows(&db), [view("clean", 60)]);
    text(&["view", "add", &db, "soft", "--mirror"]);
    assert_eq!(rows(&db), [view("clean", 60), view("soft", 60)]);
    assert_eq!(json(&["verify", &db])["clean"], true);
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let bench = Bench::new();
    let db = filled(&bench);
    text(&["view", "add", &db, "soft", "--blur", "1"]);
    for (command, part) in [
        (vec!["view", "add", &db, "soft", "--mirror"], "lookalike view drop"),
        (vec!["view", "add", &db, "clean", "--mirror"], "cannot name a view"),
        (vec!["view", "add", &db, "far", "--blur", "99"], "from 0.1 to 16"),
        (vec!["view", "drop", &db, "other"], "there are: soft"),
        (vec!["search", &db, "glyphs:1:1", "--views", "clean,other"], "there are: clean, soft"),
        (vec!["search", &db, "glyphs:1:1", "--views", "soft", "--rank", "l2"], "--rank whitened"),
    ] {
        let line = refusal(&command);
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(rows(&db), [view("clean", 60), view("soft", 60)]);
}
