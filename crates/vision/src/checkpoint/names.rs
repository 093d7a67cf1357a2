//! From the names of a checkpoint to those of the network, which are torchvision's.

use std::collections::BTreeMap;

use super::error::CheckpointError;
use super::tensor::CheckpointTensor;
use crate::vit::POSITIONS;

/// What wrappers of a network put before its names.
const WRAPPERS: [&str; 6] = ["module.", "_orig_mod.", "model.", "backbone.", "net.", "network."];

/// Wrappers around each other that are taken off.
const MAX_WRAPPERS: usize = 3;

/// The tensor by which timm's Vision Transformers are known.
const TIMM_VIT: &str = "patch_embed.proj.weight";

/// The tensors of a checkpoint under the names of the network.
#[derive(Debug)]
pub(super) struct Renamed<'a> {
    /// What was taken off in front.
    pub(super) prefix: String,
    /// By the network's name.
    pub(super) tensors: BTreeMap<String, &'a CheckpointTensor>,
    /// What stands outside of the wrapper, as the file names it.
    pub(super) outside: Vec<&'a str>,
}

/// What may stand before all names: nothing first, then the wrappers that some tensors have.
pub(super) fn prefixes(tensors: &[CheckpointTensor]) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut last = 0;
    for _ in 0..MAX_WRAPPERS {
        let longer: Vec<String> = found[last..]
            .iter()
            .flat_map(|prefix| WRAPPERS.iter().map(move |wrapper| format!("{prefix}{wrapper}")))
            .filter(|prefix| tensors.iter().any(|tensor| tensor.name.starts_with(prefix)))
            .collect();
        last = found.len();
        found.extend(longer);
    }
    found
}

/// The tensors with `prefix` taken off.
pub(super) fn renamed<'a>(
    tensors: &'a [CheckpointTensor],
    prefix: &str,
) -> Result<Renamed<'a>, CheckpointError> {
    let mut renamed = Renamed { prefix: prefix.to_owned(), tensors: BTreeMap::new(), outside: Vec::new() };
    let has = |name: &str| tensors.iter().any(|tensor| tensor.name.strip_prefix(prefix) == Some(name));
    let is_timm = has(TIMM_VIT);
    if is_timm && has("cls_token") && has("fc_norm.weight") {
        return Err(CheckpointError::MixedPooling);
    }
    for tensor in tensors {
        let Some(name) = tensor.name.strip_prefix(prefix) else {
            renamed.outside.push(&tensor.name);
            continue;
        };
        let name = canonical(name, is_timm);
        if let Some(first) = renamed.tensors.get(&name) {
            let (first, second) = (first.name.clone(), tensor.name.clone());
            return Err(CheckpointError::Twice { name, first, second });
        }
        renamed.tensors.insert(name, tensor);
    }
    Ok(renamed)
}

/// torchvision's present name.
fn canonical(name: &str, is_timm: bool) -> String {
    if is_timm {
        return timm(name).unwrap_or_else(|| name.to_owned());
    }
    let old = name.starts_with("encoder.layers.encoder_layer_");
    if old {
        name.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3.")
    } else {
        name.to_owned()
    }
}

/// torchvision's name of a tensor in timm's Vision Transformers; `None` where it has no such tensor.
fn timm(name: &str) -> Option<String> {
    let whole = match name {
        "cls_token" => Some("class_token"),
        "pos_embed" => Some(POSITIONS),
        _ => None,
    };
    if let Some(whole) = whole {
        return Some(whole.to_owned());
    }
    let part = |names: &[(&str, &str)], name: &str| {
        names.iter().find_map(|(theirs, ours)| Some(format!("{ours}{}", name.strip_prefix(theirs)?)))
    };
    if let Some(within) = name.strip_prefix("blocks.") {
        let (number, within) = within.split_once('.')?;
        let within = part(
            &[
                ("norm1.", "ln_1."),
                ("norm2.", "ln_2."),
                ("attn.qkv.", "self_attention.in_proj_"),
                ("attn.proj.", "self_attention.out_proj."),
                ("mlp.fc1.", "mlp.0."),
                ("mlp.fc2.", "mlp.3."),
            ],
            within,
        )?;
        return Some(format!("encoder.layers.encoder_layer_{number}.{within}"));
    }
    part(
        &[
            ("patch_embed.proj.", "conv_proj."),
            ("norm.", "encoder.ln."),
            ("fc_norm.", "encoder.ln."),
            ("head.", "heads.head."),
        ],
        name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberType;

    fn named(names: &[&str]) -> Vec<CheckpointTensor> {
        let tensor =
            |name: &&str| CheckpointTensor::filling((*name).to_owned(), vec![1], NumberType::F32, 0, 1);
        names.iter().map(tensor).collect()
    }

    #[test]
    fn wrappers_are_found_where_tensors_have_them() {
        let tensors = named(&["module._orig_mod.conv1.weight", "module._orig_mod.fc.bias", "mean"]);
        assert_eq!(prefixes(&tensors), ["", "module.", "module._orig_mod."]);
        let renamed = renamed(&tensors, "module._orig_mod.").unwrap();
        assert_eq!(renamed.tensors.keys().collect::<Vec<_>>(), ["conv1.weight", "fc.bias"]);
        assert_eq!(renamed.outside, ["mean"]);
    }

    #[test]
    fn names_of_timm_and_of_older_torchvision_become_torchvision_s() {
        for (theirs, ours) in [
            ("patch_embed.proj.bias", "conv_proj.bias"),
            ("cls_token", "class_token"),
            ("pos_embed", "encoder.pos_embedding"),
            ("blocks.11.norm1.weight", "encoder.layers.encoder_layer_11.ln_1.weight"),
            ("blocks.0.attn.qkv.weight", "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"),
            ("blocks.0.attn.proj.bias", "encoder.layers.encoder_layer_0.self_attention.out_proj.bias"),
            ("blocks.0.mlp.fc1.weight", "encoder.layers.encoder_layer_0.mlp.0.weight"),
            ("blocks.0.mlp.fc2.bias", "encoder.layers.encoder_layer_0.mlp.3.bias"),
            ("fc_norm.weight", "encoder.ln.weight"),
            ("head.weight", "heads.head.weight"),
            ("blocks.0.ls1.gamma", "blocks.0.ls1.gamma"),
        ] {
            assert_eq!(canonical(theirs, true), ours);
        }
        let old = "encoder.layers.encoder_layer_3.mlp.linear_2.weight";
        assert_eq!(canonical(old, false), "encoder.layers.encoder_layer_3.mlp.3.weight");
        assert_eq!(canonical("layer1.0.conv1.weight", false), "layer1.0.conv1.weight");
    }

    #[test]
    fn a_class_token_beside_averaged_patches_is_refused() {
        let tensors = named(&["patch_embed.proj.weight", "cls_token", "fc_norm.weight"]);
        assert!(matches!(renamed(&tensors, ""), Err(CheckpointError::MixedPooling)));
    }

    #[test]
    fn two_tensors_for_one_place_are_refused_with_both_names() {
        let tensors = named(&["patch_embed.proj.weight", "norm.weight", "fc_norm.weight"]);
        let error = renamed(&tensors, "").unwrap_err().to_string();
        assert_eq!(
            error,
            "tensors \"norm.weight\" and \"fc_norm.weight\" are both \"encoder.ln.weight\" of the network; leave one out"
        );
    }
}
