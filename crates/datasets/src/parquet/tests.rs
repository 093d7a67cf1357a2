use std::fs;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use ::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use lookalike_plugin_api::SplitMix64;

use lookalike_parquet::{LabelColumn, MAX_ROWS, ParquetFault};

use super::*;
use crate::MAX_IMAGE_BYTES;
use crate::test_data::{all, first_error};

/// A file of this schema; `fill` writes the columns of each of `groups` row groups.
fn file(
    schema: &str,
    properties: WriterPropertiesBuilder,
    groups: usize,
    fill: impl Fn(usize, &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties.build())).unwrap();
    for number in 0..groups {
        let mut group = writer.next_row_group().unwrap();
        fill(number, &mut group);
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels, None).unwrap();
    column.close().unwrap();
}

fn png(number: usize) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".to_vec(), vec![number as u8; 40 + number % 50]].concat()
}

fn label(row: usize) -> i64 {
    [-1, 0, 7][row % 3]
}

const HUGGING_FACE: &str = "message m {
    optional group image { optional binary bytes; optional binary path (UTF8); }
    optional int64 label;
}";

/// Twice forty rows in the layout of Hugging Face; every tenth row has no label.
fn hugging_face(properties: WriterPropertiesBuilder) -> Vec<u8> {
    file(HUGGING_FACE, properties, 2, |group, writer| {
        let rows = group * 40..group * 40 + 40;
        let images: Vec<ByteArray> = rows.clone().map(|row| png(row).into()).collect();
        column::<ByteArrayType>(writer, &images, Some(&[2; 40]));
        column::<ByteArrayType>(writer, &[], Some(&[1; 40]));
        let levels: Vec<i16> = rows.clone().map(|row| i16::from(row % 10 != 0)).collect();
        let labels: Vec<i64> = rows.filter(|row| row % 10 != 0).map(label).collect();
        column::<Int64Type>(writer, &labels, Some(&levels));
    })
}

fn read_with(content: &[u8], columns: &TableColumns) -> Result<Samples, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-0.parquet");
    fs::write(&path, content).unwrap();
    parquet_images(&path, columns)
}

fn read(content: &[u8]) -> Result<Samples, DatasetError> {
    read_with(content, &TableColumns::default())
}

fn fault(content: &[u8]) -> ParquetFault {
    let error = first_error(read(content));
    let DatasetError::Parquet { source, .. } = error else { panic!("{error:?}") };
    source
}

#[test]
fn every_kind_of_page_gives_the_same_rows() {
    let compressions = [Compression::UNCOMPRESSED, Compression::SNAPPY];
    for compression in compressions {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [true, false] {
                // A small page, so that there are several of each column.
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_writer_version(version)
                    .set_encoding(::parquet::basic::Encoding::PLAIN)
                    .set_dictionary_enabled(dictionary)
                    .set_write_batch_size(8)
                    .set_data_page_row_count_limit(16);
                let samples = read(&hugging_face(properties)).unwrap();
                assert_eq!(samples.len_hint(), Some(80));
                let samples = all(Ok(samples));
                assert_eq!(samples.len(), 80);
                for (row, sample) in samples.iter().enumerate() {
                    assert_eq!(sample.key, format!("train-0/{row:07}"));
                    assert_eq!(sample.image, SampleImage::Encoded(png(row)));
                    let expected = (row % 10 != 0).then(|| label(row).to_string());
                    assert_eq!(sample.label, expected, "row {row}");
                }
            }
        }
    }
}

#[test]
fn plain_columns_and_texts_are_read_by_the_names_given() {
    let schema = "message m { required binary picture; required binary kind (UTF8); required int32 class; }";
    let content = file(schema, WriterProperties::builder(), 1, |_, writer| {
        column::<ByteArrayType>(writer, &[png(1).into(), png(2).into()], None);
        column::<ByteArrayType>(writer, &["cat".into(), "dog".into()], None);
        column::<Int32Type>(writer, &[-3, 8], None);
    });
    let labels = |names: &[&str]| {
        let label = match names {
            [] => LabelColumn::Ignored,
            _ => LabelColumn::Named(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let columns = TableColumns { image: vec!["nothing".to_owned(), "picture".to_owned()], label };
        read_with(&content, &columns)
            .map(|samples| samples.map(|sample| sample.unwrap().label).collect::<Vec<_>>())
    };
    let some = |label: &str| Some(label.to_owned());
    assert_eq!(labels(&["kind", "class"]).unwrap(), [some("cat"), some("dog")]);
    assert_eq!(labels(&["class"]).unwrap(), [some("-3"), some("8")]);
    assert_eq!(labels(&[]).unwrap(), [None, None]);
    let DatasetError::Parquet { source, .. } = labels(&["species"]).unwrap_err() else { panic!() };
    let text = source.to_string();
    assert!(text.contains("no column \"species\"") && text.contains("picture, kind, class"), "{text}");
}

#[test]
fn unsigned_labels_and_the_names_of_classes_are_read_as_they_are_meant() {
    let labels = |schema: &str, labels: &[i32], about: Option<&str>| {
        let about = about.map(|about| {
            vec![::parquet::file::metadata::KeyValue::new("huggingface".to_owned(), about.to_owned())]
        });
        let content =
            file(schema, WriterProperties::builder().set_key_value_metadata(about), 1, |_, writer| {
                let images: Vec<ByteArray> = (0..labels.len()).map(|row| png(row).into()).collect();
                column::<ByteArrayType>(writer, &images, None);
                column::<Int32Type>(writer, labels, None);
            });
        read(&content).unwrap().map(|sample| sample.unwrap().label).collect::<Vec<_>>()
    };
    let some = |label: &str| Some(label.to_owned());
    let unsigned = "message m { required binary image; required int32 label (UINT_32); }";
    assert_eq!(labels(unsigned, &[-294_967_296, 7], None), [some("4000000000"), some("7")]);
    let signed = "message m { required binary image; required int32 label; }";
    let about = r#"{"info": {"features": {"label": {"names": ["plane", "bird"], "_type": "ClassLabel"}}}}"#;
    let found = labels(signed, &[1, 0, -1, 5], Some(about));
    assert_eq!(found, [some("bird"), some("plane"), None, some("5")]);
}

#[test]
fn rows_without_an_image_are_errors_of_their_own() {
    let schema = "message m { optional binary image; required binary label; }";
    let content = file(schema, WriterProperties::builder(), 1, |_, writer| {
        let large = [b"BM".to_vec(), vec![0; MAX_IMAGE_BYTES as usize]].concat();
        let images = [png(1), b"no image".to_vec(), large, png(2), png(3)].map(ByteArray::from);
        column::<ByteArrayType>(writer, &images, Some(&[1, 1, 0, 1, 1, 1]));
        let labels = ["a", "b", "c", "d", "e", "f"].map(ByteArray::from);
        let labels = [&labels[..4], &[vec![0xff].into()], &labels[5..]].concat();
        column::<ByteArrayType>(writer, &labels, None);
    });
    let found: Vec<_> = read(&content).unwrap().collect();
    assert_eq!(found.len(), 6);
    assert_eq!(found[0].as_ref().unwrap().label.as_deref(), Some("a"));
    assert!(matches!(&found[1], Err(DatasetError::NotAnImage { item, .. }) if item == "row 1"));
    assert!(matches!(&found[2], Err(DatasetError::NotAnImage { item, .. }) if item == "row 2"));
    assert!(matches!(&found[3], Err(DatasetError::TooLarge { item, .. }) if item == "row 3"));
    assert!(matches!(&found[4], Err(DatasetError::LabelText { row: 4, .. })));
    assert_eq!(found[5].as_ref().unwrap().label.as_deref(), Some("f"));
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    assert!(matches!(fault(b""), ParquetFault::NotParquet));
    assert!(matches!(fault(b"PAR1 and more, but no end"), ParquetFault::NotParquet));
    assert!(matches!(fault(b"PAR1\xff\xff\xff\xffPAR1"), ParquetFault::Footer { .. }));
    assert!(matches!(fault(b"PAR1\xff\xff\0\0PAR1"), ParquetFault::NotParquet));
    let only = |schema: &str| file(schema, WriterProperties::builder(), 0, |_, _| {});
    let lists = only("message m { repeated binary image; optional binary label; }");
    assert!(matches!(fault(&lists), ParquetFault::NoColumn { .. }));
    let deep =
        format!("message m {{ {} required binary x; {} }}", "optional group g {".repeat(40), "}".repeat(40));
    assert!(matches!(fault(&only(&deep)), ParquetFault::SchemaDepth));

    // version: 1, schema: a list of 100,000 groups with one child each, and nothing else.
    let mut footer = vec![0x15, 2, 0x19, 0xfc, 0xa0, 0x8d, 0x06];
    (0..100_000).for_each(|_| footer.extend([0x48, 1, b'g', 0x15, 2, 0]));
    footer.push(0);
    let length = (footer.len() as u32).to_le_bytes();
    assert!(matches!(fault(&[&b"PAR1"[..], &footer, &length, b"PAR1"].concat()), ParquetFault::SchemaDepth));
}

fn footer_start(content: &[u8]) -> usize {
    let (_, length) = content[..content.len() - 4].split_last_chunk().unwrap();
    content.len() - 8 - u32::from_le_bytes(*length) as usize
}

/// The places behind every `name` in the footer.
fn footer_places(content: &[u8], name: &[u8]) -> Vec<usize> {
    let places = footer_start(content)..content.len() - name.len();
    places.filter(|at| content[*at..].starts_with(name)).map(|at| at + name.len()).collect()
}

#[test]
fn columns_lie_between_the_magic_and_the_footer_or_are_refused() {
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    let mut content = file("message m { required binary image; }", properties, 1, |_, writer| {
        column::<ByteArrayType>(writer, &[png(49).into()], None);
    });
    assert_eq!(read(&content).unwrap().count(), 1);
    // Behind the name and the codec of the one column come its values, its sizes (field 7 the stored one, here of two
    // bytes), and the place of its page, 4: twice that in the zigzag of the format.
    let name = footer_places(&content, b"\x05image\x15\x00")[0];
    let place = name + content[name..].windows(2).position(|field| field == [0x26, 8]).unwrap() + 1;
    let footer = footer_start(&content);
    let mut moved = |offset: u8, end: usize| {
        let bytes = 2 * (end - usize::from(offset));
        content[place] = 2 * offset;
        content[place - 3] = 0x80 | (bytes & 0x7f) as u8;
        content[place - 2] = (bytes >> 7) as u8;
        content.clone()
    };
    for (offset, end) in [(0, footer), (3, footer), (4, footer + 1)] {
        let found = fault(&moved(offset, end));
        assert!(
            matches!(&found, ParquetFault::Outside { column } if column == "image"),
            "from {offset} to {end}: {found:?}"
        );
    }
    // Up to the footer all may be pages, and the one that holds the row is.
    assert_eq!(read(&moved(4, footer)).unwrap().flatten().count(), 1);
}

#[test]
fn more_rows_than_are_read_are_refused_before_the_first() {
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    let content = file("message m { required binary image; }", properties, 1, |_, writer| {
        column::<ByteArrayType>(writer, &[png(1).into()], None);
    });
    // The rows of the group: field 3 after its bytes, 2 * 1 in the zigzag of the format.
    let rows = |number: &[u8]| {
        let [.., at] = footer_places(&content, &[0x16, 2])[..] else { panic!("no rows") };
        let mut content = [&content[..at - 1], number, &content[at..]].concat();
        let end = content.len();
        let length = u32::from_le_bytes(*content[end - 8..].first_chunk().unwrap()) + number.len() as u32 - 1;
        content[end - 8..end - 4].copy_from_slice(&length.to_le_bytes());
        content
    };
    assert_eq!(read(&rows(&[2])).unwrap().len_hint(), Some(1));
    let most = read(&rows(&[0x80, 0x80, 0x80, 0x10])).unwrap();
    assert_eq!(most.len_hint(), Some(MAX_ROWS));
    let found = fault(&rows(&[0x82, 0x80, 0x80, 0x10]));
    assert!(matches!(found, ParquetFault::TooManyRows { found } if found == MAX_ROWS + 1), "{found:?}");
    assert!(matches!(fault(&rows(&[1])), ParquetFault::Header));
}

#[test]
fn a_compression_that_is_not_supported_is_named() {
    let plain = hugging_face(WriterProperties::builder());
    let error = |codec: u8| {
        // The codec follows the names of the column: ... "bytes" then field 4.
        let mut content = plain.clone();
        let places = footer_places(&content, b"\x05bytes\x15\x00");
        assert_eq!(places.len(), 2);
        places.iter().for_each(|at| content[at - 1] = 2 * codec);
        fault(&content).to_string()
    };
    assert!(error(6).contains("compressed with ZSTD"), "{}", error(6));
    assert!(error(6).contains("write the file uncompressed"), "{}", error(6));
    assert!(error(4).contains("BROTLI"), "{}", error(4));
}

#[test]
fn what_follows_a_damaged_row_group_is_read() {
    let mut content = hugging_face(WriterProperties::builder().set_dictionary_enabled(false));
    // The first page header begins behind the magic.
    content[4..12].fill(0xff);
    let found: Vec<_> = read(&content).unwrap().collect();
    assert!(matches!(found[0], Err(DatasetError::Parquet { row: 0, .. })), "{:?}", found[0]);
    let keys: Vec<&str> = found[1..].iter().map(|sample| sample.as_ref().unwrap().key.as_str()).collect();
    assert_eq!((keys.len(), keys[0]), (40, "train-0/0000040"));
}

#[test]
fn rows_keep_their_numbers_behind_an_empty_group_and_one_that_cannot_be_opened() {
    let mut content =
        file("message m { required binary image; }", WriterProperties::builder(), 3, |group, writer| {
            let images: Vec<ByteArray> = (0..[0, 5, 2][group]).map(|row| png(row).into()).collect();
            column::<ByteArrayType>(writer, &images, None);
        });
    // The codec of the group in the middle becomes one that is not supported.
    let places = footer_places(&content, b"\x05image\x15\x00");
    assert_eq!(places.len(), 3);
    content[places[1] - 1] = 12;
    let found: Vec<_> = read(&content).unwrap().collect();
    assert!(matches!(found[0], Err(DatasetError::Parquet { row: 0, .. })), "{:?}", found[0]);
    let keys: Vec<&str> = found[1..].iter().map(|sample| sample.as_ref().unwrap().key.as_str()).collect();
    assert_eq!(keys, ["train-0/0000005", "train-0/0000006"]);
}

#[test]
fn damaged_files_end_in_errors_or_samples_and_never_in_a_panic() {
    let files = [
        hugging_face(WriterProperties::builder().set_compression(Compression::SNAPPY)),
        hugging_face(WriterProperties::builder().set_dictionary_enabled(false)),
        hugging_face(WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0)),
    ];
    let (mut errors, mut samples) = (0, 0);
    for seed in 0..3000 {
        let mut random = SplitMix64::new(seed);
        let mut content = files[(seed % 3) as usize].clone();
        match random.below(4) {
            0 => content.truncate(random.below(content.len())),
            1 => {
                for _ in 0..=random.below(4) {
                    let place = random.below(content.len());
                    content[place] ^= 1 << random.below(8);
                }
            }
            2 => {
                // Headers hold numbers of variable length: make some of them large.
                let place = random.below(content.len() - 8);
                content[place..place + 5].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
            }
            _ => {
                let place = random.below(content.len() - 40);
                content[place..place + 32].fill_with(|| random.bits() as u8);
            }
        }
        match read(&content) {
            Ok(found) => {
                // A footer may announce more rows than there are bytes, never more samples than pages hold.
                for found in found.take(1000) {
                    match found {
                        Ok(_) => samples += 1,
                        Err(_) => errors += 1,
                    }
                }
            }
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 1000 && samples > 10_000, "{errors} errors, {samples} samples");
}
