//! The gather tables of one network, and their indices on its device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Int, Tensor};

use crate::lowering::Table;

/// Number of batch sizes whose indices are kept.
const CACHED_SIZES: usize = 4;

/// The different gather tables of a network.
#[derive(Debug)]
pub(crate) struct Tables {
    kept: Vec<Table>,
    device: Device,
    /// By number of images. Chunks are nearly always full or single images, so few sizes return.
    cache: Mutex<HashMap<usize, Arc<[Tensor<1, Int>]>>>,
}

impl Tables {
    pub(crate) fn new(device: &Device) -> Self {
        Self { kept: Vec::new(), device: device.clone(), cache: Mutex::default() }
    }

    /// The number of `table`, which is kept once however often it is added.
    pub(crate) fn add(&mut self, table: Table) -> usize {
        self.kept.iter().position(|known| *known == table).unwrap_or_else(|| {
            self.kept.push(table);
            self.kept.len() - 1
        })
    }

    /// The rows that each table reads for `images`.
    pub(crate) fn indices(&self, images: usize) -> Arc<[Tensor<1, Int>]> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(indices) = cache.get(&images) {
            return Arc::clone(indices);
        }
        let tensors = self.kept.iter().map(|table| Tensor::from_data(table.indices(images), &self.device));
        let indices: Arc<[Tensor<1, Int>]> = tensors.collect();
        if cache.len() < CACHED_SIZES {
            cache.insert(images, Arc::clone(&indices));
        }
        indices
    }
}
