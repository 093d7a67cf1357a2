use std::fs;

use super::*;
use crate::test_data::{all, first_error, pixels, real};

const HEADER: &str = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n";

/// A tree whose class 7 has this table and a 4 x 3 image of the samples 0, 1, 2, ...
fn tree(table: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let class = root.path().join("Final_Training/Images/00007");
    fs::create_dir_all(&class).unwrap();
    fs::write(class.join("GT-00007.csv"), table).unwrap();
    let samples: Vec<u8> = (0..36).collect();
    fs::write(class.join("00002_00001.ppm"), [b"P6 4 3 255\n".as_slice(), &samples].concat()).unwrap();
    root
}

#[test]
fn the_region_is_cropped_with_its_upper_bound_excluded() {
    let root = tree(&format!("{HEADER}00002_00001.ppm;4;3;1;1;3;3;7\r\n"));
    let samples = all(gtsrb(root.path(), Split::Train));
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].key, "gtsrb/train/00007/00002_00001");
    assert_eq!(samples[0].label.as_deref(), Some("7"));
    assert_eq!(samples[0].tags[1], ("track".to_owned(), "00002".to_owned()));
    let expected = Image::new(2, 2, 3, vec![15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 31, 32]).unwrap();
    assert_eq!(pixels(&samples[0]), &expected);
}

#[test]
fn a_senseless_field_is_named_with_its_line() {
    for (line, column) in [
        ("../x.ppm;4;3;0;0;4;3;7", "Filename"),
        ("x.ppm;0;3;0;0;4;3;7", "Width"),
        ("x.ppm;4;9999;0;0;4;3;7", "Height"),
        ("x.ppm;4;3;4;0;4;3;7", "Roi.X1"),
        ("x.ppm;4;3;0;0;5;3;7", "Roi.X2"),
        ("x.ppm;4;3;0;2;4;2;7", "Roi.Y2"),
        ("x.ppm;4;3;0;0;4;3;8", "ClassId"),
        ("x.ppm;4;3;0;0;4;3;-1", "ClassId"),
    ] {
        let root = tree(&format!("{HEADER}00002_00001.ppm;4;3;0;0;4;3;7\n{line}\n"));
        let found = first_error(gtsrb(root.path(), Split::Train));
        assert!(
            matches!(&found, DatasetError::Field { line: 3, column: at, .. } if *at == column),
            "{line}: {found}"
        );
    }
}

#[test]
fn a_table_without_a_column_or_with_a_short_line_is_refused() {
    let root = tree("Filename,Width\nx,1\n");
    assert!(matches!(gtsrb(root.path(), Split::Train), Err(DatasetError::Column { column: "Filename", .. })));
    let root = tree(&format!("{HEADER}x.ppm;4\n"));
    let found = first_error(gtsrb(root.path(), Split::Train));
    assert!(matches!(found, DatasetError::Table { .. }));
}

#[test]
fn a_broken_image_is_an_error_of_its_own_sample() {
    let root = tree(&format!("{HEADER}gone.ppm;4;3;0;0;4;3;7\n00002_00001.ppm;4;3;0;0;4;3;7\n"));
    let found: Vec<_> = gtsrb(root.path(), Split::Train).unwrap().collect();
    assert!(matches!(&found[0], Err(DatasetError::Open { path, .. }) if path.ends_with("gone.ppm")));
    assert!(found[1].is_ok());
}

#[test]
fn the_region_is_scaled_with_a_resized_image() {
    let root = tree(&format!("{HEADER}00002_00001.ppm;8;6;2;2;6;6;7\n"));
    let samples = all(gtsrb(root.path(), Split::Train));
    assert_eq!((pixels(&samples[0]).width(), pixels(&samples[0]).height()), (2, 2));
    assert_eq!(pixels(&samples[0]).samples()[..3], [15, 16, 17]);
    let root = tree(&format!("{HEADER}00002_00001.ppm;4000;3000;3999;0;4000;1;7\n"));
    let samples = all(gtsrb(root.path(), Split::Train));
    assert_eq!(pixels(&samples[0]).samples(), [9, 10, 11]);
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let root = tempfile::tempdir().unwrap();
    for split in [Split::Train, Split::Test] {
        assert!(matches!(gtsrb(root.path(), split), Err(DatasetError::Missing { .. })));
    }
}

#[test]
fn the_shared_part_is_read_whole() {
    let Some(folder) = real("gtsrb") else { return };
    let train = all(gtsrb(&folder, Split::Train));
    let mut labels: Vec<u32> = train.iter().map(|s| s.label.as_ref().unwrap().parse().unwrap()).collect();
    labels.dedup();
    assert_eq!(labels, (0..=42).collect::<Vec<_>>());
    assert_eq!(train.len(), 1_290);
    let test = gtsrb(&folder, Split::Test).unwrap();
    assert_eq!(test.len_hint(), Some(600));
    let test = all(Ok(test));
    assert_eq!((test.len(), test[0].label.as_deref()), (600, Some("16")));
    assert!(test.iter().all(|sample| pixels(sample).height() < 32));
}
