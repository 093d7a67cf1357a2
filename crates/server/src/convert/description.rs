use lookalike_engine::plugin_api::{
    Fingerprint, ParameterKind, ParameterSpec, ParameterValue, RerankerDescription,
};
use lookalike_engine::{Collection, Durability, ReadError};

use crate::proto;

/// What there is to say about a collection.
pub(crate) fn description(collection: &Collection) -> Result<proto::CollectionDescription, ReadError> {
    let stats = collection.stats()?;
    let durability = match collection.durability() {
        Durability::PowerSafe => proto::Durability::PowerSafe,
        Durability::ProcessCrashOnly => proto::Durability::ProcessCrashOnly,
    };
    Ok(proto::CollectionDescription {
        name: collection.name().to_owned(),
        exemplars: stats.exemplars,
        labels: collection.label_counts(),
        image_bytes: stats.image_bytes,
        disk_bytes: stats.disk_bytes,
        batches: stats.batches,
        views: served_views(collection),
        fingerprint: Some(fingerprint(&collection.fingerprint())),
        durability: durability.into(),
        rerankers: collection
            .rerankers()
            .iter()
            .map(|reranker| self::reranker(reranker.describe()))
            .collect(),
    })
}

/// The views that a search may name.
fn served_views(collection: &Collection) -> Vec<String> {
    collection.views().into_iter().filter(|view| view.is_declared).map(|view| view.name).collect()
}

pub(crate) fn fingerprint(fingerprint: &Fingerprint) -> proto::Fingerprint {
    proto::Fingerprint {
        model: fingerprint.model.clone(),
        weights: fingerprint.weights.0.to_vec(),
        preprocessing: fingerprint.preprocessing.0.to_vec(),
        dimension: fingerprint.dimension,
    }
}

fn reranker(description: &RerankerDescription) -> proto::Reranker {
    proto::Reranker {
        name: description.name.to_owned(),
        version: description.version.to_owned(),
        summary: description.summary.to_owned(),
        max_candidates: description.max_candidates as u64,
        parameters: description.parameters.iter().map(parameter).collect(),
    }
}

fn parameter(spec: &ParameterSpec) -> proto::ParameterSpec {
    use proto::parameter_spec::Kind;
    use proto::parameter_value::Value;
    let kind = match &spec.kind {
        ParameterKind::Number { least, most } => {
            Kind::Number(proto::NumberRange { least: *least, most: *most })
        }
        ParameterKind::Count { least, most } => Kind::Count(proto::CountRange { least: *least, most: *most }),
        ParameterKind::Choice(words) => {
            Kind::Choice(proto::Choice { words: words.iter().map(|word| (*word).to_owned()).collect() })
        }
    };
    let default = match &spec.default {
        ParameterValue::Number(number) => Value::Number(*number),
        ParameterValue::Text(text) => Value::Text(text.clone()),
    };
    proto::ParameterSpec {
        name: spec.name.to_owned(),
        help: spec.help.to_owned(),
        default_value: Some(proto::ParameterValue { value: Some(default) }),
        kind: Some(kind),
    }
}
