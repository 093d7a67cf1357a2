//! What an application relies on.
//!
//! - `database`: databases of the program open with all that they keep, and whatever the program can do to one, the
//!   library can
//! - `programs`: the programs that the README shows

#[cfg(test)]
mod database;
#[cfg(test)]
mod programs;
