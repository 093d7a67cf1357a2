//! The two loops that take nearly all the time of fine-tuning, written so that the compiler makes vector code of
//! them for whatever the processor has. Products and sums are always fused, and sums are always taken in the same
//! sixteen lanes, so every processor gives the same bits; one without fused instructions computes them in software,
//! which is slow.

const LANES: usize = 16;

/// Dot products of `row` with four rows of equal length.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
pub(crate) fn dot_4(row: &[f32], others: [&[f32]; 4]) -> [f32; 4] {
    let (chunks, tail) = row.as_chunks::<LANES>();
    let [a, b, c, d] = others.map(|other| other.as_chunks::<LANES>());
    // Four arrays, not an array of them: the compiler keeps these in registers.
    let (mut to_a, mut to_b) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (mut to_c, mut to_d) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for ((((x, a), b), c), d) in chunks.iter().zip(a.0).zip(b.0).zip(c.0).zip(d.0) {
        for lane in 0..LANES {
            to_a[lane] = x[lane].mul_add(a[lane], to_a[lane]);
            to_b[lane] = x[lane].mul_add(b[lane], to_b[lane]);
            to_c[lane] = x[lane].mul_add(c[lane], to_c[lane]);
            to_d[lane] = x[lane].mul_add(d[lane], to_d[lane]);
        }
    }
    let rest = [a.1, b.1, c.1, d.1].map(|other| tail.iter().zip(other).map(|(x, y)| x * y).sum::<f32>());
    [fold(to_a) + rest[0], fold(to_b) + rest[1], fold(to_c) + rest[2], fold(to_d) + rest[3]]
}

/// The sum of the lanes, pairwise.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
fn fold(lanes: [f32; LANES]) -> f32 {
    let mut half = [0.0_f32; 8];
    for lane in 0..8 {
        half[lane] = lanes[lane] + lanes[lane + 8];
    }
    let quarter = [half[0] + half[4], half[1] + half[5], half[2] + half[6], half[3] + half[7]];
    (quarter[0] + quarter[2]) + (quarter[1] + quarter[3])
}

/// Rows that [`add_rows`] takes at once: sums are read and written once for all of them.
pub(crate) const TILE: usize = 8;

/// Adds the `rows`, each times its factor for the line, to every line of `sums` `[K, d]`; the factors of a row
/// are `[K]`, row after row.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
pub(crate) fn add_rows(sums: &mut [f32], rows: [&[f32]; TILE], factors: &[f32]) {
    let d = rows[0].len();
    let classes = sums.len() / d;
    let rows = rows.map(|row| row[..d].as_chunks::<LANES>());
    let factors = |class: usize| -> [f32; TILE] { std::array::from_fn(|row| factors[row * classes + class]) };
    let mut pairs = sums.chunks_exact_mut(2 * d);
    // Two lines at a time, so that the rows are read half as often.
    for (pair, sums) in pairs.by_ref().enumerate() {
        let (f, g) = (factors(2 * pair), factors(2 * pair + 1));
        let (first, second) = sums.split_at_mut(d);
        let ((first, first_tail), (second, second_tail)) =
            (first.as_chunks_mut::<LANES>(), second.as_chunks_mut::<LANES>());
        let chunks = rows.map(|(chunks, _)| &chunks[..first.len()]);
        for (place, (first, second)) in first.iter_mut().zip(second).enumerate() {
            let (mut a, mut b) = (*first, *second);
            for row in 0..TILE {
                let x = chunks[row][place];
                for lane in 0..LANES {
                    a[lane] = f[row].mul_add(x[lane], a[lane]);
                    b[lane] = g[row].mul_add(x[lane], b[lane]);
                }
            }
            (*first, *second) = (a, b);
        }
        add_tails(first_tail, rows.map(|(_, tail)| tail), f);
        add_tails(second_tail, rows.map(|(_, tail)| tail), g);
    }
    let last = pairs.into_remainder();
    if !last.is_empty() {
        let f = factors(classes - 1);
        let (last, tail) = last.as_chunks_mut::<LANES>();
        let chunks = rows.map(|(chunks, _)| &chunks[..last.len()]);
        for (place, sums) in last.iter_mut().enumerate() {
            let mut a = *sums;
            for row in 0..TILE {
                let x = chunks[row][place];
                for lane in 0..LANES {
                    a[lane] = f[row].mul_add(x[lane], a[lane]);
                }
            }
            *sums = a;
        }
        add_tails(tail, rows.map(|(_, tail)| tail), f);
    }
}

/// What [`add_rows`] does, for the columns that fill no lanes.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
fn add_tails(sums: &mut [f32], rows: [&[f32]; TILE], factors: [f32; TILE]) {
    for (column, sum) in sums.iter_mut().enumerate() {
        *sum = (0..TILE).fold(*sum, |sum, row| factors[row].mul_add(rows[row][column], sum));
    }
}

/// Logits of `row` under the head of `weight` `[K, d]` and `bias` `[K]`, into `logits` `[K]`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
pub(crate) fn logits(weight: &[f32], bias: &[f32], row: &[f32], logits: &mut [f32]) {
    let d = row.len();
    for (block, logits) in logits.chunks_mut(4).enumerate() {
        // A block of fewer than four classes repeats its last one and drops the surplus.
        let class = |i: usize| block * 4 + i.min(logits.len() - 1);
        let others = [0, 1, 2, 3].map(|i| &weight[class(i) * d..(class(i) + 1) * d]);
        let products = dot_4(row, others);
        for (i, logit) in logits.iter_mut().enumerate() {
            *logit = products[i] + bias[block * 4 + i];
        }
    }
}

/// Logits so far below the largest have no probability. Theirs would be below 2e-15, a 30 millionth of the last bit of
/// the others, and what is computed with such numbers soon leaves the range in which processors are quick: without
/// this bound fine-tuning takes twice as long on rows that the head is sure of.
const LEAST_LOGIT: f32 = -34.0;

/// Replaces logits by probabilities; returns the logarithm of their sum of exponentials.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
pub(crate) fn softmax(logits: &mut [f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        let below = *logit - most;
        *logit = if below < LEAST_LOGIT { 0.0 } else { below.exp() };
        sum += *logit;
    }
    let scale = 1.0 / sum;
    for value in logits {
        *value *= scale;
    }
    most + sum.ln()
}

/// Cross-entropy of the `logits` of one row towards `class`, times `share`; replaces the logits by its derivatives.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled inside the caller's processor dispatch")]
pub(crate) fn cross_entropy(logits: &mut [f32], class: usize, share: f32) -> f64 {
    let target = logits[class];
    let loss = f64::from((softmax(logits) - target) * share);
    logits[class] -= 1.0;
    for slope in logits {
        *slope *= share;
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_the_plain_products_at_any_size() {
        for (classes, d) in [(1, 1), (3, 7), (5, 16), (11, 33)] {
            let weight: Vec<f32> = (0..classes * d).map(|i| ((i * 37 % 17) as f32 - 8.0) / 8.0).collect();
            let bias: Vec<f32> = (0..classes).map(|c| c as f32).collect();
            let row: Vec<f32> = (0..d).map(|i| ((i * 29 % 13) as f32 - 6.0) / 4.0).collect();
            let mut found = vec![0.0; classes];
            logits(&weight, &bias, &row, &mut found);
            for class in 0..classes {
                let expected: f32 =
                    bias[class] + row.iter().zip(&weight[class * d..]).map(|(x, w)| x * w).sum::<f32>();
                assert!((found[class] - expected).abs() < 1e-4, "{classes} {d} {class}");
            }
        }
    }

    #[test]
    fn softmax_survives_large_logits() {
        let mut values = [1000.0, 1000.0, -1000.0];
        let log_sum = softmax(&mut values);
        assert_eq!(values.map(f32::to_bits), [0.5, 0.5, 0.0].map(f32::to_bits));
        assert!((log_sum - (1000.0 + 2.0_f32.ln())).abs() < 1e-3);
    }
}
