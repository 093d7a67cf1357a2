//! Convolutions and their normalisations become one matrix and one bias.

use burn::tensor::{Device, Tensor, TensorData};

use crate::lowering::Lowering;
use crate::plan::ConvolutionSpec;
use crate::weights::{VARIANCE_FLOOR, Weights};

/// Folds one convolution: its matrix of [`Lowering::matrix_shape`] and its bias, `[1, columns of the matrix]`. The
/// factors are made in `f64`, each weight is rounded once.
pub(crate) fn fold(
    spec: &ConvolutionSpec,
    lowering: &Lowering,
    weights: &Weights,
    device: &Device,
) -> [Tensor<2>; 2] {
    let kernel = weights.values(&format!("{}.weight", spec.name));
    let norm = weights.norm(&spec.norm);
    let factors: Vec<f64> = norm
        .scale
        .iter()
        .zip(norm.variance)
        .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + VARIANCE_FLOOR).sqrt())
        .collect();
    let bias_of = |output: usize| {
        (f64::from(norm.shift[output]) - f64::from(norm.mean[output]) * factors[output]) as f32
    };
    let bias: Vec<f32> = (0..spec.outputs).map(bias_of).collect();
    let per_output = kernel.len() / spec.outputs;
    let [rows, columns] = lowering.matrix_shape(spec.outputs);
    let mut matrix = vec![0.0; rows * columns];
    lowering.for_each_place(spec.outputs, |to, from| {
        matrix[to] = (f64::from(kernel[from]) * factors[from / per_output]) as f32;
    });
    let bias = bias.repeat(lowering.bias_repeats());
    [
        Tensor::from_data(TensorData::new(matrix, [rows, columns]), device),
        Tensor::from_data(TensorData::new(bias, [1, columns]), device),
    ]
}
