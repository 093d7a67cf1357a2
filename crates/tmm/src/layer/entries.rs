use lookalike_plugin_api::FeatureRows;
use lookalike_vision::{ModelError, Pixels, TunedModel};

use super::{Target, TrainingImages};

/// Values of kept rows at most, 64 MiB.
const MOST_KEPT: usize = 1 << 24;

/// What the layer sees of the training images. It does not change while the layer is trained, so rows that come again
/// are kept, as far as there is room.
pub(super) struct Entries<'a> {
    images: Vec<&'a Pixels>,
    kept: Vec<Option<Vec<f32>>>,
    /// Images before this one come again.
    again: usize,
    /// Values that may still be kept.
    room: usize,
}

impl<'a> Entries<'a> {
    /// Of `images`, whose exemplars are seen more than once if there are several epochs.
    pub(super) fn new(images: &TrainingImages<'a>, several_epochs: bool) -> Self {
        let own = images.positives.len() + usize::from(images.query.is_some());
        let images: Vec<&Pixels> = images.all().collect();
        let again = if several_epochs { images.len() } else { own };
        let kept = vec![None; images.len()];
        Self { images, kept, again, room: MOST_KEPT }
    }

    /// One row per target.
    pub(super) fn of(
        &mut self,
        layer: &TunedModel<'_>,
        targets: &[Target],
    ) -> Result<FeatureRows, ModelError> {
        let missing: Vec<usize> =
            targets.iter().map(|target| target.image).filter(|&image| self.kept[image].is_none()).collect();
        let images: Vec<Pixels> = missing.iter().map(|&image| self.images[image].clone()).collect();
        let fresh = layer.entries(&images)?;
        let mut new = fresh.rows();
        let mut values = Vec::with_capacity(targets.len() * fresh.dimension());
        for target in targets {
            match &self.kept[target.image] {
                Some(row) => values.extend_from_slice(row),
                None => values.extend(new.next().into_iter().flatten()),
            }
        }
        for (image, row) in missing.into_iter().zip(fresh.rows()) {
            if image < self.again && row.len() <= self.room {
                self.room -= row.len();
                self.kept[image] = Some(row.to_vec());
            }
        }
        FeatureRows::new(fresh.dimension(), values).map_err(ModelError::Output)
    }
}
