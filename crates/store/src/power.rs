//! The measure that makes acknowledged writes survive a power cut on Linux.
//!
//! sled syncs its log with `sync_file_range`, which leaves file sizes and extents to chance, and re-uses freed
//! segments as if they were safe. Where the system does not have that call it falls back to `fsync` by itself. So
//! the program is given a `sync_file_range` of its own, which says that it does not exist. The linker prefers it to
//! the one of the C library, except in a shared library that another program loads; therefore the calls are counted,
//! and whoever opens a tree looks whether a flush was counted.

#![expect(unsafe_code, reason = "a symbol of the C library is replaced, and its error number is set")]

use std::ffi::{c_int, c_uint};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

static REFUSED: AtomicU64 = AtomicU64::new(0);

// SAFETY: name, parameters and result are those that the C library declares, so every caller calls it as what it
// is. Any caller must expect ENOSYS, since a kernel may lack the call; nothing but speed is lost by refusing it.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(
    _fd: c_int,
    _offset: libc::off64_t,
    _bytes: libc::off64_t,
    _flags: c_uint,
) -> c_int {
    REFUSED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the pointer is the calling thread's own error number, valid as long as the thread runs.
    unsafe { *libc::__errno_location() = libc::ENOSYS };
    -1
}

/// How many calls of `sync_file_range` this program has refused. A flush that did not raise it was not made safe.
pub(crate) fn refused_syncs() -> u64 {
    // Without a reference to the function the linker may leave this object out of the program.
    black_box(sync_file_range as extern "C" fn(c_int, libc::off64_t, libc::off64_t, c_uint) -> c_int);
    REFUSED.load(Ordering::Relaxed)
}
