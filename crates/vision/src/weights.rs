//! Weights as the file names them: unfolded, in `f32`, on the host.

use std::collections::BTreeMap;

use lookalike_plugin_api::Digest;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::head::Head;
use crate::number::NumberType;

/// What `PyTorch` adds to the variance, so that a constant channel does not divide by zero.
pub(crate) const VARIANCE_FLOOR: f64 = 1e-5;

/// Name suffix of a counter that PyTorch stores beside each normalisation and nothing here needs.
pub(crate) const COUNTER: &str = ".num_batches_tracked";

/// Last part of the name of the values whose root a normalisation divides by.
pub(crate) const VARIANCE: &str = "running_var";

/// A tensor's name and shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorSpec {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

/// The parameters of one normalisation, a value per channel each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormParameters<'a> {
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) variance: &'a [f32],
}

/// The tensors of one network, complete and of the right shapes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// How weights are stored in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightsFormat {
    /// Half precision: half the size, three decimal digits.
    F16,
    /// Single precision, exact.
    F32,
}

/// Names and shapes of all tensors in a safetensors file.
pub(crate) fn shapes_in(file: &[u8]) -> Result<Vec<TensorSpec>, WeightsError> {
    let file = SafeTensors::deserialize(file).map_err(WeightsError::Header)?;
    let specs =
        file.iter().map(|(name, view)| TensorSpec { name: name.to_owned(), shape: view.shape().to_vec() });
    Ok(specs.collect())
}

impl Weights {
    /// Reads exactly the tensors of `specs` from a safetensors file.
    pub(crate) fn read(file: &[u8], specs: &[TensorSpec]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(file).map_err(WeightsError::Header)?;
        let mut tensors = BTreeMap::new();
        for spec in specs {
            let Ok(view) = file.tensor(&spec.name) else {
                return Err(WeightsError::Missing { name: spec.name.clone(), shape: spec.shape.clone() });
            };
            if view.shape() != spec.shape {
                return Err(WeightsError::Shape {
                    name: spec.name.clone(),
                    found: view.shape().to_vec(),
                    expected: spec.shape.clone(),
                });
            }
            let values = decode(&spec.name, &view)?;
            if spec.name.ends_with(VARIANCE) && values.iter().any(|&variance| variance < 0.0) {
                return Err(WeightsError::Variance { name: spec.name.clone() });
            }
            tensors.insert(spec.name.clone(), (spec.shape.clone(), values));
        }
        let mut unused: Vec<&str> = file.names();
        unused.retain(|name| !tensors.contains_key(*name) && !name.ends_with(COUNTER));
        unused.sort_unstable();
        match unused.first() {
            Some(first) => Err(WeightsError::Unused { name: (*first).to_owned(), count: unused.len() }),
            None => Ok(Self { tensors }),
        }
    }

    /// Weights made by `make` from each tensor's spec.
    pub(crate) fn from_fn(specs: &[TensorSpec], mut make: impl FnMut(&TensorSpec) -> Vec<f32>) -> Self {
        let tensors =
            specs.iter().map(|spec| (spec.name.clone(), (spec.shape.clone(), make(spec)))).collect();
        Self { tensors }
    }

    /// The values of a tensor that the specs named.
    ///
    /// Empty for any other name, which no caller asks for.
    pub(crate) fn values(&self, name: &str) -> &[f32] {
        self.tensors.get(name).map_or(&[], |(_, values)| values)
    }

    /// [`Weights::values`], to be changed in place.
    pub(crate) fn values_mut(&mut self, name: &str) -> &mut [f32] {
        self.tensors.get_mut(name).map_or(&mut [], |(_, values)| values)
    }

    /// The parameters of the normalisation `name`.
    pub(crate) fn norm(&self, name: &str) -> NormParameters<'_> {
        let part = |part: &str| self.values(&format!("{name}.{part}"));
        NormParameters {
            scale: part("weight"),
            shift: part("bias"),
            mean: part("running_mean"),
            variance: part(VARIANCE),
        }
    }

    /// The last layer, whose name is [`Architecture::head_name`](crate::architecture::Architecture::head_name).
    pub(crate) fn head(&self, name: &str) -> Head {
        let part = |part: &str| self.values(&format!("{name}.{part}")).to_vec();
        Head::from_valid(part("weight"), part("bias"))
    }

    /// Digest over names, shapes and values in the order of the names.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for (name, (shape, values)) in &self.tensors {
            hash_tensor(&mut hasher, name, shape);
            hash_values(&mut hasher, values);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// The safetensors file.
    pub(crate) fn to_file(&self, format: WeightsFormat) -> Result<Vec<u8>, WeightsError> {
        let (dtype, number) = match format {
            WeightsFormat::F16 => (Dtype::F16, NumberType::F16),
            WeightsFormat::F32 => (Dtype::F32, NumberType::F32),
        };
        let encoded: Vec<(&str, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| (name.as_str(), shape.as_slice(), number.encoded(values)))
            .collect();
        let mut views = Vec::with_capacity(encoded.len());
        for (name, shape, bytes) in &encoded {
            let view = TensorView::new(dtype, shape.to_vec(), bytes).map_err(WeightsError::Header)?;
            views.push((*name, view));
        }
        safetensors::serialize(views, None).map_err(WeightsError::Header)
    }
}

/// Feeds a tensor's name and shape to a hasher.
pub(crate) fn hash_tensor(hasher: &mut blake3::Hasher, name: &str, shape: &[usize]) {
    hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
    hasher.update(&(shape.len() as u64).to_le_bytes());
    for &side in shape {
        hasher.update(&(side as u64).to_le_bytes());
    }
}

/// Feeds values to a hasher as little-endian bytes.
pub(crate) fn hash_values(hasher: &mut blake3::Hasher, values: &[f32]) {
    let mut buffer = Vec::with_capacity(4 * 4096);
    for part in values.chunks(4096) {
        buffer.clear();
        buffer.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        hasher.update(&buffer);
    }
}

fn decode(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, WeightsError> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the format keeps growing number types that no weights use"
    )]
    let number = match view.dtype() {
        Dtype::F32 => NumberType::F32,
        Dtype::F16 => NumberType::F16,
        Dtype::BF16 => NumberType::Bf16,
        found => return Err(WeightsError::Dtype { name: name.to_owned(), found: format!("{found:?}") }),
    };
    let values = number.decoded(view.data());
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(WeightsError::NotFinite { name: name.to_owned() })
    }
}

/// Why a weights file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file is no safetensors file, or a damaged one.
    #[error("the weights are no readable safetensors file")]
    Header(#[source] SafeTensorError),
    /// A tensor of the network is not in the file.
    #[error("weights lack tensor \"{name}\" of shape {shape:?}; check the manifest's architecture")]
    Missing {
        /// The first missing tensor in the order of the network.
        name: String,
        /// The shape it should have.
        shape: Vec<usize>,
    },
    /// A tensor has another shape.
    #[error("tensor \"{name}\" has shape {found:?}, the architecture needs {expected:?}")]
    Shape {
        /// The first wrong tensor in the order of the network.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape of the network.
        expected: Vec<usize>,
    },
    /// The file holds tensors that the network does not have.
    #[error("weights hold {count} tensors that the architecture lacks, the first is \"{name}\"")]
    Unused {
        /// The first of them by name.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// A tensor is stored in a number type that weights do not use.
    #[error("tensor \"{name}\" is stored as {found}; f32, f16 and bf16 are read")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its number type.
        found: String,
    },
    /// A tensor holds a NaN or an infinity.
    #[error("tensor \"{name}\" holds a value that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// A running variance is negative.
    #[error("tensor \"{name}\" holds a negative variance")]
    Variance {
        /// The tensor.
        name: String,
    },
}

#[cfg(test)]
mod tests;
