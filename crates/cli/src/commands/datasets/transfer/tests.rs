use std::fs::{self, File};
use std::time::Duration;

use lookalike_datasets::{Digest, Packing};
use tempfile::TempDir;

use super::*;
use crate::commands::datasets::loopback::{Answer, Loopback, nowhere};

/// A million times "a": FIPS 180-2, appendix B.3.
const FILE: SourceFile = SourceFile {
    name: "a.bin",
    urls: &[],
    bytes: 1_000_000,
    digest: Digest::Sha256("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    packing: Packing::Ready,
};

fn content() -> Vec<u8> {
    vec![b'a'; 1_000_000]
}

/// A folder, and what came of fetching the file from there.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let transfer = Transfer::new(Duration::from_secs(30), None);
        transfer.fetch(&FILE, &format!("{url}/a.bin"), self.folder.path(), &mut |_| ())
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("a.bin.part")
    }

    /// Whether the file is there, and nothing else.
    fn has_the_file_alone(&self) -> bool {
        fs::read(self.folder.path().join("a.bin")).is_ok_and(|found| found == content())
            && self.entries() == 1
    }

    fn entries(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

#[test]
fn a_whole_file_gets_its_name_and_is_not_fetched_twice() {
    let bench = Bench::new();
    let server = Loopback::new(vec![Answer::whole(&content())]);
    assert_eq!(bench.fetch(&server.url).unwrap(), Fetched::Whole);
    assert!(bench.has_the_file_alone());
    assert_eq!(bench.fetch(&server.url).unwrap(), Fetched::There);
    assert_eq!(server.requests(), ["/a.bin"]);
}

#[test]
fn a_transfer_that_breaks_off_goes_on_from_there() {
    let bench = Bench::new();
    let server = Loopback::new(vec![
        Answer::whole(&content()).cut(600_000),
        Answer::rest(&content(), 400_000).cut(100_000),
        Answer::rest(&content(), 900_000),
    ]);
    assert_eq!(bench.fetch(&server.url).unwrap(), Fetched::Whole);
    assert!(bench.has_the_file_alone());
    assert_eq!(server.requests(), ["/a.bin", "/a.bin bytes=400000-", "/a.bin bytes=900000-"]);
}

#[test]
fn what_an_earlier_fetch_left_is_kept_and_completed_by_the_next() {
    let bench = Bench::new();
    let server =
        Loopback::new(vec![Answer::whole(&content()).cut(600_000), Answer::new("503 Busy", &[], b"")]);
    let error = bench.fetch(&server.url).unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error}");
    assert_eq!(fs::metadata(bench.part()).unwrap().len(), 400_000);
    let server = Loopback::new(vec![Answer::rest(&content(), 400_000)]);
    assert_eq!(bench.fetch(&server.url).unwrap(), Fetched::Resumed);
    assert!(bench.has_the_file_alone());
}

#[test]
fn a_server_without_ranges_sends_the_file_from_its_beginning() {
    let ignored = vec![Answer::whole(&content())];
    let refused = vec![Answer::new("416 Range Not Satisfiable", &[], b""), Answer::whole(&content())];
    let elsewhere = vec![Answer::rest(&content(), 17), Answer::whole(&content())];
    for answers in [ignored, refused, elsewhere] {
        let bench = Bench::new();
        fs::write(bench.part(), "aaaaa").unwrap();
        let server = Loopback::new(answers);
        assert_eq!(bench.fetch(&server.url).unwrap(), Fetched::Whole);
        assert!(bench.has_the_file_alone());
        assert_eq!(server.requests()[0], "/a.bin bytes=5-");
    }
}

#[test]
fn a_beginning_of_another_file_is_thrown_away_and_fetched_again() {
    let bench = Bench::new();
    fs::write(bench.part(), "bbbbb").unwrap();
    let server = Loopback::new(vec![Answer::rest(&content(), 5), Answer::whole(&content())]);
    assert_eq!(bench.fetch(&server.url).unwrap(), Fetched::Whole);
    assert!(bench.has_the_file_alone());
}

#[test]
fn wrong_bytes_are_refused_with_both_digests_and_leave_nothing() {
    let bench = Bench::new();
    let server = Loopback::new(vec![Answer::whole(&vec![b'b'; 1_000_000])]);
    let error = bench.fetch(&server.url).unwrap_err();
    let text = crate::show::output::line(&error);
    assert!(matches!(error, FetchError::Wrong { .. }), "{text}");
    assert!(text.contains("has the digest ") && text.contains("expected cdc76e5c9914fb"), "{text}");
    assert_eq!(bench.entries(), 0);
}

#[test]
fn a_file_of_another_length_is_refused_before_or_while_it_comes() {
    let announced = Answer::whole(&vec![b'a'; 1_000_001]);
    let unannounced = Answer::new("200 OK", &[], &vec![b'a'; 2_000_000]);
    let by_one = Answer::new("200 OK", &[], &vec![b'a'; 1_000_001]);
    for answer in [announced, unannounced, by_one] {
        let bench = Bench::new();
        let error = bench.fetch(&Loopback::new(vec![answer]).url).unwrap_err();
        assert!(
            matches!(
                error,
                FetchError::Length { found: 1_000_001, expected: 1_000_000, .. }
                    | FetchError::TooLong { expected: 1_000_000, .. }
            ),
            "{error}"
        );
        assert_eq!(bench.entries(), 0);
    }
}

#[test]
fn an_answer_that_is_no_file_keeps_what_was_there() {
    let bench = Bench::new();
    fs::write(bench.part(), "aaaaa").unwrap();
    let server = Loopback::new(vec![Answer::new("404 Not Found", &["Content-Length: 2"], b"no")]);
    let error = bench.fetch(&server.url).unwrap_err();
    assert!(error.to_string().ends_with("answers with status 404, expected 200"), "{error}");
    assert!(matches!(bench.fetch(&nowhere()), Err(FetchError::Unreachable { .. })));
    assert_eq!(fs::read(bench.part()).unwrap(), b"aaaaa");
}

#[test]
fn a_chain_of_redirections_ends() {
    let bench = Bench::new();
    let target = Loopback::new(vec![Answer::whole(&content())]);
    let to = |url: &str| Answer::new("302 Found", &[&format!("Location: {url}/b"), "Content-Length: 0"], b"");
    let server = Loopback::new(vec![to(&target.url)]);
    assert_eq!(bench.fetch(&server.url).unwrap(), Fetched::Whole);

    let bench = Bench::new();
    let round = || Answer::new("302 Found", &["Location: /a.bin", "Content-Length: 0"], b"");
    let server = Loopback::new((0..20).map(|_| round()).collect());
    assert!(matches!(bench.fetch(&server.url), Err(FetchError::Unreachable { .. })));
    assert!(server.requests().len() <= 6);
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let bench = Bench::new();
    let answer = Answer { silent: true, ..Answer::whole(&content()).cut(1_000_000) };
    let server = Loopback::new(vec![answer]);
    let transfer = Transfer::new(Duration::from_millis(50), None);
    let url = format!("{}/a.bin", server.url);
    let error = transfer.fetch(&FILE, &url, bench.folder.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, FetchError::BrokenOff { found: 0, .. }), "{error}");
}

#[test]
fn a_file_that_is_there_and_wrong_is_left_to_its_owner() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("a.bin"), "mine").unwrap();
    let error = bench.fetch(&nowhere()).unwrap_err();
    assert!(crate::show::output::line(&error).contains("has 4 bytes, expected 1000000"), "{error}");
    assert_eq!(fs::read(bench.folder.path().join("a.bin")).unwrap(), b"mine");
}

#[test]
fn two_fetches_do_not_write_one_file() {
    let bench = Bench::new();
    let other = File::create(bench.part()).unwrap();
    other.lock().unwrap();
    assert!(matches!(bench.fetch(&nowhere()), Err(FetchError::Busy { .. })));
}
