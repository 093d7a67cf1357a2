//! The forward pass of a Vision Transformer, for inference and training alike.

mod layout;

use std::ops::Range;

use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor, activation};

use crate::architecture::{Pooling, VitConfig};
use crate::tables::Tables;
use layout::BLOCK;

pub(crate) use layout::{Layout, POSITIONS, VitParameter};

/// What torchvision and timm add to the variance of a token.
const TOKEN_VARIANCE_FLOOR: f64 = 1e-6;

/// A Vision Transformer for one size of input, without its weights: who runs it gives the matrices of
/// [`Vit::parameters`].
///
/// Between the parts of a pass an activation is `[images x tokens, width]`.
#[derive(Debug)]
pub(crate) struct Vit {
    config: VitConfig,
    layout: Layout,
    tables: Tables,
}

impl Vit {
    /// Lays `config` out for an input of `channels` planes of `plane` (height, width).
    pub(crate) fn new(config: &VitConfig, channels: usize, plane: [usize; 2], device: &Device) -> Self {
        let layout = Layout::of(config, channels, plane);
        let mut tables = Tables::new(device);
        if let Some(table) = layout.patches.table() {
            tables.add(table);
        }
        Self { config: config.clone(), layout, tables }
    }

    /// The parameters in the order in which every pass takes their matrices.
    pub(crate) fn parameters(&self) -> &[VitParameter] {
        &self.layout.parameters
    }

    /// Blocks behind the stem.
    pub(crate) fn blocks(&self) -> usize {
        self.config.depth
    }

    /// The numbers of the parameters of some blocks.
    pub(crate) fn parameters_of(&self, blocks: Range<usize>) -> Range<usize> {
        let start = |block: usize| self.layout.stem + BLOCK * block.min(self.config.depth);
        start(blocks.start)..start(blocks.end)
    }

    /// Tokens of one image, and values of each.
    pub(crate) fn entry_shape(&self) -> [usize; 2] {
        [self.layout.tokens, self.config.width]
    }

    /// Values of one image in the largest operand of a pass.
    pub(crate) fn largest_columns(&self) -> usize {
        let VitConfig { width, mlp, heads, .. } = self.config;
        let Layout { ref patches, tokens, .. } = self.layout;
        let of_tokens = tokens * usize::max(3 * width, mlp);
        of_tokens.max(heads * tokens * tokens).max(patches.columns_per_image(width))
    }

    /// Multiplications of one image's forward pass.
    pub(crate) fn multiplications(&self) -> usize {
        let VitConfig { depth, width, mlp, .. } = self.config;
        let Layout { ref patches, tokens, .. } = self.layout;
        let of_token = 4 * width * width + 2 * width * mlp + 2 * tokens * width;
        patches.multiplications(width) + depth * tokens * of_token
    }

    /// Feature rows `[images, width]` of an input `[images x positions, channels]`.
    pub(crate) fn forward(&self, parameters: &[Tensor<2>], input: Tensor<2>, images: usize) -> Tensor<2> {
        let rows = self.stem(parameters, input, images);
        let rows = self.through(parameters, 0..self.config.depth, rows, images);
        self.features(parameters, rows, images)
    }

    /// What the first block sees of an input.
    pub(crate) fn stem(&self, parameters: &[Tensor<2>], input: Tensor<2>, images: usize) -> Tensor<2> {
        let VitConfig { width, pooling, .. } = self.config;
        let Layout { ref patches, positions, tokens, .. } = self.layout;
        let columns = patches.columns(input, images, self.tables.indices(images).first());
        let rows = columns.matmul(parameters[0].clone()) + parameters[1].clone();
        let mut rows: Tensor<3> = rows.reshape([images, positions, width]);
        match pooling {
            Pooling::ClassToken => {
                let class: Tensor<3> = parameters[3].clone().reshape([1, 1, width]);
                rows = Tensor::cat(vec![class.expand([images, 1, width]), rows], 1);
            }
            Pooling::Mean => (),
        }
        let table: Tensor<3> = parameters[2].clone().reshape([1, tokens, width]);
        (rows + table).reshape([images * tokens, width])
    }

    /// What the blocks `range`, one after the other, make of what the first of them sees.
    pub(crate) fn through(
        &self,
        parameters: &[Tensor<2>],
        range: Range<usize>,
        mut rows: Tensor<2>,
        images: usize,
    ) -> Tensor<2> {
        let (blocks, _) = parameters[self.parameters_of(range)].as_chunks::<BLOCK>();
        for block in blocks {
            rows = self.block(block, rows, images);
        }
        rows
    }

    /// Feature rows from what the last block puts out.
    pub(crate) fn features(&self, parameters: &[Tensor<2>], rows: Tensor<2>, images: usize) -> Tensor<2> {
        let width = self.config.width;
        let tokens: Tensor<3> = rows.reshape([images, self.layout.tokens, width]);
        let pooled = match self.config.pooling {
            Pooling::ClassToken => tokens.narrow(1, 0, 1),
            Pooling::Mean => tokens.mean_dim(1),
        };
        let last = self.parameters_of(0..self.config.depth).end;
        normalised(pooled.reshape([images, width]), &parameters[last], &parameters[last + 1])
    }

    fn block(&self, parameters: &[Tensor<2>; BLOCK], rows: Tensor<2>, images: usize) -> Tensor<2> {
        let [scale_1, shift_1, inward, in_bias, outward, out_bias, ..] = parameters;
        let [.., scale_2, shift_2, widen, wide_bias, narrow, narrow_bias] = parameters;
        let seen = normalised(rows.clone(), scale_1, shift_1);
        let mixed = self.attention(seen.matmul(inward.clone()) + in_bias.clone(), images);
        let rows = rows + mixed.matmul(outward.clone()) + out_bias.clone();
        let seen = normalised(rows.clone(), scale_2, shift_2);
        let wide = activation::gelu(seen.matmul(widen.clone()) + wide_bias.clone());
        rows + wide.matmul(narrow.clone()) + narrow_bias.clone()
    }

    /// Scaled dot-product attention of each head, `[images x tokens, width]`, from queries, keys and values side by
    /// side, `[images x tokens, 3 x width]`.
    fn attention(&self, projected: Tensor<2>, images: usize) -> Tensor<2> {
        let VitConfig { width, heads, .. } = self.config;
        let (tokens, length) = (self.layout.tokens, width / heads);
        let of_heads: Tensor<4> = projected.reshape([images, tokens, 3 * heads, length]);
        let of_heads = of_heads.swap_dims(1, 2);
        let [queries, keys, values] = [0, 1, 2].map(|part| of_heads.clone().narrow(1, part * heads, heads));
        let scale = 1.0 / (length as f32).sqrt();
        let similarity = (queries * scale).matmul(keys.swap_dims(2, 3));
        let mixed = activation::softmax(similarity, 3).matmul(values);
        mixed.swap_dims(1, 2).reshape([images * tokens, width])
    }
}

/// Each row with mean 0 and variance 1, then scaled and shifted.
fn normalised(rows: Tensor<2>, scale: &Tensor<2>, shift: &Tensor<2>) -> Tensor<2> {
    let [_, width] = rows.dims();
    let row = |parameter: &Tensor<2>| -> Tensor<1> { parameter.clone().reshape([width]) };
    layer_norm(rows, row(scale), Some(row(shift)), TOKEN_VARIANCE_FLOOR)
}
