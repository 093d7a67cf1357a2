//! The images of an evaluation.

use std::ffi::OsStr;

use anyhow::Context;
use lookalike_datasets::{Glyph, GlyphSet, Sample};
use lookalike_eval::{Experiment, Known, Preset, Protocol};

use crate::args::{DatasetName, EvalImageArgs, SplitName};
use crate::commands::ingest::Input;
use crate::source;

/// Seeds of the glyphs that are exemplars, and of those that are test images; the shipped network saw neither.
const GLYPH_SEEDS: [u64; 2] = [11, 12];
/// Seed of the glyphs that settings are searched on.
const TUNING_SEED: u64 = 13;

/// Images that were not decoded yet.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) name: String,
    pub(super) train: Vec<Item>,
    pub(super) test: Vec<Item>,
}

#[derive(Debug)]
pub(super) enum Item {
    Sample(Sample),
    Glyph { seed: u64, index: u64 },
}

impl Images {
    /// The images of a search of settings: those of an evaluation, of which the search draws others, or glyphs that no
    /// evaluation draws.
    pub(super) fn for_tuning(args: &EvalImageArgs, experiment: &Experiment) -> anyhow::Result<Self> {
        let mut images = Self::open(args, experiment)?;
        for item in &mut images.train {
            if let Item::Glyph { seed, .. } = item {
                *seed = TUNING_SEED;
            }
        }
        Ok(images)
    }

    /// Whether an experiment may ask for images that a preset was searched on. Glyphs are drawn apart.
    pub(super) fn may_be_known(&self, preset: &Preset, experiment: &Experiment) -> bool {
        let is_drawn = matches!(self.train.first(), Some(Item::Glyph { .. }));
        !is_drawn && preset.may_know(&self.name, self.train.len(), experiment)
    }

    /// The images that an experiment draws from; of the test part only if one of its protocols asks for it.
    pub(super) fn open(args: &EvalImageArgs, experiment: &Experiment) -> anyhow::Result<Self> {
        let asks_test = experiment.protocols.contains(&Protocol::NonSelf);
        let Some(dataset) = args.dataset else {
            anyhow::ensure!(
                !args.train.is_empty(),
                "no images are named; give --dataset NAME with --from DIR, or --train SOURCE"
            );
            for path in &args.test {
                anyhow::ensure!(path.exists(), "{} is not there; check the path", path.display());
            }
            let name = args.train.first().and_then(|path| path.file_name()).unwrap_or(OsStr::new("images"));
            return Ok(Self {
                name: name.to_string_lossy().into_owned(),
                train: items(Input::of_paths(&args.train)?)?,
                test: if asks_test { items(Input::of_paths(&args.test)?)? } else { Vec::new() },
            });
        };
        let name = dataset.word().to_owned();
        if dataset == DatasetName::Glyphs {
            let count = 2 * experiment.exemplars.max(experiment.queries) as u64;
            let [train, test] =
                GLYPH_SEEDS.map(|seed| (0..count).map(|index| Item::Glyph { seed, index }).collect());
            return Ok(Self { name, train, test });
        }
        let part = |split| {
            let samples = source::open(dataset, args.from.as_deref(), split, (0, 0))?;
            items(Input::of(samples))
        };
        let test = if asks_test { part(SplitName::Test)? } else { Vec::new() };
        Ok(Self { name, train: part(SplitName::Train)?, test })
    }
}

/// What is mixed in.
pub(super) fn outliers(args: &EvalImageArgs) -> anyhow::Result<Vec<Known>> {
    items(Input::of_paths(&args.ood)?)?.iter().map(known).collect()
}

fn items(input: Input) -> anyhow::Result<Vec<Item>> {
    let samples: Result<Vec<Item>, _> = input.samples.map(|sample| sample.map(Item::Sample)).collect();
    samples.context("an image set cannot be read")
}

/// The image of an item, with what is known about it.
pub(super) fn known(item: &Item) -> anyhow::Result<Known> {
    let sample = match item {
        Item::Glyph { seed, index } => {
            let Glyph { name, factors, image, .. } = GlyphSet::new(*seed).glyph(*index);
            return Ok(Known { image, label: Some(name.to_owned()), factors: Some(factors) });
        }
        Item::Sample(sample) => sample,
    };
    let image =
        source::pixels(&sample.image).with_context(|| format!("image {} cannot be read", sample.key))?;
    Ok(Known { image: image.into_owned(), label: sample.label.clone(), factors: None })
}
