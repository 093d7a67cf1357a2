use std::error::Error;

use lookalike_plugin_api::{Completion, RerankError, RowsError, SourceError};
use lookalike_vision::ModelError;

use crate::certificate::{CertificateError, MeasuredRadiusError};
use crate::fine_tune::FineTuneError;
use crate::fisher::FisherError;
use crate::head::HeadError;
use crate::heat_map::HeatMapError;
use crate::layer::LayerError;
use crate::logit_map::LogitMapError;
use crate::score::DimensionError;
use crate::stored_trigger::StoredTriggerError;
use crate::trigger::TriggerError;

/// Why a run ends before its last candidate.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The budget ran out; what was reached counts.
    Spent(Completion),
    /// The job cannot be done.
    Failed(RerankError),
}

/// An error of one step, told apart by what the host can do about it.
pub(crate) trait StepError: Error + Send + Sync + 'static {
    /// Whether a number became NaN or infinite.
    fn is_not_finite(&self) -> bool;
}

impl StepError for ModelError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::Output(_))
    }
}

impl StepError for TriggerError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::NotFinite { .. } | Self::Model(ModelError::Output(_)))
    }
}

impl StepError for StoredTriggerError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::NotFinite { .. })
    }
}

impl StepError for FineTuneError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::NotFinite { .. })
    }
}

impl StepError for LayerError {
    fn is_not_finite(&self) -> bool {
        matches!(
            self,
            Self::FineTune(FineTuneError::NotFinite { .. })
                | Self::Model(ModelError::Output(_) | ModelError::Gradient { .. })
        )
    }
}

impl StepError for FisherError {
    fn is_not_finite(&self) -> bool {
        false
    }
}

impl StepError for HeadError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::NotFinite)
    }
}

impl StepError for DimensionError {
    fn is_not_finite(&self) -> bool {
        false
    }
}

impl StepError for LogitMapError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::NotFinite(_))
    }
}

impl StepError for HeatMapError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::Model(ModelError::Output(_)))
    }
}

impl StepError for CertificateError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::Model(ModelError::Output(_)) | Self::Logits(LogitMapError::NotFinite(_)))
    }
}

impl<E: Error + Send + Sync + 'static> StepError for MeasuredRadiusError<E> {
    fn is_not_finite(&self) -> bool {
        false
    }
}

impl StepError for RowsError {
    fn is_not_finite(&self) -> bool {
        matches!(self, Self::NotFinite { .. })
    }
}

impl Halt {
    /// What a step's error means for the job.
    pub(crate) fn of_step(stage: &'static str, error: impl StepError) -> Self {
        Self::Failed(if error.is_not_finite() {
            RerankError::NotFinite { stage }
        } else {
            RerankError::Model { stage, source: Box::new(error) }
        })
    }

    /// What a missing answer of the host means for the job.
    pub(crate) fn of_source(stage: &'static str, source: SourceError) -> Self {
        if let SourceError::Stopped(completion) = source {
            return Self::Spent(completion);
        }
        Self::Failed(RerankError::Source { stage, source })
    }
}
