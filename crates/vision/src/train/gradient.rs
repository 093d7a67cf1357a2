//! The loss of a few images and its gradient.

use burn::tensor::{Device as BurnDevice, Gradients, Tensor, TensorData, activation};

use super::error::TrainError;
use crate::backbone::Backbone;
use crate::compute::Device;
use crate::manifest::ModelManifest;
use crate::network::{Convolution, Network};
use crate::pixels::Pixels;
use crate::vit::Vit;
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

/// The running statistics of one batch normalisation.
#[derive(Debug)]
struct NormStatistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

/// A network whose weights are being made.
#[derive(Debug)]
pub(super) struct Trainee {
    backbone: Backbone,
    scaling: Option<[Vec<f32>; 2]>,
    /// Those of the backbone in the order of its forward pass, kernel, scale and shift of each convolution where it
    /// has convolutions; then weight (transposed) and bias of the head.
    pub(super) parameters: Vec<Parameter>,
    /// One per convolution; none in a Vision Transformer.
    statistics: Vec<NormStatistics>,
    classes: usize,
    /// The name of the head.
    head: &'static str,
    weights: Weights,
    device: BurnDevice,
}

/// What a batch normalisation saw: the number of values of a channel, their mean and their variance.
type Seen = (usize, Tensor<2>, Tensor<2>);

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
        weights: Weights,
        device: Device,
    ) -> Result<Self, TrainError> {
        let device = device.open()?;
        let backbone = Backbone::for_training(manifest, &device);
        let (mut parameters, statistics) = match &backbone {
            Backbone::Convolutional(network) => of_convolutions(network, &weights),
            Backbone::Vit(vit) => (of_transformer(vit, &weights), Vec::new()),
        };
        let name = manifest.architecture.head_name();
        let head = weights.head(name);
        let (classes, features) = (head.classes(), head.dimension());
        let transposed = transpose(head.weight(), features);
        parameters.push(Parameter { values: transposed, shape: [features, classes], decays: true });
        parameters.push(Parameter { values: head.bias().to_vec(), shape: [1, classes], decays: false });
        let scaling = manifest.normalisation.as_ref();
        let scaling = scaling.map(|n| [n.mean.clone(), n.std.iter().map(|std| 1.0 / std).collect()]);
        Ok(Self { backbone, scaling, parameters, statistics, classes, head: name, weights, device })
    }

    /// Loss and gradient of one shard, with `smoothing` of each target spread evenly over the classes.
    pub(super) fn gradient(&self, shard: &[&Labelled], smoothing: f32) -> Result<Gradient, TrainError> {
        let leaf = |parameter: &Parameter| {
            let data = TensorData::new(parameter.values.clone(), parameter.shape);
            Tensor::<2>::from_data(data, &self.device).autodiff().require_grad()
        };
        let leaves: Vec<Tensor<2>> = self.parameters.iter().map(leaf).collect();
        let input = self.input(shard).autodiff();
        let mut seen = Vec::with_capacity(self.statistics.len());
        let features = match &self.backbone {
            Backbone::Convolutional(network) => network.forward(input, shard.len(), |number, columns| {
                let (rows, of_batch) = batch_normalised(&leaves[3 * number..3 * number + 3], columns);
                seen.push((number, of_batch));
                rows
            }),
            Backbone::Vit(vit) => vit.forward(&leaves, input, shard.len()),
        };
        let first = self.parameters.len() - 2;
        let logits = features.matmul(leaves[first].clone()) + leaves[first + 1].clone();
        let of_logits = to_host(logits.clone().inner())?;
        let mut targets = vec![0.0; shard.len() * self.classes];
        for (image, row) in shard.iter().zip(targets.chunks_exact_mut(self.classes)) {
            let spread = smoothing / self.classes as f32;
            if spread > 0.0 {
                row.fill(-spread / shard.len() as f32);
            }
            row[image.class] = -(1.0 - smoothing + spread) / shard.len() as f32;
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
            statistics: self.collect(seen)?,
            images: shard.len(),
        })
    }

    /// The statistics of a shard by layer, with the variance that a larger sample would have.
    fn collect(&self, seen: Vec<(usize, Seen)>) -> Result<Vec<NormStatistics>, TrainError> {
        let empty = |_| NormStatistics { mean: Vec::new(), variance: Vec::new() };
        let mut statistics: Vec<NormStatistics> = self.statistics.iter().map(empty).collect();
        for (number, (rows, mean, variance)) in seen {
            let unbiased = rows as f32 / (rows.max(2) - 1) as f32;
            let variance = to_host(variance)?.into_iter().map(|variance| variance * unbiased).collect();
            statistics[number] = NormStatistics { mean: to_host(mean)?, variance };
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

    /// Running means and variances, the only state beside the parameters.
    pub(super) fn running(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.statistics.iter().flat_map(|statistics| [&statistics.mean, &statistics.variance])
    }

    /// [`Trainee::running`], to be put back.
    pub(super) fn running_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        self.statistics.iter_mut().flat_map(|statistics| [&mut statistics.mean, &mut statistics.variance])
    }

    /// The weights as a file has them.
    pub(super) fn current_weights(&mut self) -> &Weights {
        match &self.backbone {
            Backbone::Convolutional(network) => {
                let trained = self.parameters.chunks_exact(3).zip(&self.statistics);
                for (unit, (parameters, statistics)) in network.units().iter().zip(trained) {
                    write_convolution(unit, parameters, statistics, &mut self.weights);
                }
            }
            Backbone::Vit(vit) => {
                for (spec, trained) in vit.parameters().iter().zip(&self.parameters) {
                    spec.write(&trained.values, self.weights.values_mut(&spec.tensor.name));
                }
            }
        }
        let first = self.parameters.len() - 2;
        let weight = transpose(&self.parameters[first].values, self.classes);
        self.weights.values_mut(&format!("{}.weight", self.head)).copy_from_slice(&weight);
        let bias = &self.parameters[first + 1].values;
        self.weights.values_mut(&format!("{}.bias", self.head)).copy_from_slice(bias);
        &self.weights
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

/// Kernel, scale and shift of each convolution, and the statistics that its normalisation starts with.
fn of_convolutions(network: &Network, weights: &Weights) -> (Vec<Parameter>, Vec<NormStatistics>) {
    let (mut parameters, mut statistics) = (Vec::new(), Vec::new());
    for Convolution { spec, lowering, .. } in network.units() {
        let kernel = weights.values(&format!("{}.weight", spec.name));
        let shape = lowering.matrix_shape(spec.outputs);
        let mut matrix = vec![0.0; shape[0] * shape[1]];
        lowering.for_each_place(spec.outputs, |to, from| matrix[to] = kernel[from]);
        let norm = weights.norm(&spec.norm);
        let row = [1, spec.outputs];
        parameters.push(Parameter { values: matrix, shape, decays: true });
        parameters.push(Parameter { values: norm.scale.to_vec(), shape: row, decays: false });
        parameters.push(Parameter { values: norm.shift.to_vec(), shape: row, decays: false });
        let [mean, variance] = [0.0, 1.0].map(|value| vec![value; spec.outputs]);
        statistics.push(NormStatistics { mean, variance });
    }
    (parameters, statistics)
}

fn of_transformer(vit: &Vit, weights: &Weights) -> Vec<Parameter> {
    let parameters = vit.parameters().iter().map(|parameter| Parameter {
        values: parameter.to_matrix(weights.values(&parameter.tensor.name)),
        shape: parameter.shape(),
        decays: parameter.multiplies(),
    });
    parameters.collect()
}

/// A convolution from the left side of its product, normalised by the batch's own statistics, which come with it.
/// `parameters` are kernel, scale and shift.
fn batch_normalised(parameters: &[Tensor<2>], columns: Tensor<2>) -> (Tensor<2>, Seen) {
    let product = columns.matmul(parameters[0].clone());
    let [rows, _] = product.dims();
    let mean = product.clone().mean_dim(0);
    let centred = product - mean.clone();
    let variance = (centred.clone() * centred.clone()).mean_dim(0);
    let seen = (rows, mean.inner(), variance.clone().inner());
    let deviation = (variance + VARIANCE_FLOOR as f32).sqrt();
    (centred / deviation * parameters[1].clone() + parameters[2].clone(), seen)
}

/// Writes kernel, scale and shift of a convolution, and the statistics of its normalisation, to the weights.
fn write_convolution(
    unit: &Convolution,
    parameters: &[Parameter],
    statistics: &NormStatistics,
    weights: &mut Weights,
) {
    let Convolution { spec, lowering, .. } = unit;
    let kernel = weights.values_mut(&format!("{}.weight", spec.name));
    lowering.for_each_place(spec.outputs, |from, to| kernel[to] = parameters[0].values[from]);
    let parts = [
        ("weight", &parameters[1].values),
        ("bias", &parameters[2].values),
        ("running_mean", &statistics.mean),
        ("running_var", &statistics.variance),
    ];
    for (part, values) in parts {
        weights.values_mut(&format!("{}.{part}", spec.norm)).copy_from_slice(values);
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
