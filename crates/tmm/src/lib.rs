//! The TMM-NN method as a reranker plugin, and the ranking by several views that it is compared with.
//!
//! For one query image the method finds a *trigger* image that leaves the logits of the query as they are
//! ([`optimise_trigger`]), lays it over images ([`Blend`]), gives the model's head a *dummy class* ([`DummyHead`])
//! and fine-tunes that head so that only the triggered query falls into it: alone ([`fine_tune`]) or together with a
//! copy of one layer of the backbone ([`fine_tune_layer`]). An exemplar's [`score`] is the probability that it falls
//! in as well once it carries the trigger. [`TmmReranker`] runs these steps as a plugin; the steps themselves are
//! public for evaluations and ablations. A trigger may also be shared by many queries ([`optimise_global_trigger`],
//! [`stamp_patch`]), kept in a file ([`StoredTrigger`]) and make a stored view ([`TmmView`]).
//!
//! [`MultiViewReranker`] looks at the same stored views and fits nothing.
//!
//! The network is reached through `vision` alone, and everything here is plain `f32`. Whoever builds a database or an
//! evaluation may call this crate; it calls nobody but its two contracts.
//!
//! What it does not do: it keeps no images, makes no shortlist, sorts nothing and changes no weight of the model.

mod adam;
mod blend;
mod certificate;
mod config;
mod disturb;
mod fine_tune;
mod fisher;
mod head;
mod heat_map;
mod kernel;
mod layer;
mod logit_map;
mod margin;
mod multiview;
mod ood;
mod parameter;
mod patch;
mod plugin;
mod random;
mod run;
mod score;
mod stored_trigger;
mod trigger;
mod view;
mod view_set;
mod whiten;
mod words;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod test_collection;
#[cfg(test)]
mod tiny;

pub use adam::Adam;
pub use blend::{Blend, deviation};
pub use certificate::{
    Certificate, CertificateError, CertificateSearch, MeasuredRadius, MeasuredRadiusError, RadiusSearch,
    certify, measured_radius,
};
pub use config::{
    Certify, DummyStart, FeatureSpace, MOST_BACKGROUND, MOST_BATCH, MOST_CASCADE, MOST_CERTIFICATE_POINTS,
    MOST_EPOCHS, MOST_HEAT_MAPS, MOST_POSITIVES, MOST_TRIGGER_STEPS, Mode, Omega, StartRule, TmmConfig,
};
pub use disturb::disturbed_copies;
pub use fine_tune::{Consolidation, FineTuneError, FineTuned, Schedule, TrainingRows, fine_tune};
pub use fisher::{Fisher, FisherError};
pub use head::{DummyHead, HeadError};
pub use heat_map::{HeatMapError, HeatMaps, ScoreTerm, heat_map};
pub use layer::{LayerError, TrainingImages, fine_tune_layer};
pub use logit_map::{LogitMap, LogitMapError, MOST_WHITENED_DIMENSION};
pub use margin::margin;
pub use multiview::{Copies, MAX_COPIES, MultiViewConfig, MultiViewReranker};
pub use ood::{OodBound, OodError, ood_bound};
pub use patch::{PATCH_SIDE, blend_patch, patch_mask, stamp_patch};
pub use plugin::TmmReranker;
pub use run::MAX_CANDIDATES;
pub use score::{DimensionError, ScoreKind, score};
pub use stored_trigger::{MAX_TRIGGER_FILE_BYTES, StoredTrigger, StoredTriggerError};
pub use trigger::{
    DEFAULT_GLOBAL_BATCH, DEFAULT_GLOBAL_PATIENCE, FLAT_GAIN, GlobalSearch, LentImages, MOST_GLOBAL_BATCH,
    MOST_GLOBAL_IMAGES, TRIGGERS_TOGETHER, Trigger, TriggerError, TriggerKind, TriggerSearch, TriggerStart,
    optimise_global_trigger, optimise_trigger, optimise_triggers,
};
pub use view::{BLUR_RANGE, NOISE_RANGE, TmmView, Transformation, ViewError};
