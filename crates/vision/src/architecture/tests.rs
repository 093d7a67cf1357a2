use super::*;

/// The input that the tensors of a network are listed for.
const PLANE: [usize; 2] = [32, 64];

fn tensors(architecture: &Architecture, classes: usize) -> Vec<TensorSpec> {
    architecture.tensors(3, PLANE, classes)
}

fn infer(tensors: &[TensorSpec]) -> Result<(Architecture, usize, usize), ArchitectureError> {
    Architecture::infer(tensors.iter().map(|spec| (spec.name.as_str(), spec.shape.as_slice())))
}

#[test]
fn every_configuration_is_told_from_its_tensors() {
    let small =
        ResNetConfig { stem: Stem::Cifar, base_width: 4, depths: [1, 2, 3, 1], ..ResNetConfig::resnet18() };
    let resnets = [
        ResNetConfig::resnet18(),
        ResNetConfig::resnet34(),
        ResNetConfig::resnet50(),
        ResNetConfig { stem: Stem::Cifar, ..ResNetConfig::resnet50() },
        ResNetConfig::wide_resnet50_2(),
        ResNetConfig { stem: Stem::Cifar, ..ResNetConfig::wide_resnet50_2() },
        ResNetConfig::glyph_net(),
        small,
    ];
    let cnns = [
        CnnConfig::small(),
        CnnConfig { widths: vec![5], convolutions: 1 },
        CnnConfig { widths: vec![3, 4], convolutions: 3 },
    ];
    let vits = [
        VitConfig::tiny(16),
        VitConfig::small(8),
        VitConfig::large(32),
        VitConfig::new(16, 32, 1280, 16),
        VitConfig { mlp: 100, pooling: Pooling::Mean, ..VitConfig::new(4, 2, 64, 1) },
    ];
    let all = resnets
        .map(Architecture::ResNet)
        .into_iter()
        .chain(cnns.map(Architecture::Cnn))
        .chain(vits.map(Architecture::Vit));
    for architecture in all {
        assert_eq!(infer(&tensors(&architecture, 7)), Ok((architecture, 3, 7)));
    }
}

#[test]
fn networks_have_the_published_numbers_of_weights() {
    let weights = |architecture: Architecture| -> usize {
        let specs = architecture.tensors(3, [224, 224], 1000);
        let learned = specs.iter().filter(|spec| !spec.name.contains("running"));
        learned.map(|spec| spec.shape.iter().product::<usize>()).sum()
    };
    assert_eq!(weights(Architecture::ResNet(ResNetConfig::resnet18())), 11_689_512);
    assert_eq!(weights(Architecture::ResNet(ResNetConfig::resnet34())), 21_797_672);
    assert_eq!(weights(Architecture::ResNet(ResNetConfig::resnet50())), 25_557_032);
    assert_eq!(weights(Architecture::ResNet(ResNetConfig::wide_resnet50_2())), 68_883_240);
    assert_eq!(weights(Architecture::Vit(VitConfig::tiny(16))), 5_717_416);
    assert_eq!(weights(Architecture::Vit(VitConfig::small(16))), 22_050_664);
    assert_eq!(weights(Architecture::Vit(VitConfig::base(16))), 86_567_656);
    assert_eq!(weights(Architecture::Vit(VitConfig::base(32))), 88_224_232);
    assert_eq!(weights(Architecture::Vit(VitConfig::large(16))), 304_326_632);
}

#[test]
fn tensors_of_something_else_are_refused() {
    let error = Architecture::infer([("embed.weight", &[3usize, 4][..])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the weights are those of no known architecture: they have none of the tensors \"conv1.weight\" (residual \
         network), \"conv_proj.weight\" (Vision Transformer) and \"stages.0.0.conv.weight\" (plain convolutional \
         network)"
    );
    let error = Architecture::infer([("conv1.weight", &[0usize, 3, 3, 3][..])]).unwrap_err();
    assert_eq!(error, ArchitectureError::NotTold { name: "conv1.weight" });
    let error = Architecture::infer([("conv_proj.weight", &[8usize, 3, 4, 5][..])]).unwrap_err();
    assert_eq!(error, ArchitectureError::NotTold { name: "conv_proj.weight" });
    let error = Architecture::infer([("stages.0.0.conv.weight", &[8usize, 3, 5, 5][..])]).unwrap_err();
    assert_eq!(error, ArchitectureError::NotTold { name: "stages.0.0.conv.weight" });
}

#[test]
fn heads_that_no_shape_tells_are_asked_for() {
    let vit = Architecture::Vit(VitConfig::new(8, 3, 48, 3));
    let error = infer(&tensors(&vit, 5)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the attention heads of a network 48 wide cannot be told from its tensors; write a manifest"
    );
}

#[test]
fn numbers_out_of_range_are_refused_with_the_range() {
    let refused = |architecture: Architecture| architecture.validate().unwrap_err().to_string();
    let vit = |change: fn(&mut VitConfig)| {
        let mut config = VitConfig::tiny(16);
        change(&mut config);
        refused(Architecture::Vit(config))
    };
    assert_eq!(vit(|config| config.patch = 0), "the architecture has patch side 0, 1 to 1024 are accepted");
    assert_eq!(vit(|config| config.depth = 65), "the architecture has depth 65, 1 to 64 are accepted");
    assert_eq!(
        vit(|config| config.width = 1 << 40),
        "the architecture has width 1099511627776, 1 to 2048 are accepted"
    );
    assert_eq!(
        vit(|config| config.mlp = 0),
        "the architecture has perceptron width 0, 1 to 8192 are accepted"
    );
    for heads in [0, 5] {
        let error = Architecture::Vit(VitConfig { heads, ..VitConfig::tiny(16) }).validate().unwrap_err();
        assert_eq!(error, ArchitectureError::Heads { heads, width: 192 });
    }
    let cnn = |widths: &[usize], convolutions| {
        refused(Architecture::Cnn(CnnConfig { widths: widths.to_vec(), convolutions }))
    };
    assert_eq!(cnn(&[], 1), "the architecture has stages 0, 1 to 8 are accepted");
    assert_eq!(cnn(&[1; 9], 1), "the architecture has stages 9, 1 to 8 are accepted");
    assert_eq!(cnn(&[4, 0], 1), "the architecture has width 0, 1 to 2048 are accepted");
    assert_eq!(cnn(&[4], 17), "the architecture has convolutions per stage 17, 1 to 16 are accepted");
}

#[test]
fn an_input_that_the_network_does_not_take_is_refused_with_what_it_takes() {
    let vit = Architecture::Vit(VitConfig::tiny(16));
    assert_eq!(vit.fits(32, 64), Ok(()));
    assert_eq!(
        vit.fits(32, 40).unwrap_err().to_string(),
        "an input of 40 x 32 pixels does not divide into patches of 16 x 16; use sides that are multiples of 16"
    );
    let fine = Architecture::Vit(VitConfig::tiny(1));
    assert_eq!(
        fine.fits(128, 128).unwrap_err().to_string(),
        "the architecture has number of patches 16384, 1 to 4096 are accepted"
    );
    let cnn = Architecture::Cnn(CnnConfig::small());
    assert_eq!(cnn.fits(4, 5), Ok(()));
    assert_eq!(
        cnn.fits(3, 8).unwrap_err().to_string(),
        "an input of 8 x 3 pixels is too small for 3 stages; use sides of 4 or more"
    );
}

#[test]
fn architectures_are_written_as_they_always_were() {
    let json = |architecture: &Architecture| serde_json::to_string(architecture).unwrap();
    let resnet = Architecture::ResNet(ResNetConfig::resnet18());
    let vit = Architecture::Vit(VitConfig { pooling: Pooling::Mean, ..VitConfig::tiny(16) });
    let cnn = Architecture::Cnn(CnnConfig::small());
    let written = [
        (
            resnet,
            r#"{"resnet":{"block":"basic","depths":[2,2,2,2],"stem":"imagenet","base_width":64,"wide":1}}"#,
        ),
        (vit, r#"{"vit":{"patch":16,"depth":12,"width":192,"heads":3,"mlp":768,"pooling":"mean"}}"#),
        (cnn, r#"{"cnn":{"widths":[32,64,128],"convolutions":2}}"#),
    ];
    for (architecture, expected) in written {
        assert_eq!(json(&architecture), expected);
        assert_eq!(serde_json::from_str::<Architecture>(expected).unwrap(), architecture);
    }
}
