//! `lookalike model`: models from elsewhere, what they can do, and what is known of them.

mod check;
mod import;
mod list;
mod show;

use std::fs;

use crate::args::{GlobalArgs, ModelArgs, ModelCommand};
use crate::ending::Ending;
use crate::output::Output;

pub(crate) fn run(args: &ModelArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        ModelCommand::Import(args) => import::run(args, output),
        ModelCommand::Check(args) => check::run(args, global, output),
        ModelCommand::List(args) => list::run(args, global, output),
        ModelCommand::Show(args) => show::run(args, global, output),
    }
}

/// Most bytes of memory that the process had at once; `None` where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
