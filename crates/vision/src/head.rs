use lookalike_plugin_api::FeatureRows;

/// The last linear layer of a classifier: `logits = weight features + bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    dimension: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Head {
    /// A head of `bias.len()` classes; `weight` holds one row of `dimension` values per class.
    ///
    /// # Errors
    ///
    /// [`HeadError`] when there is no class or no dimension, or when the weights do not fill the shape.
    pub fn new(dimension: usize, weight: Vec<f32>, bias: Vec<f32>) -> Result<Self, HeadError> {
        if dimension == 0 || bias.is_empty() || bias.len().checked_mul(dimension) != Some(weight.len()) {
            return Err(HeadError { weights: weight.len(), classes: bias.len(), dimension });
        }
        Ok(Self { dimension, weight, bias })
    }

    /// A head from weights whose shapes were checked.
    pub(crate) fn from_valid(weight: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { dimension: weight.len() / bias.len().max(1), weight, bias }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Values in a feature row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The weights, `[classes, dimension]`, row by row.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// The bias of each class.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The logits of feature rows, `[n, classes]`.
    ///
    /// Each row is summed in the same order whatever stands beside it.
    ///
    /// # Panics
    ///
    /// When the rows have another dimension.
    pub fn logits(&self, features: &FeatureRows) -> Vec<f32> {
        assert_eq!(
            features.dimension(),
            self.dimension,
            "feature rows and head must have the same dimension"
        );
        let mut logits = Vec::with_capacity(features.len() * self.classes());
        for row in features.rows() {
            let of_class = self.weight.chunks_exact(self.dimension).zip(&self.bias);
            logits.extend(of_class.map(|(weight, bias)| dot(weight, row) + bias));
        }
        logits
    }

    /// The class with the largest logit of each row; of equal ones the first.
    ///
    /// # Panics
    ///
    /// When the rows have another dimension.
    pub fn predicted(&self, features: &FeatureRows) -> Vec<usize> {
        let largest = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
        self.logits(features).chunks_exact(self.classes()).map(|row| largest(row).unwrap_or(0)).collect()
    }

    /// A loss's gradient with respect to the features `[n, dimension]` from the one with respect to the logits
    /// `[n, classes]`.
    pub(crate) fn pullback(&self, cotangent: &[f32]) -> Vec<f32> {
        let mut pulled = vec![0.0; cotangent.len() / self.classes() * self.dimension];
        for (row, of_row) in
            pulled.chunks_exact_mut(self.dimension).zip(cotangent.chunks_exact(self.classes()))
        {
            for (weight, factor) in self.weight.chunks_exact(self.dimension).zip(of_row) {
                for (value, weight) in row.iter_mut().zip(weight) {
                    *value += factor * weight;
                }
            }
        }
        pulled
    }
}

/// The scalar product, in eight lanes so that the compiler can use vectors and the order stays fixed.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<8>();
    let (b_lanes, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0f32; 8];
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Why values do not make a [`Head`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{weights} head weights do not fill {classes} classes of {dimension} values")]
pub struct HeadError {
    /// Weights given.
    pub weights: usize,
    /// Classes, from the bias.
    pub classes: usize,
    /// Values a row should have.
    pub dimension: usize,
}
