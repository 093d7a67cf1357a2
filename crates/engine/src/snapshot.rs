//! What a reranker sees of a collection: one state, answered from memory and disk.

use std::error::Error;
use std::sync::Arc;

use lookalike_plugin_api::{
    Budget, ExemplarId, ExemplarSource, FeatureRows, Image, LabelId, SourceError, Space, View,
};
use rayon::prelude::*;

use crate::background::background;
use crate::collection::Collection;
use crate::decode::decode;
use crate::kept_view::KeptView;
use crate::project::Projection;
use crate::state::State;
use crate::whitening::Whitening;

/// Ids that a thread checks at a time.
const CHECKED_AT_ONCE: usize = 4096;

/// One state of a collection as a reranker sees it: for whoever calls a [`Reranker`](lookalike_plugin_api::Reranker) without
/// a search, with candidates of their own choice.
///
/// It shows the same exemplars, rows and labels however long it is held, whatever is written meanwhile, and keeps their
/// images from being removed.
#[derive(Debug)]
pub struct Snapshot {
    stored: Arc<lookalike_store::Collection>,
    state: Arc<State>,
    /// The job's, without its step limit: what takes long here are no steps.
    budget: Budget,
}

fn storage(source: impl Error + Send + Sync + 'static) -> SourceError {
    SourceError::Storage(Box::new(source))
}

impl Collection {
    /// The newest state. Work that takes long in it, such as fitting a whitening, ends with `budget`, whose step
    /// limit does not count.
    pub fn snapshot(&self, budget: &Budget) -> Snapshot {
        Snapshot::new(self.stored(), self.state(), budget)
    }
}

impl Snapshot {
    pub(crate) fn new(stored: Arc<lookalike_store::Collection>, state: Arc<State>, budget: &Budget) -> Self {
        Self { stored, state, budget: budget.without_step_limit() }
    }

    /// The exemplars in it, ascending.
    pub fn ids(&self) -> Vec<ExemplarId> {
        self.state.catalog().live().iter().collect()
    }

    fn present(&self, ids: &[ExemplarId]) -> Result<(), SourceError> {
        let live = self.state.catalog().live();
        let is_gone = |id: &&ExemplarId| !live.contains(**id);
        let gone = if ids.len() <= CHECKED_AT_ONCE {
            // Not worth a turn of the pool, which others may keep busy.
            ids.iter().find(is_gone)
        } else {
            ids.par_iter().with_min_len(CHECKED_AT_ONCE).find_first(is_gone)
        };
        match gone {
            Some(id) => Err(SourceError::Missing { id: *id }),
            None => Ok(()),
        }
    }

    fn view(&self, name: &str) -> Result<&KeptView, SourceError> {
        self.state.view(name).ok_or_else(|| SourceError::View { name: name.to_owned() })
    }

    fn whitening<'a>(&'a self, view: &'a KeptView) -> Result<&'a Whitening, SourceError> {
        let too_few = || SourceError::Whitening { rows: view.matrix().len() };
        let fitted = view.whitening(self.state.catalog().live(), &self.budget);
        fitted.map_err(SourceError::Stopped)?.ok_or_else(too_few)
    }
}

fn incomplete(view: &KeptView) -> SourceError {
    let (name, remedy) = (view.name().to_owned(), view.remedy().to_owned());
    SourceError::Incomplete { name, missing: view.missing().len(), remedy }
}

/// The statistics of a view that is being made would be others tomorrow. Exemplars without a clean row are hidden
/// everywhere, so that the clean view is whole without them.
fn whole(view: &KeptView) -> Result<(), SourceError> {
    if view.name() == View::CLEAN || view.missing().is_empty() { Ok(()) } else { Err(incomplete(view)) }
}

fn fitting(rows: &FeatureRows, view: &KeptView) -> Result<(), SourceError> {
    let (found, expected) = (rows.dimension(), view.matrix().dimension());
    if found == expected { Ok(()) } else { Err(SourceError::Dimension { found, expected }) }
}

/// Images that are not worth a turn of the pool.
const DECODED_AT_ONCE: usize = 32;

impl ExemplarSource for Snapshot {
    fn images(&self, ids: &[ExemplarId]) -> Result<Vec<Image>, SourceError> {
        self.present(ids)?;
        let image = |id: &ExemplarId| {
            let bytes = self.stored.image_in(self.state.catalog(), *id).map_err(storage)?;
            let bytes = bytes.ok_or(SourceError::Missing { id: *id })?;
            Ok(decode(&bytes).map_err(storage)?.image)
        };
        if ids.len() <= DECODED_AT_ONCE {
            // Whoever asks for few at a time has threads of their own.
            return ids.iter().map(image).collect();
        }
        ids.par_iter().map(image).collect()
    }

    fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, SourceError> {
        let view = self.view(view)?;
        self.present(ids)?;
        let matrix = view.matrix();
        let mut values = Vec::with_capacity(ids.len() * matrix.dimension());
        for id in ids {
            values.extend_from_slice(matrix.row(*id).ok_or_else(|| incomplete(view))?);
        }
        FeatureRows::new(matrix.dimension(), values).map_err(storage)
    }

    fn labels(&self, ids: &[ExemplarId]) -> Result<Vec<Option<LabelId>>, SourceError> {
        self.present(ids)?;
        Ok(ids.iter().map(|id| self.state.catalog().label_of(*id)).collect())
    }

    fn label_name(&self, label: LabelId) -> Option<&str> {
        self.state.catalog().label_name(label)
    }

    fn background(&self, size: usize, seed: u64) -> Vec<ExemplarId> {
        background(&self.state, size, seed)
    }

    fn whiten(&self, view: &str, rows: &FeatureRows) -> Result<FeatureRows, SourceError> {
        let view = self.view(view)?;
        fitting(rows, view)?;
        whole(view)?;
        let whitened = self.whitening(view)?.whiten(rows.values());
        FeatureRows::new(rows.dimension(), whitened).map_err(storage)
    }

    fn project(
        &self,
        view: &str,
        space: Space,
        directions: &FeatureRows,
        ids: &[ExemplarId],
    ) -> Result<FeatureRows, SourceError> {
        let view = self.view(view)?;
        fitting(directions, view)?;
        self.present(ids)?;
        let matrix = view.matrix();
        let projection = match space {
            Space::Raw => Projection::raw(matrix, directions.values()),
            Space::Whitened => {
                whole(view)?;
                Projection::whitened(matrix, self.whitening(view)?, directions.values())
            }
        };
        let products = projection.of(ids).map_err(|_| incomplete(view))?;
        FeatureRows::new(directions.len().max(1), products).map_err(storage)
    }

    fn state_number(&self) -> Option<u64> {
        Some(self.state.number())
    }
}

#[cfg(test)]
mod tests;
