//! A model for tests, whose row of an image is its samples, and a reranker with views of them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lookalike_plugin_api::{
    AppliedRanking, Budget, Completion, Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image,
    RerankError, RerankJob, RerankScores, Reranker, RerankerDescription, StageScores, View, ViewId,
};

use crate::{Collection, Database, IngestItem, IngestReport, ItemImage, OpenError, StoreConfig};

/// Samples of every image.
pub(crate) const DIMENSION: usize = 4;

pub(crate) struct Toy {
    fingerprint: Fingerprint,
    /// Images embedded so far.
    pub(crate) embedded: AtomicUsize,
}

impl Toy {
    pub(crate) fn new(weights: u8) -> Arc<Self> {
        let fingerprint = Fingerprint {
            model: "toy".to_owned(),
            weights: Digest([weights; 32]),
            preprocessing: Digest([2; 32]),
            dimension: DIMENSION as u32,
        };
        Arc::new(Self { fingerprint, embedded: AtomicUsize::new(0) })
    }

    pub(crate) fn embedded(&self) -> usize {
        self.embedded.load(Ordering::Relaxed)
    }
}

impl Embedder for Toy {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        self.embedded.fetch_add(images.len(), Ordering::Relaxed);
        let values = images.iter().flat_map(|image| image.samples().iter().map(|s| f32::from(*s) + 0.1));
        FeatureRows::new(DIMENSION, values.collect()).map_err(EmbedError::new)
    }
}

/// A reranker whose views are samples, squared and in another order. It scores by the sum of the clean row and, in a
/// stage of its own, by the first value of it.
pub(crate) struct ToyViews {
    description: RerankerDescription,
    dimension: usize,
    /// Images derived so far, in all views.
    pub(crate) derived: AtomicUsize,
}

impl ToyViews {
    /// Views by their names, with the transformation of each.
    pub(crate) fn new(name: &'static str, views: &[(&str, u8)]) -> Self {
        let view =
            |(name, turn): &(&str, u8)| View { id: ViewId(Digest([*turn; 32])), name: (*name).to_owned() };
        let description = RerankerDescription {
            name,
            version: "1",
            summary: "squares samples",
            max_candidates: 1000,
            parameters: Vec::new(),
            views: views.iter().map(view).collect(),
        };
        Self { description, dimension: DIMENSION, derived: AtomicUsize::new(0) }
    }

    /// The same with longer or shorter rows.
    pub(crate) fn with_dimension(self, dimension: usize) -> Self {
        Self { dimension, ..self }
    }

    pub(crate) fn derived(&self) -> usize {
        self.derived.load(Ordering::Relaxed)
    }
}

/// The row of an image under a transformation of [`ToyViews`].
pub(crate) fn turned(image: &Image, turn: u8, dimension: usize) -> Vec<f32> {
    let samples = image.samples();
    let value = |i: usize| f32::from(samples[(i + usize::from(turn)) % samples.len()]);
    (0..dimension).map(|i| value(i) * value(i) + f32::from(turn) * value(i + 1)).collect()
}

impl Reranker for ToyViews {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        if !self.description.views.contains(view) {
            return Err(RerankError::UnknownView { name: view.name.clone() });
        }
        self.derived.fetch_add(images.len(), Ordering::Relaxed);
        let turn = view.id.0.0[0];
        let values = images.iter().flat_map(|image| turned(image, turn, self.dimension)).collect();
        FeatureRows::new(self.dimension, values)
            .map_err(|source| RerankError::Model { stage: "embed", source: Box::new(source) })
    }

    fn rerank(&self, job: &RerankJob<'_>, _: &Budget) -> Result<RerankScores, RerankError> {
        let rows = job
            .source
            .rows(View::CLEAN, job.candidates)
            .map_err(|source| RerankError::Source { stage: "score", source })?;
        let first = job.candidates.iter().copied().zip(rows.rows().map(|row| row[0])).collect();
        let scores = rows.rows().map(|row| row.iter().sum()).collect();
        Ok(RerankScores {
            stages: vec![StageScores { stage: "first", scores: first }],
            ..RerankScores::new(AppliedRanking::of(&self.description), scores, Completion::Complete)
        })
    }
}

/// A new collection in a database below `folder`.
pub(crate) fn collection(folder: &Path, name: &str, toy: &Arc<Toy>) -> Collection {
    let embedder: Arc<dyn Embedder> = Arc::clone(toy) as _;
    let database = Database::create(&folder.join(name), embedder, StoreConfig::default()).unwrap();
    database.collection_or_create(name).unwrap()
}

/// An image of its own for every number.
pub(crate) fn image(number: u32) -> Image {
    Image::new(1, DIMENSION, 1, number.to_be_bytes().to_vec()).unwrap()
}

/// An image of its own for every number, with samples all over their range.
pub(crate) fn scattered(number: u32) -> Image {
    let hash = u64::from(number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    Image::new(1, DIMENSION, 1, hash[..DIMENSION].to_vec()).unwrap()
}

/// As [`collection`], with rerankers; one that is there is opened.
pub(crate) fn with_rerankers(
    folder: &Path,
    toy: &Arc<Toy>,
    rerankers: &[Arc<ToyViews>],
) -> Result<Collection, OpenError> {
    let embedder: Arc<dyn Embedder> = Arc::clone(toy) as _;
    let root = folder.join("database");
    let database = if root.exists() {
        Database::open(&root, embedder, StoreConfig::default())?
    } else {
        Database::create(&root, embedder, StoreConfig::default())?
    };
    let add =
        |database: Database, reranker: &Arc<ToyViews>| database.with_reranker(Arc::clone(reranker) as _);
    rerankers.iter().fold(database, add).collection_or_create("main")
}

/// Stores scattered images under the keys `k` and their number.
pub(crate) fn ingest(collection: &Collection, numbers: Range<u32>) -> IngestReport {
    let items = numbers.map(|number| IngestItem {
        image: ItemImage::Decoded(scattered(number)),
        ..item(&format!("k{number}"), number)
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap()
}

pub(crate) fn item(key: &str, number: u32) -> IngestItem {
    let image = ItemImage::Decoded(image(number));
    IngestItem { key: key.to_owned(), image, label: None, tags: [].into() }
}
