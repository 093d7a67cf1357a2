//! Filters: which exemplars a search may return, by label and tags.

mod parse;

use std::ops::Bound;

use lookalike_store::{Catalog, TagValue};
use roaring::RoaringBitmap;

pub use parse::{FilterError, MAX_FILTER_BYTES};

/// A condition on exemplars, evaluated on bitmaps before any feature row is read.
///
/// # Text form
///
/// ```text
/// label = cat and (split = train or width >= 32) and not source in ("web", "scan 2")
/// ```
///
/// `label` is the exemplar's label, every other name is a tag; a name in quotes is always a tag. Comparisons are
/// `=`, `!=`, `<`, `<=`, `>`, `>=` and `in (..)`; `has NAME` asks whether a label or tag is there at all. The order
/// comparisons look at number tags only. A value without quotes that reads as a number matches a number tag and
/// the text of the same spelling; a value in quotes is always text. `!=` also holds where the tag is missing.
///
/// # Examples
///
/// ```
/// use lookalike_engine::Filter;
///
/// let filter: Filter = "label = 7 and split != test".parse()?;
/// let error = "label = ".parse::<Filter>().unwrap_err();
/// assert!(error.to_string().contains("a value"));
/// # Ok::<(), lookalike_engine::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Filter {
    /// All of them hold; none at all holds always.
    All(Vec<Filter>),
    /// At least one of them holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The label is one of these.
    Label(Vec<String>),
    /// There is a label.
    HasLabel,
    /// The tag has one of these values.
    Tag {
        /// The tag's name.
        name: String,
        /// Accepted values.
        values: Vec<TagValue>,
    },
    /// There is a tag of this name.
    HasTag(String),
    /// The tag is a number within the bounds.
    Range {
        /// The tag's name.
        name: String,
        /// Lower bound.
        from: Bound<f64>,
        /// Upper bound.
        to: Bound<f64>,
    },
}

impl Filter {
    /// The live exemplars for which the filter holds.
    pub(crate) fn matches(&self, catalog: &Catalog) -> RoaringBitmap {
        match self {
            Self::All(parts) => {
                parts.iter().fold(catalog.live().clone(), |found, part| found & part.matches(catalog))
            }
            Self::Any(parts) => union(parts.iter().map(|part| part.matches(catalog))),
            Self::Not(part) => catalog.live() - part.matches(catalog),
            Self::Label(names) => union(names.iter().filter_map(|name| {
                let members = catalog.label_members(catalog.label_id(name)?)?;
                Some(members.as_ref().clone())
            })),
            Self::HasLabel => union(catalog.labels().map(|(_, _, members)| members.clone())),
            Self::Tag { name, values } => catalog.tag(name).map_or_else(RoaringBitmap::new, |by_value| {
                union(
                    values.iter().filter_map(|value| by_value.get(value)).map(|found| found.as_ref().clone()),
                )
            }),
            Self::HasTag(name) => catalog.tag(name).map_or_else(RoaringBitmap::new, |by_value| {
                union(by_value.values().map(|found| found.as_ref().clone()))
            }),
            Self::Range { name, from, to } => catalog.tag(name).map_or_else(RoaringBitmap::new, |by_value| {
                let within = by_value.iter().filter(|(value, _)| match value {
                    TagValue::Number(number) => above(*from, *number) && below(*to, *number),
                    TagValue::Text(_) => false,
                });
                union(within.map(|(_, found)| found.as_ref().clone()))
            }),
        }
    }
}

fn union(parts: impl Iterator<Item = RoaringBitmap>) -> RoaringBitmap {
    parts.fold(RoaringBitmap::new(), |all, part| all | part)
}

fn above(bound: Bound<f64>, number: f64) -> bool {
    match bound {
        Bound::Included(least) => number >= least,
        Bound::Excluded(least) => number > least,
        Bound::Unbounded => true,
    }
}

fn below(bound: Bound<f64>, number: f64) -> bool {
    match bound {
        Bound::Included(most) => number <= most,
        Bound::Excluded(most) => number < most,
        Bound::Unbounded => true,
    }
}
