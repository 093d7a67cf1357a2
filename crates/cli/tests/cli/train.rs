//! Training: from a tree of images to a model that can be used, curves, and going on after an interruption.

use std::fs;

use crate::bench::{Bench, entries, json, refusal, text};

/// A short training of the glyph network on the bench's tree of images.
fn training<'a>(images: &'a str, out: &'a str) -> Vec<&'a str> {
    let network = ["--arch", "glyph_net", "--input", "28x28", "--channels", "1"];
    let steps = ["--epochs", "2", "--batch", "8", "--lr", "0.02", "--val", "0.25", "--name", "tree"];
    [&["train", images, "--out", out][..], &network, &steps].concat()
}

#[test]
fn glyphs_are_learnt_well_within_one_pass() {
    let bench = Bench::new();
    let out = bench.text("out");
    let report = json(&["train", "--count", "2048", "--epochs", "1", "--out", &out]);
    assert!(report["validation"]["accuracy"].as_f64().unwrap() > 0.9, "{report}");
    assert_eq!(report["epochs"].as_array().unwrap().len(), 1);
    let mut files = entries(&bench.path("out"));
    files.sort();
    assert_eq!(files, ["curves.svg", "glyphs.json", "glyphs.safetensors", "training.json"]);
}

#[test]
fn a_tree_of_images_becomes_a_model_that_a_database_takes() {
    let bench = Bench::with_images(48);
    let (images, out) = (bench.text("images"), bench.text("out"));
    let printed = text(&training(&images, &out));
    assert!(printed.starts_with("to learn: 48 images of 28 x 28 grey, 36.8 KiB in memory\n"), "{printed}");
    assert!(printed.contains("epoch 2 of 2: loss "), "{printed}");
    assert!(printed.contains("of 12 validation images are classified rightly"), "{printed}");

    let record = fs::read_to_string(bench.path("out/training.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!((record["images"].as_u64(), record["config"]["batch"].as_u64()), (Some(36), Some(8)));
    assert_eq!(record["epochs"][1]["validation"]["images"], 12);
    let curves = fs::read_to_string(bench.path("out/curves.svg")).unwrap();
    for word in ["accuracy (%)", "loss (nats)", "epoch", "validation images"] {
        assert!(curves.contains(word), "{word}");
    }

    let db = bench.text("db");
    text(&["init", &db, "--model", &bench.text("out/tree.safetensors")]);
    let classes = json(&["stats", &db])["model"]["classes"].clone();
    let names: Vec<&str> = classes.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.len() > 2 && names.is_sorted(), "{names:?}");
}

#[test]
fn a_checkpoint_is_gone_on_from_and_never_trodden_on() {
    let bench = Bench::with_images(24);
    let (images, out) = (bench.text("images"), bench.text("out"));
    let arguments = training(&images, &out);
    let again = [&arguments[..], &["--resume"]].concat();
    assert!(refusal(&again).contains("checkpoint.safetensors to go on from; leave out --resume to begin"));

    bench.write("out/checkpoint.safetensors", b"something");
    assert!(refusal(&arguments).contains("is an unfinished training; go on with --resume"));
    let line = refusal(&again);
    assert!(line.contains("the checkpoint is cut short or no checkpoint at all"), "{line}");
}

#[test]
fn what_cannot_be_trained_is_refused_before_it_begins() {
    let bench = Bench::with_images(4);
    let (images, out) = (bench.text("images"), bench.text("out"));
    let with = |more: &[&str]| refusal(&[&training(&images, &out)[..], more].concat());
    assert!(with(&["--smoothing", "1"]).contains("label smoothing is 1, expected 0 to below 1"));
    assert!(
        refusal(&["train", &images, "--input", "28x28", "--val", "test", "--out", &out])
            .contains("only a data set has a test part")
    );
    assert!(with(&[]).contains("3 images do not fill a batch of 8; give more images or a smaller batch"));
    assert!(refusal(&["train", "--out", &out, "--name", "../x"]).contains("choose another --name"));
    assert!(
        refusal(&["train", "--count", "100000000", "--out", &out])
            .contains("take fewer with --limit or a smaller --input")
    );
    assert!(refusal(&["train", "--dataset", "mnist", "--out", &out]).contains("--from DIR"));
}
