use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use store::{Collection, NewExemplar, WriteBatch};

use crate::database::{create, open, place};
use crate::sample::{exemplar, labelled, row};

const ROOT: &str = "STORE_KILL_TEST_ROOT";
const PER_BATCH: u64 = 8;

/// Batch `number`: inserts, replaces what the batch before inserted under one key, deletes one of it.
fn batch(number: u64) -> WriteBatch {
    let mut upserts: Vec<NewExemplar> = (0..PER_BATCH)
        .map(|n| labelled(&format!("{number}-{n}"), number * 31 + n, &format!("{}", n % 3)))
        .collect();
    upserts.push(exemplar("always", number));
    let deletes = number.checked_sub(1).map(|before| format!("{before}-0"));
    WriteBatch { upserts, deletes: deletes.into_iter().collect() }
}

/// Not a test of its own: the process that `every_acknowledged_batch_survives_a_kill` starts and kills.
#[test]
fn writer_that_is_killed() {
    let Some(root) = env::var_os(ROOT).map(PathBuf::from) else {
        return;
    };
    let (_store, things) = open(&root);
    let mut out = std::io::stdout().lock();
    for number in things.catalog().batch() + 1.. {
        let receipt = things.write(batch(number)).unwrap();
        // Whoever reads may be gone already.
        if writeln!(out, "acknowledged {}", receipt.batch).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn write_until_killed(root: &Path, lines: usize) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["kill::writer_that_is_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let numbers = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("acknowledged ").and_then(|(_, number)| number.parse().ok()));
    let last = numbers.take(lines).last();
    child.kill().unwrap();
    child.wait().unwrap();
    last.expect("the writer acknowledges batches until it is killed")
}

fn check(things: &Collection, batches: u64) {
    let catalog = things.catalog();
    // Batch 1 has nothing to delete, the others delete one of the batch before.
    assert_eq!(catalog.len(), batches * PER_BATCH - (batches - 1) + 1);
    assert_eq!(
        things.image(things.id_of("always").unwrap().unwrap()).unwrap(),
        Some(exemplar("always", batches).image)
    );
    for number in 1..=batches {
        for new in batch(number).upserts.into_iter().take(PER_BATCH as usize) {
            let id = things.id_of(&new.key).unwrap();
            if number < batches && new.key.ends_with("-0") {
                assert_eq!(id, None);
                continue;
            }
            let id = id.unwrap();
            assert_eq!(things.image(id).unwrap(), Some(new.image));
            assert_eq!(things.rows("clean", &[id]).unwrap().row(0), new.rows[0].1);
            assert_eq!(
                catalog.label_of(id).and_then(|label| catalog.label_name(label)),
                new.label.as_deref()
            );
        }
    }
    assert!(things.rows("clean", &catalog.live().iter().collect::<Vec<_>>()).is_ok());
    assert_eq!(row(1).len(), things.fingerprint().dimension as usize);
}

#[test]
fn every_acknowledged_batch_survives_a_kill() {
    let (_folder, root) = place();
    drop(create(&root));
    for lines in [1, 13, 5, 29, 2] {
        let acknowledged = write_until_killed(&root, lines);
        let (_store, things) = open(&root);
        let found = things.catalog().batch();
        assert!(found >= acknowledged, "batch {acknowledged} was acknowledged, batch {found} is the last");
        check(&things, found);
    }
}
