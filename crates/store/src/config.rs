use std::fmt;
use std::time::Duration;

/// How a [`Store`](crate::Store) is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// Memory that the page cache of each open collection may take, in bytes; at first
    /// [`StoreConfig::DEFAULT_CACHE_BYTES`]. It is a budget, not a bound.
    pub cache_bytes: u64,
    /// What the caller insists on.
    pub durability: DurabilityDemand,
    /// When a write is acknowledged.
    pub write_mode: WriteMode,
    /// Collections of more exemplars than this are opened before their records and keys are counted; the count goes
    /// on beside, and writes, and searches for keys that are not found, wait for it. At first
    /// [`StoreConfig::DEFAULT_CHECK_IN_BACKGROUND_ABOVE`].
    pub check_in_background_above: u64,
}

impl StoreConfig {
    /// 256 MiB.
    pub const DEFAULT_CACHE_BYTES: u64 = 256 << 20;
    /// 100,000 exemplars, which are counted in a third of a second.
    pub const DEFAULT_CHECK_IN_BACKGROUND_ABOVE: u64 = 100_000;
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            cache_bytes: Self::DEFAULT_CACHE_BYTES,
            durability: DurabilityDemand::default(),
            write_mode: WriteMode::default(),
            check_in_background_above: Self::DEFAULT_CHECK_IN_BACKGROUND_ABOVE,
        }
    }
}

/// What the caller of [`Store::open`](crate::Store::open) insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DurabilityDemand {
    /// The best that the machine can do; [`Collection::durability`](crate::Collection::durability) says what that is.
    #[default]
    Best,
    /// Refuse to open a collection whose acknowledged writes are not proven to survive a power cut.
    PowerSafe,
}

/// When [`Collection::write`](crate::Collection::write) returns. In every mode a batch is there as a whole or not at
/// all after a crash, and not without the batches before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteMode {
    /// When the batch is durable; it is visible from then on.
    #[default]
    Immediate,
    /// When the batch is visible. It is durable after at most this time, or half a second if that is shorter: a
    /// crash may lose what was written in that time.
    Interval(Duration),
    /// When the batch is visible. It is durable after [`Collection::flush`](crate::Collection::flush) or closing: for
    /// loads that are begun anew when they are interrupted.
    Bulk,
}

/// What an acknowledged write survives. Found out by a probe each time a collection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process and, on a disk that honours flushes, a power cut.
    PowerSafe,
    /// The end of the process, however sudden. After a power cut some of the newest batches may be missing;
    /// [`Collection::doubt`](crate::Collection::doubt) says why.
    ProcessCrashOnly,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PowerSafe => "power-safe",
            Self::ProcessCrashOnly => "process-crash only",
        })
    }
}

/// Why writes are not known to survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// The operating system is not Linux, the only one on which power cuts were tried.
    Platform,
    /// The file system is neither ext4 nor XFS, those on which power cuts were tried.
    FileSystem,
    /// The log was synced with a call that does not persist file sizes: the program does not link the store's
    /// replacement of it, as happens when the store sits in a shared library.
    Sync,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Platform => "the operating system is not Linux",
            Self::FileSystem => "the file system is neither ext4 nor XFS",
            Self::Sync => "the log is not synced by fsync",
        })
    }
}
