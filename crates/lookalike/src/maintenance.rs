//! A database without a model in memory: for work that needs none, or brings another one.

mod rebuild;
mod rollback;

use std::io::Write;
use std::path::Path;

use lookalike_engine::ArchiveReport;
use lookalike_store::Store;

pub use self::rebuild::{CollectionEstimate, CollectionRebuild};
pub use self::rollback::{ModelChange, ModelChanges};
use crate::error::Error;
use crate::models::StoredModels;
use crate::options::OpenOptions;

/// A database opened for what keeps it in order: a rebuild for another model, the way back, a backup. No row is loaded,
/// and nobody searches meanwhile.
#[derive(Debug)]
pub struct Maintenance {
    store: Store,
    models: StoredModels,
    options: OpenOptions,
}

impl Maintenance {
    /// Opens the database in this directory for work on all its collections; [`OpenOptions::maintain`] for one of them.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when the directory is no database, is damaged, or is open in another process.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Self::with_options(directory, &OpenOptions::default())
    }

    pub(crate) fn with_options(directory: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Ok(Self {
            store: Store::open(directory, options.store.clone())?,
            models: StoredModels::new(directory, options.compute),
            options: options.clone(),
        })
    }

    /// The store: records, sizes, verification, compaction.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The models that the database carries.
    pub fn models(&self) -> &StoredModels {
        &self.models
    }

    /// The collections that are worked on, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when they cannot be listed; [`Error::Open`] when there is none of the name that was given.
    pub fn collection_names(&self) -> Result<Vec<String>, Error> {
        self.options.chosen(&self.store)
    }

    /// Writes everything into an archive: all collections, and the models with their views.
    /// [`restore`](crate::restore) makes a database of it. `progress` is called with the bytes written so far.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`]; what was written is no archive then.
    pub fn backup(&self, to: impl Write, progress: &mut dyn FnMut(u64)) -> Result<ArchiveReport, Error> {
        Ok(self.store.backup(to, &self.models.files()?, progress)?)
    }

    /// The collections that are worked on, opened one by one.
    fn each(
        &self,
        mut work: impl FnMut(String, &lookalike_store::Collection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for name in self.collection_names()? {
            if let Some(collection) = self.store.collection(&name)? {
                work(name, &collection)?;
            }
        }
        Ok(())
    }
}

impl OpenOptions {
    /// As [`Maintenance::open`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn maintain(&self, directory: &Path) -> Result<Maintenance, Error> {
        Maintenance::with_options(directory, self)
    }
}
