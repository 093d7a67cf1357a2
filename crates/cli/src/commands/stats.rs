//! `lookalike stats`: what a collection holds and which model it belongs to.

use std::collections::BTreeMap;
use std::fmt::Write;

use lookalike_engine::plugin_api::Fingerprint;
use lookalike_engine::{Collection, Model as StoredModel, ModelRole};
use lookalike_vision::{Architecture, Block, Model, ModelManifest, Stem};
use serde::Serialize;

use crate::args::{GlobalArgs, StatsArgs};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::show::output::{Output, Report, Table, bytes, grouped, visible};

/// Labels that are shown to people; JSON has all of them.
const LABELS_SHOWN: usize = 50;

pub(crate) fn run(args: &StatsArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (opened, collection) = Opened::collection(&args.db, global)?;
    let stats = collection.stats()?;
    output.report(&StatsReport {
        database: args.db.display().to_string(),
        collections: opened.database.collection_names()?,
        collection: collection.name().to_owned(),
        exemplars: stats.exemplars,
        image_bytes: stats.image_bytes,
        disk_bytes: stats.disk_bytes,
        batches: stats.batches,
        views: stats.views,
        durability: collection.durability().to_string(),
        doubt: collection.doubt().map(|doubt| doubt.to_string()),
        rerankers: collection
            .rerankers()
            .iter()
            .map(|reranker| reranker.describe().name.to_owned())
            .collect(),
        model: ModelReport::of(&opened.model),
        models: collection.models().iter().map(|model| KeptModel::of(model, &collection)).collect(),
        labels: collection.label_counts(),
    })?;
    Ok(Ending::Done)
}

#[derive(Debug, Serialize)]
struct StatsReport {
    database: String,
    collections: Vec<String>,
    collection: String,
    exemplars: u64,
    image_bytes: u64,
    disk_bytes: u64,
    batches: u64,
    views: Vec<String>,
    durability: String,
    /// Why writes are not known to survive a power cut.
    doubt: Option<String>,
    rerankers: Vec<String>,
    model: ModelReport,
    models: Vec<KeptModel>,
    labels: BTreeMap<String, u64>,
}

/// A model that rows are kept of.
#[derive(Debug, Serialize)]
struct KeptModel {
    fingerprint: String,
    role: &'static str,
    /// Exemplars that have no row of it.
    rows_missing: u64,
}

impl KeptModel {
    fn of(model: &StoredModel, collection: &Collection) -> Self {
        let rows_missing = collection.without_row(model.number);
        Self { fingerprint: model.fingerprint.to_string(), role: role_word(model.role), rows_missing }
    }

    fn text(&self, exemplars: u64, database: &str) -> String {
        let Self { fingerprint, role, rows_missing } = self;
        let (what, missing) = (visible(fingerprint), grouped(*rows_missing));
        match *role {
            "building" => format!(
                "{what}: a rebuild is under way, {} of {} rows are made; \
                 go on with \"lookalike rebuild {database}\"",
                grouped(exemplars - rows_missing),
                grouped(exemplars)
            ),
            "current" if *rows_missing > 0 => format!(
                "{what}: current, {missing} rows are missing; make them with \"lookalike rebuild {database}\""
            ),
            "previous" if *rows_missing > 0 => format!("{what}: previous, {missing} rows are missing"),
            role => format!("{what}: {role}"),
        }
    }
}

/// What a collection keeps a model for, in one word.
pub(crate) fn role_word(role: ModelRole) -> &'static str {
    match role {
        ModelRole::Current => "current",
        ModelRole::Previous => "previous",
        ModelRole::Building => "building",
        ModelRole::Dropped => "dropped",
    }
}

impl Report for StatsReport {
    fn text(&self) -> String {
        let doubt = self.doubt.as_ref().map_or_else(String::new, |doubt| format!(": {doubt}"));
        let facts = [
            ("database", self.database.clone()),
            ("collections", self.collections.join(", ")),
            ("collection", self.collection.clone()),
            ("exemplars", grouped(self.exemplars)),
            ("images", bytes(self.image_bytes)),
            ("on disk", bytes(self.disk_bytes)),
            ("batches", grouped(self.batches)),
            ("views", self.views.join(", ")),
            ("writes are", self.durability.clone() + &doubt),
            ("rerankers", self.rerankers.join(", ")),
            ("model", self.model.line()),
        ];
        let mut text = String::new();
        let kept = self.models.iter().map(|model| ("rows of", model.text(self.exemplars, &self.database)));
        for (name, value) in facts.into_iter().chain(kept) {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{name:<12} {}", visible(&value));
        }
        if !self.labels.is_empty() {
            let mut table = Table::new(&["label", ">exemplars"]);
            for (label, count) in self.labels.iter().take(LABELS_SHOWN) {
                table.row([label.clone(), grouped(*count)]);
            }
            text.push_str(&table.text());
        }
        if self.labels.len() > LABELS_SHOWN {
            let _written =
                writeln!(text, "  and {} more labels", grouped((self.labels.len() - LABELS_SHOWN) as u64));
        }
        text
    }
}

/// A model as reports show it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ModelReport {
    name: String,
    architecture: String,
    /// Channels, height and width.
    input: [usize; 3],
    dimension: u32,
    classes: Vec<String>,
    weights: String,
    preprocessing: String,
}

impl ModelReport {
    pub(crate) fn of(model: &Model) -> Self {
        Self::described(model.manifest(), model.fingerprint())
    }

    /// The same of a model that is not loaded.
    pub(crate) fn described(manifest: &ModelManifest, fingerprint: &Fingerprint) -> Self {
        Self {
            name: manifest.name.clone(),
            architecture: architecture(&manifest.architecture),
            input: [manifest.channels, manifest.height, manifest.width],
            dimension: fingerprint.dimension,
            classes: manifest.classes.clone(),
            weights: fingerprint.weights.to_string(),
            preprocessing: fingerprint.preprocessing.to_string(),
        }
    }

    /// Identity as name and value, for a page's footer.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let facts = [
            ("model", self.line()),
            ("weights", self.weights.clone()),
            ("preprocessing", self.preprocessing.clone()),
            ("program", concat!("lookalike ", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// All that matters to people in one line.
    pub(crate) fn line(&self) -> String {
        let [channels, height, width] = self.input;
        format!(
            "{}: {}, input {height} x {width} {}, {} features, {} classes, weights {}",
            self.name,
            self.architecture,
            if channels == 1 { "grey" } else { "colour" },
            self.dimension,
            self.classes.len(),
            &self.weights[..12]
        )
    }
}

fn architecture(architecture: &Architecture) -> String {
    match architecture {
        Architecture::ResNet(config) => {
            let per_block = if config.block == Block::Basic { 2 } else { 3 };
            let layers = config.depths.iter().sum::<usize>() * per_block + 2;
            let stem = if config.stem == Stem::Cifar { ", small stem" } else { "" };
            format!("residual network of {layers} layers{stem}")
        }
        Architecture::Cnn(config) => {
            let layers = config.widths.len() * config.convolutions + 1;
            format!("plain convolutional network of {layers} layers")
        }
        Architecture::Vit(config) => {
            let (depth, patch) = (config.depth, config.patch);
            format!("vision transformer of {depth} blocks, patches of {patch} x {patch}")
        }
        _ => "network".to_owned(),
    }
}
