use lookalike_engine::plugin_api::{Budget, Completion};
use lookalike_engine::{Metric, Query, Rerank};
use lookalike_server::{ServerConfig, proto};
use tonic::Code;

use crate::harness::{Harness, png};

fn request() -> proto::SearchRequest {
    proto::SearchRequest { collection: "glyphs".to_owned(), image: png(70), ..Default::default() }
}

fn rerank(reranker: &str) -> proto::Rerank {
    proto::Rerank {
        reranker: reranker.to_owned(),
        candidates: Some(proto::rerank::Candidates::All(proto::AllCandidates {})),
        ..Default::default()
    }
}

fn keys(answer: &proto::SearchResponse) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.key.as_str()).collect()
}

#[tokio::test]
async fn an_answer_is_that_of_the_library() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let collection = harness.database.collection("glyphs").unwrap();
    for (sent, metric) in [
        (proto::Metric::Unspecified, Metric::Whitened),
        (proto::Metric::L2, Metric::L2),
        (proto::Metric::Cosine, Metric::Cosine),
        (proto::Metric::Whitened, Metric::Whitened),
    ] {
        let request = proto::SearchRequest {
            hits: Some(3),
            metric: sent.into(),
            filter: "label = even".to_owned(),
            rerank: Some(proto::Rerank { candidates: None, ..rerank("brightest") }),
            ..request()
        };
        let found = client.search(request).await.unwrap().into_inner();
        let query = Query {
            hits: 3,
            metric,
            filter: Some("label = even".parse().unwrap()),
            rerank: Some(Rerank::new("brightest")),
            ..Query::encoded(png(70))
        };
        let expected = collection.search(&query).unwrap();

        assert_eq!(found.hits.len(), expected.hits.len());
        for (hit, expected) in found.hits.iter().zip(&expected.hits) {
            assert_eq!((hit.id, &hit.key, &hit.label), (expected.id, &expected.key, &expected.label));
            assert_eq!(hit.tags.len(), expected.tags.len());
            assert_eq!(hit.stages.len(), 2);
            for (stage, expected) in hit.stages.iter().zip(&expected.stages) {
                assert_eq!((stage.stage.as_str(), &stage.ranking), (expected.stage, &expected.ranking));
                assert_eq!(stage.score.to_bits(), expected.score.to_bits());
                assert_eq!(stage.rank, expected.rank as u64);
            }
        }
        assert_eq!((found.matched, found.batch), (expected.matched, expected.batch));
        let ranking = found.ranking.unwrap();
        assert_eq!((ranking.name, ranking.summary), (expected.ranking.name, expected.ranking.summary));
        assert_eq!(found.notes, expected.notes);
        let stages =
            |timings: &[proto::StageTiming]| timings.iter().map(|t| t.stage.clone()).collect::<Vec<_>>();
        assert_eq!(stages(&found.timings), expected.timings.iter().map(|t| t.stage).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_shortlist_in_several_views_is_that_of_the_library() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let views = vec!["clean".to_owned(), "squared".to_owned()];
    let found = client.search(proto::SearchRequest { views: views.clone(), ..request() }).await.unwrap();
    let found = found.into_inner();
    let query = Query { views, ..Query::encoded(png(70)) };
    let expected = harness.database.collection("glyphs").unwrap().search(&query).unwrap();
    assert_eq!(keys(&found), expected.hits.iter().map(|hit| hit.key.as_str()).collect::<Vec<_>>());
    assert_eq!(found.hits[0].stages[0].ranking, "whitened(clean+squared)");
}

#[tokio::test]
async fn a_reranked_answer_shows_stages_artifacts_and_status() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let request = proto::SearchRequest {
        hits: Some(2),
        metric: proto::Metric::L2.into(),
        rerank: Some(rerank("brightest")),
        ..request()
    };
    let answer = client.search(request).await.unwrap().into_inner();
    assert_eq!(keys(&answer), ["shade-7", "shade-6"]);
    assert_eq!(answer.metric(), proto::Metric::L2);
    assert_eq!(
        answer.status.unwrap().status,
        Some(proto::ranking_status::Status::Applied(proto::Applied {}))
    );
    let [shortlist, score] = &answer.hits[0].stages[..] else { panic!("{:?}", answer.hits[0].stages) };
    assert_eq!(shortlist.direction(), proto::Direction::SmallerIsNearer);
    assert_eq!((score.direction(), score.rank), (proto::Direction::LargerIsNearer, 1));
    let Some(proto::artifact::Content::Png(artifact)) = &answer.artifacts[0].content else {
        panic!("no image")
    };
    assert_eq!(
        lookalike_engine::decode(artifact).unwrap().image,
        lookalike_engine::decode(&png(70)).unwrap().image,
        "the reranker shows the query"
    );
}

#[tokio::test]
async fn running_out_of_steps_gives_a_partial_answer() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let request =
        proto::SearchRequest { rerank: Some(rerank("brightest")), step_limit: Some(3), ..request() };
    let answer = client.search(request).await.unwrap().into_inner();
    let partial = proto::Partial { scored: 3, of: 8, completion: proto::Completion::StepLimit.into() };
    assert_eq!(answer.status.unwrap().status, Some(proto::ranking_status::Status::Partial(partial)));
    assert_eq!(answer.hits.len(), 8);
}

#[tokio::test]
async fn a_time_limit_ends_a_reranker_that_would_go_on_for_ever() {
    let mut harness = Harness::start(ServerConfig {
        default_time_limit: std::time::Duration::from_millis(300),
        ..ServerConfig::default()
    });
    let mut client = harness.filled().await;
    let request = proto::SearchRequest { rerank: Some(rerank("patient")), ..request() };
    match client.search(request).await {
        Ok(answer) => {
            let partial = proto::Partial { scored: 0, of: 8, completion: proto::Completion::Deadline.into() };
            let status = answer.into_inner().status.unwrap().status;
            assert_eq!(status, Some(proto::ranking_status::Status::Partial(partial)));
            assert_eq!(harness.endings.recv().await, Some(Completion::Deadline));
        }
        // A machine so slow that there was no time for a shortlist.
        Err(status) => assert_eq!(status.code(), Code::DeadlineExceeded),
    }

    let request = proto::SearchRequest { time_limit_ms: Some(0), ..self::request() };
    let status = client.search(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn what_the_caller_got_wrong_is_said_in_one_line() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let unknown = proto::ParameterValue { value: Some(proto::parameter_value::Value::Number(1.0)) };
    let wrong_parameter =
        proto::Rerank { parameters: [("volume".to_owned(), unknown)].into(), ..rerank("brightest") };
    let wrong = [
        (proto::SearchRequest { filter: "label = ".to_owned(), ..request() }, "filter: "),
        (proto::SearchRequest { image: b"no image".to_vec(), ..request() }, "not a PNG"),
        (proto::SearchRequest { hits: Some(0), ..request() }, "0 hits asked for"),
        (proto::SearchRequest { metric: 77, ..request() }, "metric 77 is unknown"),
        (proto::SearchRequest { rerank: Some(rerank("tarot")), ..request() }, "brightest, patient"),
        (proto::SearchRequest { views: vec!["x-ray".to_owned()], ..request() }, "clean, squared"),
        (proto::SearchRequest { rerank: Some(wrong_parameter), ..request() }, "known are gain"),
    ];
    for (request, part) in wrong {
        let status = client.search(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(part), "{}", status.message());
        assert!(!status.message().contains('\n'));
    }
    let status = client
        .search(proto::SearchRequest { collection: "birds".to_owned(), ..request() })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn the_largest_encoded_image_reaches_the_library() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let largest = vec![b'x'; usize::try_from(lookalike_engine::MAX_ENCODED_BYTES).unwrap()];
    let status = client.search(proto::SearchRequest { image: largest, ..request() }).await.unwrap_err();
    // The library's own words: the transport let it through.
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("not a PNG"), "{}", status.message());
}

#[tokio::test]
async fn an_endless_budget_and_the_default_time_limit_give_the_same_answer() {
    let harness = Harness::start(ServerConfig {
        default_time_limit: std::time::Duration::MAX,
        ..ServerConfig::default()
    });
    let mut client = harness.filled().await;
    let answer = client.search(request()).await.unwrap().into_inner();
    let query = Query { budget: Budget::unlimited(), ..Query::encoded(png(70)) };
    let expected = harness.database.collection("glyphs").unwrap().search(&query).unwrap();
    assert_eq!(keys(&answer), expected.hits.iter().map(|hit| hit.key.as_str()).collect::<Vec<_>>());
}
