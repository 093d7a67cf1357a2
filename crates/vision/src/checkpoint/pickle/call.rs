//! What a pickle names, and what it wants to be called: done here for tensors, refused for everything else.

use super::super::error::{CheckpointError, shown};
use super::super::value::{Global, NamedStorage, NamedTensor, Value};
use super::unpickled::text;
use super::{Machine, malformed};
use crate::checkpoint::contents::MAX_NAME_BYTES;

/// Most axes of a tensor.
const MAX_RANK: usize = 8;

impl Machine<'_> {
    /// What names a function or class, or wants one to be called. Whether the instruction is one of these.
    pub(super) fn named(&mut self, opcode: u8) -> Result<bool, CheckpointError> {
        match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let bytes = self.bytes;
                let (module, name) = text(bytes, module).zip(text(bytes, name)).ok_or_else(malformed)?;
                self.global(module, name)?;
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                return Err(code(module, name));
            }
            b'R' => self.reduce()?,
            b'b' => {
                // What a dictionary remembers beside its entries: the versions of the modules, in a state dict.
                self.pop()?;
                if !matches!(self.top()?, Value::Dict(_)) {
                    return Err(CheckpointError::Code { name: "__setstate__".to_owned() });
                }
            }
            b'Q' => self.storage()?,
            b'o' | 0x81 | 0x92 => {
                let name = |value: &Value| {
                    if let Value::Global(global) = value { Some(global.name()) } else { None }
                };
                let named = self.stack.iter().rev().find_map(name);
                return Err(CheckpointError::Code { name: named.unwrap_or("__new__").to_owned() });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), CheckpointError> {
        let global = Global::find(module, name).ok_or_else(|| code(module, name))?;
        self.push(Value::Global(global))
    }

    fn reduce(&mut self) -> Result<(), CheckpointError> {
        let Value::Tuple(place) = self.pop()? else { return Err(malformed()) };
        let Value::Global(global) = self.pop()? else { return Err(malformed()) };
        let arguments = std::mem::take(self.containers.get_mut(place).ok_or_else(malformed)?);
        let made = match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => return self.begin(Value::Dict, Vec::new()),
            // As Python 2 wrote it.
            (Global::OrderedDict, [Value::List(pairs)]) => {
                let items = self.pairs(*pairs).ok_or_else(malformed)?;
                return self.begin(Value::Dict, items);
            }
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) if arguments.len() <= 7 => {
                let tensor = self.tensor([*storage, *offset, *shape, *strides]).ok_or_else(malformed)?;
                self.count()?;
                self.tensors.push(tensor);
                Value::Tensor(self.tensors.len() - 1)
            }
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), _, _]) => *tensor,
            _ => return Err(malformed()),
        };
        // Another call may have the very same arguments from the memo.
        if let Some(tuple) = self.containers.get_mut(place) {
            *tuple = arguments;
        }
        self.push(made)
    }

    /// The keys and values of a list of pairs.
    fn pairs(&mut self, list: usize) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        for &pair in self.containers.get(list)? {
            let (Value::List(place) | Value::Tuple(place)) = pair else { return None };
            let &[key, value] = self.containers.get(place)?.as_slice() else { return None };
            items.extend([key, value]);
        }
        self.values += items.len();
        Some(items)
    }

    fn tensor(&self, [storage, offset, shape, strides]: [Value; 4]) -> Option<NamedTensor> {
        let (Value::Storage(storage), Value::Whole(offset)) = (storage, offset) else { return None };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        let offset = u64::try_from(offset).ok()?;
        (shape.len() == strides.len()).then_some(NamedTensor { storage, offset, shape, strides })
    }

    fn sizes(&self, tuple: Value) -> Option<Vec<u64>> {
        let Value::Tuple(place) = tuple else { return None };
        let sizes = self.containers.get(place).filter(|sizes| sizes.len() <= MAX_RANK)?;
        let size =
            |value: &Value| if let Value::Whole(size) = value { u64::try_from(*size).ok() } else { None };
        sizes.iter().map(size).collect()
    }

    /// `("storage", class, key, device, count)`, in older files with a sixth part that is `None`.
    fn storage(&mut self) -> Result<(), CheckpointError> {
        let Value::Tuple(place) = self.pop()? else { return Err(malformed()) };
        let parts = self.containers.get(place).map_or(&[][..], Vec::as_slice);
        let parts = if let [parts @ .., Value::Other] = parts { parts } else { parts };
        let named = self.named_storage(parts).ok_or_else(malformed)?;
        let place = match self.storage_places.get(&named.key) {
            Some(&place) if self.storages.get(place) == Some(&named) => place,
            Some(_) => return Err(malformed()),
            None => {
                self.count()?;
                self.storage_places.insert(named.key.clone(), self.storages.len());
                self.storages.push(named);
                self.storages.len() - 1
            }
        };
        self.push(Value::Storage(place))
    }

    fn named_storage(&self, parts: &[Value]) -> Option<NamedStorage> {
        let &[kind, Value::Global(Global::Storage(number)), key, _device, Value::Whole(count)] = parts else {
            return None;
        };
        let is_storage = text(self.bytes, kind) == Some("storage");
        let key = text(self.bytes, key).filter(|key| is_storage && key.len() <= MAX_NAME_BYTES)?;
        Some(NamedStorage { key: key.to_owned(), number, count: u64::try_from(count).ok()? })
    }
}

fn code(module: &str, name: &str) -> CheckpointError {
    CheckpointError::Code { name: shown(&format!("{module}.{name}")) }
}
