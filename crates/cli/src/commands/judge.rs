//! Neighbours of a finished run judged by a model that sees, and those of glyphs by what they were drawn from.

mod endpoint;
mod report;

use anyhow::Context;
use lookalike_eval::{
    Docket, Judge as _, JudgeError, Judgement, Limits, Matchup, Prices, RunFolder, Stop, Subject,
    latent_judgement,
};

use crate::args::{DatasetName, JudgeArgs, JudgeLimitArgs, MatchupArgs};
use crate::ending::Ending;
use crate::show::output::{Output, line, things};
use crate::show::progress::Progress;
use endpoint::Endpoint;
use report::JudgeReport;

/// What is said when no model is asked.
const SKIPPED: &str = "no model was asked; give --endpoint URL and --judge NAME";

pub(crate) fn run(args: &JudgeArgs, output: Output) -> anyhow::Result<Ending> {
    let folder = RunFolder::new(&args.run);
    let experiment = folder.experiment().context("neighbours are judged of a finished run")?;
    if args.endpoint.endpoint.is_none() && args.images.dataset != Some(DatasetName::Glyphs) {
        let mut report = JudgeReport::default();
        report.notes.push(SKIPPED.to_owned());
        output.report(&report)?;
        return Ok(Ending::Done);
    }
    let subject = crate::commands::eval::subject(&args.images, &experiment)?;
    judge(args, &folder, &subject, output)
}

/// Has the run in `folder` judged, whose images `subject` are.
fn judge(args: &JudgeArgs, folder: &RunFolder, subject: &Subject, output: Output) -> anyhow::Result<Ending> {
    let matchup = args.matchup.matchup();
    let mut report = JudgeReport::default();
    match latent_judgement(folder, subject, &matchup, args.matchup.tolerance) {
        Ok(judgement) => keep(&judgement, folder, &mut report)?,
        Err(JudgeError::NoFactors) => (),
        Err(error) => return Err(error.into()),
    }
    let mut ending = Ending::Done;
    if let Some(endpoint) = Endpoint::of(&args.endpoint, args.matchup.judge_seed)? {
        let docket = Docket::new(folder, subject, matchup, args.matchup.judge_seed)?;
        let mut progress = Progress::new("judge", "questions", Some(docket.to_ask() as u64));
        let asked = docket.ask(&endpoint, &args.limits.limits(), &mut |done, _| progress.at(done as u64));
        drop(progress);
        // What was answered before something went wrong counts as well.
        let judgement = docket.judgement(endpoint.name())?;
        if asked.is_ok() || judgement.spent.questions > 0 {
            keep(&judgement, folder, &mut report)?;
        }
        let asking = asked?;
        let left = docket.to_ask() - judgement.spent.questions;
        report.answered_now = asking.answered;
        let limit = match asking.stop {
            Stop::Done => None,
            Stop::Questions => Some("--max-questions"),
            Stop::Cost => Some("--max-cost"),
        };
        if let Some(limit) = limit {
            report.notes.push(format!("{limit}: {} left", things(left as u64, "question")));
        }
        if let Some(first) = asking.unanswered.first() {
            let count = things(asking.unanswered.len() as u64, "question");
            report.notes.push(format!("{count} got no answer, the first: {}", line(first)));
            ending = Ending::SomethingWrong;
        }
    } else {
        report.notes.push(SKIPPED.to_owned());
    }
    output.report(&report)?;
    Ok(ending)
}

fn keep(judgement: &Judgement, folder: &RunFolder, report: &mut JudgeReport) -> anyhow::Result<()> {
    let path = judgement.write(folder)?;
    report.add(judgement, &path);
    Ok(())
}

impl MatchupArgs {
    fn matchup(&self) -> Matchup {
        Matchup {
            first: self.first.clone(),
            second: self.second.clone(),
            protocol: self.protocol.into(),
            conditions: self.conditions.clone(),
            neighbours: self.judged,
        }
    }
}

impl JudgeLimitArgs {
    fn limits(&self) -> Limits {
        let prices = self.price_in.zip(self.price_out);
        Limits {
            questions: Some(self.max_questions),
            cost: self.max_cost,
            prices: prices.map(|(million_in, million_out)| Prices { million_in, million_out }),
        }
    }
}
