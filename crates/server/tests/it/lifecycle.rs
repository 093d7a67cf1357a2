use std::time::Duration;

use lookalike_engine::plugin_api::Completion;
use lookalike_server::{ServeError, ServerConfig, proto};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{Harness, png};

const SERVICE: &str = "lookalike.v1.Lookalike";

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_hours(1);

fn request() -> proto::SearchRequest {
    proto::SearchRequest { collection: "glyphs".to_owned(), image: png(70), ..Default::default() }
}

fn endless() -> proto::SearchRequest {
    let rerank = proto::Rerank { reranker: "patient".to_owned(), ..Default::default() };
    proto::SearchRequest { rerank: Some(rerank), time_limit_ms: Some(u32::MAX), ..request() }
}

#[tokio::test]
async fn requests_beyond_workers_and_queue_are_turned_away() {
    let harness = Harness::start(ServerConfig { workers: 1, queue_length: 0, ..ServerConfig::default() });
    let client = harness.filled().await;
    let mut arrivals = harness.gate.close();
    let first = tokio::spawn({
        let mut client = client.clone();
        async move { client.search(request()).await }
    });
    arrivals.recv().await.unwrap();
    let status = client.clone().search(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("try again later"), "{}", status.message());

    harness.gate.open();
    assert_eq!(first.await.unwrap().unwrap().into_inner().hits.len(), 8);
    client.clone().search(request()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_search() {
    let mut harness = Harness::start(ServerConfig::default());
    let client = harness.filled().await;
    let mut arrivals = harness.gate.close();
    harness.gate.open();
    let search = tokio::spawn({
        let mut client = client.clone();
        async move { client.search(endless()).await }
    });
    // Once from the model, once from the reranker.
    arrivals.recv().await.unwrap();
    arrivals.recv().await.unwrap();
    search.abort();
    assert_eq!(harness.endings.recv().await, Some(Completion::Cancelled));
}

#[tokio::test]
async fn health_says_serving_until_the_shutdown() {
    let mut harness = Harness::start(ServerConfig { grace: FOR_EVER, ..ServerConfig::default() });
    let mut health = HealthClient::new(harness.channel().await);
    for service in ["", SERVICE] {
        let asked = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(asked).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    let asked = HealthCheckRequest { service: SERVICE.to_owned() };
    let mut watched = health.watch(asked).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    harness.shut_down();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(watched.message().await.unwrap(), None::<HealthCheckResponse>);
    harness.ended().await.unwrap();
}

#[tokio::test]
async fn reflection_lists_the_service() {
    let harness = Harness::start(ServerConfig::default());
    let mut reflection = ServerReflectionClient::new(harness.channel().await);
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers =
        reflection.server_reflection_info(tokio_stream::iter([asked])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = listed.service.into_iter().map(|service| service.name).collect();
    assert!(names.iter().any(|name| name == SERVICE), "{names:?}");
    assert!(names.iter().any(|name| name == "grpc.health.v1.Health"), "{names:?}");
}

#[tokio::test]
async fn a_shutdown_waits_for_the_search_in_hand() {
    let mut harness = Harness::start(ServerConfig { grace: FOR_EVER, ..ServerConfig::default() });
    let mut client = harness.filled().await;
    let mut health = HealthClient::new(harness.channel().await);
    let asked = HealthCheckRequest { service: SERVICE.to_owned() };
    let mut watched = health.watch(asked).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let mut arrivals = harness.gate.close();
    let search = tokio::spawn(async move { client.search(request()).await });
    arrivals.recv().await.unwrap();
    harness.shut_down();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    harness.gate.open();
    assert_eq!(search.await.unwrap().unwrap().into_inner().hits.len(), 8);
    harness.ended().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_without_grace_cancels_the_search_in_hand() {
    let mut harness = Harness::start(ServerConfig { grace: Duration::ZERO, ..ServerConfig::default() });
    let mut client = harness.filled().await;
    let mut arrivals = harness.gate.close();
    harness.gate.open();
    let search = tokio::spawn(async move { client.search(endless()).await });
    arrivals.recv().await.unwrap();
    arrivals.recv().await.unwrap();
    harness.shut_down();
    let status = search.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(harness.endings.recv().await, Some(Completion::Cancelled));
    harness.ended().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_an_ingest_whose_client_has_gone_silent() {
    let mut harness = Harness::start(ServerConfig { grace: Duration::ZERO, ..ServerConfig::default() });
    let mut client = harness.filled().await;
    let messages = tokio_stream::iter([crate::harness::start("glyphs")]).chain(tokio_stream::pending());
    let mut answers = client.ingest(messages).await.unwrap().into_inner();
    harness.shut_down();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
    drop((answers, client));
    harness.ended().await.unwrap();
}

#[tokio::test]
async fn settings_out_of_range_are_refused_before_anything_starts() {
    let harness = Harness::start(ServerConfig { workers: 0, ..ServerConfig::default() });
    let error = harness.ended().await.unwrap_err();
    assert!(matches!(error, ServeError::Config(_)), "{error}");
}
