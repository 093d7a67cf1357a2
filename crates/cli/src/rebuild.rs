//! `lookalike rebuild`: every image embedded again, by another model or to complete missing rows.

mod report;

use std::path::Path;
use std::sync::Arc;

use lookalike_engine::plugin_api::{Budget, Fingerprint};
use lookalike_engine::{Database, ModelRole, StoreConfig};
use lookalike_store::{Catalog, Store};
use lookalike_vision::Model;

use crate::Ending;
use crate::args::{GlobalArgs, RebuildArgs};
use crate::model_files::ModelFiles;
use crate::models::Models;
use crate::opened::{chosen, compute, reranker};
use crate::output::Output;
use crate::progress::Progress;
use crate::rebuild::report::{AbandonReport, Estimate, EstimateReport, RebuildOutcome, Rebuilt};

pub(crate) fn run(args: &RebuildArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    if args.abandon {
        return abandon(&args.db, global, output);
    }
    // Whatever is wrong with the model is said before the database is touched.
    let given = match &args.model {
        Some(model) => {
            let files = ModelFiles::named(model, &args.manifest)?;
            let model = Arc::new(files.load(compute(global))?);
            Some((files, model))
        }
        None => None,
    };
    let models = Models::of(&args.db, global);
    let store = Store::open(&args.db, StoreConfig::default())?;
    let plan = Plan::of(&store, &models, given.as_ref().map(|(_, model)| model), global)?;
    if !args.dry_run {
        models.move_old()?;
        if let Some((files, model)) = &given {
            // Before the first row is made: a kill must not leave rows whose model is nowhere.
            models.save(files, model.fingerprint())?;
        }
        for (model, tasks) in &plan.0 {
            for task in tasks {
                models.hand_on_views(&task.served, model.fingerprint())?;
            }
        }
    }
    if args.dry_run { plan.estimate(store, &models, output) } else { plan.carry_out(store, &models, output) }
}

/// Which collections are embedded by which model.
struct Plan(Vec<(Arc<Model>, Vec<Task>)>);

struct Task {
    name: String,
    served: Fingerprint,
}

impl Plan {
    /// All collections by the model given; without one, each by the model that its interrupted rebuild was with, else
    /// by its own.
    fn of(
        store: &Store,
        models: &Models,
        given: Option<&Arc<Model>>,
        global: &GlobalArgs,
    ) -> anyhow::Result<Self> {
        let mut plan: Vec<(Arc<Model>, Vec<Task>)> = Vec::new();
        for name in chosen(store, global)? {
            let Some(collection) = store.collection(&name)? else { continue };
            let catalog = collection.catalog();
            let task = Task { name, served: (**catalog.fingerprint()).clone() };
            let unfinished = unfinished(&catalog);
            let wanted = match (given, unfinished) {
                (Some(model), Some(unfinished)) if *model.fingerprint() != unfinished => {
                    let database = store.root().display();
                    anyhow::bail!(
                        "collection \"{}\" is being rebuilt with {unfinished}; go on with \"lookalike rebuild \
                         {database}\", or give that up with \"lookalike rebuild {database} --abandon\"",
                        task.name
                    );
                }
                (Some(model), _) => model.fingerprint().clone(),
                (None, Some(unfinished)) => unfinished,
                (None, None) => task.served.clone(),
            };
            if let Some((_, tasks)) = plan.iter_mut().find(|(model, _)| *model.fingerprint() == wanted) {
                tasks.push(task);
                continue;
            }
            let model = match given {
                Some(model) => Arc::clone(model),
                None => Arc::new(models.load_exactly(&wanted)?),
            };
            plan.push((model, vec![task]));
        }
        Ok(Self(plan))
    }

    fn estimate(self, store: Store, models: &Models, output: Output) -> anyhow::Result<Ending> {
        let root = store.root().to_owned();
        let mut collections = Vec::new();
        self.each(store, models, |database, model, task| {
            let estimate = database.estimate_rebuild(&task.name)?;
            collections.push(Estimate::of(task.name, &task.served, model, &estimate));
            Ok(())
        })?;
        output.report(&EstimateReport::of(&root, collections))?;
        Ok(Ending::Done)
    }

    fn carry_out(self, store: Store, models: &Models, output: Output) -> anyhow::Result<Ending> {
        let root = store.root().to_owned();
        let mut collections = Vec::new();
        let store = self.each(store, models, |database, model, task| {
            let mut progress = Progress::rated("rebuild");
            let report = database.rebuild(&task.name, &Budget::unlimited(), &mut |now| {
                progress.at_rate(now.done, now.total, now.images_per_second, now.remaining);
            })?;
            collections.push(Rebuilt::of(task.name, &task.served, model, &report));
            Ok(())
        })?;
        models.keep_used(&store)?;
        output.report(&RebuildOutcome { database: root.display().to_string(), collections })?;
        Ok(Ending::Done)
    }

    /// Does the work of every task, with the database bound to its model; gives the store back.
    fn each(
        self,
        mut store: Store,
        models: &Models,
        mut work: impl FnMut(&Database, &Fingerprint, Task) -> anyhow::Result<()>,
    ) -> anyhow::Result<Store> {
        for (model, tasks) in self.0 {
            let reranker = reranker(&model, models.views(model.fingerprint())?)?;
            let database = Database::of_store(store, Arc::<Model>::clone(&model)).with_reranker(reranker);
            for task in tasks {
                work(&database, model.fingerprint(), task)?;
            }
            store = database.into_store();
        }
        Ok(store)
    }
}

/// The model that a collection is being rebuilt with.
fn unfinished(catalog: &Catalog) -> Option<Fingerprint> {
    let mut models = catalog.models().into_iter();
    models.find(|model| model.role == ModelRole::Building).map(|model| model.fingerprint)
}

fn abandon(database: &Path, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let store = Store::open(database, StoreConfig::default())?;
    let mut collections = Vec::new();
    for name in chosen(&store, global)? {
        let Some(collection) = store.collection(&name)? else { continue };
        if unfinished(&collection.catalog()).is_some() {
            collection.abandon_rebuild()?;
            collections.push(name);
        }
    }
    Models::of(database, global).keep_used(&store)?;
    let ending = if collections.is_empty() { Ending::NothingFound } else { Ending::Done };
    output.report(&AbandonReport { database: database.display().to_string(), collections })?;
    Ok(ending)
}
