use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Arc;

use lookalike_parquet::ParquetFault;
use lookalike_plugin_api::{Budget, CancelFlag, Completion, Image, SplitMix64, View};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

use super::*;
use crate::ingest::Incoming;
use crate::toy::{self, Toy};
use crate::{
    Collection, DuplicatePolicy, IngestItem, IngestOptions, IngestReport, ItemImage, RefusalReason, TagValue,
    encode_png,
};

struct Fixture {
    folder: TempDir,
    toy: Arc<Toy>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), toy: Toy::new(1) }
    }

    fn collection(&self, name: &str) -> Collection {
        toy::collection(self.folder.path(), name, &self.toy)
    }
}

fn filled(collection: &Collection) {
    let keys = ["a", "../b", "ä \"quoted\"", "line\nbreak", "\u{0}zero", "日本語.png", "{json: 1}"];
    let items = keys.iter().enumerate().map(|(number, key)| IngestItem {
        key: (*key).to_owned(),
        image: ItemImage::Decoded(toy::image(number as u32 * 1000)),
        label: (number % 2 == 0).then(|| format!("label {number}")),
        tags: match number % 3 {
            0 => [("n".to_owned(), TagValue::Number(0.1 + number as f64))].into(),
            1 => [("n".to_owned(), TagValue::Number(-1e-300)), ("t".to_owned(), "\"ü\"".into())].into(),
            _ => BTreeMap::new(),
        },
    });
    let report = collection.ingest(items, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!(report.inserted, keys.len() as u64);
}

fn exported(collection: &Collection) -> Vec<u8> {
    let mut bytes = Vec::new();
    let budget = Budget::unlimited();
    let report =
        collection.export_parquet(&mut bytes, &ExportOptions::default(), &budget, &mut |_| {}).unwrap();
    assert_eq!(report.exemplars, collection.len());
    assert_eq!(report.bytes, bytes.len() as u64);
    assert_eq!(report.completion, Completion::Complete);
    bytes
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn import(collection: &Collection, bytes: &[u8]) -> Result<IngestReport, ImportError> {
    let options = IngestOptions::default();
    collection.import_parquet(file_of(bytes), "shard", &options, &Budget::unlimited(), &mut |_| {})
}

/// Everything that an export is to keep, by key.
fn contents(collection: &Collection) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let page = collection.list(None, 1000).unwrap();
    page.entries
        .into_iter()
        .map(|record| {
            let image = collection.image(record.id).unwrap();
            let row = collection.state().clean().row(record.id).map(<[f32]>::to_vec);
            let shape = [record.height, record.width, u32::from(record.channels)];
            (record.key, record.label, record.tags, record.media_type, shape, image, row)
        })
        .collect()
}

#[test]
fn a_round_trip_keeps_everything_and_needs_no_model() {
    let fixture = Fixture::new();
    let source = fixture.collection("source");
    filled(&source);
    let bytes = exported(&source);
    let before = fixture.toy.embedded();
    let copy = fixture.collection("copy");
    let report = import(&copy, &bytes).unwrap();
    assert_eq!((report.inserted, report.refused), (source.len(), 0));
    assert_eq!(fixture.toy.embedded(), before);
    assert_eq!(contents(&copy), contents(&source));
    assert_eq!(import(&copy, &bytes).unwrap().unchanged, source.len());
}

#[test]
fn an_empty_collection_makes_a_valid_file_without_rows() {
    let fixture = Fixture::new();
    let bytes = exported(&fixture.collection("empty"));
    let report = import(&fixture.collection("copy"), &bytes).unwrap();
    assert_eq!((report.stored(), report.refused), (0, 0));
    assert_eq!(report.completion, Completion::Complete);
}

#[test]
fn rows_are_in_the_order_of_keys_in_groups_of_bounded_size() {
    let fixture = Fixture::new();
    let source = fixture.collection("source");
    let mut random = SplitMix64::new(5);
    let rows: Vec<Incoming> = (0..9)
        .map(|number| {
            // Noise does not compress, so each image takes about 8 MiB.
            let samples = (0..8 << 20).map(|_| random.bits() as u8).collect();
            let image = Image::new(2048, 4096, 1, samples).unwrap();
            let key = format!("k{}", 9 - number);
            let item = IngestItem { image: ItemImage::Decoded(image), ..toy::item(&key, 0) };
            Incoming::Item(item, Some(vec![1.0; toy::DIMENSION]))
        })
        .collect();
    let rows = rows.into_iter();
    source.ingest_incoming(rows, &IngestOptions::default(), &Budget::unlimited(), &mut |_| {}).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    let mut seen = Vec::new();
    let (options, budget) = (ExportOptions::default(), Budget::unlimited());
    source.export_parquet(&mut file, &options, &budget, &mut |count| seen.push(count)).unwrap();
    assert_eq!(seen, [4, 8, 9]);
    let reader = SerializedFileReader::new(file).unwrap();
    assert_eq!(reader.num_row_groups(), 3);
    let keys: Vec<String> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().get_column_iter().next().unwrap().1.to_string())
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn rows_of_another_model_or_another_image_are_embedded_again() {
    let fixture = Fixture::new();
    let source = fixture.collection("source");
    filled(&source);
    let bytes = exported(&source);
    let other = Toy::new(9);
    let copy = toy::collection(fixture.folder.path(), "other", &other);
    assert_eq!(import(&copy, &bytes).unwrap().inserted, source.len());
    assert_eq!(other.embedded() as u64, source.len());

    // One value of one row is changed: its seal is broken, and it is not believed.
    let row = source.state().clean().row(3).unwrap().to_vec();
    let stored: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    let place = bytes.windows(stored.len()).position(|window| window == stored).unwrap();
    let mut changed = bytes;
    changed[place] ^= 1;
    let before = fixture.toy.embedded();
    let copy = fixture.collection("copy");
    assert_eq!(import(&copy, &changed).unwrap().inserted, source.len());
    assert_eq!(fixture.toy.embedded(), before + 1);
    assert_eq!(contents(&copy), contents(&source));
}

/// A file as data sets elsewhere have it.
fn foreign(compression: Compression) -> Vec<u8> {
    let schema = "message m {
        optional group image { optional binary bytes; optional binary path (UTF8); }
        required int64 label;
        optional binary note (UTF8);
    }";
    let png = |number| ByteArray::from(encode_png(&toy::image(number)).unwrap());
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let images = [png(1), b"no image".to_vec().into(), vec![0; 17 << 20].into(), png(1), png(2)];
    // The last but one has no bytes, the last no image at all.
    column::<ByteArrayType>(&mut group, &images, Some(&[2, 2, 2, 2, 2, 1, 0]));
    column::<ByteArrayType>(&mut group, &[], Some(&[0; 7]));
    column::<Int64Type>(&mut group, &[7, 7, 7, 8, -1, 0, 0], None);
    column::<ByteArrayType>(&mut group, &[], Some(&[0; 7]));
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn column<T: parquet::data_type::DataType>(
    group: &mut parquet::file::writer::SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels, None).unwrap();
    column.close().unwrap();
}

#[test]
fn a_file_in_the_layout_of_data_sets_is_taken_and_bad_rows_are_refused() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let fixture = Fixture::new();
        let collection = fixture.collection("foreign");
        let report = import(&collection, &foreign(compression)).unwrap();
        assert_eq!((report.inserted, report.refused), (3, 4));
        let refused: Vec<&str> = report.refusals.iter().map(|refusal| refusal.key.as_str()).collect();
        assert_eq!(refused, ["shard/0000001", "shard/0000002", "shard/0000005", "shard/0000006"]);
        assert!(matches!(report.refusals[0].reason, RefusalReason::Decode(_)));
        assert!(matches!(report.refusals[1].reason, RefusalReason::Decode(_)));
        assert!(matches!(report.refusals[2].reason, RefusalReason::Row(RowError::NoImage)));
        let labels = [("-1".to_owned(), 1), ("7".to_owned(), 1), ("8".to_owned(), 1)];
        assert_eq!(collection.label_counts(), labels.into());
        assert!(collection.get("shard/0000004").unwrap().is_some());
    }
}

#[test]
fn an_import_follows_the_policy_for_duplicates() {
    let fixture = Fixture::new();
    let collection = fixture.collection("foreign");
    let options = IngestOptions { duplicates: DuplicatePolicy::Skip };
    let file = file_of(&foreign(Compression::SNAPPY));
    let report =
        collection.import_parquet(file, "shard", &options, &Budget::unlimited(), &mut |_| {}).unwrap();
    assert_eq!((report.inserted, report.duplicates, report.refused), (2, 1, 4));
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let fixture = Fixture::new();
    let collection = fixture.collection("target");
    let refused = |bytes: &[u8]| match import(&collection, bytes) {
        Err(ImportError::File(error)) => error,
        other => panic!("{other:?}"),
    };
    let fault = |bytes: &[u8]| match refused(bytes) {
        FileError::Table(fault) => fault,
        other @ FileError::Newer { .. } => panic!("{other:?}"),
    };
    assert!(matches!(fault(b""), ParquetFault::NotParquet));
    assert!(matches!(fault(b"PAR1 and more, but no end"), ParquetFault::NotParquet));
    assert!(matches!(fault(b"PAR1\xff\xff\xff\xffPAR1"), ParquetFault::Footer { .. }));

    let mut newer = exported(&collection);
    let name = b"lookalike.format";
    let place = newer.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let digit = place + newer[place..].iter().position(|byte| *byte == b'1').unwrap();
    newer[digit] = b'9';
    assert!(matches!(refused(&newer), FileError::Newer { found } if found == "9"));

    let only = |message: &str| {
        let mut bytes = Vec::new();
        let schema = Arc::new(parse_message_type(message).unwrap());
        SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap().close().unwrap();
        bytes
    };
    let error = fault(&only("message m { required binary picture; required int32 image; }"));
    assert!(matches!(&error, ParquetFault::NoColumn { found, .. } if found.contains("picture")), "{error}");
    let deep = format!(
        "message m {{ {} required binary image; {} }}",
        "optional group g {".repeat(40),
        "}".repeat(40)
    );
    assert!(matches!(fault(&only(&deep)), ParquetFault::SchemaDepth));
}

#[test]
fn a_footer_that_nests_a_schema_without_end_is_refused_before_it_is_parsed() {
    let fixture = Fixture::new();
    // version: 1, schema: a list of 100,000 groups with one child each, and nothing else.
    let mut footer = vec![0x15, 2, 0x19, 0xfc, 0xa0, 0x8d, 0x06];
    (0..100_000).for_each(|_| footer.extend([0x48, 1, b'g', 0x15, 2, 0]));
    footer.push(0);
    let mut bytes = b"PAR1".to_vec();
    bytes.extend(&footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
    let error = import(&fixture.collection("target"), &bytes).unwrap_err();
    assert!(matches!(error, ImportError::File(FileError::Table(ParquetFault::SchemaDepth))), "{error}");
}

#[test]
fn damaged_files_end_in_an_error_or_a_report_and_never_in_a_panic() {
    let fixture = Fixture::new();
    let source = fixture.collection("source");
    filled(&source);
    let files = [exported(&source), small_foreign()];
    let expected = contents(&source);
    let target = fixture.collection("target");
    import(&target, &files[0]).unwrap();
    let (mut errors, mut reports) = (0, 0);
    for seed in 0..300 {
        let mut random = SplitMix64::new(seed);
        let mut bytes = files[(seed % 2) as usize].clone();
        match random.below(4) {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                for _ in 0..=random.below(4) {
                    let place = random.below(bytes.len());
                    bytes[place] ^= 1 << random.below(8);
                }
            }
            2 => {
                // Footers and page headers hold numbers of variable length: make some of them large.
                let place = random.below(bytes.len() - 8);
                bytes[place..place + 5].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
            }
            _ => {
                let place = random.below(bytes.len() - 40);
                bytes[place..place + 32].fill_with(|| random.bits() as u8);
            }
        }
        match import(&target, &bytes) {
            Ok(_) => reports += 1,
            Err(ImportError::File(_) | ImportError::Rows { .. }) => errors += 1,
            Err(ImportError::Ingest(error)) => panic!("seed {seed}: {error:?}"),
        }
    }
    assert!(errors > 50 && reports > 20, "{errors} errors, {reports} reports");
    // The collection is whole: what is in it can be read and exported.
    assert!(contents(&target).len() >= expected.len());
    exported(&target);
}

/// The foreign layout without its large image.
fn small_foreign() -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema =
        "message m { optional group image { optional binary bytes; } optional binary label (UTF8); }";
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let images: Vec<ByteArray> =
        (0..40).map(|number| encode_png(&toy::image(number % 7)).unwrap().into()).collect();
    for images in images.chunks(20) {
        let mut group = writer.next_row_group().unwrap();
        column::<ByteArrayType>(&mut group, images, Some(&[2; 20]));
        column::<ByteArrayType>(&mut group, &vec![ByteArray::from("x"); 20], Some(&[1; 20]));
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[test]
fn what_lies_around_the_damage_is_stored_and_the_damage_reported() {
    let fixture = Fixture::new();
    let bytes = small_foreign();
    let reader = SerializedFileReader::new(file_of(&bytes)).unwrap();
    for (group, first) in [(0, 0), (1, 20)] {
        let (start, _) = reader.metadata().row_group(group).column(0).byte_range();
        let mut damaged = bytes.clone();
        damaged[start as usize..start as usize + 8].fill(0xff);
        let collection = fixture.collection(&format!("target-{group}"));
        match import(&collection, &damaged) {
            Err(ImportError::Rows { report, source }) => {
                assert_eq!((source.row, report.stored()), (first, 20));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(collection.len(), 20);
    }
}

#[test]
fn an_export_without_budget_is_a_valid_file_and_views_are_checked() {
    let fixture = Fixture::new();
    let source = fixture.collection("source");
    filled(&source);
    let cancel = CancelFlag::default();
    cancel.cancel();
    let budget = Budget::unlimited().with_cancel(cancel);
    let mut file = tempfile::tempfile().unwrap();
    let report = source.export_parquet(&mut file, &ExportOptions::default(), &budget, &mut |_| {}).unwrap();
    assert_eq!((report.exemplars, report.completion), (0, Completion::Cancelled));
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(import(&fixture.collection("copy"), &bytes).unwrap().stored(), 0);

    let views = |names: &[&str]| {
        let options = ExportOptions { views: names.iter().map(|name| (*name).to_owned()).collect() };
        source.export_parquet(Vec::new(), &options, &Budget::unlimited(), &mut |_| {})
    };
    assert_eq!(views(&[]).unwrap().exemplars, source.len());
    assert!(matches!(views(&["nosuch"]), Err(ExportError::Read(_))));
    assert!(matches!(views(&[View::CLEAN, View::CLEAN]), Err(ExportError::ViewTwice { .. })));
}
