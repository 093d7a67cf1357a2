use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use crate::{ExemplarId, ExemplarSource, FeatureRows, Image, LabelId, SourceError, View, Whitening};

/// One exemplar of a [`MemorySource`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryExemplar {
    /// Its image.
    pub image: Image,
    /// The user's word for its class, if it has one.
    pub label: Option<String>,
}

/// A small collection in memory, to test a reranker without a database.
///
/// Exemplars have the ids 0, 1, 2, ... in the order given, labels in the order of first use. It keeps whatever it is
/// given and whitens in plain `f64` loops, so some thousand rows of some hundred values are its limit in practice.
#[derive(Debug, Clone)]
pub struct MemorySource {
    images: Vec<Image>,
    labels: Vec<Option<LabelId>>,
    label_names: Vec<String>,
    views: BTreeMap<String, MemoryView>,
    state: Option<u64>,
}

#[derive(Debug, Clone)]
struct MemoryView {
    rows: FeatureRows,
    whitening: Option<Whitening>,
}

impl MemorySource {
    /// Exemplars with their rows in the clean view, `[n, dimension]` in the same order.
    ///
    /// # Errors
    ///
    /// [`MemoryError::RowCount`] when there is not one row per exemplar; [`MemoryError::TooMany`] when ids run out.
    pub fn new(exemplars: Vec<MemoryExemplar>, rows: FeatureRows) -> Result<Self, MemoryError> {
        if u32::try_from(exemplars.len()).is_err() {
            return Err(MemoryError::TooMany { found: exemplars.len() });
        }
        let mut source = Self {
            images: Vec::with_capacity(exemplars.len()),
            labels: Vec::with_capacity(exemplars.len()),
            label_names: Vec::new(),
            views: BTreeMap::new(),
            state: None,
        };
        for MemoryExemplar { image, label } in exemplars {
            source.images.push(image);
            let label = label.map(|name| source.label(name));
            source.labels.push(label);
        }
        source.with_view(View::CLEAN, rows)
    }

    /// The same source with the rows of a further view, or other rows for one it has.
    ///
    /// # Errors
    ///
    /// [`MemoryError::RowCount`] when there is not one row per exemplar.
    pub fn with_view(mut self, name: &str, rows: FeatureRows) -> Result<Self, MemoryError> {
        if rows.len() != self.images.len() {
            return Err(MemoryError::RowCount { found: rows.len(), exemplars: self.images.len() });
        }
        let whitening = Whitening::fit(&rows).ok();
        self.views.insert(name.to_owned(), MemoryView { rows, whitening });
        Ok(self)
    }

    /// The same source, which tells rerankers that this is its state, so that they may keep what they compute of it. A
    /// source that differs must have another number.
    #[must_use]
    pub fn with_state_number(mut self, state: u64) -> Self {
        self.state = Some(state);
        self
    }

    /// Number of exemplars.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// All ids, ascending.
    pub fn ids(&self) -> Vec<ExemplarId> {
        (0..).take(self.len()).collect()
    }

    fn label(&mut self, name: String) -> LabelId {
        let known = self.label_names.iter().position(|other| *other == name);
        let position = known.unwrap_or_else(|| {
            self.label_names.push(name);
            self.label_names.len() - 1
        });
        position as LabelId
    }

    fn view(&self, name: &str) -> Result<&MemoryView, SourceError> {
        self.views.get(name).ok_or_else(|| SourceError::View { name: name.to_owned() })
    }

    fn position(&self, id: ExemplarId) -> Result<usize, SourceError> {
        Some(id as usize).filter(|position| *position < self.len()).ok_or(SourceError::Missing { id })
    }
}

impl ExemplarSource for MemorySource {
    fn images(&self, ids: &[ExemplarId]) -> Result<Vec<Image>, SourceError> {
        ids.iter().map(|&id| Ok(self.images[self.position(id)?].clone())).collect()
    }

    fn rows(&self, view: &str, ids: &[ExemplarId]) -> Result<FeatureRows, SourceError> {
        let all = &self.view(view)?.rows;
        let mut values = Vec::with_capacity(ids.len() * all.dimension());
        for &id in ids {
            values.extend_from_slice(all.row(self.position(id)?));
        }
        FeatureRows::new(all.dimension(), values).map_err(|error| SourceError::Storage(Box::new(error)))
    }

    fn labels(&self, ids: &[ExemplarId]) -> Result<Vec<Option<LabelId>>, SourceError> {
        ids.iter().map(|&id| Ok(self.labels[self.position(id)?])).collect()
    }

    fn label_name(&self, label: LabelId) -> Option<&str> {
        self.label_names.get(label as usize).map(String::as_str)
    }

    fn background(&self, size: usize, seed: u64) -> Vec<ExemplarId> {
        let mut strata: BTreeMap<Option<LabelId>, Vec<(u64, ExemplarId)>> = BTreeMap::new();
        for (id, label) in (0..).zip(&self.labels) {
            strata.entry(*label).or_default().push((scramble(seed, id), id));
        }
        for ids in strata.values_mut() {
            ids.sort_unstable();
        }
        let mut sample = Vec::with_capacity(size.min(self.len()));
        // Labels take turns, so that none is missing while another comes twice.
        for turn in 0..self.len() {
            let round = strata.values().filter_map(|ids| ids.get(turn)).map(|entry| entry.1);
            sample.extend(round.take(size - sample.len()));
            if sample.len() == size {
                break;
            }
        }
        sample.sort_unstable();
        sample
    }

    fn whiten(&self, view: &str, rows: &FeatureRows) -> Result<FeatureRows, SourceError> {
        let view = self.view(view)?;
        let whitening = view.whitening.as_ref().ok_or(SourceError::Whitening { rows: self.len() })?;
        whitening.whiten(rows)
    }

    fn state_number(&self) -> Option<u64> {
        self.state
    }
}

/// A hash of seed and id, which orders the exemplars of a label at random.
fn scramble(seed: u64, id: ExemplarId) -> u64 {
    let mut z = seed.wrapping_add(u64::from(id).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Why a [`MemorySource`] refuses what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryError {
    /// There is not one row per exemplar.
    RowCount {
        /// Rows given.
        found: usize,
        /// Exemplars there are.
        exemplars: usize,
    },
    /// There are more exemplars than ids.
    TooMany {
        /// Exemplars given.
        found: usize,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowCount { found, exemplars } => {
                write!(f, "{found} rows for {exemplars} exemplars; give one row per exemplar")
            }
            Self::TooMany { found } => {
                write!(f, "{found} exemplars, a collection holds at most {}", u32::MAX)
            }
        }
    }
}

impl Error for MemoryError {}
