//! Files of tensors: models, LoRAs, embeddings, in every format.

use lbw::block::Family;
use lbw::checkpoint::{Checkpoint, TensorFile};
use lbw::diagnostic::{Diagnostic, Text, code};
use lbw::lora::{Deltas, Inspection, KeyTable, ModuleTable, Network};
use lbw::plan::{Request, lower};
use lbw::preset::PresetSet;
use lbw::text::{EmbeddingFiles, Widths};

use super::super::write::{Block, Pickle, Stored, gguf, old_torch, safetensors, torch, torch_zip, zip};
use super::{Class, Told, bad, mangled, odd, tried};

/// Every tensor of the file, as far as it can be read; a file whose tensors cannot be read is refused.
fn read(bytes: &[u8]) -> Told {
    let file = TensorFile::from_bytes("x", bytes.to_vec())?;
    for name in file.names() {
        file.tensor(name)?;
    }
    // It is no model, whatever it is.
    assert!(Checkpoint::from_bytes("x", bytes.to_vec()).is_err());
    Ok(Vec::new())
}

fn with_header(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// A safetensors file with one tensor that is described like this.
fn described(entry: &str) -> Vec<u8> {
    with_header(&format!(r#"{{"a":{{{entry}}}}}"#), 16)
}

fn headers() -> Vec<Class> {
    let entry = r#""dtype":"F32","shape":[4],"data_offsets":[0,16]"#;
    let other = r#""dtype":"F32","shape":[2],"data_offsets":[8,16]"#;
    let twice = format!(r#"{{"a":{{{}}},"a":{{{other}}}}}"#, other.replace("8,16", "0,8"));
    vec![
        bad("a header of 2^64 bytes", [&[0xff; 8][..], b"{}"].concat()),
        bad("a header of 0 bytes", [&[0; 8][..], &[0; 16]].concat()),
        bad("a header that is a list", with_header("[]", 16)),
        bad("a header that is a number", with_header("1", 16)),
        bad("a header that is cut", with_header(&format!(r#"{{"a":{{{entry}"#), 16)),
        bad("brackets in brackets", with_header(&"[".repeat(100_000), 16)),
        bad("objects in objects", with_header(&r#"{"a":"#.repeat(100_000), 16)),
        bad("a header of bytes that are no text", [&8u64.to_le_bytes()[..], &[0xff; 8], &[0; 16]].concat()),
        bad("one name twice", with_header(&twice, 16)),
        odd("one tensor twice", with_header(&format!(r#"{{"a":{{{entry}}},"a":{{{entry}}}}}"#), 16)),
        bad("tensors over each other", with_header(&format!(r#"{{"a":{{{entry}}},"b":{{{other}}}}}"#), 16)),
        bad("a tensor outside", described(r#""dtype":"F32","shape":[4],"data_offsets":[16,32]"#)),
        bad("a tensor that ends before it begins", described(r#""dtype":"F32","shape":[4],"data_offsets":[16,0]"#)),
        bad("a tensor of too few bytes", described(r#""dtype":"F32","shape":[4],"data_offsets":[0,12]"#)),
        bad("a type that there is not", described(r#""dtype":"F33","shape":[4],"data_offsets":[0,16]"#)),
        bad("a type that is a number", described(r#""dtype":32,"shape":[4],"data_offsets":[0,16]"#)),
        bad(
            "a shape of 2^64 numbers",
            described(r#""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]"#),
        ),
        bad("a shape of less than nothing", described(r#""dtype":"F32","shape":[-4],"data_offsets":[0,16]"#)),
        bad("a shape of halves", described(r#""dtype":"F32","shape":[4.5],"data_offsets":[0,16]"#)),
        bad("a shape that is none", described(r#""dtype":"F32","shape":4,"data_offsets":[0,16]"#)),
        bad("a place that is none", described(r#""dtype":"F32","shape":[4],"data_offsets":[0]"#)),
        bad("a place of 2^70", described(r#""dtype":"F32","shape":[4],"data_offsets":[0,1180591620717411303424]"#)),
        bad("no shape", described(r#""dtype":"F32","data_offsets":[0,16]"#)),
        bad("metadata that are none", with_header(r#"{"__metadata__":7}"#, 0)),
        bad("metadata of numbers", with_header(r#"{"__metadata__":{"a":7}}"#, 0)),
        bad("two lists of metadata", with_header(r#"{"__metadata__":{},"__metadata__":{}}"#, 0)),
        odd("a name of a megabyte", with_header(&format!(r#"{{"{}":{{{entry}}}}}"#, "n".repeat(1 << 20)), 16)),
        odd("a name that speaks to a terminal", with_header(&format!(r#"{{"\u001b[2J":{{{entry}}}}}"#), 16)),
        odd("a name of nothing", with_header(&format!(r#"{{"":{{{entry}}}}}"#), 16)),
        odd("no tensors", with_header("{}", 0)),
        odd("a tensor of no numbers", described(r#""dtype":"F32","shape":[0],"data_offsets":[0,0]"#)),
        odd(
            "a shape of a thousand sides",
            described(&format!(r#""dtype":"F32","shape":[{}4],"data_offsets":[0,16]"#, "1,".repeat(1000))),
        ),
    ]
}

#[test]
fn safetensors_files() {
    let good = safetensors(&[Stored::f32("a", &[4], [1., 2., 3., 4.])], &[("ss_output_name", "x")]);
    let mut classes = mangled(&good);
    classes.extend(headers());
    tried("safetensors", &good, classes, read);
}

#[test]
fn gguf_files() {
    let block = |name: &str, shape: &[usize], kind, bytes: Vec<u8>| Block {
        name: name.to_owned(),
        shape: shape.to_vec(),
        kind,
        bytes,
        original: None,
    };
    let good = gguf(&[block("a", &[4], 0, vec![0; 16])]);
    let head = |version: u32, tensors: u64, entries: u64| {
        [&b"GGUF"[..], &version.to_le_bytes(), &tensors.to_le_bytes(), &entries.to_le_bytes()].concat()
    };
    let entry = |kind: u32, value: &[u8]| {
        [&head(3, 0, 1)[..], &1u64.to_le_bytes(), b"k", &kind.to_le_bytes(), value, &[0; 64]].concat()
    };
    let list = |kind: u32, count: u64| [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
    let lists = (0..100).flat_map(|_| list(9, 1)).collect::<Vec<u8>>();
    let mut classes = mangled(&good);
    classes.extend([
        bad("a version that there is not", head(99, 0, 0)),
        bad("2^64 tensors", head(3, u64::MAX, 0)),
        bad("2^64 entries", head(3, 0, u64::MAX)),
        bad("a name of 2^64 letters", [&head(3, 1, 0)[..], &[0xff; 8]].concat()),
        bad("a kind of value that there is not", entry(77, &[0; 8])),
        bad("a text of 2^64 letters", entry(8, &[0xff; 8])),
        bad("a list of 2^64 things", entry(9, &list(0, u64::MAX))),
        bad("a list of a kind that there is not", entry(9, &list(77, 4))),
        bad("lists in lists", entry(9, &lists)),
        odd(
            "a name of bytes that are no text",
            [&head(3, 1, 0)[..], &4u64.to_le_bytes(), &[0xff; 4], &[0; 64]].concat(),
        ),
        bad("a tensor of 2^64 sides", [&head(3, 1, 0)[..], &1u64.to_le_bytes(), b"a", &[0xff; 4], &[0; 64]].concat()),
        bad("a kind of tensor that there is not", gguf(&[block("a", &[4], 255, vec![0; 16])])),
        bad("a block that is cut", gguf(&[block("a", &[32], 8, vec![0; 3])])),
        bad("half a block", gguf(&[block("a", &[5], 8, vec![0; 34])])),
        bad("one name twice", gguf(&[block("a", &[4], 0, vec![0; 16]), block("a", &[4], 0, vec![0; 16])])),
        odd("no tensors", head(3, 0, 0)),
        odd("a tensor of no numbers", gguf(&[block("a", &[0], 0, vec![])])),
    ]);
    // One tensor of no name and of one number.
    classes
        .iter_mut()
        .filter(|class| class.name.contains("megabyte of zeros"))
        .for_each(|class| class.is_refused = false);
    tried("GGUF", &good, classes, read);
}

/// Pickles that are put into an archive, and the archives themselves.
#[test]
fn archives_of_torch() {
    let good = torch(&[Stored::f32("a", &[4], [1., 2., 3., 4.])]);
    let stored = |pickle: Pickle| torch_zip(&pickle.stop(), &[&[0; 16]]);
    let raw = |bytes: &[u8]| torch_zip(bytes, &[&[0; 16]]);
    let tensor = |dtype, count, offset, shape: &[usize], strides: &[usize]| {
        stored(Pickle::new().op(b"}(").text("a").tensor(dtype, "0", count, offset, shape, strides).op(b"u"))
    };
    let many: Vec<(String, Vec<u8>)> = (0..20_000).map(|n| (format!("x/{n}"), Vec::new())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    let mut classes = mangled(&good);
    // The list of an archive stands at its end, and what is behind it is a remark.
    classes.iter_mut().for_each(|class| class.is_refused &= !class.name.contains("before it"));
    classes.extend([
        bad("an archive of nothing", zip(&[])),
        bad("an archive without a pickle", zip(&[("x/data/0", &[0; 16])])),
        bad("an archive of 20,000 files of nothing", zip(&many)),
        bad("a pickle of nothing", raw(b"")),
        bad("a pickle that is cut", raw(b"\x80\x02}q")),
        bad("a pickle of a version that there is not", raw(b"\x80\x63.")),
        bad("a stop and nothing", raw(b".")),
        bad("a word that there is not", raw(b"\x80\x02\xfe.")),
        bad("a command to run", stored(Pickle::new().global("os", "system").op(b"(").text("true").op(b"tR"))),
        bad("a way around it", stored(Pickle::new().global("builtins", "getattr").op(b"(").text("a").op(b"tR"))),
        bad(
            "a program to build",
            stored(Pickle::new().global("torch.storage", "_load_from_bytes").op(b"(").text("a").op(b"tR")),
        ),
        bad("something remembered that is not", raw(b"\x80\x02h\x63.")),
        bad("marks without an end", raw(&[&b"\x80\x02"[..], &b"(".repeat(10_000), b"."].concat())),
        bad("a text of four gigabytes", raw(b"\x80\x02X\xff\xff\xff\xffabc.")),
        bad("bytes of 2^64", raw(b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.")),
        bad("a number of 255 bytes", raw(b"\x80\x02\x8a\xffabc.")),
        bad("a text that is none", raw(b"\x80\x02X\x02\0\0\0\xff\xfe.")),
        bad("lists in lists", raw(&[&b"\x80\x02"[..], &b"]".repeat(5000), &b"a".repeat(4999), b"."].concat())),
        bad("a list in itself", raw(b"\x80\x02]q\0h\0a.")),
        bad("tuples that double", raw(&[&b"\x80\x02)q\0"[..], &b"h\0h\0\x86q\0".repeat(60), b"."].concat())),
        bad("a tensor outside of its file", tensor("F32", 4, 9, &[4], &[1])),
        bad("a tensor of 2^60 numbers", tensor("F32", 4, 0, &[1 << 30, 1 << 30], &[0, 0])),
        bad("a tensor of more than its file has", tensor("F32", 4000, 0, &[4000], &[1])),
        bad("a step of 2^62", tensor("F32", 4, 0, &[2, 2], &[1 << 30, 1])),
        odd("a tensor that stands still", tensor("F32", 4, 0, &[4], &[0])),
        odd("a number alone", stored(Pickle::new().int(7))),
    ]);
    // Remarks behind the list and holes between the files.
    for class in &mut classes {
        class.is_refused &= !["a tensor of 2^60 numbers", "a number alone"].contains(&class.name.as_str());
    }
    tried("archives of torch", &good, classes, read);
}

#[test]
fn older_files_of_torch() {
    let good = old_torch(&[Stored::f32("a", &[4], [1., 2., 3., 4.])]);
    let mut classes = mangled(&good);
    let at = |length: usize| bad(format!("{length} bytes of it"), &good[..length]);
    classes.extend([8, 16, 32, 64, 100, good.len() - 17, good.len() - 8].map(at));
    tried("older files of torch", &good, classes, read);
}

/// A linear layer of 8×4.
fn table() -> ModuleTable {
    let tensors: [(&str, &[usize]); 1] = [("model.diffusion_model.input_blocks.4.1.proj_in.weight", &[8, 4])];
    ModuleTable::new(Family::Sdxl, tensors)
}

fn lora(up: &[usize], down: &[usize], alpha: f32, value: f32) -> Vec<u8> {
    let name = "lora_unet_input_blocks_4_1_proj_in";
    let filled = |part: &str, shape: &[usize]| {
        let count = shape.iter().product();
        Stored::f32(&format!("{name}.{part}"), shape, std::iter::repeat_n(value, count))
    };
    let alpha = Stored::f32(&format!("{name}.alpha"), &[], [alpha]);
    safetensors(&[filled("lora_up.weight", up), filled("lora_down.weight", down), alpha], &[])
}

#[test]
fn loras() {
    let good = lora(&[8, 2], &[2, 4], 2.0, 0.5);
    let read = |bytes: &[u8]| -> Told {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let _ = (Inspection::of_file(&path, Some(&table())).is_ok(), Deltas::of_file(&path).is_ok());
        let network = Network::open(&path, &table(), KeyTable::Lenient)?;
        for module in network.modules() {
            assert!(!module.name().is_empty());
        }
        Ok(Vec::new())
    };
    let named = |names: &[&str]| {
        let tensors: Vec<Stored> = names.iter().map(|name| Stored::f32(name, &[1], [1.0])).collect();
        safetensors(&tensors, &[])
    };
    let many: Vec<String> = (0..3000).map(|n| format!("lora_unet_nothing_{n}.lora_up.weight")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut classes = mangled(&good);
    classes.extend(headers().into_iter().filter(|class| class.is_refused));
    classes.extend([
        bad("numbers that are none", lora(&[8, 2], &[2, 4], 2.0, f32::NAN)),
        bad("numbers without end", lora(&[8, 2], &[2, 4], 2.0, f32::INFINITY)),
        bad("an alpha that is no number", lora(&[8, 2], &[2, 4], f32::NAN, 0.5)),
        bad("ranks that differ", lora(&[8, 2], &[3, 4], 2.0, 0.5)),
        bad("more channels than the model has", lora(&[9, 2], &[2, 4], 2.0, 0.5)),
        bad("no rank", lora(&[8, 0], &[0, 4], 2.0, 0.5)),
        bad("a rank of nothing", lora(&[], &[], 2.0, 0.5)),
        bad("one side", lora(&[16], &[8], 2.0, 0.5)),
        odd("six sides", lora(&[8, 2, 1, 1, 1, 1], &[2, 4, 1, 1, 1, 1], 2.0, 0.5)),
        odd("an alpha of nothing", lora(&[8, 2], &[2, 4], 0.0, 0.5)),
        odd("an alpha of 10^38", lora(&[8, 2], &[2, 4], 1e38, 0.5)),
        odd("an alpha below nothing", lora(&[8, 2], &[2, 4], -2.0, 0.5)),
        odd("half a module", named(&["lora_unet_input_blocks_4_1_proj_in.lora_up.weight"])),
        odd("3,000 modules of no model", named(&many)),
        odd("a name of points", named(&["....", ".alpha", "lora_unet_.alpha"])),
        odd("a name that speaks to a terminal", named(&["lora_unet_\x1b[2J.alpha"])),
    ]);
    tried("LoRAs", &good, classes, read);
}

#[test]
fn embeddings() {
    let pair = |l: &[usize], g: &[usize], value: f32| {
        let filled =
            |name: &str, shape: &[usize]| Stored::f32(name, shape, std::iter::repeat_n(value, shape.iter().product()));
        safetensors(&[filled("clip_l", l), filled("clip_g", g)], &[])
    };
    let named = |names: &[&str]| {
        let tensors: Vec<Stored> = names.iter().map(|name| Stored::f32(name, &[1, 8], [1.0; 8])).collect();
        safetensors(&tensors, &[])
    };
    let many: Vec<String> = (0..3000).map(|n| format!("t{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let good = pair(&[2, 8], &[2, 16], 0.5);
    let plan = lower(&Request::new("a photo of x", ""), PresetSet::builtin()).plan.unwrap();
    for extension in ["safetensors", "pt", "bin"] {
        let read = |bytes: &[u8]| -> Told {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(format!("x.{extension}")), bytes).unwrap();
            let mut files = EmbeddingFiles::scan(&[folder.path().to_owned()])?;
            files.load(&Widths(vec![8, 16]))?;
            let unusable = files.unusable_in(&plan);
            let said = unusable.into_iter().map(|(file, why)| {
                let (name, why) = (Text::same(&file.name), lbw::diagnostic::Said::said(&why));
                Diagnostic::new(code::UNUSABLE_EMBEDDING, Text::join([name, why], ": "))
            });
            Ok(said.collect())
        };
        let mut classes = mangled(&good);
        classes.extend(headers().into_iter().filter(|class| class.is_refused));
        classes.extend([
            bad("vectors of another width", pair(&[2, 9], &[2, 16], 0.5)),
            bad("more vectors for one than for the other", pair(&[2, 8], &[3, 16], 0.5)),
            bad("no vectors", pair(&[0, 8], &[0, 16], 0.5)),
            bad("one side", pair(&[8], &[16], 0.5)),
            bad("three sides", pair(&[1, 2, 8], &[1, 2, 16], 0.5)),
            bad("numbers that are none", pair(&[2, 8], &[2, 16], f32::NAN)),
            bad("17 MiB of vectors", pair(&[600_000, 8], &[600_000, 16], 0.0)),
            bad("vectors for one encoder", named(&["clip_l"])),
            bad("vectors of no encoder", named(&["a", "b", "c"])),
            bad("3,000 tensors", named(&many)),
            odd("a name that speaks to a terminal", named(&["\x1b[2J"])),
        ]);
        tried(&format!("embeddings ({extension})"), &good, classes, read);
    }
}
