//! The process that writes, and what it has acknowledged.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use lookalike_plugin_api::SplitMix64;
use lookalike_store::SegmentSaving;

use crate::database::open;
use crate::script::State;

const ROOT: &str = "STORE_WRITER_ROOT";
const SEED: &str = "STORE_WRITER_SEED";

/// Not a test of its own: the process that others start and kill.
#[test]
fn writer_that_is_killed() {
    let Some(root) = env::var_os(ROOT).map(PathBuf::from) else {
        return;
    };
    let seed = env::var(SEED).unwrap().parse().unwrap();
    let (_store, things) = open(&root);
    let mut state = State::after(seed, things.catalog().batch());
    let mut out = std::io::stdout().lock();
    let mut held = None;
    loop {
        // Whoever reads may be gone already.
        let Ok(()) = writeln!(out, "acknowledged {}", state.batch).and_then(|()| out.flush()) else {
            return;
        };
        match SplitMix64::mix(seed ^ state.batch) % 24 {
            0 | 1 => {
                things.compact(&mut |_| {}).map(drop).unwrap();
            }
            2 => {
                things.save_segments("clean", SegmentSaving::Everything).map(drop).unwrap();
            }
            // What somebody sees is not removed, and is left over when the process is killed.
            3..6 => held = Some(things.catalog()),
            6 => held = None,
            _ => {}
        }
        assert!(held.as_ref().is_none_or(|held| held.batch() <= state.batch));
        state.perform_next(&things);
    }
}

/// A running writer. It is killed at the end.
pub(crate) struct Writer {
    child: Child,
    numbers: Receiver<u64>,
    acknowledged: u64,
}

impl Writer {
    /// Starts one on a database that nobody has open.
    pub(crate) fn start(root: &Path, seed: u64) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["writer::writer_that_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(ROOT, root)
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, numbers) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The harness of the tests writes to the same stream.
                let number = line.split_once("acknowledged ").and_then(|(_, number)| number.parse().ok());
                if number.is_some_and(|number| sender.send(number).is_err()) {
                    return;
                }
            }
        });
        Self { child, numbers, acknowledged: 0 }
    }

    /// Waits for some acknowledgements and then a little longer, without leaving the processor to others. Gives the
    /// last batch acknowledged by then.
    pub(crate) fn wait(&mut self, acknowledgements: usize, longer: Duration) -> u64 {
        for _ in 0..acknowledgements {
            self.acknowledged = self.numbers.recv().expect("the writer goes on until it is killed");
        }
        let begun = Instant::now();
        while begun.elapsed() < longer {
            std::hint::spin_loop();
        }
        self.acknowledged = self.numbers.try_iter().last().unwrap_or(self.acknowledged);
        self.acknowledged
    }

    /// Kills the process; gives the last batch that it acknowledged.
    pub(crate) fn kill(mut self) -> u64 {
        assert_eq!(self.child.try_wait().unwrap(), None, "the writer goes on until it is killed");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.numbers.iter().last().unwrap_or(self.acknowledged)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It may have been killed already.
        self.child.kill().and_then(|()| self.child.wait()).map(drop).unwrap_or_default();
    }
}
