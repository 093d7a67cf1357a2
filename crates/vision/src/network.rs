//! The forward pass, for inference and training alike.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Int, Tensor, activation};

use crate::lowering::{Lowering, Table};
use crate::resnet::{ConvolutionSpec, POOL, ResNet};

/// One convolution and what `P` says of its parameters.
#[derive(Debug)]
pub(crate) struct Convolution<P> {
    pub(crate) lowering: Lowering,
    pub(crate) outputs: usize,
    /// Its place in the order of the forward pass, where a block's shortcut comes before its path.
    pub(crate) number: usize,
    /// Number of its gather table.
    table: Option<usize>,
    pub(crate) parameters: P,
}

/// A network for one size of input.
#[derive(Debug)]
pub(crate) struct Network<P> {
    layers: ResNet<Convolution<P>>,
    tables: Vec<Table>,
    pool: Option<Pool>,
    /// Positions of the last plane.
    positions: usize,
    features: usize,
    device: Device,
    indices: IndexCache,
}

#[derive(Debug)]
struct Pool {
    table: usize,
    taps: usize,
    positions: usize,
    channels: usize,
}

/// Gather indices by number of images. Chunks are nearly always full or single images, so few sizes return.
#[derive(Debug, Default)]
struct IndexCache(Mutex<HashMap<usize, Arc<[Tensor<1, Int>]>>>);

/// Number of batch sizes whose indices are kept.
const CACHED_SIZES: usize = 4;

impl<P> Network<P> {
    /// Lays `layers` out for an input of `plane` (height, width), with `lower` choosing each layer's lowering and
    /// `parameters` making its parameters on `device`.
    pub(crate) fn new(
        layers: &ResNet<ConvolutionSpec>,
        plane: [usize; 2],
        device: &Device,
        lower: impl Fn(&ConvolutionSpec, [usize; 2]) -> Lowering,
        mut parameters: impl FnMut(&ConvolutionSpec, &Lowering) -> P,
    ) -> Self {
        let mut tables = Vec::new();
        let mut number_of = |table: Table| {
            tables.iter().position(|known| *known == table).unwrap_or_else(|| {
                tables.push(table);
                tables.len() - 1
            })
        };
        let mut last = plane;
        let mut stem_plane = plane;
        let mut convolutions = 0;
        let converted = layers.convert(plane, |spec, plane_in| {
            let lowering = lower(spec, plane_in);
            let plane_out = lowering.plane_out();
            if spec.name == layers.stem.name {
                stem_plane = plane_out;
            }
            last = plane_out;
            let parameters = parameters(spec, &lowering);
            let table = lowering.table().map(&mut number_of);
            let number = convolutions;
            convolutions += 1;
            (Convolution { lowering, outputs: spec.outputs, number, table, parameters }, plane_out)
        });
        let pool = layers.pooled.then(|| Table::pooling(POOL, stem_plane)).flatten();
        let pool = pool.map(|(table, taps, [height, width])| {
            let channels = layers.stem.outputs;
            Pool { table: number_of(table), taps, positions: height * width, channels }
        });
        let features =
            layers.blocks.last().and_then(|block| block.path.last()).map_or(0, |spec| spec.outputs);
        Self {
            layers: converted,
            tables,
            pool,
            positions: last.iter().product(),
            features,
            device: device.clone(),
            indices: IndexCache::default(),
        }
    }

    /// Values of one image in the left side of the network's largest matrix product.
    pub(crate) fn largest_columns(&self) -> usize {
        self.convolutions().map(|unit| unit.lowering.columns_per_image(unit.outputs)).max().unwrap_or(0)
    }

    /// The convolutions in the order of torchvision's files.
    pub(crate) fn convolutions(&self) -> impl Iterator<Item = &Convolution<P>> {
        self.layers.units()
    }

    /// The convolutions of the given blocks in the order of the forward pass.
    pub(crate) fn convolutions_of(&self, blocks: Range<usize>) -> impl Iterator<Item = &Convolution<P>> {
        let blocks = self.layers.blocks.get(blocks).unwrap_or_default();
        blocks.iter().flat_map(|block| block.shortcut.iter().chain(&block.path))
    }

    /// Multiplications of one image's forward pass.
    pub(crate) fn multiplications(&self) -> usize {
        let of = |unit: &Convolution<P>| unit.lowering.multiplications(unit.outputs);
        self.convolutions().map(of).fold(0, usize::saturating_add)
    }

    /// Feature rows `[images, features]` of an input `[images x positions, channels]`. `convolve` turns the left
    /// side of a convolution's matrix product into the normalised activation.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        images: usize,
        convolve: impl FnMut(&Convolution<P>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let mut pass = self.pass(images, convolve);
        let rows = pass.stem(input);
        let rows = pass.blocks(0..self.layers.blocks.len(), rows);
        pass.features(rows)
    }

    /// The parts of [`Network::forward`] one by one, for who begins or ends in between.
    pub(crate) fn pass<F: FnMut(&Convolution<P>, Tensor<2>) -> Tensor<2>>(
        &self,
        images: usize,
        convolve: F,
    ) -> Pass<'_, P, F> {
        Pass { network: self, images, indices: self.indices(images), convolve }
    }

    fn indices(&self, images: usize) -> Arc<[Tensor<1, Int>]> {
        let mut cache = self.indices.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(indices) = cache.get(&images) {
            return Arc::clone(indices);
        }
        let tensors = self.tables.iter().map(|table| Tensor::from_data(table.indices(images), &self.device));
        let indices: Arc<[Tensor<1, Int>]> = tensors.collect();
        if cache.len() < CACHED_SIZES {
            cache.insert(images, Arc::clone(&indices));
        }
        indices
    }
}

/// A forward pass of `images`. Between its parts an activation is `[images x positions, channels]`.
pub(crate) struct Pass<'a, P, F> {
    network: &'a Network<P>,
    images: usize,
    indices: Arc<[Tensor<1, Int>]>,
    convolve: F,
}

impl<P, F: FnMut(&Convolution<P>, Tensor<2>) -> Tensor<2>> Pass<'_, P, F> {
    /// What the first block sees of an input.
    pub(crate) fn stem(&mut self, input: Tensor<2>) -> Tensor<2> {
        let mut rows = self.apply(&self.network.layers.stem, input);
        if let Some(pool) = &self.network.pool {
            // Before the rectifier, which commutes with a maximum: a quarter of the positions is left for it.
            let gathered = rows.select(0, self.indices[pool.table].clone());
            let taps: Tensor<3> = gathered.reshape([self.images * pool.positions, pool.taps, pool.channels]);
            rows = taps.max_dim(1).reshape([self.images * pool.positions, pool.channels]);
        }
        activation::relu(rows)
    }

    /// What the blocks `range`, one after the other, make of what the first of them sees.
    pub(crate) fn blocks(&mut self, range: Range<usize>, mut rows: Tensor<2>) -> Tensor<2> {
        for block in self.network.layers.blocks.get(range).unwrap_or_default() {
            let shortcut = match &block.shortcut {
                Some(unit) => self.apply(unit, rows.clone()),
                None => rows.clone(),
            };
            for (place, unit) in block.path.iter().enumerate() {
                if place > 0 {
                    rows = activation::relu(rows);
                }
                rows = self.apply(unit, rows);
            }
            rows = activation::relu(rows + shortcut);
        }
        rows
    }

    /// Feature rows from what the last block puts out.
    pub(crate) fn features(&self, rows: Tensor<2>) -> Tensor<2> {
        let Network { positions, features, .. } = *self.network;
        if positions == 1 {
            return rows;
        }
        let of_images: Tensor<3> = rows.reshape([self.images, positions, features]);
        of_images.mean_dim(1).reshape([self.images, features])
    }

    fn apply(&mut self, unit: &Convolution<P>, rows: Tensor<2>) -> Tensor<2> {
        let indices = unit.table.map(|table| &self.indices[table]);
        let columns = unit.lowering.columns(rows, self.images, indices);
        unit.lowering.activation((self.convolve)(unit, columns), self.images, unit.outputs)
    }
}
