//! Evaluation: a run with its report, what changed between two, settings searched, and what is refused.

use std::fs;

use crate::bench::{Bench, json, refusal, text};

/// Three rankings under two conditions.
const EXPERIMENT: &str = r#"{
  "exemplars": 40, "queries": 4, "seed": 1, "trigger_seeds": 1, "neighbours": 5,
  "protocols": ["self-retrieval"],
  "conditions": ["clean", "noise=3"],
  "contestants": [
    {"name": "l2", "way": {"baseline": "l2"}},
    {"name": "whitened", "way": {"baseline": "whitened"}},
    {"name": "tmm", "way": {"tmm": {"views": ["blur:1"], "parameters": {"mode": "views", "positives": 4}}}}
  ],
  "shortlists": [10]
}"#;

const GLYPHS: [&str; 4] = ["--dataset", "glyphs", "--model", "builtin:glyphs"];

fn run<'a>(experiment: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["eval", "run", "--experiment", experiment, "--out", out][..], &GLYPHS, more].concat()
}

#[test]
fn a_run_is_measured_reported_and_compared() {
    let bench = Bench::new();
    bench.write("mine.json", EXPERIMENT.as_bytes());
    let [experiment, first, second] = ["mine.json", "first", "second"].map(|name| bench.text(name));
    let report = json(&run(&experiment, &first, &[]));
    let rankings = report["protocols"][0]["rankings"].as_array().unwrap();
    assert_eq!(rankings.len(), 3);
    assert!(rankings.iter().all(|ranking| ranking["mean"].as_f64().unwrap() >= 0.5), "{report}");
    let page = fs::read_to_string(bench.path("first/report/index.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("whitened") && !page.contains("http-equiv"), "{page}");
    for file in ["summary.md", "summary.csv", "plots"] {
        assert!(bench.path("first/report").join(file).exists(), "{file}");
    }

    // The report again, without the images, from the raw files alone.
    let printed = text(&["eval", "report", &first]);
    assert!(printed.contains("self-retrieval at 1, mean over all conditions"), "{printed}");

    // Another run goes its own way; the same command on a finished one measures nothing anew.
    text(&run(&experiment, &second, &["--queries", "6"]));
    let printed = text(&run(&experiment, &first, &[]));
    assert!(!printed.contains("noise=3  (after"), "{printed}");
    let printed = text(&["eval", "compare", &first, &second]);
    assert!(printed.contains("queries") && printed.contains("whitened"), "{printed}");
    let refused = refusal(&run(&experiment, &first, &["--queries", "6"]));
    assert!(refused.contains("holds a run of another experiment"), "{refused}");
}

#[test]
fn settings_are_searched_and_told_as_commands() {
    let bench = Bench::new();
    let out = bench.text("tuned");
    let numbers = ["--trials", "8", "--queries", "4", "--exemplars", "30", "--most-milliseconds", "100000"];
    let printed = text(&[&["eval", "tune", "--out", &out][..], &GLYPHS, &numbers].concat());
    assert!(printed.contains("the best of 8 settings finds "), "{printed}");
    assert!(printed.contains("lookalike search DB IMAGE --rank tmm --full --set "), "{printed}");
    // What was found takes part in a run.
    bench.write("mine.json", EXPERIMENT.as_bytes());
    let [experiment, preset, run_in] = ["mine.json", "tuned/preset.json", "run"].map(|name| bench.text(name));
    let report = json(&run(&experiment, &run_in, &["--preset", &preset]));
    let names: Vec<&str> = report["protocols"][0]["rankings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|ranking| ranking["ranking"].as_str())
        .collect();
    assert!(names.contains(&"tuned"), "{names:?}");
    assert!(refusal(&run(&experiment, &run_in, &["--preset", &experiment])).contains("preset"));
}

#[test]
fn settings_are_searched_on_several_data_sets_at_once() {
    let bench = Bench::new();
    let glyphs =
        |name: &str| format!(r#"{{"name": "{name}", "dataset": "glyphs", "model": "builtin:glyphs"}}"#);
    bench.write("sets.json", format!("[{}, {}]", glyphs("one"), glyphs("two")).as_bytes());
    let [sets, wrong, out] = ["sets.json", "wrong.json", "tuned"].map(|name| bench.text(name));
    let numbers = ["--trials", "8", "--queries", "2", "--exemplars", "20", "--most-milliseconds", "100000"];
    let tune = |sets| [&["eval", "tune", "--out", &out, "--sets", sets][..], &numbers].concat();
    let printed = text(&tune(&sets));
    assert!(printed.contains("\n  one: ") && printed.contains("\n  two: "), "{printed}");
    let trials = fs::read_to_string(bench.path("tuned/trials.md")).unwrap();
    assert!(trials.contains("| views-copies"), "{trials}");

    let refused = [
        ("[]", "0 are named, 1 to 16 are possible"),
        (r#"[{"dataset": "glyphs"}]"#, "missing field `model`"),
        (r#"[{"dataset": "letters", "model": "builtin:glyphs"}]"#, "unknown variant `letters`"),
        (r#"[{"name": "../up", "dataset": "glyphs", "model": "builtin:glyphs"}]"#, "cannot name a folder"),
        (r#"[{"dataset": "glyphs", "model": "builtin:glyphs", "input": "28"}]"#, "HEIGHTxWIDTH"),
        (r#"[{"model": "builtin:glyphs"}]"#, "data set 1 of"),
        (r#"[{"dataset": "glyphs", "train": ["x"], "model": "m"}]"#, "dataset and train exclude each other"),
        (r#"[{"dataset": "glyphs", "model": "m", "classes": ["a"]}]"#, "classes need input"),
    ];
    for (json, said) in refused {
        bench.write("wrong.json", json.as_bytes());
        let line = refusal(&tune(&wrong));
        assert!(line.contains(said), "{json}: {line}");
    }
}

#[test]
fn what_cannot_be_run_is_refused_in_a_line() {
    let bench = Bench::new();
    bench.write("mine.json", EXPERIMENT.as_bytes());
    bench.write("odd.json", EXPERIMENT.replace("noise=3", "noise=loud").as_bytes());
    let [experiment, odd, out] = ["mine.json", "odd.json", "out"].map(|name| bench.text(name));
    assert!(refusal(&run(&odd, &out, &[])).contains("\"noise=loud\" is no condition"));
    assert!(refusal(&run(&experiment, &out, &["--neighbours", "40"])).contains("1 to 39 are possible"));
    let without = ["eval", "run", "--experiment", &experiment, "--out", &out, "--model", "builtin:glyphs"];
    assert!(refusal(&without).contains("no images are named"));
    assert!(refusal(&["eval", "report", &out]).contains("cannot be read"));
    assert!(!bench.path("out/raw").exists());
}
