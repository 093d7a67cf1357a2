//! Which batches are taken. All of this is checked before anything is written.

use std::collections::HashSet;

use lookalike_plugin_api::{ExemplarId, View};

use crate::{NewExemplar, Refusal, TagValue, WriteBatch, WriteError, limits};

/// Checks a batch for a collection whose rows have `dimension` values.
pub(crate) fn check(batch: &WriteBatch, dimension: usize) -> Result<(), WriteError> {
    let operations = batch.upserts.len().saturating_add(batch.deletes.len());
    if operations > limits::MAX_BATCH_OPERATIONS {
        return Err(WriteError::TooManyOperations { found: operations });
    }
    let mut bytes = 0usize;
    for new in &batch.upserts {
        let admitted = new.check_description().and_then(|()| check_rows(new, dimension));
        admitted.map_err(|source| refused(&new.key, source))?;
        let values: usize = new.rows.iter().map(|(_, row)| row.len()).sum();
        bytes = bytes.saturating_add(new.image.len()).saturating_add(values * size_of::<f32>());
    }
    if bytes > limits::MAX_BATCH_BYTES {
        return Err(WriteError::TooManyBytes { found: bytes });
    }
    for key in &batch.deletes {
        check_length("key", key.len(), 1, limits::MAX_KEY_BYTES).map_err(|source| refused(key, source))?;
    }
    Ok(())
}

/// Checks the rows of one exemplar against a dimension that has changed since [`check`].
pub(crate) fn check_dimension(new: &NewExemplar, dimension: usize) -> Result<(), WriteError> {
    check_rows(new, dimension).map_err(|source| refused(&new.key, source))
}

/// Checks rows that are stored for exemplars that are there already.
pub(crate) fn check_view_rows(
    view: &str,
    rows: &[(ExemplarId, Vec<f32>)],
    dimension: usize,
) -> Result<(), WriteError> {
    if rows.len() > limits::MAX_BATCH_OPERATIONS {
        return Err(WriteError::TooManyOperations { found: rows.len() });
    }
    let bytes = rows.iter().map(|(_, row)| size_of_val(row.as_slice())).fold(0, usize::saturating_add);
    if bytes > limits::MAX_BATCH_BYTES {
        return Err(WriteError::TooManyBytes { found: bytes });
    }
    for (id, row) in rows {
        check_row(view, row, dimension).map_err(|source| refused(&format!("id {id}"), source))?;
    }
    Ok(())
}

impl NewExemplar {
    /// Checks key, label, tags, media type and image against the limits, but not the rows, so that a bad exemplar
    /// can be put aside before features are computed for it and its batch is written.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that [`Collection::write`](crate::Collection::write) would give.
    pub fn check_description(&self) -> Result<(), Refusal> {
        check_description(self)
    }
}

fn refused(key: &str, source: Refusal) -> WriteError {
    let end = key.floor_char_boundary(limits::MAX_KEY_BYTES);
    WriteError::Refused { key: key[..end].to_owned(), source }
}

fn check_description(new: &NewExemplar) -> Result<(), Refusal> {
    check_length("key", new.key.len(), 1, limits::MAX_KEY_BYTES)?;
    if let Some(label) = &new.label {
        check_length("label", label.len(), 1, limits::MAX_LABEL_BYTES)?;
    }
    if new.tags.len() > limits::MAX_TAGS {
        return Err(Refusal::TooManyTags { found: new.tags.len() });
    }
    for (name, value) in &new.tags {
        check_length("tag name", name.len(), 1, limits::MAX_TAG_NAME_BYTES)?;
        match value {
            TagValue::Text(text) => check_length("tag text", text.len(), 0, limits::MAX_TAG_TEXT_BYTES)?,
            TagValue::Number(number) if number.is_finite() => {}
            TagValue::Number(_) => return Err(Refusal::TagNotFinite { tag: name.clone() }),
        }
    }
    let tags = new.tags.iter().map(|(name, value)| name.len() + value.text_bytes()).sum::<usize>();
    let found = new.key.len() + new.label.as_ref().map_or(0, String::len) + tags;
    if found > limits::MAX_DESCRIPTION_BYTES {
        return Err(Refusal::DescriptionTooLarge { found });
    }
    check_length("media type", new.media_type.len(), 1, limits::MAX_MEDIA_TYPE_BYTES)?;
    check_length("image", new.image.len(), 1, limits::MAX_IMAGE_BYTES)?;
    if new.height == 0 || new.width == 0 || !matches!(new.channels, 1 | 3) {
        return Err(Refusal::Shape { height: new.height, width: new.width, channels: new.channels });
    }
    Ok(())
}

fn check_rows(new: &NewExemplar, dimension: usize) -> Result<(), Refusal> {
    let mut views = HashSet::new();
    for (view, row) in &new.rows {
        if !views.insert(view.as_str()) {
            return Err(Refusal::ViewTwice { view: view.clone() });
        }
        check_row(view, row, dimension)?;
    }
    if views.contains(View::CLEAN) { Ok(()) } else { Err(Refusal::NoCleanRow) }
}

fn check_row(view: &str, row: &[f32], dimension: usize) -> Result<(), Refusal> {
    check_length("view name", view.len(), 1, limits::MAX_VIEW_NAME_BYTES)?;
    if row.len() != dimension {
        return Err(Refusal::Dimension { view: view.to_owned(), found: row.len(), expected: dimension });
    }
    match row.iter().position(|number| !number.is_finite()) {
        Some(column) => Err(Refusal::RowNotFinite { view: view.to_owned(), column }),
        None => Ok(()),
    }
}

fn check_length(what: &'static str, found: usize, least: usize, most: usize) -> Result<(), Refusal> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(Refusal::Length { what, found, least, most }) }
}
