//! All pairs of 20,000 rows of 512 values, without a network.
//!
//! `cargo bench -p lookalike-engine --bench duplicates`. The floor is the multiplications: 1.0e11 multiply-adds, at 16 a
//! cycle and adder for 256-bit vectors.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use lookalike_engine::{Collection, Database, IngestItem, ItemImage, StoreConfig};
use lookalike_plugin_api::{
    Budget, Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image, SplitMix64,
};

const ROWS: u32 = 20_000;
const DIMENSION: usize = 512;

fn main() {
    divan::main();
}

/// Makes a row of seeded values from the image's four samples: no network, but rows that differ.
struct Seeded {
    fingerprint: Fingerprint,
}

impl Embedder for Seeded {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        let mut values = Vec::with_capacity(images.len() * DIMENSION);
        for image in images {
            let seed = image.samples().iter().fold(1_u64, |seed, sample| seed * 257 + u64::from(*sample));
            let mut random = SplitMix64::new(seed);
            values.extend((0..DIMENSION).map(|_| random.unit()));
        }
        FeatureRows::new(DIMENSION, values).map_err(EmbedError::new)
    }
}

struct Fixture {
    collection: Collection,
    _folder: tempfile::TempDir,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fingerprint = Fingerprint {
        model: "seeded".to_owned(),
        weights: Digest([0; 32]),
        preprocessing: Digest([0; 32]),
        dimension: DIMENSION as u32,
    };
    let root = folder.path().join("database");
    let database = Database::create(&root, Arc::new(Seeded { fingerprint }), StoreConfig::default());
    let collection = database.expect("a new database").collection_or_create("seeded").expect("a collection");
    let items = (0..ROWS).map(|number| IngestItem {
        key: number.to_string(),
        image: ItemImage::Decoded(
            Image::new(1, 4, 1, number.to_le_bytes().to_vec()).expect("four samples fill 1 x 4"),
        ),
        label: None,
        tags: [].into(),
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).expect("images that are stored");
    Fixture { collection, _folder: folder }
});

#[divan::bench(name = "duplicates/20000x512", sample_count = 3, sample_size = 1)]
fn all_pairs(bencher: Bencher<'_, '_>) {
    let collection = &FIXTURE.collection;
    bencher.bench_local(|| black_box(collection.near_duplicates(0.9, 1000, &Budget::unlimited())));
}
