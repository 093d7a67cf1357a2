//! Opening a segment's file: nothing in it is believed before it is checked.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use lookalike_plugin_api::ExemplarId;
use rayon::prelude::*;

use super::format::{Expected, Flaw, HEADER_BYTES, Header, Layout, PIECE_BYTES};
use super::{RowSegment, Rows};
use crate::mapped::Mapped;

/// A file whose every checksum was right.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) segment: RowSegment,
    /// It has every row of its span's ids before this one.
    pub(crate) covered: ExemplarId,
}

impl SegmentFile {
    /// Maps the file and checks all of it; `None` if there is none.
    pub(crate) fn open(path: &Path, expected: &Expected) -> Result<Option<Self>, Flaw> {
        let Some(file) = open(path)? else { return Ok(None) };
        // What cannot be mapped for its size is too short for a header, too.
        let length = file.metadata()?.len();
        if length < HEADER_BYTES as u64 {
            return Err(Flaw::Short { found: length as usize });
        }
        let file = Mapped::of(&file)?;
        let header = Header::decode(&file)?;
        header.check(expected)?;
        let layout = header.layout();
        if file.len() != layout.checksums.end {
            let (found, expected) = (file.len() as u64, layout.checksums.end as u64);
            return Err(Flaw::Disagreement { what: "length", found, expected });
        }
        check_contents(&file, &header, &layout)?;
        let segment = RowSegment { dimension: header.dimension as usize, rows: rows(file, &layout) };
        let known = header.first..header.covered;
        let ids = segment.ids();
        if !ids.is_sorted_by(|one, next| one < next) || !ids.iter().all(|id| known.contains(id)) {
            return Err(Flaw::Ids);
        }
        Ok(Some(Self { segment, covered: header.covered }))
    }
}

/// The header of a file, without a look at the rest; `None` if there is no file.
pub(crate) fn header_of(path: &Path) -> Result<Option<Header>, Flaw> {
    let Some(file) = open(path)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    file.take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
    Header::decode(&bytes).map(Some)
}

fn open(path: &Path) -> Result<Option<File>, Flaw> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn check_contents(file: &Mapped, header: &Header, layout: &Layout) -> Result<(), Flaw> {
    if crc32fast::hash(&file[layout.ids.start..]) != header.index_crc {
        return Err(Flaw::Checksum { what: "ids" });
    }
    let (checksums, _) = file[layout.checksums.clone()].as_chunks::<4>();
    let is_whole = file[layout.values.clone()]
        .par_chunks(PIECE_BYTES)
        .zip(checksums)
        .all(|(piece, checksum)| crc32fast::hash(piece) == u32::from_le_bytes(*checksum));
    if is_whole { Ok(()) } else { Err(Flaw::Checksum { what: "rows" }) }
}

#[cfg(target_endian = "little")]
fn rows(file: Mapped, layout: &Layout) -> Rows {
    Rows::Mapped { file, ids: layout.ids.clone(), values: layout.values.clone() }
}

/// Where numbers are kept the other way round, the file is copied.
#[cfg(not(target_endian = "little"))]
fn rows(file: Mapped, layout: &Layout) -> Rows {
    let numbers = |part: std::ops::Range<usize>| file[part].as_chunks::<4>().0.iter();
    Rows::Owned {
        ids: numbers(layout.ids.clone()).map(|&bytes| ExemplarId::from_le_bytes(bytes)).collect(),
        values: numbers(layout.values.clone()).map(|&bytes| f32::from_le_bytes(bytes)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::super::{SegmentWriter, Span};
    use super::*;

    const DIMENSION: u32 = 3;
    const EXPECTED: Expected =
        Expected { identity: [5; 32], dimension: DIMENSION, span: Span(1), next_id: 70_000 };

    fn header() -> Header {
        let Expected { identity, dimension, span, .. } = EXPECTED;
        Header { identity, dimension, first: span.first(), covered: 66_000, rows: 0, index_crc: 0 }
    }

    /// A folder with the file of some ids, whose rows begin with the id.
    fn written(header: Header, ids: &[ExemplarId]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0001.rows");
        let mut writer = SegmentWriter::create(&path, header).unwrap();
        for &id in ids {
            let row: Vec<f32> = (0..header.dimension).map(|place| (id + place) as f32).collect();
            writer.push(id, &row).unwrap();
        }
        writer.finish().unwrap();
        (folder, path)
    }

    #[test]
    fn rows_come_back_as_they_were_over_several_pieces() {
        let ids: Vec<ExemplarId> = (65_536..70_000).filter(|id| id % 7 != 0).collect();
        let wide = Header { dimension: 250, covered: 70_000, ..header() };
        let (_folder, path) = written(wide, &ids);
        let expected = Expected { dimension: 250, ..EXPECTED };
        let file = SegmentFile::open(&path, &expected).unwrap().unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 3 * PIECE_BYTES as u64);
        assert_eq!((file.covered, file.segment.ids()), (70_000, &ids[..]));
        assert_eq!(file.segment.values()[250..252], [65_537.0, 65_538.0]);
        assert_eq!(file.segment.values().as_ptr().align_offset(64), 0);
        let mut bytes = fs::read(&path).unwrap();
        let last = HEADER_BYTES + ids.len() * 1000 - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(SegmentFile::open(&path, &expected), Err(Flaw::Checksum { what: "rows" })));
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0001.rows");
        SegmentWriter::create(&path, header()).unwrap().push(65_536, &[0.0; 3]).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_refused_where_another_is_expected() {
        let (_folder, path) = written(header(), &[65_536, 65_999]);
        assert!(SegmentFile::open(&path, &EXPECTED).unwrap().is_some());
        let refused = |expected: Expected| SegmentFile::open(&path, &expected).unwrap_err();
        assert!(matches!(refused(Expected { identity: [6; 32], ..EXPECTED }), Flaw::Foreign));
        assert!(matches!(refused(Expected { dimension: 4, ..EXPECTED }), Flaw::Disagreement { .. }));
        assert!(matches!(refused(Expected { span: Span(0), ..EXPECTED }), Flaw::Disagreement { .. }));
        assert!(matches!(refused(Expected { next_id: 65_999, ..EXPECTED }), Flaw::Ahead { .. }));
    }

    #[test]
    fn ids_out_of_order_or_out_of_range_are_refused_although_their_checksum_is_right() {
        for ids in [[65_537, 65_536], [65_540, 65_540], [65_535, 65_536], [65_536, 66_000]] {
            let (_folder, path) = written(header(), &ids);
            assert!(matches!(SegmentFile::open(&path, &EXPECTED), Err(Flaw::Ids)), "{ids:?}");
        }
    }

    /// A header whose checksum is right, whatever it says.
    fn sealed(dimension: u32, covered: u32, rows: u32, index_crc: u32) -> Vec<u8> {
        Header { dimension, covered, rows, index_crc, ..header() }.encode().to_vec()
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_give_no_rows_and_no_panic(
            head in prop_oneof![
                Just(Vec::new()),
                (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>())
                    .prop_map(|(dimension, covered, rows, crc)| sealed(dimension, covered, rows, crc)),
                (0..5_u32, 65_536..66_000_u32, 1..9_u32, any::<u32>())
                    .prop_map(|(dimension, covered, rows, crc)| sealed(dimension, covered, rows, crc)),
            ],
            tail in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("0001.rows");
            fs::write(&path, [head, tail].concat()).unwrap();
            prop_assert!(SegmentFile::open(&path, &EXPECTED).is_err());
        }

        #[test]
        fn any_flipped_bit_of_a_file_is_noticed(bit in 0..8_usize * (128 + 5 * 12 + 5 * 4 + 4)) {
            let (_folder, path) = written(header(), &[65_536, 65_540, 65_541, 65_550, 65_999]);
            let mut bytes = fs::read(&path).unwrap();
            prop_assert_eq!(bytes.len() * 8, 8 * (128 + 5 * 12 + 5 * 4 + 4));
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).unwrap();
            prop_assert!(SegmentFile::open(&path, &EXPECTED).is_err());
        }
    }
}
