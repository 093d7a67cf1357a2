//! What a query by the method costs over the whole of MNIST, in every mode.
//!
//! `cargo bench -p lookalike-tests --bench method [-- IMAGES]`; needs the MNIST files and weights beside the project and says so
//! where they are absent. Prints one line per measurement:
//!
//! - `shared/N`, `views/N`: one query over all stored rows, and its stages;
//! - `exact/N`: one query with a forward pass of every image, beside the bare forward passes of as many images and the
//!   bare passes forth and back of its trigger, and the memory that the process, which also holds all images, had before
//!   and at most; the ratio of processor times is the one to trust beside other work;
//! - `cancel/MODE`: the longest time from setting the flag to having the answer, of queries cancelled at moments that
//!   are spread over the whole query.

#[path = "data/digits.rs"]
mod digits;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use digits::Digits;
use lookalike_engine::{
    Answer, Candidates, Collection, Database, IngestItem, ItemImage, Query, Rerank, StoreConfig,
};
use lookalike_plugin_api::{Budget, CancelFlag, Image, ParameterValue, Parameters, RankingStatus};
use lookalike_tmm::{Blend, StoredTrigger, TmmConfig, TmmReranker, TmmView, Transformation, TriggerStart};
use lookalike_vision::{Model, Pixels};

/// Queries of each measurement.
const QUERIES: usize = 9;
/// Moments at which a query of each mode is cancelled.
const CANCELS: u32 = 24;

struct Bench {
    model: Arc<Model>,
    collection: Collection,
    images: Vec<Image>,
}

fn main() {
    let Some(Digits { model, images }) = digits::load() else { return };
    let images: Vec<Image> = images.into_iter().map(|(_, image)| image).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let collection = filled(&folder.path().join("db"), &model, &images);
    let bench = Bench { model, collection, images };
    bench.stored("views", &[]);
    bench.stored("shared", &[("background", 4096.0), ("epochs", 1.0)]);
    bench.exact();
    for mode in ["views", "shared", "exact"] {
        bench.cancelled(mode);
    }
}

fn filled(folder: &Path, model: &Arc<Model>, images: &[Image]) -> Collection {
    let trigger = StoredTrigger::random(model, &TriggerStart::Uniform, 1).expect("a trigger");
    let trigger = Transformation::Trigger { trigger, blend: Blend::AsPrinted, omega: 0.3 };
    let view = TmmView::new("trigger", trigger).expect("a view");
    let reranker = TmmReranker::new(Arc::clone(model), TmmConfig::default()).expect("settings");
    let reranker = reranker.with_views(vec![view]).expect("views");
    let database = Database::create(folder, model.clone(), StoreConfig::default()).expect("a database");
    let database = database.with_reranker(Arc::new(reranker));
    let collection = database.collection_or_create("main").expect("a collection");
    let items = images.iter().enumerate().map(|(number, image)| IngestItem {
        key: format!("{number:05}"),
        image: ItemImage::Decoded(image.clone()),
        label: None,
        tags: [].into(),
    });
    collection.ingest(items, &Budget::unlimited(), &mut |_| {}).expect("an ingest");
    collection
}

#[expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
impl Bench {
    fn query(&self, number: usize, mode: &str, numbers: &[(&str, f64)], budget: Budget) -> Query {
        let mut parameters: Parameters = Parameters::default();
        parameters.0.insert("mode".to_owned(), ParameterValue::Text(mode.to_owned()));
        for (name, value) in numbers {
            parameters.0.insert((*name).to_owned(), ParameterValue::Number(*value));
        }
        let rerank = Rerank { candidates: Candidates::All, parameters, ..Rerank::new("tmm") };
        let image = self.images[number * 37 % self.images.len()].clone();
        Query { rerank: Some(rerank), budget, ..Query::decoded(image) }
    }

    fn search(&self, query: &Query) -> (Answer, Duration) {
        let start = Instant::now();
        let answer = self.collection.search(query).expect("an answer");
        (answer, start.elapsed())
    }

    /// The first query fits whitening and fills caches; it is told apart.
    fn stored(&self, mode: &str, numbers: &[(&str, f64)]) {
        let (n, query) = (self.images.len(), |number| self.query(number, mode, numbers, Budget::unlimited()));
        let (answer, first) = self.search(&query(0));
        assert_eq!(answer.status, RankingStatus::Applied);
        let mut runs: Vec<(Duration, Answer)> = (1..=QUERIES)
            .map(|number| {
                let (answer, elapsed) = self.search(&query(number));
                (elapsed, answer)
            })
            .collect();
        runs.sort_by_key(|run| run.0);
        let (median, answer) = &runs[QUERIES / 2];
        let stages: Vec<String> = answer
            .timings
            .iter()
            .map(|timing| format!("{} {:.1}", timing.stage, timing.elapsed.as_secs_f64() * 1e3))
            .collect();
        println!(
            "{mode}/{n}: {:.0} ms (first {:.0}); {}",
            median.as_secs_f64() * 1e3,
            first.as_secs_f64() * 1e3,
            stages.join(", ")
        );
    }

    fn exact(&self) {
        let n = self.images.len();
        forget_most_memory();
        let held = of_memory("VmRSS:") >> 20;
        let before = processor_time();
        let (answer, elapsed) = self.search(&self.query(1, "exact", &[], Budget::unlimited()));
        assert_eq!(answer.status, RankingStatus::Applied);
        let between = processor_time();
        let start = Instant::now();
        for images in self.images.chunks(256) {
            let batch: Vec<Pixels> = images.iter().map(|image| self.model.prepare(image)).collect();
            self.model.features(&batch).expect("features");
        }
        let forward = start.elapsed();
        let of_forward = processor_time() - between;
        let backward = self.trigger_passes(&answer);
        let stages: Vec<String> = answer
            .timings
            .iter()
            .map(|timing| format!("{} {:.2}", timing.stage, timing.elapsed.as_secs_f64()))
            .collect();
        println!(
            "exact/{n}: {:.2} s, forward passes {:.2} s and the trigger's passes {:.2} s, ratio {:.3} \
             (of processor time to the forward passes {:.3}); {}; memory {held} MiB before, {} MiB at most",
            elapsed.as_secs_f64(),
            forward.as_secs_f64(),
            backward.as_secs_f64(),
            elapsed.as_secs_f64() / (forward + backward).as_secs_f64(),
            (between - before) / of_forward,
            stages.join(", "),
            of_memory("VmHWM:") >> 20
        );
    }

    /// As many passes forth and back of one image as the query's trigger took updates.
    fn trigger_passes(&self, answer: &Answer) -> Duration {
        let trigger = answer.timings.iter().find(|timing| timing.stage == "trigger");
        let image = [self.model.prepare(&self.images[0])];
        let start = Instant::now();
        for _ in 0..trigger.map_or(0, |timing| timing.steps) {
            let gradient = self.model.pullback(&image, &mut |logits| vec![1.0; logits.values().len()]);
            gradient.expect("a gradient");
        }
        start.elapsed()
    }

    fn cancelled(&self, mode: &str) {
        // Of a shorter exact query, so that moments fall into all of its stages.
        let whole = match mode {
            "exact" => Duration::from_secs(4),
            _ => self.search(&self.query(2, mode, &[], Budget::unlimited())).1,
        };
        let mut latest = Duration::ZERO;
        for moment in 0..CANCELS {
            let cancel = CancelFlag::default();
            let query =
                self.query(moment as usize, mode, &[], Budget::unlimited().with_cancel(cancel.clone()));
            let begun = Instant::now();
            let (set, ended) = thread::scope(|scope| {
                let search = scope.spawn(|| {
                    // Too early for a shortlist is an answer too.
                    let _answer = self.collection.search(&query);
                    Instant::now()
                });
                thread::sleep((whole * moment / CANCELS).saturating_sub(begun.elapsed()));
                let set = Instant::now();
                cancel.cancel();
                (set, search.join().expect("a search"))
            });
            latest = latest.max(ended.saturating_duration_since(set));
        }
        println!("cancel/{mode}: at most {:.0} ms", latest.as_secs_f64() * 1e3);
    }
}

/// Lets the most memory begin anew with what is held now, where the system can.
fn forget_most_memory() {
    let _unknown = fs::write("/proc/self/clear_refs", "5");
}

/// Of all threads of this process so far, in hundredths of a second; 0 where the system does not say.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the last bracket may hold spaces; after it come the state and, ten fields on, both times.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

/// What the system says of this process's memory under `name`, in bytes; 0 where it does not.
fn of_memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}
