use super::*;
use crate::architecture::{Architecture, ResNetConfig, Stem};
use crate::manifest::ModelManifest;
use crate::seeded::seeded_weights;

fn manifest() -> ModelManifest {
    let config = ResNetConfig { stem: Stem::Cifar, base_width: 2, ..ResNetConfig::glyph_net() };
    ModelManifest {
        name: "net".to_owned(),
        architecture: Architecture::ResNet(config),
        channels: 1,
        height: 8,
        width: 8,
        classes: vec!["a".to_owned(), "b".to_owned()],
        normalisation: None,
    }
}

fn specs() -> Vec<TensorSpec> {
    manifest().tensors()
}

/// The error of reading weights that `change` was made to, as a user sees it.
fn refusal(change: impl FnOnce(&mut Weights)) -> String {
    let mut weights = seeded_weights(&manifest(), 0);
    change(&mut weights);
    Weights::read(&weights.to_file(WeightsFormat::F32).unwrap(), &specs()).unwrap_err().to_string()
}

#[test]
fn weights_survive_a_file() {
    let weights = seeded_weights(&manifest(), 9);
    let exact = Weights::read(&weights.to_file(WeightsFormat::F32).unwrap(), &specs()).unwrap();
    assert_eq!(exact, weights);
    assert_eq!(exact.digest(), weights.digest());
    let half = Weights::read(&weights.to_file(WeightsFormat::F16).unwrap(), &specs()).unwrap();
    let pairs = half.values("conv1.weight").iter().zip(weights.values("conv1.weight"));
    assert!(pairs.clone().all(|(half, exact)| (half - exact).abs() <= exact.abs() / 1024.0));
}

#[test]
fn the_first_wrong_tensor_is_named_in_the_order_of_the_network() {
    let wrong = refusal(|weights| {
        weights.tensors.insert("layer2.0.conv1.weight".to_owned(), (vec![4, 2, 1, 1], vec![0.0; 8]));
        weights.tensors.remove("bn1.bias");
        weights.tensors.remove("fc.weight");
    });
    assert_eq!(wrong, "weights lack tensor \"bn1.bias\" of shape [2]; check the manifest's architecture");
    let wrong = refusal(|weights| {
        weights.tensors.insert("layer2.0.conv1.weight".to_owned(), (vec![4, 2, 1, 1], vec![0.0; 8]));
        weights.tensors.remove("fc.weight");
    });
    let expected =
        "tensor \"layer2.0.conv1.weight\" has shape [4, 2, 1, 1], the architecture needs [4, 2, 3, 3]";
    assert_eq!(wrong, expected);
}

#[test]
fn tensors_beyond_the_network_are_refused_but_counters_are_not() {
    let wrong = refusal(|weights| {
        weights.tensors.insert("bn1.num_batches_tracked".to_owned(), (vec![1], vec![1.0]));
        weights.tensors.insert("layer1.1.conv1.weight".to_owned(), (vec![1], vec![1.0]));
    });
    assert_eq!(
        wrong,
        "weights hold 1 tensors that the architecture lacks, the first is \"layer1.1.conv1.weight\""
    );
}

#[test]
fn broken_values_are_refused() {
    let wrong = refusal(|weights| weights.values_mut("fc.bias")[1] = f32::NAN);
    assert_eq!(wrong, "tensor \"fc.bias\" holds a value that is not finite");
    let wrong = refusal(|weights| weights.values_mut("bn1.running_var")[0] = -1.0);
    assert_eq!(wrong, "tensor \"bn1.running_var\" holds a negative variance");
}

#[test]
fn a_damaged_file_is_refused() {
    let file = seeded_weights(&manifest(), 0).to_file(WeightsFormat::F16).unwrap();
    for damaged in [&file[..file.len() - 1], &file[..20], b"{}", b""] {
        assert!(matches!(Weights::read(damaged, &specs()), Err(WeightsError::Header(_))));
    }
}

#[test]
fn number_types_that_weights_do_not_use_are_refused() {
    let view = TensorView::new(Dtype::I32, vec![2, 1, 3, 3], &[0; 72]).unwrap();
    let file = safetensors::serialize([("conv1.weight", view)], None).unwrap();
    let wrong = Weights::read(&file, &specs()).unwrap_err().to_string();
    assert_eq!(wrong, "tensor \"conv1.weight\" is stored as I32; f32, f16 and bf16 are read");
}
