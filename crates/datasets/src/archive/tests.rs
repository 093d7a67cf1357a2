use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use lookalike_plugin_api::SplitMix64;
use tar::Builder;

use super::*;
use crate::test_data::{all, first_error, gzip, real};
use crate::{MAX_IMAGE_BYTES, image_folder};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

/// An archive of these members.
fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The same with a name that no honest packer writes.
fn renamed(name: &[u8]) -> Vec<u8> {
    let mut archive = packed(&[("0", PNG), ("good/1.png", PNG)]);
    archive[..name.len()].copy_from_slice(name);
    let sum: u32 = archive[..148].iter().chain(&archive[156..512]).map(|byte| u32::from(*byte)).sum();
    archive[148..156].copy_from_slice(format!("{:06o}\0 ", sum + 256).as_bytes());
    archive
}

fn read(archive: &[u8], below: &str) -> Result<Samples, DatasetError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), archive).unwrap();
    tar_images(file.path(), below)
}

fn keys(samples: &[Sample]) -> Vec<(&str, Option<&str>)> {
    samples.iter().map(|sample| (sample.key.as_str(), sample.label.as_deref())).collect()
}

#[test]
fn folders_are_labels_and_the_order_is_that_of_the_archive() {
    let long = format!("{}/x.JPG", "long".repeat(50));
    let archive = packed(&[
        ("b/2.png", PNG),
        ("top.webp", b"RIFF...."),
        (&long, b"\xff\xd8\xff"),
        ("a/deep/1.ppm", b"P6 1 1 255\n..."),
    ]);
    let samples = all(read(&archive, ""));
    let label = "long".repeat(50);
    let expected = [
        ("b/2.png", Some("b")),
        ("top.webp", None),
        (long.as_str(), Some(label.as_str())),
        ("a/deep/1.ppm", Some("a/deep")),
    ];
    assert_eq!(keys(&samples), expected);
    assert_eq!(samples[0].image, SampleImage::Encoded(PNG.to_vec()));
    assert_eq!(all(read(&gzip(&archive), "")), samples);
}

#[test]
fn only_what_lies_below_the_folder_is_read_and_named_from_there() {
    let archive =
        packed(&[("set/readme.txt", b"x"), ("set/train/cat/1.png", PNG), ("set/training/1.png", PNG)]);
    for below in ["set/train", "./set/train/"] {
        assert_eq!(keys(&all(read(&archive, below))), [("cat/1.png", Some("cat"))]);
    }
    let found = first_error(read(&archive, "set/test"));
    assert!(matches!(found, DatasetError::Empty { skipped: 3, .. }), "{found}");
}

#[test]
fn what_is_no_image_is_an_error_of_its_own_and_the_next_member_follows() {
    let large = vec![b'B'; MAX_IMAGE_BYTES as usize + 1];
    let archive = packed(&[
        ("a/notes.txt", b"some text"),
        ("a/._1.png", b"no image at all"),
        ("a/large.bmp", &large),
        ("a/1.png", PNG),
        ("./a//1.png", PNG),
        ("a/2.png", PNG),
    ]);
    let found: Vec<_> = read(&archive, "").unwrap().collect();
    let refused: Vec<String> =
        found.iter().filter_map(|found| Some(found.as_ref().err()?.to_string())).collect();
    assert!(refused[0].contains("\"a/notes.txt\" is no image; known are png"), "{refused:?}");
    assert!(refused[1].contains("\"a/._1.png\" is no image"), "{refused:?}");
    assert!(refused[2].contains("\"a/large.bmp\" has 16777217 bytes"), "{refused:?}");
    assert!(refused[3].contains("\"a/1.png\" is there twice"), "{refused:?}");
    let samples: Vec<Sample> = found.into_iter().filter_map(Result::ok).collect();
    assert_eq!(keys(&samples), [("a/1.png", Some("a")), ("a/2.png", Some("a"))]);
}

#[test]
fn names_that_lead_elsewhere_are_harmless() {
    for name in [&b"../../up.png"[..], b"a/../../up.png", b"\xff.png"] {
        let found: Vec<_> = read(&renamed(name), "").unwrap().collect();
        let refused = matches!(found[0], Err(DatasetError::Outside { .. } | DatasetError::FileName { .. }));
        assert!(refused, "{:?}", found[0]);
        assert_eq!(found[1].as_ref().unwrap().key, "good/1.png");
    }
    let samples = all(read(&renamed(b"/root/./0.png"), ""));
    assert_eq!(samples[0].key, "root/0.png");
}

#[test]
fn links_are_no_images() {
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "a/1.png", "/etc/passwd").unwrap();
    let found = first_error(read(&builder.into_inner().unwrap(), ""));
    assert!(matches!(&found, DatasetError::NotAnImage { item, .. } if item == "\"a/1.png\""), "{found}");
}

#[test]
fn names_and_sizes_of_the_posix_format_are_understood() {
    let mut builder = Builder::new(Vec::new());
    let long = format!("{}/ä.png", "p".repeat(150));
    builder.append_pax_extensions([("path", long.as_bytes()), ("mtime", b"1.5")]).unwrap();
    let mut header = Header::new_ustar();
    header.set_size(PNG.len() as u64);
    builder.append_data(&mut header, "short.png", PNG).unwrap();
    let samples = all(read(&builder.into_inner().unwrap(), ""));
    assert_eq!(samples[0].key, long);
}

#[test]
fn a_file_of_something_else_is_refused_at_once() {
    for content in [&b"\xfd7zXZ\0 and more"[..], &[7; 1024]] {
        let mut content = content.to_vec();
        content.resize(1024, 1);
        let error = read(&content, "").unwrap_err();
        assert!(matches!(error, DatasetError::Archive { .. }), "{error}");
        assert!(error.to_string().contains("decompress .xz"), "{error}");
    }
    assert!(matches!(read(b"short", ""), Err(DatasetError::Truncated { found: 5, .. })));
    assert!(matches!(first_error(read(&[0; 1024], "")), DatasetError::Empty { .. }));
}

#[test]
fn an_archive_that_is_cut_anywhere_is_told() {
    let archive = packed(&[("a/1.png", PNG), (&format!("{}.png", "b".repeat(120)), PNG)]);
    let end = archive.len() - 1024;
    for length in (0..end).step_by(7) {
        let found = first_error(read(&archive[..length], ""));
        assert!(matches!(found, DatasetError::Truncated { .. }), "{length}: {found}");
    }
    let whole = gzip(&archive);
    for length in 20..whole.len() - 8 {
        let error = match read(&whole[..length], "") {
            Ok(mut samples) => samples.find_map(Result::err),
            Err(error) => Some(error),
        };
        // What follows the mark of the end is of no use and not missed.
        let told = matches!(error, None | Some(DatasetError::Truncated { .. } | DatasetError::Read { .. }));
        assert!(told, "{length}: {error:?}");
    }
}

#[test]
fn damaged_archives_end_in_errors_or_samples_and_never_in_a_panic() {
    let name = "c".repeat(200);
    let archive = packed(&[("a/1.png", PNG), (&format!("{name}/2.png"), PNG), ("a/3.png", PNG)]);
    let (mut errors, mut samples) = (0, 0);
    for seed in 0..1000 {
        let mut random = SplitMix64::new(seed);
        let mut damaged = archive.clone();
        for _ in 0..=random.below(3) {
            let header = 512 * random.below(damaged.len() / 512);
            damaged[header + random.below(512)] ^= 1 << random.below(8);
            // Half of the headers say so themselves.
            if random.below(2) == 0 {
                let sum: u32 = damaged[header..header + 148]
                    .iter()
                    .chain(&damaged[header + 156..header + 512])
                    .map(|byte| u32::from(*byte))
                    .sum();
                damaged[header + 148..header + 156]
                    .copy_from_slice(format!("{:06o}\0 ", sum + 256).as_bytes());
            }
        }
        match read(&damaged, "") {
            Ok(found) => found.for_each(|found| match found {
                Ok(_) => samples += 1,
                Err(_) => errors += 1,
            }),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 300 && samples > 500, "{errors} errors, {samples} samples");
}

#[test]
fn all_of_cifar10_as_jpeg_files_is_read_packed_and_unpacked() {
    let Some(folder) = real("cifar10") else { return };
    let packed = folder.join("cifar10-jpg.tar.xz");
    let unpacked = tempfile::tempdir().unwrap();
    let archive = unpacked.path().join("cifar10.tar");
    let xz = Command::new("xz")
        .arg("-dc")
        .arg(&packed)
        .stdout(Stdio::from(fs::File::create(&archive).unwrap()))
        .status();
    if !packed.is_file() || !xz.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no {}, or no program xz to decompress it", packed.display());
        return;
    }
    let mut random = SplitMix64::new(10);
    for (part, per_class) in [("train", 5_000), ("test", 1_000)] {
        let tree = unpacked.path().join(part);
        let mut labels = BTreeMap::new();
        let mut names = Vec::new();
        for sample in tar_images(&archive, part).unwrap() {
            let sample = sample.unwrap();
            let SampleImage::Encoded(content) = &sample.image else { panic!("{} is decoded", sample.key) };
            if random.below(100) == 0 {
                let image = image::load_from_memory(content).unwrap();
                assert_eq!((image.width(), image.height()), (32, 32), "{}", sample.key);
            }
            let file = tree.join(&sample.key);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
            *labels.entry(sample.label.clone().unwrap()).or_insert(0) += 1;
            names.push((sample.key, sample.label));
        }
        assert_eq!(labels.len(), 10, "{labels:?}");
        assert!(labels.values().all(|count| *count == per_class), "{labels:?}");
        names.sort_unstable();
        let samples = image_folder(&tree).unwrap();
        assert_eq!(samples.len_hint(), Some(10 * per_class));
        let found: Vec<_> = all(Ok(samples)).into_iter().map(|sample| (sample.key, sample.label)).collect();
        assert_eq!(found, names);
    }
}
