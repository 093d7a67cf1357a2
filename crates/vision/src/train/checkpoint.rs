//! What a training needs to go on, as bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use lookalike_plugin_api::Digest;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::TrainConfig;
use super::error::{CHECKPOINT_FORMAT, ResumeError};
use super::training::EpochRecord;
use crate::manifest::ModelManifest;
use crate::number::NumberType;
use crate::weights::hash_values;

/// Key of the file's metadata under which [`Header`] stands.
const KEY: &str = "lookalike.training";

/// Where a training is.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// Epochs that are over.
    pub(super) epoch: usize,
    /// Batches of the epoch under way that were learnt.
    pub(super) batch: usize,
    /// Sums over the epoch under way.
    pub(super) loss: f32,
    pub(super) correct: usize,
    pub(super) spent: Duration,
    pub(super) history: Vec<EpochRecord>,
}

/// Everything in a checkpoint but the numbers of the network.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    /// As JSON: its text is compared, because a number that is read again may differ in its last bit.
    config: String,
    manifest: String,
    /// Hexadecimal digests of the images, of their order, and of all tensors.
    images: String,
    order: String,
    content: String,
    epoch: usize,
    batch: usize,
    steps: u64,
    /// The bits of the sum, so that no digit is lost.
    loss_bits: u32,
    correct: usize,
    seconds: f64,
    history: Vec<EpochRecord>,
}

/// A checkpoint that is read or made.
#[derive(Debug)]
pub(super) struct Checkpoint<'a> {
    header: Header,
    /// By name, in the order of the names.
    tensors: Vec<Named<'a>>,
}

/// A list of values with its name.
type Named<'a> = (String, Cow<'a, [f32]>);

impl<'a> Checkpoint<'a> {
    /// A checkpoint of this training, still without its state.
    pub(super) fn under_way(config: &TrainConfig, manifest: &ModelManifest, images: &Digest) -> Self {
        let header = Header {
            format: CHECKPOINT_FORMAT,
            config: described(config),
            manifest: described(manifest),
            images: images.to_string(),
            ..Header::default()
        };
        Self { header, tensors: Vec::new() }
    }

    pub(super) fn keep_progress(&mut self, progress: &Progress, steps: u64, order: &Digest) {
        let header = &mut self.header;
        header.order = order.to_string();
        header.epoch = progress.epoch;
        header.batch = progress.batch;
        header.steps = steps;
        header.loss_bits = progress.loss.to_bits();
        header.correct = progress.correct;
        header.seconds = progress.spent.as_secs_f64();
        header.history.clone_from(&progress.history);
    }

    /// Keeps a list of values under `kind` and their places.
    pub(super) fn keep(&mut self, kind: &str, lists: impl Iterator<Item = &'a Vec<f32>>) {
        let named = lists.enumerate().map(|(place, values)| (name(kind, place), Cow::from(values)));
        self.tensors.extend(named);
    }

    pub(super) fn into_bytes(mut self) -> Result<Vec<u8>, ResumeError> {
        self.tensors.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.header.content = content(&self.tensors);
        let header = serde_json::to_string(&self.header).map_err(ResumeError::Header)?;
        let encoded: Vec<(String, usize, Vec<u8>)> = self
            .tensors
            .into_iter()
            .map(|(name, values)| (name, values.len(), NumberType::F32.encoded(&values)))
            .collect();
        let mut views = Vec::with_capacity(encoded.len());
        for (name, length, bytes) in &encoded {
            let view = TensorView::new(Dtype::F32, vec![*length], bytes).map_err(ResumeError::File)?;
            views.push((name.as_str(), view));
        }
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        safetensors::serialize(views, Some(metadata)).map_err(ResumeError::File)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, ResumeError> {
        let file = SafeTensors::deserialize(bytes).map_err(ResumeError::File)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(ResumeError::File)?;
        let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let header = header.ok_or(ResumeError::Foreign)?;
        let found: Format = serde_json::from_str(header).map_err(ResumeError::Header)?;
        if found.format != CHECKPOINT_FORMAT {
            return Err(ResumeError::Format { found: found.format });
        }
        let header: Header = serde_json::from_str(header).map_err(ResumeError::Header)?;
        let mut tensors = Vec::with_capacity(file.len());
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(ResumeError::Damaged { what: name.to_owned() });
            }
            tensors.push((name.to_owned(), Cow::from(NumberType::F32.decoded(view.data()))));
        }
        tensors.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if content(&tensors) != header.content {
            return Err(ResumeError::Damaged { what: "its numbers".to_owned() });
        }
        Ok(Self { header, tensors })
    }

    /// Refuses what is a checkpoint of another training.
    pub(super) fn expect(
        &self,
        config: &TrainConfig,
        manifest: &ModelManifest,
        images: &Digest,
    ) -> Result<(), ResumeError> {
        same_description(&self.header.config, &described(config))?;
        same_description(&self.header.manifest, &described(manifest))?;
        let images = images.to_string();
        if self.header.images == images {
            return Ok(());
        }
        let short = |digest: &str| digest.chars().take(12).collect();
        Err(ResumeError::Differs {
            what: "images of digest".to_owned(),
            found: short(&self.header.images),
            expected: short(&images),
        })
    }

    /// Where the training was, if a training of `epochs` with `batches` each can be there.
    pub(super) fn progress(&self, epochs: usize, batches: usize) -> Result<Progress, ResumeError> {
        let Header { epoch, batch, steps, loss_bits, correct, seconds, ref history, .. } = self.header;
        let damaged = |what: &str| ResumeError::Damaged { what: what.to_owned() };
        let spent = Duration::try_from_secs_f64(seconds).map_err(|_| damaged("its time"))?;
        let inside = epoch < epochs && batch < batches || epoch == epochs && batch == 0;
        if !inside || steps != (epoch * batches + batch) as u64 || history.len() != epoch {
            return Err(damaged("its epoch"));
        }
        let loss = f32::from_bits(loss_bits);
        Ok(Progress { epoch, batch, loss, correct, spent, history: history.clone() })
    }

    /// Refuses a checkpoint whose images came in another order than they would now.
    pub(super) fn expect_order(&self, order: &Digest) -> Result<(), ResumeError> {
        if self.header.order == order.to_string() {
            Ok(())
        } else {
            Err(ResumeError::Damaged { what: "its order of the images".to_owned() })
        }
    }

    /// Puts the lists of `kind` back where they came from.
    pub(super) fn put_back<'b>(
        &self,
        kind: &str,
        lists: impl Iterator<Item = &'b mut Vec<f32>>,
    ) -> Result<(), ResumeError> {
        for (place, list) in lists.enumerate() {
            let name = name(kind, place);
            let damaged = || ResumeError::Damaged { what: name.clone() };
            let found =
                self.tensors.binary_search_by(|(known, _)| known.cmp(&name)).map_err(|_| damaged())?;
            let values = &self.tensors[found].1;
            if values.len() != list.len() || values.iter().any(|value| !value.is_finite()) {
                return Err(damaged());
            }
            list.copy_from_slice(values);
        }
        Ok(())
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn name(kind: &str, place: usize) -> String {
    format!("{kind}.{place:05}")
}

fn content(tensors: &[Named<'_>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, values) in tensors {
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&(values.len() as u64).to_le_bytes());
        hash_values(&mut hasher, values);
    }
    Digest(*hasher.finalize().as_bytes()).to_string()
}

/// A valid configuration or manifest as JSON, which it always fits.
fn described(what: &impl Serialize) -> String {
    serde_json::to_string(what).unwrap_or_default()
}

/// Refuses a description that is not the same.
fn same_description(found: &str, expected: &str) -> Result<(), ResumeError> {
    if found == expected {
        return Ok(());
    }
    let read = |text| serde_json::from_str(text).map_err(ResumeError::Header);
    same("", &read(found)?, &read(expected)?)
}

/// Refuses the first field, by name, that is not the same.
fn same(path: &str, found: &Value, expected: &Value) -> Result<(), ResumeError> {
    if found == expected {
        return Ok(());
    }
    if let (Value::Object(of_found), Value::Object(of_expected)) = (found, expected)
        && of_found.keys().eq(of_expected.keys())
    {
        for ((field, found), expected) in of_found.iter().zip(of_expected.values()) {
            let field = field.replace('_', " ");
            same(&if path.is_empty() { field } else { format!("{path} {field}") }, found, expected)?;
        }
    }
    let shown = |value: &Value| value.to_string().chars().take(80).collect();
    Err(ResumeError::Differs { what: path.to_owned(), found: shown(found), expected: shown(expected) })
}
