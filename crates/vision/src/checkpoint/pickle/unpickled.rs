use super::super::value::{NamedStorage, NamedTensor, Value};

/// What a pickle was made of.
#[derive(Debug)]
pub(in crate::checkpoint) struct Unpickled<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) containers: Vec<Vec<Value>>,
    pub(super) storages: Vec<NamedStorage>,
    pub(super) tensors: Vec<NamedTensor>,
    pub(super) root: Value,
    pub(super) length: usize,
}

impl Unpickled<'_> {
    /// The value that the pickle stands for.
    pub(in crate::checkpoint) fn root(&self) -> Value {
        self.root
    }

    /// Bytes of the pickle; others may follow.
    pub(in crate::checkpoint) fn length(&self) -> usize {
        self.length
    }

    pub(in crate::checkpoint) fn storages(&self) -> &[NamedStorage] {
        &self.storages
    }

    pub(in crate::checkpoint) fn tensor(&self, place: usize) -> Option<&NamedTensor> {
        self.tensors.get(place)
    }

    /// The text that a value is, if it is one.
    pub(in crate::checkpoint) fn text(&self, value: Value) -> Option<&str> {
        text(self.bytes, value)
    }

    /// Keys and values of a dictionary whose keys are texts; other keys are passed over. Empty for anything else.
    pub(in crate::checkpoint) fn entries(&self, value: Value) -> impl Iterator<Item = (&str, Value)> {
        let items = if let Value::Dict(place) = value { self.containers.get(place) } else { None };
        let pairs = items.map_or(&[][..], Vec::as_slice).as_chunks().0.iter();
        pairs.filter_map(|&[key, value]| self.text(key).map(|key| (key, value)))
    }

    /// What a list of texts holds; `None` for anything else.
    pub(in crate::checkpoint) fn texts(&self, value: Value) -> Option<Vec<&str>> {
        let Value::List(place) = value else { return None };
        self.containers.get(place)?.iter().map(|&item| self.text(item)).collect()
    }
}

/// The text that a value is in the pickle, if it is one.
pub(super) fn text(bytes: &[u8], value: Value) -> Option<&str> {
    let Value::Text(start, length) = value else { return None };
    str::from_utf8(bytes.get(start..)?.get(..length)?).ok()
}
