//! Neighbours judged by a stand-in for a model, which checks what it is asked.

mod stand_in;

use std::collections::HashSet;
use std::fs;
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lookalike_datasets::GlyphSet;
use lookalike_engine::decode;
use lookalike_engine::plugin_api::Image;
use lookalike_eval::{Baseline, Condition, Contestant, Experiment, Known, RunFolder, Subject, Suite, Way};
use lookalike_vision::{ComputeConfig, Model, ModelManifest};
use serde_json::Value;

use crate::bench::{Bench, refusal, stderr};
use stand_in::{Request, Says, StandIn};

const KEY: &str = "sk-owl-0123456789";
/// Pixels left of the rows.
const MARGIN: usize = 144;
/// Pixels of an image, which is enlarged four times, with the gap behind it.
const STRIDE: usize = 124;
const GAP: usize = 12;
/// Judged neighbours of each list.
const JUDGED: usize = 3;
/// Pairs that differ, of three queries under two conditions.
const PAIRS: u64 = 6;
const HEADER: &str = "contestant,seed,query,rank,precision,average_precision,right,overlap,rank_biased_overlap,latent,\
    outliers,microseconds,nearest\n";

fn experiment() -> Experiment {
    let contestant =
        |name: &str, baseline| Contestant { name: name.to_owned(), way: Way::Baseline(baseline) };
    Experiment {
        exemplars: 24,
        queries: 4,
        neighbours: 5,
        conditions: vec![Condition::Clean, "noise=5".parse().unwrap()],
        contestants: vec![contestant("tmm", Baseline::L2), contestant("whitened", Baseline::Whitened)],
        shortlists: Vec::new(),
        ..Suite::Paper.experiment()
    }
}

/// The glyphs that the command draws again for that experiment.
fn subject() -> Subject {
    let glyphs = |seed, count| (0..count).map(|index| (GlyphSet::new(seed), index)).collect::<Vec<_>>();
    let known = |(set, index): &(GlyphSet, u64)| {
        let glyph = set.glyph(*index);
        let label = Some(glyph.name.to_owned());
        Ok::<_, lookalike_eval::EvalError>(Known { image: glyph.image, label, factors: Some(glyph.factors) })
    };
    let (train, test) = (glyphs(11, 48), glyphs(12, 48));
    Subject::draw("glyphs", [&train, &test], Vec::new(), &experiment(), known).unwrap()
}

/// A finished run: of three queries `tmm` found the first exemplars and `whitened` later ones, of the last query both
/// found the same.
fn finished() -> Bench {
    static RECORDS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let [experiment, subject] = RECORDS.get_or_init(|| {
        let bench = Bench::new();
        let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/glyphs");
        let manifest = fs::read_to_string(format!("{assets}.json")).unwrap();
        let weights = fs::read(format!("{assets}.safetensors")).unwrap();
        let manifest = ModelManifest::from_json(&manifest).unwrap();
        let model = Arc::new(Model::load(manifest, &weights, ComputeConfig::default()).unwrap());
        let folder = RunFolder::new(bench.path("run"));
        lookalike_eval::run(&folder, &model, &subject(), &experiment(), &mut |_| ()).unwrap();
        ["run/experiment.json", "run/subject.json"].map(|name| fs::read(bench.path(name)).unwrap())
    });
    let bench = Bench::new();
    bench.write("run/experiment.json", experiment);
    bench.write("run/subject.json", subject);
    for condition in ["clean", "noise-5"] {
        let mut lines = HEADER.to_owned();
        for query in 0..4 {
            for contestant in ["tmm", "whitened"] {
                let list = list(contestant, condition, query).map(|id| format!("{id}:0.5")).join(" ");
                lines.extend([&*format!("{contestant},0,{query},1,,,,,,,0.0,7,{list}"), "\n"]);
            }
        }
        bench.write(&format!("run/raw/self-retrieval/{condition}.csv"), lines.as_bytes());
    }
    bench
}

fn list(contestant: &str, condition: &str, query: usize) -> [usize; 5] {
    let first = match (contestant, condition, query) {
        (_, _, 3) | ("tmm", "clean", _) => 0,
        ("tmm", ..) => 1,
        (_, _, query) => 10 + query,
    };
    std::array::from_fn(|place| first + place)
}

/// Images of the list of a contestant that are shown.
fn shown<'a>(subject: &'a Subject, contestant: &str, condition: &str, query: usize) -> Vec<&'a Image> {
    let original = subject.own[query].original;
    let others = list(contestant, condition, query).into_iter().filter(|id| Some(*id) != original);
    others.take(JUDGED).map(|id| &subject.exemplars[id].image).collect()
}

fn judge(bench: &Bench, more: &[&str]) -> Output {
    let folder = bench.text("run");
    Command::new(env!("CARGO_BIN_EXE_lookalike"))
        .args(["eval", "judge", &folder, "--dataset", "glyphs", "--judged", "3", "--json"])
        .args(more)
        .env_remove("RUST_LOG")
        .env("LOOKALIKE_JUDGE_KEY", KEY)
        // It must not matter for this machine itself.
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .output()
        .unwrap()
}

fn judge_by(bench: &Bench, stand_in: &StandIn, more: &[&str]) -> Output {
    let endpoint = stand_in.url();
    judge(bench, &[&["--endpoint", &endpoint, "--judge", "org/owl", "--retry-pause", "1"], more].concat())
}

/// The report of a command that ended with 0: of all, and what the model thinks.
fn report(output: &Output) -> (Value, Value) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_model = report["judgements"].as_array().unwrap().iter().find(|one| one["judge"] == "org/owl");
    (report.clone(), of_model.cloned().unwrap_or_default())
}

fn picture(request: &Request) -> Image {
    let url = request.body["messages"][1]["content"][1]["image_url"]["url"].as_str().unwrap();
    let png = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    decode(&png).unwrap().image
}

/// The pixels of a row of a picture: 0 is the query's, 1 is A, 2 is B.
fn row(picture: &Image, row: usize) -> Vec<u8> {
    let top = GAP + row * STRIDE;
    let line =
        |y: usize| &picture.samples()[(y * picture.width() + MARGIN) * 3..(y + 1) * picture.width() * 3];
    (top..top + STRIDE - GAP).flat_map(line).copied().collect()
}

fn brightness(samples: &[u8]) -> u64 {
    samples.iter().map(|sample| u64::from(*sample)).sum()
}

fn darker(request: &Request) -> Says {
    let picture = picture(request);
    let [a, b] = [1, 2].map(|place| brightness(&row(&picture, place)));
    Says::answer(if a < b { "A" } else { "B" })
}

#[test]
fn a_model_is_shown_both_orders_without_names_and_its_choices_are_counted() {
    let bench = finished();
    let stand_in = StandIn::new(|request, _| darker(request));
    let (all, judged) = report(&judge_by(&bench, &stand_in, &["--price-in", "10", "--price-out", "100"]));

    let subject = subject();
    let level = |contestant, condition, query| -> u64 {
        shown(&subject, contestant, condition, query).iter().map(|image| brightness(image.samples())).sum()
    };
    let is_win = |(condition, query)| level("tmm", condition, query) < level("whitened", condition, query);
    let pairs =
        ["clean", "noise-5"].into_iter().flat_map(|condition| (0..3).map(move |query| (condition, query)));
    let wins = pairs.filter(|pair| is_win(*pair)).count() as u64;
    let overall = &judged["overall"];
    assert_eq!((&overall["wins"], &overall["losses"]), (&wins.into(), &(PAIRS - wins).into()), "{overall}");
    assert_eq!(
        (&overall["ties"], &overall["same_sets"], &overall["left"]),
        (&2.into(), &2.into(), &0.into())
    );
    assert_eq!((&judged["chose_a"], &judged["chose_b"]), (&PAIRS.into(), &PAIRS.into()));
    // A hundred and ten tokens each.
    assert_eq!((&judged["tokens_in"], &judged["tokens_out"]), (&1_200.into(), &120.into()));
    assert!((judged["cost"].as_f64().unwrap() - 0.024).abs() < 1e-9, "{judged}");
    assert_eq!(all["answered_now"], 2 * PAIRS);
    assert!(fs::read_to_string(judged["file"].as_str().unwrap()).unwrap().contains("| noise=5 |"));

    let requests = stand_in.requests();
    assert_eq!(requests.len() as u64, 2 * PAIRS);
    let mut rows = HashSet::new();
    for request in &requests {
        assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {KEY}")));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let (body, messages) = (&request.body, &request.body["messages"]);
        assert_eq!((&body["model"], &body["temperature"]), (&"org/owl".into(), &0.into()));
        assert_eq!((&body["max_tokens"], &body["seed"]), (&300.into(), &0.into()));
        assert_eq!((&messages[0]["role"], &messages[1]["role"]), (&"system".into(), &"user".into()));
        let (text, picture) = (&messages[1]["content"][0], picture(request));
        let mut words = body.clone();
        words["messages"][1]["content"][1]["image_url"]["url"] = "".into();
        for name in ["tmm", "whitened", "clean", "noise", KEY] {
            assert!(!words.to_string().contains(name), "{name} in {words}");
        }
        assert!(text["text"].as_str().unwrap().contains("3 images each"));
        assert_eq!((picture.width(), picture.height()), (MARGIN + JUDGED * STRIDE, GAP + 3 * STRIDE));
        rows.insert([row(&picture, 0), row(&picture, 1), row(&picture, 2)]);
    }
    assert_eq!(rows.len() as u64, 2 * PAIRS);
    for [query, a, b] in &rows {
        assert!(rows.contains(&[query.clone(), b.clone(), a.clone()]), "a pair was shown in one order only");
    }
}

#[test]
fn what_was_answered_is_never_asked_again() {
    let bench = finished();
    let stand_in = StandIn::new(|request, _| darker(request));
    let (all, judged) = report(&judge_by(&bench, &stand_in, &["--max-questions", "5"]));
    assert_eq!((&all["answered_now"], &judged["questions"]), (&5.into(), &5.into()));
    assert!(all["notes"][0].as_str().unwrap().contains("7 questions left"), "{all}");
    let (all, judged) = report(&judge_by(&bench, &stand_in, &[]));
    assert_eq!((&all["answered_now"], &judged["questions"]), (&7.into(), &12.into()));
    let (all, _) = report(&judge_by(&bench, &stand_in, &[]));
    assert_eq!(all["answered_now"], 0);
    let pictures: HashSet<Vec<u8>> =
        stand_in.requests().iter().map(|request| picture(request).into_samples()).collect();
    assert_eq!((stand_in.requests().len(), pictures.len()), (12, 12));
}

#[test]
fn a_choice_by_place_is_a_tie_and_nonsense_an_abstention_that_is_kept_word_for_word() {
    let bench = finished();
    let (_, judged) = report(&judge_by(&bench, &StandIn::new(|_, _| Says::answer("B")), &[]));
    assert_eq!((&judged["overall"]["by_place"], &judged["overall"]["ties"]), (&PAIRS.into(), &8.into()));
    assert!(judged["conclusion"].as_str().unwrap().starts_with("Neither is shown to be better"));

    let bench = finished();
    let nonsense = "Row A, I \"think\"\nbut see for yourself";
    let (_, judged) = report(&judge_by(&bench, &StandIn::new(move |_, _| Says::text(nonsense)), &[]));
    assert_eq!((&judged["overall"]["abstained"], &judged["abstentions"]), (&PAIRS.into(), &12.into()));
    let kept = fs::read_to_string(bench.path("run/judge/org-owl.csv")).unwrap();
    assert_eq!(kept.matches(&nonsense.replace('"', "\"\"")).count(), 12);
}

#[test]
fn a_busy_endpoint_is_asked_again_and_a_broken_one_not_for_ever() {
    let bench = finished();
    let busy = |request: &Request, number| match number {
        0 => Says::Status(429, "slow down".to_owned(), Some("retry-after: 0")),
        1 => Says::Status(503, String::new(), None),
        _ => darker(request),
    };
    let stand_in = StandIn::new(busy);
    let (_, judged) = report(&judge_by(&bench, &stand_in, &[]));
    assert_eq!((&judged["questions"], stand_in.requests().len()), (&12.into(), 14));

    let bench = finished();
    let broken = StandIn::new(|_, _| Says::Status(500, format!("the owl\nsleeps, key {KEY}"), None));
    let output = judge_by(&bench, &broken, &["--retries", "1"]);
    let line = stderr(&output);
    assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    let words = "lookalike: the judge gave no answer: asked 2 times: the endpoint answers 500: the owl sleeps, key [key]";
    assert_eq!(line.trim_end(), words);
    // Three questions in a row, each of them twice.
    assert_eq!(broken.requests().len(), 6);
    let (_, judged) = report(&judge_by(&bench, &StandIn::new(|request, _| darker(request)), &[]));
    assert_eq!(judged["questions"], 12);
}

#[test]
fn what_the_endpoint_refuses_is_not_asked_again() {
    for (says, words) in [
        (
            Says::Status(401, "wrong key".to_owned(), None),
            "asked 1 time: the endpoint answers 401: wrong key",
        ),
        (
            Says::Status(307, String::new(), Some("location: http://127.0.0.1:1/")),
            "the endpoint answers 307: nothing",
        ),
        (Says::Raw("<html>".to_owned()), "the endpoint's answer is no chat completion: <html>"),
        (Says::Raw("x".repeat(2 << 20)), "the endpoint's answer is longer than 1048576 bytes"),
    ] {
        let (bench, stand_in) = (finished(), StandIn::new(move |_, _| says.clone()));
        let output = judge_by(&bench, &stand_in, &[]);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(stderr(&output).contains(words), "{words} in {}", stderr(&output));
        assert_eq!(stand_in.requests().len(), 3, "{words}");
    }
}

#[test]
fn one_question_that_takes_too_long_does_not_stop_the_others() {
    let bench = finished();
    let stand_in = StandIn::new(|request, number| if number == 2 { Says::Nothing } else { darker(request) });
    let output = judge_by(&bench, &stand_in, &["--timeout", "1", "--retries", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all["answered_now"], 11);
    let note = all["notes"][0].as_str().unwrap();
    assert!(note.contains("1 question got no answer") && note.contains("--timeout"), "{note}");
    let (all, _) = report(&judge_by(&bench, &stand_in, &[]));
    assert_eq!(all["answered_now"], 1);
}

#[test]
fn without_an_endpoint_glyphs_are_judged_by_their_factors_and_others_not_at_all() {
    let bench = finished();
    let (all, of_model) = report(&judge(&bench, &[]));
    assert_eq!((all["judgements"].as_array().unwrap().len(), of_model), (1, Value::Null));
    assert_eq!(all["judgements"][0]["judge"], "latent factors");
    let overall = &all["judgements"][0]["overall"];
    let count = |name: &str| overall[name].as_u64().unwrap();
    assert_eq!((count("wins") + count("losses") + count("ties"), count("same_sets")), (8, 2));
    assert!(all["notes"][0].as_str().unwrap().contains("no model was asked"));

    let folder = bench.text("run");
    let text = crate::bench::text(&["eval", "judge", &folder, "--dataset", "mnist"]);
    assert_eq!(text, "note: no model was asked; give --endpoint URL and --judge NAME\n");
}

#[test]
fn the_key_is_read_from_a_file_first_and_shown_nowhere() {
    let bench = finished();
    let stand_in = StandIn::new(|request, _| darker(request));
    let file = bench.write("key", b"sk-from-file\n");
    let output = judge_by(&bench, &stand_in, &["--key-file", &file]);
    report(&output);
    let sent = stand_in.requests();
    assert!(sent.iter().all(|request| request.header("authorization") == Some("Bearer sk-from-file")));
    let kept = fs::read_to_string(bench.path("run/judge/org-owl.csv")).unwrap();
    for text in [String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output), kept] {
        assert!(!text.contains("sk-from-file") && !text.contains(KEY), "{text}");
    }
    let empty = bench.write("key", b"\n");
    let output = judge_by(&bench, &stand_in, &["--key-file", &empty]);
    assert!(stderr(&output).contains("it is empty"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_judged_is_refused_before_anything_is_asked() {
    let bench = finished();
    let folder = bench.text("run");
    let refused =
        |more: &[&str]| refusal(&[&["eval", "judge", &folder, "--dataset", "glyphs"], more].concat());
    let model = ["--judge", "owl", "--endpoint", "http://example.org/v1"];
    assert!(refused(&[&model[..], &["--judged", "3"]].concat()).contains("--insecure"));
    assert!(refused(&["--first", "best"]).contains("there are: tmm, whitened"));
    // Six are judged unless said otherwise, and the run kept five.
    assert!(refused(&[]).contains("judge fewer"));
    assert!(refusal(&["eval", "judge", &bench.text("none"), "--dataset", "glyphs"]).contains("finished run"));
    bench.write("run/subject.json", br#"{"name":"a","exemplars":24,"outliers":0,"images":"00","model":"m"}"#);
    assert!(refused(&["--judged", "3"]).contains("holds a run of another data set"));
}
