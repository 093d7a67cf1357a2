use super::*;
use crate::contest::{Contestant, Way};
use crate::record::Record;
use crate::record::{read, write};
use crate::report::test_run::{experiment, raw, run, subject};
use crate::subject::SubjectRecord;

#[test]
fn a_run_compared_with_itself_shows_no_change() {
    let home = tempfile::tempdir().unwrap();
    let folder = run(home.path(), &experiment(), &subject());
    let comparison = compare(&folder, &folder).unwrap();
    assert!(comparison.is_paired && comparison.differs.is_empty());
    let changes = comparison.protocols.iter().flat_map(|protocol| &protocol.changes);
    assert!(changes.into_iter().all(|change| change.outcome() == Outcome::Open));
    let text = comparison.to_string();
    assert!(text.contains("Both were asked the same of the same images and model."), "{text}");
    assert!(text.contains("No difference is shown for 4 of 4 rankings."), "{text}");
}

#[test]
fn what_became_better_and_worse_is_said_by_ranking_and_condition() {
    let (home_a, home_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = run(home_a.path(), &experiment(), &subject());
    let mut changed = experiment();
    changed.seed = 4;
    let added = Contestant { name: "cosine".to_owned(), way: Way::Baseline(crate::Baseline::Cosine) };
    changed.contestants[3] = added;
    changed.conditions.push("blur=1".parse().unwrap());
    let b = run(home_b.path(), &changed, &subject());
    // In B whitened finds what it missed under noise, and tmm misses it.
    let path = raw(home_b.path(), Protocol::SelfRetrieval, &"noise=5".parse().unwrap());
    let mut records: Vec<Record> = read(&path).unwrap();
    for record in &mut records {
        match record.contestant.as_str() {
            "whitened" => record.rank = Some(1),
            "tmm" => record.rank = Some(2),
            _ => {}
        }
    }
    write(&path, &records).unwrap();

    let comparison = compare(&a, &b).unwrap();
    assert_eq!([comparison.new.len(), comparison.missing.len()], [1, 1]);
    let own = &comparison.protocols[0];
    assert_eq!(own.conditions.len(), 3);
    let of = |name: &str, condition: Option<&str>| {
        let condition = condition.map(|name| name.parse::<Condition>().unwrap());
        let is_it = |change: &&Change| change.contestant == name && change.condition == condition;
        own.changes.iter().find(is_it).unwrap()
    };
    assert_eq!(of("tmm", None).outcome(), Outcome::Worse);
    assert_eq!(of("whitened", None).outcome(), Outcome::Better);
    assert_eq!(of("l2", None).outcome(), Outcome::Open);
    let whitened = of("whitened", Some("noise=5")).difference.unwrap();
    assert!((whitened.interval.estimate - 0.6).abs() < 1e-12, "{whitened:?}");
    let text = comparison.to_string();
    for words in [
        "Better in B: whitened. Worse in B: tmm. No difference is shown for 1 of 3 rankings.",
        "New in B: cosine.",
        "| seed ",
        "conditions that the other has not",
        "-100.0 (-)",
        "+60.0 (+)",
        "changes are paired query by query",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn runs_of_other_images_are_not_paired() {
    let (home_a, home_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = run(home_a.path(), &experiment(), &subject());
    let mut only = experiment();
    only.protocols.truncate(1);
    let b = run(home_b.path(), &only, &SubjectRecord { images: "11".to_owned(), ..subject() });
    let comparison = compare(&a, &b).unwrap();
    assert!(!comparison.is_paired);
    assert_eq!(comparison.protocols.len(), 1);
    let changes = &comparison.protocols[0].changes;
    assert!(changes.iter().all(|change| change.difference.is_none() && change.outcome() == Outcome::Open));
    let text = comparison.to_string();
    assert!(text.contains("The images differ, so queries cannot be paired"), "{text}");
    assert!(text.contains("| digest of images and labels | 00ff "), "{text}");
}

#[test]
fn an_unfinished_run_is_not_compared() {
    let (home_a, home_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = run(home_a.path(), &experiment(), &subject());
    let b = run(home_b.path(), &experiment(), &subject());
    std::fs::remove_file(raw(home_b.path(), Protocol::SelfRetrieval, &Condition::Clean)).unwrap();
    let error = compare(&a, &b).unwrap_err().to_string();
    assert!(error.contains("lacks self-retrieval under clean"), "{error}");
}
