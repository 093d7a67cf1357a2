//! Whole searches over 60,000 rows of 512 values, one core and all cores, without a network.
//!
//! `cargo bench -p lookalike --bench search`. The floor of a scan is reading its 123 MB once; `read/60000x512`
//! measures that floor in the same run.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use lookalike::{Collection, Database, IngestItem, ItemImage, Metric, Query, StoreConfig};
use plugin_api::{Budget, Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image};

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
        let mut values = Vec::with_capacity(images.len() * DIMENSION);
        for image in images {
            let mut state = image.samples().iter().fold(1_u64, |state, s| state * 257 + u64::from(*s));
            values.extend((0..DIMENSION).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1_u64 << 24) as f32
            }));
        }
        FeatureRows::new(DIMENSION, values).map_err(EmbedError::new)
    }
}

fn image(number: usize) -> Image {
    Image::new(1, 4, 1, (number as u32).to_le_bytes().to_vec()).expect("four samples fill 1 x 4")
}

struct Fixture {
    collection: Collection,
    one_core: rayon::ThreadPool,
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
    let database =
        Database::create(&folder.path().join("db"), Arc::new(Hashed { fingerprint }), StoreConfig::default())
            .expect("a new database");
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
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    Fixture { collection, one_core, _folder: folder }
});

fn search(collection: &Collection, metric: Metric) -> usize {
    let query = Query { metric, ..Query::decoded(image(ROWS + 1)) };
    collection.search(&query).expect("an answer").hits.len()
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
