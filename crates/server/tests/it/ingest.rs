use lookalike_server::proto::lookalike_client::LookalikeClient;
use lookalike_server::{ServerConfig, proto};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{Harness, flush, image, png, shades, start};

async fn create(harness: &Harness) -> LookalikeClient<Channel> {
    let mut client = harness.client().await;
    client.create_collection(proto::CreateCollectionRequest { name: "glyphs".to_owned() }).await.unwrap();
    client
}

fn named(key: &str, bytes: Vec<u8>) -> proto::IngestRequest {
    image(proto::IngestImage { key: key.to_owned(), image: bytes, ..Default::default() })
}

#[tokio::test]
async fn a_bad_image_is_refused_with_a_reason_and_the_others_are_stored() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = create(&harness).await;
    let truncated = png(9)[..30].to_vec();
    let mut no_value =
        proto::IngestImage { key: "empty-tag".to_owned(), image: png(1), ..Default::default() };
    no_value.tags.insert("split".to_owned(), proto::TagValue { value: None });
    let messages = vec![
        start("glyphs"),
        named("good-1", png(10)),
        named("truncated", truncated),
        named("text", b"hello, I am a photo".to_vec()),
        image(no_value),
        named("", png(30)),
        named("good-2", png(20)),
    ];
    let mut answers = client.ingest(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!(answer.inserted, 2);
    let refused: Vec<(&str, &str)> =
        answer.refused.iter().map(|refused| (refused.key.as_str(), refused.reason.as_str())).collect();
    assert_eq!(refused.len(), 4, "{refused:?}");
    let reason_of = |key| refused.iter().find(|(found, _)| *found == key).unwrap().1;
    assert!(reason_of("truncated").contains("PNG"));
    assert!(reason_of("text").contains("hello, I"));
    assert!(reason_of("").contains("0 bytes"));
    assert_eq!(reason_of("empty-tag"), "tag \"split\" has no value; set number or text");
    assert_eq!(answers.message().await.unwrap(), None);
    assert_eq!(harness.database.collection("glyphs").unwrap().len(), 2);
}

#[tokio::test]
async fn the_same_ingest_again_changes_nothing() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let messages: Vec<_> = [start("glyphs")].into_iter().chain(shades()).collect();
    let mut answers = client.ingest(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!((answer.inserted, answer.replaced, answer.relabelled, answer.unchanged), (0, 0, 0, 8));
}

#[tokio::test]
async fn a_flush_is_answered_while_the_stream_stays_open() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = create(&harness).await;
    let (messages, stream) = mpsc::channel(8);
    let mut answers = client.ingest(ReceiverStream::new(stream)).await.unwrap().into_inner();
    messages.send(start("glyphs")).await.unwrap();
    for (key, stored) in [("first", 1), ("second", 2)] {
        messages.send(named(key, png(50))).await.unwrap();
        messages.send(flush()).await.unwrap();
        assert_eq!(answers.message().await.unwrap().unwrap().inserted, 1);
        assert_eq!(harness.database.collection("glyphs").unwrap().len(), stored);
    }
    drop(messages);
    assert_eq!(answers.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_long_stream_is_answered_batch_by_batch() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = create(&harness).await;
    let bytes = png(5);
    let images = (0..600).map(move |number| named(&format!("image-{number:03}"), bytes.clone()));
    let messages = tokio_stream::iter([start("glyphs")].into_iter().chain(images));
    let mut answers = client.ingest(messages).await.unwrap().into_inner();
    let mut inserted = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        inserted.push(answer.inserted);
    }
    assert_eq!(inserted, [256, 256, 88]);
}

#[tokio::test]
async fn a_stream_into_no_collection_is_refused() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = create(&harness).await;
    for (messages, code, part) in [
        (vec![start("birds")], Code::NotFound, "\"birds\""),
        (vec![named("key", png(1))], Code::InvalidArgument, "found an image"),
        (vec![], Code::InvalidArgument, "found the end of the stream"),
    ] {
        let mut answers = client.ingest(tokio_stream::iter(messages)).await.unwrap().into_inner();
        let status = answers.message().await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().contains(part), "{}", status.message());
    }
}

#[tokio::test]
async fn what_came_before_a_wrong_message_is_stored_and_answered() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = create(&harness).await;
    let messages = vec![start("glyphs"), named("first", png(1)), start("glyphs"), named("second", png(2))];
    let mut answers = client.ingest(tokio_stream::iter(messages)).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().inserted, 1);
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("second start"), "{}", status.message());
    assert_eq!(harness.database.collection("glyphs").unwrap().len(), 1);
}

#[tokio::test]
async fn more_streams_than_allowed_are_turned_away() {
    let harness = Harness::start(ServerConfig { ingest_streams: 1, ..ServerConfig::default() });
    let mut client = create(&harness).await;
    let (messages, stream) = mpsc::channel(8);
    messages.send(start("glyphs")).await.unwrap();
    let mut answers = client.ingest(ReceiverStream::new(stream)).await.unwrap().into_inner();

    let status = client.ingest(tokio_stream::iter([start("glyphs")])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);

    drop(messages);
    assert_eq!(answers.message().await.unwrap(), None);
    let mut answers = client.ingest(tokio_stream::iter([start("glyphs")])).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = create(&harness).await.max_encoding_message_size(usize::MAX);
    let large = vec![0; ServerConfig::DEFAULT_MAX_MESSAGE_BYTES + 1];
    let messages = vec![start("glyphs"), named("first", png(1)), named("large", large)];
    let mut answers = client.ingest(tokio_stream::iter(messages)).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().inserted, 1);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::OutOfRange);
}
