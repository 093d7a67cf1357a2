use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lookalike_plugin_api::SplitMix64;

use super::*;
use crate::test_data::{all, first_error, pixels};

/// How a test file is written.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Plain,
    Compressed,
}

fn header() -> Vec<u8> {
    let mut header = b"MATLAB 5.0 MAT-file, written by a test".to_vec();
    header.resize(124, b' ');
    header.extend([0, 1, b'I', b'M']);
    header
}

/// An element: its tag, its content, and what fills it up; small ones share their tag.
fn element(kind: u32, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u32;
    let mut element = if (1..=4).contains(&length) {
        (length << 16 | kind).to_le_bytes().to_vec()
    } else {
        [kind.to_le_bytes(), length.to_le_bytes()].concat()
    };
    element.extend(content);
    element.resize(element.len().next_multiple_of(8), 0);
    element
}

fn array(name: &str, class: u32, dimensions: &[u32], store: u32, content: &[u8], layout: Layout) -> Vec<u8> {
    let numbers =
        |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let sides: Vec<u8> = dimensions.iter().flat_map(|side| side.to_le_bytes()).collect();
    let parts = [
        element(6, &numbers(&[class, 0])),
        element(5, &sides),
        element(1, name.as_bytes()),
        element(store, content),
    ];
    let array = element(14, &parts.concat());
    if layout == Layout::Plain {
        return array;
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&array).unwrap();
    let packed = encoder.finish().unwrap();
    [numbers(&[15, packed.len() as u32]), packed].concat()
}

/// What stands in image `index` at a place.
fn level(index: usize, row: usize, column: usize, channel: usize) -> u8 {
    (index * 7 + row * 5 + column * 3 + channel * 101) as u8
}

fn images(count: usize, layout: Layout) -> Vec<u8> {
    let mut content = Vec::new();
    for index in 0..count {
        for channel in 0..CHANNELS {
            for column in 0..SIDE {
                content.extend((0..SIDE).map(|row| level(index, row, column, channel)));
            }
        }
    }
    array("X", 9, &[32, 32, 3, count as u32], 2, &content, layout)
}

fn labels(labels: &[u8], layout: Layout) -> Vec<u8> {
    array("y", 9, &[labels.len() as u32, 1], 2, labels, layout)
}

fn folder(parts: &[Vec<u8>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("test_32x32.mat"), [header(), parts.concat()].concat()).unwrap();
    folder
}

fn read(parts: &[Vec<u8>]) -> Result<Samples, DatasetError> {
    svhn(folder(parts).path(), Split::Test)
}

#[test]
fn plain_and_compressed_files_give_the_same_pixels_and_the_label_10_is_a_zero() {
    let read_all = |layout| all(read(&[images(3, layout), labels(&[1, 10, 9], layout)]));
    let samples = read_all(Layout::Compressed);
    assert_eq!(samples, read_all(Layout::Plain));
    let keys: Vec<_> = samples.iter().map(|s| (s.key.as_str(), s.label.as_deref().unwrap())).collect();
    assert_eq!(keys, [("svhn/test/000000", "1"), ("svhn/test/000001", "0"), ("svhn/test/000002", "9")]);
    assert_eq!(samples[0].tags, [("split".to_owned(), "test".to_owned())]);
    let image = pixels(&samples[2]);
    assert_eq!((image.height(), image.width(), image.channels()), (32, 32, 3));
    for (row, column, channel) in [(0, 0, 0), (0, 1, 0), (1, 0, 2), (31, 30, 1)] {
        let found = image.samples()[(row * SIDE + column) * CHANNELS + channel];
        assert_eq!(found, level(2, row, column, channel), "{row} {column} {channel}");
    }
}

#[test]
fn labels_may_come_first_as_doubles_beside_other_variables() {
    let wide: Vec<u8> = [2.0_f64, 10.0].iter().flat_map(|label| label.to_le_bytes()).collect();
    let layout = Layout::Compressed;
    let parts = [
        array("names", 4, &[1, 5], 4, &[0; 10], layout),
        array("y", 6, &[1, 2], 9, &wide, layout),
        array("other", 6, &[1, 1], 9, &[0; 8], Layout::Plain),
        element(2, b"function workspace"),
        images(2, layout),
    ];
    let found: Vec<_> = all(read(&parts)).into_iter().map(|sample| sample.label.unwrap()).collect();
    assert_eq!(found, ["2", "0"]);
}

#[test]
fn a_single_image_has_lost_its_last_dimension() {
    let content = vec![7; RECORD];
    let image = array("X", 9, &[32, 32, 3], 2, &content, Layout::Plain);
    let samples = all(read(&[image, labels(&[5], Layout::Plain)]));
    assert_eq!((samples.len(), samples[0].label.as_deref()), (1, Some("5")));
}

#[test]
fn the_extra_part_is_a_set_of_its_own() {
    let folder = folder(&[images(1, Layout::Plain), labels(&[3], Layout::Plain)]);
    fs::rename(folder.path().join("test_32x32.mat"), folder.path().join("extra_32x32.mat")).unwrap();
    assert_eq!(all(svhn_extra(folder.path()))[0].key, "svhn/extra/000000");
    let missing = svhn(folder.path(), Split::All).unwrap_err();
    assert!(missing.to_string().contains("holds no \"train_32x32.mat\""), "{missing}");
}

#[test]
fn variables_of_another_shape_are_named() {
    let good = || labels(&[1], Layout::Plain);
    let refused = |parts: &[Vec<u8>], variable: &str, found: &str| {
        let error = first_error(read(parts)).to_string();
        assert!(error.contains(&format!("\"{variable}\" is {found}")), "{error}");
    };
    refused(&[good()], "X", "missing");
    refused(&[images(1, Layout::Plain)], "y", "missing");
    let grey = array("X", 9, &[32, 32, 1, 1], 2, &[0; PLANE], Layout::Plain);
    refused(&[grey, good()], "X", "32 x 32 x 1 x 1 of Uint8 in 1024 bytes");
    let lying = array("X", 9, &[32, 32, 3, 0x7fff_ffff], 2, &[0; RECORD], Layout::Plain);
    refused(&[lying, good()], "X", "32 x 32 x 3 x 2147483647 of Uint8 in 3072 bytes");
    refused(&[images(1, Layout::Plain), array("y", 9, &[1, 2], 2, &[1], Layout::Plain)], "y", "1 x 2");
    let error = first_error(read(&[images(2, Layout::Plain), good()]));
    assert!(matches!(error, DatasetError::CountMismatch { images: 2, labels: 1, .. }), "{error}");
}

#[test]
fn other_versions_of_the_format_are_refused_with_the_remedy() {
    for (place, bytes, word) in
        [(124, [0, 2], "-v7"), (126, [b'M', b'I'], "is it a .mat file"), (124, [9, 9], "is it a .mat file")]
    {
        let folder = folder(&[images(1, Layout::Plain), labels(&[1], Layout::Plain)]);
        let path = folder.path().join("test_32x32.mat");
        let mut content = fs::read(&path).unwrap();
        content[place..place + 2].copy_from_slice(&bytes);
        fs::write(&path, content).unwrap();
        let error = first_error(svhn(folder.path(), Split::Test));
        assert!(matches!(error, DatasetError::Mat { offset: 124, .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_wrong_label_is_named_with_its_byte_and_the_next_sample_follows() {
    let mut samples = read(&[images(2, Layout::Plain), labels(&[11, 4], Layout::Compressed)]).unwrap();
    assert!(matches!(samples.next(), Some(Err(DatasetError::Label { offset: 52, found: 11, most: 10, .. }))));
    assert_eq!(samples.next().unwrap().unwrap().label.as_deref(), Some("4"));
    assert!(samples.next().is_none());
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for layout in [Layout::Plain, Layout::Compressed] {
        let whole = [header(), images(2, layout), labels(&[1, 2], layout)].concat();
        let folder = folder(&[]);
        let path = folder.path().join("test_32x32.mat");
        for length in (0..whole.len()).step_by(13).chain(whole.len() - 20..whole.len()) {
            fs::write(&path, &whole[..length]).unwrap();
            let error = first_error(svhn(folder.path(), Split::Test));
            // Where the last element is cut off exactly it is a missing variable.
            let told =
                matches!(error, DatasetError::Truncated { .. } | DatasetError::Variable { found: _, .. });
            assert!(told, "{length}: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_ends_in_an_error_or_in_samples_and_never_in_a_panic() {
    let (mut damaged, mut whole) = (0, 0);
    for seed in 0..600 {
        let mut random = SplitMix64::new(seed);
        let layout = if seed % 2 == 0 { Layout::Plain } else { Layout::Compressed };
        let mut content = [header(), images(2, layout), labels(&[1, 2], layout)].concat();
        // Half of them where the tags and shapes are.
        let range = if seed % 4 < 2 { content.len() } else { 260 };
        for _ in 0..=random.below(3) {
            let place = random.below(range);
            content[place] ^= 1 << random.below(8);
        }
        let folder = folder(&[]);
        fs::write(folder.path().join("test_32x32.mat"), content).unwrap();
        let outcome: Result<Vec<_>, _> = svhn(folder.path(), Split::Test).and_then(Iterator::collect);
        match outcome {
            Ok(samples) => {
                assert_eq!(samples.len(), 2, "seed {seed}");
                whole += 1;
            }
            Err(_) => damaged += 1,
        }
    }
    assert!(damaged > 200 && whole > 100, "{damaged} damaged, {whole} whole");
}

#[test]
fn damage_inside_compressed_images_is_told_by_their_checksum() {
    let packed = images(40, Layout::Compressed);
    let labels = labels(&[1; 40], Layout::Compressed);
    for place in (8..packed.len()).step_by(packed.len() / 50) {
        let mut damaged = packed.clone();
        damaged[place] ^= 4;
        // Damage in the first bytes shows at opening.
        let Ok(mut samples) = read(&[damaged, labels.clone()]) else { continue };
        assert!(samples.any(|sample| sample.is_err()), "{place}");
    }
}
