//! The data sets that settings are searched on.

use std::path::{Path, PathBuf};

use anyhow::Context;
use lookalike_eval::{Experiment, Ground, Subject};
use serde::Deserialize;

use super::images::{self, Images};
use super::inputs::{from_json, model};
use crate::args::typed::InputSize;
use crate::args::{DatasetName, EvalImageArgs, EvalTuneArgs, GlobalArgs, ManifestArgs};

/// Most data sets of one search: each has its model in memory.
const MOST_SETS: usize = 16;

/// One data set of the file, each with the meaning of the option of its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    name: Option<String>,
    dataset: Option<DatasetName>,
    from: Option<PathBuf>,
    #[serde(default)]
    train: Vec<PathBuf>,
    model: PathBuf,
    manifest: Option<PathBuf>,
    input: Option<InputSize>,
    #[serde(default)]
    classes: Vec<String>,
}

/// The data sets that the command line names, with images drawn for the search.
pub(super) fn grounds(
    args: &EvalTuneArgs,
    experiment: &Experiment,
    global: &GlobalArgs,
) -> anyhow::Result<Vec<Ground>> {
    let Some(path) = &args.sets else {
        let weights = args.model.clone().unwrap_or_default();
        return Ok(vec![ground(None, &args.images, &weights, &args.manifest, experiment, global)?]);
    };
    let sets: Vec<Set> = from_json("data sets", path)?;
    anyhow::ensure!(
        (1..=MOST_SETS).contains(&sets.len()),
        "data sets {}: {} are named, 1 to {MOST_SETS} are possible",
        path.display(),
        sets.len()
    );
    let named = |(number, set): (usize, Set)| {
        let Set { name, dataset, from, train, model, manifest, input, classes } = set;
        let together = [
            (dataset.is_some() && !train.is_empty(), "dataset and train exclude each other"),
            (from.is_some() && dataset.is_none(), "from needs dataset"),
            (manifest.is_some() && input.is_some(), "manifest and input exclude each other"),
            (!classes.is_empty() && input.is_none(), "classes need input"),
        ];
        for (is_wrong, reason) in together {
            anyhow::ensure!(!is_wrong, "data set {} of {}: {reason}", number + 1, path.display());
        }
        let images = EvalImageArgs { dataset, from, train, test: Vec::new(), ood: Vec::new() };
        let manifest = ManifestArgs { manifest, input, classes };
        ground(name, &images, &model, &manifest, experiment, global)
            .with_context(|| format!("data set {} of {}", number + 1, path.display()))
    };
    sets.into_iter().enumerate().map(named).collect()
}

fn ground(
    name: Option<String>,
    images: &EvalImageArgs,
    weights: &Path,
    manifest: &ManifestArgs,
    experiment: &Experiment,
    global: &GlobalArgs,
) -> anyhow::Result<Ground> {
    let model = model(weights, manifest, global)?;
    let images = Images::for_tuning(images, experiment)?;
    let name = name.unwrap_or(images.name);
    let subject = Subject::draw_for_tuning(&name, &images.train, experiment, images::known)?;
    Ok(Ground { model, subject })
}
