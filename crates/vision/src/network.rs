//! The forward pass of a convolutional network, for inference and training alike.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Device, FloatDType, Int, Tensor, activation};

use crate::lowering::{Lowering, Table};
use crate::plan::{ConvolutionSpec, Plan, Shortcut, Window};
use crate::tables::Tables;

/// One convolution on the planes that it sees.
#[derive(Debug)]
pub(crate) struct Convolution {
    pub(crate) spec: ConvolutionSpec,
    pub(crate) lowering: Lowering,
    /// Number of its gather table.
    table: Option<usize>,
}

/// A convolutional network for one size of input, without its weights.
#[derive(Debug)]
pub(crate) struct Network {
    /// In the order of the forward pass: the stem, then each block's shortcut before its path.
    units: Vec<Convolution>,
    /// The max-pooling after the stem.
    pool: Option<Pool>,
    blocks: Vec<Block>,
    /// Positions of the last plane.
    positions: usize,
    tables: Tables,
}

/// One block, its convolutions by their numbers.
#[derive(Debug)]
struct Block {
    units: Range<usize>,
    path: Range<usize>,
    shortcut: Shortcut<usize>,
    pool: Option<Pool>,
}

#[derive(Debug)]
struct Pool {
    table: usize,
    taps: usize,
    positions: usize,
    channels: usize,
}

/// What a network is laid out with.
struct Builder<'a> {
    lower: &'a dyn Fn(&ConvolutionSpec, [usize; 2]) -> Lowering,
    units: Vec<Convolution>,
    tables: Tables,
}

impl Builder<'_> {
    /// Adds a convolution that sees `plane`: its number and the plane it puts out.
    fn unit(&mut self, spec: &ConvolutionSpec, plane: [usize; 2]) -> (usize, [usize; 2]) {
        let lowering = (self.lower)(spec, plane);
        let plane = lowering.plane_out();
        let table = lowering.table().map(|table| self.tables.add(table));
        self.units.push(Convolution { spec: spec.clone(), lowering, table });
        (self.units.len() - 1, plane)
    }

    /// Adds the pooling of a plane with the channels of the last convolution.
    fn pool(&mut self, window: Option<Window>, plane: [usize; 2]) -> (Option<Pool>, [usize; 2]) {
        let Some((table, taps, after)) = window.and_then(|window| Table::pooling(window, plane)) else {
            return (None, plane);
        };
        let channels = self.units.last().map_or(0, |unit| unit.spec.outputs);
        let pool = Pool { table: self.tables.add(table), taps, positions: after.iter().product(), channels };
        (Some(pool), after)
    }
}

impl Network {
    /// Lays `plan` out for an input of `plane` (height, width), with `lower` choosing each convolution's lowering.
    pub(crate) fn new(
        plan: &Plan,
        plane: [usize; 2],
        device: &Device,
        lower: &dyn Fn(&ConvolutionSpec, [usize; 2]) -> Lowering,
    ) -> Self {
        let mut builder = Builder { lower, units: Vec::new(), tables: Tables::new(device) };
        let (_, plane) = builder.unit(&plan.stem, plane);
        let (pool, mut plane) = builder.pool(plan.pool, plane);
        let mut blocks = Vec::with_capacity(plan.blocks.len());
        for planned in &plan.blocks {
            let first = builder.units.len();
            let shortcut = match &planned.shortcut {
                Shortcut::Absent => Shortcut::Absent,
                Shortcut::Identity => Shortcut::Identity,
                Shortcut::Fitted(spec) => Shortcut::Fitted(builder.unit(spec, plane).0),
            };
            let start = builder.units.len();
            for spec in &planned.path {
                (_, plane) = builder.unit(spec, plane);
            }
            let end = builder.units.len();
            let (pool, after) = builder.pool(planned.pool, plane);
            plane = after;
            blocks.push(Block { units: first..end, path: start..end, shortcut, pool });
        }
        let Builder { units, tables, .. } = builder;
        Self { units, pool, blocks, positions: plane.iter().product(), tables }
    }

    /// Values of one image in the left side of the network's largest matrix product.
    pub(crate) fn largest_columns(&self) -> usize {
        let columns = |unit: &Convolution| unit.lowering.columns_per_image(unit.spec.outputs);
        self.units.iter().map(columns).max().unwrap_or(0)
    }

    /// The convolutions in the order of the forward pass, where a block's shortcut comes before its path.
    pub(crate) fn units(&self) -> &[Convolution] {
        &self.units
    }

    /// Blocks behind the stem.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The numbers of the convolutions of some blocks.
    pub(crate) fn units_of(&self, blocks: Range<usize>) -> Range<usize> {
        let blocks = self.blocks.get(blocks).unwrap_or_default();
        match (blocks.first(), blocks.last()) {
            (Some(first), Some(last)) => first.units.start..last.units.end,
            _ => 0..0,
        }
    }

    /// Positions and channels of what a block sees of one image.
    pub(crate) fn entry_shape(&self, block: usize) -> [usize; 2] {
        let unit = self.blocks.get(block).and_then(|block| self.units.get(block.units.start));
        unit.map_or([1, 1], |unit| unit.lowering.shape_in())
    }

    /// Multiplications of one image's forward pass.
    pub(crate) fn multiplications(&self) -> usize {
        let of = |unit: &Convolution| unit.lowering.multiplications(unit.spec.outputs);
        self.units.iter().map(of).fold(0, usize::saturating_add)
    }

    /// Feature rows `[images, features]` of an input `[images x positions, channels]`. `convolve` gets a
    /// convolution's number and turns the left side of its matrix product into the normalised activation.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        images: usize,
        convolve: impl FnMut(usize, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let mut pass = self.pass(images, convolve);
        let rows = pass.stem(input);
        let rows = pass.blocks(0..self.blocks.len(), rows);
        pass.features(rows)
    }

    /// The parts of [`Network::forward`] one by one, for who begins or ends in between.
    pub(crate) fn pass<F: FnMut(usize, Tensor<2>) -> Tensor<2>>(
        &self,
        images: usize,
        convolve: F,
    ) -> Pass<'_, F> {
        Pass { network: self, images, indices: self.tables.indices(images), convolve }
    }
}

/// A forward pass of `images`. Between its parts an activation is `[images x positions, channels]`.
pub(crate) struct Pass<'a, F> {
    network: &'a Network,
    images: usize,
    indices: Arc<[Tensor<1, Int>]>,
    convolve: F,
}

impl<F: FnMut(usize, Tensor<2>) -> Tensor<2>> Pass<'_, F> {
    /// What the first block sees of an input.
    pub(crate) fn stem(&mut self, input: Tensor<2>) -> Tensor<2> {
        let rows = self.apply(0, input);
        activation::relu(self.pooled(self.network.pool.as_ref(), rows))
    }

    /// What the blocks `range`, one after the other, make of what the first of them sees.
    pub(crate) fn blocks(&mut self, range: Range<usize>, mut rows: Tensor<2>) -> Tensor<2> {
        for block in self.network.blocks.get(range).unwrap_or_default() {
            let shortcut = match block.shortcut {
                Shortcut::Absent => None,
                Shortcut::Identity => Some(rows.clone()),
                Shortcut::Fitted(number) => Some(self.apply(number, rows.clone())),
            };
            for number in block.path.clone() {
                if number > block.path.start {
                    rows = activation::relu(rows);
                }
                rows = self.apply(number, rows);
            }
            if let Some(shortcut) = shortcut {
                rows = rows + shortcut;
            }
            rows = activation::relu(self.pooled(block.pool.as_ref(), rows));
        }
        rows
    }

    /// Feature rows from what the last block puts out.
    pub(crate) fn features(&self, rows: Tensor<2>) -> Tensor<2> {
        let positions = self.network.positions;
        let rows = rows.cast(FloatDType::F32);
        if positions == 1 {
            return rows;
        }
        let [_, features] = rows.dims();
        let of_images: Tensor<3> = rows.reshape([self.images, positions, features]);
        of_images.mean_dim(1).reshape([self.images, features])
    }

    fn apply(&mut self, number: usize, rows: Tensor<2>) -> Tensor<2> {
        let unit = &self.network.units[number];
        let indices = unit.table.map(|table| &self.indices[table]);
        let columns = unit.lowering.columns(rows, self.images, indices);
        unit.lowering.activation((self.convolve)(number, columns), self.images, unit.spec.outputs)
    }

    /// Max-pooling before the rectifier, which commutes with a maximum: a quarter of the positions is left for it.
    fn pooled(&self, pool: Option<&Pool>, rows: Tensor<2>) -> Tensor<2> {
        let Some(pool) = pool else { return rows };
        let gathered = rows.select(0, self.indices[pool.table].clone());
        let taps: Tensor<3> = gathered.reshape([self.images * pool.positions, pool.taps, pool.channels]);
        taps.max_dim(1).reshape([self.images * pool.positions, pool.channels])
    }
}
