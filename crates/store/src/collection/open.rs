use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use lookalike_plugin_api::Fingerprint;

use super::Collection;
use super::check::Check;
use super::writer::{Durable, Writer};
use crate::catalog::TagNumbers;
use crate::catalog::census::Census;
use crate::generation::acknowledged::{self, Acknowledged};
use crate::generation::folder;
use crate::generation::tree::{AccessError, Backend, Changes, Obstacle, Tree};
use crate::generation::{self, Number};
use crate::ground::Ground;
use crate::lock::Lock;
use crate::schema::moment;
use crate::schema::{Models, Schema, Totals};
use crate::segment::Shelf;
use crate::{Catalog, Damage, Doubt, DurabilityDemand, OpenError, StoreConfig, catalog, key, value};

/// What opening a collection needs to know of its database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) name: &'a str,
    /// Folder of the collection.
    pub(crate) home: &'a Path,
    pub(crate) config: &'a StoreConfig,
    pub(crate) backend: &'a Arc<dyn Backend>,
    pub(crate) lock: &'a Arc<Lock>,
}

impl Place<'_> {
    pub(crate) fn damaged(&self, source: Damage) -> OpenError {
        OpenError::Damaged { name: self.name.to_owned(), path: self.home.to_owned(), source }
    }

    pub(crate) fn obstacle(&self, obstacle: Obstacle) -> OpenError {
        match obstacle {
            Obstacle::DiskFull { folder, free_bytes, needed_bytes } => {
                OpenError::DiskFull { path: folder, free_bytes, needed_bytes }
            }
            Obstacle::Folder(error) => error.into(),
            Obstacle::Tree(source) => OpenError::Tree { name: self.name.to_owned(), source },
        }
    }

    pub(crate) fn access(&self, error: AccessError) -> OpenError {
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

    /// Opens the tree of a generation.
    pub(crate) fn ground(&self, number: Number) -> Result<Ground, OpenError> {
        let folder = number.folder(self.home);
        let tree = Tree::open(&**self.backend, &generation::ground(&folder), self.config);
        Ok(Ground::new(tree.map_err(|obstacle| self.obstacle(obstacle))?, folder))
    }

    fn assemble(&self, state: State) -> Result<Collection, OpenError> {
        if let Some(doubt) = state.doubt {
            if self.config.durability == DurabilityDemand::PowerSafe {
                return Err(OpenError::NotPowerSafe { name: self.name.to_owned(), doubt });
            }
            tracing::warn!(collection = self.name, %doubt, "writes are not known to survive a power cut");
        }
        let shelf = Shelf::open(self.home, state.schema.uuid, &state.catalog);
        let (ground, catalog) = (Arc::new(state.ground), Arc::new(state.catalog));
        let check = if catalog.len() > self.config.check_in_background_above {
            Check::begin(Arc::clone(&ground), Arc::clone(&catalog))
        } else {
            let census =
                Census::take(&ground, &catalog, &AtomicBool::new(false)).map_err(|e| self.access(e))?;
            let census = census.unwrap_or_default();
            if let Some(damage) = census.damage(catalog.live()) {
                return Err(self.damaged(damage));
            }
            Check::taken(census)
        };
        Ok(Collection {
            name: self.name.to_owned(),
            home: self.home.to_owned(),
            uuid: state.schema.uuid,
            config: self.config.clone(),
            backend: Arc::clone(self.backend),
            doubt: state.doubt,
            ground: RwLock::new(ground),
            shelf,
            catalog: RwLock::new(Arc::clone(&catalog)),
            unpublished: Mutex::default(),
            durable: Mutex::new(Durable::new(catalog.batch(), state.acknowledged)),
            writer: Mutex::new(Writer::new(catalog, state.tag_numbers)),
            check,
            lock: Arc::clone(self.lock),
        })
    }
}

struct State {
    ground: Ground,
    schema: Schema,
    catalog: Catalog,
    tag_numbers: TagNumbers,
    acknowledged: Acknowledged,
    doubt: Option<Doubt>,
}

/// Whether a collection was created to its end in `home`.
pub(crate) fn exists(home: &Path) -> bool {
    generation::exists(home)
}

/// Deletes a collection: first the file that makes it one, then the rest.
pub(crate) fn remove(home: &Path) -> Result<(), folder::FolderError> {
    generation::drop_all(home)?;
    folder::remove(home)?;
    home.parent().map_or(Ok(()), folder::sync)
}

/// Creates a collection where none is: `first` fills its tree and gives the last changes. What an interrupted
/// creation left behind is wiped: without `CURRENT` nothing in it was ever acknowledged.
pub(crate) fn create_from<E: From<OpenError>>(
    place: Place<'_>,
    first: impl FnOnce(&Ground) -> Result<Changes, E>,
) -> Result<Collection, E> {
    folder::remove(place.home).map_err(OpenError::from)?;
    let outcome = (|| {
        let ground = place.ground(Number::FIRST)?;
        let changes = first(&ground)?;
        let made = place.assemble(make_ready(place, ground, changes)?)?;
        generation::set_current(place.home, Number::FIRST).map_err(OpenError::from)?;
        Ok(made)
    })();
    if outcome.is_err()
        && let Err(error) = folder::remove(place.home)
    {
        tracing::warn!(?error, "leftovers of a collection that was not created stay behind");
    }
    outcome
}

/// What makes an empty tree one of a collection in this place.
pub(crate) fn first_changes(place: Place<'_>, fingerprint: &Fingerprint) -> Result<Changes, OpenError> {
    let now_ms = moment::now_ms();
    let first =
        beginning(&Schema::new(now_ms, moment::uuid()), &Models::new(fingerprint, now_ms), Totals::default());
    first.map_err(|source| place.damaged(source))
}

/// What a tree has before its exemplars.
pub(crate) fn beginning(schema: &Schema, models: &Models, totals: Totals) -> Result<Changes, Damage> {
    let mut changes = Changes::default();
    changes.put(key::schema(), &value::encode(Schema::WHAT, schema)?);
    changes.put(key::models(), &value::encode(Models::WHAT, models)?);
    changes.put(key::next(), &value::encode(Totals::WHAT, &totals)?);
    Ok(changes)
}

/// Makes a generation whose tree is filled to its end, but not the one in use.
pub(crate) fn finish_generation(place: Place<'_>, ground: Ground, changes: Changes) -> Result<(), OpenError> {
    make_ready(place, ground, changes).map(drop)
}

fn make_ready(place: Place<'_>, ground: Ground, changes: Changes) -> Result<State, OpenError> {
    let doubt = ground.probe(changes).map_err(|o| place.obstacle(o))?;
    let (catalog, tag_numbers) = catalog::load(&ground).map_err(|e| place.access(e))?;
    let schema = read_schema(place, &ground)?;
    let acknowledged = Acknowledged::start(ground.generation(), catalog.batch())?;
    generation::set_ready(ground.generation())?;
    Ok(State { ground, schema, catalog, tag_numbers, acknowledged, doubt })
}

/// Opens a collection that [`exists`].
pub(crate) fn open(place: Place<'_>) -> Result<Collection, OpenError> {
    let number = ready_generation(place)?;
    let ground = match place.ground(number) {
        Err(OpenError::DiskFull { .. }) => {
            // What others take may be the room that opening needs.
            generation::remove_others(place.home, number)?;
            place.ground(number)?
        }
        ground => ground?,
    };
    let schema = read_schema(place, &ground)?;
    let (catalog, tag_numbers) = catalog::load(&ground).map_err(|e| place.access(e))?;
    let found = catalog.batch();
    match acknowledged::read(ground.generation())? {
        Some(acknowledged) if acknowledged > found => {
            let path = acknowledged::path(ground.generation());
            return Err(OpenError::BatchesLost { name: place.name.to_owned(), found, acknowledged, path });
        }
        Some(_) => {}
        None => tracing::warn!(collection = place.name, "the last acknowledged batch is not known"),
    }
    generation::remove_others(place.home, number)?;
    // The same value again changes nothing, but a batch is logged and flushed however little it changes.
    let mut changes = Changes::default();
    let totals = value::encode(Totals::WHAT, &catalog.totals).map_err(|d| place.damaged(d))?;
    changes.put(key::next(), &totals);
    let doubt = ground.probe(changes).map_err(|o| place.obstacle(o))?;
    let acknowledged = Acknowledged::start(ground.generation(), found)?;
    tracing::debug!(collection = place.name, exemplars = catalog.totals.exemplars, "opened");
    place.assemble(State { ground, schema, catalog, tag_numbers, acknowledged, doubt })
}

/// Opens the tree of the generation in use, without a look at what is in it.
pub(crate) fn open_ground(place: Place<'_>) -> Result<(Number, Ground), OpenError> {
    let number = ready_generation(place)?;
    Ok((number, place.ground(number)?))
}

/// The generation in use, if it is all there.
fn ready_generation(place: Place<'_>) -> Result<Number, OpenError> {
    let number = generation::current(place.home)?;
    let number = number.ok_or_else(|| place.damaged(Damage::Decode { what: "file CURRENT" }))?;
    let folder = number.folder(place.home);
    if let Some(damage) = generation::unready(&folder)? {
        return Err(place.damaged(damage));
    }
    if !place.backend.exists(&generation::ground(&folder)) {
        // An empty tree would be begun.
        return Err(place.damaged(Damage::Missing { what: "tree's log" }));
    }
    Ok(number)
}

fn read_schema(place: Place<'_>, tree: &Tree) -> Result<Schema, OpenError> {
    let payload = tree.get(Schema::WHAT, &key::schema()).map_err(|e| place.access(e))?;
    let payload = payload.ok_or_else(|| place.damaged(Damage::Missing { what: Schema::WHAT }))?;
    let schema: Schema = value::decode(Schema::WHAT, &payload).map_err(|d| place.damaged(d))?;
    if schema.magic != Schema::MAGIC {
        return Err(place.damaged(Damage::Decode { what: Schema::WHAT }));
    }
    Ok(schema)
}
