//! The rows of a batch: the clean one of each image, and those of the declared views.

use lookalike_plugin_api::{Embedder, FeatureRows, Image, View};
use lookalike_store::{MAX_BATCH_BYTES, NewExemplar};
use rayon::prelude::*;
use tracing::info_span;

use super::error::IngestError;
use super::pipeline::ModelTurn;
use super::staged::{Embedded, Placed};
use crate::decode::decode;
use crate::views::Served;

/// Stage `embed`: gives exemplars the rows that they are to have and have not.
pub(super) fn embed(batch: &mut Embedded, turn: &ModelTurn) -> Result<(), IngestError> {
    let mut waiting: Vec<(Image, &mut Rows)> = batch
        .exemplars
        .iter_mut()
        .filter_map(|Placed { value, .. }| Some((value.image.take()?, &mut value.exemplar.rows)))
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    // The model takes the first of them: the others brought their clean row.
    waiting.sort_by_key(|(_, rows)| !rows.is_empty());
    let (images, mut rows): (Vec<Image>, Vec<&mut Rows>) = waiting.into_iter().unzip();
    turn.take(|| make_rows(&images, &mut rows, &batch.served))
}

/// Rows of an exemplar by the names of their views in the store.
type Rows = Vec<(String, Vec<f32>)>;

/// Makes the rows of images: the clean ones of those, first in line, that have none, and those of all declared views.
fn make_rows(images: &[Image], rows: &mut [&mut Rows], served: &Served) -> Result<(), IngestError> {
    let add = |rows: &mut [&mut Rows], kept: &str, made: &FeatureRows| {
        rows.iter_mut().zip(made.rows()).for_each(|(rows, row)| rows.push((kept.to_owned(), row.to_vec())));
    };
    let without_clean = rows.iter().take_while(|rows| rows.is_empty()).count();
    if without_clean > 0 {
        add(rows, View::CLEAN, &rows_of(&images[..without_clean], served.model().as_ref())?);
    }
    if !images.is_empty() {
        for view in served.views() {
            add(rows, view.kept(), &view.derive(images, served.dimension())?);
        }
    }
    Ok(())
}

/// Makes all rows of exemplars anew.
pub(super) fn embed_again(exemplars: &mut [NewExemplar], served: &Served) -> Result<(), IngestError> {
    let images: Vec<Image> = exemplars
        .par_iter()
        .map(|exemplar| decode(&exemplar.image).map(|decoded| decoded.image))
        .collect::<Result<_, _>>()
        .map_err(IngestError::Decode)?;
    exemplars.iter_mut().for_each(|exemplar| exemplar.rows.clear());
    let mut rows: Vec<&mut Rows> = exemplars.iter_mut().map(|exemplar| &mut exemplar.rows).collect();
    make_rows(&images, &mut rows, served)
}

/// Exemplars in portions that one batch of the store takes.
pub(super) fn portions(exemplars: Vec<NewExemplar>) -> Vec<Vec<NewExemplar>> {
    let mut portions = vec![Vec::with_capacity(exemplars.len())];
    let mut bytes = 0;
    for exemplar in exemplars {
        let rows: usize = exemplar.rows.iter().map(|(_, row)| size_of_val(row.as_slice())).sum();
        let own = exemplar.image.len() + rows;
        bytes += own;
        if bytes > MAX_BATCH_BYTES {
            portions.push(Vec::new());
            bytes = own;
        }
        if let Some(portion) = portions.last_mut() {
            portion.push(exemplar);
        }
    }
    portions
}

/// The rows of images, if they are as many and as long as they must be.
pub(crate) fn rows_of(images: &[Image], model: &dyn Embedder) -> Result<FeatureRows, IngestError> {
    let _span = info_span!("stage", name = "embed", n = images.len()).entered();
    let rows = model.embed(images)?;
    let expected = model.fingerprint().dimension as usize;
    if rows.len() != images.len() || rows.dimension() != expected {
        let (found_rows, found, images) = (rows.len(), rows.dimension(), images.len());
        return Err(IngestError::Rows { found_rows, found, images, expected });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(number: usize, bytes: usize) -> NewExemplar {
        NewExemplar {
            key: number.to_string(),
            label: None,
            tags: [].into(),
            image: vec![0; bytes],
            media_type: "image/png".to_owned(),
            height: 1,
            width: 1,
            channels: 1,
            rows: vec![(View::CLEAN.to_owned(), vec![0.0; 8])],
        }
    }

    #[test]
    fn portions_keep_the_order_and_fit_into_a_batch_of_the_store() {
        let third = MAX_BATCH_BYTES / 3;
        let portions = portions((0..5).map(|number| exemplar(number, third)).collect());
        let keys: Vec<Vec<&str>> = portions
            .iter()
            .map(|portion| portion.iter().map(|exemplar| exemplar.key.as_str()).collect())
            .collect();
        assert_eq!(keys, [&["0", "1"][..], &["2", "3"], &["4"]]);
    }
}
