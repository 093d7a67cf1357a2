//! Convolutions and their normalisations become one matrix and one bias.

use burn::tensor::{Device, Tensor, TensorData};

use crate::lowering::Lowering;
use crate::resnet::ConvolutionSpec;
use crate::weights::{VARIANCE_FLOOR, Weights};

/// A convolution with its normalisation folded in.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    /// [`Lowering::matrix_shape`].
    pub(crate) matrix: Tensor<2>,
    /// `[1, columns of the matrix]`.
    pub(crate) bias: Tensor<2>,
}

impl Folded {
    /// The convolution's activation from the left side of its product.
    pub(crate) fn product(&self, columns: Tensor<2>) -> Tensor<2> {
        columns.matmul(self.matrix.clone()) + self.bias.clone()
    }
}

/// Folds one convolution. The factors are made in `f64`, each weight is rounded once.
pub(crate) fn fold(
    spec: &ConvolutionSpec,
    lowering: &Lowering,
    weights: &Weights,
    device: &Device,
) -> Folded {
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
    Folded {
        matrix: Tensor::from_data(TensorData::new(matrix, [rows, columns]), device),
        bias: Tensor::from_data(TensorData::new(bias, [1, columns]), device),
    }
}
