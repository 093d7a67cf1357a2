//! The binary, run as a user runs it, and places for what it makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lookalike_datasets::GlyphSet;
use lookalike_engine::encode_png;
use lookalike_vision::{Architecture, Block, ModelManifest, ResNetConfig, Stem, TrainConfig, WeightsFormat};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const SEED: u64 = 5;

pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lookalike"));
    // A proxy of the surroundings must not stand between a test and the loopback interface.
    command.args(arguments).env_remove("RUST_LOG").env("NO_PROXY", "127.0.0.1").output().unwrap()
}

/// Runs a command that must end with 0, and gives what it printed.
pub(crate) fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The same with `--json`.
pub(crate) fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&text(&[arguments, &["--json"]].concat())).unwrap()
}

/// Runs a command that must end with 2, and gives its one line.
pub(crate) fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    let line = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert!(line.starts_with("lookalike: ") && line.trim_end().lines().count() == 1, "{line}");
    line
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a tree of glyph images, `images/CLASS/INDEX.png`, and places for databases.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With this many glyphs in the tree.
    pub(crate) fn with_images(count: u64) -> Self {
        let bench = Self::new();
        let set = GlyphSet::new(SEED);
        for index in 0..count {
            let glyph = set.glyph(index);
            let path = bench.path("images").join(glyph.name).join(format!("{index}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, encode_png(&glyph.image).unwrap()).unwrap();
        }
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
        self.text(name)
    }

    /// A database for the shipped network.
    pub(crate) fn database(&self) -> String {
        let db = self.text("db");
        text(&["init", &db, "--model", "builtin:glyphs"]);
        db
    }

    /// Weights and manifest of another network than the shipped one.
    pub(crate) fn other_model(&self) -> String {
        let config = ResNetConfig {
            block: Block::Basic,
            depths: [1, 1, 1, 1],
            stem: Stem::Imagenet,
            base_width: 2,
            wide: 1,
        };
        let manifest = ModelManifest {
            name: "other".to_owned(),
            architecture: Architecture::ResNet(config),
            channels: 1,
            height: 28,
            width: 28,
            classes: vec!["a".to_owned(), "b".to_owned()],
            normalisation: None,
        };
        let set = GlyphSet::new(SEED);
        let images: Vec<_> = (0..4).map(|index| (set.glyph(index).image, (index % 2) as usize)).collect();
        let training = TrainConfig { epochs: 1, batch: 4, ..TrainConfig::default() };
        let trained = lookalike_vision::train(&training, manifest, &images, &mut |_| ()).unwrap();
        let path = self.path("other.safetensors");
        trained.save(&path, WeightsFormat::F16).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}
