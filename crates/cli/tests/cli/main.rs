//! The binary as a user meets it: output, exit codes and the one line that says what is wrong.
//!
//! Contents: a round trip through every command; `--json`; the demonstration; what each kind of bad input gets. What
//! keeps a database in order is in `keeping`, what changes its model in `models`, models themselves in `model`, making
//! models in `train`, shared triggers in `trigger`, views in `view`, the official data sets in `datasets`, evaluation
//! in `eval`, neighbours before a judge in `judge`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bench;
mod datasets;
mod eval;
mod judge;
mod keeping;
mod loopback;
mod model;
mod models;
mod train;
mod trigger;
mod view;

use std::fs;
use std::process::{Command, Stdio};

use lookalike_datasets::GlyphSet;
use lookalike_engine::encode_png;

use crate::bench::{Bench, SEED, entries, json, refusal, run, stderr, text};

#[test]
fn images_go_in_and_come_out_by_key_and_by_likeness() {
    let bench = Bench::with_images(36);
    let (db, images) = (bench.database(), bench.text("images"));

    let first = text(&["ingest", &db, &images, "--tag", "source=tree"]);
    assert!(
        first.starts_with("stored 36 (36 new, 0 replaced, 0 relabelled), unchanged 0, refused 0\n"),
        "{first}"
    );
    let again = text(&["ingest", &db, &images, "--tag", "source=tree"]);
    assert!(
        again.starts_with("stored 0 (0 new, 0 replaced, 0 relabelled), unchanged 36, refused 0\n"),
        "{again}"
    );

    let glyph = GlyphSet::new(SEED).glyph(7);
    let key = format!("{}/7.png", glyph.name);
    let query = bench.path("images").join(&key);
    let found = text(&["search", &db, query.to_str().unwrap(), "--hits", "3"]);
    assert!(found.contains("whitened (larger is nearer), 36 matched"), "{found}");
    assert!(found.contains(&format!("1  {key}")), "{found}");

    let copy = bench.text("copy.png");
    assert!(
        text(&["get", &db, &key, "--out", &copy]).contains(&format!("label              {}", glyph.name))
    );
    assert_eq!(fs::read(copy).unwrap(), fs::read(&query).unwrap());

    let stats = text(&["stats", &db]);
    assert!(stats.contains("exemplars    36\n"), "{stats}");

    assert!(
        text(&["delete", &db, &key, "nobody"])
            .starts_with("deleted 1, 35 left\nthere is no exemplar \"nobody\"")
    );
    assert_eq!(run(&["get", &db, &key]).status.code(), Some(1));
    assert_eq!(run(&["delete", &db, &key]).status.code(), Some(1));
}

#[test]
fn every_ranking_is_printed_and_shown_on_a_page_that_needs_no_other_file() {
    let bench = Bench::new();
    let db = bench.database();
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "48"]);
    let page = bench.text("page.html");
    let tmm =
        ["--set", "mode=exact", "--set", "trigger_steps=2", "--set", "background=16", "--set", "epochs=1"];
    let search = ["search", &db, "glyphs:1:7", "--disturb", "rotate=10", "--hits", "4", "--shortlist", "12"];
    let rank = ["--rank", "all,tmm"];
    let report = json(&[&search[..], &rank, &tmm, &["--html", &page]].concat());

    let names: Vec<&str> = report["rankings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ranking| ranking["ranking"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["l2", "cosine", "whitened", "multiview", "tmm"]);
    for ranking in report["rankings"].as_array().unwrap() {
        assert_eq!(ranking["hits"].as_array().unwrap().len(), 4);
    }
    for reranked in [3, 4] {
        assert_eq!(report["rankings"][reranked]["status"], "applied");
        assert!(report["rankings"][reranked]["hits"][0]["shortlist_rank"].as_u64().unwrap() >= 1);
    }

    let html = fs::read_to_string(page).unwrap();
    // The query, the query before its disturbance, and the neighbours, beside the trigger.
    assert!(html.matches("src=\"data:image/png;base64,").count() > 2 + 4 * 4);
    assert!(!html.contains("<script") && !html.contains("http"));
    for word in ["rotate 10 deg", "trigger", "whitened", "<b>fine_tune</b>", "weights"] {
        assert!(html.contains(word), "{word}");
    }
}

#[test]
fn filters_and_prefixes_and_labels_do_what_they_say() {
    let bench = Bench::with_images(4);
    let (db, images) = (bench.database(), bench.text("images"));
    text(&["ingest", &db, &images, "--prefix", "a/", "--label", "sign", "--tag", "year=1999"]);
    text(&["ingest", &db, &images, "--prefix", "b/", "--tag", "year=2005"]);

    let found = json(&["search", &db, "glyphs:5:0", "--filter", "label = sign and year < 2000"]);
    let hits = found["rankings"][0]["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 4);
    assert!(
        hits.iter()
            .all(|hit| hit["key"].as_str().unwrap().starts_with("a/") && hit["tags"]["year"] == 1999.0)
    );

    let nothing = run(&["search", &db, "glyphs:5:0", "--filter", "year > 2010"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stdout).contains("nothing found"));
    assert!(refusal(&["search", &db, "glyphs:5:0", "--filter", "year >"]).contains("expected a number"));
    assert!(
        refusal(&["search", &db, "glyphs:5:0", "--rank", "tmm", "--set", "speed=9"]).contains("known are")
    );
}

#[test]
fn every_command_prints_one_json_object() {
    let bench = Bench::new();
    let db = bench.text("db");
    let made = json(&["init", &db, "--model", "builtin:glyphs"]);
    assert_eq!(made["model"]["name"], "glyphs");
    let stored = json(&["ingest", &db, "--dataset", "glyphs", "--count", "12"]);
    assert_eq!((stored["stored"].as_u64(), stored["refused"].as_u64()), (Some(12), Some(0)));
    let found = json(&["search", &db, "glyphs:1:3", "--hits", "1"]);
    assert_eq!(found["rankings"][0]["hits"][0]["key"], "glyph/00003");
    assert_eq!(json(&["get", &db, "glyph/00003"])["exemplar"]["width"], 28);
    assert_eq!(json(&["delete", &db, "glyph/00003"])["deleted"], 1);
    let stats = json(&["stats", &db]);
    assert_eq!(stats["exemplars"], 11);
    assert_eq!(stats["model"]["weights"], made["model"]["weights"]);
}

#[test]
fn the_demonstration_compares_all_rankings_and_writes_its_page() {
    let bench = Bench::new();
    let page = bench.text("demo.html");
    let report = json(&["demo", "--count", "48", "--queries", "1", "--out", &page]);
    assert_eq!(report["rankings"].as_array().unwrap().len(), 5);
    assert_eq!(report["rankings"][0]["very_first_clean"], 1);
    assert!(!report["conclusions"].as_array().unwrap().is_empty());
    assert!(fs::read_to_string(page).unwrap().contains("Disturbed queries"));
}

#[test]
fn bad_images_are_refused_one_by_one_while_the_others_are_stored() {
    let bench = Bench::with_images(2);
    let db = bench.database();
    let good = encode_png(&GlyphSet::new(SEED).glyph(0).image).unwrap();
    bench.write("images/bad/cut.png", &good[..good.len() / 2]);
    bench.write("images/bad/text.jpg", b"this is not an image at all");
    let mut vast = good.clone();
    vast[16..20].copy_from_slice(&50_000u32.to_be_bytes());
    vast[20..24].copy_from_slice(&50_000u32.to_be_bytes());
    let checksum = crc32(&vast[12..29]);
    vast[29..33].copy_from_slice(&checksum.to_be_bytes());
    bench.write("images/bad/vast.png", &vast);

    let report = json(&["ingest", &db, &bench.text("images")]);
    assert_eq!((report["stored"].as_u64(), report["refused"].as_u64()), (Some(2), Some(3)));
    let reason = |key: &str| {
        let refusals = report["refusals"].as_array().unwrap();
        let refusal = refusals.iter().find(|refusal| refusal["key"] == key).unwrap();
        refusal["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason("bad/cut.png").contains("the PNG data is damaged or cut short"));
    assert!(reason("bad/text.jpg").contains("not a PNG, JPEG, PPM/PGM, BMP or WebP image"));
    assert!(reason("bad/vast.png").contains("50000 x 50000 pixels, the limit is 4096"));

    let only = bench.text("images/bad/vast.png");
    assert!(refusal(&["ingest", &db, &only]).contains("the only image was refused, nothing is stored"));
    assert!(refusal(&["search", &db, &only]).contains("50000 x 50000 pixels"));
}

#[test]
fn inputs_that_hold_nothing_usable_are_named() {
    let bench = Bench::new();
    let db = bench.database();
    fs::create_dir(bench.path("empty")).unwrap();
    assert!(refusal(&["ingest", &db, &bench.text("empty")]).contains("holds no image file"));
    assert!(refusal(&["ingest", &db, &bench.text("absent")]).contains("is not there"));
    assert!(refusal(&["search", &db, &bench.text("absent.png")]).contains("cannot be read"));
    assert!(refusal(&["ingest", &db, "--dataset", "mnist"]).contains("--from DIR"));

    bench.write("mnist/train-images-idx3-ubyte", &[0, 0, 8, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7]);
    bench.write("mnist/train-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 1, 3]);
    let line = refusal(&["ingest", &db, "--dataset", "mnist", "--from", &bench.text("mnist")]);
    assert!(line.contains("train-images-idx3-ubyte begins with 0x00000809, expected 0x00000803"), "{line}");
    assert_eq!(json(&["stats", &db])["exemplars"], 0);

    assert_eq!(run(&["ingest", &db, "--dataset", "glyphs", "--count", "0"]).status.code(), Some(1));
}

#[test]
fn wrong_weights_are_refused_by_tensor_before_anything_is_made() {
    let bench = Bench::new();
    let weights = bench.other_model();
    let manifest = bench.path("other.json");
    let right = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, right.replace("\"base_width\": 2", "\"base_width\": 4")).unwrap();

    let line = refusal(&["init", &bench.text("db"), "--model", &weights]);
    assert!(
        line.contains("\"conv1.weight\" has shape [2, 1, 7, 7], the architecture needs [4, 1, 7, 7]"),
        "{line}"
    );
    fs::remove_file(&manifest).unwrap();
    assert!(refusal(&["init", &bench.text("db"), "--model", &weights]).contains("--input HxW"));
    let names = ["--input", "28x28", "--classes", "a,b,c"];
    let line = refusal(&[&["init", &bench.text("db"), "--model", &weights], &names[..]].concat());
    assert!(line.contains("3 class names given, the model's head has 2 classes"), "{line}");
    assert_eq!(entries(bench.folder.path()), ["other.safetensors"], "nothing is left behind");

    text(&["init", &bench.text("db"), "--model", &weights, "--input", "28x28", "--classes", "a,b"]);
    assert_eq!(json(&["stats", &bench.text("db")])["model"]["classes"], serde_json::json!(["a", "b"]));
}

#[test]
fn a_database_of_another_model_is_refused_with_both_fingerprints() {
    let bench = Bench::new();
    let db = bench.database();
    let weights = bench.other_model();
    let model = bench.path("db/models").join(&entries(&bench.path("db/models"))[0]);
    fs::copy(&weights, model.join("weights.safetensors")).unwrap();
    fs::copy(bench.path("other.json"), model.join("weights.json")).unwrap();
    let line = refusal(&["search", &db, "glyphs:1:1"]);
    for part in ["\"glyphs\" (128 values", "\"other\" (16 values", "open it with its own model"] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn a_directory_in_use_is_left_as_it_is() {
    let bench = Bench::with_images(1);
    let db = bench.database();
    assert!(refusal(&["init", &db, "--model", "builtin:glyphs"]).contains("is already a database"));
    let images = bench.text("images");
    assert!(refusal(&["init", &images, "--model", "builtin:glyphs"]).contains("is not empty"));
    assert!(refusal(&["stats", &images]).contains("is not a database"));
    let line = refusal(&["stats", &db, "--collection", "birds"]);
    assert!(line.contains("there is no collection \"birds\"; there are: main"), "{line}");
    let mut names = entries(bench.folder.path());
    names.sort();
    assert_eq!(names, ["db", "images"]);
}

#[test]
fn words_that_are_not_understood_are_refused_with_what_is_expected() {
    let wrong = run(&["search", "db", "image.png", "--rank", "l3"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("choose from l2, cosine, whitened, multiview, tmm, or all"));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    let db = bench.database();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lookalike"))
        .args(["stats", &db])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

/// The checksum of PNG chunks, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}
