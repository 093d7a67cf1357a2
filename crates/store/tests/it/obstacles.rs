//! What stands in the way of a database: each thing is told in one line that names the path and what to do.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lookalike_store::{Collection, OpenError, Store, WriteError};
use tempfile::TempDir;

use crate::database::{create, open, place};
use crate::sample::{config, exemplar, fingerprint, upserts};
use crate::script::State;
use crate::survey::{Survey, chain};

const HOME: &str = "collections/things";
const GENERATION: &str = "collections/things/g000001";

/// The line of an error that names `path` and says what to do, in a word of that.
fn assert_helps(error: &dyn std::error::Error, path: &Path, remedy: &str) {
    let line = chain(error);
    assert!(!line.contains('\n'), "{line}");
    assert!(line.contains(path.to_str().unwrap()), "no path: {line}");
    assert!(line.contains(remedy), "no remedy: {line}");
}

fn build(root: &Path) -> State {
    let (_store, things) = create(root);
    let mut state = State::after(1, 0);
    while state.batch < 20 {
        state.perform_next(&things);
    }
    state
}

/// The error of opening the collection.
fn refusal(root: &Path) -> OpenError {
    let opened = Store::open(root, config()).and_then(|store| store.collection("things"));
    match opened {
        Err(error) => error,
        Ok(Some(_)) => panic!("it was opened"),
        Ok(None) => panic!("it was taken for one that never was"),
    }
}

/// Takes a file away, and puts it back after `look`.
fn without(root: &Path, file: &Path, look: impl FnOnce()) {
    let away = root.with_extension("away");
    fs::rename(file, &away).unwrap();
    look();
    fs::rename(&away, file).unwrap();
}

#[test]
fn a_deleted_log_is_told_with_its_path() {
    let (_folder, root) = place();
    build(&root);
    let log = root.join(GENERATION).join("ground/db");
    without(&root, &log, || assert_helps(&refusal(&root), &root.join(HOME), "restore it from a backup"));
    assert!(log.is_file());
}

#[test]
fn a_deleted_ready_file_is_told_with_its_path() {
    let (_folder, root) = place();
    build(&root);
    let ready = root.join(GENERATION).join("READY");
    without(&root, &ready, || assert_helps(&refusal(&root), &root.join(HOME), "restore it from a backup"));
}

#[test]
fn a_deleted_marker_is_told_with_its_path() {
    let (_folder, root) = place();
    build(&root);
    without(&root, &root.join("lookalike.json"), || assert_helps(&refusal(&root), &root, "check the path"));
}

#[test]
fn a_collection_whose_current_file_was_deleted_is_neither_absent_nor_overwritten() {
    let (_folder, root) = place();
    let state = build(&root);
    let current = root.join(HOME).join("CURRENT");
    without(&root, &current, || {
        let store = Store::open(&root, config()).unwrap();
        let created = store.create_collection("things", &fingerprint());
        assert!(created.is_err(), "a collection was made on top of one that lost a file");
        drop(store);
        assert_helps(&refusal(&root), &root.join(HOME), "restore it from a backup");
    });
    Survey::of(&open(&root).1, &state).assert_clean(&state);
}

#[test]
fn files_that_are_made_anew_may_be_deleted() {
    let (_folder, root) = place();
    let state = build(&root);
    let ground = root.join(GENERATION).join("ground");
    // Opening leaves a snapshot, from which the next one begins.
    drop(open(&root));
    let is_snapshot = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("snap.");
    let snapshot = fs::read_dir(&ground).unwrap().map(|entry| entry.unwrap().path()).find(is_snapshot);
    for file in [snapshot.unwrap(), ground.join("conf"), root.join(GENERATION).join("ACKNOWLEDGED")] {
        fs::remove_file(&file).unwrap();
        Survey::of(&open(&root).1, &state).assert_clean(&state);
    }
}

#[test]
fn a_closed_database_is_free_although_processes_are_being_started() {
    let (_folder, root) = place();
    drop(Store::create(&root, config()).unwrap());
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        // Between its fork and its own program a process has every open file, and their locks.
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let opened: Result<Vec<()>, _> = (0..3_000).map(|_| Store::open(&root, config()).map(drop)).collect();
        ended.store(true, Ordering::Relaxed);
        opened.unwrap();
    });
}

#[cfg(target_os = "linux")]
mod mounted {
    use super::*;
    use crate::mounts::Mount;

    fn memory(bytes: u64) -> Option<(Mount, TempDir)> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Mount::memory(&folder.path().join("disk"), bytes);
        mount.map_err(|reason| println!("skipped: {reason}")).ok().map(|mount| (mount, folder))
    }

    /// Takes room away.
    fn ballast(disk: &Mount, bytes: usize) -> PathBuf {
        let file = disk.at().join("ballast");
        fs::write(&file, vec![1; bytes]).unwrap();
        file
    }

    /// Gives the room back. Emptied first: a process that another test starts may hold the file open for a moment more.
    fn drop_ballast(file: &Path) {
        File::create(file).unwrap();
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_read_only_directory_is_told_with_its_path() {
        let (folder, root) = place();
        build(&root);
        let again = folder.path().join("again");
        let _mount = match Mount::read_only(&root, &again) {
            Ok(mount) => mount,
            Err(reason) => return println!("skipped: {reason}"),
        };
        assert_helps(&refusal(&again), &again, "make it writable");
        let inside = again.join("new");
        assert_helps(&Store::create(&inside, config()).unwrap_err(), &inside, "make it writable");
    }

    #[test]
    fn a_full_disk_is_told_at_opening_and_harms_nothing() {
        let Some((disk, _folder)) = memory(120 << 20) else { return };
        let root = disk.at().join("database");
        let state = build(&root);
        let ballast = ballast(&disk, 60 << 20);
        assert_helps(&refusal(&root), &root.join(HOME), "make room");
        let store = Store::open(&root, config()).unwrap();
        let created = store.create_collection("more", &fingerprint()).unwrap_err();
        assert_helps(&created, &root.join("collections/more"), "make room");
        assert_eq!(store.collection_names().unwrap(), ["things"]);
        drop(store);
        drop_ballast(&ballast);
        Survey::of(&open(&root).1, &state).assert_clean(&state);
    }

    #[test]
    fn a_database_is_not_half_created_on_a_full_disk() {
        let Some((disk, _folder)) = memory(64 << 10) else { return };
        let mut number = 0;
        while File::create(disk.at().join(format!("{number}")))
            .is_ok_and(|mut file| std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok())
        {
            number += 1;
        }
        let root = disk.at().join("database");
        assert_helps(&Store::create(&root, config()).unwrap_err(), &root, "make room");
        for number in 0..number {
            fs::remove_file(disk.at().join(format!("{number}"))).unwrap();
        }
        drop(Store::create(&root, config()).unwrap());
    }

    /// Writes batches until the disk is too full for more; gives how many.
    fn fill(things: &Collection, first: u64, exemplars: u64) -> u64 {
        for number in first.. {
            let keys = (0..exemplars).map(|n| (format!("key {number} {n}"), number * exemplars + n));
            match things.write(upserts(keys.map(|(key, seed)| exemplar(&key, seed)).collect())) {
                Ok(_) => {}
                Err(error @ WriteError::DiskFull { .. }) => {
                    assert!(chain(&error).contains("make room"));
                    return number;
                }
                Err(error) => panic!("{}", chain(&error)),
            }
        }
        unreachable!("the disk is small")
    }

    #[test]
    fn leftovers_of_a_compaction_make_room_for_opening() {
        let Some((disk, _folder)) = memory(120 << 20) else { return };
        let root = disk.at().join("database");
        let state = build(&root);
        let leftovers = root.join(HOME).join("g000002/ground");
        fs::create_dir_all(&leftovers).unwrap();
        fs::write(leftovers.join("db"), vec![1; 55 << 20]).unwrap();
        Survey::of(&open(&root).1, &state).assert_clean(&state);
    }

    #[test]
    fn a_disk_that_fills_up_costs_nothing_acknowledged() {
        let Some((disk, _folder)) = memory(120 << 20) else { return };
        let root = disk.at().join("database");
        let (store, things) = create(&root);
        let ballast = ballast(&disk, 20 << 20);
        let first = fill(&things, 0, 40);
        // With room again it goes on; then small batches fill what large ones left.
        drop_ballast(&ballast);
        let second = fill(&things, first, 40);
        assert!(second > first);
        let third = fill(&things, 1_000_000, 1) - 1_000_000;
        let exemplars = things.catalog().len();
        assert_eq!(exemplars, second * 40 + third);
        drop((store, things));
        let (_store, things) = open(&root);
        assert_eq!(things.catalog().len(), exemplars);
        assert!(things.verify(&mut |_| {}).unwrap().is_clean());
        let image = things.image(things.id_of("key 0 7").unwrap().unwrap()).unwrap();
        assert_eq!(image, Some(exemplar("", 7).image));
    }
}
