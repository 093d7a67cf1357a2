//! Files as memory: the operating system reads what is touched and forgets it when it needs the room.

#![expect(unsafe_code, reason = "a file is mapped into memory")]

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// The bytes of a file that is never written again.
#[derive(Debug)]
pub(crate) struct Mapped(Mmap);

impl Mapped {
    /// Maps the whole of a file; one without a byte cannot be mapped.
    ///
    /// Only for files that were written under another name and renamed when they were complete.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: the bytes must not change as long as the map lives. The files given here lie in the locked
        // directory of a database. This crate writes each of them once, under a temporary name that is never mapped,
        // and renames it; afterwards it is only replaced by another file or removed, which leaves the mapped one as
        // it is. Nothing opens it for writing or cuts it. Whoever edits files of an open database by hand, or lets
        // its disk fail, may end the process by it, as with any mapped file, the program's own code included.
        let map = unsafe { Mmap::map(file)? };
        // All of it is about to be checked. Where it is not in memory yet, this makes opening twice as quick.
        #[cfg(unix)]
        if let Err(error) = map.advise(memmap2::Advice::WillNeed) {
            tracing::debug!(%error, "a mapped file is not read ahead");
        }
        Ok(Self(map))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
