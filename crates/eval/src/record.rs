use std::fs;
use std::io::{self, Write};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// One query under one condition, as one contestant ranked it: a line of a raw file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The contestant's name.
    pub contestant: String,
    /// Number of the trigger's seed, counted from 0; always 0 for what no seed changes.
    pub seed: usize,
    /// Place of the query among the protocol's.
    pub query: usize,
    /// Place of the original, 1 is the first; ties count against it. Only where the query is an exemplar.
    pub rank: Option<usize>,
    /// Share of the nearest neighbours, the original left out, that have the query's label.
    pub precision: Option<f64>,
    /// Average precision at R, the original left out.
    pub average_precision: Option<f64>,
    /// Whether the model gives the query, as asked, its label.
    pub right: Option<bool>,
    /// Share of the nearest neighbours that are among those of the clean query too.
    pub overlap: Option<f64>,
    /// Rank-biased overlap with the clean query's list.
    pub rank_biased_overlap: Option<f64>,
    /// Mean distance of the nearest neighbours' known factors from the query's, the original left out; a neighbour of
    /// another class counts as 1.
    pub latent: Option<f64>,
    /// Share of the nearest neighbours that were mixed in from elsewhere.
    pub outliers: f64,
    /// Time of the query in microseconds, embedding included.
    pub microseconds: u64,
    /// The nearest neighbours as `id:score`, best first, with spaces between.
    pub nearest: String,
}

impl Record {
    /// The nearest neighbours and their scores.
    pub fn neighbours(&self) -> Vec<(u32, f32)> {
        let pair = |text: &str| {
            let (id, score) = text.split_once(':')?;
            Some((id.parse().ok()?, score.parse().ok()?))
        };
        self.nearest.split(' ').filter_map(pair).collect()
    }
}

/// How much of the best neighbours of a full ranking a shortlist keeps: a line of a raw file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The ranking of the whole collection.
    pub full: String,
    /// The metric that makes the shortlist.
    pub metric: String,
    /// Length of the shortlist.
    pub length: usize,
    /// Place of the query among the protocol's.
    pub query: usize,
    /// Share of the full ranking's nearest neighbours that are in the shortlist.
    pub kept: f64,
}

/// Writes lines as CSV, whole or not at all.
pub(crate) fn write<T: Serialize>(path: &Path, lines: &[T]) -> Result<(), EvalError> {
    let file = |source| EvalError::File { path: path.to_owned(), source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.serialize(line).map_err(|error| file(io::Error::other(error)))?;
    }
    let bytes = writer.into_inner().map_err(|error| file(io::Error::other(error.to_string())))?;
    write_whole(path, &bytes)
}

/// The lines of a CSV file.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>, EvalError> {
    let damaged = |error: csv::Error| EvalError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let mut reader = csv::Reader::from_path(path).map_err(damaged)?;
    reader.deserialize().collect::<Result<_, _>>().map_err(damaged)
}

/// Puts a file in its place once it is complete.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EvalError> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| AtomicWriteFile::open(path))
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.commit()));
    written.map_err(|source| EvalError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw/clean.csv");
        let line = Record {
            contestant: "tmm, as \"printed\"".to_owned(),
            seed: 1,
            query: 7,
            rank: Some(3),
            precision: None,
            average_precision: Some(0.25),
            right: Some(true),
            overlap: Some(1.0),
            rank_biased_overlap: None,
            latent: None,
            outliers: 0.0,
            microseconds: 12,
            nearest: "4:0.5 9:-1.25".to_owned(),
        };
        write(&path, std::slice::from_ref(&line)).unwrap();
        assert_eq!(read::<Record>(&path).unwrap(), std::slice::from_ref(&line));
        assert_eq!(line.neighbours(), [(4, 0.5), (9, -1.25)]);

        fs::write(&path, "contestant,seed\nl2,many\n").unwrap();
        let error = read::<Record>(&path).unwrap_err().to_string();
        assert!(error.contains("clean.csv is no such file of a run"), "{error}");
    }
}
