use std::sync::atomic::{AtomicU32, Ordering};

use super::{images, moments, source};
use crate::conformance::{Violation, check_reranker};
use crate::{
    AppliedRanking, Budget, Completion, Digest, FeatureRows, Image, ParameterKind, ParameterSpec,
    ParameterValue, Parameters, QueryRows, RerankError, RerankJob, RerankScores, Reranker,
    RerankerDescription, StageScores, StageTiming, View, ViewId,
};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Flaw {
    None,
    Fails,
    GivesNan,
    LosesLast,
    CountsCalls,
    ScoresPlaces,
    IgnoresBudget,
    LiesAboutTheEnd,
    FailsWhenSpent,
    AcceptsAnyName,
    AcceptsAnyValue,
    AcceptsAnyView,
    AcceptsAnyNumber,
    RefusesTheEmptyJob,
    WrongRefusal,
    PanicsTogether,
    RepeatsAStage,
    TakesAWordOfTheHost,
    CallsAStageScore,
    SaysNothing,
}

/// Scores by the distance of whitened rows, plus a weight times the mean brightness.
struct Toy {
    description: RerankerDescription,
    flaw: Flaw,
    calls: AtomicU32,
}

fn toy(flaw: Flaw) -> Toy {
    let weight = ParameterSpec {
        name: "weight",
        kind: ParameterKind::Number { least: 0.0, most: 1.0 },
        default: ParameterValue::Number(0.5),
        help: "",
    };
    let mode = ParameterSpec {
        name: "mode",
        kind: ParameterKind::Choice(&["plain"]),
        default: ParameterValue::Text("plain".to_owned()),
        help: "",
    };
    let view = View { id: ViewId(Digest([3; 32])), name: "inverse".to_owned() };
    Toy {
        description: RerankerDescription {
            name: "toy",
            version: "1",
            summary: "distance of whitened rows",
            max_candidates: 10,
            parameters: vec![weight, mode],
            views: vec![view],
        },
        flaw,
        calls: AtomicU32::new(0),
    }
}

impl Toy {
    fn check(&self, job: &RerankJob<'_>) -> Result<(), RerankError> {
        let mut given = job.parameters.clone();
        if self.flaw == Flaw::AcceptsAnyName {
            given.0.retain(|name, _| name == "weight" || name == "mode");
        } else if self.flaw == Flaw::AcceptsAnyValue {
            given.0.retain(|name, _| name != "mode");
        }
        if self.flaw == Flaw::WrongRefusal && given.check(&self.description.parameters).is_err() {
            return Err(RerankError::NotFinite { stage: "check" });
        }
        given.check(&self.description.parameters).map_err(RerankError::Parameter)?;
        let (found, most) = (job.candidates.len(), self.description.max_candidates);
        if found > most && self.flaw != Flaw::AcceptsAnyNumber {
            return Err(RerankError::TooManyCandidates { found, most });
        }
        if self.flaw == Flaw::Fails || (self.flaw == Flaw::RefusesTheEmptyJob && found == 0) {
            return Err(RerankError::NotFinite { stage: "score" });
        }
        Ok(())
    }
}

impl Reranker for Toy {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn derive(&self, view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        if !self.description.views.contains(view) && self.flaw != Flaw::AcceptsAnyView {
            return Err(RerankError::UnknownView { name: view.name.clone() });
        }
        Ok(FeatureRows::new(2, images.iter().flat_map(moments).map(|v| 255.0 - v).collect()).unwrap())
    }

    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        self.check(job)?;
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let stage = |source| RerankError::Source { stage: "score", source };
        let query = FeatureRows::new(2, moments(job.query).to_vec()).unwrap();
        let query = job.source.whiten(View::CLEAN, &query).map_err(stage)?;
        let mut result =
            RerankScores::new(AppliedRanking::of(&self.description), Vec::new(), Completion::Complete);
        let timing = |stage| StageTiming { stage, elapsed: std::time::Duration::ZERO, steps: 0 };
        result.timings.push(timing("score"));
        if self.flaw == Flaw::RepeatsAStage {
            result.timings.push(timing("score"));
        } else if self.flaw == Flaw::TakesAWordOfTheHost {
            result.timings.push(timing("embed"));
        } else if self.flaw == Flaw::CallsAStageScore {
            result.stages.push(StageScores { stage: "score", scores: Vec::new() });
        } else if self.flaw == Flaw::SaysNothing {
            result.ranking.summary.clear();
        }
        for (place, id) in job.candidates.iter().take(self.description.max_candidates).enumerate() {
            if let Some(end) = budget.spend(1).filter(|_| self.flaw != Flaw::IgnoresBudget) {
                if self.flaw == Flaw::FailsWhenSpent {
                    return Err(RerankError::NotFinite { stage: "score" });
                }
                result.completion =
                    if self.flaw == Flaw::LiesAboutTheEnd { Completion::Complete } else { end };
                break;
            }
            let row = job.source.rows(View::CLEAN, &[*id]).map_err(stage)?;
            let row = job.source.whiten(View::CLEAN, &row).map_err(stage)?;
            let apart: f32 = row.row(0).iter().zip(query.row(0)).map(|(a, b)| (a - b).powi(2)).sum();
            result.scores.push(if self.flaw == Flaw::GivesNan && place == 1 {
                f32::NAN
            } else if self.flaw == Flaw::CountsCalls {
                call as f32 - apart
            } else if self.flaw == Flaw::ScoresPlaces {
                place as f32
            } else {
                -apart
            });
        }
        if self.flaw == Flaw::LosesLast {
            result.scores.pop();
        }
        // The kit's own threads have no names, the test's has one.
        assert!(self.flaw != Flaw::PanicsTogether || std::thread::current().name().is_some());
        Ok(result)
    }
}

fn check(toy: &Toy, candidates: &[u32]) -> Result<(), Violation> {
    let (source, query) = (source(), images().remove(1));
    let parameters = Parameters([("weight".to_owned(), ParameterValue::Number(0.1))].into());
    let job = RerankJob {
        query: &query,
        query_label: None,
        query_rows: &QueryRows::default(),
        candidates,
        source: &source,
        parameters: &parameters,
        seed: 5,
    };
    check_reranker(toy, &job)
}

#[test]
fn an_honest_reranker_passes() {
    check(&toy(Flaw::None), &[3, 0, 4, 1]).unwrap();
    check(&toy(Flaw::None), &[]).unwrap();
}

#[test]
fn each_flaw_of_a_reranker_is_found() {
    let find = |flaw| check(&toy(flaw), &[3, 0, 4, 1]).unwrap_err();
    assert!(matches!(find(Flaw::GivesNan), Violation::NotFinite { id: 0, .. }));
    assert!(matches!(find(Flaw::LosesLast), Violation::ScoreCount { .. }));
    assert!(matches!(find(Flaw::CountsCalls), Violation::ScoreChanged { case: "the same job again", .. }));
    assert!(
        matches!(find(Flaw::ScoresPlaces), Violation::ScoreChanged { case, .. } if case.contains("order"))
    );
    assert!(matches!(find(Flaw::IgnoresBudget), Violation::Ended { expected: Completion::Cancelled, .. }));
    assert!(matches!(find(Flaw::LiesAboutTheEnd), Violation::ScoreCount { .. }));
    assert!(matches!(find(Flaw::FailsWhenSpent), Violation::Rerank { .. }));
    assert!(matches!(find(Flaw::AcceptsAnyName), Violation::Accepted { case: "an unknown parameter" }));
    assert!(matches!(find(Flaw::AcceptsAnyValue), Violation::Accepted { case: "a parameter out of range" }));
    assert!(matches!(find(Flaw::AcceptsAnyView), Violation::Accepted { case: "an unknown view" }));
    assert!(matches!(
        find(Flaw::AcceptsAnyNumber),
        Violation::Refusal { case: "one candidate too many", .. }
    ));
    assert!(matches!(find(Flaw::RefusesTheEmptyJob), Violation::Rerank { case: "no candidates", .. }));
    assert!(matches!(find(Flaw::WrongRefusal), Violation::Refusal { .. }));
    assert!(matches!(find(Flaw::Fails), Violation::Rerank { .. }));
    assert!(matches!(find(Flaw::PanicsTogether), Violation::Panicked { .. }));
    assert!(matches!(find(Flaw::RepeatsAStage), Violation::Stage { stage: "score", .. }));
    assert!(matches!(find(Flaw::TakesAWordOfTheHost), Violation::Stage { stage: "embed", .. }));
    assert!(matches!(find(Flaw::CallsAStageScore), Violation::Stage { stage: "score", .. }));
    assert!(matches!(find(Flaw::SaysNothing), Violation::Unnamed { .. }));
}

#[test]
fn a_description_that_contradicts_itself_is_found() {
    let find = |change: fn(&mut RerankerDescription)| {
        let mut toy = toy(Flaw::None);
        change(&mut toy.description);
        check(&toy, &[1, 2]).unwrap_err().to_string()
    };
    assert!(find(|d| d.name = "Toy").contains("lower case"));
    assert!(find(|d| d.max_candidates = 0).contains("at least one"));
    assert!(find(|d| d.parameters[0].default = ParameterValue::Number(2.0)).contains("own default"));
    assert!(find(|d| d.parameters[1].name = "weight").contains("two parameters"));
    assert!(find(|d| d.views[0].name = View::CLEAN.to_owned()).contains("clean"));
}
