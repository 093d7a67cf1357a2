//! Frames of an archive: what is written and what is believed.

use std::io::{self, Read, Write};

use super::ArchiveError;

pub(super) const MAGIC: &[u8] = b"lookalike archive\n";
pub(super) const VERSION: u32 = 1;
/// Largest content of a frame that is written.
pub(super) const FULL_BYTES: usize = 1 << 20;
/// Largest content of a frame that is read: a full one and one more entry.
const MOST_BYTES: u32 = 2 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The name of a collection begins its entries.
    Collection = 1,
    /// Entries: key length u16, value length u32, key, value; again and again.
    Entries = 2,
    /// Number, bytes and digest of a collection's entries.
    CollectionEnd = 3,
    /// The name of a file begins its content.
    File = 4,
    /// A part of a file.
    FileContent = 5,
    /// The digest of everything before.
    End = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Collection, Self::Entries, Self::CollectionEnd, Self::File, Self::FileContent, Self::End]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Writes frames and keeps the digest of everything.
pub(super) struct Sink<W> {
    stream: W,
    hasher: blake3::Hasher,
    pub(super) bytes: u64,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(stream: W) -> Result<Self, ArchiveError> {
        let mut sink = Self { stream, hasher: blake3::Hasher::new(), bytes: 0 };
        sink.put(MAGIC)?;
        sink.put(&VERSION.to_le_bytes())?;
        Ok(sink)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.stream.write_all(bytes).map_err(ArchiveError::Stream)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn frame(&mut self, kind: Kind, content: &[u8]) -> Result<(), ArchiveError> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&[kind as u8]);
        checksum.update(content);
        self.put(&(content.len() as u32).to_le_bytes())?;
        self.put(&[kind as u8])?;
        self.put(content)?;
        self.put(&checksum.finalize().to_le_bytes())
    }

    /// Writes the last frame and hands the stream back.
    pub(super) fn finish(mut self) -> Result<(W, u64), ArchiveError> {
        let digest = *self.hasher.finalize().as_bytes();
        self.frame(Kind::End, &digest)?;
        self.stream.flush().map_err(ArchiveError::Stream)?;
        Ok((self.stream, self.bytes))
    }
}

/// Reads frames. What it gives has the right checksum; that nothing is missing is known after the last one.
pub(super) struct Source<R> {
    stream: R,
    hasher: blake3::Hasher,
    pub(super) bytes: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(stream: R) -> Result<Self, ArchiveError> {
        let mut source = Self { stream, hasher: blake3::Hasher::new(), bytes: 0 };
        let mut magic = [0; MAGIC.len()];
        match source.take(&mut magic) {
            Ok(()) if magic == MAGIC => {}
            Ok(()) | Err(ArchiveError::CutOff { .. }) => return Err(ArchiveError::Foreign),
            Err(error) => return Err(error),
        }
        let mut version = [0; 4];
        source.take(&mut version)?;
        match u32::from_le_bytes(version) {
            VERSION => Ok(source),
            found => Err(ArchiveError::Newer { found, newest: VERSION }),
        }
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), ArchiveError> {
        match self.stream.read_exact(bytes) {
            Ok(()) => {
                self.hasher.update(bytes);
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ArchiveError::CutOff { bytes: self.bytes })
            }
            Err(error) => Err(ArchiveError::Stream(error)),
        }
    }

    pub(super) fn damaged(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Damaged { byte: self.bytes, what }
    }

    /// The next frame. The last one is given after its digest was found right and nothing behind it.
    pub(super) fn frame(&mut self) -> Result<(Kind, Vec<u8>), ArchiveError> {
        let before = *self.hasher.finalize().as_bytes();
        let (mut length, mut kind, mut crc) = ([0; 4], [0; 1], [0; 4]);
        self.take(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MOST_BYTES {
            return Err(self.damaged("a frame is too long"));
        }
        self.take(&mut kind)?;
        let mut content = vec![0; length as usize];
        self.take(&mut content)?;
        self.take(&mut crc)?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&kind);
        checksum.update(&content);
        if checksum.finalize().to_le_bytes() != crc {
            return Err(self.damaged("the checksum of a frame is wrong"));
        }
        let kind = Kind::of(kind[0]).ok_or_else(|| self.damaged("a frame of an unknown kind"))?;
        if kind == Kind::End {
            if content != before {
                return Err(self.damaged("the digest of the whole is wrong"));
            }
            let mut more = [0; 1];
            if !matches!(self.take(&mut more), Err(ArchiveError::CutOff { .. })) {
                return Err(self.damaged("something follows the end"));
            }
        }
        Ok((kind, content))
    }
}
