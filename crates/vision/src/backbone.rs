//! A network of any architecture up to its features: the one place where the rest is told which it is.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use crate::architecture::Architecture;
use crate::folding::fold;
use crate::lowering::Lowering;
use crate::manifest::ModelManifest;
use crate::network::Network;
use crate::plan::{ConvolutionSpec, Plan};
use crate::vit::Vit;
use crate::weights::Weights;

/// A network for one size of input, without its weights. It is a stem, some blocks and what makes a feature row of
/// the last one's output; between them an activation is `[images x positions, channels]`, where the positions of a
/// Vision Transformer are its tokens.
///
/// Who runs it gives its parameters, made by [`Backbone::parameters`]: of a convolution the matrix and the bias with
/// the normalisation folded in.
#[derive(Debug)]
pub(crate) enum Backbone {
    Convolutional(Box<Network>),
    Vit(Box<Vit>),
}

impl Backbone {
    /// The network of the manifest with the lowerings that need the fewest operations.
    pub(crate) fn for_inference(manifest: &ModelManifest, device: &Device) -> Self {
        Self::new(manifest, device, &|spec, plane| Lowering::fastest(spec.window, spec.inputs, plane))
    }

    /// The network of the manifest with the lowerings that have every weight once.
    pub(crate) fn for_training(manifest: &ModelManifest, device: &Device) -> Self {
        Self::new(manifest, device, &|spec, plane| Lowering::gathering(spec.window, spec.inputs, plane))
    }

    fn new(
        manifest: &ModelManifest,
        device: &Device,
        lower: &dyn Fn(&ConvolutionSpec, [usize; 2]) -> Lowering,
    ) -> Self {
        let ModelManifest { channels, height, width, .. } = *manifest;
        let plane = [height, width];
        let convolutional =
            |plan: &Plan| Self::Convolutional(Box::new(Network::new(plan, plane, device, lower)));
        match &manifest.architecture {
            Architecture::ResNet(config) => convolutional(&Plan::of_resnet(config, channels)),
            Architecture::Cnn(config) => convolutional(&Plan::of_cnn(config, channels)),
            Architecture::Vit(config) => Self::Vit(Box::new(Vit::new(config, channels, plane, device))),
        }
    }

    /// The parameters that the weights of a file become.
    pub(crate) fn parameters(&self, weights: &Weights, device: &Device) -> Vec<Tensor<2>> {
        match self {
            Self::Convolutional(network) => {
                let units = network.units().iter();
                units.flat_map(|unit| fold(&unit.spec, &unit.lowering, weights, device)).collect()
            }
            Self::Vit(vit) => {
                let matrix = |parameter: &crate::vit::VitParameter| {
                    let values = parameter.to_matrix(weights.values(&parameter.tensor.name));
                    Tensor::from_data(TensorData::new(values, parameter.shape()), device)
                };
                vit.parameters().iter().map(matrix).collect()
            }
        }
    }

    /// Blocks behind the stem.
    pub(crate) fn blocks(&self) -> usize {
        match self {
            Self::Convolutional(network) => network.blocks(),
            Self::Vit(vit) => vit.blocks(),
        }
    }

    /// The numbers of the parameters of some blocks.
    pub(crate) fn parameters_of(&self, blocks: Range<usize>) -> Range<usize> {
        match self {
            Self::Convolutional(network) => {
                let units = network.units_of(blocks);
                2 * units.start..2 * units.end
            }
            Self::Vit(vit) => vit.parameters_of(blocks),
        }
    }

    /// Positions and channels of what a block sees of one image.
    pub(crate) fn entry_shape(&self, block: usize) -> [usize; 2] {
        match self {
            Self::Convolutional(network) => network.entry_shape(block),
            Self::Vit(vit) => vit.entry_shape(),
        }
    }

    /// Values of one image in the left side of the largest matrix product.
    pub(crate) fn largest_columns(&self) -> usize {
        match self {
            Self::Convolutional(network) => network.largest_columns(),
            Self::Vit(vit) => vit.largest_columns(),
        }
    }

    /// Multiplications of one image's forward pass.
    pub(crate) fn multiplications(&self) -> usize {
        match self {
            Self::Convolutional(network) => network.multiplications(),
            Self::Vit(vit) => vit.multiplications(),
        }
    }

    /// Rows and columns of a parameter.
    pub(crate) fn shape(&self, parameter: usize) -> [usize; 2] {
        match self {
            Self::Convolutional(network) => {
                let unit = &network.units()[parameter / 2];
                let shape = unit.lowering.matrix_shape(unit.spec.outputs);
                if is_matrix(parameter) { shape } else { [1, shape[1]] }
            }
            Self::Vit(vit) => vit.parameters()[parameter].shape(),
        }
    }

    /// Weights in a parameter: its values without repetitions and without those that only ever meet padding.
    pub(crate) fn weights_in(&self, parameter: usize) -> usize {
        match self {
            Self::Convolutional(network) => {
                let unit = &network.units()[parameter / 2];
                let outputs = unit.spec.outputs;
                if is_matrix(parameter) { unit.lowering.gathering_rows(outputs) * outputs } else { outputs }
            }
            Self::Vit(vit) => vit.parameters()[parameter].shape().iter().product(),
        }
    }

    /// Where a parameter's weights lie among its values: calls `place(value, weight, length)` with the starts of equal
    /// runs. A run of weights may have several places.
    pub(crate) fn for_each_run(&self, parameter: usize, mut place: impl FnMut(usize, usize, usize)) {
        match self {
            Self::Convolutional(network) => {
                let unit = &network.units()[parameter / 2];
                let outputs = unit.spec.outputs;
                if is_matrix(parameter) {
                    unit.lowering.for_each_run(outputs, |value, weight| place(value, weight, outputs));
                } else {
                    (0..unit.lowering.bias_repeats()).for_each(|time| place(time * outputs, 0, outputs));
                }
            }
            Self::Vit(_) => place(0, 0, self.weights_in(parameter)),
        }
    }

    /// Feature rows `[images, features]` of an input `[images x positions, channels]`.
    pub(crate) fn forward(&self, parameters: &[Tensor<2>], input: Tensor<2>, images: usize) -> Tensor<2> {
        match self {
            Self::Convolutional(network) => network.forward(input, images, folded(parameters)),
            Self::Vit(vit) => vit.forward(parameters, input, images),
        }
    }

    /// What block `end` sees of an input: the output of the stem and of the blocks before it.
    pub(crate) fn entries(
        &self,
        parameters: &[Tensor<2>],
        input: Tensor<2>,
        images: usize,
        end: usize,
    ) -> Tensor<2> {
        match self {
            Self::Convolutional(network) => {
                let mut pass = network.pass(images, folded(parameters));
                let rows = pass.stem(input);
                pass.blocks(0..end, rows)
            }
            Self::Vit(vit) => {
                let rows = vit.stem(parameters, input, images);
                vit.through(parameters, 0..end, rows, images)
            }
        }
    }

    /// Feature rows from what block `start` sees.
    pub(crate) fn finished(
        &self,
        parameters: &[Tensor<2>],
        rows: Tensor<2>,
        images: usize,
        start: usize,
    ) -> Tensor<2> {
        match self {
            Self::Convolutional(network) => {
                let mut pass = network.pass(images, folded(parameters));
                let rows = pass.blocks(start..network.blocks(), rows);
                pass.features(rows)
            }
            Self::Vit(vit) => {
                let rows = vit.through(parameters, start..vit.blocks(), rows, images);
                vit.features(parameters, rows, images)
            }
        }
    }
}

/// Whether a convolution's parameter is its matrix, not its bias.
fn is_matrix(parameter: usize) -> bool {
    parameter.is_multiple_of(2)
}

/// A convolution's activation from the left side of its product.
fn folded(parameters: &[Tensor<2>]) -> impl FnMut(usize, Tensor<2>) -> Tensor<2> {
    |number, columns| columns.matmul(parameters[2 * number].clone()) + parameters[2 * number + 1].clone()
}
