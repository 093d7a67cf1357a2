use std::io::Write;
use std::sync::Arc;

use lookalike_plugin_api::{Budget, Completion, Digest, View};
use lookalike_store::{MAX_PAGE_ENTRIES, ReadError, Record};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use thiserror::Error;

use super::row::write_tags;
use super::schema;
use crate::collection::Collection;

/// Bytes after which a row group is closed; as many are held in memory, and one exemplar more.
const GROUP_BYTES: usize = 32 << 20;

/// Levels of a list of floats: there is none, and there is an element.
const NO_LIST: i16 = 0;
const ELEMENT: i16 = 2;

/// Which feature views an export writes. The default is the clean view alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// Names of views, each at most once; none for a file without features.
    pub views: Vec<String>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { views: vec![View::CLEAN.to_owned()] }
    }
}

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportReport {
    /// Exemplars written.
    pub exemplars: u64,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Whether all exemplars were written. The file is whole in any case.
    pub completion: Completion,
}

/// Why a collection could not be exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// What is stored could not be read, or a view is not kept.
    #[error("the collection cannot be read")]
    Read(#[from] ReadError),
    /// A view is given twice.
    #[error("view \"{view}\" is given twice; name it once")]
    ViewTwice {
        /// Its name.
        view: String,
    },
    /// The file could not be written.
    #[error("the file cannot be written; what was written of it is of no use")]
    Write(#[from] ParquetError),
}

impl Collection {
    /// Writes the collection as a Parquet file: one row an exemplar, in ascending order of the keys' bytes.
    ///
    /// The columns are `key`, `image` (the encoded bytes as they are stored), `media_type`, `height`, `width`,
    /// `channels`, `label` (null when there is none), `tags` (a JSON object), and for every view `features_` with its
    /// name, a list of floats, and `seal_` with its name, by which an import knows that the row is of this image; both
    /// are null where an exemplar has no row in the view. The metadata names the model, so that an
    /// import into a collection of the same model needs none ([`FORMAT_VERSION`](crate::FORMAT_VERSION)).
    ///
    /// Writes may go on meanwhile: exemplars that are there from the beginning to the end are written exactly once; of
    /// what is written, replaced or deleted during the export, some may be in the file and some not. `progress` is
    /// called with the number of exemplars after every row group, about every 32 MiB, which is also the memory it
    /// takes. When the budget runs out, the file ends early and is valid.
    ///
    /// # Errors
    ///
    /// [`ExportError`]; the file is to be thrown away then.
    pub fn export_parquet(
        &self,
        to: impl Write + Send,
        options: &ExportOptions,
        budget: &Budget,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ExportReport, ExportError> {
        for (place, view) in options.views.iter().enumerate() {
            if options.views[..place].contains(view) {
                return Err(ExportError::ViewTwice { view: view.clone() });
            }
        }
        let schema = schema::message(&options.views)?;
        let mut writer = SerializedFileWriter::new(to, schema, Arc::new(self.properties(&options.views)))?;
        let stored = self.stored();
        let mut completion = Completion::Complete;
        let mut exemplars = 0;
        let mut group = Group::new(options.views.len());
        let mut after = None;
        'pages: loop {
            let page = stored.list(after.as_deref(), MAX_PAGE_ENTRIES)?;
            for record in page.entries {
                if let Some(end) = budget.exhausted() {
                    completion = end;
                    break 'pages;
                }
                // Deleted since it was listed.
                let Some(image) = stored.image(record.id)? else { continue };
                for (view, lists) in options.views.iter().zip(&mut group.views) {
                    match stored.rows(view, &[record.id]) {
                        Ok(rows) => lists.push_sealed(rows.row(0), &record.content),
                        Err(ReadError::NoRow { .. }) => lists.push_null(),
                        Err(error) => return Err(error.into()),
                    }
                }
                group.push(record, image);
                exemplars += 1;
                if group.bytes() >= GROUP_BYTES {
                    group.write(writer.next_row_group()?)?;
                    group = Group::new(options.views.len());
                    progress(exemplars);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        if !group.keys.is_empty() {
            group.write(writer.next_row_group()?)?;
            progress(exemplars);
        }
        writer.finish()?;
        Ok(ExportReport { exemplars, bytes: writer.bytes_written() as u64, completion })
    }

    fn properties(&self, views: &[String]) -> WriterProperties {
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("lookalike ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(schema::metadata(self.name(), &self.fingerprint())))
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk);
        // Encoded images and features do not get smaller, and no value of theirs comes twice.
        let image = ColumnPath::from(schema::IMAGE);
        let elements = views.iter().map(|view| {
            ColumnPath::new(vec![schema::features(view), schema::LIST.to_owned(), schema::ELEMENT.to_owned()])
        });
        for column in [image].into_iter().chain(elements) {
            properties = properties
                .set_column_compression(column.clone(), Compression::UNCOMPRESSED)
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_statistics_enabled(column, EnabledStatistics::None);
        }
        properties.build()
    }
}

/// The columns of a row group, to be written one after the other.
struct Group {
    keys: Vec<ByteArray>,
    images: Vec<ByteArray>,
    media_types: Vec<ByteArray>,
    /// Height, width and channels.
    shapes: [Vec<i32>; 3],
    labels: Vec<ByteArray>,
    label_levels: Vec<i16>,
    tags: Vec<ByteArray>,
    views: Vec<FloatLists>,
    /// Bytes of everything but the views.
    described: usize,
}

/// Lists of floats as the format takes them apart.
#[derive(Clone, Default)]
struct FloatLists {
    values: Vec<f32>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
    /// One a list, with its level.
    seals: Vec<ByteArray>,
    seal_levels: Vec<i16>,
}

impl FloatLists {
    fn push_null(&mut self) {
        self.definition.push(NO_LIST);
        self.repetition.push(0);
        self.seal_levels.push(0);
    }

    /// Adds the row of the image with this digest; a row has at least one value.
    fn push_sealed(&mut self, list: &[f32], content: &Digest) {
        self.seal_levels.push(1);
        self.seals.push(schema::seal(content, list).into_bytes().into());
        self.values.extend_from_slice(list);
        self.definition.extend(list.iter().map(|_| ELEMENT));
        // The first element of a row begins anew, the others repeat.
        self.repetition.extend((0..list.len()).map(|place| i16::from(place > 0)));
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.values) + size_of_val(&*self.definition) + size_of_val(&*self.repetition)
    }
}

impl Group {
    fn new(views: usize) -> Self {
        Self {
            keys: Vec::new(),
            images: Vec::new(),
            media_types: Vec::new(),
            shapes: Default::default(),
            labels: Vec::new(),
            label_levels: Vec::new(),
            tags: Vec::new(),
            views: vec![FloatLists::default(); views],
            described: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.described + self.views.iter().map(FloatLists::bytes).sum::<usize>()
    }

    fn push(&mut self, record: Record, image: Vec<u8>) {
        let tags = write_tags(&record.tags);
        let texts = record.key.len() + record.media_type.len() + tags.len();
        self.described +=
            size_of::<Record>() + texts + record.label.as_ref().map_or(0, String::len) + image.len();
        self.keys.push(record.key.into_bytes().into());
        self.images.push(image.into());
        self.media_types.push(record.media_type.into_bytes().into());
        let shape = [record.height, record.width, u32::from(record.channels)];
        for (column, value) in self.shapes.iter_mut().zip(shape) {
            // The sides of an accepted image are small.
            column.push(value.cast_signed());
        }
        self.label_levels.push(i16::from(record.label.is_some()));
        self.labels.extend(record.label.map(|label| ByteArray::from(label.into_bytes())));
        self.tags.push(tags.into_bytes().into());
    }

    /// Writes the columns in the order of the schema.
    fn write<W: Write + Send>(self, mut group: SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
        column::<ByteArrayType, _>(&mut group, &self.keys, None, None)?;
        images(&mut group, &self.images)?;
        column::<ByteArrayType, _>(&mut group, &self.media_types, None, None)?;
        for shape in &self.shapes {
            column::<Int32Type, _>(&mut group, shape, None, None)?;
        }
        column::<ByteArrayType, _>(&mut group, &self.labels, Some(&self.label_levels), None)?;
        column::<ByteArrayType, _>(&mut group, &self.tags, None, None)?;
        for FloatLists { values, definition, repetition, seals, seal_levels } in &self.views {
            column::<FloatType, _>(&mut group, values, Some(definition), Some(repetition))?;
            column::<ByteArrayType, _>(&mut group, seals, Some(seal_levels), None)?;
        }
        group.close()?;
        Ok(())
    }
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definition: Option<&[i16]>,
    repetition: Option<&[i16]>,
) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, definition, repetition)?;
        column.close()?;
    }
    Ok(())
}

fn images<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    images: &[ByteArray],
) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        // The writer looks at a page's size after each call, or else every thousand values.
        for image in images.chunks(1) {
            column.typed::<ByteArrayType>().write_batch(image, None, None)?;
        }
        column.close()?;
    }
    Ok(())
}
