use std::path::Path;

use lookalike_engine::plugin_api::{Digest, Fingerprint, ParameterError};
use lookalike_engine::{DeriveError, FilterError, FolderError, IngestError, ViewsError};

use super::*;
use crate::failure::Malformed;

fn text(what: &str) -> String {
    what.to_owned()
}

fn io() -> std::io::Error {
    std::io::Error::other("of the test")
}

fn fingerprint() -> Fingerprint {
    let (weights, preprocessing) = (Digest([1; 32]), Digest([2; 32]));
    Fingerprint { model: text("a"), weights, preprocessing, dimension: 1 }
}

fn search(error: SearchError) -> Failure {
    Failure::Search(error)
}

#[test]
fn every_failure_has_its_code() {
    let missing = || OpenError::Missing { name: text("birds"), known: text("none") };
    let store = |error| Failure::Open(OpenError::Store(error));
    let rebuild = |source| Failure::Open(OpenError::Rebuild { collection: text("a"), source });
    let full = || WriteError::DiskFull { path: "a".into(), free_bytes: 0, needed_bytes: 1 };
    let read = || ReadError::File(FolderError::new("reading", Path::new("rows"), io()));
    let table: Vec<(Failure, Code)> = vec![
        (Malformed::EmptyIngest.into(), Code::InvalidArgument),
        (FilterError::TooLong { found: 5000 }.into(), Code::InvalidArgument),
        (LaneError::Overloaded { places: 3 }.into(), Code::ResourceExhausted),
        (LaneError::Panicked.into(), Code::Internal),
        (LaneError::Stopped.into(), Code::Unavailable),
        (Failure::NoExemplar { collection: text("a"), key: text("b") }, Code::NotFound),
        (Failure::TooManyIngests { most: 1 }, Code::ResourceExhausted),
        (missing().into(), Code::NotFound),
        (OpenError::Load { collection: text("a"), source: read() }.into(), Code::Internal),
        (store(StoreError::CollectionName { name: text("A") }), Code::InvalidArgument),
        (store(StoreError::CollectionExists { name: text("a") }), Code::AlreadyExists),
        (
            store(StoreError::DiskFull { path: "a".into(), free_bytes: 0, needed_bytes: 1 }),
            Code::ResourceExhausted,
        ),
        (store(StoreError::Locked { path: "a".into() }), Code::FailedPrecondition),
        (store(StoreError::OlderFormat { path: "a".into(), found: 1, current: 2 }), Code::FailedPrecondition),
        (rebuild(RebuildError::Read(read())), Code::Internal),
        (rebuild(RebuildError::Decode { id: 1, source: DecodeError::TooLarge { found: 1 } }), Code::DataLoss),
        (
            rebuild(RebuildError::Embed(IngestError::Write(WriteError::IdsExhausted))),
            Code::FailedPrecondition,
        ),
        (
            rebuild(MaintenanceError::OtherRebuild { found: fingerprint().into() }.into()),
            Code::FailedPrecondition,
        ),
        (rebuild(MaintenanceError::NoModel { wanted: "a", remedy: "b" }.into()), Code::FailedPrecondition),
        (
            rebuild(MaintenanceError::Incomplete { missing: 1, model: fingerprint().into() }.into()),
            Code::FailedPrecondition,
        ),
        (rebuild(MaintenanceError::Differs { path: "a".into() }.into()), Code::DataLoss),
        (rebuild(MaintenanceError::Source(read()).into()), Code::Internal),
        (rebuild(MaintenanceError::Write(full()).into()), Code::ResourceExhausted),
        (store(StoreError::File(FolderError::new("opening", Path::new("a"), io()))), Code::Internal),
        (read().into(), Code::Internal),
        (ReadError::UnknownView { name: text("a") }.into(), Code::FailedPrecondition),
        (WriteError::InUse { name: text("a") }.into(), Code::FailedPrecondition),
        (WriteError::TooManyBytes { found: 1 }.into(), Code::InvalidArgument),
        (WriteError::IdsExhausted.into(), Code::FailedPrecondition),
        (full().into(), Code::ResourceExhausted),
        (
            WriteError::OtherModel { given: fingerprint().into(), current: fingerprint().into() }.into(),
            Code::FailedPrecondition,
        ),
        (search(SearchError::Hits { found: 0 }), Code::InvalidArgument),
        (search(SearchError::Shortlist { found: 1, hits: 2 }), Code::InvalidArgument),
        (search(DecodeError::TooLarge { found: 1 }.into()), Code::InvalidArgument),
        (search(DecodeError::Read(io()).into()), Code::Internal),
        (
            search(SearchError::UnknownReranker { name: text("a"), known: text("none") }),
            Code::InvalidArgument,
        ),
        (search(ParameterError::Unknown { name: text("a"), known: vec![] }.into()), Code::InvalidArgument),
        (search(SearchError::Stopped(Completion::Deadline)), Code::DeadlineExceeded),
        (search(SearchError::Stopped(Completion::StepLimit)), Code::DeadlineExceeded),
        (search(SearchError::Stopped(Completion::Cancelled)), Code::Cancelled),
        (search(read().into()), Code::Internal),
        (IngestError::Write(WriteError::IdsExhausted).into(), Code::FailedPrecondition),
        (IngestError::Decode(DecodeError::TooLarge { found: 1 }).into(), Code::Internal),
        (IngestError::Rows { found_rows: 1, found: 1, images: 2, expected: 1 }.into(), Code::Internal),
    ];
    for (failure, expected) in table {
        let name = format!("{failure:?}");
        assert_eq!(Status::from(failure).code(), expected, "{name}");
    }
}

#[test]
fn failures_of_views_have_theirs() {
    let derive = || DeriveError::Rows { view: text("a"), found_rows: 1, found: 1, images: 2, expected: 1 };
    let rebuild = |source| Failure::Open(OpenError::Rebuild { collection: text("a"), source });
    let table: Vec<(Failure, Code)> = vec![
        (search(SearchError::UnknownView { name: text("a"), known: text("clean") }), Code::InvalidArgument),
        (search(SearchError::ViewTwice { name: text("a") }), Code::InvalidArgument),
        (
            search(SearchError::ViewMetric { metric: lookalike_engine::Metric::L2, views: text("a") }),
            Code::InvalidArgument,
        ),
        (
            search(SearchError::IncompleteView { name: text("a"), missing: 1, remedy: "b" }),
            Code::FailedPrecondition,
        ),
        (search(derive().into()), Code::Internal),
        (IngestError::Derive(derive()).into(), Code::Internal),
        (rebuild(RebuildError::Derive(derive())), Code::Internal),
        (rebuild(ViewsError::TooMany { found: 99 }.into()), Code::FailedPrecondition),
        (Failure::Open(ViewsError::TooMany { found: 99 }.into()), Code::FailedPrecondition),
        (rebuild(MaintenanceError::NoView { name: text("a") }.into()), Code::FailedPrecondition),
    ];
    for (failure, expected) in table {
        let name = format!("{failure:?}");
        assert_eq!(Status::from(failure).code(), expected, "{name}");
    }
}

#[test]
fn a_message_is_the_whole_chain_on_one_line() {
    let failure = Failure::from(IngestError::Read(ReadError::File(FolderError::new(
        "reading",
        Path::new("rows"),
        std::io::Error::other("first line\nsecond line"),
    ))));
    assert_eq!(
        Status::from(failure).message(),
        "store: the collection cannot be read: reading rows failed; check the path and the disk: first line second line"
    );
}

#[test]
fn a_message_that_would_not_fit_into_a_header_is_cut() {
    let failure = Failure::NoExemplar { collection: text("a"), key: "ä".repeat(5000) };
    let status = Status::from(failure);
    assert!(status.message().len() <= MAX_MESSAGE_BYTES);
    assert!(status.message().ends_with("ää..."));
}
