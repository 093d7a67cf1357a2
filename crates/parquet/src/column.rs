//! Columns of a row group, a few rows at a time.

use std::ops::Deref;

use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type, Int64Type};
use parquet::schema::types::ColumnDescPtr;

use crate::fault::ParquetFault;
use crate::pages::Pages;

/// A column with at most one value a row.
pub(crate) struct Flat<T: DataType> {
    name: String,
    reader: ColumnReaderImpl<T>,
    /// The level of a value that is there; 0 when all are.
    defined: i16,
}

impl<T: DataType> Flat<T> {
    pub(crate) fn new((column, pages): (ColumnDescPtr, Pages)) -> Self {
        let (name, defined) = (column.path().string(), column.max_def_level());
        Self { name, reader: ColumnReaderImpl::new(column, Box::new(pages)), defined }
    }

    /// The next `rows` values.
    pub(crate) fn read(&mut self, rows: usize) -> Result<Vec<Option<T::T>>, ParquetFault> {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (records, _, _) = self.reader.read_records(rows, Some(&mut levels), None, &mut values)?;
        if records != rows {
            return Err(ParquetFault::Rows { column: self.name.clone() });
        }
        let mut values = values.into_iter();
        if self.defined == 0 {
            return Ok(values.map(Some).collect());
        }
        let defined = levels.into_iter().map(|level| level == self.defined);
        Ok(defined.map(|defined| if defined { values.next() } else { None }).collect())
    }
}

/// A label as a file has it. Texts share the memory of their page.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelValue {
    /// The bytes of a text, which need not be UTF-8.
    Text(TableBytes),
    /// A whole number.
    Number(i128),
    /// The name of a class, which the file's metadata gives for a number (Hugging Face's `ClassLabel`).
    Class(String),
}

/// A column of labels, of whichever type it is.
pub(crate) enum Label {
    Text(Flat<ByteArrayType>),
    Int32(Flat<Int32Type>, Sign),
    Int64(Flat<Int64Type>, Sign),
}

/// Whether the numbers of a column have a sign: their bits are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Signed,
    Unsigned,
}

impl Sign {
    fn of(column: &ColumnDescPtr) -> Self {
        let unsigned =
            [ConvertedType::UINT_8, ConvertedType::UINT_16, ConvertedType::UINT_32, ConvertedType::UINT_64];
        if unsigned.contains(&column.converted_type()) { Self::Unsigned } else { Self::Signed }
    }
}

impl Label {
    /// The column holds texts or whole numbers.
    pub(crate) fn open((column, pages): (ColumnDescPtr, Pages)) -> Self {
        let (found, sign) = (column.physical_type(), Sign::of(&column));
        if found == PhysicalType::INT32 {
            Self::Int32(Flat::new((column, pages)), sign)
        } else if found == PhysicalType::INT64 {
            Self::Int64(Flat::new((column, pages)), sign)
        } else {
            Self::Text(Flat::new((column, pages)))
        }
    }

    pub(crate) fn read(&mut self, rows: usize) -> Result<Vec<Option<LabelValue>>, ParquetFault> {
        fn map<V>(values: Vec<Option<V>>, of: impl Fn(V) -> LabelValue) -> Vec<Option<LabelValue>> {
            values.into_iter().map(|value| value.map(&of)).collect()
        }
        Ok(match self {
            Self::Text(column) => {
                map::<ByteArray>(column.read(rows)?, |text| LabelValue::Text(TableBytes(text)))
            }
            Self::Int32(column, sign) => map(column.read(rows)?, |number| {
                LabelValue::Number(match sign {
                    Sign::Signed => number.into(),
                    Sign::Unsigned => number.cast_unsigned().into(),
                })
            }),
            Self::Int64(column, sign) => map(column.read(rows)?, |number| {
                LabelValue::Number(match sign {
                    Sign::Signed => number.into(),
                    Sign::Unsigned => number.cast_unsigned().into(),
                })
            }),
        })
    }
}

/// The bytes of a value. They stay in the memory of their page, which lives as long as one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct TableBytes(pub(crate) ByteArray);

impl Deref for TableBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.data()
    }
}

/// A column of lists of floats.
pub(crate) struct Lists {
    name: String,
    reader: ColumnReaderImpl<FloatType>,
    defined: i16,
    dimension: usize,
}

impl Lists {
    pub(crate) fn new((column, pages): (ColumnDescPtr, Pages), dimension: usize) -> Self {
        let (name, defined) = (column.path().string(), column.max_def_level());
        Self { name, reader: ColumnReaderImpl::new(column, Box::new(pages)), defined, dimension }
    }

    /// The next `rows` lists; `None` for one that is no feature row: of another length, or not all finite.
    pub(crate) fn read(&mut self, rows: usize) -> Result<Vec<Option<Vec<f32>>>, ParquetFault> {
        let (mut definition, mut repetition, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let (records, _, _) =
            self.reader.read_records(rows, Some(&mut definition), Some(&mut repetition), &mut values)?;
        if records != rows {
            return Err(ParquetFault::Rows { column: self.name.clone() });
        }
        let mut lists = Vec::with_capacity(rows);
        let mut values = values.into_iter();
        let mut levels = definition.iter().zip(&repetition).peekable();
        while let Some((level, _)) = levels.next() {
            let mut list = Vec::with_capacity(self.dimension);
            let mut whole = true;
            let mut level = level;
            // A list goes on until a level says that the next begins.
            loop {
                match values.as_slice().first() {
                    Some(_) if *level == self.defined => list.extend(values.next()),
                    _ => whole = false,
                }
                match levels.next_if(|(_, repeated)| **repeated != 0) {
                    Some((next, _)) => level = next,
                    None => break,
                }
            }
            let usable = whole && list.len() == self.dimension && list.iter().all(|value| value.is_finite());
            lists.push(usable.then_some(list));
        }
        if lists.len() == rows { Ok(lists) } else { Err(ParquetFault::Rows { column: self.name.clone() }) }
    }
}
