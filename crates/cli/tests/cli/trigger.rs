//! Triggers that many searches share: made of a collection's images, kept in files, looked at.

use std::fs;

use lookalike_engine::decode;
use lookalike_tmm::{StoredTrigger, TriggerKind};

use crate::bench::{Bench, entries, json, refusal, run, stderr, text};

fn filled(bench: &Bench) -> String {
    let db = bench.database();
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "40"]);
    db
}

#[test]
fn a_trigger_is_fitted_kept_and_shown() {
    let bench = Bench::new();
    let (db, file, png) = (filled(&bench), bench.text("global.safetensors"), bench.text("global.png"));
    let fit = ["trigger", "fit", &db, "--kind", "global", "--images", "36", "--steps", "6", "--out", &file];
    let made = json(&fit);
    assert_eq!((made["kind"].as_str(), made["updates"].as_u64()), (Some("global"), Some(6)));
    assert_eq!(made["fitted"]["images"], 36);
    assert!(made["final_loss"].as_f64() < made["fitted"]["first_loss"].as_f64(), "{made}");
    assert_eq!(made["model"], json(&["stats", &db])["model"]["weights"]);

    let stored = StoredTrigger::open(file.as_ref()).unwrap();
    assert_eq!(stored.digest().to_string(), made["digest"].as_str().unwrap());
    let shown = json(&["trigger", "show", &file, "--png", &png]);
    assert_eq!((&shown["digest"], &shown["png"]), (&made["digest"], &serde_json::json!(png)));
    let image = decode(&fs::read(&png).unwrap()).unwrap().image;
    assert_eq!(image, stored.image().unwrap());
    let page = text(&["trigger", "show", &file]);
    for part in ["kind         global\n", "shape        28 x 28 grey\n", "updates      6\n", "final loss"] {
        assert!(page.contains(part), "{part} in {page}");
    }

    let again = bench.text("again.safetensors");
    let fit = ["trigger", "fit", &db, "--kind", "global", "--images", "36", "--steps", "6", "--out", &again];
    text(&fit);
    assert_eq!(fs::read(&file).unwrap(), fs::read(&again).unwrap());
    let other = bench.text("other.safetensors");
    let line =
        text(&["trigger", "fit", &db, "--kind", "global", "--steps", "1", "--seed", "1", "--out", &other]);
    assert!(line.contains("fitted to    40 images of collection \"main\""), "{line}");
    assert_ne!(fs::read(&file).unwrap(), fs::read(&other).unwrap());
}

#[test]
fn the_sample_does_not_depend_on_the_order_of_storing() {
    let bench = Bench::with_images(24);
    let files: Vec<Vec<u8>> = ["forth", "back"]
        .map(|order| {
            let db = bench.text(order);
            text(&["init", &db, "--model", "builtin:glyphs"]);
            let mut classes = entries(&bench.path("images"));
            classes.sort();
            if order == "back" {
                classes.reverse();
            }
            for class in classes {
                let folder = bench.text(&format!("images/{class}"));
                text(&["ingest", &db, &folder, "--prefix", &format!("{class}/")]);
            }
            let file = bench.text(&format!("{order}.safetensors"));
            text(&[
                "trigger", "fit", &db, "--kind", "global", "--images", "8", "--steps", "2", "--out", &file,
            ]);
            fs::read(file).unwrap()
        })
        .into();
    assert_eq!(files[0], files[1]);
}

#[test]
fn every_kind_can_be_made() {
    let bench = Bench::new();
    let db = filled(&bench);
    let kinds = [
        ("global", TriggerKind::Global),
        ("variable-patch", TriggerKind::VariablePatch),
        ("fixed-patch", TriggerKind::FixedPatch),
        ("random", TriggerKind::Random),
    ];
    for (name, kind) in kinds {
        let file = bench.text(name);
        let fitted = matches!(kind, TriggerKind::Global | TriggerKind::VariablePatch);
        let steps: &[&str] = if fitted { &["--steps", "2"] } else { &[] };
        let report = json(&[&["trigger", "fit", &db, "--kind", name, "--out", &file], steps].concat());
        assert_eq!(report["fitted"].is_object(), fitted);
        assert_eq!(StoredTrigger::open(file.as_ref()).unwrap().kind(), kind);
        text(&["trigger", "show", &file]);
    }
}

#[test]
fn wrong_settings_and_places_are_refused_before_anything_is_written() {
    let bench = Bench::new();
    let (db, file) = (bench.database(), bench.text("trigger"));
    let fit = |more: &[&str]| refusal(&[&["trigger", "fit", &db, "--out", &file], more].concat());
    assert!(fit(&["--kind", "global"]).contains("collection \"main\" holds no image to fit a trigger to"));
    assert!(fit(&["--kind", "random", "--steps", "3"]).contains("nothing is fitted for this kind"));
    assert!(fit(&["--kind", "global", "--learning-rate", "NaN"]).contains("from 0.000001 to 1"));
    assert!(fit(&["--kind", "global", "--learning-rate", "2"]).contains("the learning rate is 2"));
    let inside = bench.text("db/trigger");
    let line = refusal(&["trigger", "fit", &db, "--kind", "random", "--out", &inside]);
    assert!(line.contains("lies in the database"), "{line}");
    assert_eq!(entries(bench.folder.path()), ["db"], "nothing is left behind");

    let unknown = run(&["trigger", "fit", &db, "--kind", "square", "--out", &file]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("global, fixed-patch, variable-patch, random"));
    let none = run(&["trigger", "fit", &db, "--kind", "global", "--images", "0", "--out", &file]);
    assert_eq!(none.status.code(), Some(2));

    text(&["trigger", "fit", &db, "--kind", "random", "--out", &file]);
    assert!(fit(&["--kind", "random"]).contains("is there already"));
    let png = bench.write("taken.png", b"mine");
    assert!(refusal(&["trigger", "show", &file, "--png", &png]).contains("is there already"));
    assert_eq!(fs::read(png).unwrap(), b"mine");
}

#[test]
fn files_that_hold_no_sound_trigger_are_refused_by_name() {
    let bench = Bench::new();
    let db = bench.database();
    let file = bench.text("trigger");
    text(&["trigger", "fit", &db, "--kind", "random", "--out", &file]);
    let sound = fs::read(&file).unwrap();
    let mut damaged = sound.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = bench.write("damaged", &damaged);
    let line = refusal(&["trigger", "show", &damaged]);
    assert!(line.contains(&damaged) && line.contains("it was changed or damaged"), "{line}");
    let cut = bench.write("cut", &sound[..sound.len() / 2]);
    assert!(refusal(&["trigger", "show", &cut]).contains("no readable safetensors file"));
    let weights = bench.other_model();
    assert!(refusal(&["trigger", "show", &weights]).contains("holds no trigger"));
    assert!(refusal(&["trigger", "show", &bench.text("absent")]).contains("cannot be read"));
}
