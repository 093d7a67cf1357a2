use lookalike_plugin_api::FeatureRows;

use crate::kernel;

/// A linear head with a dummy class as its last row: the thing that is fine-tuned, a copy for one query.
///
/// *Shapes*: weight `[K, d]` row by row, bias `[K]`, K = the model's classes + 1.
#[derive(Debug, Clone, PartialEq)]
pub struct DummyHead {
    classes: usize,
    dimension: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Why numbers make no [`DummyHead`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The weight does not have one row per bias, or a row is empty.
    #[error("head has {weight} weights and {bias} biases, rows of {dimension} values were expected")]
    Shape {
        /// Weights given.
        weight: usize,
        /// Biases given.
        bias: usize,
        /// Length of the dummy row.
        dimension: usize,
    },
    /// A number is NaN or infinite.
    #[error("head holds a number that is NaN or infinite; check the model")]
    NotFinite,
}

impl DummyHead {
    /// The head `weight` `[C, d]`, `bias` `[C]` with the dummy class `row` `[d]`, `row_bias` after its classes.
    ///
    /// # Errors
    ///
    /// [`HeadError`] when the shapes do not fit together or a number is not finite.
    pub fn new(weight: &[f32], bias: &[f32], row: &[f32], row_bias: f32) -> Result<Self, HeadError> {
        let dimension = row.len();
        if dimension == 0 || bias.len().checked_mul(dimension) != Some(weight.len()) {
            return Err(HeadError::Shape { weight: weight.len(), bias: bias.len(), dimension });
        }
        let head = Self {
            classes: bias.len() + 1,
            dimension,
            weight: [weight, row].concat(),
            bias: [bias, &[row_bias]].concat(),
        };
        if head.is_finite() { Ok(head) } else { Err(HeadError::NotFinite) }
    }

    /// Classes, the dummy class included.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Values in a feature row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Weights `[K, d]`, the dummy class last.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// Biases `[K]`, the dummy class last.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The dummy class's row `[d]`.
    pub fn dummy_row(&self) -> &[f32] {
        &self.weight[(self.classes - 1) * self.dimension..]
    }

    pub(crate) fn parameters_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (&mut self.weight, &mut self.bias)
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.weight.iter().chain(&self.bias).all(|value| value.is_finite())
    }

    /// Calls `visit` with the logits `[K]` of every row, in order. Rows of another dimension are cut or refused
    /// by the callers.
    pub(crate) fn for_each_logits(&self, rows: &FeatureRows, mut visit: impl FnMut(&mut [f32])) {
        let visit = |_: &[f32], logits: &mut [f32]| visit(logits);
        pulp::Arch::new().dispatch(AllLogits { weight: &self.weight, bias: &self.bias, rows, visit });
    }
}

/// Each of some rows with its logits; a struct because a closure is not always inlined into the dispatch.
pub(crate) struct AllLogits<'a, V> {
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) rows: &'a FeatureRows,
    pub(crate) visit: V,
}

impl<V: FnMut(&[f32], &mut [f32])> pulp::WithSimd for AllLogits<'_, V> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the dispatch compiles what is inlined here for each processor")]
    fn with_simd<S: pulp::Simd>(mut self, _: S) {
        let mut logits = vec![0.0; self.bias.len()];
        for row in self.rows.rows() {
            kernel::logits(self.weight, self.bias, row, &mut logits);
            (self.visit)(row, &mut logits);
        }
    }
}
