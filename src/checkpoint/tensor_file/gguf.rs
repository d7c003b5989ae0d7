//! The header of a GGUF file, whose tensors may be quantised in blocks.
//!
//! Only what is needed is kept of it: names, shapes, types, places, and the texts of its metadata. The blocks themselves are
//! read by candle.

use std::collections::BTreeMap;

use candle_core::quantized::GgmlDType;
use safetensors::tensor::Dtype;

use super::error::GgufProblem;
use super::source::Source;
use super::{Contents, Entry, Place, Span};
use crate::diagnostic::Text;
use crate::files::limits::{TENSOR_HEADER, TENSORS};
use crate::say;

/// Dimensions that a tensor has at most.
const MAX_DIMS: usize = 4;
/// Lists in lists.
const MAX_DEPTH: usize = 4;
/// Where ComfyUI's converter keeps the shape of a tensor whose rows it cut anew.
const SHAPE: &str = "comfy.gguf.orig_shape.";

pub(super) fn is_gguf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GGUF")
}

/// What is read of a file at first; the header of an image model is shorter.
const FIRST: usize = 1 << 20;

/// Why a header is not read.
enum Stop {
    Problem(GgufProblem),
    /// It goes on behind the bytes that have been read, as far as this.
    GoesOn(usize),
}

impl From<GgufProblem> for Stop {
    fn from(problem: GgufProblem) -> Self {
        Stop::Problem(problem)
    }
}

type Result<T> = std::result::Result<T, Stop>;

/// The tensors that the header of `source` names. Places have been checked against the length.
pub(super) fn read(source: &Source) -> std::result::Result<Contents, GgufProblem> {
    let mut length = FIRST;
    loop {
        match header(&source.start(length), source.len()) {
            Ok(contents) => return Ok(contents),
            Err(Stop::Problem(problem)) => return Err(problem),
            Err(Stop::GoesOn(end)) if end > TENSOR_HEADER => {
                let mib = TENSOR_HEADER >> 20;
                let why = say!("its header is longer than {mib} MiB", "ヘッダーが {mib} MiB を超えています");
                return Err(GgufProblem::Damaged(why));
            }
            Err(Stop::GoesOn(end)) => length = end.max(2 * length).min(TENSOR_HEADER),
        }
    }
}

fn header(bytes: &[u8], file_len: usize) -> Result<Contents> {
    let mut reader = Reader { bytes, at: 4, file_len };
    let version = reader.u32()?;
    if !matches!(version, 2 | 3) {
        return Err(GgufProblem::Version(version).into());
    }
    let (tensors, values) = (reader.u64()?, reader.u64()?);
    // Something for every tensor may stand in the metadata.
    if tensors.max(values) > TENSORS as u64 && tensors.max(values) <= file_len as u64 {
        let why = say!("its header names more than {TENSORS} things", "ヘッダーの項目が {TENSORS} 個を超えています");
        return Err(GgufProblem::Damaged(why).into());
    }
    let mut header = Header::default();
    for _ in 0..values {
        let key = reader.text()?;
        let kind = reader.u32()?;
        header.take(key, reader.value(kind, 0)?);
    }
    let mut infos = Vec::new();
    for _ in 0..tensors {
        infos.push(reader.tensor()?);
    }
    if header.alignment == 0 || !header.alignment.is_power_of_two() {
        let why = say!("its alignment is no power of two", "整列の幅が 2 の累乗ではありません");
        return Err(GgufProblem::Damaged(why).into());
    }
    let start = reader.at.checked_next_multiple_of(header.alignment).ok_or(GgufProblem::CutShort)?;
    let mut entries = BTreeMap::new();
    for info in infos {
        let name = info.name;
        let shape = header.shapes.remove(name);
        let entry = info.entry(start, file_len, shape)?;
        if entries.insert(name.to_owned(), entry).is_some() {
            let name = name.escape_debug();
            let why = say!("it holds tensor `{name}` twice", "テンソル `{name}` が二つあります");
            return Err(GgufProblem::Damaged(why).into());
        }
    }
    Ok(Contents { entries, metadata: header.texts })
}

struct Header {
    texts: BTreeMap<String, String>,
    shapes: BTreeMap<String, Vec<usize>>,
    alignment: usize,
}

impl Default for Header {
    fn default() -> Self {
        Header { texts: BTreeMap::new(), shapes: BTreeMap::new(), alignment: 32 }
    }
}

impl Header {
    fn take(&mut self, key: &str, value: Value) {
        match value {
            Value::Text(text) => drop(self.texts.insert(key.to_owned(), text.to_owned())),
            Value::Number(n) if key == "general.alignment" => self.alignment = usize::try_from(n).unwrap_or(0),
            Value::Numbers(dims) => {
                if let Some(tensor) = key.strip_prefix(SHAPE) {
                    let dims = dims.into_iter().map(usize::try_from).collect::<std::result::Result<_, _>>();
                    self.shapes.insert(tensor.to_owned(), dims.unwrap_or_default());
                }
            }
            _ => {}
        }
    }
}

/// A value of the metadata, as far as it is of use.
enum Value<'b> {
    Text(&'b str),
    Number(u64),
    /// At most as many as a shape has.
    Numbers(Vec<u64>),
    Other,
}

struct Info<'b> {
    name: &'b str,
    /// As GGUF has it: the last dimension first.
    dims: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl Info<'_> {
    fn entry(
        self,
        start: usize,
        file_len: usize,
        shape: Option<Vec<usize>>,
    ) -> std::result::Result<Entry, GgufProblem> {
        let named = |why: Text| {
            let name = self.name.escape_debug();
            GgufProblem::Damaged(say!("tensor `{name}` {why}", "テンソル `{name}` は{why}", with why))
        };
        let dims = self.dims.iter().rev().map(|dim| usize::try_from(*dim)).collect::<std::result::Result<Vec<_>, _>>();
        let dims = dims.map_err(|_| named(say!("has impossible dimensions", "形がありえません")))?;
        let count = |dims: &[usize]| dims.iter().try_fold(1usize, |n, dim| n.checked_mul((*dim).max(1)));
        let elements = count(&dims).ok_or_else(|| named(say!("has impossible dimensions", "形がありえません")))?;
        let elements = if dims.contains(&0) { 0 } else { elements };
        let shape = match shape {
            Some(shape) if count(&shape) == Some(elements) && !shape.contains(&0) => shape,
            Some(_) => return Err(named(say!("has another shape than its metadata says", "メタデータと形が違います"))),
            None => dims,
        };
        let number = self.kind;
        let kind = Kind::of(number).ok_or_else(|| {
            named(say!(
                "is quantised in a way that is not known ({number})",
                "知らない方法で量子化されています ({number})"
            ))
        })?;
        let (block, size) = match kind {
            Kind::Plain(dtype) => (1, dtype.bitsize() / 8),
            Kind::Blocks(ggml) => (ggml.block_size(), ggml.type_size()),
        };
        if !elements.is_multiple_of(block) {
            return Err(named(say!("has no whole number of blocks", "ブロックの数が整数になりません")));
        }
        let length = (elements / block).checked_mul(size).ok_or(GgufProblem::CutShort)?;
        let at = usize::try_from(self.offset).ok().and_then(|offset| start.checked_add(offset));
        let end = at.and_then(|at| at.checked_add(length)).filter(|end| *end <= file_len);
        let (at, end) = at.zip(end).ok_or(GgufProblem::CutShort)?;
        let span = Span { source: 0, bytes: at..end };
        let (dtype, place) = match kind {
            Kind::Plain(dtype) => (dtype, Place::Plain(span)),
            Kind::Blocks(ggml) => (Dtype::F32, Place::Blocks { span, ggml }),
        };
        Ok(Entry { dtype, shape, place })
    }
}

enum Kind {
    Plain(Dtype),
    Blocks(GgmlDType),
}

impl Kind {
    /// ggml's number of a type.
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Kind::Plain(Dtype::F32),
            1 => Kind::Plain(Dtype::F16),
            30 => Kind::Plain(Dtype::BF16),
            28 => Kind::Plain(Dtype::F64),
            24 => Kind::Plain(Dtype::I8),
            25 => Kind::Plain(Dtype::I16),
            26 => Kind::Plain(Dtype::I32),
            27 => Kind::Plain(Dtype::I64),
            2 => Kind::Blocks(GgmlDType::Q4_0),
            3 => Kind::Blocks(GgmlDType::Q4_1),
            6 => Kind::Blocks(GgmlDType::Q5_0),
            7 => Kind::Blocks(GgmlDType::Q5_1),
            8 => Kind::Blocks(GgmlDType::Q8_0),
            10 => Kind::Blocks(GgmlDType::Q2K),
            11 => Kind::Blocks(GgmlDType::Q3K),
            12 => Kind::Blocks(GgmlDType::Q4K),
            13 => Kind::Blocks(GgmlDType::Q5K),
            14 => Kind::Blocks(GgmlDType::Q6K),
            _ => return None,
        })
    }
}

struct Reader<'b> {
    /// The first bytes of the file.
    bytes: &'b [u8],
    at: usize,
    file_len: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.file_len).ok_or(GgufProblem::CutShort)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Stop::GoesOn(end))?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.first_chunk().copied().ok_or(GgufProblem::CutShort)?)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'b str> {
        let length = usize::try_from(self.u64()?).map_err(|_| GgufProblem::CutShort)?;
        let bytes = self.take(length)?;
        // Names of tensors and keys are ASCII; a text that is not UTF-8 is of no use.
        Ok(std::str::from_utf8(bytes).unwrap_or_default().trim_end_matches('\0'))
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<Value<'b>> {
        Ok(match kind {
            0 => Value::Number(u64::from(u8::from_le_bytes(self.array()?))),
            2 => Value::Number(u64::from(u16::from_le_bytes(self.array()?))),
            4 => Value::Number(u64::from(self.u32()?)),
            5 => Value::Number(u64::try_from(i32::from_le_bytes(self.array()?)).unwrap_or(u64::MAX)),
            10 => Value::Number(self.u64()?),
            11 => Value::Number(u64::try_from(i64::from_le_bytes(self.array()?)).unwrap_or(u64::MAX)),
            1 | 3 | 6 | 7 | 12 => {
                self.take(width(kind).unwrap_or(0))?;
                Value::Other
            }
            8 => Value::Text(self.text()?),
            9 if depth < MAX_DEPTH => self.list(depth)?,
            other => {
                let why = say!("its metadata has a value of kind {other}", "メタデータに種類 {other} の値があります");
                return Err(GgufProblem::Damaged(why).into());
            }
        })
    }

    fn list(&mut self, depth: usize) -> Result<Value<'b>> {
        let kind = self.u32()?;
        let count = self.u64()?;
        let few = count <= MAX_DIMS as u64 + 1;
        if let Some(width) = width(kind).filter(|_| !few) {
            let length = usize::try_from(count).ok().and_then(|n| n.checked_mul(width)).ok_or(GgufProblem::CutShort)?;
            self.take(length)?;
            return Ok(Value::Other);
        }
        let mut numbers = Vec::new();
        for _ in 0..count {
            match self.value(kind, depth + 1)? {
                Value::Number(n) if few => numbers.push(n),
                _ => {}
            }
        }
        Ok(if numbers.is_empty() { Value::Other } else { Value::Numbers(numbers) })
    }

    fn tensor(&mut self) -> Result<Info<'b>> {
        let name = self.text()?;
        let count = self.u32()? as usize;
        if count > MAX_DIMS {
            let name = name.escape_debug();
            let why = say!("tensor `{name}` has {count} dimensions", "テンソル `{name}` の次元が {count} あります");
            return Err(GgufProblem::Damaged(why).into());
        }
        let dims = (0..count).map(|_| self.u64()).collect::<Result<_>>()?;
        Ok(Info { name, dims, kind: self.u32()?, offset: self.u64()? })
    }
}

/// Bytes of a value of fixed size.
fn width(kind: u32) -> Option<usize> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}
