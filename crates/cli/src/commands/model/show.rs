//! `lookalike model show`: what a file of weights holds, and the identity of the model that it is.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use lookalike::{StoreConfig, StoredModels};
use lookalike_vision::{Checkpoint, CheckpointTensor, Model, ModelManifest};
use serde::Serialize;

use crate::args::{GlobalArgs, ModelShowArgs};
use crate::commands::stats::ModelReport;
use crate::ending::Ending;
use crate::opened::{Opened, compute};
use crate::show::output::{Output, Report, Table, grouped, visible};

/// Tensors that are shown to people; JSON has all of them.
const TENSORS_SHOWN: usize = 400;

pub(super) fn run(args: &ModelShowArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (weights, loaded) = weights(&args.model, global)?;
    let checkpoint = Checkpoint::read(&weights, None)
        .with_context(|| format!("weights {} are refused", weights.display()))?;
    let model = if loaded.is_none() && ModelManifest::path_beside(&weights).exists() {
        let model = Model::open(&weights, compute(global));
        Some(Arc::new(model.with_context(|| format!("model {} is refused", weights.display()))?))
    } else {
        loaded
    };
    output.report(&ShowReport::of(&weights, &checkpoint, model.as_deref()))?;
    Ok(Ending::Done)
}

/// The file of weights: the one that is named, or that of the database's collection with the model made of it.
fn weights(named: &Path, global: &GlobalArgs) -> anyhow::Result<(PathBuf, Option<Arc<Model>>)> {
    if !named.is_dir() {
        return Ok((named.to_owned(), None));
    }
    let Opened { model, .. } = Opened::open(named, global, StoreConfig::default())?;
    Ok((StoredModels::new(named, compute(global)).weights(model.fingerprint()), Some(model)))
}

#[derive(Debug, Serialize)]
struct ShowReport {
    weights: String,
    /// `None` where there is no manifest beside the weights.
    model: Option<ModelReport>,
    fingerprint: Option<String>,
    manifest: Option<ModelManifest>,
    /// Values that were learnt: all but the statistics of batch normalisations.
    parameters: u64,
    tensors: Vec<Tensor>,
}

#[derive(Debug, Serialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    number_type: String,
}

impl ShowReport {
    fn of(weights: &Path, checkpoint: &Checkpoint, model: Option<&Model>) -> Self {
        let is_learnt = |tensor: &&CheckpointTensor| {
            ![".running_mean", ".running_var", ".num_batches_tracked"]
                .iter()
                .any(|ending| tensor.name().ends_with(ending))
        };
        let size =
            |tensor: &CheckpointTensor| tensor.shape().iter().map(|&side| side as u64).product::<u64>();
        let tensor = |tensor: &CheckpointTensor| Tensor {
            name: tensor.name().to_owned(),
            shape: tensor.shape().to_vec(),
            number_type: tensor.number_type().to_string(),
        };
        Self {
            weights: weights.display().to_string(),
            model: model.map(ModelReport::of),
            fingerprint: model.map(|model| model.fingerprint().to_string()),
            manifest: model.map(|model| model.manifest().clone()),
            parameters: checkpoint.tensors().iter().filter(is_learnt).map(size).sum(),
            tensors: checkpoint.tensors().iter().map(tensor).collect(),
        }
    }
}

impl Report for ShowReport {
    fn text(&self) -> String {
        let mut text = format!("weights        {}\n", visible(&self.weights));
        // Writing to a string cannot fail.
        match (&self.model, &self.manifest) {
            (Some(model), Some(manifest)) => {
                for (name, value) in model.facts() {
                    let name = if name == "weights" { "digest" } else { &name };
                    let _written = writeln!(text, "{name:<14} {}", visible(&value));
                }
                let normalised = manifest.normalisation.as_ref().map_or_else(
                    || "none".to_owned(),
                    |normalisation| format!("mean {:?}, std {:?}", normalisation.mean, normalisation.std),
                );
                let _written = writeln!(text, "normalisation  {normalised}");
                let _written = writeln!(text, "classes        {}", visible(&manifest.classes.join(", ")));
            }
            _ => text.push_str("manifest       none beside the weights\n"),
        }
        if let Some(fingerprint) = &self.fingerprint {
            let _written = writeln!(text, "fingerprint    {}", visible(fingerprint));
        }
        let _written = writeln!(
            text,
            "parameters     {} in {} tensors",
            grouped(self.parameters),
            grouped(self.tensors.len() as u64)
        );
        let mut table = Table::new(&["tensor", "shape", "type"]);
        for Tensor { name, shape, number_type } in self.tensors.iter().take(TENSORS_SHOWN) {
            let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
            table.row([name.clone(), sides.join(" x "), number_type.clone()]);
        }
        text.push_str(&table.text());
        if self.tensors.len() > TENSORS_SHOWN {
            let _written =
                writeln!(text, "  and {} more; --json lists them", self.tensors.len() - TENSORS_SHOWN);
        }
        text
    }
}
