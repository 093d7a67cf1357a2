use std::thread;
use std::time::Duration;

use super::Violation;
use crate::{
    Budget, CancelFlag, Completion, Digest, ExemplarId, Image, ParameterError, ParameterKind, ParameterSpec,
    ParameterValue, Parameters, RerankError, RerankJob, RerankScores, Reranker, View, ViewId,
};

/// Largest difference between two scores of one candidate in two orders of the candidates, relative to the largest
/// score: batches differ between the orders, and a network's last bits with them.
const TOLERANCE: f32 = 1e-5;

/// Largest number of candidates for which the limit of a description is tried out.
const MOST_TRIED: usize = 1 << 20;

/// Holds a reranker to its contract with a job that it can do: at least two candidates show most.
///
/// The job is run as it is, again, twice at once, with the candidates in other orders, with spent budgets and
/// with parameters and views that do not exist. A job of another seed may score otherwise, so seeds are not compared.
///
/// # Errors
///
/// The first [`Violation`].
pub fn check_reranker(reranker: &dyn Reranker, job: &RerankJob<'_>) -> Result<(), Violation> {
    check_description(reranker)?;
    check_parameters(reranker, job)?;
    check_views(reranker, job.query)?;
    check_candidate_limit(reranker, job)?;
    check_budgets(reranker, job)?;
    check_scores(reranker, job)
}

fn check_description(reranker: &dyn Reranker) -> Result<(), Violation> {
    let description = reranker.describe();
    let refuse = |clause, name: &str| Err(Violation::Description { clause, name: name.to_owned() });
    if description.name.is_empty() || description.name.chars().any(char::is_uppercase) {
        return refuse("the name must be lower case and not empty", description.name);
    }
    if description.max_candidates == 0 {
        return refuse("it must take at least one candidate", description.name);
    }
    for (index, spec) in description.parameters.iter().enumerate() {
        if description.parameters[..index].iter().any(|other| other.name == spec.name) {
            return refuse("two parameters have this name", spec.name);
        }
        if spec.check(&spec.default).is_err() {
            return refuse("the parameter refuses its own default", spec.name);
        }
    }
    for (index, view) in description.views.iter().enumerate() {
        if !(1..=64).contains(&view.name.len()) || view.name == View::CLEAN {
            return refuse("a view's name must be 1 to 64 bytes and not \"clean\"", &view.name);
        }
        if description.views[..index].iter().any(|other| other.name == view.name || other.id == view.id) {
            return refuse("two views have this name or its id", &view.name);
        }
    }
    Ok(())
}

fn check_parameters(reranker: &dyn Reranker, job: &RerankJob<'_>) -> Result<(), Violation> {
    let schema = &reranker.describe().parameters;
    let mut unknown = "conformance".to_owned();
    while schema.iter().any(|spec| spec.name == unknown) {
        unknown.push('_');
    }
    let case = "an unknown parameter";
    let found = refusal(reranker, job, case, unknown, ParameterValue::Number(0.0))?;
    if !matches!(found, RerankError::Parameter(ParameterError::Unknown { .. })) {
        let expected = "RerankError::Parameter(ParameterError::Unknown)";
        return Err(Violation::Refusal { case, expected, source: found });
    }
    let case = "a parameter out of range";
    for spec in schema {
        let found = refusal(reranker, job, case, spec.name.to_owned(), outside(spec))?;
        if !matches!(found, RerankError::Parameter(ParameterError::Value { .. })) {
            let expected = "RerankError::Parameter(ParameterError::Value)";
            return Err(Violation::Refusal { case, expected, source: found });
        }
    }
    Ok(())
}

/// The error that the job gives with one parameter set.
fn refusal(
    reranker: &dyn Reranker,
    job: &RerankJob<'_>,
    case: &'static str,
    name: String,
    value: ParameterValue,
) -> Result<RerankError, Violation> {
    let mut parameters: Parameters = job.parameters.clone();
    parameters.0.insert(name, value);
    let job = RerankJob { parameters: &parameters, ..*job };
    reranker.rerank(&job, &Budget::unlimited()).err().ok_or(Violation::Accepted { case })
}

/// A value that the parameter must not take: NaN is in no range and the text is no choice's word.
fn outside(spec: &ParameterSpec) -> ParameterValue {
    match &spec.kind {
        ParameterKind::Number { .. } | ParameterKind::Count { .. } => ParameterValue::Number(f64::NAN),
        ParameterKind::Choice(words) => ParameterValue::Text(words.concat() + "_"),
    }
}

fn check_views(reranker: &dyn Reranker, query: &Image) -> Result<(), Violation> {
    let views = &reranker.describe().views;
    let case = "an unknown view";
    // A digest of a view that nobody derived; the name is longer than a view's may be.
    let unknown = View { id: ViewId(Digest([0xa5; 32])), name: "conformance".repeat(8) };
    match reranker.derive(&unknown, std::slice::from_ref(query)) {
        Err(RerankError::UnknownView { .. }) => {}
        Err(source) => {
            return Err(Violation::Refusal { case, expected: "RerankError::UnknownView", source });
        }
        Ok(_) => return Err(Violation::Accepted { case }),
    }
    for view in views {
        for images in [&[], std::slice::from_ref(query)] {
            let case = "a declared view";
            let rows = reranker.derive(view, images).map_err(|source| Violation::Rerank { case, source })?;
            if rows.len() != images.len() {
                return Err(Violation::RowCount { case, found: rows.len(), expected: images.len() });
            }
        }
    }
    Ok(())
}

fn check_candidate_limit(reranker: &dyn Reranker, job: &RerankJob<'_>) -> Result<(), Violation> {
    let most = reranker.describe().max_candidates;
    if most >= MOST_TRIED {
        return Ok(());
    }
    let case = "one candidate too many";
    let candidates: Vec<ExemplarId> = (0..).take(most + 1).collect();
    match reranker.rerank(&RerankJob { candidates: &candidates, ..*job }, &Budget::unlimited()) {
        Err(RerankError::TooManyCandidates { .. }) => Ok(()),
        Err(source) => Err(Violation::Refusal { case, expected: "RerankError::TooManyCandidates", source }),
        Ok(_) => Err(Violation::Accepted { case }),
    }
}

fn check_budgets(reranker: &dyn Reranker, job: &RerankJob<'_>) -> Result<(), Violation> {
    let none = RerankJob { candidates: &[], ..*job };
    run(reranker, &none, "no candidates", &Budget::unlimited())?;
    run(reranker, job, "a limit of one step", &Budget::unlimited().with_step_limit(1))?;
    if job.candidates.is_empty() {
        return Ok(());
    }
    let cancel = CancelFlag::default();
    cancel.cancel();
    let cancelled = Budget::unlimited().with_cancel(cancel);
    ended(reranker, job, "a cancelled budget", &cancelled, Completion::Cancelled)?;
    let late = Budget::unlimited().with_time_limit(Duration::ZERO);
    ended(reranker, job, "a budget without time", &late, Completion::Deadline)
}

fn ended(
    reranker: &dyn Reranker,
    job: &RerankJob<'_>,
    case: &'static str,
    budget: &Budget,
    expected: Completion,
) -> Result<(), Violation> {
    let found = run(reranker, job, case, budget)?.completion;
    if found == expected { Ok(()) } else { Err(Violation::Ended { case, found, expected }) }
}

fn check_scores(reranker: &dyn Reranker, job: &RerankJob<'_>) -> Result<(), Violation> {
    let first = complete(reranker, job, "the job as given")?;
    let case = "the same job again";
    same_scores(case, job.candidates, &complete(reranker, job, case)?, &first, 0.0)?;
    let case = "the same job twice at once";
    let results = thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| complete(reranker, job, case)));
        threads.map(|thread| thread.join().unwrap_or(Err(Violation::Panicked { case })))
    });
    for scores in results {
        same_scores(case, job.candidates, &scores?, &first, 0.0)?;
    }
    let largest = first.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let n = job.candidates.len();
    let reversed: Vec<usize> = (0..n).rev().collect();
    let halved: Vec<usize> = (n / 2..n).chain(0..n / 2).collect();
    for order in [reversed, halved] {
        let case = "the candidates in another order";
        let candidates: Vec<ExemplarId> = order.iter().map(|&i| job.candidates[i]).collect();
        let expected: Vec<f32> = order.iter().map(|&i| first[i]).collect();
        let scores = complete(reranker, &RerankJob { candidates: &candidates, ..*job }, case)?;
        same_scores(case, &candidates, &scores, &expected, TOLERANCE * largest)?;
    }
    Ok(())
}

/// Runs the job to its end.
fn complete(reranker: &dyn Reranker, job: &RerankJob<'_>, case: &'static str) -> Result<Vec<f32>, Violation> {
    let RerankScores { scores, completion, .. } = run(reranker, job, case, &Budget::unlimited())?;
    if completion != Completion::Complete {
        return Err(Violation::Ended { case, found: completion, expected: Completion::Complete });
    }
    Ok(scores)
}

/// Runs the job and checks what must hold however it ended.
fn run(
    reranker: &dyn Reranker,
    job: &RerankJob<'_>,
    case: &'static str,
    budget: &Budget,
) -> Result<RerankScores, Violation> {
    let result = reranker.rerank(job, budget).map_err(|source| Violation::Rerank { case, source })?;
    let (found, candidates, completion) = (result.scores.len(), job.candidates.len(), result.completion);
    if found > candidates || (found == candidates) != (completion == Completion::Complete) {
        return Err(Violation::ScoreCount { case, found, candidates, completion });
    }
    if let Some(stage) = result.ambiguous_scores().or_else(|| result.ambiguous_timings()) {
        return Err(Violation::Stage { case, stage });
    }
    if result.ranking.name.is_empty() || result.ranking.summary.is_empty() {
        return Err(Violation::Unnamed { case });
    }
    match job.candidates.iter().zip(&result.scores).find(|(_, score)| !score.is_finite()) {
        Some((&id, &score)) => Err(Violation::NotFinite { case, id, score }),
        None => Ok(result),
    }
}

fn same_scores(
    case: &'static str,
    ids: &[ExemplarId],
    found: &[f32],
    expected: &[f32],
    tolerance: f32,
) -> Result<(), Violation> {
    for ((&id, &found), &expected) in ids.iter().zip(found).zip(expected) {
        if (found - expected).abs() > tolerance {
            return Err(Violation::ScoreChanged { case, id, found, expected });
        }
    }
    Ok(())
}
