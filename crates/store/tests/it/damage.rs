use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lookalike_plugin_api::SplitMix64;
use lookalike_store::{ArchiveWriter, Collection, OpenError, SegmentSaving, Store, WriteError, restore};

use crate::database::{create, open, place};
use crate::sample::{config, exemplar, upserts};
use crate::script::State;
use crate::seed::Seed;
use crate::survey::{Survey, chain};

/// In the middle of the third rebuild, with rows of two models.
const BATCHES: u64 = 2 * 32 + 22;
const PATIENCE: Duration = Duration::from_mins(1);

/// A database with everything in it that there can be: several batches, compacted once, with files of rows.
fn build(root: &Path) -> State {
    let (_store, things) = create(root);
    let mut state = State::after(1, 0);
    while state.batch < BATCHES {
        match state.batch {
            40 => drop(things.compact(&mut |_| {}).unwrap()),
            70 => drop(things.save_segments("clean", SegmentSaving::Everything).unwrap()),
            _ => {}
        }
        state.perform_next(&things);
    }
    assert_eq!(state.batch, BATCHES);
    state
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Files with something in them, by path from the folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Flips a bit, or cuts the end off.
fn damage(content: &mut Vec<u8>, random: &mut SplitMix64) -> String {
    let position = random.below(content.len());
    if random.below(4) == 0 {
        content.truncate(position);
        return format!("cut to {position} bytes");
    }
    let bit = random.below(8);
    content[position] ^= 1 << bit;
    format!("bit {bit} of byte {position} flipped")
}

fn backup(things: &Collection) -> Option<Vec<u8>> {
    let mut writer = ArchiveWriter::new(Vec::new()).unwrap();
    writer.collection(things, &mut |_| {}).ok()?;
    Some(writer.finish().unwrap().0)
}

/// What became of a damaged database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is not opened.
    Refused,
    /// Some of it cannot be had, and verifying says so.
    Incomplete,
    /// The damage hit nothing that counts.
    Whole,
}

/// Uses everything of a damaged database. What is answered must be right; errors are as good; panics are not.
fn use_all(root: &Path, state: &State, what: &str) -> Outcome {
    let opened = Store::open(root, config()).and_then(|store| Ok((store.collection("things")?, store)));
    let (things, _store) = match opened {
        Ok((things, store)) => (things.expect("a damaged collection is not an absent one"), store),
        Err(error) => {
            assert!(!chain(&error).contains('\n'), "{what}: {error}");
            return Outcome::Refused;
        }
    };
    let survey = Survey::of(&things, state);
    survey.assert_honest(what);
    let outcome = if survey.is_clean() { Outcome::Whole } else { Outcome::Incomplete };
    if outcome == Outcome::Incomplete {
        // Neither backup nor compaction makes damage look sound.
        let restored = root.with_extension("restored");
        if let Some(archive) = backup(&things)
            && restore(Cursor::new(archive), &restored, &config(), &mut |_| {}).is_ok()
        {
            Survey::of(&open(&restored).1, state).assert_clean(state);
        }
        if things.compact(&mut |_| {}).is_ok() {
            Survey::of(&things, state).assert_honest(&format!("{what}, compacted"));
        }
    }
    match things.write(upserts(vec![exemplar("key 1", 1_000_000), exemplar("another", 2_000_000)])) {
        Ok(_) | Err(WriteError::Failed(_) | WriteError::Damaged(_) | WriteError::Tree(_)) => {}
        Err(other) => panic!("{what}: {other}"),
    }
    outcome
}

/// As [`use_all`], which takes a fraction of a second: damage could also lead in circles, and take all memory.
fn to_its_end(root: &Path, state: &State, what: &str) -> Outcome {
    let (sender, ended) = mpsc::channel();
    let (root, state, case) = (root.to_owned(), state.clone(), what.to_owned());
    let used = thread::spawn(move || {
        // Nobody listens to one that comes too late.
        sender.send(use_all(&root, &state, &case)).unwrap_or_default();
    });
    match ended.recv_timeout(PATIENCE) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{what}: {:?}", used.join()),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it does not end"),
    }
}

fn damage_databases(cases: usize) {
    let seed = Seed::take();
    let mut random = seed.random();
    let (folder, root) = place();
    let state = build(&root);
    let copied = folder.path().join("sound");
    copy(&root, &copied);
    assert_eq!(use_all(&copied, &state, "no damage"), Outcome::Whole);
    let mut counts = [0; 3];
    for case in 0..cases {
        let copied = folder.path().join(format!("case {case}"));
        copy(&root, &copied);
        let all = files(&copied);
        // Half of the time the log, where nearly everything is.
        let log = all.iter().find(|path| path.ends_with("db")).filter(|_| case % 2 == 0);
        let file = log.unwrap_or(&all[random.below(all.len())]);
        let mut content = fs::read(file).unwrap();
        let done = damage(&mut content, &mut random);
        fs::write(file, content).unwrap();
        let what = format!("case {case}, {}, {done}", file.display());
        counts[to_its_end(&copied, &state, &what) as usize] += 1;
        fs::remove_dir_all(&copied).unwrap();
        fs::remove_dir_all(copied.with_extension("restored")).unwrap_or_default();
    }
    let [refused, incomplete, whole] = counts;
    println!("{cases} damaged databases: {refused} not opened, {incomplete} incomplete, {whole} whole");
}

#[test]
fn flipped_bits_and_cut_files_give_errors_and_no_wrong_answers() {
    damage_databases(40);
}

#[test]
#[ignore = "recipe: takes minutes; run it in release mode, with different LOOKALIKE_SEEDs"]
fn flipped_bits_and_cut_files_give_errors_500_times() {
    damage_databases(500);
}

fn damage_archives(cases: usize) {
    let seed = Seed::take();
    let mut random = seed.random();
    let (folder, root) = place();
    let state = build(&root);
    let good = backup(&open(&root).1).unwrap();
    let restored = folder.path().join("restored");
    restore(Cursor::new(&good), &restored, &config(), &mut |_| {}).unwrap();
    Survey::of(&open(&restored).1, &state).assert_clean(&state);
    fs::remove_dir_all(&restored).unwrap();
    for case in 0..cases {
        let mut bad = good.clone();
        let done = if case % 20 == 0 {
            bad.push(0);
            "one byte more".to_owned()
        } else {
            damage(&mut bad, &mut random)
        };
        let refused = restore(Cursor::new(bad), &restored, &config(), &mut |_| {});
        let line = chain(&refused.expect_err(&done));
        assert!(!line.contains('\n'), "{done}: {line}");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, std::slice::from_ref(&root), "{done}");
    }
    println!("{cases} damaged archives, all refused");
}

#[test]
fn damaged_archives_are_refused_and_leave_nothing() {
    damage_archives(40);
}

#[test]
#[ignore = "recipe: takes minutes; run it in release mode, with different LOOKALIKE_SEEDs"]
fn damaged_archives_are_refused_500_times() {
    damage_archives(500);
}

#[test]
fn torn_snapshots_are_no_hindrance() {
    let (_folder, root) = place();
    let state = build(&root);
    let ground = root.join("collections/things/g000002/ground");
    fs::write(ground.join("snap.00000000000000FF.generating"), b"half").unwrap();
    fs::write(ground.join("snap.FFFFFFFFFFFFFFF0"), b"a snapshot that was cut off").unwrap();
    Survey::of(&open(&root).1, &state).assert_clean(&state);
}

#[test]
fn a_lost_tail_of_the_log_is_noticed_and_can_be_accepted() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    for number in 0..10 {
        things
            .write(upserts(vec![exemplar("key", number), exemplar(&format!("key {number}"), number)]))
            .unwrap();
    }
    drop((store, things));
    let log = root.join("collections/things/g000001/ground/db");
    let length = fs::metadata(&log).unwrap().len();
    File::options().write(true).open(&log).unwrap().set_len(length / 2).unwrap();
    let store = Store::open(&root, config()).unwrap();
    let Err(OpenError::BatchesLost { found, acknowledged, path, .. }) = store.collection("things") else {
        panic!("half of the log is gone");
    };
    assert!(found < acknowledged);
    assert_eq!(acknowledged, 10);
    fs::remove_file(path).unwrap();
    assert_eq!(store.collection("things").unwrap().unwrap().catalog().batch(), found);
}
