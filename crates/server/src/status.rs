//! gRPC's words for everything that can go wrong: the only place that knows its codes.
//!
//! The library's errors may grow variants; those that this file does not know yet are internal errors.

use std::error::Error;

use lookalike_engine::plugin_api::Completion;
use lookalike_engine::{
    DecodeError, IngestError, MaintenanceError, OpenError, ReadError, RebuildError, SearchError, StoreError,
    WriteError,
};
use tonic::{Code, Status};

use crate::failure::Failure;
use crate::lane::LaneError;

/// Longest message, in bytes: it travels in a header, and clients limit those.
const MAX_MESSAGE_BYTES: usize = 2048;

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let code = code(&failure);
        let message = chain(&failure);
        if matches!(code, Code::Internal | Code::DataLoss) {
            tracing::error!(code = ?code, "{message}");
        }
        Self::new(code, message)
    }
}

/// An error and its sources on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line.push_str(": ");
        line.push_str(&error.to_string());
        source = error.source();
    }
    let mut line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > MAX_MESSAGE_BYTES {
        line.truncate(line.floor_char_boundary(MAX_MESSAGE_BYTES - 3));
        line.push_str("...");
    }
    line
}

fn code(failure: &Failure) -> Code {
    match failure {
        Failure::Malformed(_) | Failure::Filter(_) => Code::InvalidArgument,
        Failure::Lane(error) => lane(*error),
        Failure::Open(error) => open(error),
        Failure::Read(error) => read(error),
        Failure::Write(error) => write(error),
        Failure::Search(error) => search(error),
        Failure::Ingest(error) => ingest(error),
        Failure::Artifact { .. } => Code::Internal,
        Failure::NoExemplar { .. } => Code::NotFound,
        Failure::TooManyIngests { .. } => Code::ResourceExhausted,
    }
}

fn lane(error: LaneError) -> Code {
    match error {
        LaneError::Overloaded { .. } => Code::ResourceExhausted,
        LaneError::Panicked => Code::Internal,
        LaneError::Stopped => Code::Unavailable,
    }
}

fn open(error: &OpenError) -> Code {
    match error {
        OpenError::Store(error) => store(error),
        OpenError::Fingerprint { .. } | OpenError::Held { .. } | OpenError::Views(_) => {
            Code::FailedPrecondition
        }
        OpenError::Missing { .. } => Code::NotFound,
        OpenError::Load { source, .. } => read(source),
        OpenError::Rebuild { source, .. } => rebuild(source),
        _ => Code::Internal,
    }
}

fn store(error: &StoreError) -> Code {
    match error {
        StoreError::CollectionName { .. } => Code::InvalidArgument,
        StoreError::CollectionExists { .. } => Code::AlreadyExists,
        StoreError::DiskFull { .. } => Code::ResourceExhausted,
        StoreError::NewerFormat { .. }
        | StoreError::OlderFormat { .. }
        | StoreError::Locked { .. }
        | StoreError::Fingerprint { .. }
        | StoreError::NotPowerSafe { .. } => Code::FailedPrecondition,
        StoreError::Damaged { .. } | StoreError::BatchesLost { .. } => Code::DataLoss,
        // The database itself is open, so these are no request's fault.
        StoreError::AlreadyDatabase { .. }
        | StoreError::NotEmpty { .. }
        | StoreError::NotDatabase { .. }
        | StoreError::Marker { .. }
        | StoreError::ForeignMarker { .. }
        | StoreError::Tree { .. }
        | StoreError::File(_)
        | _ => Code::Internal,
    }
}

fn read(error: &ReadError) -> Code {
    match error {
        ReadError::UnknownView { .. } | ReadError::NoRow { .. } => Code::FailedPrecondition,
        ReadError::Damaged(_) => Code::DataLoss,
        ReadError::Tree(_) | ReadError::File(_) | _ => Code::Internal,
    }
}

fn write(error: &WriteError) -> Code {
    match error {
        WriteError::Refused { .. }
        | WriteError::TooManyOperations { .. }
        | WriteError::TooManyBytes { .. } => Code::InvalidArgument,
        WriteError::IdsExhausted
        | WriteError::TooManyViews { .. }
        | WriteError::ReadOnly { .. }
        | WriteError::OtherModel { .. }
        | WriteError::InUse { .. } => Code::FailedPrecondition,
        WriteError::DiskFull { .. } => Code::ResourceExhausted,
        WriteError::Damaged(_) => Code::DataLoss,
        WriteError::Tree(_) | WriteError::Failed(_) | WriteError::File(_) | _ => Code::Internal,
    }
}

fn rebuild(error: &RebuildError) -> Code {
    match error {
        RebuildError::Embed(error) => ingest(error),
        // An image that was decoded when it was stored.
        RebuildError::Decode { .. } => Code::DataLoss,
        RebuildError::Views(_) => Code::FailedPrecondition,
        RebuildError::Read(error) => read(error),
        RebuildError::Store(error) => maintenance(error),
        RebuildError::Derive(_) | _ => Code::Internal,
    }
}

fn maintenance(error: &MaintenanceError) -> Code {
    match error {
        MaintenanceError::Source(error) => read(error),
        MaintenanceError::Differs { .. } => Code::DataLoss,
        MaintenanceError::Open(error) => store(error),
        MaintenanceError::Write(error) => write(error),
        MaintenanceError::OtherRebuild { .. }
        | MaintenanceError::NoModel { .. }
        | MaintenanceError::NoView { .. }
        | MaintenanceError::Incomplete { .. } => Code::FailedPrecondition,
        MaintenanceError::Copy(_) | MaintenanceError::File(_) | _ => Code::Internal,
    }
}

fn search(error: &SearchError) -> Code {
    match error {
        SearchError::Decode(error) => decode(error),
        SearchError::Hits { .. }
        | SearchError::Shortlist { .. }
        | SearchError::UnknownReranker { .. }
        | SearchError::UnknownView { .. }
        | SearchError::ViewTwice { .. }
        | SearchError::ViewMetric { .. }
        | SearchError::TooManyCandidates { .. }
        | SearchError::Parameter(_) => Code::InvalidArgument,
        SearchError::IncompleteView { .. } => Code::FailedPrecondition,
        // A step limit is the caller's own, like a time limit.
        SearchError::Stopped(Completion::Deadline | Completion::StepLimit) => Code::DeadlineExceeded,
        SearchError::Stopped(Completion::Cancelled) => Code::Cancelled,
        SearchError::Read(error) => read(error),
        SearchError::Stopped(Completion::Complete) | SearchError::Embed(_) | SearchError::Derive(_) | _ => {
            Code::Internal
        }
    }
}

fn decode(error: &DecodeError) -> Code {
    match error {
        DecodeError::TooLarge { .. }
        | DecodeError::Format { .. }
        | DecodeError::Sides { .. }
        | DecodeError::Damaged { .. }
        | DecodeError::Shape(_) => Code::InvalidArgument,
        DecodeError::Read(_) | _ => Code::Internal,
    }
}

fn ingest(error: &IngestError) -> Code {
    match error {
        IngestError::Write(error) => write(error),
        IngestError::Read(error) => read(error),
        // It was decoded once before, so the caller is not to blame.
        IngestError::Decode(_)
        | IngestError::Embed(_)
        | IngestError::Derive(_)
        | IngestError::Rows { .. }
        | _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests;
