//! `lookalike model`: models from elsewhere, what they can do, and what is known of them.

mod check;
mod import;
mod list;
mod memory;
mod show;

use crate::args::{GlobalArgs, ModelArgs, ModelCommand};
use crate::ending::Ending;
use crate::show::output::Output;

pub(crate) fn run(args: &ModelArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    match &args.command {
        ModelCommand::Import(args) => import::run(args, output),
        ModelCommand::Check(args) => check::run(args, global, output),
        ModelCommand::List(args) => list::run(args, global, output),
        ModelCommand::Show(args) => show::run(args, global, output),
    }
}
