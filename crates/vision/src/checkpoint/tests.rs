use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use self::made::{archive, pickle, tensor};
use super::*;
use crate::architecture::{Architecture, ResNetConfig, Stem};
use crate::compute::ComputeConfig;
use crate::manifest::{ModelManifest, Normalisation};
use crate::model::Model;
use crate::number::NumberType;
use crate::weights::{TensorSpec, Weights, WeightsFormat};
use lookalike_kernels::Random32;

mod made;

const ARCHIVE: &[u8] = include_bytes!("fixtures/archive_bf16.pt");
const OLD: &[u8] = include_bytes!("fixtures/old_f32.pth");
const WHOLE_MODULE: &[u8] = include_bytes!("fixtures/whole_module.pt");

/// A folder with one checkpoint in it.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("net.pt")
    }

    fn read(&self, bytes: &[u8], key: Option<&str>) -> Result<Checkpoint, CheckpointError> {
        fs::write(self.path(), bytes).unwrap();
        Checkpoint::read(&self.path(), key)
    }

    /// Imports with the usual options, and gives the written file with its manifest and fingerprint.
    fn import(&self, bytes: &[u8]) -> Result<(Vec<u8>, ModelManifest, Imported), CheckpointError> {
        let checkpoint = self.read(bytes, None)?;
        let plan = checkpoint.plan(&ImportOptions::default())?;
        let mut file = Vec::new();
        let imported = plan.write(&mut file)?;
        Ok((file, plan.manifest().clone(), imported))
    }

    fn refusal(&self, bytes: &[u8]) -> String {
        self.import(bytes).unwrap_err().to_string()
    }
}

/// The network of the fixtures.
fn manifest() -> ModelManifest {
    let config = ResNetConfig { stem: Stem::Cifar, base_width: 1, ..ResNetConfig::glyph_net() };
    ModelManifest {
        name: "net".to_owned(),
        architecture: Architecture::ResNet(config),
        channels: 1,
        height: 32,
        width: 32,
        classes: vec!["0".to_owned(), "1".to_owned()],
        normalisation: None,
    }
}

/// The weights of the fixtures, by the rule that they were made by.
fn weights() -> Weights {
    let mut next = 0..;
    Weights::from_fn(&manifest().tensors(), |TensorSpec { shape, .. }| {
        let values = next.by_ref().take(shape.iter().product());
        values.map(|k: u32| (k * 37 % 101) as f32 / 64.0).collect()
    })
}

/// The tensors of the fixtures' network as a state dict of our own making, changed by `change`.
fn state(change: impl FnOnce(&mut Vec<(String, Vec<usize>, Vec<f32>)>)) -> Vec<u8> {
    let weights = weights();
    let spec = |spec: TensorSpec| (spec.name.clone(), spec.shape, weights.values(&spec.name).to_vec());
    let mut tensors = manifest().tensors().into_iter().map(spec).collect();
    change(&mut tensors);
    let storages: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let described: Vec<(String, Vec<u8>)> = tensors
        .iter()
        .enumerate()
        .map(|(key, (name, shape, values))| (name.clone(), tensor(key, values.len(), 0, shape, None)))
        .collect();
    archive(&pickle(&described), &storages)
}

fn read_back(file: &[u8]) -> Weights {
    Weights::read(file, &manifest().tensors()).unwrap()
}

#[test]
fn what_pytorch_saved_in_either_format_is_imported_as_it_was() {
    let bench = Bench::new();
    for (bytes, number) in [(ARCHIVE, NumberType::Bf16), (OLD, NumberType::F32)] {
        let (file, found, imported) = bench.import(bytes).unwrap();
        assert_eq!(found, manifest());
        assert_eq!(read_back(&file), weights());
        assert_eq!(imported.bytes, file.len() as u64);
        let model = Model::load(found, &file, ComputeConfig::default()).unwrap();
        assert_eq!(*model.fingerprint(), imported.fingerprint);
        let checkpoint = bench.read(bytes, None).unwrap();
        assert_eq!(checkpoint.plan(&ImportOptions::default()).unwrap().number_type(), number);
    }
}

#[test]
fn our_own_files_are_checkpoints_too() {
    let bench = Bench::new();
    let file = weights().to_file(WeightsFormat::F16).unwrap();
    let (copy, _, _) = bench.import(&file).unwrap();
    assert_eq!(read_back(&copy), read_back(&file));
    assert!(copy.len() < file.len() + 64, "half precision is kept");
}

#[test]
fn wrappers_keys_and_counters_are_reported() {
    let bench = Bench::new();
    let checkpoint = bench.read(ARCHIVE, Some("state_dict")).unwrap();
    assert_eq!(checkpoint.tensors().len(), 63);
    let first = &checkpoint.tensors()[0];
    assert_eq!((first.name(), first.shape()), ("module.conv1.weight", &[1, 1, 3, 3][..]));
    let plan = checkpoint.plan(&ImportOptions::default()).unwrap();
    assert_eq!((plan.prefix(), plan.applied()), ("module.", 62));
    assert_eq!((plan.missing(), plan.unused()), (&[][..], &[][..]));

    let error = bench.read(ARCHIVE, Some("ema")).unwrap_err().to_string();
    assert_eq!(error, "the file has no key \"ema\", it has: epoch, lr, state_dict");
    let error = bench.read(ARCHIVE, Some("epoch")).unwrap_err().to_string();
    assert!(error.starts_with("there are no tensors under any known key"), "{error}");
}

#[test]
fn options_fill_in_what_the_file_does_not_say() {
    let bench = Bench::new();
    let checkpoint = bench.read(ARCHIVE, None).unwrap();
    let options = ImportOptions {
        name: Some("two".to_owned()),
        classes: Some(vec!["cat".to_owned(), "dog".to_owned()]),
        input: Some([8, 12]),
        normalisation: Some(Normalisation { mean: vec![0.5], std: vec![0.25] }),
        half: true,
        heads: None,
    };
    let plan = checkpoint.plan(&options).unwrap();
    assert_eq!((plan.manifest().name.as_str(), plan.manifest().width), ("two", 12));
    assert_eq!((&plan.manifest().classes[1], plan.number_type()), (&"dog".to_owned(), NumberType::F16));
    let three = ImportOptions { classes: Some(vec![String::new(); 3]), ..options.clone() };
    let error = checkpoint.plan(&three).unwrap_err().to_string();
    assert_eq!(error, "3 class names given, the checkpoint's head has 2 classes");
    let flat = Normalisation { mean: vec![0.5, 0.5], std: vec![0.25, 0.25] };
    assert!(checkpoint.plan(&ImportOptions { normalisation: Some(flat), ..options }).is_err());
}

#[test]
fn missing_unused_and_misshapen_tensors_are_named() {
    let bench = Bench::new();
    let changed = state(|tensors| {
        tensors.retain(|(name, _, _)| name != "bn1.bias");
        tensors.push(("aux.weight".to_owned(), vec![2], vec![0.0; 2]));
    });
    let checkpoint = bench.read(&changed, None).unwrap();
    let plan = checkpoint.plan(&ImportOptions::default()).unwrap();
    assert_eq!(
        (plan.missing(), plan.unused()),
        (&["bn1.bias".to_owned()][..], &["aux.weight".to_owned()][..])
    );
    let error = plan.write(&mut Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "weights lack tensor \"bn1.bias\" of shape [1]; check the manifest's architecture");

    let misshapen = state(|tensors| {
        let bias = tensors.iter_mut().find(|(name, _, _)| name == "layer3.0.bn1.weight").unwrap();
        *bias = (bias.0.clone(), vec![2, 2], vec![1.0; 4]);
    });
    let line = "tensor \"layer3.0.bn1.weight\" has shape [2, 2], the architecture needs [4]";
    assert_eq!(bench.refusal(&misshapen), line);
}

#[test]
fn broken_values_are_refused_by_the_name_of_their_tensor() {
    let bench = Bench::new();
    let with = |name: &'static str, value: f32| {
        state(move |tensors| {
            tensors.iter_mut().find(|(found, _, _)| found == name).unwrap().2[0] = value;
        })
    };
    for value in [f32::NAN, f32::INFINITY] {
        let line = bench.refusal(&with("fc.weight", value));
        assert_eq!(line, "tensor \"fc.weight\" holds a value that is not finite");
    }
    let line = bench.refusal(&with("bn1.running_var", -0.5));
    assert_eq!(line, "tensor \"bn1.running_var\" holds a negative variance");
    let checkpoint = bench.read(&with("fc.bias", 1e6), None).unwrap();
    let options = ImportOptions { half: true, ..ImportOptions::default() };
    let error = checkpoint.plan(&options).unwrap().write(&mut Vec::new()).unwrap_err().to_string();
    assert_eq!(
        error,
        "tensor \"fc.bias\" holds 1000000, half precision ends at 65504; keep the file's precision"
    );
}

#[test]
fn a_file_that_wants_to_run_something_is_refused_by_its_name() {
    let bench = Bench::new();
    let line = bench.refusal(WHOLE_MODULE);
    assert!(
        line.starts_with("the file asks to run \"torch.nn.modules.linear.Linear\"; only tensors"),
        "{line}"
    );
    let evil = archive(b"\x80\x02cposix\nsystem\nX\x05\x00\x00\x00touch\x85R.", &[]);
    let line = bench.refusal(&evil);
    assert!(line.starts_with("the file asks to run \"posix.system\""), "{line}");
}

#[test]
fn tensors_that_do_not_lie_in_order_are_put_in_order_and_others_are_refused() {
    let bench = Bench::new();
    // The head's weight [2, 8] as the transpose of a storage of [8, 2].
    let transposed = |strides: [usize; 2]| {
        let whole = weights();
        let specs = manifest().tensors();
        let mut storages = Vec::new();
        let mut described = Vec::new();
        for (key, spec) in specs.iter().enumerate() {
            let values = whole.values(&spec.name);
            let is_head = spec.name == "fc.weight";
            let order = |place: usize| if is_head { place % 2 * 8 + place / 2 } else { place };
            let stored = (0..values.len()).flat_map(|place| values[order(place)].to_le_bytes());
            storages.push(stored.collect());
            let strides = is_head.then_some(&strides[..]);
            described.push((spec.name.clone(), tensor(key, values.len(), 0, &spec.shape, strides)));
        }
        archive(&pickle(&described), &storages)
    };
    let (file, _, _) = bench.import(&transposed([1, 2])).unwrap();
    assert_eq!(read_back(&file), weights());
    let line = bench.refusal(&transposed([2, 2]));
    assert_eq!(line, "tensor \"fc.weight\" reaches beyond its storage");
    let line = bench.refusal(&transposed([0, 1]));
    assert_eq!(line, "tensor \"fc.weight\" repeats values of its storage; save it after .contiguous()");
}

#[test]
fn files_of_other_kinds_are_refused() {
    let bench = Bench::new();
    for bytes in [&b""[..], b"hello", b"\x89PNG\r\n\x1a\n and more", &[0; 64]] {
        assert!(bench.refusal(bytes).starts_with("the file begins like no file of weights"));
    }
    let unfinished = bench.refusal(b"PK\x03\x04 and nothing else of an archive");
    assert_eq!(unfinished, "the checkpoint is damaged: the archive's list of entries is cut short");
    let folder = Checkpoint::read(bench.folder.path(), None).unwrap_err();
    assert!(matches!(folder, CheckpointError::Read { .. }));
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let bench = Bench::new();
    let exact = weights().to_file(WeightsFormat::F32).unwrap();
    for whole in [ARCHIVE, OLD, &state(|_| ()), &exact] {
        for length in (0..whole.len()).step_by(64).chain([whole.len() - 1]) {
            assert!(bench.import(&whole[..length]).is_err(), "cut to {length} of {}", whole.len());
        }
    }
}

/// Two flipped bytes give an error or a network with other weights, never a panic.
#[test]
fn damaged_bytes_are_refused_or_read_but_never_a_panic() {
    let bench = Bench::new();
    let mut random = Random32::new(11);
    let safetensors = weights().to_file(WeightsFormat::F16).unwrap();
    let files = [ARCHIVE, OLD, &safetensors];
    for attempt in 0..2000 {
        let mut bytes = files[attempt % files.len()].to_vec();
        for _ in 0..2 {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        if let Ok((file, manifest, _)) = bench.import(&bytes) {
            assert!(Weights::read(&file, &manifest.tensors()).is_ok(), "attempt {attempt}");
        }
    }
}

#[test]
fn a_flipped_bit_in_the_values_of_an_archive_is_found() {
    let bench = Bench::new();
    let at = ARCHIVE.windows(6).position(|window| window == b"data/0").unwrap() + 300;
    let mut bytes = ARCHIVE.to_vec();
    bytes[at] ^= 1;
    let line = bench.refusal(&bytes);
    assert!(line.ends_with("does not have the checksum that was written with it"), "{line}");
}
