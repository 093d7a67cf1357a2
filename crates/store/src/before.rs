use std::collections::HashMap;

use lookalike_plugin_api::ExemplarId;

use crate::record::StoredRecord;

/// What one batch replaces.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// Ids of keys; none for a key that is new.
    pub(crate) keys: HashMap<String, Option<ExemplarId>>,
    pub(crate) records: HashMap<ExemplarId, StoredRecord>,
}
