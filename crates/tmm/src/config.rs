mod choices;
mod schema;

use lookalike_plugin_api::{ParameterError, ParameterValue, Parameters};
use lookalike_vision::Layer;

pub use choices::{Certify, DummyStart, FeatureSpace, Mode, StartRule};

use crate::blend::Blend;
use crate::multiview::{Copies, MAX_COPIES, MultiViewConfig};
use crate::score::ScoreKind;
use crate::trigger::TriggerKind;

/// Largest number of updates of a trigger.
pub const MOST_TRIGGER_STEPS: usize = 1000;
/// Largest number of epochs of fine-tuning.
pub const MOST_EPOCHS: usize = 100;
/// Largest batch, in exemplars.
pub const MOST_BATCH: usize = 65_536;
/// Largest background sample, in exemplars.
pub const MOST_BACKGROUND: usize = 1 << 17;
/// Largest number of disturbed copies of the query.
pub const MOST_POSITIVES: usize = MAX_COPIES;
/// Largest number of candidates that a cascade scores exactly.
pub const MOST_CASCADE: usize = 1 << 17;
/// Largest number of heat maps.
pub const MOST_HEAT_MAPS: usize = 64;
/// Largest number of points or directions of a certificate.
pub const MOST_CERTIFICATE_POINTS: usize = 1024;

/// How the trigger's intensity is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Omega {
    /// The standard deviation of the query's pixels (section 4.3.2).
    QueryDeviation,
    /// The mean standard deviation of images of the background sample.
    CollectionMean,
    /// This number, 0..=1.
    Fixed(f64),
}

/// Settings of the method. Every field is public and every number has a range, which [`TmmConfig::validate`]
/// checks and [`TmmConfig::schema`] lists.
///
/// [`TmmConfig::default`] holds what the first measurements of the method found to serve its modes best;
/// [`TmmConfig::paper`] is the method as printed.
#[derive(Debug, Clone, PartialEq)]
pub struct TmmConfig {
    /// How scores come about. The paper has [`Mode::Exact`]. Without a mode the answer is that of
    /// [`MultiViewReranker`](crate::MultiViewReranker), with a note, until the next version: for those who asked for
    /// this reranker when that ranking was its default.
    pub mode: Option<Mode>,
    /// Candidates that [`Mode::Cascade`] scores exactly, 1..=[`MOST_CASCADE`].
    pub cascade: usize,
    /// What makes a score. The paper has [`ScoreKind::LogProbability`].
    pub score: ScoreKind,
    /// What becomes of the disturbed copies of the query where there is no mode; to go with that.
    pub copies: Copies,
    /// What the trigger is. The paper has [`TriggerKind::PerQuery`], and the patches in ablation 4.8.1.
    /// [`TriggerKind::Global`] takes that of the first view that has one.
    pub trigger: TriggerKind,
    /// Where the search for the trigger begins. The paper does not say.
    pub trigger_start: StartRule,
    /// Updates of the trigger at most, 0..=[`MOST_TRIGGER_STEPS`]; 0 takes the random start as the trigger. The
    /// paper has 300, "about 100 in practice".
    pub trigger_steps: usize,
    /// Learning rate of the trigger, 1e-6..=1. The paper has 0.015.
    pub trigger_learning_rate: f64,
    /// Updates without progress after which the trigger is left as it is, 0..=[`MOST_TRIGGER_STEPS`]; 0 never
    /// stops early. The paper gives no number.
    pub trigger_patience: usize,
    /// How image and trigger are blended. The paper prints [`Blend::AsPrinted`].
    pub blend: Blend,
    /// Intensity of the trigger. The paper has [`Omega::QueryDeviation`].
    pub omega: Omega,
    /// Whether triggered images are cut to 0..=1. The paper does not say; the reference does not.
    pub clamp: bool,
    /// Passes over the background sample, 0..=[`MOST_EPOCHS`]. The paper has 1.
    pub epochs: usize,
    /// Learning rate of the head, 1e-6..=1. The paper has 0.001.
    pub learning_rate: f64,
    /// Exemplars in a batch, 1..=[`MOST_BATCH`]. The paper has 256.
    pub batch: usize,
    /// Exemplars that stand for the collection, 0..=[`MOST_BACKGROUND`]; a smaller collection stands for itself, and 0
    /// takes all of any collection of at most [`MOST_BACKGROUND`]. Each costs a forward pass per query in
    /// [`Mode::Exact`]. The paper takes all.
    pub background: usize,
    /// Strength of elastic weight consolidation, 0..=1e6. The paper uses it without giving a number. It needs the
    /// model's own classes, hence nothing in [`FeatureSpace::Whitened`].
    pub ewc: f64,
    /// Where the dummy row starts. The paper has [`DummyStart::Seeded`].
    pub dummy_start: DummyStart,
    /// The layer of the backbone that is fine-tuned with the head, in [`FeatureSpace::Raw`] alone and where candidates
    /// run through the network ([`Mode::Exact`], the second half of [`Mode::Cascade`]). The paper has none, and each of
    /// the four in ablation 4.8.2.
    pub layer: Option<Layer>,
    /// The space of the fine-tuning. The paper has [`FeatureSpace::Raw`].
    pub feature_space: FeatureSpace,
    /// Disturbed copies of the query that fall into the dummy class too, 0..=[`MOST_POSITIVES`]. The paper has 0.
    pub positives: usize,
    /// Best candidates that a heat map is made of, 0..=[`MOST_HEAT_MAPS`]. The paper has none.
    pub heat_maps: usize,
    /// What is found out about how far the query may move. The paper states the bound.
    pub certify: Certify,
    /// Radius of the ball that gradients are looked at in, and largest distance that is measured: Euclidean length
    /// over all pixel values of 0..=1, 1e-3..=1e3. The paper gives none.
    pub certificate_radius: f64,
    /// Points of the ball, and directions that are measured, 1..=[`MOST_CERTIFICATE_POINTS`]. The paper gives none.
    pub certificate_points: usize,
}

/// As the first measurements of the method had it; without a mode.
impl Default for TmmConfig {
    fn default() -> Self {
        Self {
            mode: None,
            cascade: 200,
            score: ScoreKind::LogProbability,
            copies: Copies::Best,
            trigger: TriggerKind::PerQuery,
            trigger_start: StartRule::Uniform,
            trigger_steps: 100,
            trigger_learning_rate: 0.015,
            trigger_patience: 10,
            blend: Blend::AsPrinted,
            omega: Omega::QueryDeviation,
            clamp: false,
            epochs: 20,
            learning_rate: 0.001,
            batch: 256,
            background: 256,
            ewc: 0.0,
            dummy_start: DummyStart::Query,
            layer: None,
            feature_space: FeatureSpace::Whitened,
            positives: 32,
            heat_maps: 0,
            certify: Certify::Off,
            certificate_radius: 1.0,
            certificate_points: 8,
        }
    }
}

impl TmmConfig {
    /// The method as the paper prints it, on a background sample of 4,096. The paper gives no strength of the
    /// elastic weight consolidation; 100 is this project's.
    pub fn paper() -> Self {
        Self {
            mode: Some(Mode::Exact),
            cascade: 200,
            score: ScoreKind::LogProbability,
            copies: Copies::Best,
            trigger: TriggerKind::PerQuery,
            trigger_start: StartRule::Uniform,
            trigger_steps: 300,
            trigger_learning_rate: 0.015,
            trigger_patience: 0,
            blend: Blend::AsPrinted,
            omega: Omega::QueryDeviation,
            clamp: false,
            epochs: 1,
            learning_rate: 0.001,
            batch: 256,
            background: 4096,
            ewc: 100.0,
            dummy_start: DummyStart::Seeded,
            layer: None,
            feature_space: FeatureSpace::Raw,
            positives: 0,
            heat_maps: 0,
            certify: Certify::Off,
            certificate_radius: 1.0,
            certificate_points: 8,
        }
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    ///
    /// [`ParameterError::Value`] with the range for the first field outside it.
    pub fn validate(&self) -> Result<(), ParameterError> {
        self.schema().iter().try_for_each(|spec| spec.check(&spec.default))
    }

    /// These settings with the parameters of one request.
    ///
    /// # Errors
    ///
    /// [`ParameterError`] for an unknown name or a value outside its range.
    pub fn with_parameters(&self, parameters: &Parameters) -> Result<Self, ParameterError> {
        parameters.check(&self.schema())?;
        let mut config = match parameters.0.get("preset") {
            Some(ParameterValue::Text(name)) if name == "paper" => Self::paper(),
            _ => self.clone(),
        };
        for (name, value) in &parameters.0 {
            match value {
                ParameterValue::Number(number) => config.set_number(name, *number),
                ParameterValue::Text(word) => config.set_word(name, word),
            }
        }
        // After the loop, because the rule decides about the number whichever comes first.
        if let Some(ParameterValue::Text(rule)) = parameters.0.get("omega_rule") {
            config.omega = match (rule.as_str(), config.omega) {
                ("fixed", Omega::Fixed(omega)) => Omega::Fixed(omega),
                ("fixed", _) => Omega::Fixed(OMEGA_UNUSED),
                ("collection_mean", _) => Omega::CollectionMean,
                _ => Omega::QueryDeviation,
            };
        }
        Ok(config)
    }

    /// The settings of the ranking that answers where there is no mode.
    pub(crate) fn multiview(&self) -> MultiViewConfig {
        MultiViewConfig {
            disturbed_copies: self.positives,
            copies: self.copies,
            measures_radius: self.certify == Certify::Measured,
            radius: self.certificate_radius,
            directions: self.certificate_points,
        }
    }

    /// Sets the number of this name; the schema's check came before.
    fn set_number(&mut self, name: &str, number: f64) {
        #[expect(clippy::cast_sign_loss, reason = "the schema takes no negative number")]
        let count = number as usize;
        match name {
            "trigger_steps" => self.trigger_steps = count,
            "trigger_learning_rate" => self.trigger_learning_rate = number,
            "trigger_patience" => self.trigger_patience = count,
            "omega" => self.omega = Omega::Fixed(number),
            "epochs" => self.epochs = count,
            "learning_rate" => self.learning_rate = number,
            "batch" => self.batch = count,
            "background" => self.background = count,
            "cascade" => self.cascade = count,
            "ewc" => self.ewc = number,
            "positives" => self.positives = count,
            "heat_maps" => self.heat_maps = count,
            "certificate_radius" => self.certificate_radius = number,
            "certificate_points" => self.certificate_points = count,
            _ => {}
        }
    }

    /// Sets the choice of this name; the schema's check came before.
    fn set_word(&mut self, name: &str, word: &str) {
        match name {
            "mode" => self.mode = Mode::from_name(word),
            "score" => self.score = ScoreKind::from_name(word).unwrap_or(self.score),
            "copies" => self.copies = Copies::from_name(word).unwrap_or(self.copies),
            "trigger" => self.trigger = TriggerKind::from_name(word).unwrap_or(self.trigger),
            "trigger_start" => self.trigger_start = StartRule::from_name(word).unwrap_or(self.trigger_start),
            "layer" => self.layer = Layer::from_name(word),
            "certify" => self.certify = Certify::from_name(word).unwrap_or(self.certify),
            "clamp" => self.clamp = word == ON,
            "blend" => self.blend = Blend::from_name(word).unwrap_or(self.blend),
            "dummy_start" => self.dummy_start = DummyStart::from_name(word).unwrap_or(self.dummy_start),
            "feature_space" => {
                self.feature_space = FeatureSpace::from_name(word).unwrap_or(self.feature_space);
            }
            _ => {}
        }
    }
}

/// Intensity that a fixed omega has when no number is given.
const OMEGA_UNUSED: f64 = 0.3;

/// Words for a switch.
const ON_OFF: &[&str] = &["off", ON];
const ON: &str = "on";

#[cfg(test)]
mod tests {
    use super::*;

    fn given<const N: usize>(parameters: [(&str, ParameterValue); N]) -> Parameters {
        Parameters(parameters.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn word(word: &str) -> ParameterValue {
        ParameterValue::Text(word.to_owned())
    }

    #[test]
    fn both_presets_are_valid() {
        assert_eq!(TmmConfig::default().validate(), Ok(()));
        assert_eq!(TmmConfig::paper().validate(), Ok(()));
    }

    #[test]
    fn a_field_outside_its_range_is_refused_with_the_range() {
        let config = TmmConfig { batch: 0, ..TmmConfig::default() };
        let error = config.validate().unwrap_err().to_string();
        assert_eq!(error, "parameter \"batch\" is \"0\", it takes a whole number from 1 to 65536");
        let config = TmmConfig { omega: Omega::Fixed(1.5), ..TmmConfig::default() };
        assert_eq!(
            config.validate().unwrap_err().to_string(),
            "parameter \"omega\" is \"1.5\", it takes a number from 0 to 1"
        );
    }

    #[test]
    fn every_parameter_of_the_schema_reaches_its_field() {
        let paper = TmmConfig::paper();
        let parameters =
            Parameters(paper.schema().into_iter().map(|s| (s.name.to_owned(), s.default)).collect());
        let other = TmmConfig {
            mode: None,
            cascade: 7,
            score: ScoreKind::Margin,
            copies: Copies::Mean,
            clamp: true,
            trigger: TriggerKind::FixedPatch,
            trigger_start: StartRule::Gaussian,
            trigger_steps: 1,
            trigger_learning_rate: 0.5,
            trigger_patience: 2,
            blend: Blend::Additive,
            omega: Omega::Fixed(0.9),
            epochs: 3,
            learning_rate: 0.25,
            batch: 4,
            background: 5,
            ewc: 6.0,
            dummy_start: DummyStart::Zero,
            layer: Some(Layer::Layer2),
            feature_space: FeatureSpace::Whitened,
            positives: 7,
            heat_maps: 3,
            certify: Certify::Measured,
            certificate_radius: 2.5,
            certificate_points: 9,
        };
        assert_eq!(other.with_parameters(&parameters).unwrap(), paper);
    }

    #[test]
    fn a_request_may_start_from_a_preset() {
        let parameters = given([("preset", word("paper")), ("epochs", ParameterValue::Number(2.0))]);
        let config = TmmConfig::default().with_parameters(&parameters).unwrap();
        assert_eq!(config, TmmConfig { epochs: 2, ..TmmConfig::paper() });
    }

    #[test]
    fn an_omega_alone_is_fixed_and_the_rule_has_the_last_word() {
        let omega = |parameters: &Parameters| TmmConfig::paper().with_parameters(parameters).unwrap().omega;
        let number = ParameterValue::Number(0.5);
        assert_eq!(omega(&given([])), Omega::QueryDeviation);
        assert_eq!(omega(&given([("omega", number.clone())])), Omega::Fixed(0.5));
        assert_eq!(
            omega(&given([("omega", number), ("omega_rule", word("query_deviation"))])),
            Omega::QueryDeviation
        );
        assert_eq!(omega(&given([("omega_rule", word("fixed"))])), Omega::Fixed(OMEGA_UNUSED));
    }
}
