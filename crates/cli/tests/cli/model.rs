//! Models from elsewhere: import, check, list, show.

use std::fs;

use crate::bench::{Bench, entries, json, refusal, run, text};

/// A network for 1 channel and 2 classes, as PyTorch saved it: in half of single precision, under `state_dict`, its
/// names behind `module.`.
const CHECKPOINT: &[u8] = include_bytes!("../../../vision/src/checkpoint/fixtures/archive_bf16.pt");

/// A whole module: code.
const MODULE: &[u8] = include_bytes!("../../../vision/src/checkpoint/fixtures/whole_module.pt");

#[test]
fn a_checkpoint_becomes_a_model_that_a_database_is_made_for() {
    let bench = Bench::new();
    let file = bench.write("birds.pt", CHECKPOINT);
    let (out, names) = (bench.text("models"), bench.write("names.txt", b"hen\ncock\n"));
    let arguments = ["model", "import", &file, "--out", &out, "--input", "28x28", "--classes-file", &names];
    let normalised = ["--mean", "0.5", "--std", "0.25"];

    let planned = json(&[&arguments[..], &normalised, &["--dry-run"]].concat());
    assert_eq!((planned["dry_run"].as_bool(), planned["applied"].as_u64()), (Some(true), Some(62)));
    assert!(!bench.path("models").exists(), "a dry run writes nothing");

    let done = json(&[&arguments[..], &normalised].concat());
    assert_eq!((done["prefix"].as_str(), done["number_type"].as_str()), (Some("module."), Some("BF16")));
    assert_eq!(done["model"], planned["model"]);
    let mut written = entries(&bench.path("models"));
    written.sort();
    assert_eq!(written, ["birds.json", "birds.safetensors"]);
    let weights = bench.text("models/birds.safetensors");
    assert_eq!(fs::metadata(&weights).unwrap().len(), done["weights_bytes"].as_u64().unwrap());

    let shown = json(&["model", "show", &weights]);
    assert_eq!(shown["model"], done["model"]);
    assert_eq!(shown["manifest"]["normalisation"]["std"], serde_json::json!([0.25]));
    assert_eq!(shown["tensors"].as_array().unwrap().len(), 62);
    assert!(text(&["model", "show", &file]).contains("module.bn1.num_batches_tracked"));

    let db = bench.text("db");
    text(&["init", &db, "--model", &weights]);
    assert_eq!(json(&["stats", &db])["model"], done["model"]);
    assert!(refusal(&[&arguments[..], &normalised].concat()).contains("birds.safetensors is there already"));
}

#[test]
fn a_file_with_code_or_broken_values_leaves_nothing_behind() {
    let bench = Bench::new();
    let code = bench.write("module.pt", MODULE);
    let line = refusal(&["model", "import", &code, "--out", &bench.text("models")]);
    assert!(
        line.contains("module.pt is refused: the file asks to run \"torch.nn.modules.linear.Linear\""),
        "{line}"
    );

    // The values share one storage, which the archive has a checksum of.
    let mut bytes = CHECKPOINT.to_vec();
    let at = bytes.windows(6).position(|window| window == b"data/0").unwrap() + 300;
    bytes[at] ^= 1;
    let damaged = bench.write("damaged.pt", &bytes);
    let line = refusal(&["model", "import", &damaged, "--out", &bench.text("models")]);
    assert!(line.contains("does not have the checksum"), "{line}");
    let cut = bench.write("cut.pt", &CHECKPOINT[..CHECKPOINT.len() / 2]);
    assert!(refusal(&["model", "import", &cut, "--out", &bench.text("models")]).contains("cut short"));

    let mut left = entries(bench.folder.path());
    left.sort();
    assert_eq!(left, ["cut.pt", "damaged.pt", "module.pt"]);
}

#[test]
fn tensors_without_a_place_are_refused_unless_they_are_left_out_on_purpose() {
    let bench = Bench::new();
    let weights = bench.other_model();
    let folder = bench.text("models");
    let bytes = fs::read(&weights).unwrap();
    let header = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let list = String::from_utf8(bytes[8..8 + header].to_vec()).unwrap();
    let data = bytes.len() - 8 - header;
    let aux =
        format!("{{\"aux.bias\":{{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[{data},{}]}},", data + 2);
    let list = list.replacen('{', &aux, 1);
    let more =
        [&(list.len() as u64).to_le_bytes()[..], list.as_bytes(), &bytes[8 + header..], &[0; 2]].concat();
    let file = bench.write("more.safetensors", &more);

    let arguments = ["model", "import", &file, "--out", &folder, "--input", "28x28"];
    let line = refusal(&arguments);
    assert!(line.contains("1 tensor that the network has no place for, the first is \"aux.bias\""), "{line}");
    assert_eq!(run(&[&arguments[..], &["--dry-run"]].concat()).status.code(), Some(1));
    let done = json(&[&arguments[..], &["--allow-unused", "--half"]].concat());
    assert_eq!(
        (&done["unused"], &done["missing"]),
        (&serde_json::json!(["aux.bias"]), &serde_json::json!([]))
    );
}

#[test]
fn weights_without_a_manifest_are_checked_as_the_refusal_says() {
    let bench = Bench::with_images(8);
    bench.write("bare.safetensors", include_bytes!("../../assets/glyphs.safetensors"));
    let check = ["model", "check", &bench.text("bare.safetensors"), &bench.text("images")].map(str::to_owned);
    let check: Vec<&str> = check.iter().map(String::as_str).collect();
    let line = refusal(&check);
    assert!(line.contains("give --manifest FILE.json, or --input HxW"), "{line}");
    let classes = lookalike_datasets::GlyphSet::CLASSES.join(",");
    let checked = json(&[&check[..], &["--input", "28x28", "--classes", &classes]].concat());
    assert_eq!(checked["images"].as_u64(), Some(8));
}

#[test]
fn a_model_is_measured_on_labelled_images() {
    let bench = Bench::with_images(24);
    let checked = json(&["model", "check", "builtin:glyphs", &bench.text("images")]);
    assert_eq!((checked["images"].as_u64(), checked["model"]["name"].as_str()), (Some(24), Some("glyphs")));
    assert!(checked["accuracy"].as_f64().unwrap() > 0.9, "{checked}");
    let drawn = json(&["model", "check", "builtin:glyphs", "--dataset", "glyphs", "--limit", "10"]);
    assert_eq!(drawn["images"], 10);
    assert!(drawn["gflops"].as_f64().unwrap() > 0.0);

    let line = refusal(&["model", "check", &bench.other_model(), &bench.text("images")]);
    assert!(line.contains("has the label \"") && line.contains("the model \"other\" knows a, b;"), "{line}");
    fs::create_dir(bench.path("empty")).unwrap();
    assert!(refusal(&["model", "check", "builtin:glyphs", &bench.text("empty")]).contains("holds no image"));
}

#[test]
fn the_models_of_a_database_are_listed_with_the_collections_that_they_serve() {
    let bench = Bench::new();
    let db = bench.database();
    text(&["ingest", &db, "--dataset", "glyphs", "--count", "4"]);
    text(&["rebuild", &db, "--model", &bench.other_model()]);
    let listed = json(&["model", "list", &db]);
    let models = listed["models"].as_array().unwrap();
    let uses = |model: &serde_json::Value| (model["name"].clone(), model["collections"][0]["role"].clone());
    assert_eq!(uses(&models[0]), ("glyphs".into(), "previous".into()));
    assert_eq!(uses(&models[1]), ("other".into(), "current".into()));
    assert!(text(&["model", "list", &db]).contains("main (current)"));
    assert_eq!(json(&["model", "show", &db])["model"]["name"], "other");
}
