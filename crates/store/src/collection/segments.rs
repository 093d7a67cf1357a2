//! Rows of a view as segments: mapped from files where these are right, read from the tree where not.

use std::error::Error;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use lookalike_plugin_api::ExemplarId;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::Collection;
use super::read::served_view;
use crate::generation::folder;
use crate::segment::{Expected, Flaw, Header, SegmentFile, SegmentWriter, Span, header_of};
use crate::{Catalog, ReadError, RowSegment, SegmentError, SegmentSaving};

/// Rows that the last span must gain before its file is written again. As many are read from the tree in a few
/// hundredths of a second.
const WORTHWHILE_ROWS: u64 = 4_096;
/// Room that files which can be computed again leave to the tree.
const SPARED_BYTES: u64 = 80 << 20;

/// A view of the model that is current in a state.
struct Served<'a> {
    catalog: &'a Catalog,
    name: &'a str,
    number: u16,
    dimension: usize,
    identity: [u8; 32],
    /// Exemplars with a row in it.
    present: RoaringBitmap,
}

impl Collection {
    /// All rows that a state has in a view of its current model, as segments whose ids ascend from one to the next.
    ///
    /// Rows are mapped from the files that [`Collection::save_segments`] wrote, after all of their checksums were
    /// found right; what no file has is read from the tree. A file that is missing, damaged, of another collection or
    /// older than its rows is no error and gives no row: it is noted in the log, and its rows are read from the tree.
    ///
    /// The segments may also have rows of exemplars that were deleted before; `catalog` tells them apart.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownView`]; others when a row is damaged or missing in the tree, or reading fails.
    pub fn load_segments(&self, catalog: &Catalog, view: &str) -> Result<Vec<Arc<RowSegment>>, ReadError> {
        let view = self.served(catalog, view)?;
        let spans: Vec<Span> = Span::below(catalog.next_id()).collect();
        let loaded: Vec<Vec<RowSegment>> = spans
            .into_par_iter()
            .map(|span| self.load_span(&view, span))
            .collect::<Result<_, ReadError>>()?;
        Ok(loaded.into_iter().flatten().map(Arc::new).collect())
    }

    fn served<'a>(&self, catalog: &'a Catalog, view: &'a str) -> Result<Served<'a>, ReadError> {
        let (number, dimension) = served_view(catalog, view)?;
        let model = catalog.current_model();
        Ok(Served {
            catalog,
            name: view,
            number,
            dimension,
            identity: self.shelf.identity(model, view),
            present: catalog.live() - &*catalog.without_row(model, view),
        })
    }

    fn load_span(&self, view: &Served<'_>, span: Span) -> Result<Vec<RowSegment>, ReadError> {
        let given = span.given(view.catalog.next_id());
        let mut segments = Vec::with_capacity(2);
        if view.present.range_cardinality(given.clone()) == 0 {
            return Ok(segments);
        }
        let mut rest = given.start;
        if let Some(file) = self.usable_file(view, span) {
            rest = file.covered;
            segments.push(file.segment);
        }
        let read = self.read_rows(view, rest..given.end)?;
        if !read.is_empty() {
            segments.push(read);
        }
        Ok(segments)
    }

    /// The file of a span, if there is one and nothing speaks against it. One of no use is removed: a later look at
    /// its header alone would not show that.
    fn usable_file(&self, view: &Served<'_>, span: Span) -> Option<SegmentFile> {
        let path = self.shelf.path(view.number, span);
        let opened = SegmentFile::open(&path, &Self::expected(view, span));
        let flaw = match opened.and_then(|file| self.compared(view, span, file)) {
            Ok(file) => return file,
            Err(flaw) => flaw,
        };
        tracing::warn!(
            path = %path.display(),
            flaw = &flaw as &(dyn Error + 'static),
            "feature rows are read from the tree instead of their file"
        );
        if flaw.is_lasting() {
            let _turn = self.shelf.turn();
            if let Err(error) = folder::remove_file(&path) {
                tracing::warn!(?error, "a file of feature rows that is of no use stays behind");
            }
        }
        None
    }

    /// Compares a file with the tree, as far as that costs nothing: it must have every row that it covers, and the
    /// newest of its rows must be the stored one.
    fn compared(
        &self,
        view: &Served<'_>,
        span: Span,
        file: Option<SegmentFile>,
    ) -> Result<Option<SegmentFile>, Flaw> {
        let Some(file) = file else { return Ok(None) };
        let ids = file.segment.ids();
        let held: RoaringBitmap = ids.iter().copied().collect();
        if let Some(id) = view.present.range(span.first()..file.covered).find(|id| !held.contains(*id)) {
            return Err(Flaw::Lacking { id });
        }
        if let Some(place) = ids.iter().rposition(|id| view.present.contains(*id)) {
            let (id, dimension) = (ids[place], file.segment.dimension());
            let row = &file.segment.values()[place * dimension..(place + 1) * dimension];
            let stored = self.rows_in(view.catalog, view.name, &[id]);
            let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            if !stored.is_ok_and(|stored| bits(stored.row(0)) == bits(row)) {
                return Err(Flaw::Outdated { id });
            }
        }
        Ok(Some(file))
    }

    fn expected(view: &Served<'_>, span: Span) -> Expected {
        Expected {
            identity: view.identity,
            dimension: view.dimension as u32,
            span,
            next_id: view.catalog.next_id(),
        }
    }

    /// Reads the rows of the exemplars among `ids` from the tree.
    fn read_rows(&self, view: &Served<'_>, ids: Range<ExemplarId>) -> Result<RowSegment, ReadError> {
        let count = view.present.range_cardinality(ids.clone()) as usize;
        let mut held = Vec::with_capacity(count);
        let mut values = Vec::with_capacity(count * view.dimension);
        self.scan_rows_in(view.catalog, view.name, ids, &mut |id, row| {
            held.push(id);
            values.extend_from_slice(row);
            ControlFlow::Continue(())
        })?;
        Ok(RowSegment::owned(view.dimension, held, values))
    }

    /// Writes rows of a view into files, so that [`Collection::load_segments`] can map them; returns how many files
    /// were written.
    ///
    /// The files are derived: they may be deleted at any time. Writes to the collection go on meanwhile; what they
    /// add is not in the files. Rows are read from the tree, some 100 MB for a whole span of 512 values.
    ///
    /// # Errors
    ///
    /// [`SegmentError`]. The files written before stay, and nothing else is changed.
    pub fn save_segments(&self, view: &str, saving: SegmentSaving) -> Result<usize, SegmentError> {
        let _turn = self.shelf.turn();
        let catalog = self.catalog();
        let view = self.served(&catalog, view)?;
        let mut written = 0;
        for span in Span::below(view.catalog.next_id()) {
            let path = self.shelf.path(view.number, span);
            let expected = Self::expected(&view, span);
            let header = header_of(&path).ok().flatten().filter(|header| header.check(&expected).is_ok());
            if view.present.range_cardinality(span.given(view.catalog.next_id())) == 0 {
                folder::remove_file(&path)?;
            } else if is_due(saving, &view, span, header) && self.save_span(&view, span, &path)? {
                written += 1;
            }
        }
        if written > 0 {
            tracing::debug!(collection = self.name, view = view.name, written, "wrote files of feature rows");
        }
        Ok(written)
    }

    /// Writes the file of a span, unless it would be empty.
    fn save_span(&self, view: &Served<'_>, span: Span, path: &Path) -> Result<bool, SegmentError> {
        let given = span.given(view.catalog.next_id());
        let header = Header {
            identity: view.identity,
            dimension: view.dimension as u32,
            first: given.start,
            covered: given.end,
            rows: view.present.range_cardinality(given.clone()) as u32,
            index_crc: 0,
        };
        let home = self.shelf.view_folder(view.number);
        folder::create(&home)?;
        let needed_bytes = header.layout().checksums.end as u64 + SPARED_BYTES;
        if let Some(free_bytes) = folder::free_bytes(&home)?.filter(|free| *free < needed_bytes) {
            return Err(SegmentError::DiskFull { path: home, free_bytes, needed_bytes });
        }
        let mut writer = SegmentWriter::create(path, header)?;
        let mut pushed = Ok(());
        self.scan_rows_in(view.catalog, view.name, given, &mut |id, row| {
            pushed = writer.push(id, row);
            if pushed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        pushed?;
        if writer.is_empty() {
            return Ok(false);
        }
        writer.finish()?;
        Ok(true)
    }
}

/// Whether the file of a span, with this header if there is one, is to be written.
fn is_due(saving: SegmentSaving, view: &Served<'_>, span: Span, header: Option<Header>) -> bool {
    let given = span.given(view.catalog.next_id());
    let covered = header.map_or(given.start, |header| header.covered);
    let gained = view.present.range_cardinality(covered..given.end);
    let wanted = match saving {
        SegmentSaving::Everything => gained > 0,
        SegmentSaving::Worthwhile => {
            gained >= WORTHWHILE_ROWS || gained > 0 && span.is_sealed(view.catalog.next_id())
        }
    };
    let live = view.present.range_cardinality(given);
    let is_mostly_dead = header.is_some_and(|header| u64::from(header.rows) > 2 * live + WORTHWHILE_ROWS);
    wanted || is_mostly_dead
}
