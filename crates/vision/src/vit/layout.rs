use crate::architecture::{Pooling, VitConfig};
use crate::lowering::Lowering;
use crate::plan::Window;
use crate::weights::TensorSpec;

/// The learned positions' name, `[1, tokens, width]`.
pub(crate) const POSITIONS: &str = "encoder.pos_embedding";

/// Parameters of one block.
pub(super) const BLOCK: usize = 12;

/// A Vision Transformer's parameters, as the file has them and as the forward pass takes them.
///
/// *Order*: those of the patches, the positions and the class token if there is one, then [`BLOCK`] of each block,
/// then the last normalisation.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(super) patches: Lowering,
    pub(super) parameters: Vec<VitParameter>,
    /// Parameters before the first block.
    pub(super) stem: usize,
    /// Patches of one image.
    pub(super) positions: usize,
    /// Patches, and the class token if there is one.
    pub(super) tokens: usize,
}

/// One tensor of the file, which becomes one matrix.
#[derive(Debug)]
pub(crate) struct VitParameter {
    pub(crate) tensor: TensorSpec,
    form: Form,
}

/// How a tensor's values lie in the matrix.
#[derive(Debug)]
enum Form {
    /// A kernel, laid out for the product with the pixels of a patch.
    Patches(Lowering),
    /// A linear layer: the matrix is the transpose of the tensor.
    Linear,
    /// The values as they are, the last side of the tensor in a row.
    Rows,
}

impl Layout {
    /// The parameters of `config` for an input of `channels` planes of `plane` (height, width).
    pub(crate) fn of(config: &VitConfig, channels: usize, plane: [usize; 2]) -> Self {
        let VitConfig { patch, depth, width, mlp, pooling, .. } = *config;
        let patches = Lowering::gathering(Window::tile(patch), channels, plane);
        let positions = patches.plane_out().iter().product();
        let tokens = positions + pooling.extra_tokens();
        let parameter = |name: String, shape: Vec<usize>, form: Form| VitParameter {
            tensor: TensorSpec { name, shape },
            form,
        };
        let rows = |name: &str, shape: Vec<usize>| parameter(name.to_owned(), shape, Form::Rows);
        let kernel = vec![width, channels, patch, patch];
        let mut parameters = vec![
            parameter("conv_proj.weight".to_owned(), kernel, Form::Patches(patches.clone())),
            rows("conv_proj.bias", vec![width]),
            rows(POSITIONS, vec![1, tokens, width]),
        ];
        match pooling {
            Pooling::ClassToken => parameters.push(rows("class_token", vec![1, 1, width])),
            Pooling::Mean => (),
        }
        let stem = parameters.len();
        for block in 0..depth {
            let mut add = |name: &str, outputs: usize, inputs: Option<usize>| {
                let name = format!("encoder.layers.encoder_layer_{block}.{name}");
                parameters.push(match inputs {
                    Some(inputs) => parameter(name, vec![outputs, inputs], Form::Linear),
                    None => parameter(name, vec![outputs], Form::Rows),
                });
            };
            add("ln_1.weight", width, None);
            add("ln_1.bias", width, None);
            add("self_attention.in_proj_weight", 3 * width, Some(width));
            add("self_attention.in_proj_bias", 3 * width, None);
            add("self_attention.out_proj.weight", width, Some(width));
            add("self_attention.out_proj.bias", width, None);
            add("ln_2.weight", width, None);
            add("ln_2.bias", width, None);
            add("mlp.0.weight", mlp, Some(width));
            add("mlp.0.bias", mlp, None);
            add("mlp.3.weight", width, Some(mlp));
            add("mlp.3.bias", width, None);
        }
        parameters.push(rows("encoder.ln.weight", vec![width]));
        parameters.push(rows("encoder.ln.bias", vec![width]));
        Self { patches, parameters, stem, positions, tokens }
    }

    /// The tensors of the file.
    pub(crate) fn tensors(self) -> Vec<TensorSpec> {
        self.parameters.into_iter().map(|parameter| parameter.tensor).collect()
    }
}

impl VitParameter {
    /// Rows and columns of the matrix.
    pub(crate) fn shape(&self) -> [usize; 2] {
        let shape = &self.tensor.shape;
        let last = shape.last().copied().unwrap_or(1);
        match &self.form {
            Form::Patches(lowering) => lowering.matrix_shape(shape[0]),
            Form::Linear => [last, shape[0]],
            Form::Rows => [shape.iter().product::<usize>() / last, last],
        }
    }

    /// Whether it is multiplied with activations: a kernel or the weights of a linear layer.
    pub(crate) fn multiplies(&self) -> bool {
        match self.form {
            Form::Patches(_) | Form::Linear => true,
            Form::Rows => false,
        }
    }

    /// The matrix of the tensor's values.
    pub(crate) fn to_matrix(&self, values: &[f32]) -> Vec<f32> {
        let mut matrix = vec![0.0; values.len()];
        self.for_each_place(|to, from| matrix[to] = values[from]);
        matrix
    }

    /// Writes the matrix to the tensor's values.
    pub(crate) fn write(&self, matrix: &[f32], values: &mut [f32]) {
        self.for_each_place(|from, to| values[to] = matrix[from]);
    }

    /// Calls `place(matrix, tensor)` with the two indices of every value.
    fn for_each_place(&self, mut place: impl FnMut(usize, usize)) {
        let [rows, columns] = self.shape();
        match &self.form {
            Form::Patches(lowering) => lowering.for_each_place(columns, place),
            Form::Linear => {
                for column in 0..columns {
                    for row in 0..rows {
                        place(row * columns + column, column * rows + row);
                    }
                }
            }
            Form::Rows => (0..rows * columns).for_each(|at| place(at, at)),
        }
    }
}
