use lookalike_plugin_api::ParameterSpec;
use lookalike_vision::Layer;

use super::{
    Certify, DummyStart, FeatureSpace, MOST_BACKGROUND, MOST_BATCH, MOST_CASCADE, MOST_CERTIFICATE_POINTS,
    MOST_EPOCHS, MOST_HEAT_MAPS, MOST_POSITIVES, MOST_TRIGGER_STEPS, Mode, OMEGA_UNUSED, ON_OFF, Omega,
    StartRule, TmmConfig,
};
use crate::blend::Blend;
use crate::multiview::Copies;
use crate::parameter::{choice, count, number};
use crate::score::ScoreKind;
use crate::trigger::TriggerKind;

/// Names of the presets that requests use; "configured" is the host's own settings.
const PRESETS: &[&str] = &["configured", "paper"];
/// The modes, and the word for the ranking that was one until it became a reranker of its own. To go with the version
/// after this one.
const MODES: &[&str] = &["exact", "shared", "cascade", VIEWS];
const VIEWS: &str = "views";
/// Names of the [`Omega`] rules.
const OMEGA_RULES: &[&str] = &["query_deviation", "collection_mean", "fixed"];

/// Words for the layer that is fine-tuned.
const LAYERS: &[&str] = &[NO_LAYER, "layer1", "layer2", "layer3", "layer4"];
const NO_LAYER: &str = "none";

impl TmmConfig {
    /// The parameters that a request may give, with these settings as their defaults.
    pub fn schema(&self) -> Vec<ParameterSpec> {
        let preset = "whose settings the other parameters change: the host's own, or the paper's";
        let mut schema = vec![choice("preset", "configured", PRESETS, preset)];
        schema.extend(self.mode_schema());
        schema.extend(self.trigger_schema());
        schema.extend(self.head_schema());
        schema.extend(self.explanation_schema());
        schema
    }

    fn mode_schema(&self) -> [ParameterSpec; 4] {
        let mode = "how scores come about; paper exact; views, which is what is done without a mode, is answered by \
                    multiview until the next version";
        let cascade = "candidates that the mode cascade scores exactly";
        let score = "what makes a score; paper log_probability";
        let copies =
            "whether the best or the mean of the query's disturbed copies counts where multiview answers";
        [
            choice("mode", self.mode.map_or(VIEWS, Mode::name), MODES, mode),
            count("cascade", self.cascade, [1, MOST_CASCADE], cascade),
            choice("score", self.score.name(), ScoreKind::NAMES, score),
            choice("copies", self.copies.name(), Copies::NAMES, copies),
        ]
    }

    fn trigger_schema(&self) -> [ParameterSpec; 9] {
        let trigger = "what the trigger is; paper per_query, and the patches in an ablation";
        let start = "where the search for the trigger begins; the paper does not say";
        let steps = "updates of the trigger at most; paper 300";
        let rate = "learning rate of the trigger; paper 0.015";
        let patience = "updates without progress before the trigger is taken as it is; 0 never stops early";
        let blend = "how image and trigger are blended; the paper prints as_printed";
        let rule_help = "where the trigger's intensity comes from; paper query_deviation";
        let omega_help = "the trigger's intensity when omega_rule is fixed; giving it alone fixes it";
        let clamp = "whether triggered images are cut to 0..1; the reference does not";
        let (rule, omega) = match self.omega {
            Omega::QueryDeviation => ("query_deviation", OMEGA_UNUSED),
            Omega::CollectionMean => ("collection_mean", OMEGA_UNUSED),
            Omega::Fixed(omega) => ("fixed", omega),
        };
        [
            choice("trigger", self.trigger.name(), TriggerKind::NAMES, trigger),
            choice("trigger_start", self.trigger_start.name(), StartRule::NAMES, start),
            count("trigger_steps", self.trigger_steps, [0, MOST_TRIGGER_STEPS], steps),
            number("trigger_learning_rate", self.trigger_learning_rate, [1e-6, 1.0], rate),
            count("trigger_patience", self.trigger_patience, [0, MOST_TRIGGER_STEPS], patience),
            choice("blend", self.blend.name(), Blend::NAMES, blend),
            choice("omega_rule", rule, OMEGA_RULES, rule_help),
            number("omega", omega, [0.0, 1.0], omega_help),
            choice("clamp", ON_OFF[usize::from(self.clamp)], ON_OFF, clamp),
        ]
    }

    fn explanation_schema(&self) -> [ParameterSpec; 4] {
        let heat_maps = "best candidates that a heat map is made of";
        let certify = "what is found out about how far the query may move before its answer changes";
        let radius = "radius in which gradients are looked at or changes are looked for, Euclidean over pixels of 0..1";
        let points = "points or directions that the certificate looks at";
        [
            count("heat_maps", self.heat_maps, [0, MOST_HEAT_MAPS], heat_maps),
            choice("certify", self.certify.name(), Certify::NAMES, certify),
            number("certificate_radius", self.certificate_radius, [1e-3, 1e3], radius),
            count("certificate_points", self.certificate_points, [1, MOST_CERTIFICATE_POINTS], points),
        ]
    }

    fn head_schema(&self) -> [ParameterSpec; 9] {
        let epochs = "passes of the fine-tuning over the background; paper 1";
        let rate = "learning rate of the head; paper 0.001";
        let batch = "exemplars in a batch; paper 256";
        let background = "exemplars that stand for the collection, 0 for all, one forward pass each in the mode exact; paper all";
        let ewc = "strength of elastic weight consolidation, in the raw feature space only";
        let start = "where the dummy class's row starts; paper seeded";
        let layer =
            "the layer fine-tuned with the head, in the raw feature space and the mode exact; paper none";
        let space = "the space of the fine-tuning; paper raw";
        let positives = "disturbed copies of the query that fall into the dummy class too; paper 0";
        [
            count("epochs", self.epochs, [0, MOST_EPOCHS], epochs),
            number("learning_rate", self.learning_rate, [1e-6, 1.0], rate),
            count("batch", self.batch, [1, MOST_BATCH], batch),
            count("background", self.background, [0, MOST_BACKGROUND], background),
            number("ewc", self.ewc, [0.0, 1e6], ewc),
            choice("dummy_start", self.dummy_start.name(), DummyStart::NAMES, start),
            choice("layer", self.layer.map_or(NO_LAYER, Layer::name), LAYERS, layer),
            choice("feature_space", self.feature_space.name(), FeatureSpace::NAMES, space),
            count("positives", self.positives, [0, MOST_POSITIVES], positives),
        ]
    }
}
