use std::fmt;

use half::{bf16, f16};

/// How one number of a stored tensor is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberType {
    /// Double precision; rounded to single precision when it is imported.
    F64,
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// A whole number of so many bytes, or a truth value; no weight is one.
    Whole(u8),
}

impl NumberType {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Whole(size) => usize::from(size),
        }
    }

    /// The number type of a `PyTorch` storage class, for instance `FloatStorage`.
    pub(crate) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::Whole(8),
            "IntStorage" => Self::Whole(4),
            "ShortStorage" => Self::Whole(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Self::Whole(1),
            _ => return None,
        })
    }

    /// The number type by its name in a safetensors file.
    pub(crate) fn of_safetensors(name: &str) -> Option<Self> {
        Some(match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "I64" | "U64" => Self::Whole(8),
            "I32" | "U32" => Self::Whole(4),
            "I16" | "U16" => Self::Whole(2),
            "I8" | "U8" | "BOOL" => Self::Whole(1),
            _ => return None,
        })
    }

    /// Appends the numbers in `bytes`, a whole number of them, in single precision; nothing for whole numbers.
    pub(crate) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F64 => {
                values.extend(bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32));
            }
            Self::F32 => values.extend(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
            Self::F16 => {
                values.extend(bytes.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()));
            }
            Self::Bf16 => {
                values.extend(bytes.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()));
            }
            Self::Whole(_) => {}
        }
    }

    /// The numbers in `bytes`, as [`NumberType::decode`] appends them.
    pub(crate) fn decoded(self, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::new();
        self.decode(bytes, &mut values);
        values
    }

    /// Appends the bytes of a value that is written in this type, or, whole numbers and double precision, in single
    /// precision. Gives the value as it will be read again.
    pub(crate) fn encode(self, value: f32, bytes: &mut Vec<u8>) -> f32 {
        match self {
            Self::F16 => {
                let written = f16::from_f32(value);
                bytes.extend(written.to_le_bytes());
                written.to_f32()
            }
            Self::Bf16 => {
                let written = bf16::from_f32(value);
                bytes.extend(written.to_le_bytes());
                written.to_f32()
            }
            Self::F64 | Self::F32 | Self::Whole(_) => {
                bytes.extend(value.to_le_bytes());
                value
            }
        }
    }

    /// The bytes of values, as [`NumberType::encode`] appends them.
    pub(crate) fn encoded(self, values: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(values.len() * self.size());
        for &value in values {
            self.encode(value, &mut bytes);
        }
        bytes
    }
}

/// As safetensors files name it.
impl fmt::Display for NumberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F64 => f.write_str("F64"),
            Self::F32 => f.write_str("F32"),
            Self::F16 => f.write_str("F16"),
            Self::Bf16 => f.write_str("BF16"),
            Self::Whole(size) => write!(f, "I{}", 8 * u32::from(*size)),
        }
    }
}
