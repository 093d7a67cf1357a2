use super::*;
use crate::test_data::all;

/// A folder with these empty files.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, []).unwrap();
    }
    root
}

fn keys(samples: &[Sample]) -> Vec<&str> {
    samples.iter().map(|sample| sample.key.as_str()).collect()
}

#[test]
fn folders_are_labels_and_the_order_is_that_of_the_keys() {
    let root = tree(&["b/2.png", "top.JPG", "b/1.webp", "a/deep/x.pgm", "a/notes.txt", "noextension"]);
    let samples = image_folder(root.path()).unwrap();
    assert_eq!(samples.len_hint(), Some(4));
    assert_eq!(samples.skipped(), [root.path().join("a/notes.txt"), root.path().join("noextension")]);
    let samples = all(Ok(samples));
    assert_eq!(keys(&samples), ["a/deep/x.pgm", "b/1.webp", "b/2.png", "top.JPG"]);
    let labels: Vec<_> = samples.iter().map(|sample| sample.label.as_deref()).collect();
    assert_eq!(labels, [Some("a/deep"), Some("b"), Some("b"), None]);
    assert_eq!(samples[1].image, SampleImage::File(root.path().join("b/1.webp")));
}

#[test]
fn an_unlabelled_folder_has_the_same_keys_and_no_labels() {
    let root = tree(&["b/2.png", "top.JPG", "a/deep/x.pgm", "a/notes.txt"]);
    let samples = unlabelled_folder(root.path()).unwrap();
    assert_eq!(samples.skipped(), [root.path().join("a/notes.txt")]);
    let samples = all(Ok(samples));
    assert_eq!(keys(&samples), keys(&all(image_folder(root.path()))));
    assert!(samples.iter().all(|sample| sample.label.is_none()));
}

#[test]
fn a_folder_without_images_is_refused_by_name() {
    let root = tree(&["a/readme.txt"]);
    let found = image_folder(root.path()).unwrap_err();
    assert!(matches!(&found, DatasetError::Empty { folder, skipped: 1 } if folder == root.path()));
    assert!(matches!(image_folder(&root.path().join("gone")), Err(DatasetError::Open { .. })));
    assert!(matches!(image_folder(&root.path().join("a/readme.txt")), Err(DatasetError::Open { .. })));
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_no_folder_is_visited_twice() {
    use std::os::unix::fs::symlink;

    let root = tree(&["real/1.png"]);
    let elsewhere = tree(&["2.png"]);
    symlink(root.path(), root.path().join("real/circle")).unwrap();
    symlink(root.path().join("real"), root.path().join("another")).unwrap();
    symlink(elsewhere.path(), root.path().join("linked")).unwrap();
    symlink("nowhere", root.path().join("broken.png")).unwrap();
    let samples = image_folder(root.path()).unwrap();
    assert_eq!(samples.skipped(), [root.path().join("broken.png")]);
    assert_eq!(keys(&all(Ok(samples))), ["linked/2.png", "real/1.png"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_is_an_error_of_its_own() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let root = tree(&["a.png"]);
    fs::write(root.path().join(OsStr::from_bytes(b"\xff.png")), []).unwrap();
    let found: Vec<_> = image_folder(root.path()).unwrap().collect();
    assert!(matches!(&found[0], Err(DatasetError::FileName { .. })));
    assert_eq!(found[1].as_ref().unwrap().key, "a.png");
}
