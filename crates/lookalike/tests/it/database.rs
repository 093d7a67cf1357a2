//! What an application relies on: databases of the program open with all that they keep, and whatever the program can do
//! to one, the library can.
//!
//! `tests/fixtures/database-with-views.tar.gz` was made by the command line program before this crate existed: 40 drawn glyphs
//! with the built-in network, views of two triggers, a blur, a noise and a mirror image, and one stored image as a query.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lookalike::plugin_api::{Digest, EmbedError};
use lookalike::{
    Budget, Collection, Database, Embedder, Error, FeatureRows, Fingerprint, Image, IngestItem,
    IngestOptions, ItemImage, Maintenance, Metric, ModelFiles, OpenError, OpenOptions, Query, Rerank,
    StoreConfig, StoredModels, TmmView, Transformation, ingest_folder, restore,
};
use tempfile::TempDir;

/// A folder with the frozen database `photos.db` and the query `query.png`.
fn frozen() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/database-with-views.tar.gz");
    let unpacked = flate2::read::GzDecoder::new(File::open(packed).unwrap());
    tar::Archive::new(unpacked).unpack(folder.path()).unwrap();
    folder
}

fn open(folder: &TempDir) -> Database {
    Database::open(&folder.path().join("photos.db")).unwrap()
}

fn query(folder: &TempDir) -> Query {
    Query { hits: 4, ..Query::encoded(fs::read(folder.path().join("query.png")).unwrap()) }
}

fn keys(collection: &Collection, query: &Query) -> Vec<String> {
    collection.search(query).unwrap().hits.into_iter().map(|hit| hit.key).collect()
}

fn names(views: &[TmmView]) -> Vec<&str> {
    views.iter().map(TmmView::name).collect()
}

/// The weights of the frozen database's model, alone in a folder: there is no manifest beside them.
fn bare_weights(folder: &TempDir, database: &Database) -> PathBuf {
    let stored = StoredModels::new(database.directory(), lookalike::ComputeConfig::default());
    let path = folder.path().join("bare.safetensors");
    fs::copy(stored.weights(database.fingerprint()), &path).unwrap();
    path
}

#[test]
fn a_database_of_the_program_opens_with_its_model_views_and_rerankers_and_ranks_as_it_did() {
    let folder = frozen();
    let database = open(&folder);
    assert_eq!(names(database.views()), ["fitted", "drawn", "soft", "grain", "mirrored"]);
    let photos = database.collection("main").unwrap();
    assert_eq!(photos.len(), 40);
    assert!(photos.views().iter().all(|view| view.missing == 0), "{:?}", photos.views());

    let query = query(&folder);
    let by = |metric| Query { metric, ..query.clone() };
    // As the program of that day answered.
    let like_03 = |rest: [&str; 3]| {
        let keys = ["03", rest[0], rest[1], rest[2]];
        keys.map(|number| format!("glyph/000{number}")).to_vec()
    };
    assert_eq!(keys(&photos, &by(Metric::L2)), like_03(["38", "14", "30"]));
    assert_eq!(keys(&photos, &by(Metric::Cosine)), like_03(["38", "14", "30"]));
    assert_eq!(keys(&photos, &by(Metric::Whitened)), like_03(["38", "13", "18"]));
    let views = ["clean", "fitted", "drawn", "soft", "mirrored"].map(str::to_owned).to_vec();
    assert_eq!(keys(&photos, &Query { views, ..by(Metric::Whitened) })[..2], like_03(["38", "", ""])[..2]);
    let rerank = Some(Rerank::new("tmm"));
    assert_eq!(keys(&photos, &Query { rerank, ..query })[..2], like_03(["38", "", ""])[..2]);
}

#[test]
fn views_are_added_completed_and_dropped_and_the_next_opening_knows() {
    let folder = frozen();
    let view = TmmView::new("softer", Transformation::Blur { deviation: 2.0 }).unwrap();
    let database = open(&folder).add_views(std::slice::from_ref(&view)).unwrap();
    let reports = database.complete_views(&Budget::unlimited(), &mut |_, _| {}).unwrap();
    assert_eq!(reports.iter().map(|(_, report)| report.derived).sum::<u64>(), 40);
    drop((reports, database));

    let database = open(&folder);
    assert_eq!(names(database.views()).last(), Some(&"softer"));
    let error = database.add_views(&[view]).unwrap_err();
    assert_eq!(error.to_string(), "there is a view \"softer\" already; drop it first, or take another name");

    let database = open(&folder).drop_view("softer").unwrap();
    let dropped = database.drop_stale_rows().unwrap();
    assert!(matches!(&dropped[..], [(_, names)] if names.len() == 1), "{dropped:?}");
    drop((dropped, database));
    let error = open(&folder).drop_view("softer").unwrap_err();
    assert!(error.to_string().starts_with("there is no view \"softer\"; there are: fitted, "), "{error}");
}

#[test]
fn recommended_views_depend_on_collection_and_seed_alone() {
    let folder = frozen();
    let database = ["fitted", "drawn"].iter().fold(open(&folder), |d, name| d.drop_view(name).unwrap());
    let photos = database.collection("main").unwrap();
    let mut updates = 0;
    let views = database.recommended_views(&photos, 5, &mut |done, most| updates = done.min(most)).unwrap();
    assert_eq!(names(&views), ["fitted", "drawn"]);
    assert!(updates > 0);
    assert_eq!(database.recommended_views(&photos, 5, &mut |_, _| {}).unwrap(), views);
    // A collection that is held would go on without the views.
    let error = database.add_views(&views).unwrap_err();
    assert!(matches!(&error, Error::Open(held) if matches!(**held, OpenError::Held { .. })), "{error}");
    assert_eq!(photos.len(), 40);
}

#[test]
fn weights_without_a_manifest_take_the_place_of_a_model_and_the_way_back_is_open() {
    let folder = frozen();
    let directory = folder.path().join("photos.db");
    let (served, weights) = {
        let database = open(&folder);
        (database.fingerprint().clone(), bare_weights(&folder, &database))
    };
    let error = ModelFiles::open(&weights).unwrap_err();
    assert!(matches!(error, Error::NoManifest { .. }), "{error}");

    let maintenance = Maintenance::open(&directory).unwrap();
    let successor = maintenance.successor(&weights).unwrap();
    assert_eq!(successor.manifest().classes[0], "theta");
    let estimate = maintenance.estimate_rebuild(Some(&successor)).unwrap();
    assert_eq!((estimate.len(), estimate[0].estimate.exemplars), (1, 40));

    let maintenance = Maintenance::open(&directory).unwrap();
    let done = maintenance.rebuild(Some(&successor), &Budget::unlimited(), &mut |_, _| {}).unwrap();
    assert_eq!((done[0].report.embedded, &done[0].before), (40, &served));
    assert_ne!(done[0].model, served);
    // Triggers belong to their model; the other views go along.
    let database = open(&folder);
    assert_eq!(database.fingerprint(), &done[0].model);
    assert_eq!(names(database.views()), ["soft", "grain", "mirrored"]);
    assert_eq!(keys(&database.collection("main").unwrap(), &query(&folder))[0], "glyph/00003");
    drop(database);

    let changes = Maintenance::open(&directory).unwrap().roll_back().unwrap();
    assert_eq!(changes.changed[0].served, served);
    assert_eq!(names(open(&folder).views()).len(), 5);
    let maintenance = Maintenance::open(&directory).unwrap();
    assert_eq!(maintenance.drop_previous_models().unwrap().changed[0].other, done[0].model);
    assert!(matches!(maintenance.roll_back(), Err(Error::NoPreviousModel)));
}

#[test]
fn weights_without_a_manifest_need_one_where_the_database_lost_the_model_that_tells_it() {
    let folder = frozen();
    let weights = bare_weights(&folder, &open(&folder));
    fs::remove_dir_all(folder.path().join("photos.db/models")).unwrap();
    let error = Database::open(&folder.path().join("photos.db")).unwrap_err();
    assert!(matches!(error, Error::MissingModel { .. }), "{error}");
    let maintenance = Maintenance::open(&folder.path().join("photos.db")).unwrap();
    let error = maintenance.successor(&weights).unwrap_err();
    assert!(matches!(error, Error::NoManifest { .. }), "{error}");
}

#[test]
fn a_backup_carries_models_and_views() {
    let folder = frozen();
    let mut archive = Vec::new();
    open(&folder).backup(&mut archive, &mut |_| {}).unwrap();
    let copy = folder.path().join("copy.db");
    restore(&archive[..], &copy, &StoreConfig::default(), &mut |_| {}).unwrap();
    let copied = Database::open(&copy).unwrap();
    assert_eq!(copied.views(), open(&folder).views());
    let query = query(&folder);
    assert_eq!(
        keys(&copied.collection("main").unwrap(), &query),
        keys(&open(&folder).collection("main").unwrap(), &query)
    );
}

#[test]
fn a_folder_of_images_is_stored_once_and_its_sub_folders_are_labels() {
    let folder = frozen();
    let images = folder.path().join("images/crosses");
    fs::create_dir_all(&images).unwrap();
    fs::copy(folder.path().join("query.png"), images.join("1.png")).unwrap();
    fs::write(images.join("2.png"), "no image").unwrap();
    fs::write(images.join("notes.txt"), "no image either").unwrap();

    let database = open(&folder);
    let collection = database.collection_or_create("more").unwrap();
    let store = || {
        let (options, budget) = (IngestOptions::default(), Budget::unlimited());
        ingest_folder(&collection, &folder.path().join("images"), &options, &budget, &mut |_| {}).unwrap()
    };
    let report = store();
    assert_eq!((report.images.inserted, report.images.refused, report.skipped.len()), (1, 1, 1));
    assert_eq!(store().images.unchanged, 1);
    let record = collection.get("crosses/1.png").unwrap().unwrap();
    assert_eq!(record.label.as_deref(), Some("crosses"));
}

#[test]
fn a_database_is_made_whole_or_not_at_all() {
    let folder = frozen();
    let weights = bare_weights(&folder, &open(&folder));
    let place = folder.path().join("new.db");
    fs::write(folder.path().join("bad.safetensors"), "no weights").unwrap();
    let wrong = ModelFiles::with_manifest(
        &folder.path().join("bad.safetensors"),
        ModelFiles::infer(&weights, 28, 28).unwrap().manifest().clone(),
    );
    assert!(matches!(Database::create(&place, &wrong), Err(Error::Model { .. })));
    assert!(!place.exists());
    let error = ModelFiles::infer(&folder.path().join("bad.safetensors"), 28, 28).unwrap_err();
    assert!(error.to_string().ends_with("bad.safetensors are refused"), "{error}");

    let database = Database::create(&place, &ModelFiles::infer(&weights, 28, 28).unwrap()).unwrap();
    assert_eq!(database.collection_names().unwrap(), ["main"]);
    drop(database);
    assert_eq!(Database::open(&place).unwrap().collection("main").unwrap().len(), 0);
    let error = Database::create(&place, &ModelFiles::infer(&weights, 28, 28).unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Open(refused) if matches!(**refused, OpenError::Store(_))), "{error}");
    let error = OpenOptions { collection: Some("birds".to_owned()), ..OpenOptions::default() }.open(&place);
    assert_eq!(error.unwrap_err().to_string(), "there is no collection \"birds\"; there are: main");
}

/// The mean of each channel: an embedder without a network.
struct Means(Fingerprint);

impl Means {
    fn shared() -> Arc<Self> {
        let (weights, preprocessing) = (Digest([7; 32]), Digest([0; 32]));
        Arc::new(Self(Fingerprint { model: "means".to_owned(), weights, preprocessing, dimension: 3 }))
    }
}

impl Embedder for Means {
    fn fingerprint(&self) -> &Fingerprint {
        &self.0
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        let mean = |image: &Image, channel: usize| {
            let samples = image.samples().iter().skip(channel).step_by(image.channels());
            samples.map(|sample| f32::from(*sample)).sum::<f32>() / (image.height() * image.width()) as f32
        };
        let values = images.iter().flat_map(|image| (0..3).map(|channel| mean(image, channel))).collect();
        FeatureRows::new(3, values).map_err(EmbedError::new)
    }
}

#[test]
fn an_embedder_of_ones_own_needs_no_network_and_its_database_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("means.db");
    let database = Database::create_with(&place, Means::shared()).unwrap();
    let collection = database.collection("main").unwrap();
    let items = (0..4_u8).map(|shade| IngestItem {
        key: format!("shade {shade}"),
        image: ItemImage::Decoded(Image::new(2, 2, 3, vec![shade * 60; 12]).unwrap()),
        label: None,
        tags: std::collections::BTreeMap::new(),
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    drop((collection, database));

    let database = Database::open_with(&place, Means::shared()).unwrap();
    let image = Image::new(2, 2, 3, vec![115; 12]).unwrap();
    let asked = Query { metric: Metric::L2, ..Query::decoded(image) };
    assert_eq!(keys(&database.collection("main").unwrap(), &asked)[0], "shade 2");
    assert!(database.model().is_none() && database.views().is_empty());
    let view = TmmView::new("mirrored", Transformation::Mirror).unwrap();
    assert!(matches!(database.add_views(&[view]), Err(Error::NoNetwork)));
    let error = Database::open(&place).unwrap_err();
    assert!(matches!(error, Error::MissingModel { .. } | Error::NoModel { .. }), "{error}");
    let error = Database::open(folder.path()).unwrap_err();
    assert!(
        !error.to_string().is_empty()
            && std::error::Error::source(&error).is_none_or(|e| !e.is::<io::Error>())
    );
}
