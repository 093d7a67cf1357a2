use std::error::Error;
use std::fmt;

/// Feature rows: `n` rows of `dimension` values each, row by row.
///
/// *Features* are the output of a model's penultimate layer, raw: never scaled to unit length, because the
/// model's head needs them as they are. Metrics normalise on the fly.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRows {
    dimension: usize,
    values: Vec<f32>,
}

impl FeatureRows {
    /// Rows of `dimension` values.
    ///
    /// # Errors
    ///
    /// [`RowsError`] when the dimension is 0, when the values do not fill whole rows, or when one of them is
    /// NaN or infinite.
    pub fn new(dimension: usize, values: Vec<f32>) -> Result<Self, RowsError> {
        if dimension == 0 || !values.len().is_multiple_of(dimension) {
            return Err(RowsError::Shape { values: values.len(), dimension });
        }
        if let Some(position) = values.iter().position(|v| !v.is_finite()) {
            return Err(RowsError::NotFinite { row: position / dimension, column: position % dimension });
        }
        Ok(Self { dimension, values })
    }

    /// No rows, of the given dimension; a zero dimension counts as 1.
    pub fn empty(dimension: usize) -> Self {
        Self { dimension: dimension.max(1), values: Vec::new() }
    }

    /// Values in a row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Row `index`, counted from 0.
    ///
    /// # Panics
    ///
    /// When there are not that many rows.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dimension..(index + 1) * self.dimension]
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimension)
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// Why values do not make [`FeatureRows`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowsError {
    /// The values do not fill whole rows.
    Shape {
        /// Values given.
        values: usize,
        /// Values a row should have.
        dimension: usize,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Its row.
        row: usize,
        /// Its place in the row.
        column: usize,
    },
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { values, dimension } => {
                write!(f, "{values} values do not fill rows of {dimension}")
            }
            Self::NotFinite { row, column } => {
                write!(
                    f,
                    "feature row {row} is not finite at value {column}; the model or its input is broken"
                )
            }
        }
    }
}

impl Error for RowsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ragged_or_broken_matrix_is_refused() {
        assert_eq!(FeatureRows::new(3, vec![0.0; 4]), Err(RowsError::Shape { values: 4, dimension: 3 }));
        assert_eq!(
            FeatureRows::new(2, vec![0.0, 1.0, 2.0, f32::NAN]),
            Err(RowsError::NotFinite { row: 1, column: 1 })
        );
    }
}
