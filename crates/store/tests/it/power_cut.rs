//! A writer's disk loses its power at a random moment, and what is on it then is mounted and opened.
//!
//! The writer works on ext4, whose disk is a file; `commit=300` keeps ext4 from making durable by itself what nobody
//! asked it to. What the disk has at a moment is had by cloning this file while the writer goes on. A copy that takes
//! time would mix moments, and could have a later write without an earlier one. The clone does not: it is one
//! `FICLONE` of the file system that the disk's file lies on (XFS), which holds the lock of that file that every
//! write of the loop device needs too, from before it brings what was written to the file to its disk until all
//! extents are shared. So each write to the disk is in the clone if it was done before that moment, and is not if it
//! began after; of those on the way some are and some are not. That is what a disk without a cache of its own has
//! when its power is cut. What the writer's kernel had not yet sent to the disk is lost.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lookalike_store::Store;
use tempfile::TempDir;

use crate::database::{create, open};
use crate::mounts::{Mount, make_image};
use crate::sample::config;
use crate::script::State;
use crate::seed::Seed;
use crate::survey::{Survey, chain};
use crate::writer::Writer;

const DISK_BYTES: u64 = 448 << 20;
const SHELF_BYTES: u64 = 2 << 30;

/// A disk with a database, and a place for its clones.
struct Rig {
    // In this order they go.
    disk: Mount,
    shelf: Option<Mount>,
    folder: TempDir,
}

impl Rig {
    fn build() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut shelf = None;
        if !can_clone(folder.path()) {
            let image = folder.path().join("shelf.xfs");
            make_image(&image, "xfs", SHELF_BYTES)?;
            shelf = Some(Mount::image(&image, &folder.path().join("shelf"), "noatime")?);
        }
        let images = shelf.as_ref().map_or(folder.path(), Mount::at);
        if !can_clone(images) {
            return Err("no file system here can clone a file".to_owned());
        }
        let image = images.join("disk.ext4");
        make_image(&image, "ext4", DISK_BYTES)?;
        let disk = Mount::image(&image, &folder.path().join("disk"), "commit=300")?;
        let rig = Self { disk, shelf, folder };
        drop(create(&rig.root()));
        Ok(rig)
    }

    fn root(&self) -> PathBuf {
        self.disk.at().join("database")
    }

    fn images(&self) -> &Path {
        self.shelf.as_ref().map_or(self.folder.path(), Mount::at)
    }

    /// What the disk has now, on a disk of its own.
    fn cut(&self) -> Cut {
        let image = self.images().join("cut.ext4");
        clone(&self.images().join("disk.ext4"), &image).unwrap();
        let disk = Mount::image(&image, &self.folder.path().join("cut"), "commit=300").unwrap();
        Cut { disk, image }
    }
}

/// What a disk had at one moment.
struct Cut {
    disk: Mount,
    image: PathBuf,
}

impl Cut {
    fn root(&self) -> PathBuf {
        self.disk.at().join("database")
    }

    /// The last batch there is, which must not be older than one acknowledged before the cut, with everything up to
    /// it whole; or what is wrong.
    fn survey(&self, seed: u64, acknowledged: u64) -> Result<u64, String> {
        let store = Store::open(&self.root(), config()).map_err(|error| chain(&error))?;
        let things = store.collection("things").map_err(|error| chain(&error))?.ok_or("no collection")?;
        let found = things.catalog().batch();
        if found < acknowledged {
            return Err(format!("batch {acknowledged} was acknowledged, batch {found} is the last"));
        }
        let state = State::after(seed, found);
        let survey = Survey::of(&things, &state);
        if survey.is_clean() { Ok(found) } else { Err(format!("after batch {found}: {survey:#?}")) }
    }

    /// Writes what the writer would have written next.
    fn go_on(&self, seed: u64) {
        let (store, things) = open(&self.root());
        let mut state = State::after(seed, things.catalog().batch());
        state.perform_next(&things);
        drop((store, things));
        let (_store, things) = open(&self.root());
        Survey::of(&things, &state).assert_clean(&state);
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        // The file is kept by its mount until that goes.
        fs::remove_file(&self.image).unwrap_or_default();
    }
}

fn clone(from: &Path, to: &Path) -> std::io::Result<()> {
    let from = File::open(from)?;
    Ok(rustix::fs::ioctl_ficlone(File::create(to)?, from)?)
}

fn can_clone(folder: &Path) -> bool {
    let (from, to) = (folder.join("from"), folder.join("to"));
    fs::write(&from, "some bytes").and_then(|()| clone(&from, &to)).is_ok()
}

/// A rig; without one the reason is printed, and there is nothing to try.
fn rig() -> Option<Rig> {
    Rig::build().map_err(|reason| println!("skipped: {reason}")).ok()
}

fn cut(rounds: usize) {
    let seed = Seed::take();
    let mut random = seed.random();
    let Some(rig) = rig() else { return };
    let mut writer = Writer::start(&rig.root(), seed.number());
    // One failure says little; how many there are says more.
    let (mut failures, mut last) = (Vec::new(), 0);
    for round in 0..rounds {
        let longer = Duration::from_micros(random.below(20_000) as u64);
        let acknowledged = writer.wait(1 + random.below(24), longer);
        let cut = rig.cut();
        match cut.survey(seed.number(), acknowledged) {
            Ok(found) => {
                last = found;
                cut.go_on(seed.number());
            }
            Err(failure) => failures.push(format!("round {round}: {failure}")),
        }
    }
    println!("{rounds} power cuts, {last} batches, {} failures", failures.len());
    assert!(failures.is_empty(), "{failures:#?}");
    writer.kill();
}

#[test]
fn every_acknowledged_batch_survives_a_power_cut() {
    cut(3);
}

#[test]
#[ignore = "recipe: takes minutes and needs root; run it in release mode, with different LOOKALIKE_SEEDs"]
fn every_acknowledged_batch_survives_50_power_cuts() {
    cut(50);
}

#[test]
fn a_batch_that_a_cut_lost_would_be_noticed() {
    let seed = Seed::take();
    let Some(rig) = rig() else { return };
    let mut writer = Writer::start(&rig.root(), seed.number());
    let before = writer.wait(5, Duration::ZERO);
    let cut = rig.cut();
    let found = cut.survey(seed.number(), before).unwrap();
    let mut after = before;
    while after <= found {
        after = writer.wait(1, Duration::ZERO);
    }
    let failure = cut.survey(seed.number(), after).unwrap_err();
    assert_eq!(failure, format!("batch {after} was acknowledged, batch {found} is the last"));
    writer.kill();
}
