use lookalike_server::{ServerConfig, proto};
use tonic::Code;

use crate::harness::{Harness, png};

#[tokio::test]
async fn a_collection_is_made_described_and_dropped() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;

    let listed = client.list_collections(proto::ListCollectionsRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.names, ["glyphs"]);
    assert_eq!(listed.fingerprint.unwrap().model, "thumbnails");

    let request = proto::DescribeCollectionRequest { name: "glyphs".to_owned() };
    let described = client.describe_collection(request).await.unwrap().into_inner().collection.unwrap();
    assert_eq!((described.name.as_str(), described.exemplars), ("glyphs", 8));
    assert_eq!(described.labels, [("even".to_owned(), 4), ("odd".to_owned(), 4)].into());
    assert_eq!(described.fingerprint.as_ref().unwrap().dimension, 16);
    assert_ne!(described.durability(), proto::Durability::Unspecified);
    let brightest = &described.rerankers[0];
    assert_eq!((brightest.name.as_str(), brightest.max_candidates), ("brightest", 1000));
    let gain = proto::parameter_spec::Kind::Number(proto::NumberRange { least: 0.0, most: 10.0 });
    assert_eq!(brightest.parameters[0].kind, Some(gain));

    let drop = || proto::DropCollectionRequest { name: "glyphs".to_owned() };
    assert!(client.drop_collection(drop()).await.unwrap().into_inner().existed);
    assert!(!client.drop_collection(drop()).await.unwrap().into_inner().existed);
    assert!(
        client
            .list_collections(proto::ListCollectionsRequest {})
            .await
            .unwrap()
            .into_inner()
            .names
            .is_empty()
    );
}

#[tokio::test]
async fn a_collection_name_that_is_not_allowed_is_the_callers_mistake() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.client().await;
    let request = proto::CreateCollectionRequest { name: "../up".to_owned() };
    let status = client.create_collection(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("\"../up\""), "{}", status.message());
}

#[tokio::test]
async fn a_collection_that_is_not_there_is_not_found_and_those_that_are_get_named() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let request = proto::DescribeCollectionRequest { name: "birds".to_owned() };
    let status = client.describe_collection(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "there is no collection \"birds\"; there are: glyphs");
}

#[tokio::test]
async fn an_exemplar_comes_back_with_its_image_until_it_is_deleted() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let get = |with_image| proto::GetRequest {
        collection: "glyphs".to_owned(),
        key: "shade-3".to_owned(),
        with_image,
    };

    let got = client.get(get(true)).await.unwrap().into_inner();
    let exemplar = got.exemplar.unwrap();
    assert_eq!((exemplar.key.as_str(), exemplar.label.as_deref()), ("shade-3", Some("odd")));
    assert_eq!((exemplar.height, exemplar.width, exemplar.channels), (8, 8, 1));
    assert_eq!(exemplar.media_type, "image/png");
    assert_eq!(exemplar.tags["shade"].value, Some(proto::tag_value::Value::Number(3.0)));
    assert_eq!(exemplar.tags["split"].value, Some(proto::tag_value::Value::Text("test".to_owned())));
    assert_eq!(got.image, Some(png(60)));
    assert_eq!(client.get(get(false)).await.unwrap().into_inner().image, None);

    let keys = vec!["no-such".to_owned(), "shade-3".to_owned()];
    let delete = proto::DeleteRequest { collection: "glyphs".to_owned(), keys };
    let deleted = client.delete(delete).await.unwrap().into_inner();
    assert_eq!((deleted.deleted, deleted.missing), (1, vec!["no-such".to_owned()]));

    let status = client.get(get(true)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "collection \"glyphs\" has no exemplar with key \"shade-3\"");
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let harness = Harness::start(ServerConfig::default());
    let mut client = harness.filled().await;
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let request =
            proto::ListRequest { collection: "glyphs".to_owned(), after: after.take(), limit: Some(3) };
        let page = client.list(request).await.unwrap().into_inner();
        assert!(page.exemplars.len() <= 3);
        keys.extend(page.exemplars.into_iter().map(|exemplar| exemplar.key));
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    let expected: Vec<String> = (0..8).map(|shade| format!("shade-{shade}")).collect();
    assert_eq!(keys, expected);
}
