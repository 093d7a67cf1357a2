//! Whole searches over 60,000 rows of 512 values, one core and all cores, without a network.
//!
//! `cargo bench -p lookalike-engine --bench search`. The floor of a scan is reading its 123 MB once; `read/60000x512`
//! measures that floor in the same run.

use std::hint::black_box;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};

use divan::Bencher;
use lookalike_engine::{
    Candidates, Collection, Database, IngestItem, ItemImage, Metric, Query, Rerank, StoreConfig,
};
use lookalike_plugin_api::{
    AppliedRanking, Budget, Completion, Digest, EmbedError, Embedder, ExemplarId, FeatureRows, Fingerprint,
    Image, RerankError, RerankJob, RerankScores, Reranker, RerankerDescription, Space, View, ViewId,
};

const ROWS: usize = 60_000;
const DIMENSION: usize = 512;

fn main() {
    divan::main();
}

/// Makes a row of pseudo-random values from the image's four samples: no network, but rows that differ.
struct Hashed {
    fingerprint: Fingerprint,
}

impl Embedder for Hashed {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        FeatureRows::new(DIMENSION, hashed(images, 1)).map_err(EmbedError::new)
    }
}

fn hashed(images: &[Image], seed: u64) -> Vec<f32> {
    let mut values = Vec::with_capacity(images.len() * DIMENSION);
    for image in images {
        let mut state = image.samples().iter().fold(seed, |state, s| state * 257 + u64::from(*s));
        values.extend((0..DIMENSION).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 24) as f32
        }));
    }
    values
}

/// The order in which exemplars are projected.
#[derive(Debug, Clone, Copy)]
enum Order {
    Ascending,
    /// As the shortlist hands them to a reranker.
    Ranked,
}

/// Declares a second view, and projects a job's candidates on two directions in it whenever it is asked to.
struct Projector {
    description: RerankerDescription,
    asked: Mutex<Receiver<Order>>,
    answers: Sender<usize>,
}

impl Reranker for Projector {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn derive(&self, _: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        FeatureRows::new(DIMENSION, hashed(images, 7))
            .map_err(|source| RerankError::Model { stage: "embed", source: Box::new(source) })
    }

    fn rerank(&self, job: &RerankJob<'_>, _: &Budget) -> Result<RerankScores, RerankError> {
        let directions = FeatureRows::new(DIMENSION, hashed(&[image(1), image(2)], 3)).expect("two rows");
        let ranked: Vec<ExemplarId> = job.candidates.to_vec();
        let mut ascending = ranked.clone();
        ascending.sort_unstable();
        for order in self.asked.lock().expect("one job").iter() {
            let ids = match order {
                Order::Ascending => &ascending,
                Order::Ranked => &ranked,
            };
            let found = job.source.project("second", Space::Whitened, &directions, ids).expect("all rows");
            self.answers.send(found.len()).expect("somebody who asked");
        }
        let scores = vec![0.0; ranked.len()];
        Ok(RerankScores::new(AppliedRanking::of(&self.description), scores, Completion::Complete))
    }
}

fn image(number: usize) -> Image {
    Image::new(1, 4, 1, (number as u32).to_le_bytes().to_vec()).expect("four samples fill 1 x 4")
}

struct Fixture {
    collection: Collection,
    one_core: rayon::ThreadPool,
    ask: Sender<Order>,
    answers: Mutex<Receiver<usize>>,
    _folder: tempfile::TempDir,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fingerprint = Fingerprint {
        model: "hashed".to_owned(),
        weights: Digest([0; 32]),
        preprocessing: Digest([0; 32]),
        dimension: DIMENSION as u32,
    };
    let (ask, asked) = channel();
    let (answers, answered) = channel();
    let description = RerankerDescription {
        name: "projector",
        version: "1",
        summary: "projects",
        max_candidates: ROWS,
        parameters: Vec::new(),
        views: vec![View { id: ViewId(Digest([7; 32])), name: "second".to_owned() }],
    };
    let database =
        Database::create(&folder.path().join("db"), Arc::new(Hashed { fingerprint }), StoreConfig::default())
            .expect("a new database")
            .with_reranker(Arc::new(Projector { description, asked: Mutex::new(asked), answers }));
    let collection = database.collection_or_create("main").expect("a new collection");
    let items = (0..ROWS).map(|n| IngestItem {
        key: n.to_string(),
        image: ItemImage::Decoded(image(n)),
        label: None,
        tags: [].into(),
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).expect("an ingest");
    // The first whitened search fits the whitening; that is measured on its own, not here.
    search(&collection, Metric::Whitened);
    search_two_views(&collection);
    std::thread::spawn({
        let collection = collection.clone();
        let rerank = Some(Rerank { candidates: Candidates::All, ..Rerank::new("projector") });
        move || collection.search(&Query { rerank, ..Query::decoded(image(ROWS + 1)) })
    });
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    Fixture { collection, one_core, ask, answers: Mutex::new(answered), _folder: folder }
});

fn search(collection: &Collection, metric: Metric) -> usize {
    let query = Query { metric, ..Query::decoded(image(ROWS + 1)) };
    collection.search(&query).expect("an answer").hits.len()
}

fn search_two_views(collection: &Collection) -> usize {
    let views = vec!["clean".to_owned(), "second".to_owned()];
    let query = Query { views, ..Query::decoded(image(ROWS + 1)) };
    collection.search(&query).expect("an answer").hits.len()
}

#[divan::bench(name = "project/60000x512x2/all_cores", args = [Order::Ascending, Order::Ranked])]
fn project(bencher: Bencher<'_, '_>, order: Order) {
    let fixture = &*FIXTURE;
    let answers = fixture.answers.lock().expect("one at a time");
    bencher.bench_local(|| {
        fixture.ask.send(order).expect("a projector");
        answers.recv().expect("an answer")
    });
}

#[divan::bench(name = "search/60000x512/all_cores/two_views")]
fn two_views(bencher: Bencher<'_, '_>) {
    let fixture = &*FIXTURE;
    bencher.bench(|| search_two_views(&fixture.collection));
}

#[divan::bench(name = "search/60000x512/one_core", args = Metric::ALL)]
fn one_core(bencher: Bencher<'_, '_>, metric: Metric) {
    let fixture = &*FIXTURE;
    bencher.bench(|| fixture.one_core.install(|| search(&fixture.collection, metric)));
}

#[divan::bench(name = "search/60000x512/all_cores", args = Metric::ALL)]
fn all_cores(bencher: Bencher<'_, '_>, metric: Metric) {
    let fixture = &*FIXTURE;
    bencher.bench(|| search(&fixture.collection, metric));
}

#[divan::bench(name = "read/60000x512/one_core")]
fn read(bencher: Bencher<'_, '_>) {
    let values = vec![1.0_f32; ROWS * DIMENSION];
    bencher.bench(|| {
        let mut lanes = [0.0_f32; 64];
        for chunk in black_box(&values).as_chunks::<64>().0 {
            lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
        }
        lanes
    });
}
