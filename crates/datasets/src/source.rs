use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

mod table;

pub use table::SOURCES;

/// Where the official files of a data set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The set's name: that of its reader, see [`DatasetKind`](crate::DatasetKind), `fashion-mnist`, which
    /// [`mnist`](crate::mnist()) reads, or `svhn-extra`, which [`svhn_extra`](crate::svhn_extra) does.
    pub name: &'static str,
    /// The page of the people who made it, which says how it may be used.
    pub page: &'static str,
    /// The files, all of which make the set.
    pub files: &'static [SourceFile],
}

/// One official file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, which the readers look for where it needs no unpacking.
    pub name: &'static str,
    /// Where it can be fetched, the best place first. All of them give the same bytes.
    pub urls: &'static [&'static str],
    /// Its size in bytes.
    pub bytes: u64,
    /// The digest of its content.
    pub digest: Digest,
    /// What has to be done before it is read.
    pub packing: Packing,
}

/// The digest of a file, as lower case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256(&'static str),
    /// MD5, where those who made the set publish nothing better: it tells damage, not deceit.
    Md5(&'static str),
}

/// What has to be done with a file before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Nothing.
    Ready,
    /// It is a `.tar.gz` whose members belong into the set's folder.
    TarGz,
    /// It is a `.zip` whose members belong into the set's folder.
    Zip,
}

/// The official source of a data set, by its name; `None` where none is known.
pub fn source(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

impl SourceFile {
    /// Holds a file that was fetched against the size and the digest. It is read once, in small pieces.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] when it cannot be read or is another file; the size is looked at before anything is read.
    pub fn verify(&self, path: &Path) -> Result<(), VerifyError> {
        let failed = |source| VerifyError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found != self.bytes {
            return Err(VerifyError::Size { path: path.to_owned(), found, expected: self.bytes });
        }
        let (found, expected) = match self.digest {
            Digest::Sha256(expected) => (sha256(file).map_err(failed)?, expected),
            Digest::Md5(expected) => (md5(file).map_err(failed)?, expected),
        };
        if found != expected {
            return Err(VerifyError::Digest { path: path.to_owned(), found, expected });
        }
        Ok(())
    }
}

/// Why a file is not the official one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It has another size.
    #[error("{} has {found} bytes, expected {expected}; fetch it again", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes it has.
        found: u64,
        /// Bytes of the official file.
        expected: u64,
    },
    /// It has another content.
    #[error("{} has the digest {found}, expected {expected}; fetch it again from another place", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// That of the official file.
        expected: &'static str,
    },
}

fn sha256(file: File) -> io::Result<String> {
    let mut digest = Sha256::new();
    pieces(file, |piece| digest.update(piece))?;
    Ok(hex(&digest.finalize()))
}

fn md5(file: File) -> io::Result<String> {
    let mut digest = Md5::new();
    pieces(file, |piece| digest.update(piece))?;
    Ok(hex(&digest.finalize()))
}

fn pieces(mut file: File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => each(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits =
        |byte: &u8| [byte >> 4, byte & 0x0f].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]));
    bytes.iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file with the content "abc" as its official content.
    fn abc(bytes: u64, digest: Digest) -> SourceFile {
        SourceFile { name: "abc", urls: &[], bytes, digest, packing: Packing::Ready }
    }

    #[test]
    fn a_file_is_held_against_its_size_and_either_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1, and RFC 1321, appendix A.5.
        let sha256 = Digest::Sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let md5 = Digest::Md5("900150983cd24fb0d6963f7d28e17f72");
        assert!(abc(3, sha256).verify(&path).is_ok());
        assert!(abc(3, md5).verify(&path).is_ok());
        let found = abc(4, md5).verify(&path).unwrap_err();
        assert!(matches!(found, VerifyError::Size { found: 3, expected: 4, .. }), "{found}");
        fs::write(&path, "abd").unwrap();
        for digest in [sha256, md5] {
            let found = abc(3, digest).verify(&path).unwrap_err();
            assert!(matches!(found, VerifyError::Digest { .. }), "{found}");
        }
        assert!(matches!(abc(3, md5).verify(&folder.path().join("gone")), Err(VerifyError::Read { .. })));
    }

    #[test]
    fn every_entry_of_the_table_is_complete_and_found_by_its_name() {
        for entry in &SOURCES {
            assert_eq!(source(entry.name), Some(entry));
            assert!(!entry.files.is_empty());
            for file in entry.files {
                let (digits, length) = match file.digest {
                    Digest::Sha256(digits) => (digits, 64),
                    Digest::Md5(digits) => (digits, 32),
                };
                assert!(digits.len() == length, "{}", file.name);
                assert!(
                    digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')),
                    "{}",
                    file.name
                );
                assert!(file.bytes > 0 && !file.urls.is_empty(), "{}", file.name);
                assert!(file.urls.iter().all(|url| url.ends_with(file.name)), "{}", file.name);
            }
        }
        assert_eq!(source("imagenet"), None);
    }
}
