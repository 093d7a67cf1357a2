use std::sync::Arc;

use lookalike_plugin_api::Fingerprint;
use lookalike_store::{Store, StoreConfig};
use lookalike_vision::ComputeConfig;

use crate::error::Error;

/// The collection that a database is made with, and whose model it is opened with, where none is named.
pub const USUAL_COLLECTION: &str = "main";

/// How a database is made and opened, where it is not the usual way.
///
/// ```no_run
/// use lookalike::OpenOptions;
///
/// let birds = OpenOptions { collection: Some("birds".to_owned()), ..OpenOptions::default() };
/// let database = birds.open("photos.db".as_ref())?;
/// # Ok::<(), lookalike::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The collection whose model the database is opened with; without a name [`USUAL_COLLECTION`], or else the first in
    /// the order of their names. Collections of other models are refused by a database that is open with this one.
    pub collection: Option<String>,
    /// Where and how the network runs.
    pub compute: ComputeConfig,
    /// Cache, durability and write mode.
    pub store: StoreConfig,
}

impl OpenOptions {
    /// The collection that is named, else the usual one.
    pub(crate) fn collection_name(&self) -> &str {
        self.collection.as_deref().unwrap_or(USUAL_COLLECTION)
    }

    /// The model of the collection that is named, else of the usual one, else of the first; `None` if there is none.
    pub(crate) fn wanted(&self, store: &Store) -> Result<Option<Arc<Fingerprint>>, Error> {
        let names = store.collection_names()?;
        let name = match &self.collection {
            Some(name) if names.contains(name) => Some(name),
            Some(name) => return Err(missing(name, &names)),
            None => names.iter().find(|name| *name == USUAL_COLLECTION).or(names.first()),
        };
        let Some(name) = name else { return Ok(None) };
        Ok(store.collection(name)?.map(|collection| collection.fingerprint()))
    }

    /// The collections that work for all of them is done on: the one that is named, else all.
    pub(crate) fn chosen(&self, store: &Store) -> Result<Vec<String>, Error> {
        let names = store.collection_names()?;
        match &self.collection {
            None => Ok(names),
            Some(name) if names.contains(name) => Ok(vec![name.clone()]),
            Some(name) => Err(missing(name, &names)),
        }
    }
}

fn missing(name: &str, known: &[String]) -> Error {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    lookalike_engine::OpenError::Missing { name: name.to_owned(), known }.into()
}
