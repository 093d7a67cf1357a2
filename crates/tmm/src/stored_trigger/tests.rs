use std::fs;

use lookalike_plugin_api::{Budget, Completion};
use safetensors::SafeTensors;

use super::*;
use crate::tiny;
use crate::trigger::{TriggerSearch, optimise_trigger};

fn trigger(pixels: Pixels) -> Trigger {
    Trigger { pixels, trace: vec![0.75, 0.125], completion: Completion::Complete }
}

fn stored() -> StoredTrigger {
    StoredTrigger::found(&trigger(tiny::pixels(2)), TriggerKind::Global, &tiny::model(), 7).unwrap()
}

/// The variable patch after a few updates.
fn patch() -> StoredTrigger {
    let model = tiny::model();
    let query = [model.prepare(&tiny::image(1))];
    let mask = patch_mask(&query[0]);
    let search = TriggerSearch { steps: 5, learning_rate: 0.015, patience: 0, mask: Some(&mask) };
    let found = optimise_trigger(&model, &query, tiny::pixels(2), &search, &Budget::unlimited()).unwrap();
    StoredTrigger::found(&found, TriggerKind::VariablePatch, &model, 2).unwrap()
}

fn every_kind() -> Vec<StoredTrigger> {
    let model = tiny::model();
    let random = StoredTrigger::random(&model, &TriggerStart::Gaussian, 3).unwrap();
    vec![stored(), patch(), StoredTrigger::fixed_patch(&model), random]
}

#[test]
fn a_trigger_survives_its_file_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.safetensors");
    for stored in every_kind() {
        // The second time over the file of the first.
        stored.save(&path).unwrap();
        stored.save(&path).unwrap();
        let opened = StoredTrigger::open(&path).unwrap();
        assert_eq!(opened, stored);
        assert_eq!((opened.digest(), opened.to_bytes()), (stored.digest(), fs::read(&path).unwrap()));
        opened.ensure_for(&tiny::model()).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn any_reader_of_the_format_finds_the_values_and_where_they_come_from() {
    let (stored, bytes) = (stored(), stored().to_bytes());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("trigger").unwrap();
    assert_eq!(tensor.shape(), [1, 8, 8]);
    let values: Vec<f32> = tensor.data().as_chunks().0.iter().map(|&v| f32::from_le_bytes(v)).collect();
    assert_eq!(values, stored.pixels().values());
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let words = header.metadata().clone().unwrap();
    let word = |name: &str| words[name].as_str();
    assert_eq!((word("kind"), word("seed"), word("updates")), ("global", "7", "2"));
    assert_eq!(word("final_loss"), "0.125");
    assert_eq!(word("model"), tiny::model().fingerprint().weights.to_string());
    assert_eq!(word("digest"), stored.digest().to_string());
}

#[test]
fn the_digest_is_of_what_makes_an_image_and_of_nothing_else() {
    let (model, first) = (tiny::model(), trigger(tiny::pixels(2)));
    let digest =
        |trigger: &Trigger, kind, seed| StoredTrigger::found(trigger, kind, &model, seed).unwrap().digest();
    let reference = digest(&first, TriggerKind::Global, 7);
    assert_eq!(reference, digest(&first, TriggerKind::Global, 8));
    assert_ne!(reference, digest(&first, TriggerKind::PerQuery, 7));
    let mut other = first.clone();
    other.pixels.values_mut()[5] += 1e-6;
    assert_ne!(reference, digest(&other, TriggerKind::Global, 7));
}

#[test]
fn every_kind_is_laid_over_images_as_it_says() {
    let image = tiny::pixels(4);
    let mask = patch_mask(&image);
    for stored in every_kind() {
        let laid = stored.lay_over(&image, Blend::Convex, 0.25);
        match stored.kind() {
            TriggerKind::FixedPatch => assert_eq!(laid, stamp_patch(&image)),
            TriggerKind::VariablePatch => {
                let blended = Blend::Convex.apply(&image, stored.pixels(), 0.25);
                for at in 0..64 {
                    let inside = mask.values()[at] > 0.0;
                    let expected = if inside { blended.values()[at] } else { image.values()[at] };
                    assert_eq!(laid.values()[at].to_bits(), expected.to_bits());
                }
            }
            TriggerKind::Global | TriggerKind::PerQuery | TriggerKind::Random => {
                assert_eq!(laid, Blend::Convex.apply(&image, stored.pixels(), 0.25));
            }
        }
    }
}

#[test]
fn values_are_shown_as_they_are_or_scaled_from_their_own_range() {
    let model = tiny::model();
    let shown = |values: &[f32]| {
        let mut pixels = tiny::pixels(0);
        pixels.values_mut().fill(values[0]);
        pixels.values_mut()[..values.len()].copy_from_slice(values);
        let stored = StoredTrigger::found(&trigger(pixels), TriggerKind::Global, &model, 0).unwrap();
        (stored.is_scaled(), stored.image().unwrap().samples()[..values.len()].to_vec())
    };
    assert_eq!(shown(&[0.0, 0.2, 1.0]), (false, vec![0, 51, 255]));
    assert_eq!(shown(&[-1.0, 1.0, 3.0]), (true, vec![0, 128, 255]));
    assert_eq!(shown(&[2.0, 2.0]), (true, vec![0, 0]));
    assert_eq!(shown(&[f32::MIN, 0.0, f32::MAX]), (true, vec![0, 128, 255]));
}

#[test]
fn a_model_with_other_weights_is_refused() {
    let mut manifest = tiny::model().manifest().clone();
    let other = Model::seeded(manifest.clone(), 6).unwrap();
    let line = stored().ensure_for(&other).unwrap_err().to_string();
    assert!(line.starts_with("the trigger belongs to a model with weights"), "{line}");
    assert!(line.contains("lookalike trigger fit"), "{line}");
    manifest.width = 9;
    let wider = Model::seeded(manifest, 5).unwrap();
    let line = stored().ensure_for(&wider).unwrap_err().to_string();
    assert!(line.starts_with("the trigger has shape [1, 8, 8], the model's input [1, 8, 9]"), "{line}");
}

#[test]
fn values_that_no_trigger_of_the_kind_has_are_refused() {
    let model = tiny::model();
    let refused = |pixels: Pixels, kind| {
        StoredTrigger::found(&trigger(pixels), kind, &model, 0).unwrap_err().to_string()
    };
    let mut broken = tiny::pixels(2);
    broken.values_mut()[9] = f32::NAN;
    assert!(refused(broken, TriggerKind::Global).starts_with("value 9 of the trigger is not finite"));
    let line = refused(tiny::pixels(2), TriggerKind::VariablePatch);
    assert!(line.starts_with("value 3 is not that of a trigger of kind variable_patch"), "{line}");
    let mut board = StoredTrigger::fixed_patch(&model).pixels().clone();
    board.values_mut()[1] = 0.5;
    assert!(refused(board, TriggerKind::FixedPatch).starts_with("value 1 is not"));
    let small = Pixels::new(1, 4, 4, vec![0.5; 16]).unwrap();
    assert!(refused(small, TriggerKind::Global).starts_with("the trigger has shape [1, 4, 4]"));
}

/// The bytes with a part of the header replaced by another of the same length.
fn altered(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
    let mut altered = bytes.to_vec();
    altered[at..at + to.len()].copy_from_slice(to.as_bytes());
    altered
}

#[test]
fn a_file_of_something_else_is_refused_by_name() {
    let bytes = stored().to_bytes();
    let refused = |bytes: &[u8]| StoredTrigger::from_bytes(bytes).unwrap_err().to_string();
    let changed = |from, to| refused(&altered(&bytes, from, to));
    assert!(refused(b"not a file of tensors").starts_with("the file is no readable safetensors file"));
    assert!(changed("trigger 1", "trigger 2").starts_with("the file holds no trigger"));
    assert!(changed("},\"trigger\":", "},\"weights\":").contains("one tensor, called \"trigger\""));
    assert!(changed("\"F32\"", "\"I32\"").contains("not stored as f32"));
    assert!(changed("[1,8,8]", "[2,8,4]").contains("shape [2, 8, 4], expected 1 or 3 channels"));
    assert!(changed("[1,8,8]", "[08, 8]").contains("no readable safetensors file"));
    assert!(changed("[1,8,8]", "[ 8, 8]").contains("shape [8, 8]"));
    assert!(changed("[1,8,8]", "[1,4,8]").contains("no readable safetensors file"));
    let line = changed("\"global\"", "\"gloomy\"");
    assert!(line.starts_with("the trigger's \"kind\" is \"gloomy\", expected a kind of trigger"), "{line}");
    assert!(changed("\"seed\"", "\"seen\"").starts_with("the trigger's \"seed\" is missing"));
    assert!(changed("\"0.125\"", "\"NaN  \"").contains("expected a number"));
    assert!(changed("\"0.125\"", "\"  inf\"").contains("expected a number"));
    assert!(changed("\"0.125\"", "\"1e999\"").starts_with("final loss 0 of the trigger is not finite"));
    assert!(changed("\"global\"", "\"random\"").contains("it was changed or damaged"));
}

#[test]
fn a_flipped_bit_anywhere_in_the_values_and_a_cut_anywhere_are_found() {
    let bytes = stored().to_bytes();
    let values = bytes.len() - 4 * 64;
    for at in values..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(StoredTrigger::from_bytes(&flipped).is_err(), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(StoredTrigger::from_bytes(&bytes[..length]).is_err(), "cut at {length}");
    }
    for at in 0..values {
        // Some bits of the header mean nothing to the trigger; none may make it panic, or another trigger.
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok(read) = StoredTrigger::from_bytes(&flipped) {
            assert_eq!(read.digest(), stored().digest(), "byte {at}");
        }
    }
}

#[test]
fn a_file_larger_than_any_trigger_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vast");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let line = StoredTrigger::open(&path).unwrap_err().to_string();
    assert_eq!(
        line,
        "the file has 12648449 bytes or more, a trigger has at most 12648448; give the file of a trigger"
    );
    let absent = StoredTrigger::open(&folder.path().join("absent")).unwrap_err().to_string();
    assert!(absent.contains("absent\" cannot be read"), "{absent}");
    let nowhere = stored().save(&folder.path().join("no/where")).unwrap_err().to_string();
    assert!(nowhere.contains("cannot be written"), "{nowhere}");
}
