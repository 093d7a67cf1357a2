//! A reader of pickles that runs nothing: a closed list of instructions makes plain values, and the few functions that
//! saved tensors name are done here. Whatever else a pickle names is refused by its name, when it is named.
//!
//! Instructions and their bytes: Python's `pickletools`.

use std::collections::HashMap;

use super::error::{CheckpointError, CheckpointFault, damaged, ensure_within};
use super::value::{NamedStorage, NamedTensor, Value};

mod call;
mod unpickled;

pub(super) use unpickled::Unpickled;

/// Most bytes of one pickle: about a hundred per tensor.
pub(super) const MAX_PICKLE_BYTES: u64 = 1 << 22;

/// Most values on the stack, in containers and in the memo together, of 24 bytes each.
const MAX_VALUES: usize = 1 << 18;

const PART: &str = "the pickle";

/// Reads the pickle that `bytes` begin with.
pub(super) fn read(bytes: &[u8]) -> Result<Unpickled<'_>, CheckpointError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        containers: Vec::new(),
        storages: Vec::new(),
        storage_places: HashMap::new(),
        tensors: Vec::new(),
    };
    loop {
        let at = machine.at;
        let opcode = machine.byte()?;
        if opcode == b'.' {
            break;
        }
        let known = machine.scalar(opcode)? || machine.container(opcode)? || machine.named(opcode)?;
        if !known {
            return Err(CheckpointError::Instruction { opcode, at });
        }
    }
    let root = machine.pop()?;
    let Machine { at, containers, storages, tensors, .. } = machine;
    Ok(Unpickled { bytes, containers, storages, tensors, root, length: at })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Values made so far, of which none is ever given back.
    values: usize,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    containers: Vec<Vec<Value>>,
    storages: Vec<NamedStorage>,
    storage_places: HashMap<String, usize>,
    tensors: Vec<NamedTensor>,
}

fn malformed() -> CheckpointError {
    damaged(PART, CheckpointFault::Malformed)
}

impl<'a> Machine<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CheckpointError> {
        let taken = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| damaged(PART, CheckpointFault::CutShort))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        self.take(N)?.try_into().map_err(|_| malformed())
    }

    fn byte(&mut self) -> Result<u8, CheckpointError> {
        self.array().map(|[byte]| byte)
    }

    fn line(&mut self) -> Result<&'a str, CheckpointError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(length.ok_or_else(|| damaged(PART, CheckpointFault::CutShort))?)?;
        self.at += 1;
        str::from_utf8(line).map_err(|_| malformed())
    }

    fn count(&mut self) -> Result<(), CheckpointError> {
        self.values += 1;
        ensure_within("values in its pickle", self.values as u64, MAX_VALUES as u64)
    }

    fn push(&mut self, value: Value) -> Result<(), CheckpointError> {
        self.count()?;
        self.stack.push(value);
        Ok(())
    }

    /// The top of the stack, not from beneath a mark.
    fn pop(&mut self) -> Result<Value, CheckpointError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(malformed());
        }
        self.stack.pop().ok_or_else(malformed)
    }

    fn top(&self) -> Result<Value, CheckpointError> {
        self.stack.last().copied().ok_or_else(malformed)
    }

    /// Everything above the last mark.
    fn pop_to_mark(&mut self) -> Result<Vec<Value>, CheckpointError> {
        let mark = self.marks.pop().ok_or_else(malformed)?;
        if mark > self.stack.len() {
            return Err(malformed());
        }
        Ok(self.stack.split_off(mark))
    }

    fn text_of(&mut self, length: usize) -> Result<(), CheckpointError> {
        let start = self.at;
        self.take(length)?;
        self.push(Value::Text(start, length))
    }

    /// Numbers, texts, marks and the memo. Whether the instruction is one of these.
    fn scalar(&mut self, opcode: u8) -> Result<bool, CheckpointError> {
        match opcode {
            // Protocol and frame lengths say nothing that is needed.
            0x80 => self.take(1).map(|_| ())?,
            0x95 => self.take(8).map(|_| ())?,
            b'N' => self.push(Value::Other)?,
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88))?,
            b'K' => {
                let number = self.byte()?;
                self.push(Value::Whole(i64::from(number)))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Whole(i64::from(number)))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Whole(i64::from(number)))?;
            }
            0x8a => {
                let length = self.byte()?;
                let digits = self.take(usize::from(length))?;
                self.push(whole(digits))?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Other)?;
            }
            0x8c | b'U' => {
                let length = self.byte()?;
                self.text_of(usize::from(length))?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text_of(length as usize)?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text_of(usize::try_from(length).map_err(|_| damaged(PART, CheckpointFault::CutShort))?)?;
            }
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b'0' => self.pop().map(|_| ())?,
            b'1' => self.pop_to_mark().map(|_| ())?,
            b'2' => {
                let top = self.top()?;
                self.push(top)?;
            }
            b'q' | b'r' | 0x94 => self.keep(opcode)?,
            b'h' | b'j' => {
                let number = self.memo_number(opcode)?;
                let value = self.memo.get(&number).copied().ok_or_else(malformed)?;
                self.push(value)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn memo_number(&mut self, opcode: u8) -> Result<u32, CheckpointError> {
        if opcode == b'q' || opcode == b'h' {
            self.byte().map(u32::from)
        } else {
            self.array().map(u32::from_le_bytes)
        }
    }

    fn keep(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let number = if opcode == 0x94 { self.memo.len() as u32 } else { self.memo_number(opcode)? };
        self.count()?;
        let top = self.top()?;
        self.memo.insert(number, top);
        Ok(())
    }

    /// Tuples, lists and dictionaries. Whether the instruction is one of these.
    fn container(&mut self, opcode: u8) -> Result<bool, CheckpointError> {
        match opcode {
            b')' => self.begin(Value::Tuple, Vec::new())?,
            b']' => self.begin(Value::List, Vec::new())?,
            b'}' => self.begin(Value::Dict, Vec::new())?,
            b't' | b'l' => {
                let items = self.pop_to_mark()?;
                self.begin(if opcode == b't' { Value::Tuple } else { Value::List }, items)?;
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                if items.len() % 2 != 0 {
                    return Err(malformed());
                }
                self.begin(Value::Dict, items)?;
            }
            0x85..=0x87 => {
                let mut items = Vec::with_capacity(3);
                for _ in 0x85..=opcode {
                    items.insert(0, self.pop()?);
                }
                self.begin(Value::Tuple, items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend(&[key, value])?;
            }
            b'e' | b'u' => {
                let items = self.pop_to_mark()?;
                self.extend(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn begin(
        &mut self,
        value: impl FnOnce(usize) -> Value,
        items: Vec<Value>,
    ) -> Result<(), CheckpointError> {
        self.count()?;
        let place = self.containers.len();
        self.containers.push(items);
        self.push(value(place))
    }

    /// Adds to the list or, keys and values in turn, to the dictionary on top of the stack.
    fn extend(&mut self, items: &[Value]) -> Result<(), CheckpointError> {
        let top = self.top()?;
        let (Value::List(place) | Value::Dict(place)) = top else { return Err(malformed()) };
        if matches!(top, Value::Dict(_)) && !items.len().is_multiple_of(2) {
            return Err(malformed());
        }
        self.containers.get_mut(place).ok_or_else(malformed)?.extend_from_slice(items);
        Ok(())
    }
}

/// A little-endian number in two's complement.
fn whole(digits: &[u8]) -> Value {
    let negative = digits.last().is_some_and(|&last| last >= 0x80);
    let mut bytes = [if negative { 0xFF } else { 0 }; 8];
    match bytes.get_mut(..digits.len()) {
        Some(low) => {
            low.copy_from_slice(digits);
            Value::Whole(i64::from_le_bytes(bytes))
        }
        None => Value::Other,
    }
}

#[cfg(test)]
mod tests;
