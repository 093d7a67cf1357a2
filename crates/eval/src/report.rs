//! The report of a run, from its raw files:
//!
//! ```text
//! report/summary.md    the verdict and the tables
//! report/index.html    the same with all plots, one file that needs no other
//! report/summary.csv   every number, one a line
//! report/plots/*.svg
//! report/grids/*.svg   queries with their neighbours, where the images are at hand
//! ```

mod cast;
mod curves;
pub(crate) mod document;
mod family;
mod grids;
mod lines;
mod page;
mod reading;
pub(crate) mod table;
mod tables;
mod verdict;
pub(crate) mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use self::document::{Block, Document, Section};
use self::reading::Reading;
use self::words::capitalised;
use crate::error::EvalError;
use crate::record;
use crate::run::RunFolder;
use crate::subject::Subject;
use crate::summary::Summary;

/// Where a report was written, and what it says first.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the run found.
    pub summary: Summary,
    /// The page.
    pub page: PathBuf,
    /// All files, the page among them.
    pub files: Vec<PathBuf>,
    /// The verdict as Markdown: per protocol a first sentence and its grounds.
    pub verdict: String,
}

/// Writes the report of a finished run into the folder `report` of its directory. With the run's images it has grids of
/// queries and their neighbours; without them it says that they are left out.
///
/// *Determinism*: the run's files and the images decide every byte; nothing says when it was written. Plots and grids of
/// an earlier report that this one has not are deleted.
///
/// # Errors
///
/// [`EvalError`] when the run is not finished or damaged, when `subject` is not what it was about, and when a file cannot
/// be written.
pub fn write_report(folder: &RunFolder, subject: Option<&Subject>) -> Result<Report, EvalError> {
    let summary = Summary::of(folder)?;
    if let Some(subject) = subject {
        let same = subject.name == summary.subject.name
            && subject.exemplars.len() == summary.subject.exemplars
            && subject.digest().to_string() == summary.subject.images;
        if !same {
            return Err(EvalError::Other { path: folder.path().to_owned(), what: "data set" });
        }
    }
    let readings: Vec<Reading<'_>> = summary
        .protocols
        .iter()
        .map(|protocol| Reading::of(folder, &summary, protocol))
        .collect::<Result<_, _>>()?;
    let mut sections = vec![verdict(&readings)];
    for reading in &readings {
        sections.extend(of_protocol(folder, reading, &summary, subject)?);
    }
    sections.push(Section {
        title: "What was asked".to_owned(),
        blocks: vec![
            Block::Table(tables::setting(&summary.experiment, &summary.subject)),
            Block::Table(tables::rankings(&summary.experiment)),
        ],
    });
    let document =
        Document { title: format!("Evaluation of rankings on {}", summary.subject.name), sections };
    // What was read of the files is needed no longer.
    drop(readings);
    write(folder, &document, summary)
}

fn verdict(readings: &[Reading<'_>]) -> Section {
    let mut blocks: Vec<Block> = readings.iter().flat_map(verdict::verdict).collect();
    blocks.extend(readings.first().map(|reading| Block::Text(verdict::caution(reading))));
    Section { title: "Verdict".to_owned(), blocks }
}

/// The plots and the tables of a protocol.
fn of_protocol(
    folder: &RunFolder,
    reading: &Reading<'_>,
    summary: &Summary,
    subject: Option<&Subject>,
) -> Result<[Section; 3], EvalError> {
    let figures = curves::figures(reading, &summary.subject.name)?;
    let grids = match subject {
        Some(subject) => grids::figures(folder, reading, subject)?.into_iter().map(Block::Figure).collect(),
        None => vec![Block::Text(
            "Grids of queries and their neighbours are left out: the report was written without the images."
                .to_owned(),
        )],
    };
    let tables = [
        Some(tables::overall(reading)),
        Some(tables::by_condition(reading)),
        tables::by_family(reading),
        tables::contrasts("Changed settings", reading, &reading.variants),
        tables::contrasts("All contrasts over all conditions", reading, &reading.summary.contrasts),
        tables::ceilings(reading),
        tables::ceilings_by_family(reading),
    ];
    let name = capitalised(&reading.prefix());
    let section = |what: &str, blocks: Vec<Block>| Section { title: format!("{name}: {what}"), blocks };
    Ok([
        section("plots", figures.into_iter().map(Block::Figure).collect()),
        section("images", grids),
        section("tables", tables.into_iter().flatten().map(Block::Table).collect()),
    ])
}

fn write(folder: &RunFolder, document: &Document, summary: Summary) -> Result<Report, EvalError> {
    let mut files = Vec::new();
    let mut drawn = BTreeSet::new();
    for figure in document.figures() {
        let path = folder.write(&format!("report/{}", figure.file), figure.svg.as_bytes())?;
        drawn.insert(path.clone());
        files.push(path);
    }
    delete_others(folder, &drawn)?;
    files.push(folder.write("report/summary.md", document.to_markdown().as_bytes())?);
    let table = folder.path().join("report/summary.csv");
    record::write(&table, &lines::lines(&summary))?;
    files.push(table);
    let page = folder.write("report/index.html", document.to_html().as_bytes())?;
    files.push(page.clone());
    let verdict = document.sections.first().map(|section| section.blocks.iter().map(Block::to_markdown));
    let verdict = verdict.into_iter().flatten().collect::<Vec<_>>().join("\n");
    Ok(Report { summary, page, files, verdict })
}

/// Deletes what an earlier report drew and this one did not.
fn delete_others(folder: &RunFolder, drawn: &BTreeSet<PathBuf>) -> Result<(), EvalError> {
    for kind in ["plots", "grids"] {
        let path = folder.path().join("report").join(kind);
        if !path.exists() {
            continue;
        }
        let file = |source| EvalError::File { path: path.clone(), source };
        for entry in fs::read_dir(&path).map_err(file)? {
            let drawing = entry.map_err(file)?.path();
            let is_drawing = drawing.extension().is_some_and(|extension| extension == "svg");
            if is_drawing && !drawn.contains(&drawing) {
                fs::remove_file(&drawing).map_err(|source| EvalError::File { path: drawing, source })?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod test_run;
#[cfg(test)]
mod tests;
