//! The files of textual-inversion embeddings, and which of them a plan uses.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use lbw::plan::{Piece, Plan, Request, lower};
use lbw::preset::PresetSet;
use lbw::text::chunk::{EmbeddingNames, chunk};
use lbw::text::tokenizer::Encoder;
use lbw::text::{EmbeddingFiles, Unusable, Widths};

fn save(path: &Path, tensors: &[(&str, usize, usize)]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let tensor = |rows, width| Tensor::ones((rows, width), DType::F32, &Device::Cpu).unwrap();
    let tensors: HashMap<_, _> = tensors.iter().map(|(n, rows, width)| (*n, tensor(*rows, *width))).collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

fn plan(prompt: &str, negative: &str) -> Plan {
    lower(&Request::new(prompt, negative), PresetSet::builtin()).plan.unwrap()
}

#[test]
fn files_are_read_where_they_fit_and_named_where_they_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    save(&file("a/good.safetensors"), &[("clip_l", 1, 8), ("clip_g", 1, 16)]);
    save(&file("b/good.safetensors"), &[("clip_l", 3, 8), ("clip_g", 3, 16)]);
    save(&file("sd1.safetensors"), &[("emb_params", 1, 8)]);
    save(&file("wide.safetensors"), &[("clip_l", 1, 9), ("clip_g", 1, 16)]);
    save(&file("uneven.safetensors"), &[("clip_l", 1, 8), ("clip_g", 2, 16)]);
    std::fs::write(file("old.pt"), "anything").unwrap();
    std::fs::write(file("cut.safetensors"), "anything").unwrap();

    let mut files = EmbeddingFiles::scan(&[dir.path().to_owned()]).unwrap();
    let widths = Widths(vec![8, 16]);
    let embeddings = files.load(&widths).unwrap();
    assert_eq!(embeddings.get("good").unwrap().vectors[1].dims(), [3, 16], "the last of the same name");
    assert_eq!(files.get("good").unwrap().path, file("b/good.safetensors"));
    assert!(["sd1", "wide", "uneven", "old", "cut"].iter().all(|name| embeddings.get(name).is_none()));

    let named = plan("a GOOD [sd1|wide] picture", "(old:1.2), cut, uneven");
    let reasons: HashMap<_, _> = files.unusable_in(&named).into_iter().map(|(f, why)| (f.name.as_str(), why)).collect();
    assert_eq!(reasons.len(), 5);
    assert_eq!(reasons["sd1"], Unusable::Width { found: Widths(vec![8]), model: widths });
    assert!(matches!(reasons["old"], Unusable::Damaged(_)));
    assert!(matches!(reasons["wide"], Unusable::Width { .. }));
    assert!(matches!(reasons["uneven"], Unusable::Shape { .. }));
    assert!(matches!(reasons["cut"], Unusable::Damaged(_)));
    assert_eq!(files.unusable_in(&plan("nothing of them", "")), []);
}

#[test]
fn used_names_come_in_the_order_of_webui() {
    let mut names = EmbeddingNames::default();
    ["one", "two", "bad"].iter().for_each(|name| names.add(name, 1));
    assert_eq!(names.used_by(&plan("two one two", "bad")), ["two", "one", "two", "one", "bad", "bad"]);
    assert_eq!(names.used_by(&plan(" one AND two AND one ", "")), ["two", "two", "one", "one"]);
    assert_eq!(names.used_by(&plan("cat", "dog")), [""; 0]);
}

#[test]
fn a_later_embedding_takes_the_place_of_the_earlier() {
    let mut names = EmbeddingNames::default();
    names.add("x", 2);
    names.add("x", 5);
    let chunks = chunk(&[Piece { text: "x".to_owned(), weight: 1.0 }], Encoder::ClipL, 20, &names);
    assert_eq!(chunks.chunks[0].embeddings[0].vectors, 5);
}
