use std::fs;

use super::*;

fn read(content: &[u8]) -> Result<Image, DatasetError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    read_ppm(file.path())
}

#[test]
fn comments_and_white_space_of_the_header_are_skipped() {
    let image = read(b"P6 # made by hand\n#\n 2\t1\n255\n\x01\x02\x03\x04\x05\x06").unwrap();
    assert_eq!(image, Image::new(1, 2, 3, vec![1, 2, 3, 4, 5, 6]).unwrap());
}

#[test]
fn other_formats_are_refused_with_what_they_are() {
    let refused = |content: &[u8]| match read(content) {
        Err(error @ DatasetError::Ppm { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(b"P5\n1 1\n255\n\0").contains("it is P5"));
    assert!(refused(b"P3\n1 1\n255\n0 0 0").contains("it is P3"));
    assert!(refused(b"P6\n1 1\n65535\n\0\0\0\0\0\0").contains("samples up to 65535"));
    for content in [&b"P6\n1 x\n255\n\0\0\0"[..], &[b"P6\n#".as_slice(), &[b'-'; 5000]].concat()] {
        refused(content);
    }
}

#[test]
fn a_huge_or_empty_image_is_refused_by_its_header() {
    for header in ["P6 50000 50000 255\n", "P6 0 1 255\n"] {
        let found = read(header.as_bytes());
        assert!(
            matches!(found, Err(DatasetError::Shape { source: ImageError::Side { .. }, .. })),
            "{header}"
        );
    }
    assert!(matches!(read(b"P6 99999999999999999999999 1 255\n"), Err(DatasetError::Ppm { .. })));
}

#[test]
fn a_cut_file_is_refused_at_every_length() {
    let whole = b"P6\n2 1\n255\nabcdef";
    for length in 0..whole.len() {
        assert!(matches!(read(&whole[..length]), Err(DatasetError::Ppm { .. })), "{length}");
    }
    assert!(read(whole).is_ok());
}
