use lookalike_plugin_api::Fingerprint;

/// A model that rows of a collection were made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its number in the collection. Numbers ascend and are not used again.
    pub number: u16,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// What its rows are for.
    pub role: ModelRole,
    /// When its first row was asked for, in milliseconds since 1970 UTC.
    pub created_ms: u64,
}

/// What the rows of a model are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelRole {
    /// They are served.
    Current,
    /// They were served before the current ones; [`Collection::rollback`](crate::Collection::rollback) returns to them.
    Previous,
    /// They are being made, and will be served when there is one for each exemplar.
    Building,
    /// They are being removed.
    Dropped,
}
