use super::error::{CheckpointError, CheckpointFault, damaged};
use super::source::{PIECE_BYTES, Source};
use super::value::NamedTensor;
use crate::number::NumberType;

/// A run of numbers in the file, which one or several tensors are cut from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// First byte in the file.
    pub(super) start: u64,
    /// Numbers in it.
    pub(super) count: u64,
    /// CRC-32 and the number of bytes that it covers, where the file has it.
    pub(super) checksum: Option<(u32, u64)>,
}

/// A tensor in a checkpoint: its name, shape and number type. Its values are read when they are written elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointTensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) number: NumberType,
    pub(super) storage: usize,
    /// Its first number in the storage.
    offset: u64,
    /// Numbers of the storage from one place to the next, by axis; `None` where they lie in the order of the places.
    strides: Option<Vec<u64>>,
    /// Numbers of the storage from its first to its last, both included.
    span: u64,
}

impl CheckpointTensor {
    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its sides; none for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How its numbers are written in the file.
    pub fn number_type(&self) -> NumberType {
        self.number
    }

    /// A tensor that fills a storage.
    pub(super) fn filling(
        name: String,
        shape: Vec<usize>,
        number: NumberType,
        storage: usize,
        span: u64,
    ) -> Self {
        Self { name, shape, number, storage, offset: 0, strides: None, span }
    }

    /// A tensor whose values are known to lie in a storage of `count` numbers, each at a place of its own.
    pub(super) fn within(
        name: &str,
        tensor: &NamedTensor,
        number: NumberType,
        count: u64,
    ) -> Result<Self, CheckpointError> {
        let refused = |fault| CheckpointError::Layout { name: name.to_owned(), fault };
        let outside = || refused(CheckpointFault::Outside);
        let NamedTensor { storage, offset, ref shape, ref strides } = *tensor;
        let values = shape.iter().try_fold(1u64, |product, &side| product.checked_mul(side));
        let values = values.ok_or_else(outside)?;
        let steps = shape.iter().zip(strides);
        let last = steps.clone().try_fold(0u64, |last, (&side, &stride)| {
            last.checked_add(side.saturating_sub(1).checked_mul(stride)?)
        });
        let span =
            if values == 0 { 0 } else { last.and_then(|last| last.checked_add(1)).ok_or_else(outside)? };
        if offset.checked_add(span).is_none_or(|end| end > count) {
            return Err(outside());
        }
        // Axis by axis from the smallest stride, each must step over all that the ones before it reach.
        let mut sorted: Vec<(u64, u64)> =
            steps.clone().filter(|&(&side, _)| side > 1).map(|(&side, &stride)| (stride, side)).collect();
        sorted.sort_unstable();
        let mut reach = 1;
        for (stride, side) in sorted {
            if stride < reach && values > 0 {
                return Err(refused(CheckpointFault::Overlapping));
            }
            reach = stride.saturating_mul(side - 1).saturating_add(reach);
        }
        let sides: Result<Vec<usize>, _> = shape.iter().map(|&side| usize::try_from(side)).collect();
        Ok(Self {
            name: name.to_owned(),
            shape: sides.map_err(|_| outside())?,
            number,
            storage,
            offset,
            strides: (span != values).then(|| strides.clone()).or_else(|| out_of_order(shape, strides)),
            span,
        })
    }

    /// Goes through the values in the order of the places, in pieces. What is held is one piece, and of a tensor that
    /// does not lie in order what it spans in the file.
    pub(super) fn values(
        &self,
        source: &Source,
        storage: &Storage,
        mut each: impl FnMut(&[f32]) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let size = self.number.size() as u64;
        let part = format!("tensor \"{}\"", self.name);
        let start = storage.start.checked_add(self.offset.saturating_mul(size));
        let start = start.ok_or_else(|| damaged(part.as_str(), CheckpointFault::CutShort))?;
        let mut values = Vec::new();
        let Some(strides) = &self.strides else {
            return source.pieces(&part, start, self.span * size, |piece| {
                values.clear();
                self.number.decode(piece, &mut values);
                each(&values)
            });
        };
        let bytes = source.bytes(&part, start, self.span * size)?;
        let mut place = vec![0; self.shape.len()];
        for _ in 0..self.shape.iter().product() {
            let steps = place.iter().zip(strides);
            let at =
                steps.map(|(&index, &stride)| index as u64 * stride).sum::<u64>() as usize * size as usize;
            self.number.decode(bytes.get(at..at + size as usize).unwrap_or_default(), &mut values);
            if values.len() == PIECE_BYTES / size as usize {
                each(&values)?;
                values.clear();
            }
            for (index, &side) in place.iter_mut().zip(&self.shape).rev() {
                *index += 1;
                if *index < side {
                    break;
                }
                *index = 0;
            }
        }
        each(&values)
    }
}

/// The strides, unless the values lie in the order of the places.
fn out_of_order(shape: &[u64], strides: &[u64]) -> Option<Vec<u64>> {
    let mut expected = 1;
    for (&side, &stride) in shape.iter().zip(strides).rev() {
        if side > 1 && stride != expected {
            return Some(strides.to_vec());
        }
        // Sides beside an empty one were never multiplied.
        expected = u64::saturating_mul(expected, side.max(1));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(offset: u64, shape: &[u64], strides: &[u64], count: u64) -> Result<CheckpointTensor, String> {
        let tensor = NamedTensor { storage: 0, offset, shape: shape.to_vec(), strides: strides.to_vec() };
        CheckpointTensor::within("w", &tensor, NumberType::F32, count).map_err(|error| error.to_string())
    }

    /// The values of such a tensor in a file of 0, 1, 2 and so on.
    fn gathered(offset: u64, shape: &[u64], strides: &[u64]) -> Vec<f32> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0u8..12).flat_map(|n| f32::from(n).to_le_bytes()).collect();
        std::fs::write(file.path(), bytes).unwrap();
        let storage = Storage { start: 0, count: 12, checksum: None };
        let source = Source::open(file.path()).unwrap();
        let mut all = Vec::new();
        let tensor = within(offset, shape, strides, 12).unwrap();
        tensor
            .values(&source, &storage, |values| {
                all.extend_from_slice(values);
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn tensors_are_read_in_the_order_of_their_places() {
        assert_eq!(gathered(1, &[2, 3], &[3, 1]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(gathered(0, &[3, 2], &[1, 3]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(gathered(2, &[2, 2], &[6, 2]), [2.0, 4.0, 8.0, 10.0]);
        assert_eq!(gathered(11, &[], &[]), [11.0]);
        assert_eq!(gathered(0, &[1, 2], &[99, 1]), [0.0, 1.0]);
        assert_eq!(gathered(0, &[0, 7], &[7, 1]), [0.0; 0]);
    }

    #[test]
    fn tensors_beyond_their_storage_or_twice_over_it_are_refused_by_name() {
        let outside = Err("tensor \"w\" reaches beyond its storage".to_owned());
        for (offset, shape, strides) in [
            (0, &[13][..], &[1][..]),
            (12, &[1], &[1]),
            (0, &[2, 7], &[6, 1]),
            (u64::MAX, &[1], &[1]),
            (0, &[1 << 33, 1 << 33], &[1, 1]),
            (0, &[2], &[u64::MAX]),
        ] {
            assert_eq!(within(offset, shape, strides, 12), outside);
        }
        let twice = within(0, &[4, 3], &[0, 1], 12).unwrap_err();
        assert_eq!(twice, "tensor \"w\" repeats values of its storage; save it after .contiguous()");
        assert_eq!(within(0, &[3, 3], &[1, 1], 12).unwrap_err(), twice);
    }
}
