use std::fmt;
use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use plugin_api::FeatureRows;

use super::{Model, ModelError, to_host};
use crate::architecture::Architecture;
use crate::compute::Chunks;
use crate::folding::Folded;
use crate::layer::Layer;
use crate::network::{Convolution, Pass};
use crate::pixels::Pixels;

/// Multiplications of the forward passes in one call at most, see [`TunedModel::piece`]. One core makes some 20 (small
/// planes) to 40 (large planes) of them in a nanosecond, and a gradient costs about twice its forward pass.
const PIECE_MULTIPLICATIONS: usize = 400_000_000;

/// Images in one call at most, see [`TunedModel::piece`].
const MOST_IN_PIECE: usize = 64;

/// A model with its own copy of one [`Layer`], for one query: that copy is trained, everything else is shared with the
/// [`Model`], which never changes.
///
/// *What is trained*: batch normalisation is folded into the convolutions when a model is loaded, so the weights of a
/// layer are its folded kernels and biases; scale, shift and statistics of the normalisation no longer exist on
/// their own. Parts of a kernel that only ever meet padding are no weights. A copy that nobody changed gives exactly
/// the model's features.
///
/// *Memory*: two copies of the layer's weights, and about four more while a gradient is made.
///
/// *Determinism*: as the [`Model`]'s, the gradient included.
///
/// # Examples
///
/// One step of gradient descent on the sum of all features:
///
/// ```
/// use vision::{Architecture, Layer, Model, ModelManifest, Pixels, ResNetConfig};
///
/// let manifest = ModelManifest {
///     name: "small".into(),
///     architecture: Architecture::ResNet(ResNetConfig { base_width: 4, ..ResNetConfig::glyph_net() }),
///     channels: 1,
///     height: 16,
///     width: 16,
///     classes: vec!["a".into(), "b".into()],
///     normalisation: None,
/// };
/// let model = Model::seeded(manifest, 7)?;
/// let images = vec![Pixels::new(1, 16, 16, vec![0.5; 256])?];
///
/// let mut tuned = model.tunable(Layer::Layer4)?;
/// let entries = tuned.entries(&images)?;
/// let (before, slopes) = tuned.gradient(&entries, &mut |features| vec![1.0; features.values().len()])?;
/// tuned.update(|weights| weights.iter_mut().zip(&slopes).for_each(|(weight, slope)| *weight -= 1e-3 * slope));
///
/// let sum = |values: &[f32]| values.iter().sum::<f32>();
/// assert!(sum(tuned.features(&images)?.values()) < sum(before.values()));
/// assert_eq!(model.features(&images)?, before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TunedModel<'a> {
    model: &'a Model,
    layer: Layer,
    /// The layer's blocks.
    blocks: Range<usize>,
    /// Blocks of the network.
    end: usize,
    /// Number of the layer's first convolution.
    first: usize,
    /// Per convolution in the order of the forward pass: kernel in the gathering lowering's shape, then bias.
    weights: Vec<f32>,
    /// The same as the network takes it.
    folded: Vec<Folded>,
    piece: usize,
    chunks: Chunks,
}

impl Model {
    /// A copy of `layer` to be trained, on this model.
    ///
    /// # Errors
    ///
    /// [`ModelError::Backend`] when the device does not give its tensors back.
    pub fn tunable(&self, layer: Layer) -> Result<TunedModel<'_>, ModelError> {
        let Architecture::ResNet(config) = &self.manifest.architecture;
        let blocks = layer.blocks(config);
        let first = self.network.convolutions_of(blocks.clone()).next().map_or(0, |unit| unit.number);
        let (mut weights, mut folded) = (Vec::new(), Vec::new());
        for unit in self.network.convolutions_of(blocks.clone()) {
            let matrix = to_host(unit.parameters.matrix.clone())?;
            let bias = to_host(unit.parameters.bias.clone())?;
            let start = weights.len();
            weights.resize(start + kernel_length(unit), 0.0);
            let kernel = &mut weights[start..];
            let outputs = unit.outputs;
            unit.lowering.for_each_run(outputs, |here, there| {
                kernel[there..there + outputs].copy_from_slice(&matrix[here..here + outputs]);
            });
            weights.extend_from_slice(&bias[..outputs]);
            folded.push(unit.parameters.clone());
        }
        let cost = self.network.multiplications().max(1);
        let piece = (PIECE_MULTIPLICATIONS / cost).clamp(2, MOST_IN_PIECE);
        let chunks = self.chunks.at_most(piece.div_ceil(2));
        let end = config.depths.iter().sum();
        Ok(TunedModel { model: self, layer, blocks, end, first, weights, folded, piece, chunks })
    }
}

impl TunedModel<'_> {
    /// The model that everything else is shared with.
    pub fn model(&self) -> &Model {
        self.model
    }

    /// The layer that is trained.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// Images that [`TunedModel::entries`] or [`TunedModel::gradient`] should get in one call, at least 2: about as
    /// many as one core manages in 50 ms, so that a budget can be looked at in between. It depends on the model
    /// alone.
    pub fn piece(&self) -> usize {
        self.piece
    }

    /// The layer's weights: kernels and biases, in an order of their own.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Feature rows `[n, dimension]` with the layer as it is now.
    ///
    /// # Errors
    ///
    /// As [`Model::features`].
    pub fn features(&self, batch: &[Pixels]) -> Result<FeatureRows, ModelError> {
        let model = self.model;
        model.check(batch)?;
        let forward = |chunk: &[Pixels]| {
            let mut pass = self.pass(chunk.len(), &self.folded);
            let rows = pass.stem(model.normalised(model.input(chunk)));
            let rows = pass.blocks(0..self.end, rows);
            to_host(pass.features(rows))
        };
        let rows = model.chunks.map(model.chunks.of(batch), |chunk| model.not_alone(chunk, forward))?;
        model.feature_rows(rows.concat())
    }

    /// What the layer sees of each image, `[n, positions x channels]`. It does not depend on the layer's weights, so
    /// that rows of images that come again can be kept.
    ///
    /// # Errors
    ///
    /// As [`Model::features`].
    pub fn entries(&self, batch: &[Pixels]) -> Result<FeatureRows, ModelError> {
        let model = self.model;
        model.check(batch)?;
        let rows = self.chunks.map(self.chunks.of(batch), |chunk| {
            let mut pass = self.pass(chunk.len(), &self.folded);
            let rows = pass.stem(model.normalised(model.input(chunk)));
            to_host(pass.blocks(0..self.blocks.start, rows))
        })?;
        FeatureRows::new(self.entry_shape().iter().product(), rows.concat()).map_err(ModelError::Output)
    }

    /// Feature rows `[n, dimension]` of images that the layer sees as `entries`, and the gradient of a loss with
    /// respect to [`TunedModel::weights`].
    ///
    /// `cotangent` gets the feature rows and gives the loss's gradient with respect to them, row by row. The whole
    /// batch stays in memory between the two passes: give a [`TunedModel::piece`] at a time.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when the rows are not this layer's, when `cotangent` gives another number of values, or when
    /// the network puts out a value that is not finite.
    pub fn gradient(
        &self,
        entries: &FeatureRows,
        cotangent: &mut dyn FnMut(&FeatureRows) -> Vec<f32>,
    ) -> Result<(FeatureRows, Vec<f32>), ModelError> {
        let (found, expected) = (entries.dimension(), self.entry_shape().iter().product());
        if found != expected {
            return Err(ModelError::Entry { layer: self.layer, found, expected });
        }
        let rows: Vec<&[f32]> = entries.rows().collect();
        let tapes = self.chunks.map(self.chunks.of(&rows), |chunk| self.tape(chunk))?;
        let features = tapes.iter().flat_map(|tape| &tape.values).copied().collect();
        let features = self.model.feature_rows(features)?;
        let pulled = super::checked(cotangent(&features), &features)?;
        let mut left = pulled.as_slice();
        let tasks = tapes.into_iter().map(|tape| {
            let (of_chunk, rest) = left.split_at(tape.values.len());
            left = rest;
            (tape, of_chunk)
        });
        let slopes = self.chunks.map(tasks.collect(), |(tape, pulled)| self.pulled_back(tape, pulled))?;
        let mut slopes = slopes.into_iter();
        let mut sum = slopes.next().unwrap_or_else(|| vec![0.0; self.weights.len()]);
        for of_chunk in slopes {
            sum.iter_mut().zip(of_chunk).for_each(|(sum, slope)| *sum += slope);
        }
        if sum.iter().all(|slope| slope.is_finite()) {
            Ok((features, sum))
        } else {
            Err(ModelError::Gradient { layer: self.layer })
        }
    }

    /// Changes the weights in place by `step`.
    pub fn update(&mut self, step: impl FnOnce(&mut [f32])) {
        step(&mut self.weights);
        let mut left = self.weights.as_slice();
        let units = self.model.network.convolutions_of(self.blocks.clone());
        for (folded, unit) in self.folded.iter_mut().zip(units) {
            let (kernel, rest) = left.split_at(kernel_length(unit));
            let (bias, rest) = rest.split_at(unit.outputs);
            left = rest;
            let [rows, columns] = unit.lowering.matrix_shape(unit.outputs);
            let mut matrix = vec![0.0; rows * columns];
            unit.lowering.for_each_run(unit.outputs, |here, there| {
                matrix[here..here + unit.outputs].copy_from_slice(&kernel[there..there + unit.outputs]);
            });
            let bias = bias.repeat(unit.lowering.bias_repeats());
            let device = &self.model.device;
            folded.matrix = Tensor::from_data(TensorData::new(matrix, [rows, columns]), device);
            folded.bias = Tensor::from_data(TensorData::new(bias, [1, columns]), device);
        }
    }

    /// Positions and channels of what the layer sees of one image.
    fn entry_shape(&self) -> [usize; 2] {
        let mut units = self.model.network.convolutions_of(self.blocks.clone());
        units.next().map_or([1, 1], |unit| unit.lowering.shape_in())
    }

    /// A forward pass in which `own` stands for the layer's convolutions.
    fn pass<'a>(
        &'a self,
        images: usize,
        own: &'a [Folded],
    ) -> Pass<'a, Folded, impl FnMut(&Convolution<Folded>, Tensor<2>) -> Tensor<2>> {
        self.model.network.pass(images, move |unit: &Convolution<Folded>, columns| {
            let own = unit.number.checked_sub(self.first).and_then(|number| own.get(number));
            own.unwrap_or(&unit.parameters).product(columns)
        })
    }

    /// The forward pass of a chunk of entry rows, recorded from the layer on.
    fn tape(&self, chunk: &[&[f32]]) -> Result<Tape, ModelError> {
        let leaf = |tensor: &Tensor<2>| tensor.clone().autodiff().require_grad();
        let leaves: Vec<Folded> = self
            .folded
            .iter()
            .map(|folded| Folded { matrix: leaf(&folded.matrix), bias: leaf(&folded.bias) })
            .collect();
        let [positions, channels] = self.entry_shape();
        let rows = TensorData::new(chunk.concat(), [chunk.len() * positions, channels]);
        let rows = Tensor::from_data(rows, &self.model.device);
        let mut pass = self.pass(chunk.len(), &leaves);
        let rows = pass.blocks(self.blocks.start..self.end, rows);
        let features = pass.features(rows);
        drop(pass);
        let values = to_host(features.clone().inner())?;
        Ok(Tape { leaves, features, values })
    }

    /// The gradient of a chunk in the order of the weights.
    fn pulled_back(&self, tape: Tape, pulled: &[f32]) -> Result<Vec<f32>, ModelError> {
        let shape = tape.features.dims();
        let pulled = Tensor::from_data(TensorData::new(pulled.to_vec(), shape), &self.model.device);
        let mut gradients = (tape.features * pulled).sum().backward();
        let mut slopes = Vec::with_capacity(self.weights.len());
        let units = self.model.network.convolutions_of(self.blocks.clone());
        for (leaf, unit) in tape.leaves.iter().zip(units) {
            let mut of =
                |leaf: &Tensor<2>| to_host(leaf.grad_remove(&mut gradients).ok_or(ModelError::NoGradient)?);
            let (matrix, bias) = (of(&leaf.matrix)?, of(&leaf.bias)?);
            let (start, outputs) = (slopes.len(), unit.outputs);
            slopes.resize(start + kernel_length(unit) + outputs, 0.0);
            let (kernel, of_bias) = slopes[start..].split_at_mut(kernel_length(unit));
            unit.lowering.for_each_run(outputs, |here, there| {
                add(&mut kernel[there..], &matrix[here..here + outputs]);
            });
            bias.chunks_exact(outputs).for_each(|bias| add(of_bias, bias));
        }
        Ok(slopes)
    }
}

/// The recorded forward pass of a chunk.
struct Tape {
    leaves: Vec<Folded>,
    features: Tensor<2>,
    values: Vec<f32>,
}

/// Weights of a convolution without its bias.
fn kernel_length(unit: &Convolution<Folded>) -> usize {
    unit.lowering.gathering_rows(unit.outputs) * unit.outputs
}

fn add(sum: &mut [f32], part: &[f32]) {
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
}

/// Prints the model and the layer only.
impl fmt::Debug for TunedModel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunedModel")
            .field("model", &self.model)
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests;
