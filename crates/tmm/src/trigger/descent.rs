use lookalike_plugin_api::Completion;
use lookalike_vision::Pixels;

use super::{FLAT_GAIN, Trigger, TriggerError};
use crate::adam::Adam;

/// One trigger on its way down.
#[derive(Debug)]
pub(super) struct Descent<'a> {
    /// The trigger before its mask.
    free: Pixels,
    mask: Option<&'a Pixels>,
    adam: Adam,
    trace: Vec<f32>,
    flat: Flatness,
    completion: Completion,
}

impl<'a> Descent<'a> {
    pub(super) fn new(start: Pixels, learning_rate: f64, mask: Option<&'a Pixels>) -> Self {
        Self {
            adam: Adam::new(start.values().len(), learning_rate),
            free: start,
            mask,
            trace: Vec::new(),
            flat: Flatness::default(),
            completion: Completion::Complete,
        }
    }

    /// The trigger as it is laid over images; `number` is what errors call it.
    pub(super) fn applied(&self, number: usize) -> Result<Pixels, TriggerError> {
        let applied = self.masked();
        if applied.values().iter().all(|value| *value == 0.0) {
            return Err(TriggerError::Zero { number });
        }
        Ok(applied)
    }

    /// Makes one update by the loss and the gradient at [`Descent::applied`]; `true` when the loss has been flat for
    /// `patience` updates.
    pub(super) fn update(
        &mut self,
        number: usize,
        loss: f32,
        gradient: Vec<f32>,
        patience: usize,
    ) -> Result<bool, TriggerError> {
        self.step(number, loss, gradient)?;
        Ok(self.flat.lasts(loss, patience))
    }

    /// Makes one update.
    pub(super) fn step(
        &mut self,
        number: usize,
        loss: f32,
        mut gradient: Vec<f32>,
    ) -> Result<(), TriggerError> {
        if let Some(mask) = self.mask {
            gradient.iter_mut().zip(mask.values()).for_each(|(slope, mask)| *slope *= mask);
        }
        self.adam.update(self.free.values_mut(), &gradient);
        self.trace.push(loss);
        if !loss.is_finite() || !self.free.values().iter().all(|value| value.is_finite()) {
            return Err(TriggerError::NotFinite { number, updates: self.trace.len() });
        }
        Ok(())
    }

    pub(super) fn updates(&self) -> usize {
        self.trace.len()
    }

    /// Notes why it ended before its time.
    pub(super) fn stop(&mut self, reason: Completion) {
        self.completion = reason;
    }

    pub(super) fn finish(self) -> Trigger {
        Trigger { pixels: self.masked(), trace: self.trace, completion: self.completion }
    }

    fn masked(&self) -> Pixels {
        let mut applied = self.free.clone();
        if let Some(mask) = self.mask {
            applied.values_mut().iter_mut().zip(mask.values()).for_each(|(value, mask)| *value *= mask);
        }
        applied
    }
}

/// How long a loss has not become smaller.
#[derive(Debug)]
pub(super) struct Flatness {
    best: f32,
    /// Losses in a row without a gain of [`FLAT_GAIN`].
    in_a_row: usize,
}

impl Default for Flatness {
    fn default() -> Self {
        Self { best: f32::INFINITY, in_a_row: 0 }
    }
}

impl Flatness {
    /// Whether `loss` makes it `patience` losses in a row without progress; never for a patience of 0.
    pub(super) fn lasts(&mut self, loss: f32, patience: usize) -> bool {
        if loss < self.best * (1.0 - FLAT_GAIN) {
            *self = Self { best: loss, in_a_row: 0 };
        } else {
            self.in_a_row += 1;
        }
        patience > 0 && self.in_a_row >= patience
    }
}
