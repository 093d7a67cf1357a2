//! The service: each request becomes one call of the library on the lane.

mod ingest;

use std::sync::{Arc, Weak};

use lookalike_engine::Database;
use lookalike_engine::plugin_api::CancelFlag;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::config::ServerConfig;
use crate::convert;
use crate::failure::Failure;
use crate::lane::{Lane, LaneError};
use crate::proto;
use crate::proto::lookalike_server::Lookalike;

/// Exemplars of a page when the request does not say.
const DEFAULT_PAGE_EXEMPLARS: usize = 100;

/// What all connections share.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Weak, because the tasks of connections own services, and a connection that its client keeps open must not
    /// keep the database open after the server has ended.
    database: Weak<Database>,
    /// Where all calls of the library happen.
    lane: Lane,
    /// One permit for each ingest stream that may be open.
    ingests: Arc<Semaphore>,
    config: ServerConfig,
}

impl Service {
    pub(crate) fn new(database: &Arc<Database>, lane: Lane, config: ServerConfig) -> Self {
        let ingests = Arc::new(Semaphore::new(config.ingest_streams));
        Self { database: Arc::downgrade(database), lane, ingests, config }
    }

    /// The answer to a request: a call of the library on the lane, under a span that names the request.
    async fn answer<T: Send + 'static>(
        &self,
        rpc: &'static str,
        cancel: CancelFlag,
        call: impl FnOnce(&Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let work = self.work(rpc, call)?;
        let outcome = self.lane.run(cancel, work).await.map_err(Failure::Lane)?;
        Ok(Response::new(outcome?))
    }

    /// A call of the library as work for the lane.
    fn work<T>(
        &self,
        rpc: &'static str,
        call: impl FnOnce(&Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<impl FnOnce() -> Result<T, Failure> + Send + 'static, Failure> {
        let database = self.database.upgrade().ok_or(LaneError::Stopped)?;
        Ok(move || {
            let _span = tracing::info_span!("request", rpc).entered();
            call(&database)
        })
    }
}

#[tonic::async_trait]
impl Lookalike for Service {
    async fn list_collections(
        &self,
        _request: Request<proto::ListCollectionsRequest>,
    ) -> Result<Response<proto::ListCollectionsResponse>, Status> {
        self.answer("list_collections", CancelFlag::default(), |database| {
            Ok(proto::ListCollectionsResponse {
                names: database.collection_names()?,
                fingerprint: Some(convert::fingerprint(database.fingerprint())),
            })
        })
        .await
    }

    async fn create_collection(
        &self,
        request: Request<proto::CreateCollectionRequest>,
    ) -> Result<Response<proto::CreateCollectionResponse>, Status> {
        let proto::CreateCollectionRequest { name } = request.into_inner();
        self.answer("create_collection", CancelFlag::default(), move |database| {
            let collection = convert::description(&database.collection_or_create(&name)?)?;
            Ok(proto::CreateCollectionResponse { collection: Some(collection) })
        })
        .await
    }

    async fn drop_collection(
        &self,
        request: Request<proto::DropCollectionRequest>,
    ) -> Result<Response<proto::DropCollectionResponse>, Status> {
        let proto::DropCollectionRequest { name } = request.into_inner();
        self.answer("drop_collection", CancelFlag::default(), move |database| {
            Ok(proto::DropCollectionResponse { existed: database.drop_collection(&name)? })
        })
        .await
    }

    async fn describe_collection(
        &self,
        request: Request<proto::DescribeCollectionRequest>,
    ) -> Result<Response<proto::DescribeCollectionResponse>, Status> {
        let proto::DescribeCollectionRequest { name } = request.into_inner();
        self.answer("describe_collection", CancelFlag::default(), move |database| {
            let collection = convert::description(&database.collection(&name)?)?;
            Ok(proto::DescribeCollectionResponse { collection: Some(collection) })
        })
        .await
    }

    type IngestStream = ReceiverStream<Result<proto::IngestResponse, Status>>;

    async fn ingest(
        &self,
        request: Request<Streaming<proto::IngestRequest>>,
    ) -> Result<Response<Self::IngestStream>, Status> {
        let permit = Arc::clone(&self.ingests)
            .try_acquire_owned()
            .map_err(|_| Failure::TooManyIngests { most: self.config.ingest_streams })?;
        Ok(Response::new(ingest::begin(self.clone(), request.into_inner(), permit)))
    }

    async fn search(
        &self,
        request: Request<proto::SearchRequest>,
    ) -> Result<Response<proto::SearchResponse>, Status> {
        let mut request = request.into_inner();
        let name = std::mem::take(&mut request.collection);
        let time_limit = self.config.default_time_limit;
        let cancel = CancelFlag::default();
        self.answer("search", cancel.clone(), move |database| {
            let query = convert::query(request, time_limit, cancel)?;
            convert::answer(database.collection(&name)?.search(&query)?)
        })
        .await
    }

    async fn get(&self, request: Request<proto::GetRequest>) -> Result<Response<proto::GetResponse>, Status> {
        let proto::GetRequest { collection: name, key, with_image } = request.into_inner();
        self.answer("get", CancelFlag::default(), move |database| {
            let collection = database.collection(&name)?;
            let found = collection.get(&key)?;
            let record = found.ok_or(Failure::NoExemplar { collection: name, key })?;
            let image = if with_image { collection.image(record.id)? } else { None };
            Ok(proto::GetResponse { exemplar: Some(convert::exemplar(record)), image })
        })
        .await
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteRequest>,
    ) -> Result<Response<proto::DeleteResponse>, Status> {
        let proto::DeleteRequest { collection: name, keys } = request.into_inner();
        self.answer("delete", CancelFlag::default(), move |database| {
            let outcomes = database.collection(&name)?.delete(&keys)?;
            let deleted = outcomes.iter().flatten().count() as u64;
            let missing = keys.into_iter().zip(outcomes).filter(|(_, id)| id.is_none()).map(|(key, _)| key);
            Ok(proto::DeleteResponse { deleted, missing: missing.collect() })
        })
        .await
    }

    async fn list(
        &self,
        request: Request<proto::ListRequest>,
    ) -> Result<Response<proto::ListResponse>, Status> {
        let proto::ListRequest { collection: name, after, limit } = request.into_inner();
        let limit = limit.map_or(DEFAULT_PAGE_EXEMPLARS, |limit| limit as usize);
        self.answer("list", CancelFlag::default(), move |database| {
            let page = database.collection(&name)?.list(after.as_deref(), limit)?;
            let exemplars = page.entries.into_iter().map(convert::exemplar).collect();
            Ok(proto::ListResponse { exemplars, next: page.next })
        })
        .await
    }
}
