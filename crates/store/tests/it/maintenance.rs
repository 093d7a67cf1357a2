use std::fs;
use std::path::Path;

use lookalike_store::{Collection, Loss, Store, WriteMode, salvage};

use crate::database::{create, open, place};
use crate::sample::{config, deletes, exemplar, fingerprint, labelled, row, tagged, upserts};

const EXEMPLARS: u64 = 60;

fn fill(things: &Collection) {
    for number in 0..EXEMPLARS / 6 {
        let batch = (0..6).map(|n| number * 6 + n).map(|seed| match seed % 3 {
            0 => labelled(&format!("k{seed}"), seed, "label"),
            1 => tagged(&format!("k{seed}"), seed, &[("n", (seed as f64).into())]),
            _ => exemplar(&format!("k{seed}"), seed),
        });
        things.write(upserts(batch.collect())).unwrap();
    }
    things.write(deletes(&["k5", "k17"])).unwrap();
    things.write(upserts(vec![exemplar("k9", 1009)])).unwrap();
}

fn seed_of(number: u64) -> u64 {
    if number == 9 { 1009 } else { number }
}

fn check(things: &Collection) {
    assert_eq!(things.catalog().len(), EXEMPLARS - 2);
    for number in 0..EXEMPLARS {
        let id = things.id_of(&format!("k{number}")).unwrap();
        if number == 5 || number == 17 {
            assert_eq!(id, None);
            continue;
        }
        let id = id.unwrap();
        let seed = seed_of(number);
        assert_eq!(things.image(id).unwrap(), Some(exemplar("", seed).image));
        assert_eq!(things.rows("clean", &[id]).unwrap().row(0), row(seed));
    }
    assert_eq!(things.catalog().label_members(0).unwrap().len(), EXEMPLARS / 3 - 1);
    assert_eq!(things.catalog().tag("n").unwrap().len() as u64, EXEMPLARS / 3);
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
}

fn generations(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root.join("collections/things"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('g'))
        .collect();
    names.sort();
    names
}

#[test]
fn a_sound_collection_has_no_findings_and_its_sums_are_reported() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    fill(&things);
    let report = things.verify(&mut |_| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(report.exemplars, EXEMPLARS - 2);
    assert_eq!(report.batch, things.catalog().batch());
    assert_eq!(report.image_bytes, things.stats().unwrap().image_bytes);
}

#[test]
fn compaction_keeps_what_is_live_and_gives_the_rest_back() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    // The same keys again and again: the log keeps all of it.
    for round in 0..40 {
        things
            .write(upserts((0..20).map(|n| exemplar(&format!("churn{n}"), round * 20 + n)).collect()))
            .unwrap();
    }
    let churn: Vec<String> = (0..20).map(|n| format!("churn{n}")).collect();
    things.write(deletes(&churn.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    fill(&things);
    let held = things.catalog();
    let report = things.compact(&mut |_| {}).unwrap();
    assert!(report.after_bytes < report.before_bytes, "{report:?}");
    assert_eq!(held.batch(), things.catalog().batch());
    check(&things);
    assert_eq!(generations(&root), ["g000002"]);
    things.write(upserts(vec![exemplar("later", 7)])).unwrap();
    drop((things, store));
    let (_store, things) = open(&root);
    assert!(things.id_of("later").unwrap().is_some());
    things.write(deletes(&["later"])).unwrap();
    check(&things);
}

#[test]
fn what_a_held_state_has_stays_readable_through_deletes_and_compaction() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    fill(&things);
    let held = things.catalog();
    let id = things.id_of("k3").unwrap().unwrap();
    things.write(deletes(&["k3"])).unwrap();
    things.write(upserts(vec![exemplar("other", 1)])).unwrap();
    things.compact(&mut |_| {}).unwrap();
    assert_eq!(things.image(id).unwrap(), None);
    assert_eq!(things.image_in(&held, id).unwrap(), Some(exemplar("", 3).image));
}

#[test]
fn generations_that_were_not_finished_or_were_replaced_are_cleared_away() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    fill(&things);
    drop((store, things));
    let stale = root.join("collections/things/g000002/ground");
    fs::create_dir_all(&stale).unwrap();
    fs::write(stale.join("db"), b"half a copy").unwrap();
    let (_store, things) = open(&root);
    check(&things);
    assert_eq!(generations(&root), ["g000001"]);
}

#[test]
fn what_is_acknowledged_before_it_is_durable_is_durable_after_a_flush_or_closing() {
    for write_mode in [WriteMode::Bulk, WriteMode::Interval(std::time::Duration::from_hours(1))] {
        let (_folder, root) = place();
        let store = Store::create(&root, lookalike_store::StoreConfig { write_mode, ..config() }).unwrap();
        let things = store.create_collection("things", &fingerprint()).unwrap();
        let receipt = things.write(upserts(vec![exemplar("k", 1)])).unwrap();
        assert!(!receipt.durable);
        assert!(things.id_of("k").unwrap().is_some());
        things.flush().unwrap();
        fill(&things);
        things.write(deletes(&["k"])).unwrap();
        drop((store, things));
        check(&open(&root).1);
    }
}

#[test]
fn what_is_readable_of_a_damaged_database_is_salvaged_and_the_source_is_left_alone() {
    let (folder, root) = place();
    let (store, things) = create(&root);
    fill(&things);
    drop((store, things));
    // In the image of an exemplar, which is long enough to be met.
    let log = root.join("collections/things/g000001/ground/db");
    let mut content = fs::read(&log).unwrap();
    let victim = exemplar("", 41).image;
    let place = content.windows(64).position(|bytes| bytes == &victim[100..164]).unwrap();
    content[place] ^= 1;
    fs::write(&log, &content).unwrap();

    let target = folder.path().join("salvaged");
    let reports = salvage(&root, &target, &config(), None, &mut |_| {}).unwrap();
    assert_eq!(reports.len(), 1);
    let (name, report) = &reports[0];
    assert_eq!(name, "things");
    assert!(fs::read(&log).unwrap() == content, "the source was written");

    let store = Store::open(&target, config()).unwrap();
    let things = store.collection("things").unwrap().unwrap();
    assert!(things.verify(&mut |_| {}).unwrap().is_clean());
    assert_eq!(things.catalog().len(), report.exemplars);
    for number in 0..EXEMPLARS {
        if let Some(id) = things.id_of(&format!("k{number}")).unwrap() {
            let image = things.image(id).unwrap().unwrap();
            assert!(image == exemplar("", seed_of(number)).image);
        }
    }
    // An older copy of the image may have been found in the log.
    assert!(report.exemplars >= EXEMPLARS - 3);
    assert!(report.lost.findings.iter().any(|finding| finding.loss == Loss::Unknown));
}

#[test]
fn salvaging_a_sound_database_loses_nothing() {
    let (folder, root) = place();
    let (store, things) = create(&root);
    fill(&things);
    let next = things.catalog().next_id();
    drop((store, things));
    let target = folder.path().join("salvaged");
    let reports = salvage(&root, &target, &config(), None, &mut |_| {}).unwrap();
    assert_eq!(
        (reports[0].1.exemplars, reports[0].1.without_row, reports[0].1.lost.found),
        (EXEMPLARS - 2, 0, 0)
    );
    let things = Store::open(&target, config()).unwrap().collection("things").unwrap().unwrap();
    check(&things);
    assert_eq!(things.catalog().next_id(), next);
}

/// The last message of a log may be shorter than any place in the middle of it allows, and a log that has been written
/// around holds old messages beside new ones.
#[test]
fn salvaging_a_sound_log_loses_nothing_wherever_it_ends() {
    let (folder, root) = place();
    let (mut store, mut things) = create(&root);
    for end in 0..40 {
        for round in 0..8 {
            let seeds = (0..8).map(|n| (n, end * 64 + round * 8 + n));
            let batch = seeds.map(|(n, seed)| exemplar(&format!("churn{n}"), seed)).collect();
            things.write(upserts(batch)).unwrap();
        }
        things.write(upserts(vec![exemplar(&"k".repeat(end as usize + 1), end)])).unwrap();
        drop((store, things));
        let target = folder.path().join(format!("salvaged{end}"));
        let (_, report) = salvage(&root, &target, &config(), None, &mut |_| {}).unwrap().remove(0);
        let case = format!("end {end}");
        assert!(report.lost.findings.is_empty(), "{case}: {:?}", report.lost.findings);
        assert_eq!((report.exemplars, report.without_row), (8 + end + 1, 0), "{case}");
        let salvaged = Store::open(&target, config()).unwrap().collection("things").unwrap().unwrap();
        (store, things) = open(&root);
        assert_eq!(salvaged.catalog().next_id(), things.catalog().next_id(), "{case}");
        for id in things.catalog().live() {
            assert_eq!(salvaged.record(id).unwrap(), things.record(id).unwrap(), "{case}");
            assert_eq!(salvaged.image(id).unwrap(), things.image(id).unwrap(), "{case}");
        }
    }
}

/// A flipped bit costs no more than the message that it hits, of which there are often older copies.
#[test]
fn one_flipped_bit_costs_a_few_exemplars_wherever_it_is() {
    let (folder, root) = place();
    let (store, things) = create(&root);
    for batch in 0..20 {
        let seeds = batch * 10..batch * 10 + 10;
        things.write(upserts(seeds.map(|seed| exemplar(&format!("k{seed}"), seed)).collect())).unwrap();
    }
    drop((store, things));
    let log = root.join("collections/things/g000001/ground/db");
    let original = fs::read(&log).unwrap();
    for case in 0..12 {
        let mut content = original.clone();
        content[(case * 2 + 1) * original.len() / 25] ^= 1;
        fs::write(&log, &content).unwrap();
        let target = folder.path().join(format!("salvaged{case}"));
        let (_, report) = salvage(&root, &target, &config(), None, &mut |_| {}).unwrap().remove(0);
        let things = Store::open(&target, config()).unwrap().collection("things").unwrap().unwrap();
        assert!(report.exemplars >= 180, "case {case}: {} of 200", report.exemplars);
        assert_eq!(things.catalog().len(), report.exemplars);
        assert!(things.verify(&mut |_| {}).unwrap().is_clean());
        for id in things.catalog().live() {
            let record = things.record(id).unwrap().unwrap();
            let seed = record.key[1..].parse().unwrap();
            assert_eq!(things.image(id).unwrap(), Some(exemplar("", seed).image));
        }
        assert!(fs::read(&log).unwrap() == content, "the source was written");
    }
}
