//! What a reranker sees of a collection: one generation, answered from memory and disk.

use std::sync::Arc;

use plugin_api::{ExemplarId, ExemplarSource, FeatureRows, Image, LabelId, SourceError, View};
use rayon::prelude::*;

use crate::background::background;
use crate::decode::decode;
use crate::generation::Generation;

/// One generation as an [`ExemplarSource`].
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) stored: Arc<store::Collection>,
    pub(crate) generation: Arc<Generation>,
}

impl Snapshot {
    fn present(&self, ids: &[ExemplarId]) -> Result<(), SourceError> {
        let live = self.generation.catalog().live();
        match ids.iter().find(|id| !live.contains(**id)) {
            Some(id) => Err(SourceError::Missing { id: *id }),
            None => Ok(()),
        }
    }
}

impl ExemplarSource for Snapshot {
    fn images(&self, ids: &[ExemplarId]) -> Result<Vec<Image>, SourceError> {
        self.present(ids)?;
        ids.par_iter()
            .map(|id| {
                let bytes = self
                    .stored
                    .image_in(self.generation.catalog(), *id)
                    .map_err(|source| SourceError::Storage(Box::new(source)))?;
                let bytes = bytes.ok_or(SourceError::Missing { id: *id })?;
                Ok(decode(&bytes).map_err(|source| SourceError::Storage(Box::new(source)))?.image)
            })
            .collect()
    }

    fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, SourceError> {
        if view != View::CLEAN {
            return Err(SourceError::View { name: view.to_owned() });
        }
        self.present(ids)?;
        let matrix = self.generation.clean();
        let mut values = Vec::with_capacity(ids.len() * matrix.dimension());
        for id in ids {
            values.extend_from_slice(matrix.row(*id).ok_or(SourceError::Missing { id: *id })?);
        }
        FeatureRows::new(matrix.dimension(), values).map_err(|source| SourceError::Storage(Box::new(source)))
    }

    fn labels(&self, ids: &[ExemplarId]) -> Result<Vec<Option<LabelId>>, SourceError> {
        self.present(ids)?;
        Ok(ids.iter().map(|id| self.generation.catalog().label_of(*id)).collect())
    }

    fn label_name(&self, label: LabelId) -> Option<&str> {
        self.generation.catalog().label_name(label)
    }

    fn background(&self, size: usize, seed: u64) -> Vec<ExemplarId> {
        background(&self.generation, size, seed)
    }

    fn whiten(&self, view: &str, rows: &FeatureRows) -> Result<FeatureRows, SourceError> {
        if view != View::CLEAN {
            return Err(SourceError::View { name: view.to_owned() });
        }
        let matrix = self.generation.clean();
        let too_few = || SourceError::Whitening { rows: matrix.len() };
        let whitening = self.generation.whitening().ok_or_else(too_few)?;
        let refused = |source| SourceError::Storage(Box::new(source));
        FeatureRows::new(matrix.dimension(), whitening.whiten(rows.values())).map_err(refused)
    }
}
