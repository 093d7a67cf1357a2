//! `lookalike ingest`: images into a collection, with a report of what was refused and why.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use lookalike::ingest_item;
use lookalike_datasets::{DatasetError, Sample, SampleImage, Samples, TableColumns};
use lookalike_engine::plugin_api::Budget;
use lookalike_engine::{
    Incoming, IngestItem, IngestOptions, IngestReport, MAX_REFUSALS_KEPT, ParquetImages, TagValue,
};
use serde::Serialize;

use crate::args::{GlobalArgs, IngestArgs, StoringArgs};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::show::output::{Output, Report, grouped, line, span, things, visible};
use crate::show::progress::Progress;
use crate::source;

/// Refusals that are shown to people; JSON has more.
const REFUSALS_SHOWN: usize = 20;

pub(crate) fn run(args: &IngestArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let change = Change {
        prefix: args.prefix.clone(),
        label: args.label.clone(),
        tags: args.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect(),
    };
    let feed = match args.dataset {
        Some(name) => {
            let from = args.from.as_deref();
            Feed::of(Input::of(source::open(name, from, args.split, (args.seed, args.count))?))
        }
        None => Feed::of_paths(&args.paths)?,
    };
    store(feed, &change, args.limit, (&args.db, &args.storing), global, output)
}

/// Stores what is fed and says what became of it. `import` is this too, of one table.
pub(crate) fn store(
    feed: Feed,
    change: &Change,
    limit: Option<usize>,
    (db, storing): (&Path, &StoringArgs),
    global: &GlobalArgs,
    output: Output,
) -> anyhow::Result<Ending> {
    let (_opened, collection) = Opened::collection_with(db, global, storing.write_mode.config())?;
    let Feed { samples: mut input, tables } = feed;
    input.length =
        tables.iter().fold(input.length, |sum, table| Some(sum?.saturating_add(table.announced())));
    let mut progress = Progress::new("ingest", "images", input.announced(limit));
    let mut failures = Failures::default();
    let fingerprint = collection.fingerprint();
    let samples = input.samples.map(|sample| Ok(Incoming::Item(ingest_item(sample?), None)));
    let rows = tables.into_iter().flat_map(|table| table.of_model(&fingerprint));
    let incoming = samples.chain(rows.map(|row| Ok(row?)));
    let report = collection.ingest_incoming(
        incoming.filter_map(|entry| failures.sift(entry, change)).take(limit.unwrap_or(usize::MAX)),
        &storing.options(),
        &Budget::unlimited(),
        &mut |now| progress.at(now.settled),
    )?;
    // In the modes that acknowledge first, nothing is durable before this.
    collection.flush()?;
    drop(progress);

    let summary = Summary::of(&report).with(&failures, input.skipped);
    output.report(&summary)?;
    if let Some(first) = failures.unreadable {
        let count = failures.unreadable_count;
        return Err(first)
            .context(format!("{} of the input could not be read, the first", things(count, "record")));
    }
    summary.ending()
}

/// What is changed about every image on its way in.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// In front of the key.
    prefix: String,
    /// In place of its own label.
    label: Option<String>,
    /// Beside its own tags.
    tags: Vec<(String, TagValue)>,
}

impl Change {
    fn apply(&self, item: &mut IngestItem) {
        item.key.insert_str(0, &self.prefix);
        item.tags.extend(self.tags.iter().cloned());
        if self.label.is_some() {
            item.label.clone_from(&self.label);
        }
    }
}

/// Everything that the command line names: samples, and after them the rows of tables, which may bring keys, tags and
/// features along.
pub(crate) struct Feed {
    samples: Input,
    tables: Vec<ParquetImages>,
}

impl Feed {
    fn of(samples: Input) -> Self {
        Self { samples, tables: Vec::new() }
    }

    pub(crate) fn of_paths(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let is_table = |path: &&PathBuf| !path.is_dir() && Archive::of(path) == Some(Archive::Parquet);
        let (tables, others): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(is_table);
        let others: Vec<PathBuf> = others.into_iter().cloned().collect();
        let samples = Input::of_paths(&others)?;
        let tables = tables.into_iter().map(|path| table(path)).collect::<anyhow::Result<_>>()?;
        Ok(Self { samples, tables })
    }
}

/// The images of a Parquet file, with its name in the keys that it makes.
pub(crate) fn table(path: &Path) -> anyhow::Result<ParquetImages> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.with_context(|| format!("{name} is no usable name"))?;
    ParquetImages::open(file, stem).with_context(|| name.to_string())
}

impl From<ParquetImages> for Feed {
    fn from(table: ParquetImages) -> Self {
        let none = Input { samples: Box::new(std::iter::empty()), length: Some(0), skipped: 0 };
        Self { samples: none, tables: vec![table] }
    }
}

impl StoringArgs {
    pub(crate) fn options(&self) -> IngestOptions {
        IngestOptions { duplicates: self.duplicates.into() }
    }
}

/// Every sample that the command line names, one after the other.
pub(crate) struct Input {
    pub(crate) samples: Box<dyn Iterator<Item = Result<Sample, DatasetError>> + Send>,
    pub(crate) length: Option<u64>,
    /// Files that are no images by their names.
    skipped: u64,
}

impl Input {
    /// The samples of a data set.
    pub(crate) fn of(samples: Samples) -> Self {
        Self { length: samples.len_hint(), skipped: 0, samples: Box::new(samples) }
    }

    /// The samples of files, folders, archives and tables.
    pub(crate) fn of_paths(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut input = Self { samples: Box::new(std::iter::empty()), length: Some(0), skipped: 0 };
        for path in paths {
            let many = if path.is_dir() {
                Some(lookalike_datasets::image_folder(path)?)
            } else {
                Archive::of(path).map(|archive| archive.open(path)).transpose()?
            };
            if let Some(samples) = many {
                input.skipped += samples.skipped().len() as u64;
                input.length = input.length.zip(samples.len_hint()).map(|(a, b)| a + b);
                input.samples = Box::new(input.samples.chain(samples));
            } else {
                anyhow::ensure!(path.exists(), "{} is not there; check the path", path.display());
                let key = key_of(path).with_context(|| format!("{} is no usable name", path.display()))?;
                let sample =
                    Sample { key, image: SampleImage::File(path.clone()), label: None, tags: Vec::new() };
                input.length = input.length.map(|length| length + 1);
                input.samples = Box::new(input.samples.chain(std::iter::once(Ok(sample))));
            }
        }
        Ok(input)
    }

    /// How many images there will be, where it is known beforehand.
    pub(crate) fn announced(&self, limit: Option<usize>) -> Option<u64> {
        self.length.map(|length| limit.map_or(length, |limit| length.min(limit as u64)))
    }
}

/// A file with many images in it, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Archive {
    Tar,
    Parquet,
}

impl Archive {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let ends = |ending: &str| name.ends_with(ending);
        if [".tar", ".tar.gz", ".tgz"].into_iter().any(ends) {
            Some(Self::Tar)
        } else {
            ends(".parquet").then_some(Self::Parquet)
        }
    }

    fn open(self, path: &Path) -> Result<Samples, DatasetError> {
        match self {
            Self::Tar => lookalike_datasets::tar_images(path, ""),
            Self::Parquet => lookalike_datasets::parquet_images(path, &TableColumns::default()),
        }
    }
}

/// A file's key: its path as typed, with `/` between the parts and without what leads out of the folder.
fn key_of(path: &Path) -> Option<String> {
    let names: Option<Vec<&str>> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_str()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    names.map(|names| names.join("/")).filter(|key| !key.is_empty())
}

/// Samples that never reach the collection.
#[derive(Debug, Default)]
struct Failures {
    unreadable: Option<anyhow::Error>,
    unreadable_count: u64,
    /// Keys so far: a second image under one key would silently take the place of the first.
    seen: HashSet<String>,
    refused: u64,
    refusals: Vec<RefusalReport>,
}

impl Failures {
    fn sift(&mut self, entry: anyhow::Result<Incoming>, change: &Change) -> Option<Incoming> {
        match entry {
            Ok(Incoming::Item(mut item, row)) => {
                change.apply(&mut item);
                if self.seen.insert(item.key.clone()) {
                    return Some(Incoming::Item(item, row));
                }
                let reason =
                    "its key came earlier in this run; ingest one folder at a time with --prefix".to_owned();
                self.refuse(RefusalReport { key: item.key, reason });
            }
            Ok(refused @ Incoming::Refused(_)) => return Some(refused),
            Err(error) => {
                self.unreadable_count += 1;
                self.refuse(RefusalReport { key: String::new(), reason: line(&*error) });
                self.unreadable.get_or_insert(error);
            }
        }
        None
    }

    fn refuse(&mut self, refusal: RefusalReport) {
        self.refused += 1;
        if self.refusals.len() < MAX_REFUSALS_KEPT {
            self.refusals.push(refusal);
        }
    }
}

/// What became of the images of an ingest or an import.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    stored: u64,
    inserted: u64,
    replaced: u64,
    relabelled: u64,
    unchanged: u64,
    duplicates: u64,
    refused: u64,
    refusals: Vec<RefusalReport>,
    skipped_files: u64,
    seconds: f64,
    model_seconds: f64,
    images_per_second: f64,
}

#[derive(Debug, Clone, Serialize)]
struct RefusalReport {
    /// Empty for a record of a data set that could not be read.
    key: String,
    reason: String,
}

impl Summary {
    pub(crate) fn of(report: &IngestReport) -> Self {
        let stored = report.stored();
        let seconds = report.elapsed.as_secs_f64();
        let refusals = report
            .refusals
            .iter()
            .map(|refusal| RefusalReport { key: refusal.key.clone(), reason: line(&refusal.reason) });
        Self {
            stored,
            inserted: report.inserted,
            replaced: report.replaced,
            relabelled: report.relabelled,
            unchanged: report.unchanged,
            duplicates: report.duplicates,
            refused: report.refused,
            refusals: refusals.collect(),
            skipped_files: 0,
            seconds,
            model_seconds: report.embedding.as_secs_f64(),
            images_per_second: (stored + report.unchanged) as f64 / seconds.max(1e-9),
        }
    }

    /// With what never reached the collection.
    fn with(mut self, failures: &Failures, skipped_files: u64) -> Self {
        self.refused += failures.refused;
        self.refusals.extend(failures.refusals.iter().cloned());
        Self { skipped_files, ..self }
    }

    /// How the command ends: refusing everything is an error.
    pub(crate) fn ending(&self) -> anyhow::Result<Ending> {
        let settled = self.stored + self.unchanged + self.duplicates;
        anyhow::ensure!(
            settled > 0 || self.refused == 0,
            "{} refused, nothing is stored",
            if self.refused == 1 {
                "the only image was".to_owned()
            } else {
                format!("all {} images were", self.refused)
            }
        );
        Ok(if settled > 0 { Ending::Done } else { Ending::NothingFound })
    }
}

impl Report for Summary {
    fn text(&self) -> String {
        let mut text = format!(
            "stored {} ({} new, {} replaced, {} relabelled), unchanged {}, refused {}\n",
            grouped(self.stored),
            grouped(self.inserted),
            grouped(self.replaced),
            grouped(self.relabelled),
            grouped(self.unchanged),
            grouped(self.refused)
        );
        let (whole, model) = (span(self.seconds), span(self.model_seconds));
        // Writing to a string cannot fail.
        let _written =
            writeln!(text, "in {whole}, {:.0} images/s; {model} of it in the model", self.images_per_second);
        if self.duplicates > 0 {
            let _written = writeln!(
                text,
                "left out {} whose very bytes are stored under another key",
                things(self.duplicates, "image")
            );
        }
        if self.skipped_files > 0 {
            let _written = writeln!(
                text,
                "left out {} that are no images by their names",
                things(self.skipped_files, "file")
            );
        }
        if !self.refusals.is_empty() {
            text.push_str("refused:\n");
            for refusal in self.refusals.iter().take(REFUSALS_SHOWN) {
                let key = if refusal.key.is_empty() { "a record" } else { &refusal.key };
                let _written = writeln!(text, "  {}: {}", visible(key), visible(&refusal.reason));
            }
        }
        let shown = self.refusals.len().min(REFUSALS_SHOWN) as u64;
        if self.refused > shown {
            let _written = writeln!(text, "  and {} more; --json lists them", grouped(self.refused - shown));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_file_is_its_path_without_what_leads_elsewhere() {
        assert_eq!(key_of(Path::new("./a/b.png")).as_deref(), Some("a/b.png"));
        assert_eq!(key_of(Path::new("/data/../a.png")).as_deref(), Some("data/a.png"));
        assert_eq!(key_of(Path::new("..")), None);
    }

    #[test]
    fn a_file_with_many_images_is_known_by_its_name() {
        let archive = |name: &str| Archive::of(Path::new(name));
        assert_eq!(archive("a/birds.TAR.GZ"), Some(Archive::Tar));
        assert_eq!(archive("train-00000.parquet"), Some(Archive::Parquet));
        assert_eq!(archive("tar.png"), None);
    }
}
