//! Files of tensors in the formats that tools write, made by hand.

use serde_json::{Map, json};

/// A tensor to write: its name, type as safetensors names it, shape and bytes.
#[derive(Clone)]
pub struct Stored {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Stored {
    pub fn f32(name: &str, shape: &[usize], values: impl IntoIterator<Item = f32>) -> Self {
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        Stored { name: name.to_owned(), dtype: "F32", shape: shape.to_vec(), bytes }
    }

    pub fn raw(name: &str, dtype: &'static str, shape: &[usize], bytes: Vec<u8>) -> Self {
        Stored { name: name.to_owned(), dtype, shape: shape.to_vec(), bytes }
    }
}

pub fn safetensors(tensors: &[Stored], metadata: &[(&str, &str)]) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    if !metadata.is_empty() {
        let texts: Map<_, _> = metadata.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        header.insert("__metadata__".to_owned(), texts.into());
    }
    for tensor in tensors {
        let start = data.len();
        data.extend(&tensor.bytes);
        let entry = json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, data.len()]});
        header.insert(tensor.name.clone(), entry);
    }
    let header = serde_json::to_string(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

// ---- Pickles ----------------------------------------------------------------------------------------------------------

/// A pickle of protocol 2, instruction by instruction.
#[derive(Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Pickle(vec![0x80, 2])
    }

    pub fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    pub fn int(self, value: i32) -> Self {
        self.op(b"J").op(&value.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.op(b"c").op(module.as_bytes()).op(b"\n").op(name.as_bytes()).op(b"\n")
    }

    pub fn ints(self, values: &[usize]) -> Self {
        values.iter().fold(self.op(b"("), |p, v| p.int(*v as i32)).op(b"t")
    }

    /// A tensor over part `key` of `count` numbers.
    pub fn tensor(
        self,
        dtype: &str,
        key: &str,
        count: usize,
        offset: usize,
        shape: &[usize],
        strides: &[usize],
    ) -> Self {
        let kind = match dtype {
            "F16" => "HalfStorage",
            "BF16" => "BFloat16Storage",
            "F64" => "DoubleStorage",
            "I64" => "LongStorage",
            _ => "FloatStorage",
        };
        let storage = self.global("torch._utils", "_rebuild_tensor_v2").op(b"((").text("storage").global("torch", kind);
        let storage = storage.text(key).text("cpu").int(count as i32).op(b"tQ").int(offset as i32);
        storage.ints(shape).ints(strides).op(b"\x89").global("collections", "OrderedDict").op(b")RtR")
    }

    /// `{name: tensor, …}`, each over a part of its own: "0", "1", …
    pub fn tensors(self, tensors: &[Stored]) -> Self {
        let filled = tensors.iter().enumerate().fold(self.op(b"}("), |p, (key, t)| {
            let count = t.shape.iter().product();
            p.text(&t.name).tensor(t.dtype, &key.to_string(), count, 0, &t.shape, &strides(&t.shape))
        });
        filled.op(b"u")
    }

    pub fn stop(self) -> Vec<u8> {
        self.op(b".").0
    }
}

pub fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|i| shape[i + 1..].iter().product()).collect()
}

/// A zip archive without compression, its parts aligned to 64 bytes as torch does it.
pub fn zip(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for (name, bytes) in parts {
        let at = file.len();
        let padding = (64 - (at + 30 + name.len() + 4) % 64) % 64;
        let sizes = [crc32fast::hash(bytes), bytes.len() as u32, bytes.len() as u32].map(u32::to_le_bytes).concat();
        let lengths = |extra: usize| [(name.len() as u16).to_le_bytes(), (extra as u16).to_le_bytes()].concat();
        file.extend(b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0");
        file.extend([&sizes[..], &lengths(padding + 4), name.as_bytes(), b"FB"].concat());
        file.extend((padding as u16).to_le_bytes());
        file.extend(vec![b'Z'; padding]);
        file.extend(*bytes);
        list.extend(b"PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0");
        list.extend([&sizes[..], &lengths(0), &[0; 10], &(at as u32).to_le_bytes(), name.as_bytes()].concat());
    }
    let (start, count) = (file.len() as u32, parts.len() as u16);
    file.extend(&list);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    file.extend([(list.len() as u32).to_le_bytes(), start.to_le_bytes()].concat());
    file.extend([0, 0]);
    file
}

/// A file of torch since 1.6 around a pickle.
pub fn torch_zip(pickle: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let names: Vec<String> = (0..parts.len()).map(|key| format!("archive/data/{key}")).collect();
    let mut all: Vec<(&str, &[u8])> = vec![("archive/data.pkl", pickle), ("archive/byteorder", b"little")];
    all.extend(names.iter().map(String::as_str).zip(parts.iter().copied()));
    all.push(("archive/version", b"3\n"));
    zip(&all)
}

pub fn torch(tensors: &[Stored]) -> Vec<u8> {
    let parts: Vec<&[u8]> = tensors.iter().map(|t| t.bytes.as_slice()).collect();
    torch_zip(&Pickle::new().tensors(tensors).stop(), &parts)
}

/// A file of torch before 1.6.
pub fn old_torch(tensors: &[Stored]) -> Vec<u8> {
    let magic = [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    let mut file = magic.to_vec();
    file.extend(Pickle::new().op(b"M").op(&1001u16.to_le_bytes()).stop());
    file.extend(Pickle::new().op(b"}(").text("little_endian").op(b"\x88u").stop());
    file.extend(Pickle::new().tensors(tensors).stop());
    let keys = (0..tensors.len()).fold(Pickle::new().op(b"]("), |p, key| p.text(&key.to_string())).op(b"e");
    file.extend(keys.stop());
    for tensor in tensors {
        file.extend((tensor.shape.iter().product::<usize>() as u64).to_le_bytes());
        file.extend(&tensor.bytes);
    }
    file
}

// ---- GGUF -------------------------------------------------------------------------------------------------------------

/// A tensor of a GGUF file: name, row-major shape, ggml's number of its type, bytes, and its true shape where rows were cut
/// anew.
pub struct Block {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: u32,
    pub bytes: Vec<u8>,
    pub original: Option<Vec<usize>>,
}

pub fn gguf(tensors: &[Block]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let shapes: Vec<_> = tensors.iter().filter_map(|t| Some((&t.name, t.original.as_ref()?))).collect();
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((shapes.len() as u64 + 2).to_le_bytes());
    file.extend([text("general.architecture"), 8u32.to_le_bytes().to_vec(), text("sdxl")].concat());
    // A list that is of no use here.
    file.extend([text("tokens"), 9u32.to_le_bytes().to_vec(), 8u32.to_le_bytes().to_vec()].concat());
    file.extend([1u64.to_le_bytes().to_vec(), text("a token")].concat());
    for (name, dims) in shapes {
        file.extend([text(&format!("comfy.gguf.orig_shape.{name}")), 9u32.to_le_bytes().to_vec()].concat());
        file.extend(5u32.to_le_bytes());
        file.extend((dims.len() as u64).to_le_bytes());
        dims.iter().for_each(|dim| file.extend((*dim as i32).to_le_bytes()));
    }
    let mut offset = 0;
    for tensor in tensors {
        file.extend([text(&tensor.name), (tensor.shape.len() as u32).to_le_bytes().to_vec()].concat());
        tensor.shape.iter().rev().for_each(|dim| file.extend((*dim as u64).to_le_bytes()));
        file.extend([&tensor.kind.to_le_bytes()[..], &(offset as u64).to_le_bytes()].concat());
        offset += tensor.bytes.len().next_multiple_of(32);
    }
    for tensor in tensors {
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(&tensor.bytes);
    }
    file
}
