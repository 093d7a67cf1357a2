use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{FloatDType, Tensor, TensorData};
use lookalike_plugin_api::{Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image, RowsError};

use crate::backbone::Backbone;
use crate::compute::{Chunks, ComputeConfig, DeviceError, Precision};
use crate::head::Head;
use crate::layer::Layer;
use crate::manifest::{ManifestError, ModelManifest};
use crate::pixels::Pixels;
use crate::seeded::seeded_weights;
use crate::weights::{Weights, WeightsError, hash_values};

mod tuned;

pub use tuned::TunedModel;

/// Values in the left side of the largest matrix product of one chunk, at most, unless a single image needs more.
const MAX_COLUMN_VALUES: usize = 1 << 24;

/// A classifier with fixed weights: backbone and [`Head`].
///
/// *Shapes:* an input is [`Pixels`] of the manifest's channels and size, see [`Model::prepare`]; a feature row has
/// the head's dimension; a row of logits has one value per class.
///
/// *Determinism:* on the processor the same image gives the same feature row, bit for bit, in any batch, for any number
/// of threads and whatever else the process does. Gradients may differ in their last bits between batches of different
/// length.
///
/// A model never changes after loading, and may be used from several threads at once.
pub struct Model {
    manifest: ModelManifest,
    fingerprint: Fingerprint,
    head: Head,
    backbone: Backbone,
    /// The backbone's, see [`Backbone::parameters`].
    parameters: Vec<Tensor<2>>,
    normalisation: Option<Scaling>,
    device: burn::tensor::Device,
    chunks: Chunks,
    precision: Precision,
}

/// `(pixel - mean) x factor`, each `[1, channels]`.
struct Scaling {
    mean: Tensor<2>,
    factor: Tensor<2>,
}

impl Model {
    /// A model from its manifest and the bytes of its safetensors file.
    ///
    /// The file must hold exactly the tensors of the architecture under the names that [`Architecture::infer`] reads,
    /// in `f32`, `f16` or `bf16`. Batch normalisation is folded into the convolutions.
    ///
    /// [`Architecture::infer`]: crate::Architecture::infer
    ///
    /// # Errors
    ///
    /// [`ModelError`] when the manifest is not valid, when the device is not compiled in, or when the file is
    /// damaged or of another architecture; the first wrong tensor is named.
    pub fn load(manifest: ModelManifest, weights: &[u8], compute: ComputeConfig) -> Result<Self, ModelError> {
        manifest.validate()?;
        let weights = Weights::read(weights, &manifest.tensors())?;
        Self::build(manifest, &weights, &compute)
    }

    /// A model from its safetensors file and the manifest beside it, see [`ModelManifest::path_beside`].
    ///
    /// # Errors
    ///
    /// As [`Model::load`], and when a file cannot be read.
    pub fn open(weights: &Path, compute: ComputeConfig) -> Result<Self, ModelError> {
        let manifest = ModelManifest::beside(weights)?;
        let file =
            fs::read(weights).map_err(|source| ModelError::Read { path: weights.to_owned(), source })?;
        Self::load_owned(manifest, file, compute)
    }

    /// [`Model::load`] of bytes that nobody else needs.
    ///
    /// *Memory:* twice the weights in `f32` at most, where the lowerings of the convolutions do not repeat them: the bytes
    /// are given back before the normalisations are folded.
    ///
    /// # Errors
    ///
    /// As [`Model::load`].
    pub fn load_owned(
        manifest: ModelManifest,
        weights: Vec<u8>,
        compute: ComputeConfig,
    ) -> Result<Self, ModelError> {
        manifest.validate()?;
        let read = Weights::read(&weights, &manifest.tensors())?;
        drop(weights);
        Self::build(manifest, &read, &compute)
    }

    /// A model with random weights, on the processor: the same seed gives the same model. It classifies nothing;
    /// it is for tests that need a small network and no file.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when the manifest is not valid.
    pub fn seeded(manifest: ModelManifest, seed: u64) -> Result<Self, ModelError> {
        Self::seeded_on(manifest, seed, &ComputeConfig::default())
    }

    /// [`Model::seeded`] where and as `compute` says.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when the manifest is not valid or the device not there.
    pub fn seeded_on(
        manifest: ModelManifest,
        seed: u64,
        compute: &ComputeConfig,
    ) -> Result<Self, ModelError> {
        manifest.validate()?;
        let weights = seeded_weights(&manifest, seed);
        Self::build(manifest, &weights, compute)
    }

    /// A model from weights that are known to fit the manifest.
    fn build(
        manifest: ModelManifest,
        weights: &Weights,
        compute: &ComputeConfig,
    ) -> Result<Self, ModelError> {
        let device = compute.open()?;
        let head = weights.head(manifest.architecture.head_name());
        let backbone = Backbone::for_inference(&manifest, &device);
        let parameters = backbone.parameters(weights, &device);
        let row =
            |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [1, manifest.channels]), &device);
        let normalisation = manifest.normalisation.as_ref().map(|normalisation| Scaling {
            mean: row(normalisation.mean.clone()),
            factor: row(normalisation.std.iter().map(|std| 1.0 / std).collect()),
        });
        let fingerprint = manifest.fingerprint(weights.digest());
        let chunks = Chunks::new(compute, MAX_COLUMN_VALUES / backbone.largest_columns().max(1));
        tracing::debug!(model = %fingerprint, device = %compute.device, "model loaded");
        let precision = compute.precision;
        Ok(Self {
            manifest,
            fingerprint,
            head,
            backbone,
            parameters,
            normalisation,
            device,
            chunks,
            precision,
        })
    }

    /// Batches of [`DEFAULT_CHUNK`](crate::DEFAULT_CHUNK) images that it had best be given at once, each from a thread of
    /// its own; 1 on a device that is parallel inside.
    pub fn threads(&self) -> usize {
        self.chunks.threads()
    }

    /// The manifest it was loaded with.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Identity of weights and preprocessing. The weights' digest covers the tensors as the file has them.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The last layer.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Digest of the weights as they are in memory now.
    ///
    /// It differs from the fingerprint's, which covers the tensors before folding. Two equal answers prove that
    /// nothing changed in between.
    ///
    /// # Errors
    ///
    /// [`ModelError::Backend`] when the device does not give its tensors back.
    pub fn weights_digest(&self) -> Result<Digest, ModelError> {
        let mut hasher = blake3::Hasher::new();
        for tensor in &self.parameters {
            hash_values(&mut hasher, &to_host(tensor.clone())?);
        }
        hash_values(&mut hasher, self.head.weight());
        hash_values(&mut hasher, self.head.bias());
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// Multiplications of one image's forward pass through the convolutions, each with an addition: two floating-point
    /// operations.
    pub fn multiplications(&self) -> usize {
        self.backbone.multiplications()
    }

    /// The network's input for an image: channels converted, resized to the input, scaled to 0..=1.
    ///
    /// The manifest's normalisation is not applied: it belongs to the network, so that blends happen before it.
    pub fn prepare(&self, image: &Image) -> Pixels {
        let ModelManifest { channels, height, width, .. } = self.manifest;
        Pixels::from_image(image, channels, height, width)
    }

    /// Feature rows, `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when an input has another shape than the model's, or when the network puts out a value that
    /// is not finite.
    pub fn features(&self, batch: &[Pixels]) -> Result<FeatureRows, ModelError> {
        self.check(batch)?;
        let rows = self.chunks.map(self.chunks.of(batch), |chunk| {
            self.not_alone(chunk, |chunk| {
                to_host(self.forward(self.input(chunk), chunk.len(), self.precision))
            })
        })?;
        self.feature_rows(rows.concat())
    }

    /// Logits, `[n, classes]`.
    ///
    /// # Errors
    ///
    /// As [`Model::features`].
    pub fn logits(&self, batch: &[Pixels]) -> Result<FeatureRows, ModelError> {
        self.logit_rows(&self.features(batch)?)
    }

    /// Logits, and the gradient of a loss with respect to the pixels.
    ///
    /// `cotangent` gets the logits `[n, classes]` and gives the loss's gradient with respect to them, row by row.
    /// The whole batch stays in memory between the two passes.
    ///
    /// # Errors
    ///
    /// As [`Model::features`], and when `cotangent` gives another number of values.
    pub fn pullback(
        &self,
        batch: &[Pixels],
        cotangent: &mut dyn FnMut(&FeatureRows) -> Vec<f32>,
    ) -> Result<(FeatureRows, Vec<Pixels>), ModelError> {
        self.pulled_back(batch, |features| {
            let logits = self.logit_rows(&features)?;
            let cotangent = checked(cotangent(&logits), &logits)?;
            let pulled = self.head.pullback(&cotangent);
            Ok((logits, pulled))
        })
    }

    /// Feature rows, and the gradient of a loss with respect to the pixels: as [`Model::pullback`], for a loss of the
    /// features `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// As [`Model::pullback`].
    pub fn feature_pullback(
        &self,
        batch: &[Pixels],
        cotangent: &mut dyn FnMut(&FeatureRows) -> Vec<f32>,
    ) -> Result<(FeatureRows, Vec<Pixels>), ModelError> {
        self.pulled_back(batch, |features| {
            let pulled = checked(cotangent(&features), &features)?;
            Ok((features, pulled))
        })
    }

    /// What `outcome` makes of the features, and the gradient with respect to the pixels of a loss whose gradient
    /// with respect to the features it gives.
    fn pulled_back<T>(
        &self,
        batch: &[Pixels],
        outcome: impl FnOnce(FeatureRows) -> Result<(T, Vec<f32>), ModelError>,
    ) -> Result<(T, Vec<Pixels>), ModelError> {
        self.check(batch)?;
        let taped = self.chunks.map(self.chunks.for_gradients(batch), |chunk| {
            let input = self.input(chunk).autodiff().require_grad();
            let features = self.forward(input.clone(), chunk.len(), Precision::F32);
            let values = to_host(features.clone().inner())?;
            Ok::<_, ModelError>((input, features, values))
        })?;
        let mut values = Vec::with_capacity(batch.len() * self.head.dimension());
        let mut tapes = Vec::with_capacity(taped.len());
        for (input, features, of_chunk) in taped {
            values.extend(of_chunk);
            tapes.push((input, features));
        }
        let (outcome, pulled) = outcome(self.feature_rows(values)?)?;
        let mut left = pulled.as_slice();
        let tasks = tapes.into_iter().map(|(input, features): (Tensor<2>, Tensor<2>)| {
            let (of_chunk, rest) = left.split_at(features.dims()[0] * self.head.dimension());
            left = rest;
            (input, features, of_chunk)
        });
        let gradients = self.chunks.map(tasks.collect(), |(input, features, of_chunk)| {
            let pulled = Tensor::from_data(TensorData::new(of_chunk.to_vec(), features.dims()), &self.device);
            let mut gradients = (features * pulled).sum().backward();
            match input.grad_remove(&mut gradients) {
                Some(gradient) => self.output(&to_host(gradient)?),
                None => Err(ModelError::NoGradient),
            }
        })?;
        Ok((outcome, gradients.into_iter().flatten().collect()))
    }

    /// Rows of the images, of which there are two at least when `forward` gets them: matrix products of one image take
    /// another way than those of several and round differently.
    fn not_alone(
        &self,
        chunk: &[Pixels],
        forward: impl Fn(&[Pixels]) -> Result<Vec<f32>, ModelError>,
    ) -> Result<Vec<f32>, ModelError> {
        let [alone] = chunk else { return forward(chunk) };
        let mut rows = forward(&[alone.clone(), alone.clone()])?;
        rows.truncate(self.head.dimension());
        Ok(rows)
    }

    fn check(&self, batch: &[Pixels]) -> Result<(), ModelError> {
        let expected = [self.manifest.channels, self.manifest.height, self.manifest.width];
        let shape = |pixels: &Pixels| [pixels.channels(), pixels.height(), pixels.width()];
        match batch.iter().position(|pixels| shape(pixels) != expected) {
            Some(position) => Err(ModelError::Input { position, found: shape(&batch[position]), expected }),
            None => Ok(()),
        }
    }

    /// Pixels as the network's channels-last rows.
    fn input(&self, chunk: &[Pixels]) -> Tensor<2> {
        let channels = self.manifest.channels;
        let positions = self.manifest.height * self.manifest.width;
        let mut rows = Vec::with_capacity(chunk.len() * channels * positions);
        for pixels in chunk {
            rows.extend(pixels.channels_last());
        }
        Tensor::from_data(TensorData::new(rows, [chunk.len() * positions, channels]), &self.device)
    }

    /// The inverse of [`Model::input`], for gradients.
    fn output(&self, rows: &[f32]) -> Result<Vec<Pixels>, ModelError> {
        let ModelManifest { channels, height, width, .. } = self.manifest;
        let positions = height * width;
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            let row = at / (positions * channels);
            return Err(ModelError::Output(RowsError::NotFinite {
                row,
                column: at % (positions * channels),
            }));
        }
        let planar = |image: &[f32]| {
            let values =
                (0..channels).flat_map(|channel| image.iter().skip(channel).step_by(channels).copied());
            Pixels::from_valid_values(channels, height, width, values.collect())
        };
        Ok(rows.chunks_exact(positions * channels).map(planar).collect())
    }

    /// Features in `f32`, whatever the precision in between.
    fn forward(&self, input: Tensor<2>, images: usize, precision: Precision) -> Tensor<2> {
        let input = self.normalised(input);
        if precision == Precision::F32 {
            return self.backbone.forward(&self.parameters, input, images);
        }
        // Cast for every chunk: a second copy of all weights would stay in memory else.
        let parameters: Vec<Tensor<2>> =
            self.parameters.iter().map(|parameter| precision.of(parameter.clone())).collect();
        self.backbone.forward(&parameters, precision.of(input), images).cast(FloatDType::F32)
    }

    fn normalised(&self, input: Tensor<2>) -> Tensor<2> {
        match &self.normalisation {
            Some(scaling) => (input - scaling.mean.clone()) * scaling.factor.clone(),
            None => input,
        }
    }

    fn feature_rows(&self, values: Vec<f32>) -> Result<FeatureRows, ModelError> {
        FeatureRows::new(self.head.dimension(), values).map_err(ModelError::Output)
    }

    fn logit_rows(&self, features: &FeatureRows) -> Result<FeatureRows, ModelError> {
        FeatureRows::new(self.head.classes(), self.head.logits(features)).map_err(ModelError::Output)
    }
}

fn checked(cotangent: Vec<f32>, rows: &FeatureRows) -> Result<Vec<f32>, ModelError> {
    let (found, expected) = (cotangent.len(), rows.values().len());
    if found == expected { Ok(cotangent) } else { Err(ModelError::Cotangent { found, expected }) }
}

fn to_host(tensor: Tensor<2>) -> Result<Vec<f32>, ModelError> {
    let data = tensor.try_into_data().map_err(|error| ModelError::Backend { what: error.to_string() })?;
    data.try_into_vec().map_err(|error| ModelError::Backend { what: error.to_string() })
}

/// Prints the manifest only.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl Embedder for Model {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        let batch: Vec<Pixels> = images.iter().map(|image| self.prepare(image)).collect();
        self.features(&batch).map_err(EmbedError::new)
    }
}

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The weights file cannot be read.
    #[error("weights \"{}\" cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An input has the wrong shape.
    #[error("input {position} has shape {found:?}, the model takes {expected:?} (channels, height, width)")]
    Input {
        /// Its place in the batch.
        position: usize,
        /// Its channels, height and width.
        found: [usize; 3],
        /// The model's.
        expected: [usize; 3],
    },
    /// A loss's gradient has the wrong length.
    #[error("the gradient of the network's output has {found} values, {expected} are needed")]
    Cotangent {
        /// Values given.
        found: usize,
        /// Images times classes, or times the features' dimension.
        expected: usize,
    },
    /// The network put out a NaN or an infinity.
    #[error("the network's output is broken")]
    Output(#[source] RowsError),
    /// The backend did not give a tensor back.
    #[error("the device failed: {what}")]
    Backend {
        /// The backend's own words.
        what: String,
    },
    /// The backend recorded no gradient for the input or for a weight.
    #[error("the device gave no gradient")]
    NoGradient,
    /// The network has too few blocks for the layer.
    #[error(
        "the network has {blocks} blocks, none of which is \"{layer}\"; fine-tune \"layer4\", or the head alone"
    )]
    NoLayer {
        /// The layer.
        layer: Layer,
        /// Blocks behind the stem.
        blocks: usize,
    },
    /// The gradient of a layer's weights holds a NaN or an infinity.
    #[error("the gradient of \"{layer}\" is not finite; lower the learning rate")]
    Gradient {
        /// The layer.
        layer: Layer,
    },
    /// Rows are not what a layer sees.
    #[error(
        "rows have {found} values, \"{layer}\" sees {expected} of an image; make them with `TunedModel::entries`"
    )]
    Entry {
        /// The layer.
        layer: Layer,
        /// Values in a row given.
        found: usize,
        /// Values that the layer sees of one image.
        expected: usize,
    },
}

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;
