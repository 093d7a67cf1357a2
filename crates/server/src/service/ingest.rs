//! The ingest stream: images are gathered while the batch before them is stored.

use lookalike_engine::plugin_api::{Budget, CancelFlag};
use lookalike_engine::{Database, IngestItem};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::Service;
use crate::convert;
use crate::failure::{Failure, Malformed};
use crate::lane::LaneError;
use crate::proto;
use crate::proto::ingest_request::Message;

/// Images after which a batch ends, as the proto file says; it is the engine's own batch.
const BATCH_IMAGES: usize = 256;

/// Encoded bytes after which a batch ends, as the proto file says.
const BATCH_BYTES: usize = 16 << 20;

/// Answers that may wait for a client that does not read them.
const WAITING_ANSWERS: usize = 4;

type Answers = mpsc::Sender<Result<proto::IngestResponse, Status>>;

/// Images on their way into the store.
#[derive(Default)]
struct Batch {
    items: Vec<IngestItem>,
    /// Images that are refused before the engine sees them.
    refused: Vec<proto::RefusedImage>,
}

/// What ended a batch.
enum End {
    /// It is full, or the client wants it stored.
    Due,
    /// The client has sent everything.
    Closed,
    /// The stream broke, or a message was wrong; what came before is stored all the same.
    Broken(Status),
}

/// Takes in a stream of images; the answers come out of the stream returned.
pub(super) fn begin(
    service: Service,
    mut messages: Streaming<proto::IngestRequest>,
    permit: OwnedSemaphorePermit,
) -> ReceiverStream<Result<proto::IngestResponse, Status>> {
    let (answers, stream) = mpsc::channel(WAITING_ANSWERS);
    // A task of its own: a response stream is polled only while its client reads, and images are to be taken in
    // meanwhile.
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = run(&service, &mut messages, &answers) => ended,
            // The client is gone. Dropping `run` cancels the batch in hand.
            () = answers.closed() => Ok(()),
            () = service.lane.stopped() => Err(Failure::Lane(LaneError::Stopped).into()),
        };
        drop(permit);
        if let Err(status) = ended {
            // An error says that the client is gone.
            drop(answers.send(Err(status)).await);
        }
    });
    ReceiverStream::new(stream)
}

async fn run(
    service: &Service,
    messages: &mut Streaming<proto::IngestRequest>,
    answers: &Answers,
) -> Result<(), Status> {
    let collection = start(service, messages).await?;
    let (mut batch, mut end) = gather(messages).await;
    loop {
        let due = matches!(end, End::Due);
        let empty = batch.items.is_empty() && batch.refused.is_empty();
        let stored = async {
            if due || !empty {
                let answer = store(service, collection.clone(), batch).await?;
                // An error says that the client is gone; `begin` sees that too.
                drop(answers.send(Ok(answer)).await);
            }
            Ok(())
        };
        match end {
            End::Due => {
                let next = async { Ok::<_, Status>(gather(messages).await) };
                ((), (batch, end)) = tokio::try_join!(stored, next)?;
            }
            End::Closed => return stored.await,
            End::Broken(status) => return stored.await.and(Err(status)),
        }
    }
}

/// Reads the start message and sees that its collection can be opened, before images are sent in vain.
async fn start(service: &Service, messages: &mut Streaming<proto::IngestRequest>) -> Result<String, Status> {
    let found = match messages.message().await?.map(|request| request.message) {
        Some(Some(Message::Start(start))) => {
            let name = start.collection.clone();
            let open = move |database: &Database| Ok(database.collection(&name).map(drop)?);
            service.answer("ingest", CancelFlag::default(), open).await?;
            return Ok(start.collection);
        }
        Some(Some(Message::Image(_))) => "an image",
        Some(Some(Message::Flush(_))) => "a flush",
        Some(None) => "an empty message",
        None => "the end of the stream",
    };
    Err(Failure::Malformed(Malformed::NoStart { found }).into())
}

/// Reads images up to the end of a batch.
async fn gather(messages: &mut Streaming<proto::IngestRequest>) -> (Batch, End) {
    let mut batch = Batch::default();
    let mut bytes = 0;
    while batch.items.len() + batch.refused.len() < BATCH_IMAGES && bytes < BATCH_BYTES {
        let wrong = match messages.message().await {
            Ok(Some(proto::IngestRequest { message: Some(Message::Image(image)) })) => {
                bytes += image.image.len();
                match convert::item(image) {
                    Ok(item) => batch.items.push(item),
                    Err(refused) => batch.refused.push(refused),
                }
                continue;
            }
            Ok(Some(proto::IngestRequest { message: Some(Message::Flush(_)) })) => return (batch, End::Due),
            Ok(None) => return (batch, End::Closed),
            Err(status) => return (batch, End::Broken(status)),
            Ok(Some(proto::IngestRequest { message: Some(Message::Start(_)) })) => Malformed::SecondStart,
            Ok(Some(proto::IngestRequest { message: None })) => Malformed::EmptyIngest,
        };
        return (batch, End::Broken(Failure::Malformed(wrong).into()));
    }
    (batch, End::Due)
}

/// Stores a batch. It waits for its turn: the client is held back meanwhile by what HTTP/2 lets it send ahead.
async fn store(service: &Service, name: String, batch: Batch) -> Result<proto::IngestResponse, Status> {
    let cancel = CancelFlag::default();
    let budget = Budget::unlimited().with_cancel(cancel.clone());
    let work = service.work("ingest", move |database| {
        let collection = database.collection(&name)?;
        let report = collection.ingest(batch.items, &budget, &mut |_| {})?;
        Ok(convert::acknowledgement(&report, batch.refused))
    })?;
    let outcome = service.lane.run_in_turn(cancel, work).await.map_err(Failure::Lane)?;
    Ok(outcome?)
}
