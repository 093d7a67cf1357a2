use lookalike_plugin_api::{FeatureRows, RowsError};

use crate::head::DummyHead;
use crate::kernel;
use crate::score::DimensionError;

/// Longest feature row whose whitening is kept as a matrix, which takes `4 d^2` bytes: 256 MiB.
pub const MOST_WHITENED_DIMENSION: usize = 8192;

/// Length of the probes. Whitened rows of probes are differences from the whitened origin, so the longer a probe the
/// less is lost to rounding; a power of two, so that dividing by it loses nothing.
const PROBE: f32 = 4096.0;

/// The way from raw feature rows to the logits of a [`DummyHead`], and the way back for gradients.
///
/// Either the head takes the rows as they are, or it takes whitened rows of unit length: with `z = A (x - m)` and `u
/// = z / ||z||` the logits are `W u + b`. A row whose `z` is zero stays zero, and so does every gradient through it.
///
/// *Determinism*: plain sums in one order; the same bits on any processor.
#[derive(Debug, Clone, PartialEq)]
pub struct LogitMap {
    head: DummyHead,
    whitening: Option<Affine>,
}

/// `z = A x + c`.
#[derive(Debug, Clone, PartialEq)]
struct Affine {
    /// `A` `[d, d]`, row by row.
    matrix: Vec<f32>,
    /// `c` `[d]`, the whitened origin.
    offset: Vec<f32>,
}

/// Why there is no [`LogitMap`], or why it has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogitMapError {
    /// Rows do not fit the head.
    #[error(transparent)]
    Dimension(#[from] DimensionError),
    /// The head's rows are too long for a whitening matrix.
    #[error(
        "feature rows have {found} values, at most {MOST_WHITENED_DIMENSION} can be whitened here; use raw rows"
    )]
    TooLong {
        /// Values in a row of the head.
        found: usize,
    },
    /// The whitened probes are not as many as the probes.
    #[error("{found} whitened probes, {expected} were expected; whiten all rows that the head's probes are")]
    Probes {
        /// Rows given.
        found: usize,
        /// Rows of [`LogitMap::probes`].
        expected: usize,
    },
    /// There is not one cotangent per logit.
    #[error("{found} cotangents, {expected} were expected, one per row and class")]
    Cotangents {
        /// Values given.
        found: usize,
        /// Rows times classes.
        expected: usize,
    },
    /// A number became NaN or infinite.
    #[error("whitening or head put out a number that is NaN or infinite")]
    NotFinite(#[source] RowsError),
}

impl LogitMap {
    /// A head on rows as they are.
    pub fn raw(head: DummyHead) -> Self {
        Self { head, whitening: None }
    }

    /// The rows `[d + 1, d]` whose whitened rows tell [`LogitMap::whitened`] what the whitening is: the origin, and a
    /// long step from it along every axis.
    ///
    /// # Errors
    ///
    /// [`LogitMapError::TooLong`] when the head takes rows of more than [`MOST_WHITENED_DIMENSION`] values.
    pub fn probes(head: &DummyHead) -> Result<FeatureRows, LogitMapError> {
        let d = head.dimension();
        if d > MOST_WHITENED_DIMENSION {
            return Err(LogitMapError::TooLong { found: d });
        }
        let mut values = vec![0.0; (d + 1) * d];
        for axis in 0..d {
            values[(axis + 1) * d + axis] = PROBE;
        }
        FeatureRows::new(d, values).map_err(LogitMapError::NotFinite)
    }

    /// A head on whitened rows of unit length. `probes` are the rows of [`LogitMap::probes`], whitened by whatever
    /// whitens the head's rows: a host's `ExemplarSource::whiten`, or a whitening fitted here. It must be affine, and
    /// must not scale to unit length.
    ///
    /// # Errors
    ///
    /// [`LogitMapError`] when the whitened probes have another shape than the probes.
    pub fn whitened(head: DummyHead, probes: &FeatureRows) -> Result<Self, LogitMapError> {
        let d = head.dimension();
        DimensionError::check(d, probes)?;
        if d > MOST_WHITENED_DIMENSION {
            return Err(LogitMapError::TooLong { found: d });
        }
        if probes.len() != d + 1 {
            return Err(LogitMapError::Probes { found: probes.len(), expected: d + 1 });
        }
        let offset = probes.row(0).to_vec();
        let mut matrix = vec![0.0; d * d];
        for (axis, column) in probes.rows().skip(1).enumerate() {
            for (line, (end, origin)) in column.iter().zip(&offset).enumerate() {
                matrix[line * d + axis] = (end - origin) / PROBE;
            }
        }
        Ok(Self { head, whitening: Some(Affine { matrix, offset }) })
    }

    /// The head.
    pub fn head(&self) -> &DummyHead {
        &self.head
    }

    /// The raw `rows` `[n, d]` as the head takes them: as they are, or whitened and of unit length.
    ///
    /// # Errors
    ///
    /// [`LogitMapError`] when the rows do not have the head's dimension or a number is not finite.
    pub fn head_rows(&self, rows: &FeatureRows) -> Result<FeatureRows, LogitMapError> {
        DimensionError::check(self.head.dimension(), rows)?;
        let Some(whitening) = &self.whitening else { return Ok(rows.clone()) };
        let mut values = vec![0.0; rows.values().len()];
        pulp::Arch::new().dispatch(|| {
            for (row, unit) in rows.rows().zip(values.chunks_exact_mut(rows.dimension())) {
                whitening.unit(row, unit);
            }
        });
        FeatureRows::new(rows.dimension(), values).map_err(LogitMapError::NotFinite)
    }

    /// Logits `[n, K]` of raw `rows` `[n, d]`, the dummy class last.
    ///
    /// # Errors
    ///
    /// As [`LogitMap::head_rows`].
    pub fn logits(&self, rows: &FeatureRows) -> Result<FeatureRows, LogitMapError> {
        let mut values = Vec::with_capacity(rows.len() * self.head.classes());
        self.head.for_each_logits(&self.head_rows(rows)?, |logits| values.extend_from_slice(logits));
        FeatureRows::new(self.head.classes(), values).map_err(LogitMapError::NotFinite)
    }

    /// The gradient `[n, d]` with respect to the raw `rows` `[n, d]` of a loss whose gradient with respect to their
    /// logits is `cotangents` `[n, K]`.
    ///
    /// # Errors
    ///
    /// [`LogitMapError`] when the shapes do not fit together or a number is not finite.
    pub fn pullback(&self, rows: &FeatureRows, cotangents: &[f32]) -> Result<FeatureRows, LogitMapError> {
        DimensionError::check(self.head.dimension(), rows)?;
        let classes = self.head.classes();
        if rows.len().checked_mul(classes) != Some(cotangents.len()) {
            let expected = rows.len().saturating_mul(classes);
            return Err(LogitMapError::Cotangents { found: cotangents.len(), expected });
        }
        let mut given = cotangents.chunks_exact(classes);
        let pulled = self.pulled(rows.rows(), |_, wanted| {
            wanted.copy_from_slice(given.next().unwrap_or_default());
        });
        FeatureRows::new(rows.dimension(), pulled).map_err(LogitMapError::NotFinite)
    }

    /// As [`LogitMap::pullback`], with cotangents `[K]` that `cotangent` writes for the logits `[K]` of each row;
    /// they are zero before. The rows have the head's dimension.
    pub(crate) fn pulled<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = &'a [f32]>,
        mut cotangent: impl FnMut(&[f32], &mut [f32]),
    ) -> Vec<f32> {
        let (classes, d) = (self.head.classes(), self.head.dimension());
        let mut pulled = vec![0.0; rows.len() * d];
        let (mut logits, mut slopes) = (vec![0.0; classes], vec![0.0; classes]);
        let (mut unit, mut of_unit) = (vec![0.0; d], vec![0.0; d]);
        pulp::Arch::new().dispatch(|| {
            for (row, pulled) in rows.zip(pulled.chunks_exact_mut(d)) {
                let length = self.whitening.as_ref().map(|whitening| whitening.unit(row, &mut unit));
                let head_row = if length.is_some() { &unit } else { row };
                kernel::logits(self.head.weight(), self.head.bias(), head_row, &mut logits);
                slopes.fill(0.0);
                cotangent(&logits, &mut slopes);
                let Some((whitening, length)) = self.whitening.as_ref().zip(length) else {
                    add_lines(pulled, self.head.weight(), &slopes);
                    continue;
                };
                of_unit.fill(0.0);
                add_lines(&mut of_unit, self.head.weight(), &slopes);
                whitening.pull(&unit, length, &mut of_unit, pulled);
            }
        });
        pulled
    }
}

impl Affine {
    /// Whitens `row` to unit length into `unit`; the length it had.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
    fn unit(&self, row: &[f32], unit: &mut [f32]) -> f32 {
        kernel::logits(&self.matrix, &self.offset, row, unit);
        let length = unit.iter().map(|v| v * v).sum::<f32>().sqrt();
        if length > 0.0 {
            unit.iter_mut().for_each(|value| *value /= length);
        }
        length
    }

    /// Adds the gradient with respect to the raw row to `pulled`, given that with respect to its `unit` row:
    /// `A^T (g - u (u . g)) / ||z||`. Uses up `of_unit`.
    fn pull(&self, unit: &[f32], length: f32, of_unit: &mut [f32], pulled: &mut [f32]) {
        if length == 0.0 {
            return;
        }
        let along = unit.iter().zip(&*of_unit).map(|(u, g)| u * g).sum::<f32>();
        for (slope, u) in of_unit.iter_mut().zip(unit) {
            *slope = (*slope - u * along) / length;
        }
        add_lines(pulled, &self.matrix, of_unit);
    }
}

/// Adds every line of `matrix` `[n, d]`, times its factor, to `sums` `[d]`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
fn add_lines(sums: &mut [f32], matrix: &[f32], factors: &[f32]) {
    for (line, factor) in matrix.chunks_exact(sums.len()).zip(factors) {
        if *factor != 0.0 {
            sums.iter_mut().zip(line).for_each(|(sum, value)| *sum = factor.mul_add(*value, *sum));
        }
    }
}

#[cfg(test)]
mod tests;
