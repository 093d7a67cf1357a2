//! `lookalike model import`: a checkpoint becomes weights and manifest, both or neither.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use lookalike_vision::{Checkpoint, ImportOptions, ImportPlan, Imported, ModelManifest, Normalisation};
use serde::Serialize;

use super::memory::peak_memory;
use crate::args::ModelImportArgs;
use crate::commands::stats::ModelReport;
use crate::ending::Ending;
use crate::show::output::{Output, Report, bytes, span, things, visible};
use crate::whole_file;

/// Names that are shown to people; JSON has all of them.
const NAMES_SHOWN: usize = 8;

const ENDING: &str = "safetensors";

pub(super) fn run(args: &ModelImportArgs, output: Output) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let options = options(args)?;
    let refused = || format!("checkpoint {} is refused", args.file.display());
    let checkpoint = Checkpoint::read(&args.file, args.key.as_deref()).with_context(refused)?;
    let plan = checkpoint.plan(&options).with_context(refused)?;
    let target = target(&args.out, &plan.manifest().name)?;
    let acceptable = plan.missing().is_empty() && (plan.unused().is_empty() || args.allow_unused);
    let imported = if !args.dry_run {
        if let (Some(first), false) = (plan.unused().first(), args.allow_unused) {
            let count = things(plan.unused().len() as u64, "tensor");
            let named = format!(
                "it has {count} that the network has no place for, the first is \"{first}\"; --allow-unused leaves them out"
            );
            return Err(anyhow::anyhow!(named)).with_context(refused);
        }
        Some(write(&plan, &target).with_context(refused)?)
    } else if acceptable {
        Some(plan.write(&mut io::sink()).with_context(refused)?)
    } else {
        None
    };
    output.report(&ImportedReport::of(
        args,
        &plan,
        &target,
        imported.as_ref(),
        start.elapsed().as_secs_f64(),
    ))?;
    Ok(if acceptable { Ending::Done } else { Ending::SomethingWrong })
}

fn options(args: &ModelImportArgs) -> anyhow::Result<ImportOptions> {
    let classes = match &args.classes_file {
        Some(path) => {
            let names = fs::read_to_string(path)
                .with_context(|| format!("class names {} cannot be read", path.display()))?;
            Some(names.lines().map(|name| name.trim_end().to_owned()).collect())
        }
        None => (!args.classes.is_empty()).then(|| args.classes.clone()),
    };
    let normalised = !args.mean.is_empty();
    Ok(ImportOptions {
        name: args.name.clone(),
        classes,
        input: args.input.map(|input| [input.height, input.width]),
        normalisation: normalised.then(|| Normalisation { mean: args.mean.clone(), std: args.std.clone() }),
        heads: args.heads,
        half: args.half,
    })
}

/// The weights to write: the file that is named, or one in the folder that is named.
fn target(out: &Path, name: &str) -> anyhow::Result<PathBuf> {
    if out.extension().is_some_and(|ending| ending == ENDING) {
        return Ok(out.to_owned());
    }
    let file = format!("{name}.{ENDING}");
    anyhow::ensure!(
        Path::new(&file).file_name().is_some_and(|part| part == file.as_str()),
        "\"{name}\" is no name for a file; give --out FILE.safetensors"
    );
    Ok(out.join(file))
}

/// Writes weights and manifest; after an error neither is there.
fn write(plan: &ImportPlan<'_>, target: &Path) -> anyhow::Result<Imported> {
    let folder = whole_file::parent(target);
    let is_new = !folder.exists();
    fs::create_dir_all(folder).with_context(|| format!("folder {} cannot be made", folder.display()))?;
    let written = write_into(plan, target);
    if is_new && written.is_err() {
        // If it cannot be removed, the error under way says more.
        let _removed = fs::remove_dir(folder);
    }
    written
}

fn write_into(plan: &ImportPlan<'_>, target: &Path) -> anyhow::Result<Imported> {
    let beside = ModelManifest::path_beside(target);
    let mut weights = whole_file::begin(target)?;
    let mut manifest = whole_file::begin(&beside)?;
    let mut buffered = BufWriter::new(&mut weights);
    let imported = plan.write(&mut buffered)?;
    buffered.flush().and_then(|()| {
        let json = plan.manifest().to_json().map_err(io::Error::other)?;
        manifest.write_all(json.as_bytes())
    })?;
    drop(buffered);
    // The weights last: a manifest alone is no model.
    whole_file::commit(manifest, &beside)?;
    if let Err(error) = whole_file::commit(weights, target) {
        // If it cannot be removed, the error under way says more.
        let _removed = fs::remove_file(beside);
        return Err(error);
    }
    Ok(imported)
}

#[derive(Debug, Serialize)]
struct ImportedReport {
    checkpoint: String,
    dry_run: bool,
    weights: String,
    manifest: String,
    /// Size of the weights; `None` where they could not be written.
    weights_bytes: Option<u64>,
    number_type: String,
    /// What was taken off in front of the tensors' names.
    prefix: String,
    applied: usize,
    missing: Vec<String>,
    unused: Vec<String>,
    input_assumed: bool,
    model: Option<ModelReport>,
    seconds: f64,
    peak_memory_bytes: Option<u64>,
}

impl ImportedReport {
    fn of(
        args: &ModelImportArgs,
        plan: &ImportPlan<'_>,
        target: &Path,
        imported: Option<&Imported>,
        seconds: f64,
    ) -> Self {
        Self {
            checkpoint: args.file.display().to_string(),
            dry_run: args.dry_run,
            weights: target.display().to_string(),
            manifest: ModelManifest::path_beside(target).display().to_string(),
            weights_bytes: imported.map(|imported| imported.bytes),
            number_type: plan.number_type().to_string(),
            prefix: plan.prefix().to_owned(),
            applied: plan.applied(),
            missing: plan.missing().to_vec(),
            unused: plan.unused().to_vec(),
            input_assumed: args.input.is_none(),
            model: imported.map(|imported| ModelReport::described(plan.manifest(), &imported.fingerprint)),
            seconds,
            peak_memory_bytes: peak_memory(),
        }
    }
}

impl Report for ImportedReport {
    fn text(&self) -> String {
        let mut text = format!(
            "applied {}, missing {}, unused {}\n",
            self.applied,
            self.missing.len(),
            self.unused.len()
        );
        // Writing to a string cannot fail.
        if !self.prefix.is_empty() {
            let _written = writeln!(text, "took \"{}\" off in front of the names", visible(&self.prefix));
        }
        for (word, names) in [("missing", &self.missing), ("unused", &self.unused)] {
            for name in names.iter().take(NAMES_SHOWN) {
                let _written = writeln!(text, "  {word}: {}", visible(name));
            }
            if names.len() > NAMES_SHOWN {
                let _written = writeln!(text, "  and {} more; --json lists them", names.len() - NAMES_SHOWN);
            }
        }
        if let Some(model) = &self.model {
            let _written = writeln!(text, "model {}", model.line());
            if self.input_assumed {
                text.push_str(
                    "the size of the input is assumed; give --input if it was trained at another\n",
                );
            }
        }
        if let Some(size) = self.weights_bytes {
            let done = if self.dry_run { "would write" } else { "wrote" };
            let _written = writeln!(
                text,
                "{done} {} ({}, {}) and the manifest beside it, in {}",
                visible(&self.weights),
                bytes(size),
                self.number_type,
                span(self.seconds)
            );
        }
        if let Some(peak) = self.peak_memory_bytes {
            let _written = writeln!(text, "memory at most {}", bytes(peak));
        }
        text
    }
}
