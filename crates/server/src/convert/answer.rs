use lookalike_engine::plugin_api::{Artifact, Completion, RankingStatus, StageTiming};
use lookalike_engine::{Answer, Direction, Hit, Metric, StageScore, encode_png};

use super::{microseconds, tags};
use crate::failure::Failure;
use crate::proto;

/// An answer as a message. Images become PNG, which takes time: call it on the lane.
pub(crate) fn answer(answer: Answer) -> Result<proto::SearchResponse, Failure> {
    Ok(proto::SearchResponse {
        hits: answer.hits.into_iter().map(hit).collect(),
        status: Some(proto::RankingStatus { status: Some(status(answer.status)) }),
        matched: answer.matched,
        batch: answer.batch,
        metric: metric(answer.metric).into(),
        timings: answer.timings.iter().map(timing).collect(),
        artifacts: answer
            .artifacts
            .into_iter()
            .map(artifact)
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?,
        notes: answer.notes,
        ranking: Some(proto::AppliedRanking { name: answer.ranking.name, summary: answer.ranking.summary }),
    })
}

fn hit(hit: Hit) -> proto::Hit {
    proto::Hit {
        id: hit.id,
        key: hit.key,
        label: hit.label,
        tags: tags(hit.tags),
        stages: hit.stages.into_iter().map(stage).collect(),
    }
}

fn stage(stage: StageScore) -> proto::StageScore {
    let direction = match stage.direction {
        Direction::LargerIsNearer => proto::Direction::LargerIsNearer,
        Direction::SmallerIsNearer => proto::Direction::SmallerIsNearer,
    };
    proto::StageScore {
        stage: stage.stage.to_owned(),
        ranking: stage.ranking,
        score: stage.score,
        direction: direction.into(),
        rank: stage.rank as u64,
    }
}

fn metric(metric: Metric) -> proto::Metric {
    match metric {
        Metric::L2 => proto::Metric::L2,
        Metric::Cosine => proto::Metric::Cosine,
        Metric::Whitened => proto::Metric::Whitened,
    }
}

fn status(status: RankingStatus) -> proto::ranking_status::Status {
    use proto::ranking_status::Status;
    match status {
        RankingStatus::Applied => Status::Applied(proto::Applied {}),
        RankingStatus::Partial { scored, of, completion } => Status::Partial(proto::Partial {
            scored: scored as u64,
            of: of as u64,
            completion: self::completion(completion).into(),
        }),
        RankingStatus::Fallback { reason } => Status::Fallback(proto::Fallback { reason }),
        RankingStatus::Skipped => Status::Skipped(proto::Skipped {}),
    }
}

fn completion(completion: Completion) -> proto::Completion {
    match completion {
        Completion::Complete => proto::Completion::Complete,
        Completion::Deadline => proto::Completion::Deadline,
        Completion::Cancelled => proto::Completion::Cancelled,
        Completion::StepLimit => proto::Completion::StepLimit,
    }
}

fn timing(timing: &StageTiming) -> proto::StageTiming {
    proto::StageTiming {
        stage: timing.stage.to_owned(),
        elapsed_us: microseconds(timing.elapsed),
        steps: timing.steps,
    }
}

const HEAT_MAP: &str = "heat_map";

/// `None` for a kind of artifact that the messages do not know.
fn artifact(artifact: Artifact) -> Result<Option<proto::Artifact>, Failure> {
    use proto::artifact::Content;
    let png = |name, image| {
        encode_png(&image).map(Content::Png).map_err(|source| Failure::Artifact { name, source })
    };
    let (name, content, exemplar_id) = match artifact {
        Artifact::Image { name, image } => (name, png(name, image)?, None),
        Artifact::HeatMap { exemplar, image } => (HEAT_MAP, png(HEAT_MAP, image)?, Some(exemplar)),
        Artifact::Number { name, value } => (name, Content::Number(value), None),
        Artifact::Note(note) => ("", Content::Note(note), None),
        _ => return Ok(None),
    };
    Ok(Some(proto::Artifact { name: name.to_owned(), content: Some(content), exemplar_id }))
}

#[cfg(test)]
mod tests {
    use lookalike_engine::plugin_api::Image;

    use super::*;

    #[test]
    fn an_image_artifact_travels_as_png() {
        let image = Image::new(1, 2, 1, vec![7, 200]).unwrap();
        let sent = artifact(Artifact::Image { name: "trigger", image: image.clone() }).unwrap().unwrap();
        assert_eq!(sent.name, "trigger");
        let Some(proto::artifact::Content::Png(png)) = sent.content else { panic!("{:?}", sent.content) };
        assert_eq!(lookalike_engine::decode(&png).unwrap().image, image);
        let sent = artifact(Artifact::HeatMap { exemplar: 7, image }).unwrap().unwrap();
        assert_eq!((sent.name.as_str(), sent.exemplar_id), ("heat_map", Some(7)));
    }

    #[test]
    fn a_partial_ranking_says_how_far_it_came_and_why() {
        let partial = RankingStatus::Partial { scored: 3, of: 9, completion: Completion::StepLimit };
        let expected = proto::Partial { scored: 3, of: 9, completion: proto::Completion::StepLimit.into() };
        assert_eq!(status(partial), proto::ranking_status::Status::Partial(expected));
    }
}
