//! What the library says when something fails: each sentence once, in both languages.

use std::path::{Path, PathBuf};

use lbw::batch::{LineError, Pattern};
use lbw::checkpoint::{Checkpoint, CheckpointError, FileError, TensorFile};
use lbw::diagnostic::{Language, Said};
use lbw::engine::{Engine, EngineOptions, unobserved};
use lbw::infotext::Infotext;
use lbw::lora::LoraIndex;
use lbw::plan::{Patch, Plan, Request, Sampler, Settings, lower, webui_option};
use lbw::preset::{PresetSet, styles::Styles};
use lbw::study::xyz::Axis;
use regex::Regex;

/// Asserts that `error` shows itself in English and says the same in Japanese, with `word` in both.
#[track_caller]
fn assert_speaks<E: Said + std::fmt::Display>(error: E, word: &str, japanese: &str) {
    let said = error.said();
    let (en, ja) = (said.in_language(Language::En), said.in_language(Language::Ja));
    assert_eq!(en, error.to_string());
    assert!(en.contains(word) && ja.contains(word), "no `{word}` in {said:?}");
    assert!(ja.contains(japanese), "no `{japanese}` in {said:?}");
    assert!(!is_japanese(en), "{en}");
}

fn is_japanese(text: &str) -> bool {
    text.chars().any(|c| ('\u{3040}'..='\u{30ff}').contains(&c) || ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[test]
fn errors_of_every_room() {
    assert_speaks(FileError::from(candle_core::Error::Msg("x".into())), "x", "x");
    let absent = Checkpoint::open(Path::new("nothing/here.safetensors")).err().unwrap();
    assert_speaks(absent, "nothing/here.safetensors", "見つかりません");
    let refused = Checkpoint::from_bytes("a.safetensors", safetensors("lora_unet_x.alpha", "F32", &[0; 4]));
    assert!(matches!(refused, Err(CheckpointError::Refused { .. })));
    assert_speaks(refused.err().unwrap(), "<lora:NAME:1>", "チェックポイントではなく LoRA です");
    let cut = [&100u64.to_le_bytes()[..], &[0; 12]].concat();
    assert_speaks(TensorFile::from_bytes("b.safetensors", cut).err().unwrap(), "20", "壊れています: ヘッダーが");
    let index = LoraIndex::scan(&[embedded()]).unwrap();
    assert_speaks(index.resolve("Night").unwrap_err(), "`night`", "ではありませんか");
    assert_speaks("{nope}".parse::<Pattern>().unwrap_err(), "prompt_words", "使えません");
    assert_speaks(LineError::NoValue("--steps".into()), "`--steps`", "値が要ります");
    assert_speaks(Styles::parse("a,b\n").unwrap_err(), "`name`", "列");
    assert_speaks(Axis::parse("Step=1").unwrap_err(), "`Steps`", "軸 `Step` はありません");
    assert_speaks(Axis::parse("seed=x").unwrap_err(), "1-10 (+3)", "整数か");
    let wrong = webui_option::set(&mut Patch::default(), "randn_source", &"TPU".into()).unwrap_err();
    assert_speaks(wrong, "`randn_source`", "GPU または CPU ではありません");
    let pasted = Infotext::parse("a\nSteps: many, Sampler: Euler, CFG scale: 7").paste().unwrap();
    assert_speaks(pasted.not_understood[0].clone(), "`Steps: many`", "0 以上の整数ではありません");
}

/// Sentences that candle carries, which knows nothing of languages.
#[test]
fn a_damaged_weight_is_told_in_japanese_from_deep_within() {
    let path = embedded().join("shapes-xl.safetensors");
    let mut bytes = std::fs::read(path).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    let name = "model.diffusion_model.middle_block.1.proj_in.weight";
    let start = 8 + header_len + header[name]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[start..start + 4].fill(0xff);
    let checkpoint = Checkpoint::from_bytes("broken.safetensors", bytes).unwrap();
    let mut engine = Engine::new(checkpoint, EngineOptions::default()).unwrap();
    let error = engine.run(&plan(64), &mut unobserved).err().unwrap();
    assert_speaks(error, name, "要素 0 が NaN か無限大です");
    let error = engine.run(&plan(7), &mut unobserved).err().unwrap();
    assert_speaks(error, "4096", "幅が 7 です。8〜4096 の 8 の倍数にしてください");
}

/// Each chunk of 75 tokens is encoded and kept: a prompt of a thousand of them is refused before the first.
#[test]
fn a_prompt_of_more_chunks_than_are_kept_is_refused() {
    let mut engine = crate::drawing::engine(&embedded().join("shapes-xl.safetensors"));
    let error = engine.run(&crate::drawing::plan(&vec!["cat"; 1025].join(" BREAK ")), &mut unobserved).err().unwrap();
    assert_speaks(error, "1024", "1024 までです");
}

/// The sentences of errors are in [`Said`] alone, so none can be in English only.
#[test]
fn no_error_has_a_sentence_of_its_own() {
    let attribute = Regex::new(r"#\[error\((?s:(.*?))\)\]").unwrap();
    let mut count = 0;
    for (path, text) in sources() {
        for found in attribute.captures_iter(&text) {
            count += 1;
            assert!(matches!(&found[1], "transparent" | "\"{}\", self.said()"), "{}: {}", path.display(), &found[0]);
        }
    }
    assert!(count > 30, "only {count} errors were found");
}

/// Every pair of sentences is English and Japanese, but where there are no words or only a name.
#[test]
fn every_sentence_is_in_both_languages() {
    let pair = Regex::new(r#"say!\(\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)""#).unwrap();
    let argument = Regex::new(r"\{[^}]*\}").unwrap();
    let mut count = 0;
    for (path, text) in sources() {
        for found in pair.captures_iter(text.split("#[cfg(test)]").next().unwrap()) {
            count += 1;
            let (en, ja) = (&found[1], &found[2]);
            assert!(!is_japanese(en), "{}: {en}", path.display());
            // A name, such as `alpha`, is the same in both.
            let words = |text: &str| argument.replace_all(text, "").replace("\\n", "").trim().to_owned();
            let has_words = words(ja).contains(char::is_alphabetic);
            let is_name = words(en).ends_with(&words(ja)) && words(ja).split_whitespace().count() <= 2;
            assert!(is_japanese(ja) || !has_words || is_name, "{}: {ja}", path.display());
        }
    }
    assert!(count > 400, "only {count} sentences were found");
}

/// The library's source files with their text. The command line has sentences of its own.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!path.ends_with("src/cli")).then_some(path));
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("diagnostic/text.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

/// A file with one tensor of one row.
fn safetensors(name: &str, dtype: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,{}]}}}}"#, bytes.len());
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), bytes].concat()
}

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded")
}

fn plan(width: u32) -> Plan {
    let mut request = Request::new("a red house", "");
    let sampler = Sampler::from_name("Euler").unwrap();
    request.settings = Settings { sampler, steps: 1, width, height: 64, ..Settings::default() };
    lower(&request, PresetSet::builtin()).plan.unwrap()
}
