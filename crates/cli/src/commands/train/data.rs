//! Labelled images from the readers into memory.

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::Context;
use lookalike_datasets::{DatasetError, Sample};
use lookalike_engine::plugin_api::SplitMix64;
use lookalike_vision::{MAX_CLASSES, MAX_SET_BYTES, TrainImage, TrainSet};
use rayon::prelude::*;

use crate::commands::ingest::Input;
use crate::show::output::{bytes, grouped, line, things, visible};
use crate::source;

/// Samples that are decoded at a time.
const BATCH: usize = 256;

/// Images with the names of their classes, numbered in the order in which they came up.
pub(super) struct Labelled {
    pub(super) set: TrainSet,
    pub(super) names: Vec<String>,
    left_out: u64,
    /// The first image that was left out, and why.
    first_left_out: Option<String>,
}

/// Which images to take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Channels, height, width.
    pub(super) shape: [usize; 3],
    /// As many, chosen by the seed; all without.
    pub(super) limit: Option<u64>,
    pub(super) seed: u64,
}

impl Labelled {
    /// Reads and decodes what is wanted of `input`.
    pub(super) fn read(input: Input, wanted: Wanted) -> anyhow::Result<Self> {
        let Wanted { shape, limit, .. } = wanted;
        let announced = input.length.map(|length| length.min(limit.unwrap_or(u64::MAX)));
        let needed = TrainSet::bytes_for(shape, announced.or(limit).unwrap_or(0));
        anyhow::ensure!(
            needed <= MAX_SET_BYTES,
            "{} of this size take {} of memory, the limit is {}; take fewer with --limit or a smaller --input",
            things(announced.or(limit).unwrap_or(0), "image"),
            bytes(needed),
            bytes(MAX_SET_BYTES)
        );
        let mut labelled =
            Self { set: TrainSet::new(shape), names: Vec::new(), left_out: 0, first_left_out: None };
        let failures = labelled.fill(input, wanted)?;
        failures.into_iter().for_each(|failure| labelled.leave_out(failure));
        anyhow::ensure!(
            !labelled.set.is_empty(),
            "no labelled image can be read{}",
            labelled.first_left_out.as_ref().map_or_else(String::new, |first| format!("; {first}"))
        );
        Ok(labelled)
    }

    /// Decodes what is wanted into the set, and gives what could not be decoded.
    fn fill(&mut self, input: Input, Wanted { shape, limit, seed }: Wanted) -> anyhow::Result<Vec<String>> {
        let mut numbers = HashMap::new();
        let mut set = TrainSet::new(shape);
        let mut failures = Vec::new();
        let mut numbered = input.samples.filter_map(|sample| self.number(sample, &mut numbers));
        let mut chosen: Box<dyn Iterator<Item = anyhow::Result<(Sample, usize)>>> = match limit {
            None => Box::new(numbered),
            Some(limit) => Box::new(reservoir(&mut numbered, limit, seed)?.into_iter().map(Ok)),
        };
        loop {
            let batch: Vec<(Sample, usize)> = chosen.by_ref().take(BATCH).collect::<Result<_, _>>()?;
            if batch.is_empty() {
                break;
            }
            let prepare = |(sample, class): (Sample, usize)| (prepared(&sample, shape), sample.key, class);
            let images: Vec<_> = batch.into_par_iter().map(prepare).collect();
            for (image, key, class) in images {
                match image {
                    Ok(image) => set.push(&image, class)?,
                    Err(error) => failures.push(format!("{key}: {error:#}")),
                }
            }
        }
        drop(chosen);
        self.set = set;
        Ok(failures)
    }

    /// A sample with the number of its class; `None` for what is left out.
    fn number(
        &mut self,
        sample: Result<Sample, DatasetError>,
        numbers: &mut HashMap<String, usize>,
    ) -> Option<anyhow::Result<(Sample, usize)>> {
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) => {
                self.leave_out(line(&error));
                return None;
            }
        };
        let Some(label) = &sample.label else {
            self.leave_out(format!("{}: it has no label", sample.key));
            return None;
        };
        let next = self.names.len();
        let class = *numbers.entry(label.clone()).or_insert(next);
        if class == next {
            self.names.push(label.clone());
        }
        Some(if next < MAX_CLASSES || class < next {
            Ok((sample, class))
        } else {
            Err(anyhow::anyhow!("the images have more than {MAX_CLASSES} labels; train on fewer classes"))
        })
    }

    fn leave_out(&mut self, why: String) {
        self.left_out += 1;
        self.first_left_out.get_or_insert(why);
    }

    /// Numbers the classes by `names`.
    pub(super) fn in_order_of(mut self, names: &[String]) -> anyhow::Result<TrainSet> {
        let numbers: Option<Vec<usize>> =
            self.names.iter().map(|name| names.iter().position(|known| known == name)).collect();
        let numbers = numbers.with_context(|| {
            let unknown = self.names.iter().find(|name| !names.contains(name));
            format!(
                "label \"{}\" is none of the {} that are learnt",
                visible(unknown.map_or("", |name| name)),
                things(names.len() as u64, "class")
            )
        })?;
        self.set.renumber(|class| numbers[class]);
        Ok(self.set)
    }

    /// What a user should know of these images.
    pub(super) fn line(&self, what: &str) -> String {
        let [channels, height, width] = self.set.shape();
        let count = self.set.len() as u64;
        let mut line = format!(
            "{what}: {} of {width} x {height} {}, {} in memory",
            things(count, "image"),
            if channels == 1 { "grey" } else { "colour" },
            bytes(TrainSet::bytes_for(self.set.shape(), count))
        );
        if let Some(first) = &self.first_left_out {
            // Writing to a string cannot fail.
            let _written =
                write!(line, "; left out {}, the first: {}", grouped(self.left_out), visible(first));
        }
        line
    }
}

/// Names in the order that a model lists them: numbers by their size, words by their letters.
pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    let number = |name: &String| name.parse::<u64>().ok();
    if names.iter().all(|name| number(name).is_some()) {
        names.sort_by_key(number);
    } else {
        names.sort_unstable();
    }
    names
}

/// `limit` of all items, each as likely as any other, in the order in which they came (Vitter 1985, algorithm R).
fn reservoir<T>(
    items: &mut dyn Iterator<Item = anyhow::Result<T>>,
    limit: u64,
    seed: u64,
) -> anyhow::Result<Vec<T>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut random = SplitMix64::new(seed ^ RESERVOIR);
    let mut kept = Vec::new();
    for (number, item) in items.enumerate() {
        let item = (number, item?);
        if kept.len() < limit {
            kept.push(item);
        } else if let Some(place) = Some(random.below(number + 1)).filter(|&place| place < limit) {
            kept[place] = item;
        }
    }
    kept.sort_unstable_by_key(|(number, _)| *number);
    Ok(kept.into_iter().map(|(_, item)| item).collect())
}

/// Keeps this choice apart from the other uses of the seed.
const RESERVOIR: u64 = 0x7E5E_7401_2000_0000;

fn prepared(sample: &Sample, shape: [usize; 3]) -> anyhow::Result<TrainImage> {
    Ok(TrainImage::new(&*source::pixels(&sample.image)?, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_sorted_by_size_where_they_are_numbers() {
        let sorted = |names: &[&str]| sorted(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(sorted(&["10", "9", "00007"]), ["00007", "9", "10"]);
        assert_eq!(sorted(&["10", "9", "a"]), ["10", "9", "a"]);
    }

    #[test]
    fn a_limit_takes_images_from_everywhere_in_their_order() {
        let taken = reservoir(&mut (0..10_000).map(Ok), 100, 3).unwrap();
        assert_eq!(taken.len(), 100);
        assert!(taken.is_sorted());
        assert!(taken[..50].iter().any(|&number| number > 2_000), "{taken:?}");
        assert!(taken[99] > 8_000);
        assert_eq!(taken, reservoir(&mut (0..10_000).map(Ok), 100, 3).unwrap());
        assert_ne!(taken, reservoir(&mut (0..10_000).map(Ok), 100, 4).unwrap());
        assert_eq!(reservoir(&mut (0..7).map(Ok), 100, 3).unwrap(), (0..7).collect::<Vec<_>>());
    }
}
