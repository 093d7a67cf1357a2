//! Every number of the report, one a line.

use serde::Serialize;

use crate::experiment::Experiment;
use crate::statistics::Interval;
use crate::summary::{Line, ProtocolSummary, Standing, Summary};

/// What stands where a line is about all conditions.
const ALL: &str = "all";

/// A line of `summary.csv`. Only measures of queries have an interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SummaryLine {
    protocol: String,
    contestant: String,
    condition: String,
    measure: String,
    estimate: f64,
    low: Option<f64>,
    high: Option<f64>,
}

/// All lines, in the order of the summary.
pub(super) fn lines(summary: &Summary) -> Vec<SummaryLine> {
    let of_protocol = |protocol: &ProtocolSummary| -> Vec<SummaryLine> {
        protocol.lines.iter().flat_map(|line| of_line(&summary.experiment, protocol, line)).collect()
    };
    summary.protocols.iter().flat_map(of_protocol).collect()
}

fn of_line(experiment: &Experiment, protocol: &ProtocolSummary, line: &Line) -> Vec<SummaryLine> {
    let conditions = experiment.conditions.iter().map(ToString::to_string).zip(&line.conditions);
    let all = std::iter::once((ALL.to_owned(), &line.overall)).chain(conditions);
    let of_standing = |(condition, standing): (String, &Standing)| -> Vec<SummaryLine> {
        let line = |(measure, estimate, ends): Value| SummaryLine {
            protocol: protocol.protocol.to_string(),
            contestant: line.contestant.clone(),
            condition: condition.clone(),
            measure: measure.to_owned(),
            estimate,
            low: ends.map(|(low, _)| low),
            high: ends.map(|(_, high)| high),
        };
        values(standing).into_iter().map(line).collect()
    };
    all.flat_map(of_standing).collect()
}

/// A measure's name, its value, and the ends of its interval if it has one.
type Value = (&'static str, f64, Option<(f64, f64)>);

fn values(standing: &Standing) -> Vec<Value> {
    let Standing {
        measures,
        median_rank,
        precision_right_wrong: [right, wrong],
        latent,
        outliers,
        milliseconds,
    } = standing;
    let with_ends = measures
        .iter()
        .map(|(measure, Interval { estimate, low, high })| (measure.name(), *estimate, Some((*low, *high))));
    let without = [
        ("median rank", *median_rank),
        ("precision@k where the classifier is right", *right),
        ("precision@k where the classifier is wrong", *wrong),
        ("latent distance", *latent),
        ("share mixed in", Some(*outliers)),
        ("milliseconds", Some(*milliseconds)),
    ];
    with_ends.chain(without.into_iter().filter_map(|(name, value)| Some((name, value?, None)))).collect()
}
