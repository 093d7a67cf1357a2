//! What keeps a database in order: verify, compact, backup, restore, migrate, export, import, duplicates.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bench::{Bench, entries, json, refusal, run, text};

/// A database with so many glyphs.
fn filled(bench: &Bench, count: u32) -> String {
    let db = bench.database();
    text(&["ingest", &db, "--dataset", "glyphs", "--count", &count.to_string()]);
    db
}

/// Changes a byte of the first chunk of image data that is found in the collection's log, as often as it is there.
fn damage_an_image(db: &str, image: &[u8]) {
    let home = Path::new(db).join("collections/main");
    let generation = fs::read_to_string(home.join("CURRENT")).unwrap();
    let log = home.join(generation.trim()).join("ground/db");
    let mut bytes = fs::read(&log).unwrap();
    let places: Vec<usize> = bytes
        .windows(image.len())
        .enumerate()
        .filter(|(_, found)| *found == image)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at + image.len() / 2] ^= 1);
    fs::write(log, bytes).unwrap();
}

/// Every file of a database with its bytes, the lock aside.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for name in entries(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            found
                .extend(contents(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if name != "LOCK" {
            found.push((name, fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_whole_database_is_said_to_be_whole_and_a_repair_of_it_loses_nothing() {
    let bench = Bench::new();
    let db = filled(&bench, 30);
    let checked = text(&["verify", &db]);
    assert!(
        checked.starts_with("main: 30 exemplars, ")
            && checked.ends_with("30 feature rows: nothing is wrong\n")
    );
    let report = json(&["verify", &db, "--repair", &bench.text("new")]);
    assert_eq!(
        (report["complete"].as_bool(), report["collections"][0]["exemplars"].as_u64()),
        (Some(true), Some(30))
    );
    assert!(refusal(&["verify", &db, "--repair", &bench.text("new")]).contains("is not empty"));
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in entries(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn damage_is_found_and_the_rest_is_saved_while_the_original_is_left_alone() {
    let bench = Bench::new();
    let whole = filled(&bench, 3_000);
    text(&["compact", &whole]);
    let inside = format!("{whole}/new");
    assert!(refusal(&["verify", &whole, "--repair", &inside]).contains("lies in the database"));
    // Where the log holds an image differs from run to run. A hit near its end makes all of it unreadable.
    let saved = ["00200", "00900", "01600", "02300"].iter().any(|number| {
        let key = format!("glyph/{number}");
        let (image, db, target) =
            (bench.text(number), bench.text(&format!("db{number}")), bench.text(&format!("new{number}")));
        text(&["get", &whole, &key, "--out", &image]);
        copy(Path::new(&whole), Path::new(&db));
        damage_an_image(&db, &fs::read(&image).unwrap());

        let before = contents(Path::new(&db));
        let repaired = run(&["verify", &db, "--repair", &target, "--json"]);
        assert_eq!(repaired.status.code(), Some(1));
        assert!(before == contents(Path::new(&db)), "files of the original were changed");
        assert_eq!(run(&["verify", &db]).status.code(), Some(1));
        let report: serde_json::Value = serde_json::from_slice(&repaired.stdout).unwrap();
        if report["made"] == false {
            assert!(!Path::new(&target).exists());
            return false;
        }
        let saved = report["collections"][0]["exemplars"].as_u64().unwrap();
        assert!((2_000..3_000).contains(&saved) && report["check"][0]["found"] == 0, "{report}");
        assert_eq!(json(&["stats", &target])["exemplars"], saved);
        assert_eq!(json(&["verify", &target])["clean"], true);
        assert_eq!(run(&["get", &target, &key]).status.code(), Some(1));
        true
    });
    assert!(saved, "nothing could be saved, wherever the damage was");
}

#[test]
fn a_model_that_was_lost_or_exchanged_is_found() {
    let bench = Bench::new();
    let db = filled(&bench, 3);
    let model = bench.path("db/models").join(&entries(&bench.path("db/models"))[0]);
    fs::write(model.join("weights.safetensors"), b"nothing").unwrap();
    let found = run(&["verify", &db]);
    assert_eq!(found.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&found.stdout).contains("give them again with \"lookalike rebuild"));
    text(&["rebuild", &db, "--model", "builtin:glyphs"]);
    assert_eq!(json(&["verify", &db])["clean"], true);
}

#[test]
fn a_backup_is_restored_with_everything_and_through_a_pipe() {
    let bench = Bench::new();
    let db = filled(&bench, 30);
    let file = bench.text("backup");
    assert_eq!(json(&["backup", &db, &file])["exemplars"], 30);
    assert!(refusal(&["backup", &db, &file]).contains("is there already"));

    let copy = bench.text("copy");
    assert_eq!(json(&["restore", &file, &copy])["files"].as_array().unwrap().len(), 2);
    assert!(refusal(&["restore", &file, &copy]).contains("not empty"));
    let found = json(&["search", &copy, "glyphs:1:3", "--hits", "1"]);
    assert_eq!(found["rankings"][0]["hits"][0]["key"], "glyph/00003");
    assert_eq!(json(&["stats", &copy])["model"], json(&["stats", &db])["model"]);

    let streamed = run(&["backup", &db, "-"]);
    assert_eq!(streamed.status.code(), Some(0));
    assert!(streamed.stdout == fs::read(&file).unwrap(), "the stream differs from the file");
    let piped = bench.text("piped");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lookalike"))
        .args(["restore", "-", &piped])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&streamed.stdout).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(json(&["stats", &piped])["exemplars"], 30);
}

#[test]
fn what_is_no_whole_backup_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let db = filled(&bench, 3);
    let file = bench.text("backup");
    text(&["backup", &db, &file]);
    let whole = fs::read(&file).unwrap();
    let mut newer = whole.clone();
    newer["lookalike archive\n".len()] = 9;
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cases = [
        ("cut", &whole[..whole.len() - 1], "ends in the middle"),
        ("newer", &newer, "has version 9, this program reads up to 1"),
        ("flipped", &flipped, "is damaged at byte"),
        ("foreign", b"something else entirely", "is no archive"),
    ];
    for (name, bytes, expected) in cases {
        let line = refusal(&["restore", &bench.write(name, bytes), &bench.text("target")]);
        assert!(line.contains(expected), "{line}");
    }
    assert!(refusal(&["restore", &bench.text("absent"), &bench.text("target")]).contains("cannot be read"));
    let mut names = entries(bench.folder.path());
    names.sort();
    assert_eq!(names, ["backup", "cut", "db", "flipped", "foreign", "newer"]);
}

#[test]
fn compaction_keeps_everything_that_is_there() {
    let bench = Bench::new();
    let db = filled(&bench, 60);
    let keys: Vec<String> = (10..60).map(|number| format!("glyph/{number:05}")).collect();
    let delete: Vec<&str> = ["delete", &db].into_iter().chain(keys.iter().map(String::as_str)).collect();
    text(&delete);
    let report = json(&["compact", &db]);
    assert_eq!(report["collections"][0]["name"], "main");
    let check = json(&["verify", &db]);
    assert_eq!(
        (check["clean"].as_bool(), check["collections"][0]["exemplars"].as_u64()),
        (Some(true), Some(10))
    );
}

#[test]
fn commands_that_take_the_whole_database_or_another_collection_say_so() {
    let bench = Bench::new();
    let db = bench.database();
    let birds = ["--collection", "birds"];
    for command in ["verify", "compact", "rebuild", "rollback"] {
        let line = refusal(&[&[command, &db][..], &birds].concat());
        assert!(line.contains("there is no collection \"birds\"; there are: main"), "{line}");
    }
    let file = bench.text("file");
    for command in [vec!["backup", &db, &file], vec!["restore", &file, &db], vec!["migrate", &db]] {
        let line = refusal(&[&command[..], &birds].concat());
        assert!(line.contains("takes the whole database"), "{line}");
    }
    for command in ["verify", "compact", "migrate", "rebuild", "rollback", "duplicates"] {
        let line = refusal(&[command, &bench.text("nowhere")]);
        assert!(line.contains("is not a database"), "{line}");
    }
}

#[test]
fn the_model_of_a_database_from_before_is_found_and_migrated() {
    let bench = Bench::new();
    let db = filled(&bench, 3);
    let models = bench.path("db/models");
    fs::rename(models.join(&entries(&models)[0]), bench.path("db/model")).unwrap();
    fs::remove_dir(&models).unwrap();
    assert_eq!(
        json(&["search", &db, "glyphs:1:2", "--hits", "1"])["rankings"][0]["hits"][0]["key"],
        "glyph/00002"
    );
    assert!(text(&["migrate", &db]).contains("has format 2 already"));
    assert!(!bench.path("db/model").exists());
    assert_eq!(entries(&models).len(), 1);
    assert_eq!(json(&["verify", &db])["clean"], true);
}

#[test]
fn an_export_is_imported_without_embedding_anything_again() {
    let bench = Bench::new();
    let db = filled(&bench, 30);
    let file = bench.text("all.parquet");
    assert_eq!(json(&["export", &db, &file])["exemplars"], 30);
    assert!(refusal(&["export", &db, &file]).contains("is there already"));

    let other = bench.text("other");
    text(&["init", &other, "--model", "builtin:glyphs"]);
    let report = json(&["import", &other, &file]);
    assert_eq!((report["inserted"].as_u64(), report["model_seconds"].as_f64()), (Some(30), Some(0.0)));
    assert_eq!(json(&["import", &other, &file])["unchanged"], 30);
    // `ingest` of a table is the same job.
    assert_eq!(json(&["ingest", &other, &file])["unchanged"], 30);
    let third = bench.text("third");
    text(&["init", &third, "--model", "builtin:glyphs"]);
    let report = json(&["ingest", &third, &file, "--prefix", "a/", "--tag", "from=export"]);
    assert_eq!((report["inserted"].as_u64(), report["model_seconds"].as_f64()), (Some(30), Some(0.0)));
    assert!(text(&["get", &third, "a/glyph/00003"]).contains("export"));
    assert!(refusal(&["import", &other, &bench.text("absent")]).contains("cannot be read"));
    let cut = fs::read(&file).unwrap();
    assert!(refusal(&["import", &other, &bench.write("cut", &cut[..1000])]).contains("is no Parquet file"));
}

#[test]
fn the_same_image_under_another_key_is_kept_left_out_or_refused_and_listed() {
    let bench = Bench::new();
    let db = filled(&bench, 3);
    assert_eq!(run(&["duplicates", &db, "--threshold", "1"]).status.code(), Some(1));
    let again = |policy: &str| {
        run(&[
            "ingest",
            &db,
            "--dataset",
            "glyphs",
            "--count",
            "1",
            "--prefix",
            "b/",
            "--duplicates",
            policy,
            "--json",
        ])
    };
    let report =
        |output: &std::process::Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    let skipped = again("skip");
    assert_eq!((skipped.status.code(), report(&skipped)["duplicates"].as_u64()), (Some(0), Some(1)));
    let refused = again("refuse");
    assert_eq!(refused.status.code(), Some(2));
    assert!(report(&refused)["refusals"][0]["reason"].as_str().unwrap().contains("\"glyph/00000\""));
    assert_eq!(report(&again("keep"))["inserted"], 1);

    let found = json(&["duplicates", &db, "--threshold", "1"]);
    assert_eq!(found["groups"], serde_json::json!([["glyph/00000", "b/glyph/00000"]]));
    assert_eq!(found["pairs"][0]["same_bytes"], true);
    assert!(refusal(&["duplicates", &db, "--threshold", "2"]).contains("from 0 to 1"));
}

#[test]
fn what_was_stored_in_any_write_mode_is_there_afterwards() {
    let bench = Bench::new();
    let db = bench.database();
    for (number, mode) in ["immediate", "interval", "bulk"].into_iter().enumerate() {
        text(&["ingest", &db, "--dataset", "glyphs", "--count", "5", "--prefix", mode, "--write-mode", mode]);
        assert_eq!(json(&["stats", &db])["exemplars"], 5 * (number + 1));
    }
}
