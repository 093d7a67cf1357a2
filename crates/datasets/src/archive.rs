use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use tar::{EntryType, Header, PaxExtensions};

use crate::byte_source::ByteSource;
use crate::encoded::{check_content, check_count, check_size};
use crate::folder::{is_image, label_of};
use crate::{DatasetError, Sample, SampleImage, Samples};

const BLOCK: usize = 512;
/// Longest name or set of further facts about a member.
const MOST_FACTS_BYTES: u64 = 1 << 20;

const NO_SPARSE: &str = "no sparse member; pack without --sparse";

/// A tar archive of image files, plain or gzip, whose folders are the labels; read from start to end without being
/// unpacked.
///
/// Of the members below the folder `below` (all where it is empty) the key is the path below it and the label the path
/// of the folder, each with `/` between the parts, as [`image_folder`] has them; members that lie in no folder have no
/// label. Samples come in the archive's order. Nothing is written, whatever the names say: `/` in front and `.` are
/// dropped, and a name with `..` is refused.
///
/// No member of more than [`MAX_IMAGE_BYTES`] is read, nor more than [`MAX_SAMPLES`] members; names are remembered by
/// 8 bytes each.
///
/// # Errors
///
/// [`DatasetError`] when the file cannot be opened or begins with no member. Among the samples: a member that is no
/// image by its name or its first bytes, is too large, leads out of the archive, or comes a second time is an error of
/// its own, and the next one follows; a damaged header or an end without its mark ends the archive; and when nothing
/// lies below `below`, [`DatasetError::Empty`].
///
/// [`image_folder`]: crate::image_folder
/// [`MAX_IMAGE_BYTES`]: crate::MAX_IMAGE_BYTES
/// [`MAX_SAMPLES`]: crate::MAX_SAMPLES
pub fn tar_images(path: &Path, below: &str) -> Result<Samples, DatasetError> {
    let mut members = Members {
        source: ByteSource::open(path)?,
        below: parts(below).collect::<Vec<_>>().join("/"),
        first: None,
        seen: HashSet::new(),
        count: 0,
        skipped: 0,
        given: false,
        ended: false,
    };
    members.first = members.header()?;
    Ok(Samples::new(members, None))
}

struct Members {
    source: ByteSource,
    below: String,
    /// Read at opening, to tell whether this is an archive at all.
    first: Option<Member>,
    /// Digests of the keys so far.
    seen: HashSet<u64>,
    count: u64,
    /// Members that do not lie below the folder.
    skipped: usize,
    /// Whether there was a sample or an error already.
    given: bool,
    ended: bool,
}

/// A member whose content comes next.
struct Member {
    name: Vec<u8>,
    kind: EntryType,
    bytes: u64,
}

impl Iterator for Members {
    type Item = Result<Sample, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let member = match self.first.take() {
                Some(member) => Some(member),
                None if self.count == 0 => None,
                None => match self.header() {
                    Ok(member) => member,
                    Err(error) => return Some(Err(self.end(error))),
                },
            };
            let Some(member) = member else {
                self.ended = true;
                let path = self.source.path().to_owned();
                let empty = DatasetError::Empty { folder: path, skipped: self.skipped };
                return if self.given { None } else { Some(Err(empty)) };
            };
            if let Err(error) = check_count(self.source.path(), self.count) {
                return Some(Err(self.end(error)));
            }
            if let Some(sample) = self.sample(&member).transpose() {
                self.given = true;
                return Some(sample);
            }
        }
        None
    }
}

impl Members {
    fn end(&mut self, error: DatasetError) -> DatasetError {
        self.ended = true;
        error
    }

    /// The next member's header, after those that only say more about it; `None` at the end.
    fn header(&mut self) -> Result<Option<Member>, DatasetError> {
        let mut long_name = None;
        let mut long_bytes = None;
        loop {
            let mut block = [0; BLOCK];
            self.source.fill(&mut block)?;
            if block == [0; BLOCK] {
                return Ok(None);
            }
            let header = Header::from_byte_slice(&block);
            let sum = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>();
            if header.cksum().ok() != Some(sum + 8 * u32::from(b' ')) {
                return Err(
                    self.deviation("a header with its checksum (decompress .xz, .zst and .bz2 first)")
                );
            }
            let bytes = header.entry_size().map_err(|_| self.deviation("the size of a member"))?;
            let kind = header.entry_type();
            if kind.is_gnu_longname() {
                let mut name = self.facts(bytes)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                long_name = Some(name);
            } else if kind.is_pax_local_extensions() {
                let facts = self.facts(bytes)?;
                let facts = self.extensions(&facts)?;
                long_name = facts.0.or(long_name);
                long_bytes = facts.1.or(long_bytes);
            } else if kind.is_gnu_longlink() || kind.is_pax_global_extensions() {
                self.facts(bytes)?;
            } else if kind.is_gnu_sparse() {
                return Err(self.deviation(NO_SPARSE));
            } else {
                self.count += 1;
                let name = long_name.unwrap_or_else(|| header.path_bytes().into_owned());
                return Ok(Some(Member { name, kind, bytes: long_bytes.unwrap_or(bytes) }));
            }
        }
    }

    /// The name and the size that a POSIX header gives to the next member.
    fn extensions(&self, facts: &[u8]) -> Result<(Option<Vec<u8>>, Option<u64>), DatasetError> {
        let (mut name, mut bytes) = (None, None);
        for fact in PaxExtensions::new(facts) {
            let fact = fact.map_err(|_| self.deviation("facts about a member before this byte"))?;
            match fact.key_bytes() {
                b"path" => name = Some(fact.value_bytes().to_owned()),
                b"size" => {
                    let size = fact.value().ok().and_then(|size| size.parse().ok());
                    bytes = Some(size.ok_or_else(|| self.deviation("the size of a member"))?);
                }
                key if key.starts_with(b"GNU.sparse") => return Err(self.deviation(NO_SPARSE)),
                _ => {}
            }
        }
        Ok((name, bytes))
    }

    /// The content of a member that says more about the next one.
    fn facts(&mut self, bytes: u64) -> Result<Vec<u8>, DatasetError> {
        if bytes > MOST_FACTS_BYTES {
            return Err(self.deviation("at most a mebibyte about a member"));
        }
        self.content(bytes)
    }

    fn content(&mut self, bytes: u64) -> Result<Vec<u8>, DatasetError> {
        let mut content = vec![0; bytes as usize];
        self.source.fill(&mut content)?;
        self.source.skip(padding(bytes))?;
        Ok(content)
    }

    /// Reads a member, or passes it over; `None` for what is neither a sample nor worth an error.
    fn sample(&mut self, member: &Member) -> Result<Option<Sample>, DatasetError> {
        let key = self.key(member);
        let taken = match &key {
            Ok(Some(key)) => self.check(member, key),
            Ok(None) | Err(_) => Ok(()),
        };
        if let (Ok(Some(key)), Ok(())) = (&key, &taken) {
            let content = self.content(member.bytes);
            let content = content.map_err(|error| self.end(error))?;
            check_content(self.source.path(), &content, || quoted(key))?;
            let (label, image) = (label_of(key), SampleImage::Encoded(content));
            return Ok(Some(Sample { label, key: key.clone(), image, tags: Vec::new() }));
        }
        let length = member.bytes.checked_add(padding(member.bytes));
        let passed = match length {
            Some(length) => self.source.skip(length),
            None => Err(self.deviation("the size of a member")),
        };
        passed.map_err(|error| self.end(error))?;
        key.and(taken)?;
        Ok(None)
    }

    /// The member's path below the folder; `None` for folders and for what lies elsewhere.
    fn key(&mut self, member: &Member) -> Result<Option<String>, DatasetError> {
        if member.kind.is_dir() {
            return Ok(None);
        }
        let path = self.source.path();
        let Ok(name) = std::str::from_utf8(&member.name) else {
            let name = String::from_utf8_lossy(&member.name).into_owned();
            return Err(DatasetError::FileName { path: path.join(name) });
        };
        if parts(name).any(|part| part == "..") {
            return Err(DatasetError::Outside { path: path.to_owned(), member: name.to_owned() });
        }
        let whole = parts(name).collect::<Vec<_>>().join("/");
        let key = match self.below.as_str() {
            "" => Some(whole.as_str()),
            below => whole.strip_prefix(below).and_then(|rest| rest.strip_prefix('/')),
        };
        if key.is_none() {
            self.skipped += 1;
        }
        Ok(key.map(str::to_owned))
    }

    /// Refuses what is no image, as far as its header tells, and what was there before.
    fn check(&mut self, member: &Member, key: &str) -> Result<(), DatasetError> {
        let path = self.source.path();
        if !(member.kind.is_file() || member.kind.is_contiguous()) || !is_image(Path::new(key)) {
            return Err(DatasetError::NotAnImage { path: path.to_owned(), item: quoted(key) });
        }
        check_size(path, member.bytes, || quoted(key))?;
        let mut digest = DefaultHasher::new();
        key.hash(&mut digest);
        if !self.seen.insert(digest.finish()) {
            return Err(DatasetError::Twice { path: path.to_owned(), member: key.to_owned() });
        }
        Ok(())
    }

    fn deviation(&self, expected: &'static str) -> DatasetError {
        DatasetError::Archive { path: self.source.path().to_owned(), offset: self.source.offset(), expected }
    }
}

/// The parts of a path that mean something.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('/').filter(|part| !matches!(*part, "" | "."))
}

fn quoted(key: &str) -> String {
    format!("\"{key}\"")
}

/// Bytes that fill up a member's last block.
fn padding(bytes: u64) -> u64 {
    bytes.wrapping_neg() % BLOCK as u64
}

#[cfg(test)]
mod tests;
