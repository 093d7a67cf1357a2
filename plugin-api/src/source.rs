use std::error::Error;
use std::fmt;

use crate::{Completion, ExemplarId, FeatureRows, Image, LabelId};

/// Answers for the exemplars of one state of a collection.
///
/// All methods may be called from any thread and see the same state for the whole job.
pub trait ExemplarSource: Send + Sync {
    /// Images of `ids`, in their order.
    ///
    /// # Errors
    ///
    /// [`SourceError::Missing`] for an id that is not there; [`SourceError::Storage`] when reading fails.
    fn images(&self, ids: &[ExemplarId]) -> Result<Vec<Image>, SourceError>;

    /// Rows `[n, dimension]` of `ids` in the view of this name, in their order.
    ///
    /// # Errors
    ///
    /// As [`ExemplarSource::images`]; [`SourceError::View`] when the collection keeps no such view, and
    /// [`SourceError::Incomplete`] when exemplars have no row in it yet.
    fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, SourceError>;

    /// Labels of `ids`, in their order; `None` for an exemplar without one.
    ///
    /// # Errors
    ///
    /// As [`ExemplarSource::images`].
    fn labels(&self, ids: &[ExemplarId]) -> Result<Vec<Option<LabelId>>, SourceError>;

    /// The user's word for a label.
    fn label_name(&self, label: LabelId) -> Option<&str>;

    /// A sample of at most `size` exemplars that stands for the whole collection, spread evenly over the labels. It
    /// depends on the state and the seed alone, and had better not depend on the order in which exemplars were
    /// stored: a reranker trains on it in the order given.
    fn background(&self, size: usize, seed: u64) -> Vec<ExemplarId>;

    /// `rows` of a view, centred and whitened with the shrunk covariance of the collection's rows in that view: the
    /// dot product of two whitened rows, each scaled to unit length, is their whitened cosine. A host without linear
    /// algebra of its own fits a [`Whitening`](crate::Whitening).
    ///
    /// # Errors
    ///
    /// [`SourceError::Whitening`] when the collection is too small to have a covariance; [`SourceError::Dimension`] when
    /// `rows` are not as long as its own; [`SourceError::View`] and [`SourceError::Incomplete`] as for
    /// [`ExemplarSource::rows`].
    fn whiten(&self, view: &str, rows: &FeatureRows) -> Result<FeatureRows, SourceError>;

    /// Dot products `[n, directions]` of each of the `ids`' rows in a view with each of the directions
    /// `[directions, dimension]`, in a [`Space`].
    ///
    /// It is what a linear score of many exemplars needs. The given implementation copies and whitens every row; a
    /// host that turns the directions instead scores a million exemplars at the speed of its memory.
    ///
    /// # Errors
    ///
    /// As [`ExemplarSource::rows`] and, in [`Space::Whitened`], [`ExemplarSource::whiten`].
    fn project(
        &self,
        view: &str,
        space: Space,
        directions: &FeatureRows,
        ids: &[ExemplarId],
    ) -> Result<FeatureRows, SourceError> {
        let mut products = Vec::with_capacity(ids.len() * directions.len());
        for chunk in ids.chunks(PROJECTED_AT_ONCE) {
            let rows = self.rows(view, chunk)?;
            let rows = match space {
                Space::Raw => rows,
                Space::Whitened => self.whiten(view, &rows)?,
            };
            for row in rows.rows() {
                let norm = match space {
                    Space::Raw => 1.0,
                    Space::Whitened => row.iter().map(|v| v * v).sum::<f32>().sqrt(),
                };
                let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                let product =
                    |other: &[f32]| row.iter().zip(other).map(|(a, b)| a * b).sum::<f32>() * inverse;
                products.extend(directions.rows().map(product));
            }
        }
        FeatureRows::new(directions.len().max(1), products)
            .map_err(|error| SourceError::Storage(Box::new(error)))
    }

    /// A number that no other state of any collection has in this process: equal numbers mean equal answers, so that
    /// a reranker may keep what it has computed of a background sample. `None`, and nothing may be kept.
    fn state_number(&self) -> Option<u64> {
        None
    }
}

/// Exemplars whose rows the given [`ExemplarSource::project`] holds at once.
const PROJECTED_AT_ONCE: usize = 1024;

/// A space in which rows of a view are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// The rows as they are stored.
    Raw,
    /// Whitened by [`ExemplarSource::whiten`], each row scaled to unit length; a row of zeros stays.
    Whitened,
}

/// Why an [`ExemplarSource`] has no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// The exemplar is not in this state.
    Missing {
        /// Its id.
        id: ExemplarId,
    },
    /// The collection keeps no such view.
    View {
        /// The name asked for.
        name: String,
    },
    /// Exemplars have no row in the view yet, for instance because it was declared after they came.
    Incomplete {
        /// The view.
        name: String,
        /// Exemplars without a row.
        missing: u64,
        /// What completes the view.
        remedy: String,
    },
    /// Rows handed over are not as long as the collection's.
    Dimension {
        /// Values in a row handed over.
        found: usize,
        /// Values in a row of the collection.
        expected: usize,
    },
    /// There are too few rows to estimate a covariance.
    Whitening {
        /// Rows there are.
        rows: usize,
    },
    /// The job's budget ran out while the host was at work, for instance on its whitening.
    Stopped(Completion),
    /// Reading failed.
    Storage(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { id } => write!(f, "exemplar {id} is not in this state of the collection"),
            Self::View { name } => write!(f, "the collection keeps no feature view \"{name}\""),
            Self::Incomplete { name, missing, remedy } => {
                write!(f, "{missing} exemplars have no row in the view \"{name}\" yet; {remedy}")
            }
            Self::Whitening { rows } => {
                write!(f, "whitening needs at least 2 exemplars that differ, the collection has {rows} rows")
            }
            Self::Dimension { found, expected } => {
                write!(f, "rows of {found} values, the collection has rows of {expected}")
            }
            Self::Stopped(completion) => write!(f, "the budget ran out inside the host ({completion:?})"),
            Self::Storage(_) => f.write_str("reading the collection failed"),
        }
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Storage(source) => Some(source.as_ref()),
            Self::Missing { .. }
            | Self::View { .. }
            | Self::Incomplete { .. }
            | Self::Dimension { .. }
            | Self::Whitening { .. }
            | Self::Stopped(_) => None,
        }
    }
}
