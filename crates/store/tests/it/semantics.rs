use std::ops::ControlFlow;

use super::store::{ReadError, TagValue, Upserted, WriteBatch, content_digest};

use super::database::{create, open, place};
use super::sample::{deletes, exemplar, labelled, row, tagged, upserts};

#[test]
fn what_was_stored_is_there_after_reopening() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    let mut new = tagged("a", 5, &[("year", 2020.0.into()), ("place", "Ulm".into())]);
    new.label = Some("wren".to_owned());
    new.rows.push(("blur".to_owned(), row(50)));
    let receipt = things.write(upserts(vec![new.clone(), exemplar("b", 6)])).unwrap();
    assert_eq!(receipt.batch, 1);
    assert_eq!(receipt.outcomes, [Upserted::Inserted(0), Upserted::Inserted(1)]);
    drop((store, things));

    let (_store, things) = open(&root);
    let record = things.record(0).unwrap().unwrap();
    assert_eq!((record.id, record.key.as_str(), record.label.as_deref()), (0, "a", Some("wren")));
    assert_eq!(record.tags, new.tags);
    assert_eq!((record.height, record.width, record.channels), (3, 5, 1));
    assert_eq!((record.media_type.as_str(), record.image_bytes as usize), ("image/png", new.image.len()));
    assert_eq!(record.content, content_digest(&new.image));
    assert_eq!(things.image(0).unwrap(), Some(new.image));
    assert_eq!(things.id_of("b").unwrap(), Some(1));
    assert_eq!(things.id_of("c").unwrap(), None);
    assert_eq!(things.record(2).unwrap(), None);
    assert_eq!(things.rows("clean", &[1, 0, 1]).unwrap().values(), [row(6), row(5), row(6)].concat());
    assert_eq!(things.rows("blur", &[0]).unwrap().row(0), row(50));
    assert!(matches!(things.rows("blur", &[1]), Err(ReadError::NoRow { id: 1, .. })));
    assert!(matches!(things.rows("mirror", &[1]), Err(ReadError::UnknownView { .. })));

    let catalog = things.catalog();
    assert_eq!((catalog.batch(), catalog.next_id(), catalog.len()), (1, 2, 2));
    assert_eq!(catalog.label_of(0).and_then(|label| catalog.label_name(label)), Some("wren"));
    assert_eq!(catalog.label_of(1), None);
    assert_eq!(catalog.tag_names().collect::<Vec<_>>(), ["place", "year"]);
    assert!(catalog.tag("year").unwrap()[&TagValue::Number(2020.0)].contains(0));
    assert_eq!(catalog.views(), ["clean", "blur"]);
    let stats = things.stats().unwrap();
    assert_eq!((stats.exemplars, stats.labels, stats.batches), (2, 1, 1));
    assert_eq!(stats.views, ["blur", "clean"]);
    assert!(stats.disk_bytes > stats.image_bytes);
}

#[test]
fn another_image_under_a_key_gets_a_new_id() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    things.write(upserts(vec![labelled("a", 1, "x")])).unwrap();
    let receipt = things.write(upserts(vec![labelled("a", 2, "y")])).unwrap();
    assert_eq!(receipt.outcomes, [Upserted::Replaced { id: 1, previous: 0 }]);
    assert_eq!(things.record(0).unwrap(), None);
    assert_eq!(things.image(0).unwrap(), None);
    assert!(things.rows("clean", &[0]).is_err());
    assert_eq!(things.id_of("a").unwrap(), Some(1));
    let catalog = things.catalog();
    assert_eq!(catalog.live().iter().collect::<Vec<_>>(), [1]);
    let x = catalog.label_id("x").unwrap();
    assert!(catalog.label_members(x).unwrap().is_empty());
}

#[test]
fn the_same_again_writes_nothing() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    let new = tagged("a", 1, &[("n", 1.0.into())]);
    things.write(upserts(vec![new.clone()])).unwrap();
    let receipt = things.write(upserts(vec![new])).unwrap();
    assert_eq!((receipt.batch, receipt.outcomes), (1, vec![Upserted::Unchanged(0)]));
    assert_eq!(things.write(deletes(&["nobody"])).unwrap().deleted, [None]);
    assert_eq!(things.catalog().batch(), 1);
}

#[test]
fn other_labels_and_tags_keep_the_id_and_the_rows() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    let mut new = tagged("a", 1, &[("n", 1.0.into()), ("m", "old".into())]);
    new.label = Some("x".to_owned());
    things.write(upserts(vec![new.clone()])).unwrap();
    let before = things.record(0).unwrap().unwrap();
    new.label = Some("y".to_owned());
    new.tags = [("n".to_owned(), 1.0.into()), ("k".to_owned(), "new".into())].into();
    let receipt = things.write(upserts(vec![new.clone()])).unwrap();
    assert_eq!(receipt.outcomes, [Upserted::Relabelled(0)]);
    drop((store, things));

    let (_store, things) = open(&root);
    let after = things.record(0).unwrap().unwrap();
    assert_eq!((after.label.as_deref(), &after.tags), (Some("y"), &new.tags));
    assert_eq!(after.created_ms, before.created_ms);
    assert_eq!(things.rows("clean", &[0]).unwrap().row(0), row(1));
    let catalog = things.catalog();
    assert_eq!(catalog.tag_names().collect::<Vec<_>>(), ["k", "n"]);
    assert_eq!(catalog.label_of(0), catalog.label_id("y"));
    assert!(catalog.tag("m").is_none());
}

#[test]
fn the_later_upsert_of_a_key_wins_and_deletes_come_first() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    things.write(upserts(vec![exemplar("a", 1)])).unwrap();
    let batch = WriteBatch {
        upserts: vec![exemplar("a", 1), labelled("b", 2, "x"), labelled("b", 3, "x")],
        deletes: vec!["a".to_owned(), "a".to_owned()],
    };
    let receipt = things.write(batch).unwrap();
    assert_eq!(receipt.deleted, [Some(0), None]);
    let replaced = Upserted::Replaced { id: 3, previous: 2 };
    assert_eq!(receipt.outcomes, [Upserted::Inserted(1), Upserted::Inserted(2), replaced]);
    drop((store, things));
    let (_store, things) = open(&root);
    assert_eq!(things.catalog().live().iter().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(things.image(2).unwrap(), None);
    assert_eq!(things.image(3).unwrap(), Some(exemplar("b", 3).image));
}

#[test]
fn an_id_is_never_used_again() {
    let (_folder, root) = place();
    let (store, things) = create(&root);
    things.write(upserts(vec![exemplar("a", 1), exemplar("b", 2)])).unwrap();
    things.write(deletes(&["b", "a"])).unwrap();
    drop((store, things));
    let (_store, things) = open(&root);
    assert!(things.catalog().is_empty());
    let receipt = things.write(upserts(vec![exemplar("b", 2)])).unwrap();
    assert_eq!(receipt.outcomes, [Upserted::Inserted(2)]);
}

#[test]
fn a_catalog_that_somebody_holds_never_changes() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    things.write(upserts(vec![tagged("a", 1, &[("t", "v".into())]), labelled("b", 2, "x")])).unwrap();
    let held = things.catalog();
    things.write(deletes(&["a", "b"])).unwrap();
    assert_eq!(held.live().iter().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(held.tag("t").unwrap()[&"v".into()].len(), 1);
    assert_eq!(held.label_of(1), Some(0));
    assert_eq!(things.catalog().label_of(1), None);
}

#[test]
fn equal_images_under_different_keys_are_found_by_content() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    things.write(upserts(vec![exemplar("a", 1), exemplar("b", 1), exemplar("c", 2)])).unwrap();
    let content = content_digest(&exemplar("a", 1).image);
    assert_eq!(things.ids_of_content(&content).unwrap(), [0, 1]);
    things.write(deletes(&["a"])).unwrap();
    assert_eq!(things.ids_of_content(&content).unwrap(), [1]);
}

#[test]
fn pages_follow_the_keys() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    let keys = ["b", "a", "ab", "a\u{0}", "c"];
    things.write(upserts(keys.iter().zip(1..).map(|(key, seed)| exemplar(key, seed)).collect())).unwrap();
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = things.list(after.as_deref(), 2).unwrap();
        seen.extend(page.entries.into_iter().map(|record| record.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "a\u{0}", "ab", "b", "c"]);
    assert!(things.list(Some("c"), 9).unwrap().entries.is_empty());
}

#[test]
fn a_scan_goes_up_from_an_id_until_it_is_broken_off() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    // Enough ids for their lowest byte to overflow, stored in two views.
    let mut batch: Vec<_> = (0..600).map(|seed| exemplar(&format!("k{seed}"), seed % 7)).collect();
    batch[3].rows.push(("other".to_owned(), row(1000)));
    things.write(upserts(batch)).unwrap();
    things.write(deletes(&["k10"])).unwrap();
    let mut seen = Vec::new();
    things
        .scan_rows("clean", 5.., &mut |id, values| {
            assert_eq!(values, row(u64::from(id) % 7));
            seen.push(id);
            if id == 500 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    let expected: Vec<u32> = (5..=500).filter(|&id| id != 10).collect();
    assert_eq!(seen, expected);
    let mut others = 0;
    things
        .scan_rows("other", 0.., &mut |_, _| {
            others += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(others, 1);
}

#[test]
fn numbers_of_tags_are_ordered_as_numbers() {
    let (_folder, root) = place();
    let (_store, things) = create(&root);
    let values = [10.0, -3.5, 2.0, -0.0];
    let batch =
        values.iter().zip(0..).map(|(&v, seed)| tagged(&format!("k{seed}"), seed, &[("v", v.into())]));
    things.write(upserts(batch.collect())).unwrap();
    let catalog = things.catalog();
    let range = catalog.tag("v").unwrap().range(TagValue::Number(0.0)..TagValue::Number(10.0));
    let ids: Vec<u32> = range.flat_map(|(_, members)| members.iter()).collect();
    assert_eq!(ids, [3, 2]);
}
