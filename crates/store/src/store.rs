use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lookalike_plugin_api::Fingerprint;

use crate::collection::{self, Place};
use crate::generation::folder;
use crate::generation::folder::FolderError;
use crate::generation::tree::{Backend, Changes, Disk};
use crate::ground::Ground;
use crate::lock::{LOCK, Lock, lock};
use crate::schema::moment;
use crate::{
    ArchiveError, ArchiveReport, ArchiveWriter, Collection, OpenError, ReadError, StoreConfig, WriteError,
    limits, marker, schema,
};

const COLLECTIONS: &str = "collections";
/// What nobody else may put into the directory of a database.
pub(crate) const OWN_FILES: [&str; 4] = [LOCK, COLLECTIONS, limits::MARKER_FILE, "lookalike.tmp"];

/// A database: one directory of collections, held by one process at a time.
///
/// ```text
/// lookalike.json      what makes the directory a database
/// LOCK                locked while the database is open
/// collections/NAME/   one folder for each collection
/// ```
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    config: StoreConfig,
    backend: Arc<dyn Backend>,
    // Shared with the collections: the database stays locked until the last of them is closed.
    lock: Arc<Lock>,
    // The open ones. A collection must not be opened twice, so the lock is held while one is opened.
    open: Mutex<BTreeMap<String, Arc<Collection>>>,
}

impl Store {
    /// Creates a database in a directory that is empty or not there yet.
    ///
    /// # Errors
    ///
    /// [`OpenError::AlreadyDatabase`], [`OpenError::NotEmpty`], [`OpenError::Locked`], or a failed file operation.
    pub fn create(root: &Path, config: StoreConfig) -> Result<Self, OpenError> {
        Self::create_on(Arc::new(Disk), root, config)
    }

    pub(crate) fn create_on(
        backend: Arc<dyn Backend>,
        root: &Path,
        config: StoreConfig,
    ) -> Result<Self, OpenError> {
        folder::create(root)?;
        if marker::path(root).exists() {
            return Err(OpenError::AlreadyDatabase { path: root.to_owned() });
        }
        // An interrupted creation leaves these behind.
        let ours = [root.join(LOCK), root.join(COLLECTIONS), marker::path(root).with_extension("tmp")];
        let collections = root.join(COLLECTIONS);
        if folder::entries(root)?.iter().any(|path| !ours.contains(path))
            || collections.exists() && !folder::entries(&collections)?.is_empty()
        {
            return Err(OpenError::NotEmpty { path: root.to_owned() });
        }
        let lock = lock(root)?;
        // Another process may have been quicker between the look and the lock.
        if marker::path(root).exists() {
            return Err(OpenError::AlreadyDatabase { path: root.to_owned() });
        }
        folder::create(&collections)?;
        folder::sync_all(root)?;
        marker::write(root, moment::now_ms(), moment::uuid())?;
        folder::sync_parent(root)?;
        Ok(Self::locked(root, config, backend, lock))
    }

    /// Opens a database. Its collections are opened one by one, when they are asked for.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotDatabase`], [`OpenError::NewerFormat`], [`OpenError::OlderFormat`], [`OpenError::Locked`], errors of a damaged marker, or
    /// a failed file operation.
    pub fn open(root: &Path, config: StoreConfig) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Disk), root, config)
    }

    pub(crate) fn open_on(
        backend: Arc<dyn Backend>,
        root: &Path,
        config: StoreConfig,
    ) -> Result<Self, OpenError> {
        // Checked before the lock too: nothing is created in a directory that is none of ours.
        marker::check(root)?;
        let lock = lock(root)?;
        marker::check(root)?;
        Ok(Self::locked(root, config, backend, lock))
    }

    /// Locks a database of this or an older format; its collections must not be opened in the ordinary way.
    pub(crate) fn lock_any(root: &Path, config: StoreConfig) -> Result<Self, OpenError> {
        marker::format(root)?;
        Ok(Self::locked(root, config, Arc::new(Disk), lock(root)?))
    }

    fn locked(root: &Path, config: StoreConfig, backend: Arc<dyn Backend>, lock: Lock) -> Self {
        Self { root: root.to_owned(), config, backend, lock: Arc::new(lock), open: Mutex::default() }
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names of the collections, ascending.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`] when the directory cannot be listed.
    pub fn collection_names(&self) -> Result<Vec<String>, ReadError> {
        let mut names = Vec::new();
        for path in folder::entries(&self.root.join(COLLECTIONS))? {
            if let Some(name) = path.file_name().and_then(|name| name.to_str())
                && is_allowed(name)
                && collection::exists(&path)
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Creates a collection whose rows are made by the model of this fingerprint.
    ///
    /// # Errors
    ///
    /// [`OpenError::CollectionName`], [`OpenError::CollectionExists`], [`OpenError::Fingerprint`],
    /// [`OpenError::DiskFull`], [`OpenError::NotPowerSafe`] where that was demanded, or a failed operation. After an
    /// error there is no such collection.
    pub fn create_collection(
        &self,
        name: &str,
        fingerprint: &Fingerprint,
    ) -> Result<Arc<Collection>, OpenError> {
        if !schema::accepts(fingerprint) {
            let model = fingerprint.model.chars().take(100).collect();
            return Err(OpenError::Fingerprint { model, dimension: fingerprint.dimension });
        }
        let home = self.home(name);
        self.create_collection_from(name, |_| collection::first_changes(self.place(name, &home), fingerprint))
    }

    /// Creates a collection whose tree is filled by `first`, which gives its last changes.
    pub(crate) fn create_collection_from<E: From<OpenError>>(
        &self,
        name: &str,
        first: impl FnOnce(&Ground) -> Result<Changes, E>,
    ) -> Result<Arc<Collection>, E> {
        if !is_allowed(name) {
            return Err(OpenError::CollectionName { name: name.chars().take(100).collect() }.into());
        }
        let mut open = self.lock_open();
        let home = self.home(name);
        if collection::exists(&home) {
            return Err(OpenError::CollectionExists { name: name.to_owned() }.into());
        }
        let collection = Arc::new(collection::create_from(self.place(name, &home), first)?);
        open.insert(name.to_owned(), Arc::clone(&collection));
        Ok(collection)
    }

    /// The collection of this name, opened if it is not open yet; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`], [`OpenError::NewerFormat`], [`OpenError::DiskFull`], [`OpenError::NotPowerSafe`]
    /// where that was demanded, or a failed operation.
    pub fn collection(&self, name: &str) -> Result<Option<Arc<Collection>>, OpenError> {
        let mut open = self.lock_open();
        if let Some(collection) = open.get(name) {
            return Ok(Some(Arc::clone(collection)));
        }
        let home = self.home(name);
        if !is_allowed(name) || !collection::exists(&home) {
            return Ok(None);
        }
        let collection = Arc::new(collection::open(self.place(name, &home))?);
        open.insert(name.to_owned(), Arc::clone(&collection));
        Ok(Some(collection))
    }

    /// Deletes a collection with all that is in it; `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`WriteError::InUse`] as long as anybody else holds the collection; [`WriteError::File`] when deleting fails.
    pub fn drop_collection(&self, name: &str) -> Result<bool, WriteError> {
        let mut open = self.lock_open();
        let home = self.home(name);
        if !is_allowed(name) || !collection::exists(&home) {
            return Ok(false);
        }
        if let Some(collection) = open.remove(name) {
            // With the map locked, only holders could make further holders.
            if let Err(held) = Arc::try_unwrap(collection) {
                open.insert(name.to_owned(), held);
                return Err(WriteError::InUse { name: name.to_owned() });
            }
        }
        collection::remove(&home)?;
        Ok(true)
    }

    /// Writes every collection into an archive, and files under the names given.
    ///
    /// Readers go on; writers to a collection wait while it is written. `progress` is called with the bytes written so
    /// far.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]. What was written is no archive then.
    pub fn backup(
        &self,
        to: impl Write,
        files: &[(String, PathBuf)],
        progress: &mut dyn FnMut(u64),
    ) -> Result<ArchiveReport, ArchiveError> {
        let mut writer = ArchiveWriter::new(to)?;
        for name in self.collection_names().map_err(ArchiveError::Read)? {
            if let Some(collection) = self.collection(&name)? {
                writer.collection(&collection, progress)?;
            }
        }
        for (name, path) in files {
            let file = File::open(path).map_err(|source| FolderError::new("opening", path, source))?;
            writer.file(name, file)?;
        }
        Ok(writer.finish()?.1)
    }

    pub(crate) fn with_place<T>(&self, name: &str, work: impl FnOnce(Place<'_>) -> T) -> T {
        let _open = self.lock_open();
        work(self.place(name, &self.home(name)))
    }

    fn place<'a>(&'a self, name: &'a str, home: &'a Path) -> Place<'a> {
        Place { name, home, config: &self.config, backend: &self.backend, lock: &self.lock }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.root.join(COLLECTIONS).join(name)
    }

    fn lock_open(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Collection>>> {
        // The map is changed by single calls that leave it whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_allowed(name: &str) -> bool {
    (1..=limits::MAX_COLLECTION_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}
