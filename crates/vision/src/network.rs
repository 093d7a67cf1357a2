//! The forward pass, for inference and training alike.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Int, Tensor, activation};

use crate::lowering::{Lowering, Table};
use crate::resnet::{ConvolutionSpec, POOL, ResNet};

/// One convolution and what `P` says of its parameters.
#[derive(Debug)]
pub(crate) struct Layer<P> {
    pub(crate) lowering: Lowering,
    pub(crate) outputs: usize,
    /// Number of its gather table.
    table: Option<usize>,
    pub(crate) parameters: P,
}

/// A network for one size of input.
#[derive(Debug)]
pub(crate) struct Network<P> {
    layers: ResNet<Layer<P>>,
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
        let converted = layers.convert(plane, |spec, plane_in| {
            let lowering = lower(spec, plane_in);
            let plane_out = lowering.plane_out();
            if spec.name == layers.stem.name {
                stem_plane = plane_out;
            }
            last = plane_out;
            let parameters = parameters(spec, &lowering);
            let table = lowering.table().map(&mut number_of);
            (Layer { lowering, outputs: spec.outputs, table, parameters }, plane_out)
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
        self.layers().map(|layer| layer.lowering.columns_per_image(layer.outputs)).max().unwrap_or(0)
    }

    /// The layers in the order of torchvision's files.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer<P>> {
        self.layers.units()
    }

    /// Feature rows `[images, features]` of an input `[images x positions, channels]`. `convolve` turns the left
    /// side of a layer's matrix product into the layer's normalised activation.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        images: usize,
        mut convolve: impl FnMut(&Layer<P>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let indices = self.indices(images);
        let mut apply = |layer: &Layer<P>, rows: Tensor<2>| {
            let columns = layer.lowering.columns(rows, images, layer.table.map(|table| &indices[table]));
            layer.lowering.activation(convolve(layer, columns), images, layer.outputs)
        };
        let mut rows = apply(&self.layers.stem, input);
        if let Some(pool) = &self.pool {
            // Before the rectifier, which commutes with a maximum: a quarter of the positions is left for it.
            let gathered = rows.select(0, indices[pool.table].clone());
            let taps: Tensor<3> = gathered.reshape([images * pool.positions, pool.taps, pool.channels]);
            rows = taps.max_dim(1).reshape([images * pool.positions, pool.channels]);
        }
        rows = activation::relu(rows);
        for block in &self.layers.blocks {
            let shortcut = match &block.shortcut {
                Some(layer) => apply(layer, rows.clone()),
                None => rows.clone(),
            };
            for (place, layer) in block.path.iter().enumerate() {
                if place > 0 {
                    rows = activation::relu(rows);
                }
                rows = apply(layer, rows);
            }
            rows = activation::relu(rows + shortcut);
        }
        if self.positions == 1 {
            return rows;
        }
        let positions: Tensor<3> = rows.reshape([images, self.positions, self.features]);
        positions.mean_dim(1).reshape([images, self.features])
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
