//! What two runs were asked, side by side.

use super::Differing;
use crate::contest::Contestant;
use crate::experiment::Experiment;
use crate::subject::SubjectRecord;

/// Everything that differs, but contestants that only one of them has.
pub(super) fn differing(
    (a, subject_a): (&Experiment, &SubjectRecord),
    (b, subject_b): (&Experiment, &SubjectRecord),
) -> Vec<Differing> {
    let mut sides = of_subject(subject_a, subject_b);
    sides.extend(of_experiment(a, b));
    for in_a in &a.contestants {
        let in_b = b.contestants.iter().find(|known| known.name == in_a.name);
        if let Some(in_b) = in_b {
            sides.push((format!("settings of {}", in_a.name), way(in_a), way(in_b)));
        }
    }
    let differs = sides.into_iter().filter(|(_, a, b)| a != b);
    differs.map(|(what, a, b)| Differing { what, a, b }).collect()
}

type Side = (String, String, String);

fn of_subject(a: &SubjectRecord, b: &SubjectRecord) -> Vec<Side> {
    let count = |what: &str, a: usize, b: usize| (what.to_owned(), a.to_string(), b.to_string());
    let text = |what: &str, a: &str, b: &str| (what.to_owned(), a.to_owned(), b.to_owned());
    vec![
        text("data set", &a.name, &b.name),
        text("model and digest of its weights", &a.model, &b.model),
        text("digest of images and labels", &a.images, &b.images),
        count("stored exemplars", a.exemplars, b.exemplars),
        count("exemplars mixed in", a.outliers, b.outliers),
    ]
}

fn of_experiment(a: &Experiment, b: &Experiment) -> Vec<Side> {
    let count = |what: &str, a: usize, b: usize| (what.to_owned(), a.to_string(), b.to_string());
    let names = |what: &str, a: Vec<String>, b: Vec<String>| (what.to_owned(), a.join(" "), b.join(" "));
    let lengths = |experiment: &Experiment| experiment.shortlists.iter().map(usize::to_string).collect();
    let protocols = |experiment: &Experiment| experiment.protocols.iter().map(ToString::to_string).collect();
    // Only what the other has not: there may be many.
    let conditions = |of: &Experiment, other: &Experiment| {
        let own = of.conditions.iter().filter(|condition| !other.conditions.contains(condition));
        own.map(ToString::to_string).collect()
    };
    vec![
        count("exemplars drawn", a.exemplars, b.exemplars),
        count("queries", a.queries, b.queries),
        ("seed".to_owned(), a.seed.to_string(), b.seed.to_string()),
        count("seeds of triggers", a.trigger_seeds, b.trigger_seeds),
        count("neighbours", a.neighbours, b.neighbours),
        names("protocols", protocols(a), protocols(b)),
        names("conditions that the other has not", conditions(a, b), conditions(b, a)),
        names("shortlists", lengths(a), lengths(b)),
    ]
}

/// A contestant's settings as its experiment's file has them.
fn way(contestant: &Contestant) -> String {
    serde_json::to_string(&contestant.way).unwrap_or_default()
}
