//! Every image embedded again, by another model or to complete missing rows.

use std::path::Path;
use std::sync::Arc;

use lookalike_engine::{OpenError, RebuildEstimate, RebuildProgress, RebuildReport};
use lookalike_plugin_api::{Budget, Fingerprint};
use lookalike_store::{Catalog, ModelRole, Store};
use lookalike_vision::Model;

use super::Maintenance;
use crate::database::Database;
use crate::error::Error;
use crate::model_files::ModelFiles;
use crate::models::StoredModels;

/// What a rebuild did to one collection.
#[derive(Debug)]
pub struct CollectionRebuild {
    /// The collection.
    pub collection: String,
    /// The model that served it before.
    pub before: Fingerprint,
    /// The model that embedded its images.
    pub model: Fingerprint,
    /// What was done.
    pub report: RebuildReport,
}

/// What a rebuild of one collection would cost.
#[derive(Debug)]
pub struct CollectionEstimate {
    /// The collection.
    pub collection: String,
    /// The model that serves it.
    pub before: Fingerprint,
    /// The model that would embed its images.
    pub model: Fingerprint,
    /// Images, rows and time.
    pub estimate: RebuildEstimate,
}

/// Which collections are embedded by which model.
struct Plan(Vec<(Arc<Model>, Vec<Task>)>);

struct Task {
    collection: String,
    before: Fingerprint,
}

impl Maintenance {
    /// Weights without a manifest that are to take the place of the model that serves the first collection: what they do
    /// not say is taken over from its manifest, see [`ModelFiles::like`]. The network is not loaded for it. Where the
    /// database does not carry that model, the weights need a manifest of their own.
    ///
    /// # Errors
    ///
    /// As [`ModelFiles::like`]; without a known manifest as [`ModelFiles::open`].
    pub fn successor(&self, weights: &Path) -> Result<ModelFiles, Error> {
        let known = match self.collection_names()?.first() {
            Some(name) => {
                self.store.collection(name)?.and_then(|first| self.models.manifest(&first.fingerprint()))
            }
            None => None,
        };
        match known {
            Some(known) => ModelFiles::like(weights, &known),
            None => ModelFiles::open(weights),
        }
    }

    /// Embeds the images of every collection by this model, and has its rows served from then on; without one, completes
    /// an interrupted rebuild, or the rows that the present model's collections lack. The database carries the files of
    /// both models afterwards, for [`Maintenance::roll_back`].
    ///
    /// Every collection switches in one step when all its rows are made. Interrupted by its budget or the end of the
    /// process, the same call goes on where it was. `progress` is called with the collection's name.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] before anything is changed; [`Error::Unfinished`] when a rebuild with another model was begun;
    /// [`Error::Open`] when rows cannot be made. Collections that were switched stay so.
    pub fn rebuild(
        self,
        files: Option<&ModelFiles>,
        budget: &Budget,
        progress: &mut dyn FnMut(&str, &RebuildProgress),
    ) -> Result<Vec<CollectionRebuild>, Error> {
        let plan = self.plan(files)?;
        self.models.move_old()?;
        if let (Some(files), Some((model, _))) = (files, plan.0.first()) {
            // Before the first row is made: a kill must not leave rows whose model is nowhere.
            self.models.save(files, model.fingerprint())?;
        }
        for (model, tasks) in &plan.0 {
            for task in tasks {
                self.models.hand_on_views(&task.before, model.fingerprint())?;
            }
        }
        let mut done = Vec::new();
        let (models, store) = self.each_task(plan, |database, model, Task { collection, before }| {
            let report = database.rebuild(&collection, budget, &mut |now| progress(&collection, now))?;
            done.push(CollectionRebuild { collection, before, model: model.clone(), report });
            Ok(())
        })?;
        models.keep_used(&store)?;
        Ok(done)
    }

    /// What [`Maintenance::rebuild`] would cost. A few images are embedded for it; nothing is changed.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn estimate_rebuild(self, files: Option<&ModelFiles>) -> Result<Vec<CollectionEstimate>, Error> {
        let plan = self.plan(files)?;
        let mut estimates = Vec::new();
        self.each_task(plan, |database, model, Task { collection, before }| {
            let estimate = database.estimate_rebuild(&collection)?;
            estimates.push(CollectionEstimate { collection, before, model: model.clone(), estimate });
            Ok(())
        })?;
        Ok(estimates)
    }

    /// Gives up rebuilds that are not finished; gives the names of their collections.
    ///
    /// # Errors
    ///
    /// [`Error::Maintenance`] when a write fails.
    pub fn abandon_rebuild(&self) -> Result<Vec<String>, Error> {
        let mut abandoned = Vec::new();
        self.each(|name, collection| {
            if unfinished(&collection.catalog()).is_some() {
                collection.abandon_rebuild()?;
                abandoned.push(name);
            }
            Ok(())
        })?;
        self.models.keep_used(&self.store)?;
        Ok(abandoned)
    }

    /// All collections by the model given; without one, each by the model that its interrupted rebuild was with, else by
    /// its own.
    fn plan(&self, files: Option<&ModelFiles>) -> Result<Plan, Error> {
        let given = files.map(|files| files.load(self.options.compute)).transpose()?.map(Arc::new);
        let mut plan: Vec<(Arc<Model>, Vec<Task>)> = Vec::new();
        self.each(|name, collection| {
            let catalog = collection.catalog();
            let task = Task { collection: name, before: (**catalog.fingerprint()).clone() };
            let wanted = match (&given, unfinished(&catalog)) {
                (Some(model), Some(unfinished)) if *model.fingerprint() != unfinished => {
                    let collection = task.collection;
                    return Err(Error::Unfinished { collection, unfinished: Box::new(unfinished) });
                }
                (Some(model), _) => model.fingerprint().clone(),
                (None, Some(unfinished)) => unfinished,
                (None, None) => task.before.clone(),
            };
            if let Some((_, tasks)) = plan.iter_mut().find(|(model, _)| *model.fingerprint() == wanted) {
                tasks.push(task);
                return Ok(());
            }
            let model = match &given {
                Some(model) => Arc::clone(model),
                None => Arc::new(self.models.load_exactly(&wanted)?),
            };
            plan.push((model, vec![task]));
            Ok(())
        })?;
        Ok(Plan(plan))
    }

    /// Does the work of every task, with the database bound to its model.
    fn each_task(
        self,
        plan: Plan,
        mut work: impl FnMut(&lookalike_engine::Database, &Fingerprint, Task) -> Result<(), OpenError>,
    ) -> Result<(StoredModels, Store), Error> {
        let Self { mut store, models, .. } = self;
        for (model, tasks) in plan.0 {
            let views = models.views(model.fingerprint())?;
            let database = Database::with_network(store, Arc::clone(&model), views, models.clone())?;
            for task in tasks {
                work(database.engine(), model.fingerprint(), task)?;
            }
            store = database.close()?;
        }
        Ok((models, store))
    }
}

/// The model that a collection is being rebuilt with.
fn unfinished(catalog: &Catalog) -> Option<Fingerprint> {
    let mut models = catalog.models().into_iter();
    models.find(|model| model.role == ModelRole::Building).map(|model| model.fingerprint)
}
