//! A small finished run, made by hand.

use std::path::Path;

use crate::condition::Condition;
use crate::contest::{Baseline, Contestant, TmmWay, Way};
use crate::experiment::{Experiment, Protocol};
use crate::record::Record;
use crate::record::write;
use crate::run::RunFolder;
use crate::subject::SubjectRecord;

/// Queries of each protocol.
pub(crate) const QUERIES: usize = 10;

/// A name that HTML, Markdown and CSV all read otherwise if it is not escaped.
pub(crate) const ODD: &str = "<i>odd|\"name\" & 'more'";

/// Conditions clean, brightness=0.5 and noise=5; contestants `l2`, `whitened`, `tmm` and [`ODD`].
///
/// *Self-retrieval*: all find every clean query. Of the disturbed ones `tmm` finds all, `whitened` queries 0 to 3, the
/// others none. *Non-self*: MAP@R of `tmm` is 0.5, of `whitened` 0.6, of `l2` and the odd one in turns 0.4 and 0.6.
pub(crate) fn experiment() -> Experiment {
    let baseline = |name: &str, baseline| Contestant { name: name.to_owned(), way: Way::Baseline(baseline) };
    let way = TmmWay { views: Vec::new(), parameters: [].into(), minus_prior: false };
    Experiment {
        exemplars: 50,
        queries: QUERIES,
        seed: 3,
        trigger_seeds: 1,
        neighbours: 5,
        protocols: vec![Protocol::SelfRetrieval, Protocol::NonSelf],
        conditions: ["clean", "brightness=0.5", "noise=5"].map(|name| name.parse().unwrap()).to_vec(),
        contestants: vec![
            baseline("l2", Baseline::L2),
            baseline("whitened", Baseline::Whitened),
            Contestant { name: "tmm".to_owned(), way: Way::Tmm(way) },
            baseline(ODD, Baseline::Logits),
        ],
        shortlists: Vec::new(),
    }
}

/// Of what the run was.
pub(crate) fn subject() -> SubjectRecord {
    SubjectRecord {
        name: "shapes & <signs>".to_owned(),
        exemplars: 50,
        outliers: 0,
        images: "00ff".to_owned(),
        model: "tiny 1234".to_owned(),
    }
}

/// Writes the run of `experiment`, of which [`experiment`] is one, into a folder.
pub(crate) fn run(path: &Path, experiment: &Experiment, subject: &SubjectRecord) -> RunFolder {
    let folder = RunFolder::new(path);
    folder.write("experiment.json", &serde_json::to_vec(experiment).unwrap()).unwrap();
    folder.write("subject.json", &serde_json::to_vec(subject).unwrap()).unwrap();
    for protocol in &experiment.protocols {
        for condition in &experiment.conditions {
            let records: Vec<Record> = experiment
                .contestants
                .iter()
                .flat_map(|known| (0..QUERIES).map(|query| record(&known.name, query, *protocol, condition)))
                .collect();
            write(&raw(path, *protocol, condition), &records).unwrap();
        }
    }
    folder
}

/// The file of a condition.
pub(crate) fn raw(path: &Path, protocol: Protocol, condition: &Condition) -> std::path::PathBuf {
    let name = condition.to_string().replace('=', "-");
    path.join("raw").join(protocol.to_string()).join(format!("{name}.csv"))
}

fn record(contestant: &str, query: usize, protocol: Protocol, condition: &Condition) -> Record {
    let found = match contestant {
        _ if *condition == Condition::Clean => true,
        "tmm" => true,
        "whitened" => query < 4,
        _ => false,
    };
    let average = match contestant {
        "tmm" => 0.5,
        "whitened" => 0.6,
        _ => [0.4, 0.6][query % 2],
    };
    let is_own = protocol == Protocol::SelfRetrieval;
    Record {
        contestant: contestant.to_owned(),
        seed: 0,
        query,
        rank: is_own.then_some(if found { 1 } else { 7 }),
        precision: None,
        average_precision: (!is_own).then_some(average),
        right: None,
        overlap: None,
        rank_biased_overlap: None,
        latent: None,
        outliers: 0.0,
        microseconds: if contestant == "tmm" { 60_000 } else { 1_500 },
        nearest: format!("{query}:0.9 {}:0.5", query + 10),
    }
}
