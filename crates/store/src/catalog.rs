pub(crate) mod census;
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;

use lookalike_plugin_api::{ExemplarId, Fingerprint, LabelId};
use roaring::RoaringBitmap;

pub(crate) use load::{TagNumbers, load, renumber};

use crate::schema::model::{Model, ModelRole};
use crate::schema::{Models, Totals};
use crate::{Record, TagValue};

/// Which exemplars there are, with which labels and tags, after one batch.
///
/// It never changes: [`Collection::catalog`](crate::Collection::catalog) gives the newest, and who holds one keeps
/// seeing the same state.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) totals: Totals,
    pub(crate) live: Arc<RoaringBitmap>,
    // Indexed by label number; the bitmap of a label that nobody has any more is empty.
    pub(crate) labels: Vec<LabelEntry>,
    pub(crate) label_numbers: Arc<BTreeMap<Arc<str>, LabelId>>,
    // The label of each id, in pieces of `PIECE` ids so that a batch copies only those it changes.
    label_of: Vec<Arc<[LabelId; PIECE]>>,
    pub(crate) tags: BTreeMap<String, Arc<TagValues>>,
    // By view number.
    pub(crate) views: Arc<BTreeMap<u16, ViewEntry>>,
    pub(crate) models: Arc<Models>,
    fingerprint: Arc<Fingerprint>,
}

pub(crate) type TagValues = BTreeMap<TagValue, Arc<RoaringBitmap>>;

const PIECE: usize = 4_096;
const NO_LABEL: LabelId = LabelId::MAX;

#[derive(Debug, Clone)]
pub(crate) struct LabelEntry {
    pub(crate) name: Arc<str>,
    pub(crate) members: Arc<RoaringBitmap>,
}

/// A view of one model.
#[derive(Debug, Clone)]
pub(crate) struct ViewEntry {
    pub(crate) model: u16,
    pub(crate) name: String,
    /// Exemplars that have no row in it. Mostly there are none, so that a batch writes no bitmap for it.
    pub(crate) absent: Arc<RoaringBitmap>,
}

impl Catalog {
    /// A catalog without exemplars.
    pub(crate) fn empty(models: Models) -> Option<Self> {
        let fingerprint = Arc::new(models.get(models.current)?.fingerprint());
        Some(Self {
            totals: Totals::default(),
            live: Arc::default(),
            labels: Vec::new(),
            label_numbers: Arc::default(),
            label_of: Vec::new(),
            tags: BTreeMap::new(),
            views: Arc::default(),
            models: Arc::new(models),
            fingerprint,
        })
    }

    /// A copy that the next batch is drafted on. It is not public: what a state has stays readable as long as that very
    /// state is held.
    pub(crate) fn successor(&self) -> Self {
        Self {
            totals: self.totals,
            live: Arc::clone(&self.live),
            labels: self.labels.clone(),
            label_numbers: Arc::clone(&self.label_numbers),
            label_of: self.label_of.clone(),
            tags: self.tags.clone(),
            views: Arc::clone(&self.views),
            models: Arc::clone(&self.models),
            fingerprint: Arc::clone(&self.fingerprint),
        }
    }

    /// Ids of all exemplars.
    pub fn live(&self) -> &RoaringBitmap {
        &self.live
    }

    /// Number of exemplars.
    pub fn len(&self) -> u64 {
        self.live.len()
    }

    /// Whether there is no exemplar.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Number of the batch that this is the state after; 0 before the first.
    pub fn batch(&self) -> u64 {
        self.totals.batch
    }

    /// The id that the next new exemplar gets; every id ever given is smaller.
    pub fn next_id(&self) -> ExemplarId {
        self.totals.next_id
    }

    /// Every label ever used, in the order of first use: its number, its name, and the exemplars that have it now.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (LabelId, &str, &RoaringBitmap)> {
        self.labels
            .iter()
            .enumerate()
            .map(|(number, entry)| (number as LabelId, &*entry.name, &*entry.members))
    }

    /// The number of a label; `None` if it was never used.
    pub fn label_id(&self, name: &str) -> Option<LabelId> {
        self.label_numbers.get(name).copied()
    }

    /// The user's word for a label.
    pub fn label_name(&self, label: LabelId) -> Option<&str> {
        self.labels.get(label as usize).map(|entry| &*entry.name)
    }

    /// The exemplars that have a label, shared; `None` for a label never used.
    pub fn label_members(&self, label: LabelId) -> Option<&Arc<RoaringBitmap>> {
        self.labels.get(label as usize).map(|entry| &entry.members)
    }

    /// The label of an exemplar; `None` if it has none or is not there.
    pub fn label_of(&self, id: ExemplarId) -> Option<LabelId> {
        let piece = self.label_of.get(id as usize / PIECE)?;
        Some(piece[id as usize % PIECE]).filter(|&label| label != NO_LABEL)
    }

    /// Whether the bitmaps have an exemplar under the label and the tags of its record.
    pub(crate) fn agrees_with(&self, record: &Record) -> bool {
        let label = self.label_of(record.id).and_then(|label| self.label_name(label));
        let has_tag = |(name, value): (&String, &TagValue)| {
            self.tag(name).and_then(|values| values.get(value)).is_some_and(|ids| ids.contains(record.id))
        };
        label == record.label.as_deref() && record.tags.iter().all(has_tag)
    }

    /// Names of the tags that at least one exemplar has, ascending.
    pub fn tag_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tags.keys().map(String::as_str)
    }

    /// The values that a tag has, ascending, each with the exemplars that have it (never none); `None` if no
    /// exemplar has the tag.
    pub fn tag(&self, name: &str) -> Option<&BTreeMap<TagValue, Arc<RoaringBitmap>>> {
        self.tags.get(name).map(|values| &**values)
    }

    /// Identity of the model whose rows are served.
    pub fn fingerprint(&self) -> &Arc<Fingerprint> {
        &self.fingerprint
    }

    /// Names of the current model's feature views, in the order of first use.
    pub fn views(&self) -> Vec<&str> {
        let views = self.views.values().filter(|view| view.model == self.models.current);
        views.map(|view| view.name.as_str()).collect()
    }

    /// The models that rows are kept of, in the order in which they came.
    pub fn models(&self) -> Vec<Model> {
        let role = |number| match number {
            number if number == self.models.current => ModelRole::Current,
            number if Some(number) == self.models.building => ModelRole::Building,
            number if Some(number) == self.models.previous => ModelRole::Previous,
            _ => ModelRole::Dropped,
        };
        let entries = self.models.entries.iter();
        entries
            .map(|entry| Model {
                number: entry.number,
                fingerprint: entry.fingerprint(),
                role: role(entry.number),
                created_ms: entry.created_ms,
            })
            .collect()
    }

    /// The exemplars that have no row in a view of a model; all of them if there is no such view yet.
    pub fn without_row(&self, model: u16, view: &str) -> Arc<RoaringBitmap> {
        self.view_number(model, view)
            .and_then(|number| self.views.get(&number))
            .map_or_else(|| Arc::clone(&self.live), |entry| Arc::clone(&entry.absent))
    }

    /// Number of the model whose rows are served.
    pub fn current_model(&self) -> u16 {
        self.models.current
    }

    pub(crate) fn view_number(&self, model: u16, view: &str) -> Option<u16> {
        let mut views = self.views.iter();
        views.find(|(_, entry)| entry.model == model && entry.name == view).map(|(&number, _)| number)
    }

    pub(crate) fn set_models(&mut self, models: Models) {
        if let Some(current) = models.get(models.current) {
            self.fingerprint = Arc::new(current.fingerprint());
        }
        self.models = Arc::new(models);
    }

    pub(crate) fn set_label_of(&mut self, id: ExemplarId, label: Option<LabelId>) {
        let piece = id as usize / PIECE;
        while self.label_of.len() <= piece {
            self.label_of.push(Arc::new([NO_LABEL; PIECE]));
        }
        Arc::make_mut(&mut self.label_of[piece])[id as usize % PIECE] = label.unwrap_or(NO_LABEL);
    }
}
