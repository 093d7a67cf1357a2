use std::fmt;
use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use lookalike_plugin_api::FeatureRows;

use super::{Model, ModelError, to_host};
use crate::compute::Chunks;
use crate::layer::Layer;
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
/// their own. Parts of a kernel that only ever meet padding are no weights. Of a Vision Transformer all parameters of
/// the layer's blocks are trained, those of their normalisations among them. A copy that nobody changed gives
/// exactly the model's features.
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
/// use lookalike_vision::{Architecture, Layer, Model, ModelManifest, Pixels, ResNetConfig};
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
    /// The numbers of their parameters.
    numbers: Range<usize>,
    /// Parameter by parameter, see [`Backbone::for_each_run`](crate::backbone::Backbone::for_each_run).
    weights: Vec<f32>,
    /// The parameters of the whole network with those of the layer as they are now.
    parameters: Vec<Tensor<2>>,
    piece: usize,
    chunks: Chunks,
}

impl Model {
    /// A copy of `layer` to be trained, on this model.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoLayer`] when the network has too few blocks for it, and [`ModelError::Backend`] when the device
    /// does not give its tensors back.
    pub fn tunable(&self, layer: Layer) -> Result<TunedModel<'_>, ModelError> {
        let count = self.backbone.blocks();
        let blocks = layer.blocks(&self.manifest.architecture, count);
        if blocks.is_empty() {
            return Err(ModelError::NoLayer { layer, blocks: count });
        }
        let numbers = self.backbone.parameters_of(blocks.clone());
        let mut weights = Vec::new();
        for number in numbers.clone() {
            let values = to_host(self.parameters[number].clone())?;
            let start = weights.len();
            weights.resize(start + self.backbone.weights_in(number), 0.0);
            let own = &mut weights[start..];
            self.backbone.for_each_run(number, |value, weight, length| {
                own[weight..weight + length].copy_from_slice(&values[value..value + length]);
            });
        }
        let cost = self.backbone.multiplications().max(1);
        let piece = (PIECE_MULTIPLICATIONS / cost).clamp(2, MOST_IN_PIECE);
        let chunks = self.chunks.at_most(piece.div_ceil(2));
        let parameters = self.parameters.clone();
        Ok(TunedModel { model: self, layer, blocks, numbers, weights, parameters, piece, chunks })
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

    /// The layer's weights, in an order of their own.
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
            let input = model.normalised(model.input(chunk));
            to_host(model.backbone.forward(&self.parameters, input, chunk.len()))
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
            let input = model.normalised(model.input(chunk));
            to_host(model.backbone.entries(&self.parameters, input, chunk.len(), self.blocks.start))
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
        let backbone = &self.model.backbone;
        let mut left = self.weights.as_slice();
        for number in self.numbers.clone() {
            let (own, rest) = left.split_at(backbone.weights_in(number));
            left = rest;
            let shape = backbone.shape(number);
            let mut values = vec![0.0; shape.iter().product()];
            backbone.for_each_run(number, |value, weight, length| {
                values[value..value + length].copy_from_slice(&own[weight..weight + length]);
            });
            self.parameters[number] = Tensor::from_data(TensorData::new(values, shape), &self.model.device);
        }
    }

    /// Positions and channels of what the layer sees of one image.
    fn entry_shape(&self) -> [usize; 2] {
        self.model.backbone.entry_shape(self.blocks.start)
    }

    /// The forward pass of a chunk of entry rows, recorded from the layer on.
    fn tape(&self, chunk: &[&[f32]]) -> Result<Tape, ModelError> {
        let mut parameters = self.parameters.clone();
        let own = &mut parameters[self.numbers.clone()];
        own.iter_mut().for_each(|tensor| *tensor = tensor.clone().autodiff().require_grad());
        let leaves = own.to_vec();
        let [positions, channels] = self.entry_shape();
        let rows = TensorData::new(chunk.concat(), [chunk.len() * positions, channels]);
        let rows = Tensor::from_data(rows, &self.model.device);
        let features = self.model.backbone.finished(&parameters, rows, chunk.len(), self.blocks.start);
        let values = to_host(features.clone().inner())?;
        Ok(Tape { leaves, features, values })
    }

    /// The gradient of a chunk in the order of the weights.
    fn pulled_back(&self, tape: Tape, pulled: &[f32]) -> Result<Vec<f32>, ModelError> {
        let shape = tape.features.dims();
        let pulled = Tensor::from_data(TensorData::new(pulled.to_vec(), shape), &self.model.device);
        let mut gradients = (tape.features * pulled).sum().backward();
        let backbone = &self.model.backbone;
        let mut slopes = Vec::with_capacity(self.weights.len());
        for (leaf, number) in tape.leaves.iter().zip(self.numbers.clone()) {
            let values = to_host(leaf.grad_remove(&mut gradients).ok_or(ModelError::NoGradient)?)?;
            let start = slopes.len();
            slopes.resize(start + backbone.weights_in(number), 0.0);
            let own = &mut slopes[start..];
            backbone.for_each_run(number, |value, weight, length| {
                add(&mut own[weight..], &values[value..value + length]);
            });
        }
        Ok(slopes)
    }
}

/// The recorded forward pass of a chunk.
struct Tape {
    leaves: Vec<Tensor<2>>,
    features: Tensor<2>,
    values: Vec<f32>,
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
