use std::collections::BTreeMap;
use std::io::{self, Write};

use lookalike_plugin_api::{Digest, Fingerprint};
use serde_json::{Map, Value, json};

use super::error::{CheckpointError, CheckpointFault, damaged};
use super::names::{self, Renamed};
use super::{Checkpoint, CheckpointTensor, wanted};
use crate::architecture::{Architecture, ArchitectureError};
use crate::manifest::{ModelManifest, Normalisation};
use crate::number::NumberType;
use crate::weights::{COUNTER, TensorSpec, VARIANCE, WeightsError, hash_tensor, hash_values};

/// What a checkpoint does not say about its model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportOptions {
    /// The model's name; `None` takes the file's, without its ending.
    pub name: Option<String>,
    /// Names of the classes in the order of the head's rows; `None` counts them from 0.
    pub classes: Option<Vec<String>>,
    /// Height and width of the input in pixels; `None` takes those of a Vision Transformer's position table, or
    /// what the family is usually trained at: 224 x 224, or 32 x 32 with the small stem.
    pub input: Option<[usize; 2]>,
    /// Attention heads of each block of a Vision Transformer, which leave no trace in the tensors; `None` takes those of
    /// the published network of the same width.
    pub heads: Option<usize>,
    /// What the model was trained to see; one mean and one deviation hold for all channels.
    pub normalisation: Option<Normalisation>,
    /// Whether to write half precision, whatever the file has.
    pub half: bool,
}

/// The network that a checkpoint holds, before anything is written.
#[derive(Debug)]
pub struct ImportPlan<'a> {
    checkpoint: &'a Checkpoint,
    manifest: ModelManifest,
    number: NumberType,
    prefix: String,
    /// The network's tensors by its names, with those of the checkpoint.
    applied: BTreeMap<String, &'a CheckpointTensor>,
    missing: Vec<String>,
    first_missing: Option<TensorSpec>,
    unused: Vec<String>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Identity of the model in the written file.
    pub fingerprint: Fingerprint,
    /// Bytes of the written file.
    pub bytes: u64,
}

impl<'a> ImportPlan<'a> {
    pub(super) fn of(checkpoint: &'a Checkpoint, options: &ImportOptions) -> Result<Self, CheckpointError> {
        let (renamed, mut manifest) = network(checkpoint, options.heads)?;
        if let Some(name) = &options.name {
            manifest.name.clone_from(name);
        }
        if let Some(classes) = &options.classes {
            let (found, expected) = (classes.len(), manifest.classes.len());
            if found != expected {
                return Err(CheckpointError::Classes { found, expected });
            }
            manifest.classes.clone_from(classes);
        }
        if let Some([height, width]) = options.input {
            (manifest.height, manifest.width) = (height, width);
        }
        manifest.normalisation = options.normalisation.clone().map(|normalisation| {
            let spread = |values: Vec<f32>| match values.as_slice() {
                [one] => vec![*one; manifest.channels],
                _ => values,
            };
            Normalisation { mean: spread(normalisation.mean), std: spread(normalisation.std) }
        });
        manifest.validate()?;

        let Renamed { prefix, mut tensors, outside } = renamed;
        let mut applied = BTreeMap::new();
        let (mut missing, mut first_missing) = (Vec::new(), None);
        for spec in manifest.tensors() {
            let Some(tensor) = tensors.remove(&spec.name) else {
                missing.push(spec.name.clone());
                first_missing.get_or_insert(spec);
                continue;
            };
            let TensorSpec { name, shape: expected } = spec;
            if tensor.shape != expected {
                let (name, found) = (tensor.name.clone(), tensor.shape.clone());
                return Err(WeightsError::Shape { name, found, expected }.into());
            }
            if let NumberType::Whole(_) = tensor.number {
                let (name, found) = (tensor.name.clone(), tensor.number.to_string());
                return Err(WeightsError::Dtype { name, found }.into());
            }
            applied.insert(name, tensor);
        }
        let left = tensors.into_values().map(|tensor| tensor.name.as_str());
        let left = left.chain(outside).chain(checkpoint.contents.others.iter().map(String::as_str));
        let mut unused: Vec<String> =
            left.filter(|name| !name.ends_with(COUNTER)).map(str::to_owned).collect();
        unused.sort_unstable();
        let number = if options.half { NumberType::F16 } else { common_number(applied.values()) };
        Ok(Self { checkpoint, manifest, number, prefix, applied, missing, first_missing, unused })
    }

    /// The manifest of the imported model.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// How the numbers will be written: as the file has them, where all its tensors agree and have no double
    /// precision, else in single precision.
    pub fn number_type(&self) -> NumberType {
        self.number
    }

    /// What is taken off in front of all names; empty for nothing.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many of the network's tensors the file has.
    pub fn applied(&self) -> usize {
        self.applied.len()
    }

    /// The network's tensors that the file lacks, in the order of the forward pass.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// What the file has and the network has no place for, by name. The counters beside batch normalisations do not
    /// count.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Reads the values of all tensors and writes them as a safetensors file under the network's names, in their order.
    /// After an error what was written is worth nothing.
    ///
    /// *Memory:* one piece of one tensor at a time.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] when a tensor is missing, damaged, holds a NaN, an infinity or a negative variance, or leaves
    /// the range of the number type that is written; and when writing fails. Unused tensors are no error.
    pub fn write(&self, file: &mut impl Write) -> Result<Imported, CheckpointError> {
        if let Some(TensorSpec { name, shape }) = self.first_missing.clone() {
            return Err(WeightsError::Missing { name, shape }.into());
        }
        self.check_storages()?;
        let header = self.header()?;
        file.write_all(&header).map_err(CheckpointError::Write)?;
        let mut bytes = header.len() as u64;
        let mut hasher = blake3::Hasher::new();
        for (name, tensor) in &self.applied {
            hash_tensor(&mut hasher, name, &tensor.shape);
            bytes += self.write_tensor(tensor, file, &mut hasher)?;
        }
        let fingerprint = self.manifest.fingerprint(Digest(*hasher.finalize().as_bytes()));
        Ok(Imported { fingerprint, bytes })
    }

    /// Holds every storage in use against its checksum.
    fn check_storages(&self) -> Result<(), CheckpointError> {
        let Checkpoint { source, contents } = self.checkpoint;
        let mut checked = vec![false; contents.storages.len()];
        for tensor in self.applied.values() {
            let storage = &contents.storages[tensor.storage];
            let Some((expected, length)) = storage.checksum.filter(|_| !checked[tensor.storage]) else {
                continue;
            };
            let part = format!("the storage of tensor \"{}\"", tensor.name);
            if source.checksum(&part, storage.start, length)? != expected {
                return Err(damaged(part, CheckpointFault::Checksum));
            }
            checked[tensor.storage] = true;
        }
        Ok(())
    }

    /// Length and list of tensors of the file to write.
    fn header(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut list = Map::new();
        let mut end = 0;
        for (name, tensor) in &self.applied {
            let start = end;
            end += tensor.shape.iter().product::<usize>() * self.number.size();
            let dtype = self.number.to_string();
            let tensor = json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end] });
            list.insert(name.clone(), tensor);
        }
        let mut list = serde_json::to_vec(&Value::Object(list))
            .map_err(|error| CheckpointError::Write(io::Error::from(error)))?;
        // So that the values begin where numbers of any type may.
        list.resize(list.len().next_multiple_of(8), b' ');
        let mut header = (list.len() as u64).to_le_bytes().to_vec();
        header.append(&mut list);
        Ok(header)
    }

    /// Writes the values of one tensor, and adds them to the digest of the weights as they will be read again. Gives
    /// the bytes written.
    fn write_tensor(
        &self,
        tensor: &CheckpointTensor,
        file: &mut impl Write,
        hasher: &mut blake3::Hasher,
    ) -> Result<u64, CheckpointError> {
        let Checkpoint { source, contents } = self.checkpoint;
        let is_variance = tensor.name.ends_with(VARIANCE);
        let (mut piece, mut as_read) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        tensor.values(source, &contents.storages[tensor.storage], |values| {
            piece.clear();
            as_read.clear();
            for &value in values {
                let written = self.number.encode(value, &mut piece);
                if value.is_finite() && !written.is_finite() {
                    return Err(CheckpointError::Half { name: tensor.name.clone(), value });
                }
                if !written.is_finite() {
                    return Err(WeightsError::NotFinite { name: tensor.name.clone() }.into());
                }
                if is_variance && written < 0.0 {
                    return Err(WeightsError::Variance { name: tensor.name.clone() }.into());
                }
                as_read.push(written);
            }
            hash_values(hasher, &as_read);
            bytes += piece.len() as u64;
            file.write_all(&piece).map_err(CheckpointError::Write)
        })?;
        Ok(bytes)
    }
}

/// The tensors under the network's names, and what they say about the network: the first way of taking wrappers off
/// after which nothing is missing, else the first after which there is a network at all.
fn network(
    checkpoint: &Checkpoint,
    heads: Option<usize>,
) -> Result<(Renamed<'_>, ModelManifest), CheckpointError> {
    let name = checkpoint.path().file_stem().unwrap_or_default().to_string_lossy();
    let mut incomplete = None;
    let mut refusal = None;
    for prefix in names::prefixes(checkpoint.tensors()) {
        let renamed = names::renamed(checkpoint.tensors(), &prefix)?;
        let found = match manifest(&name, &renamed, heads) {
            Ok(found) => found,
            Err(CheckpointError::Architecture(
                other @ (ArchitectureError::NotTold { .. } | ArchitectureError::Unknown),
            )) => {
                refusal.get_or_insert(other);
                continue;
            }
            Err(error) => return Err(error),
        };
        if found.tensors().iter().all(|spec| renamed.tensors.contains_key(&spec.name)) {
            return Ok((renamed, found));
        }
        incomplete.get_or_insert((renamed, found));
    }
    match (incomplete, refusal) {
        (Some(incomplete), _) => Ok(incomplete),
        (None, Some(refusal)) => Err(refusal.into()),
        (None, None) => Err(CheckpointError::NoTensors { known: Vec::new() }),
    }
}

/// The manifest that the tensors imply.
fn manifest(
    name: &str,
    renamed: &Renamed<'_>,
    heads: Option<usize>,
) -> Result<ModelManifest, CheckpointError> {
    let shapes = renamed.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice()));
    let told = Architecture::infer_with_heads(shapes.clone(), heads)?;
    let input = wanted::input(&told.0, shapes);
    Ok(ModelManifest::told(name.to_owned(), told, input)?)
}

/// The number type of all tensors, or single precision where they differ.
fn common_number<'a>(mut tensors: impl Iterator<Item = &'a &'a CheckpointTensor>) -> NumberType {
    let first = tensors.next().map_or(NumberType::F32, |tensor| tensor.number);
    let is_common = tensors.all(|tensor| tensor.number == first);
    if is_common && first != NumberType::F64 { first } else { NumberType::F32 }
}
