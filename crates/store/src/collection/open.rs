//! Folders of a collection:
//!
//! ```text
//! NAME/CURRENT                name of the generation in use; written last, so that a collection is there whole or not
//! NAME/g000001/READY          the generation was created to its end
//! NAME/g000001/ground/        its tree
//! NAME/g000001/ACKNOWLEDGED   number of the last acknowledged batch
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use super::{Collection, Writer};
use crate::acknowledged::{self, Acknowledged};
use crate::catalog::TagNumbers;
use crate::schema::{Schema, Totals};
use crate::tree::{AccessError, Changes, Obstacle, Tree};
use crate::{
    Catalog, Damage, Doubt, DurabilityDemand, OpenError, StoreConfig, catalog, folder, key, schema, value,
};

const CURRENT: &str = "CURRENT";
const READY: &str = "READY";
const GROUND: &str = "ground";
const FIRST_GENERATION: &str = "g000001";
const READY_TEXT: &[u8] = b"lookalike generation, format 1\n";
const CURRENT_MOST_BYTES: u64 = 64;

/// What opening a collection needs to know of its database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) name: &'a str,
    /// Folder of the collection.
    pub(crate) home: &'a Path,
    pub(crate) config: &'a StoreConfig,
    pub(crate) lock: &'a Arc<File>,
}

impl Place<'_> {
    fn damaged(&self, source: Damage) -> OpenError {
        OpenError::Damaged { name: self.name.to_owned(), source }
    }

    fn obstacle(&self, obstacle: Obstacle) -> OpenError {
        match obstacle {
            Obstacle::DiskFull { folder, free_bytes, needed_bytes } => {
                OpenError::DiskFull { path: folder, free_bytes, needed_bytes }
            }
            Obstacle::Folder(error) => error.into(),
            Obstacle::Tree(source) => OpenError::Tree { name: self.name.to_owned(), source },
        }
    }

    fn access(&self, error: AccessError) -> OpenError {
        match error {
            // The rest of the value may be anything in a format of later.
            AccessError::Damage(Damage::Format { found, newest, .. }) => OpenError::NewerFormat {
                path: self.home.to_owned(),
                found: found.into(),
                newest: newest.into(),
            },
            AccessError::Damage(damage) => self.damaged(damage),
            AccessError::Tree(source) => OpenError::Tree { name: self.name.to_owned(), source },
        }
    }

    fn assemble(&self, state: State) -> Result<Collection, OpenError> {
        if let Some(doubt) = state.doubt {
            if self.config.durability == DurabilityDemand::PowerSafe {
                return Err(OpenError::NotPowerSafe { name: self.name.to_owned(), doubt });
            }
            tracing::warn!(collection = self.name, %doubt, "writes are not known to survive a power cut");
        }
        Ok(Collection {
            name: self.name.to_owned(),
            folder: self.home.to_owned(),
            fingerprint: state.schema.fingerprint(),
            doubt: state.doubt,
            tree: state.tree,
            catalog: RwLock::new(Arc::new(state.catalog)),
            writer: Mutex::new(Writer {
                tag_numbers: state.tag_numbers,
                acknowledged: state.acknowledged,
                fault: None,
            }),
            _lock: Arc::clone(self.lock),
        })
    }
}

struct State {
    tree: Tree,
    schema: Schema,
    catalog: Catalog,
    tag_numbers: TagNumbers,
    acknowledged: Acknowledged,
    doubt: Option<Doubt>,
}

/// Whether a collection was created to its end in `home`.
pub(crate) fn exists(home: &Path) -> bool {
    home.join(CURRENT).is_file()
}

/// Deletes a collection: first the file that makes it one, then the rest.
pub(crate) fn remove(home: &Path) -> Result<(), folder::FolderError> {
    folder::remove_file(&home.join(CURRENT))?;
    folder::sync(home)?;
    folder::remove(home)?;
    home.parent().map_or(Ok(()), folder::sync)
}

/// Creates a collection where none is. What an interrupted creation left behind is wiped: without `CURRENT`
/// nothing in it was ever acknowledged.
pub(crate) fn create(place: Place<'_>, schema: Schema) -> Result<Collection, OpenError> {
    folder::remove(place.home)?;
    let outcome =
        create_generation(place, schema).and_then(|state| place.assemble(state)).and_then(|collection| {
            folder::write_whole(&place.home.join(CURRENT), format!("{FIRST_GENERATION}\n").as_bytes())?;
            Ok(collection)
        });
    if outcome.is_err()
        && let Err(error) = folder::remove(place.home)
    {
        tracing::warn!(?error, "leftovers of a collection that was not created stay behind");
    }
    outcome
}

fn create_generation(place: Place<'_>, schema: Schema) -> Result<State, OpenError> {
    let generation = place.home.join(FIRST_GENERATION);
    let tree =
        Tree::open(&generation.join(GROUND), place.config.cache_bytes).map_err(|o| place.obstacle(o))?;
    let damaged = |source| place.damaged(source);
    let mut changes = Changes::default();
    changes.put(key::schema(), &value::encode(Schema::WHAT, &schema).map_err(damaged)?);
    changes.put(key::next(), &value::encode(Totals::WHAT, &Totals::default()).map_err(damaged)?);
    let doubt = tree.probe(changes).map_err(|o| place.obstacle(o))?;
    let acknowledged = Acknowledged::start(&generation, 0)?;
    folder::write_whole(&generation.join(READY), READY_TEXT)?;
    folder::sync_all(&generation)?;
    folder::sync(place.home)?;
    let (catalog, tag_numbers) = catalog::load(&tree).map_err(|e| place.access(e))?;
    Ok(State { tree, schema, catalog, tag_numbers, acknowledged, doubt })
}

/// Opens a collection that [`exists`].
pub(crate) fn open(place: Place<'_>) -> Result<Collection, OpenError> {
    let generation = current_generation(place)?;
    let ready = folder::read_small(&generation.join(READY), READY_TEXT.len() as u64)?;
    if ready.as_deref() != Some(READY_TEXT) {
        return Err(place.damaged(Damage::Missing { what: "file READY" }));
    }
    let ground = generation.join(GROUND);
    if !ground.join("db").is_file() {
        // sled would begin an empty tree.
        return Err(place.damaged(Damage::Missing { what: "tree's log" }));
    }
    let tree = Tree::open(&ground, place.config.cache_bytes).map_err(|o| place.obstacle(o))?;
    let schema = read_schema(place, &tree)?;
    let (catalog, tag_numbers) = catalog::load(&tree).map_err(|e| place.access(e))?;
    let found = catalog.batch();
    match acknowledged::read(&generation)? {
        Some(acknowledged) if acknowledged > found => {
            let path = acknowledged::path(&generation);
            return Err(OpenError::BatchesLost { name: place.name.to_owned(), found, acknowledged, path });
        }
        Some(_) => {}
        None => tracing::warn!(collection = place.name, "the last acknowledged batch is not known"),
    }
    // The same value again changes nothing, but a batch is logged and flushed however little it changes.
    let mut changes = Changes::default();
    let totals = value::encode(Totals::WHAT, &catalog.totals).map_err(|d| place.damaged(d))?;
    changes.put(key::next(), &totals);
    let doubt = tree.probe(changes).map_err(|o| place.obstacle(o))?;
    let acknowledged = Acknowledged::start(&generation, found)?;
    tracing::debug!(collection = place.name, exemplars = catalog.totals.exemplars, "opened");
    place.assemble(State { tree, schema, catalog, tag_numbers, acknowledged, doubt })
}

fn current_generation(place: Place<'_>) -> Result<PathBuf, OpenError> {
    let bytes = folder::read_small(&place.home.join(CURRENT), CURRENT_MOST_BYTES)?.unwrap_or_default();
    let name = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n')).filter(|name| {
        name.len() == FIRST_GENERATION.len()
            && name.starts_with('g')
            && name.bytes().skip(1).all(|byte| byte.is_ascii_digit())
    });
    match name {
        Some(name) => Ok(place.home.join(name)),
        None => Err(place.damaged(Damage::Decode { what: "file CURRENT" })),
    }
}

fn read_schema(place: Place<'_>, tree: &Tree) -> Result<Schema, OpenError> {
    let payload = tree.get(Schema::WHAT, &key::schema()).map_err(|e| place.access(e))?;
    let payload = payload.ok_or_else(|| place.damaged(Damage::Missing { what: Schema::WHAT }))?;
    let schema: Schema = value::decode(Schema::WHAT, &payload).map_err(|d| place.damaged(d))?;
    if schema.magic != Schema::MAGIC || !schema::accepts(&schema.fingerprint()) {
        return Err(place.damaged(Damage::Decode { what: Schema::WHAT }));
    }
    Ok(schema)
}
