//! Official data sets: listed, fetched from a server on the loopback interface, held against their digests.

use std::fs;

use crate::bench::{Bench, json, refusal, run, text};
use crate::loopback::{Answer, Loopback, nowhere};

const FIRST: &str = "train-images-idx3-ubyte.gz";

#[test]
fn the_official_sources_are_listed_with_size_and_digest() {
    let list = json(&["datasets", "list"]);
    let sets = list["datasets"].as_array().unwrap();
    let mnist = sets.iter().find(|set| set["name"] == "mnist").unwrap();
    assert_eq!(mnist["files"][0]["name"], FIRST);
    assert_eq!(mnist["files"][0]["bytes"], 9_912_422);
    assert!(mnist["files"][0]["digest"].as_str().unwrap().starts_with("sha256:440fcabf"));
    assert!(text(&["datasets", "list"]).contains("cifar10"));
    assert_eq!(run(&["datasets", "fetch", "imagenet"]).status.code(), Some(2));
}

#[test]
fn what_is_missing_or_wrong_ends_a_check_with_1() {
    let bench = Bench::new();
    bench.write(&format!("mnist/{FIRST}"), b"no digits");
    let output = run(&["datasets", "verify", "mnist", &bench.text("mnist"), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["files"][0]["status"], &report["files"][1]["status"]),
        (&"wrong".into(), &"missing".into())
    );
    assert!(report["files"][0]["reason"].as_str().unwrap().contains("has 9 bytes, expected 9912422"));
}

#[test]
fn without_a_network_one_line_says_how_to_place_the_file_by_hand() {
    let bench = Bench::new();
    let (folder, mirror) = (bench.text("mnist"), nowhere());
    let line = refusal(&["datasets", "fetch", "mnist", &folder, "--mirror", &mirror]);
    let by_hand = format!(
        "put {FIRST} (9,912,422 bytes) into {folder} and run \"lookalike datasets verify mnist {folder}\""
    );
    assert!(
        line.contains(&format!("no usable answer from {mirror}/{FIRST}: ")) && line.contains(&by_hand),
        "{line}"
    );
}

#[test]
fn a_server_that_has_another_file_is_refused_and_nothing_is_kept() {
    let bench = Bench::new();
    let folder = bench.text("mnist");
    let fetch = |answer| {
        let server = Loopback::new(vec![answer]);
        refusal(&["datasets", "fetch", "mnist", &folder, "--mirror", &server.url])
    };
    assert!(fetch(Answer::new("404 Not Found", &[], b"")).contains("status 404, expected 200"));
    assert!(fetch(Answer::whole(b"a page")).contains("has a file of 6 bytes, expected 9912422"));
    assert!(fetch(Answer::whole(&vec![7; 9_912_422])).contains("has the digest"));
    assert!(
        fetch(Answer::new("200 OK", &[], &vec![7; 10_000_000])).contains("sends more than the 9912422 bytes")
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn an_interrupted_fetch_goes_on_where_it_was_and_begins_again_where_that_was_wrong() {
    let bench = Bench::new();
    let (folder, body) = (bench.text("mnist"), vec![7; 9_912_422]);
    let fetch =
        |server: &Loopback| refusal(&["datasets", "fetch", "mnist", &folder, "--mirror", &server.url]);
    let server = Loopback::new(vec![Answer::whole(&body).cut(9_000_000)]);
    assert!(fetch(&server).contains("no usable answer"));
    assert_eq!(fs::metadata(bench.path(&format!("mnist/{FIRST}.part"))).unwrap().len(), 912_422);

    let server = Loopback::new(vec![Answer::rest(&body, 912_422), Answer::whole(&body)]);
    assert!(fetch(&server).contains("of which nothing is kept"));
    assert_eq!(server.requests(), [format!("/{FIRST} bytes=912422-"), format!("/{FIRST}")]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}
