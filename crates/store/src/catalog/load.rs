//! The catalog as it is put together when a collection is opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Catalog, LabelEntry, census};
use crate::key::{self, Namespace};
use crate::schema::Totals;
use crate::tree::{AccessError, Tree};
use crate::{Damage, TagValue, container, limits, value};

/// Numbers of tag values; the writer needs them, readers do not.
pub(crate) type TagNumbers = HashMap<(String, TagValue), u32>;

const NAME: &str = "name";
const BITMAP: &str = "bitmap";

/// Names by number.
#[derive(Default)]
struct Names {
    labels: BTreeMap<u32, String>,
    views: BTreeMap<u32, String>,
    tags: BTreeMap<u32, (String, TagValue)>,
}

/// Reads the catalog of a tree and checks that it fits together.
pub(crate) fn load(tree: &Tree) -> Result<(Catalog, TagNumbers), AccessError> {
    let totals: Totals = match tree.get(Totals::WHAT, &key::next())? {
        Some(payload) => value::decode(Totals::WHAT, &payload)?,
        None => return Err(Damage::Missing { what: Totals::WHAT }.into()),
    };
    let names = load_names(tree)?;
    let mut tombstones = RoaringBitmap::new();
    let mut labels: Vec<RoaringBitmap> = vec![RoaringBitmap::new(); names.labels.len()];
    let mut tags: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
    let mut entries = tree.prefix(BITMAP, key::CONTAINERS)?;
    while let Some((key, payload)) = entries.next()? {
        let Some((space, number, high)) = key::split_container(&key) else {
            return Err(Damage::Decode { what: BITMAP }.into());
        };
        let bitmap = match space {
            Namespace::Tombstone if number == 0 => Some(&mut tombstones),
            Namespace::Label => labels.get_mut(number as usize),
            Namespace::Tag if names.tags.contains_key(&number) => Some(tags.entry(number).or_default()),
            Namespace::Tombstone | Namespace::Tag | Namespace::View => None,
        };
        let bitmap = bitmap.ok_or(Damage::Missing { what: "name of a bitmap" })?;
        container::decode_into(bitmap, &payload, high, totals.next_id)?;
    }
    let mut live = RoaringBitmap::new();
    live.insert_range(0..totals.next_id);
    live -= tombstones;

    let mut catalog = Catalog { totals, live: Arc::new(live), ..Catalog::default() };
    catalog.views = Arc::new(names.views.into_values().collect());
    add_labels(&mut catalog, names.labels, labels)?;
    let numbers = add_tags(&mut catalog, names.tags, tags)?;
    census::check(tree, &catalog)?;
    Ok((catalog, numbers))
}

fn load_names(tree: &Tree) -> Result<Names, AccessError> {
    let damaged = || AccessError::from(Damage::Decode { what: NAME });
    let mut names = Names::default();
    let mut entries = tree.prefix(NAME, key::NAMES)?;
    while let Some((key, payload)) = entries.next()? {
        let number = value::decode_u32(NAME, &payload)?;
        let (space, name) = key::split_name(&key).ok_or_else(damaged)?;
        let text = || std::str::from_utf8(name).map(str::to_owned).map_err(|_| damaged());
        let twice = match space {
            Namespace::Label => names.labels.insert(number, text()?).is_some(),
            Namespace::View => names.views.insert(number, text()?).is_some(),
            Namespace::Tag => {
                names.tags.insert(number, key::split_tag_name(name).ok_or_else(damaged)?).is_some()
            }
            Namespace::Tombstone => true,
        };
        if twice {
            return Err(damaged());
        }
    }
    // Labels and views are numbered without gaps.
    for (numbers, most) in [(&names.labels, u32::MAX as usize), (&names.views, limits::MAX_VIEWS)] {
        let dense = numbers.keys().zip(0..).all(|(&number, expected)| number == expected);
        if !dense || numbers.len() > most {
            return Err(Damage::Missing { what: NAME }.into());
        }
    }
    Ok(names)
}

fn add_labels(
    catalog: &mut Catalog,
    names: BTreeMap<u32, String>,
    bitmaps: Vec<RoaringBitmap>,
) -> Result<(), Damage> {
    agree("labels", names.len() as u64, u64::from(catalog.totals.labels))?;
    let labelled = bitmaps.iter().map(RoaringBitmap::len).sum();
    agree("exemplars with a label", labelled, catalog.totals.labelled)?;
    agree("exemplars", catalog.live.len(), catalog.totals.exemplars)?;
    let mut numbers = BTreeMap::new();
    for ((number, name), members) in names.into_iter().zip(bitmaps) {
        if !members.is_subset(&catalog.live) {
            return Err(Damage::Missing { what: "exemplar of a label" });
        }
        for id in &members {
            if catalog.label_of(id).is_some() {
                return Err(Damage::Disagreement { what: "labels of an exemplar", found: 2, expected: 1 });
            }
            catalog.set_label_of(id, Some(number));
        }
        let name: Arc<str> = name.into();
        numbers.insert(Arc::clone(&name), number);
        catalog.labels.push(LabelEntry { name, members: Arc::new(members) });
    }
    catalog.label_numbers = Arc::new(numbers);
    Ok(())
}

fn add_tags(
    catalog: &mut Catalog,
    names: BTreeMap<u32, (String, TagValue)>,
    mut bitmaps: BTreeMap<u32, RoaringBitmap>,
) -> Result<TagNumbers, Damage> {
    let mut numbers = TagNumbers::with_capacity(names.len());
    let mut tagged = 0;
    for (number, (tag, value)) in names {
        // A value that nobody has any more loses its name together with its last container.
        let members = bitmaps.remove(&number).ok_or(Damage::Missing { what: "bitmap of a tag" })?;
        if number >= catalog.totals.next_tag {
            return Err(Damage::Disagreement {
                what: "number of a tag",
                found: number.into(),
                expected: catalog.totals.next_tag.into(),
            });
        }
        if !members.is_subset(&catalog.live) {
            return Err(Damage::Missing { what: "exemplar of a tag" });
        }
        tagged += members.len();
        let values = catalog.tags.entry(tag.clone()).or_default();
        Arc::make_mut(values).insert(value.clone(), Arc::new(members));
        numbers.insert((tag, value), number);
    }
    agree("tags", tagged, catalog.totals.tagged)?;
    Ok(numbers)
}

fn agree(what: &'static str, found: u64, expected: u64) -> Result<(), Damage> {
    if found == expected { Ok(()) } else { Err(Damage::Disagreement { what, found, expected }) }
}
