//! torch's files: a pickle that describes tensors, and their numbers beside it, in a zip archive (since torch 1.6) or one
//! after the other behind the pickle (before).

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::error::PickleProblem;
use super::pickle::{Container, Pickle, Storage, TensorInfo, Value};
use super::source::Source;
use super::{Contents, Entry, Place, Span, contiguous_strides, zip};
use crate::diagnostic::Text;
use crate::files::limits::{DEPTH, TENSOR_HEADER, TENSORS};
use crate::say;

/// Names that models have are shorter.
const MAX_KEY: usize = 256;
/// Several tensors may share their numbers, but not without end.
const MAX_SHARING: usize = 4;
/// What a model's tensors are wrapped in, the one that counts first.
const WRAPPERS: [&str; 4] = ["state_dict", "params_ema", "params", "model_state_dict"];
/// The first pickle of a file of an older torch: its magic number.
const OLD_MAGIC: [u8; 13] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

type Result<T> = std::result::Result<T, PickleProblem>;

/// Whether `bytes` begin as torch's files do. (A safetensors header of 640 bytes begins like a pickle of protocol 2, but its
/// ninth byte opens the JSON.)
pub(super) fn is_torch(bytes: &[u8]) -> bool {
    is_zip(bytes) || (matches!(bytes, [0x80, 1..=5, ..]) && bytes.get(8) != Some(&b'{'))
}

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The tensors that the file describes. `None` for a zip archive of something else.
pub(super) fn read(source: &Source) -> Result<Option<Contents>> {
    if !is_zip(&source.start(4)) {
        return old(source).map(Some);
    }
    let parts = zip::read(source)?;
    let Some((name, pickle)) = parts.iter().find(|(name, _)| *name == "data.pkl" || name.ends_with("/data.pkl")) else {
        return Ok(None);
    };
    let folder = &name[..name.len() - "data.pkl".len()];
    let part = |name: &str| parts.get(&format!("{folder}{name}"));
    let pickle = pickle.clone().ok_or(PickleProblem::Compressed)?;
    if let Some(Some(order)) = part("byteorder")
        && source.get(order.clone()).is_some_and(|order| order.starts_with(b"big"))
    {
        return Err(PickleProblem::BigEndian);
    }
    // A longer one is refused where it goes on.
    let pickle = pickle.start..pickle.end.min(pickle.start + TENSOR_HEADER + 1);
    let pickle = source.get(pickle).ok_or(PickleProblem::CutShort)?;
    let mut machine = Pickle::new(&pickle);
    let root = machine.run()?;
    let numbers = |storage: &Storage| match part(&format!("data/{}", machine.text(storage.key))) {
        Some(Some(range)) => Ok(range.clone()),
        Some(None) => Err(PickleProblem::Compressed),
        None => Err(PickleProblem::CutShort),
    };
    contents(&machine, root, source.len(), numbers).map(Some)
}

/// A file of torch before 1.6: magic number, version, system, tensors, keys, then for each key a count and its numbers.
fn old(source: &Source) -> Result<Contents> {
    let bytes = source.start(TENSOR_HEADER + 1);
    let mut machine = Pickle::new(&bytes);
    if bytes.get(2..15) != Some(&OLD_MAGIC) {
        // A bare pickle holds no tensors of torch, but may be one that should be named.
        machine.run()?;
        return Err(PickleProblem::NoTensors);
    }
    for _ in 0..3 {
        machine.run()?;
    }
    let root = machine.run()?;
    let keys = machine.run()?;
    let sizes: HashMap<&str, usize> = machine
        .storages
        .iter()
        .filter_map(|storage| Some((machine.text(storage.key), storage.dtype?.bitsize() / 8)))
        .collect();
    let mut places = HashMap::new();
    let mut at = machine.end();
    for key in machine.list(keys).unwrap_or_default() {
        let Value::Text(key) = key else {
            return Err(PickleProblem::Damaged(say!("a part without a name", "名前のない部品")));
        };
        let key = machine.text(*key);
        let count = at.checked_add(8).and_then(|end| source.get(at..end)).ok_or(PickleProblem::CutShort)?;
        let count = count.first_chunk().copied().map(u64::from_le_bytes).and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or(PickleProblem::CutShort)?;
        let size = sizes.get(key).ok_or_else(|| {
            PickleProblem::Damaged(say!("numbers that no tensor is made of", "どのテンソルのものでもない数値"))
        })?;
        let end = count.checked_mul(*size).and_then(|length| length.checked_add(at + 8));
        let end = end.filter(|end| *end <= source.len()).ok_or(PickleProblem::CutShort)?;
        places.insert(key, at + 8..end);
        at = end;
    }
    let numbers = |storage: &Storage| places.get(machine.text(storage.key)).cloned().ok_or(PickleProblem::CutShort);
    contents(&machine, root, source.len(), numbers)
}

/// The tensors below `root`, with the names they have in the dictionaries that lead to them.
fn contents(
    machine: &Pickle,
    root: Value,
    file_len: usize,
    numbers: impl Fn(&Storage) -> Result<Range<usize>>,
) -> Result<Contents> {
    let mut walk = Walk { machine, seen: vec![false; machine.containers.len()], found: BTreeMap::new() };
    walk.value(unwrapped(machine, root), &mut String::new(), 0)?;
    let mut total = 0usize;
    let mut entries = BTreeMap::new();
    for (name, tensor) in walk.found {
        let entry = entry(machine, &name, &tensor, &numbers)?;
        let length = entry.shape.iter().product::<usize>() * (entry.dtype.bitsize() / 8);
        total = total.saturating_add(length);
        entries.insert(name, entry);
    }
    if total > file_len.saturating_mul(MAX_SHARING) {
        return Err(PickleProblem::TooMuch(say!(
            "tensors that share their numbers over and over",
            "同じ数値を何度も使うテンソル"
        )));
    }
    if entries.is_empty() {
        return Err(PickleProblem::NoTensors);
    }
    Ok(Contents { entries, metadata: metadata(machine, root) })
}

/// The dictionary of tensors in `root`, which tools wrap.
fn unwrapped(machine: &Pickle, root: Value) -> Value {
    let get = |name: &str| {
        let named = |(key, value): &(Value, Value)| match key {
            Value::Text(key) if machine.text(*key) == name => Some(*value),
            _ => None,
        };
        let value = machine.pairs(root)?.iter().rev().find_map(named)?;
        machine.pairs(value).is_some_and(|pairs| !pairs.is_empty()).then_some(value)
    };
    WRAPPERS.iter().find_map(|name| get(name)).unwrap_or(root)
}

/// Texts and numbers at the top.
fn metadata(machine: &Pickle, root: Value) -> BTreeMap<String, String> {
    const MOST: usize = 1000;
    let text = |value: &Value| match value {
        Value::Text(text) => Some(machine.text(*text).to_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    let pair = |(key, value): &(Value, Value)| match key {
        Value::Text(key) => Some((machine.text(*key).to_owned(), text(value)?)),
        _ => None,
    };
    machine.pairs(root).unwrap_or_default().iter().take(MOST).filter_map(pair).collect()
}

struct Walk<'m> {
    machine: &'m Pickle<'m>,
    /// Containers that were gone through: each is once, so that cycles end.
    seen: Vec<bool>,
    found: BTreeMap<String, TensorInfo>,
}

impl Walk<'_> {
    fn value(&mut self, value: Value, path: &mut String, depth: usize) -> Result<()> {
        let at = match value {
            Value::Tensor(at) => {
                if let Some(tensor) = self.machine.tensors.get(at) {
                    self.found.insert(path.clone(), *tensor);
                }
                return match self.found.len() > TENSORS {
                    false => Ok(()),
                    true => {
                        Err(PickleProblem::TooMuch(say!("more than {TENSORS} tensors", "{TENSORS} 個を超えるテンソル")))
                    }
                };
            }
            Value::List(at) | Value::Dict(at) if depth < DEPTH => at,
            _ => return Ok(()),
        };
        let machine = self.machine;
        match self.seen.get_mut(at) {
            Some(seen) if !*seen => *seen = true,
            _ => return Ok(()),
        }
        match machine.containers.get(at) {
            Some(Container::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.child(&index.to_string(), *item, path, depth)?;
                }
            }
            Some(Container::Dict { pairs, .. }) => {
                for (key, item) in pairs {
                    match key {
                        // How torch's containers keep what is theirs.
                        Value::Text(key) if machine.text(*key) == "_parameters" => {
                            self.value(*item, path, depth + 1)?
                        }
                        Value::Text(key) => self.child(machine.text(*key), *item, path, depth)?,
                        Value::Int(key) => self.child(&key.to_string(), *item, path, depth)?,
                        _ => {}
                    }
                }
            }
            None => {}
        }
        Ok(())
    }

    fn child(&mut self, key: &str, value: Value, path: &mut String, depth: usize) -> Result<()> {
        if !matches!(value, Value::Tensor(_) | Value::List(_) | Value::Dict(_)) {
            return Ok(());
        }
        if key.len() > MAX_KEY {
            return Err(PickleProblem::TooMuch(say!("a name of over 256 letters", "256 文字を超える名前")));
        }
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        let result = self.value(value, path, depth + 1);
        path.truncate(length);
        result
    }
}

/// Where the numbers of `tensor` lie, checked against its part.
fn entry(
    machine: &Pickle,
    name: &str,
    tensor: &TensorInfo,
    numbers: impl Fn(&Storage) -> Result<Range<usize>>,
) -> Result<Entry> {
    let named = |why: Text| {
        let name = name.escape_debug();
        PickleProblem::Damaged(say!("tensor `{name}` {why}", "テンソル `{name}` は{why}", with why))
    };
    let dims = |list: usize| -> Option<Vec<usize>> {
        let size = |value: &Value| match value {
            Value::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        machine.list(Value::List(list))?.iter().map(size).collect()
    };
    let (shape, strides) =
        dims(tensor.shape).zip(dims(tensor.strides)).ok_or_else(|| named(say!("has no shape", "形がありません")))?;
    if shape.len() != strides.len() || shape.len() > 8 {
        return Err(named(say!("has an impossible shape", "形がありえません")));
    }
    let size = tensor.dtype.bitsize() / 8;
    let part = numbers(&tensor.storage)?;
    let stated = tensor.storage.count.saturating_mul(tensor.storage.dtype.map_or(1, |t| t.bitsize() as u64 / 8));
    if stated > part.len() as u64 {
        return Err(PickleProblem::CutShort);
    }
    let count = shape.iter().try_fold(1usize, |n, dim| n.checked_mul((*dim).max(1)));
    let offset = usize::try_from(tensor.offset).ok().and_then(|offset| offset.checked_mul(size));
    let (count, offset) =
        count.zip(offset).ok_or_else(|| named(say!("has an impossible shape", "形がありえません")))?;
    let start = part
        .start
        .checked_add(offset)
        .filter(|start| *start <= part.end)
        .ok_or_else(|| named(say!("begins behind its numbers", "数値の終わりより後ろから始まっています")))?;
    if shape.contains(&0) {
        return Ok(Entry { dtype: tensor.dtype, shape, place: Place::Plain(Span { source: 0, bytes: start..start }) });
    }
    // The last number that the strides lead to, and how many bytes all of them would take side by side.
    let last =
        shape.iter().zip(&strides).try_fold(0usize, |n, (dim, stride)| n.checked_add((dim - 1).checked_mul(*stride)?));
    let reach = last.and_then(|last| last.checked_add(1)?.checked_mul(size)).filter(|reach| *reach <= part.end - start);
    let reach = reach.ok_or_else(|| named(say!("is larger than its numbers", "数値より大きくなっています")))?;
    let span = Span { source: 0, bytes: start..start + reach };
    let plain = contiguous_strides(&shape);
    if (0..shape.len()).all(|i| shape[i] == 1 || strides[i] == plain[i]) {
        return Ok(Entry { dtype: tensor.dtype, shape, place: Place::Plain(span) });
    }
    // A repeated number is written once: that would be a way to make much of little.
    if count.checked_mul(size).is_none_or(|length| length > part.len()) {
        return Err(named(say!("repeats its numbers, which is not read", "数値を繰り返し使うので読めません")));
    }
    Ok(Entry { dtype: tensor.dtype, shape, place: Place::Strided { span, strides } })
}
