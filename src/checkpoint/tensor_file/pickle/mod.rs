//! A pickle read as data: the instructions of Python's serialisation format that files of tensors are made of.
//!
//! Nothing is imported or called. A name that a pickle asks for is one of [`Global`], known here by what it makes of its
//! arguments, or the pickle is refused. Values are plain numbers or indices, containers lie in one list, so neither nesting
//! nor cycles can exhaust the stack, and the whole is bounded by [`PICKLE_VALUES`](crate::files::limits::PICKLE_VALUES).

mod globals;
mod stack;

use std::collections::HashMap;

use safetensors::tensor::Dtype;

use super::error::PickleProblem;
use crate::files::limits::TENSOR_HEADER;
use crate::say;
pub(super) use globals::Global;
use globals::known;
use stack::underflow;

type Result<T> = std::result::Result<T, PickleProblem>;

/// A tensor as a pickle describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TensorInfo {
    pub storage: Storage,
    pub dtype: Dtype,
    /// In numbers from the start of the storage.
    pub offset: u64,
    /// Lists of whole numbers.
    pub shape: usize,
    pub strides: usize,
}

/// Numbers that lie in a part of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage {
    pub dtype: Option<Dtype>,
    /// The name of the part.
    pub key: Text,
    /// Numbers, or bytes where there is no type.
    pub count: u64,
}

/// A text: where it stands in the pickle. A pickle is no longer than 32 bits count, and a value takes 16 bytes with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    start: u32,
    end: u32,
}

impl Text {
    fn of(start: usize, end: usize) -> Value {
        let place = u32::try_from(start).and_then(|start| Ok(Text { start, end: u32::try_from(end)? }));
        place.map_or(Value::Ignored, Value::Text)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(usize),
    Dict(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
    Ignored,
    Mark,
}

#[derive(Debug)]
pub(super) enum Container {
    /// Lists and tuples.
    List(Vec<Value>),
    /// Pairs in order; of an object its attributes.
    Dict { pairs: Vec<(Value, Value)>, is_object: bool },
}

/// The pickle's machine, after the last instruction.
pub(super) struct Pickle<'b> {
    bytes: &'b [u8],
    pub containers: Vec<Container>,
    pub tensors: Vec<TensorInfo>,
    pub storages: Vec<Storage>,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
    at: usize,
    made: usize,
}

impl<'b> Pickle<'b> {
    /// A machine for `bytes`, of which [`Pickle::run`] reads one pickle after the other.
    pub fn new(bytes: &'b [u8]) -> Self {
        Pickle {
            bytes,
            containers: Vec::new(),
            tensors: Vec::new(),
            storages: Vec::new(),
            stack: Vec::new(),
            memo: HashMap::new(),
            at: 0,
            made: 0,
        }
    }

    /// Where the last pickle ended.
    pub fn end(&self) -> usize {
        self.at
    }

    pub fn text(&self, text: Text) -> &'b str {
        // Texts are checked when they are made.
        self.bytes
            .get(text.start as usize..text.end as usize)
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or_default()
    }

    pub fn list(&self, value: Value) -> Option<&[Value]> {
        match value {
            Value::List(at) => match self.containers.get(at)? {
                Container::List(items) => Some(items),
                Container::Dict { .. } => None,
            },
            _ => None,
        }
    }

    pub fn pairs(&self, value: Value) -> Option<&[(Value, Value)]> {
        match value {
            Value::Dict(at) => match self.containers.get(at)? {
                Container::Dict { pairs, .. } => Some(pairs),
                Container::List(_) => None,
            },
            _ => None,
        }
    }

    /// Reads one pickle; its value.
    pub fn run(&mut self) -> Result<Value> {
        self.stack.clear();
        self.memo.clear();
        loop {
            if self.at > TENSOR_HEADER {
                let mib = TENSOR_HEADER >> 20;
                return Err(PickleProblem::TooMuch(say!(
                    "a pickle of more than {mib} MiB",
                    "{mib} MiB を超える pickle"
                )));
            }
            let [code] = self.take::<1>()?;
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
            self.count(1)?;
        }
    }

    fn step(&mut self, code: u8) -> Result<()> {
        match code {
            0x80 => self.skip(1)?, // PROTO
            0x95 => self.skip(8)?, // FRAME
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' | b'M' | b'J' | b'I' | b'L' | 0x8a | 0x8b | b'G' | b'F' => self.number(code)?,
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'V' | b'S' | b'C' | b'B' | 0x8e => self.words(code)?,
            b'(' => self.push(Value::Mark),
            b')' | b']' => self.new_list(Vec::new()),
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(code - 0x84))?;
                self.new_list(items);
            }
            b't' | b'l' => {
                let items = self.pop_to_mark()?;
                self.new_list(items);
            }
            b'}' => self.new_dict(Vec::new(), false),
            b'd' => {
                let pairs = pairs(self.pop_to_mark()?)?;
                self.new_dict(pairs, false);
            }
            0x8f => self.push(Value::Ignored), // EMPTY_SET
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            0x91 => {
                self.pop_to_mark()?; // FROZENSET
                self.push(Value::Ignored);
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(items)?;
            }
            b'q' | b'r' | b'p' | 0x94 | b'h' | b'j' | b'g' => self.remember(code)?,
            b'c' | 0x93 => self.global(code)?,
            b'Q' => self.persistent()?,
            b'R' | 0x81 => self.reduce()?,
            b'b' => self.build()?,
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = *self.stack.last().ok_or_else(underflow)?;
                self.push(top);
            }
            b'i' | b'o' => return Err(PickleProblem::Forbidden("an object of any class (INST/OBJ)".to_owned())),
            0x92 => return Err(PickleProblem::Forbidden("an object with keyword arguments (NEWOBJ_EX)".to_owned())),
            0x82..=0x84 => return Err(PickleProblem::Forbidden("an extension of pickle (EXT)".to_owned())),
            other => {
                return Err(PickleProblem::Damaged(say!(
                    "{other:#04x} is no instruction of a pickle",
                    "{other:#04x} は pickle の命令ではありません"
                )));
            }
        }
        Ok(())
    }

    // ---- Numbers, texts, memory ---------------------------------------------------------------------------------------

    fn number(&mut self, code: u8) -> Result<()> {
        let value = match code {
            b'K' => Value::Int(i64::from(u8::from_le_bytes(self.take()?))),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.take()?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.take()?))),
            b'G' => Value::Float(f64::from_be_bytes(self.take()?)),
            0x8a => {
                let [length] = self.take::<1>()?;
                self.long(usize::from(length))?
            }
            0x8b => {
                let length = u32::from_le_bytes(self.take()?);
                self.long(length as usize)?
            }
            _ => match self.line()?.trim_end_matches('L') {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                line if code == b'F' => Value::Float(line.parse().unwrap_or(f64::NAN)),
                line => line.parse().map_or(Value::Ignored, Value::Int),
            },
        };
        self.push(value);
        Ok(())
    }

    /// A whole number of `length` bytes; longer ones than 8 are of no use here.
    fn long(&mut self, length: usize) -> Result<Value> {
        let bytes = self.take_slice(length)?;
        let mut wide = [if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 }; 8];
        let Some(start) = wide.get_mut(..length) else { return Ok(Value::Ignored) };
        start.copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    fn words(&mut self, code: u8) -> Result<()> {
        let length = match code {
            0x8c | b'U' | b'C' => usize::from(u8::from_le_bytes(self.take()?)),
            b'X' | b'T' | b'B' => u32::from_le_bytes(self.take()?) as usize,
            0x8d | 0x8e => usize::try_from(u64::from_le_bytes(self.take()?)).map_err(|_| PickleProblem::CutShort)?,
            _ => {
                let line = self.line()?;
                let end = self.at - 1;
                let quoted = code == b'S' && line.len() >= 2 && line.starts_with(['\'', '"']);
                let margin = usize::from(quoted);
                self.push(Text::of(end - line.len() + margin, end - margin));
                return Ok(());
            }
        };
        let start = self.at;
        let bytes = self.take_slice(length)?;
        let is_text = std::str::from_utf8(bytes).is_ok() && !matches!(code, b'C' | b'B' | 0x8e);
        self.push(if is_text { Text::of(start, self.at) } else { Value::Ignored });
        Ok(())
    }

    fn remember(&mut self, code: u8) -> Result<()> {
        let index = match code {
            b'q' | b'h' => u32::from(u8::from_le_bytes(self.take()?)),
            b'r' | b'j' => u32::from_le_bytes(self.take()?),
            0x94 => self.memo.len() as u32,
            _ => self
                .line()?
                .parse()
                .map_err(|_| PickleProblem::Damaged(say!("a memo without a number", "番号のないメモ")))?,
        };
        if matches!(code, b'h' | b'j' | b'g') {
            let missing = || {
                PickleProblem::Damaged(say!("it refers to a value that it does not hold", "中にない値を指しています"))
            };
            let value = *self.memo.get(&index).ok_or_else(missing)?;
            self.push(value);
        } else {
            let top = *self.stack.last().ok_or_else(underflow)?;
            self.memo.insert(index, top);
        }
        Ok(())
    }

    // ---- Names, calls, objects ----------------------------------------------------------------------------------------

    fn global(&mut self, code: u8) -> Result<()> {
        let (module, name) = if code == b'c' {
            let module = self.line()?;
            (module, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            let (Value::Text(module), Value::Text(name)) = (module, name) else {
                return Err(PickleProblem::Damaged(say!("a name that is no text", "文字列でない名前")));
            };
            (self.text(module), self.text(name))
        };
        let global = known(module, name).ok_or_else(|| {
            let asked: String = format!("{module}.{name}").chars().take(80).collect();
            PickleProblem::Forbidden(asked.escape_debug().to_string())
        })?;
        self.push(Value::Global(global));
        Ok(())
    }

    /// `('storage', type, key, location, count)`
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage = match self.list(id) {
            Some(
                &[Value::Text(_), Value::Global(Global::Storage(dtype)), Value::Text(key), _, Value::Int(count), ..],
            ) => u64::try_from(count).ok().map(|count| Storage { dtype, key, count }),
            _ => None,
        };
        let storage = storage
            .ok_or_else(|| PickleProblem::Damaged(say!("a part that is no list of numbers", "数値の並びでない部品")))?;
        self.storages.push(storage);
        self.push(Value::Storage(self.storages.len() - 1));
        Ok(())
    }

    /// REDUCE and NEWOBJ: what a known name makes of its arguments.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, global) = (self.pop()?, self.pop()?);
        let Value::Global(global) = global else {
            return Err(PickleProblem::Damaged(say!(
                "it calls something that is no name",
                "名前でないものを呼んでいます"
            )));
        };
        let arguments = self.list(arguments).unwrap_or_default();
        let value = match (global, arguments) {
            (Global::RebuildTensor, &[Value::Storage(at), Value::Int(offset), shape, strides, ..]) => {
                let dtype = self.storages.get(at).and_then(|storage| storage.dtype);
                self.tensor(at, offset, shape, strides, dtype)?
            }
            (
                Global::RebuildTypedTensor,
                &[Value::Storage(at), Value::Int(offset), shape, strides, _, _, dtype, ..],
            ) => {
                let Value::Global(Global::Type(dtype)) = dtype else {
                    return Err(PickleProblem::Damaged(say!("a tensor without a type", "型のないテンソル")));
                };
                self.tensor(at, offset, shape, strides, Some(dtype))?
            }
            (Global::RebuildTensor | Global::RebuildTypedTensor, _) => {
                return Err(PickleProblem::Damaged(say!(
                    "a tensor whose description is not as torch writes it",
                    "torch の書き方と違うテンソル"
                )));
            }
            (Global::RebuildParameter, [value, ..]) => *value,
            (Global::Size, [size, ..]) => *size,
            (Global::Dict, arguments) => {
                let listed = arguments.first().and_then(|list| self.list(*list)).unwrap_or_default();
                let pair = |item: &Value| match self.list(*item) {
                    Some(&[key, value]) => Some((key, value)),
                    _ => None,
                };
                let pairs = listed.iter().filter_map(pair).collect();
                self.new_dict(pairs, false);
                return Ok(());
            }
            (Global::Object, _) => {
                self.new_dict(Vec::new(), true);
                return Ok(());
            }
            _ => Value::Ignored,
        };
        self.push(value);
        Ok(())
    }

    fn tensor(
        &mut self,
        storage: usize,
        offset: i64,
        shape: Value,
        strides: Value,
        dtype: Option<Dtype>,
    ) -> Result<Value> {
        let wrong = || {
            PickleProblem::Damaged(say!(
                "a tensor whose description is not as torch writes it",
                "torch の書き方と違うテンソル"
            ))
        };
        let (Value::List(shape), Value::List(strides)) = (shape, strides) else { return Err(wrong()) };
        let storage = *self.storages.get(storage).ok_or_else(wrong)?;
        let offset = u64::try_from(offset).map_err(|_| wrong())?;
        let dtype = dtype.ok_or_else(wrong)?;
        self.tensors.push(TensorInfo { storage, dtype, offset, shape, strides });
        Ok(Value::Tensor(self.tensors.len() - 1))
    }

    /// BUILD: gives an object its attributes; those of a dictionary or tensor are of no use here.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let object = *self.stack.last().ok_or_else(underflow)?;
        let Value::Dict(at) = object else { return Ok(()) };
        // Attributes may come as (dictionary, slots).
        let state = self.list(state).and_then(|pair| pair.first().copied()).unwrap_or(state);
        let attributes = self.pairs(state).unwrap_or_default().to_vec();
        self.count(attributes.len())?;
        if let Some(Container::Dict { pairs, is_object: true }) = self.containers.get_mut(at) {
            pairs.extend(attributes);
        }
        Ok(())
    }

    // ---- Stack and containers -----------------------------------------------------------------------------------------
}

fn pairs(items: Vec<Value>) -> Result<Vec<(Value, Value)>> {
    let (pairs, []) = items.as_chunks::<2>() else {
        return Err(PickleProblem::Damaged(say!("a key without a value", "値のないキー")));
    };
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
