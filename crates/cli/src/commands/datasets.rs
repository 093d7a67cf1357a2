//! `lookalike datasets`: where official files are, fetching them, and whether what is here is right.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use lookalike_datasets::{Digest, Packing, SOURCES, Source, SourceFile, source};
use serde::Serialize;

use crate::args::{DatasetsArgs, DatasetsCommand, DatasetsFetchArgs, DatasetsVerifyArgs};
use crate::ending::Ending;
use crate::show::output::{Output, Report, Table, bytes, grouped, line, visible};
use crate::show::progress::Progress;

#[cfg(test)]
#[path = "../../tests/cli/loopback.rs"]
mod loopback;
mod part;
mod transfer;

use transfer::{FetchError, Fetched, Transfer};

/// Longest silence of a server in the middle of a file.
const SILENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &DatasetsArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        DatasetsCommand::List => list(output),
        DatasetsCommand::Fetch(args) => fetch(args, output),
        DatasetsCommand::Verify(args) => verify(args, output),
    }
}

fn known(name: &str) -> anyhow::Result<&'static Source> {
    source(name).with_context(|| format!("no official source of \"{name}\" is known"))
}

fn folder_of(source: &Source, given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(|| Path::new("data").join(source.name))
}

fn list(output: Output) -> anyhow::Result<Ending> {
    output.report(&ListReport { datasets: SOURCES.iter().map(Listed::of).collect() })?;
    Ok(Ending::Done)
}

fn verify(args: &DatasetsVerifyArgs, output: Output) -> anyhow::Result<Ending> {
    let source = known(&args.name)?;
    let folder = folder_of(source, args.folder.as_ref());
    let files: Vec<_> = source.files.iter().map(|file| Verified::of(file, &folder)).collect();
    let right = files.iter().all(|file| file.status == "right");
    output.report(&VerifyReport {
        dataset: source.name,
        folder: folder.display().to_string(),
        right,
        files,
    })?;
    Ok(if right { Ending::Done } else { Ending::SomethingWrong })
}

fn fetch(args: &DatasetsFetchArgs, output: Output) -> anyhow::Result<Ending> {
    let source = known(&args.name)?;
    let folder = folder_of(source, args.folder.as_ref());
    let transfer = Transfer::new(SILENCE, ureq::Proxy::try_from_env());
    let report = fetch_all(&transfer, source, &folder, args.mirror.as_deref())?;
    output.report(&report)?;
    Ok(Ending::Done)
}

fn fetch_all(
    transfer: &Transfer,
    source: &Source,
    folder: &Path,
    mirror: Option<&str>,
) -> anyhow::Result<FetchReport> {
    let files = source.files.iter().map(|file| {
        let urls = match mirror {
            Some(mirror) => vec![format!("{}/{}", mirror.trim_end_matches('/'), file.name)],
            None => file.urls.iter().map(|&url| url.to_owned()).collect(),
        };
        let fetched = fetch_one(transfer, file, &urls, folder)
            .map_err(|error| by_hand(&error, source, file, folder))?;
        Ok(FetchedFile { name: file.name, bytes: file.bytes, status: fetched.name() })
    });
    let files = files.collect::<anyhow::Result<_>>()?;
    let archives = source.files.iter().filter_map(|file| unpacking(file, folder));
    Ok(FetchReport {
        dataset: source.name,
        folder: folder.display().to_string(),
        page: source.page,
        files,
        unpack: archives.collect(),
    })
}

/// The file from the first address that gives it; else what was wrong with each.
fn fetch_one(
    transfer: &Transfer,
    file: &SourceFile,
    urls: &[String],
    folder: &Path,
) -> Result<Fetched, Vec<FetchError>> {
    let mut errors = Vec::new();
    for url in urls {
        let mut progress = Progress::bytes("fetch", Some(file.bytes));
        match transfer.fetch(file, url, folder, &mut |done| progress.at(done)) {
            Ok(fetched) => return Ok(fetched),
            Err(error) => {
                let ends = !error.is_about_address();
                errors.push(error);
                if ends {
                    break;
                }
            }
        }
    }
    Err(errors)
}

/// The errors, and what to do without a network.
fn by_hand(errors: &[FetchError], source: &Source, file: &SourceFile, folder: &Path) -> anyhow::Error {
    let found = errors.iter().map(|error| line(error)).collect::<Vec<_>>().join("; ");
    if errors.iter().all(FetchError::is_about_address) {
        let (name, set, folder) = (file.name, source.name, folder.display());
        let size = grouped(file.bytes);
        anyhow::anyhow!(
            "{name} was not fetched: {found}; by hand: put {name} ({size} bytes) into {folder} and run \"lookalike \
             datasets verify {set} {folder}\""
        )
    } else {
        anyhow::anyhow!("{found}")
    }
}

/// The command that unpacks a file.
fn unpacking(file: &SourceFile, folder: &Path) -> Option<String> {
    let archive = folder.join(file.name);
    let (archive, folder) = (archive.display(), folder.display());
    match file.packing {
        Packing::Ready => None,
        Packing::TarGz => Some(format!("tar -xzf {archive} -C {folder}")),
        Packing::Zip => Some(format!("unzip {archive} -d {folder}")),
    }
}

#[derive(Debug, Serialize)]
struct ListReport {
    datasets: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    /// Of all files.
    bytes: u64,
    page: &'static str,
    files: Vec<ListedFile>,
}

#[derive(Debug, Serialize)]
struct ListedFile {
    name: &'static str,
    bytes: u64,
    digest: String,
    urls: &'static [&'static str],
}

impl Listed {
    fn of(source: &Source) -> Self {
        let file = |file: &SourceFile| ListedFile {
            name: file.name,
            bytes: file.bytes,
            digest: match file.digest {
                Digest::Sha256(digits) => format!("sha256:{digits}"),
                Digest::Md5(digits) => format!("md5:{digits}"),
            },
            urls: file.urls,
        };
        Self {
            name: source.name,
            bytes: source.files.iter().map(|file| file.bytes).sum(),
            page: source.page,
            files: source.files.iter().map(file).collect(),
        }
    }
}

impl Report for ListReport {
    fn text(&self) -> String {
        let mut table = Table::new(&["data set", ">files", ">size", "by"]);
        for set in &self.datasets {
            table.row([
                set.name.to_owned(),
                set.files.len().to_string(),
                bytes(set.bytes),
                set.page.to_owned(),
            ]);
        }
        table.text()
    }
}

#[derive(Debug, Serialize)]
struct FetchReport {
    dataset: &'static str,
    folder: String,
    page: &'static str,
    files: Vec<FetchedFile>,
    /// Commands for archives.
    unpack: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FetchedFile {
    name: &'static str,
    bytes: u64,
    status: &'static str,
}

impl Report for FetchReport {
    fn text(&self) -> String {
        let mut table = Table::new(&["file", ">size", "status"]);
        for file in &self.files {
            table.row([file.name.to_owned(), bytes(file.bytes), file.status.to_owned()]);
        }
        let mut text = table.text();
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "{} is whole in {}; how it may be used: {}",
            self.dataset,
            visible(&self.folder),
            self.page
        );
        for command in &self.unpack {
            let _written = writeln!(text, "unpack it with: {}", visible(command));
        }
        text
    }
}

#[derive(Debug, Serialize)]
struct VerifyReport {
    dataset: &'static str,
    folder: String,
    right: bool,
    files: Vec<Verified>,
}

#[derive(Debug, Serialize)]
struct Verified {
    name: &'static str,
    status: &'static str,
    /// Why it is wrong.
    reason: Option<String>,
}

impl Verified {
    fn of(file: &SourceFile, folder: &Path) -> Self {
        let path = folder.join(file.name);
        if !path.exists() {
            return Self { name: file.name, status: "missing", reason: None };
        }
        match file.verify(&path) {
            Ok(()) => Self { name: file.name, status: "right", reason: None },
            Err(error) => Self { name: file.name, status: "wrong", reason: Some(line(&error)) },
        }
    }
}

impl Report for VerifyReport {
    fn text(&self) -> String {
        let mut table = Table::new(&["file", "status", "why"]);
        for file in &self.files {
            table.row([
                file.name.to_owned(),
                file.status.to_owned(),
                file.reason.clone().unwrap_or_default(),
            ]);
        }
        let mut text = table.text();
        let verdict = if self.right { "is whole" } else { "is not whole" };
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{} {verdict} in {}", self.dataset, visible(&self.folder));
        text
    }
}

#[cfg(test)]
mod tests;
