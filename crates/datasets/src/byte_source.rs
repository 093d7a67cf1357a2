use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::DatasetError;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The content of a file from its start, plain or gzip, that knows where it is.
pub(crate) struct ByteSource {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    offset: u64,
    length: Length,
}

/// How long a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// The file is plain and this long.
    Known(u64),
    /// What the end of a gzip stream says, which holds below 4 GiB and for one member; of a part 0.
    Claimed(u64),
}

impl ByteSource {
    /// Opens `path` and looks at its first bytes for what it is; the name does not matter.
    pub(crate) fn open(path: &Path) -> Result<Self, DatasetError> {
        let failed = |source| DatasetError::Open { path: path.to_owned(), source };
        let (file, length) = inspect(path).map_err(failed)?;
        let buffered = BufReader::with_capacity(1 << 16, file);
        let reader: Box<dyn Read + Send> = match length {
            Length::Known(_) => Box::new(buffered),
            Length::Claimed(_) => Box::new(MultiGzDecoder::new(buffered)),
        };
        Ok(Self { path: path.to_owned(), reader, offset: 0, length })
    }

    /// The content that `reader` gives, which is part of the file at `path` and begins at `offset`.
    pub(crate) fn over(path: &Path, reader: Box<dyn Read + Send>, offset: u64) -> Self {
        Self { path: path.to_owned(), reader, offset, length: Length::Claimed(0) }
    }

    /// Opens the first of `names` that `folder` has, as it is or with `.gz` behind; `None` when it has none.
    pub(crate) fn find(folder: &Path, names: &[&str]) -> Result<Option<Self>, DatasetError> {
        let candidates = names.iter().flat_map(|name| [(*name).to_owned(), format!("{name}.gz")]);
        match candidates.map(|name| folder.join(name)).find(|path| path.is_file()) {
            Some(path) => Self::open(&path).map(Some),
            None => Ok(None),
        }
    }

    /// As [`ByteSource::find`], where one of them must be there.
    pub(crate) fn find_required(folder: &Path, names: &[&str]) -> Result<Self, DatasetError> {
        Self::find(folder, names)?.ok_or_else(|| DatasetError::Missing {
            folder: folder.to_owned(),
            expected: format!("\"{}\" or \"{0}.gz\"", names[0]),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the content as far as it can be told without reading it.
    pub(crate) fn length_hint(&self) -> u64 {
        match self.length {
            Length::Known(length) | Length::Claimed(length) => length,
        }
    }

    /// Refuses a plain file that is shorter than `expected`, before anything of that size is read.
    pub(crate) fn check_length(&self, expected: u64) -> Result<(), DatasetError> {
        match self.length {
            Length::Known(found) if found < expected => {
                Err(DatasetError::Truncated { path: self.path.clone(), found, expected })
            }
            Length::Known(_) | Length::Claimed(_) => Ok(()),
        }
    }

    /// Fills `buffer`, unless the content ends just here: `false` then.
    pub(crate) fn fill_or_end(&mut self, buffer: &mut [u8]) -> Result<bool, DatasetError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => {
                    let expected = self.offset + (buffer.len() - filled) as u64;
                    return Err(DatasetError::Truncated {
                        path: self.path.clone(),
                        found: self.offset,
                        expected,
                    });
                }
                Ok(read) => {
                    filled += read;
                    self.offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(DatasetError::Read { path: self.path.clone(), offset: self.offset, source });
                }
            }
        }
        Ok(true)
    }

    /// Fills `buffer`.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), DatasetError> {
        if buffer.is_empty() || self.fill_or_end(buffer)? {
            return Ok(());
        }
        let expected = self.offset + buffer.len() as u64;
        Err(DatasetError::Truncated { path: self.path.clone(), found: self.offset, expected })
    }

    /// Moves on by `bytes`.
    pub(crate) fn skip(&mut self, mut bytes: u64) -> Result<(), DatasetError> {
        let mut passed = [0; 4096];
        while bytes > 0 {
            let piece = bytes.min(passed.len() as u64);
            self.fill(&mut passed[..piece as usize])?;
            bytes -= piece;
        }
        Ok(())
    }

    /// The next four bytes as a number, least significant first.
    pub(crate) fn number_le(&mut self) -> Result<u32, DatasetError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The next four bytes as a number, most significant first.
    pub(crate) fn number(&mut self) -> Result<u32, DatasetError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Holds the content to its end after `records` records.
    pub(crate) fn expect_end(&mut self, records: u64) -> Result<(), DatasetError> {
        let offset = self.offset;
        if self.fill_or_end(&mut [0])? {
            return Err(DatasetError::Trailing { path: self.path.clone(), offset, records });
        }
        Ok(())
    }
}

fn inspect(path: &Path) -> io::Result<(File, Length)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut magic = Vec::with_capacity(GZIP_MAGIC.len());
    file.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut magic)?;
    let length = if magic == GZIP_MAGIC && size >= 18 {
        let mut claimed = [0; 4];
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut claimed)?;
        Length::Claimed(u64::from(u32::from_le_bytes(claimed)))
    } else {
        Length::Known(size)
    };
    file.seek(SeekFrom::Start(0))?;
    Ok((file, length))
}
