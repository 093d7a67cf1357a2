use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use store::{OpenError, ReadError, Store, WriteError};

use crate::database::{create, open, place};
use crate::sample::{config, exemplar, labelled, row, tagged, upserts};

const EXEMPLARS: u64 = 60;

fn build(root: &Path) {
    let (_store, things) = create(root);
    for number in 0..EXEMPLARS / 6 {
        let batch = (0..6).map(|n| number * 6 + n).map(|seed| match seed % 3 {
            0 => labelled(&format!("k{seed}"), seed, "label"),
            1 => tagged(&format!("k{seed}"), seed, &[("n", (seed as f64).into())]),
            _ => exemplar(&format!("k{seed}"), seed),
        });
        things.write(upserts(batch.collect())).unwrap();
    }
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

/// Uses everything of a damaged database. What is answered must be right; errors are as good; panics are not.
fn use_all(root: &Path) {
    let Ok(store) = Store::open(root, config()) else {
        return;
    };
    let Ok(Some(things)) = store.collection("things") else {
        return;
    };
    // Nothing acknowledged is missing without an error.
    assert_eq!((things.catalog().batch(), things.catalog().len()), (EXEMPLARS / 6, EXEMPLARS));
    for seed in 0..EXEMPLARS {
        let Ok(Some(id)) = things.id_of(&format!("k{seed}")) else {
            continue;
        };
        assert_eq!(u64::from(id), seed);
        if let Ok(Some(image)) = things.image(id) {
            assert!(image == exemplar("", seed).image);
        }
        if let Ok(rows) = things.rows("clean", &[id]) {
            assert_eq!(rows.row(0), row(seed));
        }
        if let Ok(Some(record)) = things.record(id) {
            assert_eq!(record.key, format!("k{seed}"));
        }
    }
    let scanned = things.scan_rows("clean", 0.., &mut |id, values| {
        assert_eq!(values, row(id.into()));
        ControlFlow::Continue(())
    });
    assert!(matches!(
        scanned,
        Ok(()) | Err(ReadError::Damaged(_) | ReadError::Tree(_) | ReadError::UnknownView { .. })
    ));
    if let Ok(page) = things.list(None, 100) {
        assert_eq!(page.entries.len() as u64, things.catalog().len());
    }
    match things.write(upserts(vec![exemplar("k1", 1000), labelled("k2", 2, "other")])) {
        Ok(_) | Err(WriteError::Failed(_) | WriteError::Damaged(_) | WriteError::Tree(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn flipped_bits_and_cut_files_give_errors_and_no_wrong_answers() {
    let (folder, root) = place();
    build(&root);
    let mut state = 0x1234_5678_9ABC_DEF1u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for case in 0..24 {
        let copied = folder.path().join(format!("case{case}"));
        copy(&root, &copied);
        let all = files(&copied);
        // Most of the time the log, where nearly everything is.
        let chosen = all.iter().find(|path| path.ends_with("db")).filter(|_| case % 4 != 0);
        let file = chosen.unwrap_or(&all[random(all.len() as u64) as usize]);
        let mut content = fs::read(file).unwrap();
        if case % 6 == 5 {
            content.truncate(random(content.len() as u64) as usize);
        } else {
            let position = random(content.len() as u64) as usize;
            content[position] ^= 1 << random(8);
        }
        fs::write(file, content).unwrap();
        use_all(&copied);
        fs::remove_dir_all(&copied).unwrap();
    }
}

#[test]
fn torn_snapshots_are_no_hindrance() {
    let (_folder, root) = place();
    build(&root);
    let ground = root.join("collections/things/g000001/ground");
    fs::write(ground.join("snap.00000000000000FF.generating"), b"half").unwrap();
    fs::write(ground.join("snap.FFFFFFFFFFFFFFF0"), b"a snapshot that was cut off").unwrap();
    let (_store, things) = open(&root);
    assert_eq!(things.catalog().len(), EXEMPLARS);
    assert_eq!(things.image(17).unwrap(), Some(exemplar("", 17).image));
}

#[test]
fn a_lost_tail_of_the_log_is_noticed_and_can_be_accepted() {
    let (_folder, root) = place();
    build(&root);
    let generation = root.join("collections/things/g000001");
    let log = generation.join("ground/db");
    let content = fs::read(&log).unwrap();
    fs::write(&log, &content[..content.len() / 2]).unwrap();
    let store = Store::open(&root, config()).unwrap();
    let Err(OpenError::BatchesLost { found, acknowledged, path, .. }) = store.collection("things") else {
        panic!("half of the log is gone");
    };
    assert!(found < acknowledged);
    assert_eq!(acknowledged, EXEMPLARS / 6);
    fs::remove_file(path).unwrap();
    assert_eq!(store.collection("things").unwrap().unwrap().catalog().batch(), found);
}
