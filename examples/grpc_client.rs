//! Lesson 3: talk gRPC to a Lookalike server.
//!
//! ```text
//! cargo run --release --example grpc_client                                    # starts a server of its own
//! cargo run --release --example grpc_client -- http://127.0.0.1:7700 QUERY.png # one that `lookalike serve` runs
//! ```

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use lookalike::{Database, ModelFiles, encode_png};
use lookalike_datasets::{Disturbance, GlyphSet};
use lookalike_server::ServerConfig;
use lookalike_server::proto::ingest_request::Message;
use lookalike_server::proto::lookalike_client::LookalikeClient;
use lookalike_server::proto::{
    CreateCollectionRequest, IngestImage, IngestRequest, IngestStart, Rerank, SearchRequest,
};
use tokio::net::TcpListener;
use tonic::transport::Channel;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [address, query] = arguments.as_slice() {
        let client = LookalikeClient::connect(address.clone()).await?;
        let query = std::fs::read(query).with_context(|| format!("reading {query}"))?;
        return search(client, query, "main").await;
    }

    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let database = Arc::new(database(&folder.path().join("glyphs.db"))?);
    let running = tokio::spawn(lookalike_server::serve(listener, database, ServerConfig::default(), async {
        // Either the client says so, or it is gone; both end the server.
        stopped.await.unwrap_or_default();
    }));

    let client = LookalikeClient::connect(address).await?;
    ingest(client.clone(), "glyphs").await?;
    let query = Disturbance::Rotate(10.0).apply(&GlyphSet::new(1).glyph(42).image, 1);
    search(client, encode_png(&query)?, "glyphs").await?;
    drop(stop);
    running.await??;
    Ok(())
}

fn database(root: &Path) -> anyhow::Result<lookalike_engine::Database> {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/assets/glyphs.safetensors");
    Ok(Database::create(root, &ModelFiles::open(&weights)?)?.into_engine())
}

/// Streams 300 glyphs; the answers tell, batch by batch, what is stored for good.
async fn ingest(mut client: LookalikeClient<Channel>, collection: &str) -> anyhow::Result<()> {
    client.create_collection(CreateCollectionRequest { name: collection.to_owned() }).await?;
    let start = Message::Start(IngestStart { collection: collection.to_owned() });
    let glyphs = GlyphSet::new(1);
    let images = (0..300).map(|index| {
        let glyph = glyphs.glyph(index);
        Ok(Message::Image(IngestImage {
            key: format!("glyph/{index:05}"),
            image: encode_png(&glyph.image)?,
            label: Some(glyph.name.to_owned()),
            tags: [].into(),
        }))
    });
    let messages = std::iter::once(Ok(start))
        .chain(images)
        .map(|message| message.map(|message| IngestRequest { message: Some(message) }))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut answers = client.ingest(tokio_stream::iter(messages)).await?.into_inner();
    while let Some(batch) = answers.message().await? {
        println!("stored {} images, refused {}", batch.inserted, batch.refused.len());
    }
    Ok(())
}

async fn search(
    mut client: LookalikeClient<Channel>,
    image: Vec<u8>,
    collection: &str,
) -> anyhow::Result<()> {
    let rerank = Rerank { reranker: "multiview".to_owned(), ..Rerank::default() };
    let request = SearchRequest {
        collection: collection.to_owned(),
        image,
        hits: Some(5),
        rerank: Some(rerank),
        ..SearchRequest::default()
    };
    let answer = client.search(request).await?.into_inner();
    for timing in &answer.timings {
        println!("{:>10} {:8.1} ms", timing.stage, timing.elapsed_us as f64 / 1000.0);
    }
    for hit in &answer.hits {
        let score = hit.stages.last().map_or(f32::NAN, |stage| stage.score);
        println!("{score:10.3}  {}  {}", hit.key, hit.label.as_deref().unwrap_or("-"));
    }
    Ok(())
}
