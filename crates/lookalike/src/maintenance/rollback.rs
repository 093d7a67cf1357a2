//! Back to the model before the last rebuild, or no way back any more.

use std::sync::Arc;

use lookalike_engine::MaintenanceError;
use lookalike_plugin_api::Fingerprint;
use lookalike_store::{Collection, ModelRole};

use super::Maintenance;
use crate::error::Error;

/// What became of the collections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChanges {
    /// Those that had rows of a previous model.
    pub changed: Vec<ModelChange>,
    /// Names of those that keep no rows of a previous model.
    pub without_previous: Vec<String>,
}

/// What became of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChange {
    /// The collection.
    pub collection: String,
    /// The model that serves it now.
    pub served: Fingerprint,
    /// The other model, whose rows are kept or were removed.
    pub other: Fingerprint,
}

/// A collection that can go back.
struct Pair {
    collection: Arc<Collection>,
    current: Fingerprint,
    previous: Fingerprint,
}

impl Maintenance {
    /// Has the rows served that collections had before their last rebuild. The rows of the present model stay, so that
    /// the same call goes forth again.
    ///
    /// # Errors
    ///
    /// [`Error::NoPreviousModel`]; [`Error::MissingModel`] when the files of the model are gone;
    /// [`Error::WrittenSince`] when images came after the rebuild; [`Error::OppositeModels`] when a rollback was
    /// interrupted between two collections.
    pub fn roll_back(&self) -> Result<ModelChanges, Error> {
        let (pairs, without_previous) = self.pairs()?;
        ensure_one_direction(&pairs)?;
        pairs.iter().try_for_each(|pair| self.go_back(pair))?;
        let changed = pairs.into_iter().map(|pair| ModelChange {
            collection: pair.collection.name().to_owned(),
            served: pair.previous,
            other: pair.current,
        });
        Ok(ModelChanges { changed: changed.collect(), without_previous })
    }

    /// Removes the rows that [`Maintenance::roll_back`] would return to, and the files of models that nobody needs then.
    ///
    /// # Errors
    ///
    /// [`Error::NoPreviousModel`]; [`Error::Maintenance`] when a write fails.
    pub fn drop_previous_models(&self) -> Result<ModelChanges, Error> {
        let (pairs, without_previous) = self.pairs()?;
        pairs.iter().try_for_each(|pair| pair.collection.drop_previous_model())?;
        self.models.keep_used(&self.store)?;
        let changed = pairs.into_iter().map(|pair| ModelChange {
            collection: pair.collection.name().to_owned(),
            served: pair.current,
            other: pair.previous,
        });
        Ok(ModelChanges { changed: changed.collect(), without_previous })
    }

    /// The collections that can go back, and the names of those that cannot.
    fn pairs(&self) -> Result<(Vec<Pair>, Vec<String>), Error> {
        let (mut pairs, mut without) = (Vec::new(), Vec::new());
        for name in self.collection_names()? {
            let Some(collection) = self.store.collection(&name)? else { continue };
            let catalog = collection.catalog();
            match catalog.models().into_iter().find(|model| model.role == ModelRole::Previous) {
                Some(previous) => {
                    let current = (**catalog.fingerprint()).clone();
                    pairs.push(Pair { collection, current, previous: previous.fingerprint });
                }
                None => without.push(name),
            }
        }
        if pairs.is_empty() { Err(Error::NoPreviousModel) } else { Ok((pairs, without)) }
    }

    fn go_back(&self, pair: &Pair) -> Result<(), Error> {
        if !self.models.has(&pair.previous) {
            return Err(self.models.missing(&pair.previous));
        }
        pair.collection.rollback().map_err(|error| {
            if !matches!(error, MaintenanceError::Incomplete { .. }) {
                return error.into();
            }
            Error::WrittenSince {
                collection: pair.collection.name().to_owned(),
                weights: self.models.weights(&pair.previous),
                source: Box::new(error),
            }
        })
    }
}

/// A rollback that was interrupted must not take the first collections forth again while it takes the others back.
fn ensure_one_direction(pairs: &[Pair]) -> Result<(), Error> {
    for (place, first) in pairs.iter().enumerate() {
        let opposite = |other: &&Pair| other.current == first.previous && other.previous == first.current;
        if let Some(other) = pairs[place..].iter().find(opposite) {
            return Err(Error::OppositeModels {
                first: first.collection.name().to_owned(),
                first_model: Box::new(first.current.clone()),
                second: other.collection.name().to_owned(),
                second_model: Box::new(other.current.clone()),
            });
        }
    }
    Ok(())
}
