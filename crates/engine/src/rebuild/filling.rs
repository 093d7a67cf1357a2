//! Rows for exemplars that are stored without them, a few hundred at a time.

use std::time::{Duration, Instant};

use lookalike_plugin_api::{ExemplarId, FeatureRows, Image, View};
use lookalike_store::Catalog;
use rayon::prelude::*;
use roaring::RoaringBitmap;
use tracing::info_span;

use super::{RebuildError, RebuildProgress};
use crate::decode::decode;
use crate::ingest::rows_of;
use crate::views::Served;

/// Images in one step; a kill loses at most so many rows of work.
pub(super) const STEP_IMAGES: usize = 256;

/// Which rows are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of the clean view and of the declared ones.
    AllViews,
    /// Those of the declared ones.
    DeclaredViews,
}

/// Makes the rows of one model that are missing.
///
/// What is missing, the store says, step by step: rows that others write meanwhile are not made again, and a step that
/// was interrupted is done by whoever comes next.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    stored: &'a lookalike_store::Collection,
    served: &'a Served,
    model: u16,
    scope: Scope,
    begun: Instant,
    images: u64,
    embedded: u64,
    derived: u64,
}

impl<'a> Filling<'a> {
    /// `model` is the number that the model of `served` has in the collection.
    pub(crate) fn new(
        stored: &'a lookalike_store::Collection,
        served: &'a Served,
        model: u16,
        scope: Scope,
    ) -> Self {
        Self { stored, served, model, scope, begun: Instant::now(), images: 0, embedded: 0, derived: 0 }
    }

    pub(crate) fn stored(&self) -> &'a lookalike_store::Collection {
        self.stored
    }

    pub(crate) fn model(&self) -> u16 {
        self.model
    }

    /// Clean rows made.
    pub(crate) fn embedded(&self) -> u64 {
        self.embedded
    }

    /// Rows made in other views.
    pub(crate) fn derived(&self) -> u64 {
        self.derived
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Exemplars that lack a row.
    pub(crate) fn missing(&self, catalog: &Catalog) -> RoaringBitmap {
        let declared = self.served.views().iter().map(|view| catalog.without_row(self.model, view.kept()));
        let clean = (self.scope == Scope::AllViews).then(|| catalog.without_row(self.model, View::CLEAN));
        let mut missing = RoaringBitmap::new();
        declared.chain(clean).for_each(|lacking| missing |= &*lacking);
        missing
    }

    /// Makes all rows that some exemplars lack; `false` when none is missing.
    pub(crate) fn step(&mut self, progress: &mut dyn FnMut(&RebuildProgress)) -> Result<bool, RebuildError> {
        let catalog = self.stored.catalog();
        let missing = self.missing(&catalog);
        if missing.is_empty() {
            return Ok(false);
        }
        let ids: Vec<ExemplarId> = missing.iter().take(STEP_IMAGES).collect();
        let images = images_of(self.stored, &catalog, &ids)?;
        if self.scope == Scope::AllViews {
            self.embedded += self.fill(&catalog, View::CLEAN, &ids, &images, |images| {
                rows_of(images, self.served.model().as_ref()).map_err(RebuildError::Embed)
            })?;
        }
        for view in self.served.views() {
            self.derived += self.fill(&catalog, view.kept(), &ids, &images, |images| {
                Ok(view.derive(images, self.served.dimension())?)
            })?;
        }
        self.images += ids.len() as u64;
        let images_per_second = self.images as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let left = missing.len() - ids.len() as u64;
        progress(&RebuildProgress {
            done: catalog.len() - left,
            total: catalog.len(),
            images_per_second,
            remaining: remaining(left, images_per_second),
        });
        Ok(true)
    }

    /// Makes the rows that some of these exemplars lack in one view.
    fn fill(
        &self,
        catalog: &Catalog,
        kept: &str,
        ids: &[ExemplarId],
        images: &[Image],
        make: impl FnOnce(&[Image]) -> Result<FeatureRows, RebuildError>,
    ) -> Result<u64, RebuildError> {
        let missing = catalog.without_row(self.model, kept);
        let lacking: Vec<usize> = (0..ids.len()).filter(|place| missing.contains(ids[*place])).collect();
        if lacking.is_empty() {
            return Ok(0);
        }
        let made = if lacking.len() == ids.len() {
            make(images)?
        } else {
            let images: Vec<Image> = lacking.iter().map(|place| images[*place].clone()).collect();
            make(&images)?
        };
        let rows: Vec<_> =
            lacking.iter().map(|place| ids[*place]).zip(made.rows().map(<[f32]>::to_vec)).collect();
        let _span = info_span!("stage", name = "store", n = rows.len()).entered();
        Ok(self.stored.write_rows(self.model, kept, &rows)?)
    }
}

pub(super) fn remaining(images: u64, images_per_second: f64) -> Duration {
    Duration::try_from_secs_f64(images as f64 / images_per_second).unwrap_or(Duration::ZERO)
}

pub(super) fn images_of(
    stored: &lookalike_store::Collection,
    catalog: &Catalog,
    ids: &[ExemplarId],
) -> Result<Vec<Image>, RebuildError> {
    let _span = info_span!("stage", name = "decode", n = ids.len()).entered();
    ids.par_iter()
        .map(|&id| {
            let encoded = stored.image_in(catalog, id)?.unwrap_or_default();
            let decoded = decode(&encoded).map_err(|source| RebuildError::Decode { id, source })?;
            Ok(decoded.image)
        })
        .collect()
}
