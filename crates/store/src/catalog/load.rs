//! The catalog as it is put together when a collection is opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Catalog, LabelEntry, ViewEntry};
use crate::generation::tree::{AccessError, Tree};
use crate::key::{self, Namespace};
use crate::schema::{Models, Totals};
use crate::{Damage, TagValue, container, limits, value};

/// Numbers of tag values; the writer needs them, readers do not.
pub(crate) type TagNumbers = HashMap<(String, TagValue), u32>;

/// Takes over the numbers that a batch gave or took back.
pub(crate) fn renumber(known: &mut TagNumbers, news: HashMap<(String, TagValue), Option<u32>>) {
    for (name, number) in news {
        match number {
            Some(number) => known.insert(name, number),
            None => known.remove(&name),
        };
    }
}

const NAME: &str = "name";
const BITMAP: &str = "bitmap";
const MOST_VIEW: u32 = u16::MAX as u32;

/// Names by number.
#[derive(Default)]
struct Names {
    labels: BTreeMap<u32, String>,
    views: BTreeMap<u32, (u16, String)>,
    tags: BTreeMap<u32, (String, TagValue)>,
}

/// Reads the catalog of a tree and checks that it fits together. Whether records and keys agree with it is for
/// [`census`](super::census) to find out, which takes longer.
pub(crate) fn load(tree: &Tree) -> Result<(Catalog, TagNumbers), AccessError> {
    let totals: Totals = match tree.get(Totals::WHAT, &key::next())? {
        Some(payload) => value::decode(Totals::WHAT, &payload)?,
        None => return Err(Damage::Missing { what: Totals::WHAT }.into()),
    };
    if totals.batch == u64::MAX {
        return Err(Damage::Decode { what: Totals::WHAT }.into());
    }
    let models: Models = match tree.get(Models::WHAT, &key::models())? {
        Some(payload) => value::decode(Models::WHAT, &payload)?,
        None => return Err(Damage::Missing { what: Models::WHAT }.into()),
    };
    if !models.is_sound() {
        return Err(Damage::Decode { what: Models::WHAT }.into());
    }
    let names = load_names(tree)?;
    let mut tombstones = RoaringBitmap::new();
    let mut labels: Vec<RoaringBitmap> = vec![RoaringBitmap::new(); names.labels.len()];
    let mut tags: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
    let mut absent: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
    let mut entries = tree.prefix(BITMAP, key::CONTAINERS)?;
    while let Some((key, payload)) = entries.next()? {
        let Some((space, number, high)) = key::split_container(&key) else {
            return Err(Damage::Decode { what: BITMAP }.into());
        };
        let bitmap = match space {
            Namespace::Tombstone if number == 0 => Some(&mut tombstones),
            Namespace::Label => labels.get_mut(number as usize),
            Namespace::Tag if names.tags.contains_key(&number) => Some(tags.entry(number).or_default()),
            Namespace::View if names.views.contains_key(&number) => Some(absent.entry(number).or_default()),
            Namespace::Tombstone | Namespace::Tag | Namespace::View => None,
        };
        let bitmap = bitmap.ok_or(Damage::Missing { what: "name of a bitmap" })?;
        container::decode_into(bitmap, &payload, high, totals.next_id)?;
    }
    let mut live = RoaringBitmap::new();
    live.insert_range(0..totals.next_id);
    live -= tombstones;

    let damaged = || Damage::Decode { what: Models::WHAT };
    let mut catalog = Catalog::empty(models).ok_or_else(damaged)?;
    (catalog.totals, catalog.live) = (totals, Arc::new(live));
    add_views(&mut catalog, names.views, absent)?;
    add_labels(&mut catalog, names.labels, labels)?;
    let numbers = add_tags(&mut catalog, names.tags, tags)?;
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
            Namespace::View => {
                let (model, view) = key::split_view_name(name).ok_or_else(damaged)?;
                names.views.insert(number, (model, view.to_owned())).is_some()
            }
            Namespace::Tag => {
                names.tags.insert(number, key::split_tag_name(name).ok_or_else(damaged)?).is_some()
            }
            Namespace::Tombstone => true,
        };
        if twice {
            return Err(damaged());
        }
    }
    // Labels are numbered without gaps; a view's number is free again when its model was dropped.
    let dense = names.labels.keys().zip(0..).all(|(&number, expected)| number == expected);
    let few = names.views.len() <= limits::MAX_VIEWS && names.views.keys().all(|&number| number <= MOST_VIEW);
    if !dense || !few {
        return Err(Damage::Missing { what: NAME }.into());
    }
    Ok(names)
}

fn add_views(
    catalog: &mut Catalog,
    names: BTreeMap<u32, (u16, String)>,
    mut absent: BTreeMap<u32, RoaringBitmap>,
) -> Result<(), Damage> {
    let mut views = BTreeMap::new();
    for (number, (model, name)) in names {
        let absent = absent.remove(&number).unwrap_or_default();
        if !absent.is_subset(&catalog.live) {
            return Err(Damage::Missing { what: "exemplar of a view" });
        }
        if catalog.models.get(model).is_none() {
            return Err(Damage::Missing { what: "model of a view" });
        }
        views.insert(number as u16, ViewEntry { model, name, absent: Arc::new(absent) });
    }
    catalog.views = Arc::new(views);
    Ok(())
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
