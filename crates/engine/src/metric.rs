//! The plain rankings of the shortlist stage, and the arithmetic under them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How the shortlist stage compares a query with an exemplar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Metric {
    /// Euclidean distance of raw features (equation 6 of the paper); smaller is nearer.
    L2,
    /// Cosine of raw features (equation 5 of the paper), -1 to 1; larger is nearer.
    Cosine,
    /// Cosine after centring and whitening with the collection's shrunk covariance, -1 to 1; larger is nearer.
    /// The default: it finds disturbed images far more often than the other two, for the same price.
    #[default]
    Whitened,
}

/// Which end of a score is the near one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A larger score is nearer.
    LargerIsNearer,
    /// A smaller score is nearer.
    SmallerIsNearer,
}

impl Metric {
    /// All metrics, in the order of their age.
    pub const ALL: [Self; 3] = [Self::L2, Self::Cosine, Self::Whitened];

    /// The word that requests and outputs use.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::Cosine => "cosine",
            Self::Whitened => "whitened",
        }
    }

    /// One line for people, lower case, without a full stop.
    pub fn summary(self) -> &'static str {
        match self {
            Self::L2 => "Euclidean distance of raw features",
            Self::Cosine => "cosine of raw features",
            Self::Whitened => "cosine of features, centred and whitened",
        }
    }

    /// Which end of its score is the near one.
    pub fn direction(self) -> Direction {
        match self {
            Self::L2 => Direction::SmallerIsNearer,
            Self::Cosine | Self::Whitened => Direction::LargerIsNearer,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word names no metric.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("\"{found}\" is no metric; choose l2, cosine or whitened")]
pub struct UnknownMetric {
    found: String,
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.name() == word)
            .ok_or_else(|| UnknownMetric { found: word.to_owned() })
    }
}

/// Independent sums per loop turn: as many as keep the adders busy, in an order that is the same on every machine.
const LANES: usize = 32;

/// Sum of `term` over the pairs of `a` and `b`, in [`LANES`] partial sums.
///
/// The order of additions is fixed by the code alone, so the result has the same bits on every run and thread.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside a caller's processor dispatch")]
fn lane_sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Dot product.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside a caller's processor dispatch")]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    lane_sum(a, b, |a, b| a * b)
}

/// Dot products of four directions with a row: the bits of [`dot`] each.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
pub(crate) fn four_dots(directions: [&[f32]; 4], row: &[f32]) -> [f32; 4] {
    let (row_chunks, row_rest) = row.as_chunks::<LANES>();
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] =
        directions.map(|direction| direction.as_chunks::<LANES>());
    let mut sums = [[0.0_f32; LANES]; 4];
    for ((((row, a), b), c), d) in row_chunks.iter().zip(a).zip(b).zip(c).zip(d) {
        for lane in 0..LANES {
            sums[0][lane] += a[lane] * row[lane];
            sums[1][lane] += b[lane] * row[lane];
            sums[2][lane] += c[lane] * row[lane];
            sums[3][lane] += d[lane] * row[lane];
        }
    }
    let rests = [a_rest, b_rest, c_rest, d_rest];
    std::array::from_fn(|at| {
        let rest: f32 = rests[at].iter().zip(row_rest).map(|(a, b)| a * b).sum();
        sums[at].iter().sum::<f32>() + rest
    })
}

/// Squared Euclidean distance, from the differences: exact 0 for equal rows, no cancellation.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    lane_sum(a, b, |a, b| (a - b) * (a - b))
}

/// Dot product of `direction` with `row - mean`, without the cancellation of two separate products.
pub(crate) fn centred_dot(direction: &[f32], row: &[f32], mean: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (direction_chunks, direction_rest) = direction.as_chunks::<LANES>();
    let (row_chunks, row_rest) = row.as_chunks::<LANES>();
    let (mean_chunks, mean_rest) = mean.as_chunks::<LANES>();
    for ((direction, row), mean) in direction_chunks.iter().zip(row_chunks).zip(mean_chunks) {
        for lane in 0..LANES {
            lanes[lane] += direction[lane] * (row[lane] - mean[lane]);
        }
    }
    let rest: f32 = direction_rest.iter().zip(row_rest).zip(mean_rest).map(|((d, r), m)| d * (r - m)).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of small whole numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn sums_cover_every_value_whatever_the_length() {
        for length in [0, 1, 31, 32, 33, 100, 512] {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let ones = vec![1.0; length];
            let expected = (0..length).sum::<usize>() as f32;
            assert_eq!(dot(&a, &ones), expected);
            assert_eq!(
                four_dots([&a, &ones, &a, &ones], &ones),
                [expected, length as f32, expected, length as f32]
            );
            let two = vec![3.0; length];
            assert_eq!(centred_dot(&ones, &two, &ones), 2.0 * length as f32);
            assert_eq!(squared_distance(&ones, &two), 4.0 * length as f32);
        }
    }

    #[test]
    fn every_metric_is_known_by_its_name() {
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse(), Ok(metric));
        }
        assert!("euclid".parse::<Metric>().unwrap_err().to_string().contains("\"euclid\""));
    }
}
