//! The tree of a collection in its generation folder, which outlives its replacement by compaction for as long as
//! somebody reads from it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::generation::folder;
use crate::generation::tree::Tree;

#[derive(Debug)]
pub(crate) struct Ground {
    // `None` only while it is dropped: the tree is closed before its folder goes.
    tree: Option<Tree>,
    generation: PathBuf,
    retired: AtomicBool,
}

impl Ground {
    pub(crate) fn new(tree: Tree, generation: PathBuf) -> Self {
        Self { tree: Some(tree), generation, retired: AtomicBool::new(false) }
    }

    /// Its generation folder.
    pub(crate) fn generation(&self) -> &Path {
        &self.generation
    }

    /// Another has taken its place: the folder goes when the last reader has.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }
}

impl Deref for Ground {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        match &self.tree {
            Some(tree) => tree,
            None => unreachable!("the tree is taken by the end of the ground alone"),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(self.tree.take());
        if self.retired.load(Ordering::Relaxed)
            && let Err(error) = folder::remove(&self.generation)
        {
            // Opening the collection removes it.
            tracing::warn!(?error, "a generation that was replaced stays behind");
        }
    }
}
