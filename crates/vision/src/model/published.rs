//! Published architectures against numbers that `PyTorch` computed, with weights that both sides make by the rule of
//! `crates/vision/benches/reference/rule_weights.py`. So no file is needed that holds weights.

use lookalike_plugin_api::SplitMix64;

use super::*;
use crate::architecture::{Architecture, Pooling, ResNetConfig, Stem, VitConfig};
use crate::weights::TensorSpec;

/// What the script printed of one network: the mean magnitude of all features and logits of two images, and the first
/// of the second image.
struct Printed {
    features: f32,
    of_features: [f32; 8],
    logits: f32,
    of_logits: [f32; 8],
}

/// A tensor's stream, uniform in -1..1.
fn stream(name: &str) -> impl Iterator<Item = f64> {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let mut random = SplitMix64::new(hash);
    std::iter::repeat_with(move || 2.0 * f64::from(random.unit()) - 1.0)
}

fn values(TensorSpec { name, shape }: &TensorSpec) -> Vec<f32> {
    let of_unit: Box<dyn Fn(f64) -> f64> = if name == "class_token" || name == "encoder.pos_embedding" {
        Box::new(|u| 0.5 * u)
    } else if shape.len() > 1 {
        let bound = (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
        Box::new(move |u| bound * u)
    } else if name.ends_with("running_var") {
        Box::new(|u| 1.0 + 0.5 * u.abs())
    } else if name.ends_with(".weight") {
        Box::new(|u| 1.0 + 0.1 * u)
    } else {
        Box::new(|u| 0.1 * u)
    };
    stream(name).take(shape.iter().product()).map(|u| of_unit(u) as f32).collect()
}

fn check(what: &str, rows: &FeatureRows, magnitude: f32, first: [f32; 8]) {
    let mean = rows.values().iter().map(|value| value.abs()).sum::<f32>() / rows.values().len() as f32;
    let largest = first.iter().fold(magnitude, |largest, value| largest.max(value.abs()));
    let errors = rows.row(1).iter().zip(first).map(|(found, expected)| (found - expected).abs() / largest);
    let error = errors.fold((mean - magnitude).abs() / magnitude, f32::max);
    assert!(error < 1e-4, "{what}: off by {error}, {:?}", &rows.row(1)[..8]);
}

fn agrees(name: &str, architecture: Architecture, printed: &Printed) {
    let manifest = ModelManifest {
        name: name.to_owned(),
        architecture,
        channels: 3,
        height: 32,
        width: 32,
        classes: (0..10).map(|class| class.to_string()).collect(),
        normalisation: None,
    };
    let weights = Weights::from_fn(&manifest.tensors(), values);
    let model = Model::build(manifest, &weights, &ComputeConfig::default()).unwrap();
    let mut input = stream("input").map(|u| f64::midpoint(u, 1.0) as f32);
    let mut image = || Pixels::new(3, 32, 32, input.by_ref().take(3 * 32 * 32).collect()).unwrap();
    let images = [image(), image()];
    check(name, &model.features(&images).unwrap(), printed.features, printed.of_features);
    check(name, &model.logits(&images).unwrap(), printed.logits, printed.of_logits);
}

#[test]
fn resnets_of_other_depths_agree_with_pytorch() {
    let printed = Printed {
        features: 0.202_046_6,
        of_features: [0.0, 0.133_491_7, 0.0, 0.0, 0.322_051_6, 0.957_994_1, 0.068_851_42, 0.0],
        logits: 0.252_648_3,
        of_logits: [
            -0.056_714_1,
            -0.235_087_9,
            -0.334_562_9,
            -0.588_006_5,
            0.096_466_66,
            -0.380_818_4,
            0.123_456_6,
            -0.223_914_4,
        ],
    };
    agrees("resnet34", Architecture::ResNet(ResNetConfig::resnet34()), &printed);
    let printed = Printed {
        features: 0.167_160_9,
        of_features: [
            0.0,
            0.501_772_2,
            0.429_759_1,
            0.271_169_8,
            0.011_417_97,
            0.523_275_6,
            0.0,
            0.133_455_3,
        ],
        logits: 0.219_281_9,
        of_logits: [
            -0.038_866_9,
            -0.027_538_18,
            0.209_823_1,
            -0.509_323_5,
            0.088_661_95,
            0.339_806_6,
            0.069_407_9,
            0.400_625_8,
        ],
    };
    agrees("resnet50", Architecture::ResNet(ResNetConfig::resnet50()), &printed);
    let printed = Printed {
        features: 0.200_653_4,
        of_features: [
            0.047_121_37,
            0.752_710_1,
            0.425_100_7,
            0.175_590_3,
            0.073_343_75,
            0.711_677_7,
            0.029_293_15,
            0.371_957,
        ],
        logits: 0.253_389_9,
        of_logits: [
            -0.014_111_51,
            -0.134_289_7,
            0.340_316_5,
            -0.406_716_8,
            -0.140_447_4,
            0.373_444_6,
            -0.044_817_73,
            0.588_511_5,
        ],
    };
    let config = ResNetConfig { stem: Stem::Cifar, ..ResNetConfig::resnet50() };
    agrees("resnet50, small stem", Architecture::ResNet(config), &printed);
}

#[test]
fn wide_resnets_agree_with_pytorch() {
    let printed = Printed {
        features: 0.173_536_4,
        of_features: [0.115_250_2, 0.405_890_1, 0.115_454_6, 0.323_856_8, 0.0, 0.382_176_2, 0.0, 0.298_797_3],
        logits: 0.175_110_8,
        of_logits: [
            -0.048_229_65,
            -0.101_868_7,
            -0.079_236_63,
            -0.316_430_5,
            -0.193_436_8,
            0.216_013_3,
            -0.230_600_2,
            0.242_088_5,
        ],
    };
    agrees("wide_resnet50_2", Architecture::ResNet(ResNetConfig::wide_resnet50_2()), &printed);
    let printed = Printed {
        features: 0.198_106_8,
        of_features: [
            0.153_746_2,
            0.630_642_9,
            0.154_300_4,
            0.307_858_4,
            0.001_431_889,
            0.291_438_9,
            0.0,
            0.374_496_3,
        ],
        logits: 0.206_262_1,
        of_logits: [
            0.003_877_324,
            -0.091_971_38,
            -0.088_731_18,
            -0.467_609_1,
            -0.291_071_4,
            0.119_360_6,
            -0.455_017,
            0.352_519_2,
        ],
    };
    let config = ResNetConfig { stem: Stem::Cifar, ..ResNetConfig::wide_resnet50_2() };
    agrees("wide_resnet50_2, small stem", Architecture::ResNet(config), &printed);
}

#[test]
fn vision_transformers_agree_with_torchvision_and_timm() {
    // Torchvision's and timm's networks with a class token print the same numbers.
    let printed = Printed {
        features: 0.784_389_3,
        of_features: [
            -0.074_056_79,
            1.703_705,
            -0.232_296_1,
            0.853_500_5,
            0.184_943_4,
            0.839_54,
            -0.551_592_9,
            -0.135_250_7,
        ],
        logits: 0.954_668_5,
        of_logits: [
            0.614_680_8,
            -0.619_446_2,
            2.662_726,
            -0.854_377_4,
            -0.591_285_5,
            1.279_046,
            0.033_775_78,
            -1.031_472,
        ],
    };
    let config = VitConfig::new(8, 3, 48, 3);
    agrees("vit with a class token", Architecture::Vit(config.clone()), &printed);
    let printed = Printed {
        features: 0.805_594_1,
        of_features: [
            0.349_745_4,
            1.450_943,
            -0.892_320_6,
            -0.180_088_4,
            0.180_862,
            1.444_419,
            -0.322_692_2,
            -0.353_734,
        ],
        logits: 0.927_508_4,
        of_logits: [
            0.292_630_9,
            -1.190_062,
            2.683_999,
            -0.955_847_3,
            -0.350_717_3,
            1.479_087,
            -0.166_165_7,
            -1.365_963,
        ],
    };
    let config = VitConfig { pooling: Pooling::Mean, ..config };
    agrees("vit with the mean", Architecture::Vit(config), &printed);
}
