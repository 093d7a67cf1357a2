use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::frame::{Kind, Source};
use super::writer::is_allowed;
use super::{ArchiveError, ArchiveReport};
use crate::copy::Filler;
use crate::generation::folder;
use crate::generation::tree::{AccessError, Changes};
use crate::ground::Ground;
use crate::schema::Totals;
use crate::{OpenError, Store, StoreConfig, key, limits, value};

/// Makes a database in `root`, which must be absent or empty, of an archive, and verifies all of it. `progress` is called with
/// the bytes read so far.
///
/// It is made beside `root` first, in a folder whose name ends in `.restoring`, and takes its place when all is done:
/// killed at any point, there is a whole database in `root` or none.
///
/// # Errors
///
/// [`ArchiveError`]; then nothing is restored, and `root` is as it was.
pub fn restore(
    archive: impl Read,
    root: &Path,
    config: &StoreConfig,
    progress: &mut dyn FnMut(u64),
) -> Result<ArchiveReport, ArchiveError> {
    let source = Source::new(archive)?;
    if root.exists() && (!root.is_dir() || !folder::entries(root)?.is_empty()) {
        return Err(ArchiveError::Occupied { path: root.to_owned() });
    }
    let mut name = root.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let beside = root.with_file_name(name);
    folder::remove(&beside)?;
    let outcome =
        Restoring { source, root: beside.clone(), report: ArchiveReport::default() }.run(config, progress);
    let outcome = outcome.and_then(|report| {
        folder::sync_all(&beside)?;
        if root.exists() {
            fs::remove_dir(root).map_err(|source| folder::FolderError::new("replacing", root, source))?;
        }
        fs::rename(&beside, root).map_err(|source| folder::FolderError::new("renaming", &beside, source))?;
        folder::sync_parent(root)?;
        Ok(report)
    });
    if outcome.is_err()
        && let Err(error) = folder::remove(&beside)
    {
        tracing::warn!(?error, "leftovers of a database that was not restored stay behind");
    }
    outcome
}

struct Restoring<R> {
    source: Source<R>,
    root: PathBuf,
    report: ArchiveReport,
}

impl<R: Read> Restoring<R> {
    fn run(
        mut self,
        config: &StoreConfig,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ArchiveReport, ArchiveError> {
        let store = Store::create(&self.root, config.clone())?;
        let mut file: Option<File> = None;
        loop {
            let (kind, content) = self.source.frame()?;
            progress(self.source.bytes);
            match kind {
                Kind::Collection => self.collection(&store, content, progress)?,
                Kind::File => file = Some(self.begin_file(content)?),
                Kind::FileContent => {
                    let open = file.as_mut().ok_or_else(|| self.source.damaged("a part of no file"))?;
                    open.write_all(&content).map_err(ArchiveError::Stream)?;
                }
                Kind::End => break,
                Kind::Entries | Kind::CollectionEnd => {
                    return Err(self.source.damaged("entries outside of a collection"));
                }
            }
        }
        self.report.bytes = self.source.bytes;
        Ok(self.report)
    }

    fn name(&self, content: Vec<u8>) -> Result<String, ArchiveError> {
        String::from_utf8(content).map_err(|_| self.source.damaged("a name is no text"))
    }

    fn begin_file(&mut self, content: Vec<u8>) -> Result<File, ArchiveError> {
        let name = self.name(content)?;
        if !is_allowed(&name) {
            return Err(ArchiveError::FileName { name });
        }
        let path = self.root.join(&name);
        if let Some(parent) = path.parent() {
            folder::create(parent)?;
        }
        let created =
            File::create_new(&path).map_err(|source| folder::FolderError::new("creating", &path, source))?;
        self.report.files.push(name);
        Ok(created)
    }

    fn collection(
        &mut self,
        store: &Store,
        name: Vec<u8>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ArchiveError> {
        let name = self.name(name)?;
        let source = &mut self.source;
        let made = store.create_collection_from(&name, |ground| fill(source, ground))?;
        let report = made
            .verify(&mut |_| {})
            .map_err(|source| ArchiveError::Collection { name: name.clone(), source })?;
        if let Some(finding) = report.findings.into_iter().next() {
            return Err(ArchiveError::Unsound { name, finding: Box::new(finding) });
        }
        progress(self.source.bytes);
        self.report.exemplars += report.exemplars;
        self.report.collections.push(name);
        Ok(())
    }
}

/// Reads the entries of one collection into a tree; gives what is left to write.
fn fill(source: &mut Source<impl Read>, ground: &Ground) -> Result<Changes, ArchiveError> {
    let mut filler = Filler::new(ground);
    let (mut totals, mut records) = (None, 0);
    let end = loop {
        match source.frame()? {
            (Kind::Entries, content) => {
                let mut rest = content.as_slice();
                while !rest.is_empty() {
                    let (key, value);
                    (key, value, rest) =
                        split(rest).ok_or_else(|| source.damaged("an entry is longer than its frame"))?;
                    if value::check("entry", key, value).is_err() {
                        return Err(source.damaged("the checksum of an entry is wrong"));
                    }
                    records += u64::from(key::id_of_record(key).is_some());
                    if key == key::next() {
                        totals = Some(value[value::HEADER_BYTES..].to_vec());
                    }
                    filler.put(key, value).map_err(unwritten)?;
                }
            }
            (Kind::CollectionEnd, content) => break content,
            _ => return Err(source.damaged("a collection does not end")),
        }
    };
    let sum = filler.finish().map_err(unwritten)?;
    if end != sum.to_bytes() {
        return Err(source.damaged("the digest of a collection is wrong"));
    }
    let totals = totals.ok_or_else(|| source.damaged("a collection has no batch number"))?;
    let sums: Totals =
        value::decode(Totals::WHAT, &totals).map_err(|_| source.damaged("a batch number cannot be read"))?;
    // Before anything is made of them that grows with the number of exemplars.
    if sums.exemplars > records {
        return Err(source.damaged("a collection has fewer records than exemplars"));
    }
    let mut changes = Changes::default();
    changes.put(key::next(), &totals);
    Ok(changes)
}

/// Longer than every key that is written: the longest are the names of tag values.
const MAX_TREE_KEY_BYTES: usize = 512;

/// The first entry of `bytes`, and what follows.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key_length, rest) = bytes.split_first_chunk::<2>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_length)))?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    (key.len() <= MAX_TREE_KEY_BYTES && value.len() <= limits::MAX_VALUE_BYTES).then_some((key, value, rest))
}

fn unwritten(error: AccessError) -> ArchiveError {
    ArchiveError::Write(error.into())
}

impl From<folder::FolderError> for ArchiveError {
    fn from(error: folder::FolderError) -> Self {
        OpenError::from(error).into()
    }
}
