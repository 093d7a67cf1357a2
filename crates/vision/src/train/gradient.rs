//! The loss of a few images and its gradient.

use burn::tensor::{Device as BurnDevice, Gradients, Tensor, TensorData, activation};

use super::TrainError;
use crate::compute::Device;
use crate::lowering::Lowering;
use crate::manifest::ModelManifest;
use crate::network::Network;
use crate::pixels::Pixels;
use crate::resnet::{ConvolutionSpec, ResNet};
use crate::weights::{VARIANCE_FLOOR, Weights};

/// Share of a new batch in the running statistics.
const STATISTICS_RATE: f32 = 0.1;

/// A network's input with its class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labelled {
    pub(super) pixels: Pixels,
    pub(super) class: usize,
}

/// A parameter on the host, as a matrix.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) values: Vec<f32>,
    shape: [usize; 2],
    /// Whether weight decay pulls at it: kernels and the head's weights.
    pub(super) decays: bool,
}

/// One layer's place among the parameters, and its running statistics.
#[derive(Debug)]
struct NormStatistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

/// A network whose weights are being made.
#[derive(Debug)]
pub(super) struct Trainee {
    network: Network<usize>,
    layers: Vec<ConvolutionSpec>,
    scaling: Option<[Vec<f32>; 2]>,
    /// Kernel, scale and shift of each layer, then weight (transposed) and bias of the head.
    pub(super) parameters: Vec<Parameter>,
    statistics: Vec<NormStatistics>,
    classes: usize,
    weights: Weights,
    device: BurnDevice,
}

/// Loss and gradient of a shard, or of a batch once merged.
#[derive(Debug)]
pub(super) struct Gradient {
    /// Mean over the images.
    pub(super) loss: f32,
    pub(super) correct: usize,
    /// One per parameter, of the same length.
    pub(super) values: Vec<Vec<f32>>,
    statistics: Vec<NormStatistics>,
    images: usize,
}

impl Trainee {
    pub(super) fn new(
        manifest: &ModelManifest,
        layers: &ResNet<ConvolutionSpec>,
        weights: Weights,
    ) -> Result<Self, TrainError> {
        let device = Device::Cpu.open()?;
        let mut specs: Vec<ConvolutionSpec> = Vec::new();
        let mut parameters = Vec::new();
        let network = Network::new(
            layers,
            [manifest.height, manifest.width],
            &device,
            |spec, plane| Lowering::gathering(spec.window, spec.inputs, plane),
            |spec, lowering| {
                let kernel = weights.values(&format!("{}.weight", spec.name));
                let shape = lowering.matrix_shape(spec.outputs);
                let mut matrix = vec![0.0; shape[0] * shape[1]];
                lowering.for_each_place(spec.outputs, |to, from| matrix[to] = kernel[from]);
                let norm = weights.norm(&spec.norm);
                let row = [1, spec.outputs];
                parameters.push(Parameter { values: matrix, shape, decays: true });
                parameters.push(Parameter { values: norm.scale.to_vec(), shape: row, decays: false });
                parameters.push(Parameter { values: norm.shift.to_vec(), shape: row, decays: false });
                specs.push(spec.clone());
                specs.len() - 1
            },
        );
        let head = weights.head();
        let (classes, features) = (head.classes(), head.dimension());
        let transposed = transpose(head.weight(), features);
        parameters.push(Parameter { values: transposed, shape: [features, classes], decays: true });
        parameters.push(Parameter { values: head.bias().to_vec(), shape: [1, classes], decays: false });
        let statistics = specs
            .iter()
            .map(|spec| NormStatistics { mean: vec![0.0; spec.outputs], variance: vec![1.0; spec.outputs] })
            .collect();
        let scaling = manifest.normalisation.as_ref();
        let scaling = scaling.map(|n| [n.mean.clone(), n.std.iter().map(|std| 1.0 / std).collect()]);
        Ok(Self { network, layers: specs, scaling, parameters, statistics, classes, weights, device })
    }

    /// Loss and gradient of one shard.
    pub(super) fn gradient(&self, shard: &[&Labelled]) -> Result<Gradient, TrainError> {
        let leaf = |parameter: &Parameter| {
            let data = TensorData::new(parameter.values.clone(), parameter.shape);
            Tensor::<2>::from_data(data, &self.device).autodiff().require_grad()
        };
        let leaves: Vec<Tensor<2>> = self.parameters.iter().map(leaf).collect();
        let mut statistics = Vec::with_capacity(self.layers.len());
        let features = self.network.forward(self.input(shard).autodiff(), shard.len(), |layer, columns| {
            let first = 3 * layer.parameters;
            let product = columns.matmul(leaves[first].clone());
            let [rows, _] = product.dims();
            let mean = product.clone().mean_dim(0);
            let centred = product - mean.clone();
            let variance = (centred.clone() * centred.clone()).mean_dim(0);
            statistics.push((layer.parameters, rows, mean.inner(), variance.clone().inner()));
            let deviation = (variance + VARIANCE_FLOOR as f32).sqrt();
            centred / deviation * leaves[first + 1].clone() + leaves[first + 2].clone()
        });
        let first = 3 * self.layers.len();
        let logits = features.matmul(leaves[first].clone()) + leaves[first + 1].clone();
        let of_logits = to_host(logits.clone().inner())?;
        let mut targets = vec![0.0; shard.len() * self.classes];
        for (image, row) in shard.iter().zip(targets.chunks_exact_mut(self.classes)) {
            row[image.class] = -1.0 / shard.len() as f32;
        }
        let targets =
            Tensor::<2>::from_data(TensorData::new(targets, [shard.len(), self.classes]), &self.device);
        let loss = (activation::log_softmax(logits, 1) * targets).sum();
        let of_loss = to_host(loss.clone().inner())?;
        let mut gradients = loss.backward();
        let values = leaves.iter().map(|leaf| gradient_of(leaf, &mut gradients)).collect::<Result<_, _>>()?;
        Ok(Gradient {
            loss: of_loss.first().copied().unwrap_or(f32::NAN),
            correct: shard
                .iter()
                .zip(of_logits.chunks_exact(self.classes))
                .filter(|(i, row)| is_right(i, row))
                .count(),
            values,
            statistics: self.collect(statistics)?,
            images: shard.len(),
        })
    }

    /// The statistics of a shard by layer, with the variance that a larger sample would have.
    fn collect(
        &self,
        found: Vec<(usize, usize, Tensor<2>, Tensor<2>)>,
    ) -> Result<Vec<NormStatistics>, TrainError> {
        let mut statistics: Vec<NormStatistics> =
            self.layers.iter().map(|_| NormStatistics { mean: Vec::new(), variance: Vec::new() }).collect();
        for (layer, rows, mean, variance) in found {
            let unbiased = rows as f32 / (rows.max(2) - 1) as f32;
            let variance = to_host(variance)?.into_iter().map(|variance| variance * unbiased).collect();
            statistics[layer] = NormStatistics { mean: to_host(mean)?, variance };
        }
        Ok(statistics)
    }

    /// The gradient of a batch from those of its shards, and the running statistics with it.
    pub(super) fn merge(&mut self, shards: Vec<Gradient>) -> Gradient {
        let images: usize = shards.iter().map(|shard| shard.images).sum();
        let mut values: Vec<Vec<f32>> =
            self.parameters.iter().map(|parameter| vec![0.0; parameter.values.len()]).collect();
        let (mut loss, mut correct) = (0.0, 0);
        for shard in shards {
            let share = shard.images as f32 / images as f32;
            loss += share * shard.loss;
            correct += shard.correct;
            for (sum, part) in values.iter_mut().zip(&shard.values) {
                add_scaled(sum, part, share);
            }
            for (running, found) in self.statistics.iter_mut().zip(&shard.statistics) {
                move_towards(&mut running.mean, &found.mean, STATISTICS_RATE * share);
                move_towards(&mut running.variance, &found.variance, STATISTICS_RATE * share);
            }
        }
        Gradient { loss, correct, values, statistics: Vec::new(), images }
    }

    /// The weights as a file has them.
    pub(super) fn into_weights(mut self) -> Weights {
        for layer in self.network.convolutions() {
            let spec = &self.layers[layer.parameters];
            let [matrix, scale, shift] =
                [0, 1, 2].map(|part| &self.parameters[3 * layer.parameters + part].values);
            let kernel = self.weights.values_mut(&format!("{}.weight", spec.name));
            layer.lowering.for_each_place(spec.outputs, |from, to| kernel[to] = matrix[from]);
            let statistics = &self.statistics[layer.parameters];
            let parts = [
                ("weight", scale),
                ("bias", shift),
                ("running_mean", &statistics.mean),
                ("running_var", &statistics.variance),
            ];
            for (part, values) in parts {
                self.weights.values_mut(&format!("{}.{part}", spec.norm)).copy_from_slice(values);
            }
        }
        let first = 3 * self.layers.len();
        let weight = transpose(&self.parameters[first].values, self.classes);
        self.weights.values_mut("fc.weight").copy_from_slice(&weight);
        self.weights.values_mut("fc.bias").copy_from_slice(&self.parameters[first + 1].values);
        self.weights
    }

    fn input(&self, shard: &[&Labelled]) -> Tensor<2> {
        let pixels = shard.iter().map(|image| &image.pixels);
        let rows: Vec<f32> = pixels.clone().flat_map(Pixels::channels_last).collect();
        let positions = pixels.map(|pixels| pixels.height() * pixels.width()).sum();
        let channels = rows.len() / usize::max(positions, 1);
        let input = Tensor::from_data(TensorData::new(rows, [positions, channels]), &self.device);
        let Some(scaling) = &self.scaling else { return input };
        let [mean, factor] = scaling
            .each_ref()
            .map(|row| Tensor::from_data(TensorData::new(row.clone(), [1, channels]), &self.device));
        (input - mean) * factor
    }
}

fn is_right(image: &Labelled, logits: &[f32]) -> bool {
    logits.iter().all(|&logit| logit <= logits[image.class])
}

fn gradient_of(leaf: &Tensor<2>, gradients: &mut Gradients) -> Result<Vec<f32>, TrainError> {
    let gradient = leaf.grad_remove(gradients);
    gradient
        .ok_or_else(|| TrainError::Backend { what: "no gradient for a parameter".to_owned() })
        .and_then(to_host)
}

fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    let data = tensor.try_into_data().map_err(|error| TrainError::Backend { what: error.to_string() })?;
    data.try_into_vec().map_err(|error| TrainError::Backend { what: error.to_string() })
}

/// The transpose of a matrix with rows of `length` values.
fn transpose(matrix: &[f32], length: usize) -> Vec<f32> {
    (0..length).flat_map(|column| matrix.iter().skip(column).step_by(length).copied()).collect()
}

fn add_scaled(sum: &mut [f32], part: &[f32], factor: f32) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += factor * part;
    }
}

fn move_towards(running: &mut [f32], found: &[f32], rate: f32) {
    for (running, found) in running.iter_mut().zip(found) {
        *running += rate * (found - *running);
    }
}
