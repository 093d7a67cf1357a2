use std::thread;

use super::Violation;
use crate::{Embedder, FeatureRows, Image};

/// Largest difference between two rows of one image, relative to the row's largest value.
const TOLERANCE: f32 = 1e-5;

/// Holds an embedder to its contract with `images`, of which two that differ in size and content show most.
///
/// It embeds them in one batch, each alone, in reverse order on two threads at once, and none at all, and compares
/// the rows; the fingerprint must be the same at the end. That all values are finite is [`FeatureRows`]' own rule.
///
/// # Errors
///
/// The first [`Violation`].
pub fn check_embedder(embedder: &dyn Embedder, images: &[Image]) -> Result<(), Violation> {
    let before = embedder.fingerprint().clone();
    embed(embedder, "no images", &[])?;
    let batch = embed(embedder, "the images in one batch", images)?;
    for (index, image) in images.iter().enumerate() {
        let case = "an image alone";
        let alone = embed(embedder, case, std::slice::from_ref(image))?;
        same_row(case, index, alone.row(0), batch.row(index))?;
    }
    let reversed: Vec<Image> = images.iter().rev().cloned().collect();
    let case = "the images in reverse on two threads at once";
    let results = thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| embed(embedder, case, &reversed)));
        threads.map(|thread| thread.join().unwrap_or(Err(Violation::Panicked { case })))
    });
    for rows in results {
        let rows = rows?;
        for index in 0..images.len() {
            same_row(case, index, rows.row(images.len() - 1 - index), batch.row(index))?;
        }
    }
    let after = embedder.fingerprint();
    if *after != before {
        return Err(Violation::FingerprintChanged {
            before: Box::new(before),
            after: Box::new(after.clone()),
        });
    }
    Ok(())
}

fn embed(embedder: &dyn Embedder, case: &'static str, images: &[Image]) -> Result<FeatureRows, Violation> {
    let rows = embedder.embed(images).map_err(|source| Violation::Embed { case, source })?;
    let expected = embedder.fingerprint().dimension;
    if rows.dimension() as u64 != u64::from(expected) {
        return Err(Violation::Dimension { case, found: rows.dimension(), expected });
    }
    if rows.len() != images.len() {
        return Err(Violation::RowCount { case, found: rows.len(), expected: images.len() });
    }
    Ok(rows)
}

fn same_row(case: &'static str, image: usize, found: &[f32], expected: &[f32]) -> Result<(), Violation> {
    let largest = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let apart = found.iter().zip(expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    if apart > TOLERANCE * largest {
        return Err(Violation::RowChanged { case, image, difference: apart / largest });
    }
    Ok(())
}
