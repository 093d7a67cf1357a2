//! A server in memory over a database in a temporary folder, with a model and a reranker that tests can hold.

use std::sync::{Arc, Condvar, Mutex};

use hyper_util::rt::TokioIo;
use lookalike_engine::plugin_api::{
    AppliedRanking, Budget, Completion, Digest, EmbedError, Embedder, FeatureRows, Fingerprint, Image,
    ParameterKind, ParameterSpec, ParameterValue, RerankError, RerankJob, RerankScores, Reranker,
    RerankerDescription, View, ViewId,
};
use lookalike_engine::{Database, StoreConfig, encode_png};
use lookalike_server::proto::lookalike_client::LookalikeClient;
use lookalike_server::{ServeError, ServerConfig, proto};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};

/// Bytes on their way between client and server.
const DUPLEX_BYTES: usize = 64 << 10;

type Connections = mpsc::UnboundedSender<Result<DuplexStream, std::io::Error>>;

pub(crate) struct Harness {
    pub(crate) database: Arc<Database>,
    pub(crate) gate: Arc<Gate>,
    /// How each run of the patient reranker ended.
    pub(crate) endings: mpsc::UnboundedReceiver<Completion>,
    connections: Connections,
    shutdown: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServeError>>,
    _folder: TempDir,
}

impl Harness {
    pub(crate) fn start(config: ServerConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gate = Arc::new(Gate::default());
        let (ended, endings) = mpsc::unbounded_channel();
        let embedder = Arc::new(Thumbnails::new(Arc::clone(&gate)));
        let root = folder.path().join("database");
        let database = Database::create(&root, embedder, StoreConfig::default())
            .unwrap()
            .with_reranker(Arc::new(Brightest::new()))
            .with_reranker(Arc::new(Patient::new(Arc::clone(&gate), ended)));
        let database = Arc::new(database);
        let (connections, incoming) = mpsc::unbounded_channel();
        let (shutdown, asked) = oneshot::channel::<()>();
        let serving = tokio::spawn({
            let database = Arc::clone(&database);
            let incoming = UnboundedReceiverStream::new(incoming);
            async move {
                lookalike_server::serve_incoming(incoming, database, config, async {
                    asked.await.unwrap_or(());
                })
                .await
            }
        });
        Self { database, gate, endings, connections, shutdown: Some(shutdown), serving, _folder: folder }
    }

    /// A connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        let (near, far) = tokio::io::duplex(DUPLEX_BYTES);
        self.connections.send(Ok(far)).unwrap();
        let mut near = Some(TokioIo::new(near));
        let connector = tower::service_fn(move |_| {
            let near =
                near.take().ok_or_else(|| std::io::Error::other("an in-memory connection cannot be renewed"));
            std::future::ready(near)
        });
        Endpoint::from_static("http://in-memory").connect_with_connector(connector).await.unwrap()
    }

    pub(crate) async fn client(&self) -> LookalikeClient<Channel> {
        let limit = ServerConfig::DEFAULT_MAX_MESSAGE_BYTES;
        LookalikeClient::new(self.channel().await)
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit)
    }

    /// A client of a server whose collection `glyphs` holds [`shades`].
    pub(crate) async fn filled(&self) -> LookalikeClient<Channel> {
        let mut client = self.client().await;
        client.create_collection(proto::CreateCollectionRequest { name: "glyphs".to_owned() }).await.unwrap();
        let mut messages = vec![start("glyphs")];
        messages.extend(shades());
        let mut answers = client.ingest(tokio_stream::iter(messages)).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.inserted, answer.refused.len()), (8, 0));
        client
    }

    pub(crate) fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    /// How the server ended.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        self.serving.await.unwrap()
    }
}

/// Eight images of growing brightness, labelled even and odd, with a number and a text as tags.
pub(crate) fn shades() -> Vec<proto::IngestRequest> {
    (0..8_u8)
        .map(|shade| {
            let number = proto::TagValue { value: Some(proto::tag_value::Value::Number(shade.into())) };
            let text = proto::TagValue { value: Some(proto::tag_value::Value::Text("test".to_owned())) };
            image(proto::IngestImage {
                key: format!("shade-{shade}"),
                image: png(shade * 20),
                label: Some(["even", "odd"][usize::from(shade % 2)].to_owned()),
                tags: [("shade".to_owned(), number), ("split".to_owned(), text)].into(),
            })
        })
        .collect()
}

/// A grey PNG of 8 x 8 pixels, a little brighter towards the end.
pub(crate) fn png(level: u8) -> Vec<u8> {
    encode_png(&Image::new(8, 8, 1, (0..64).map(|i| level + i / 4).collect()).unwrap()).unwrap()
}

pub(crate) fn start(collection: &str) -> proto::IngestRequest {
    message(proto::ingest_request::Message::Start(proto::IngestStart { collection: collection.to_owned() }))
}

pub(crate) fn image(image: proto::IngestImage) -> proto::IngestRequest {
    message(proto::ingest_request::Message::Image(image))
}

pub(crate) fn flush() -> proto::IngestRequest {
    message(proto::ingest_request::Message::Flush(proto::Flush {}))
}

fn message(message: proto::ingest_request::Message) -> proto::IngestRequest {
    proto::IngestRequest { message: Some(message) }
}

/// Lets through whoever comes, until a test closes it; tells who has come.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
    arrivals: Mutex<Option<mpsc::UnboundedSender<()>>>,
}

impl Gate {
    /// Closes the gate; a message arrives for each who reaches it.
    pub(crate) fn close(&self) -> mpsc::UnboundedReceiver<()> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        *self.arrivals.lock().unwrap() = Some(sender);
        *self.closed.lock().unwrap() = true;
        arrivals
    }

    pub(crate) fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn announce(&self) {
        if let Some(arrivals) = self.arrivals.lock().unwrap().as_ref() {
            // A test that is over does not listen any more.
            let _ = arrivals.send(());
        }
    }

    fn pass(&self) {
        self.announce();
        drop(self.opened.wait_while(self.closed.lock().unwrap(), |closed| *closed).unwrap());
    }
}

/// Features are the 4 x 4 means of the image.
struct Thumbnails {
    fingerprint: Fingerprint,
    gate: Arc<Gate>,
}

impl Thumbnails {
    fn new(gate: Arc<Gate>) -> Self {
        let fingerprint = Fingerprint {
            model: "thumbnails".to_owned(),
            weights: Digest([1; 32]),
            preprocessing: Digest([2; 32]),
            dimension: 16,
        };
        Self { fingerprint, gate }
    }
}

impl Embedder for Thumbnails {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn embed(&self, images: &[Image]) -> Result<FeatureRows, EmbedError> {
        self.gate.pass();
        let mut values = Vec::new();
        for image in images {
            values.extend(cells(image));
        }
        FeatureRows::new(16, values).map_err(EmbedError::new)
    }
}

/// Mean sample in each of 4 x 4 cells of an image.
fn cells(image: &Image) -> [f32; 16] {
    let mut sums = [0.0_f32; 16];
    for (i, sample) in image.samples().iter().enumerate() {
        let pixel = i / image.channels();
        let (y, x) = (pixel / image.width(), pixel % image.width());
        sums[y * 4 / image.height() * 4 + x * 4 / image.width()] += f32::from(*sample);
    }
    let per_cell = image.samples().len() as f32 / 16.0;
    sums.map(|sum| sum / per_cell)
}

/// Prefers bright exemplars; one step per candidate.
struct Brightest(RerankerDescription);

impl Brightest {
    fn new() -> Self {
        Self(RerankerDescription {
            name: "brightest",
            version: "1",
            summary: "prefers bright images",
            max_candidates: 1000,
            parameters: vec![ParameterSpec {
                name: "gain",
                kind: ParameterKind::Number { least: 0.0, most: 10.0 },
                default: ParameterValue::Number(1.0),
                help: "factor on the score",
            }],
            views: vec![View { id: ViewId(Digest([9; 32])), name: "squared".to_owned() }],
        })
    }
}

impl Reranker for Brightest {
    fn describe(&self) -> &RerankerDescription {
        &self.0
    }

    fn derive(&self, _view: &View, images: &[Image]) -> Result<FeatureRows, RerankError> {
        let values = images.iter().flat_map(|image| cells(image).map(|cell| cell * cell)).collect();
        FeatureRows::new(16, values)
            .map_err(|source| RerankError::Model { stage: "embed", source: Box::new(source) })
    }

    fn rerank(&self, job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        let mut scores = Vec::new();
        let mut completion = Completion::Complete;
        for id in job.candidates {
            if let Some(end) = budget.spend(1) {
                completion = end;
                break;
            }
            let rows = job
                .source
                .rows(View::CLEAN, &[*id])
                .map_err(|source| RerankError::Source { stage: "score", source })?;
            scores.push(rows.values().iter().sum());
        }
        let artifacts =
            vec![lookalike_engine::plugin_api::Artifact::Image { name: "query", image: job.query.clone() }];
        let scores = RerankScores::new(AppliedRanking::of(&self.0), scores, completion);
        Ok(RerankScores { artifacts, ..scores })
    }
}

/// Works until its budget is gone.
struct Patient {
    description: RerankerDescription,
    gate: Arc<Gate>,
    ended: mpsc::UnboundedSender<Completion>,
}

impl Patient {
    fn new(gate: Arc<Gate>, ended: mpsc::UnboundedSender<Completion>) -> Self {
        let description = RerankerDescription {
            name: "patient",
            version: "1",
            summary: "works until it is stopped",
            max_candidates: 1000,
            parameters: Vec::new(),
            views: Vec::new(),
        };
        Self { description, gate, ended }
    }
}

impl Reranker for Patient {
    fn describe(&self) -> &RerankerDescription {
        &self.description
    }

    fn rerank(&self, _job: &RerankJob<'_>, budget: &Budget) -> Result<RerankScores, RerankError> {
        self.gate.announce();
        let completion = loop {
            match budget.exhausted() {
                Some(completion) => break completion,
                None => std::thread::yield_now(),
            }
        };
        // A test that is over does not listen any more.
        let _ = self.ended.send(completion);
        Ok(RerankScores::new(AppliedRanking::of(&self.description), Vec::new(), completion))
    }
}
