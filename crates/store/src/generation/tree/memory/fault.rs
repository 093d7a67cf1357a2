//! What goes wrong, and when.

use std::io;

use crate::TreeError;
use crate::error::TreeFault;

/// What a tree does. Each step of a scan is an operation of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Open,
    Get,
    Range,
    Apply,
    Flush,
}

impl Operation {
    pub(super) const ALL: [Self; 5] = [Self::Open, Self::Get, Self::Range, Self::Apply, Self::Flush];

    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Apply | Self::Flush)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The operation fails with this number of the operating system; what is written stays out of the log.
    Fail(i32),
    /// It fails with this number, and a beginning of what is written gets into the log.
    Short(i32),
    /// It and all writes after it fail for lack of space until there is some.
    Full,
    /// It and everything after it fails until the machine is restarted.
    Crash,
    /// As [`Effect::Crash`], and a beginning of what is written gets into the log.
    ShortCrash,
}

pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

/// An operation to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Which operations are counted; `None` for all.
    pub(crate) on: Option<Operation>,
    /// How many of them until the fault, counted from 1.
    pub(crate) nth: u64,
    pub(crate) effect: Effect,
}

/// An operation going wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strike {
    pub(super) errno: i32,
    pub(super) is_short: bool,
}

impl Strike {
    pub(super) fn error(self) -> TreeError {
        failure(io::Error::from_raw_os_error(self.errno))
    }
}

pub(super) fn failure(error: io::Error) -> TreeError {
    TreeFault::Sled(sled::Error::Io(error)).into()
}
