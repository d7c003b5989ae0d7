//! What must hold for every text and every file: the bodies of the fuzz targets, which the smoke run in `tests/library/fuzz_smoke.rs`
//! shares.
//!
//! `fuzz/run TARGET` goes on from the corpus that is checked in, guided by coverage, with the stable compiler. The targets are the
//! functions of this file that are public.
#![allow(dead_code, reason = "each target uses one of them")]

use std::path::PathBuf;
use std::sync::LazyLock;

use lbw::app::api::{
    Fields, Model, Models, Options as WebuiOptions, Reader, Refusal, Route, Rules, request_of_infotext,
};
use lbw::app::{Caller, ModelFiles, Places, Session};
use lbw::batch::{Form, NameParts, Options, Pattern, is_inside, parse_line};
use lbw::checkpoint::{Checkpoint, TensorFile};
use lbw::diagnostic::{Diagnostic, Language, Said, Severity, Source, Style};
use lbw::files::limits::PICTURE_TEXT;
use lbw::infotext::foreign::{self, Foreign};
use lbw::infotext::{self, looks_like_infotext};
use lbw::lora::{Deltas, Inspection, LoraHashes};
use lbw::plan::{Patch, Plan, Request, Sampler, Settings, Wanted, check, limits, lower, webui_option};
use lbw::preset::{PresetSet, styles::Styles, webui, yaml};
use lbw::study::xyz::Axis;
use lbw::syntax::{Prompt, python};
use lbw::text::{EmbeddingFiles, Widths};

/// Printing a parsed prompt gives the text back, and lowering ends with findings that can be shown.
pub fn prompt(text: &str) {
    assert_eq!(Prompt::parse_with_comments(text).to_string(), text);
    let prompt = Prompt::parse(text);
    assert_eq!(prompt.to_string(), prompt.shown.text());
    // Steps are few, so that a text of many edits stays small.
    let settings = Settings { steps: 7, sampler: Sampler::Heun, ..Settings::default() };
    let request = Request { settings, ..Request::new(text, text) };
    let lowering = lower(&request, PresetSet::builtin());
    findings(&lowering.diagnostics);
    if let Some(plan) = lowering.plan {
        assert!(plan.first.positive.iter().all(|part| !part.schedule.is_empty()));
        assert!(plan.first.loras.iter().all(|lora| lora.blocks.len() == 26));
    }
}

/// The text is the inside of a LoRA tag.
pub fn tag(text: &str) {
    prompt(&format!("a <lora:{text}>, b"));
}

/// Preset and styles files in every form; what is read can be written, and reads the same again.
pub fn preset(text: &str) {
    for (file, found) in [webui::weights("w.txt", text), webui::elements("e.txt", text)] {
        findings(&found);
        findings(&check::preset_file(&file));
        let (back, found) = yaml::parse("w.yaml", &yaml::write(&file), &PresetSet::default());
        findings(&found);
        let elements = file.elements.iter().map(|preset| (&preset.name, &preset.value));
        assert!(elements.eq(back.elements.iter().map(|preset| (&preset.name, &preset.value))), "{text:?}");
    }
    let (file, found) = yaml::parse("p.yaml", text, PresetSet::builtin());
    findings(&found);
    findings(&check::preset_file(&file));
    if let Ok(styles) = Styles::parse(text) {
        styles.iter().for_each(|style| drop(style.apply("a cat", "dog", 1 << 20)));
    }
}

/// A pasted text is read, its settings are applied, and its prompt is read in turn.
pub fn infotext(text: &str) {
    looks_like_infotext(text);
    let (pasted, found) = infotext::paste(&Source::new("prompt", text));
    findings(&found);
    if let Some(pasted) = pasted {
        pasted.not_understood.iter().for_each(|said| assert!(!said.to_string().is_empty()));
        let mut wanted = Wanted::default();
        pasted.patch.apply(&mut wanted);
        let Wanted { texts, settings, .. } = wanted;
        let request = Request { settings, ..Request::new(&texts.prompt, &texts.negative_prompt) };
        findings(&lower(&request, PresetSet::builtin()).diagnostics);
    }
}

/// What another program may have written: as JSON, and as the text of each field that it may stand in.
pub fn foreign(text: &str) {
    let one = |foreign: Option<Foreign>| {
        if let Some(foreign) = foreign {
            let (pasted, found) = infotext::paste_foreign(&foreign, &Source::new("a.png", ""));
            findings(&found);
            assert_eq!(pasted.is_some(), !found.iter().any(|d| d.severity == Severity::Error), "{found:?}");
        }
    };
    one(foreign::of_json(text));
    for keyword in ["Comment", "Dream", "XML:com.adobe.xmp", "prompt", "invokeai_metadata", "parameters"] {
        one(foreign::of_texts(
            |known| match known {
                _ if known == keyword => Some(text),
                "Software" => Some("NovelAI"),
                _ => None,
            },
            Some((64, 64)),
        ));
    }
}

/// The text is a part of a picture's file: a comment, an EXIF block, a chunk, or the file itself. It is read, or refused.
pub fn picture(text: &str) {
    let bytes = text.as_bytes();
    let part = &bytes[..bytes.len().min(60_000)];
    let length = (part.len() as u16 + 2).to_be_bytes();
    let jpeg = |marker: u8| [&[0xff, 0xd8, 0xff, marker], &length[..], part, b"\xff\xda\0\x02\xff\xd9"].concat();
    let exif = [b"Exif\0\0", part].concat();
    let in_exif = [&b"\xff\xd8\xff\xe1"[..], &(exif.len() as u16 + 2).to_be_bytes(), &exif, b"\xff\xd9"].concat();
    let block = &part[..part.len().min(255)];
    let gif = [&b"GIF89a\x01\0\x01\0\0\0\0\x21\xfe"[..], &[block.len() as u8], block, b"\0\x3b"].concat();
    let webp =
        [&b"RIFF"[..], &(part.len() as u32 + 12).to_le_bytes(), b"WEBPEXIF", &(part.len() as u32).to_le_bytes(), part]
            .concat();
    for (name, file) in [
        ("a.jpg", jpeg(0xfe)),
        ("b.jpg", in_exif),
        ("a.gif", gif),
        ("a.webp", webp),
        ("a.avif", bytes.to_vec()),
        ("a.png", bytes.to_vec()),
    ] {
        match lbw::image_io::text_of_bytes(name, &file) {
            Ok(read) => assert!(read.parameters.is_none_or(|text| text.len() < 1 << 20)),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A prompt file in every form: each entry is in its file, and what is wrong is told.
pub fn prompt_file(text: &str) {
    for name in ["a.txt", "a.jsonl", "a.json", "a.csv", "a.tsv", "a.toml"] {
        let read = Form::of(name, text).read(name, text, Options::default());
        findings(&read.found.iter().map(|found| found.diagnostic.clone()).collect::<Vec<_>>());
        // webui counts the lines of a prompt file as Python does.
        let lines = python::split_lines(text).count().max(1);
        assert!(read.entries.iter().all(|entry| (1..=lines + 1).contains(&entry.place.line)), "{name}");
    }
}

/// Every line of a prompt file is options or is said to be none.
pub fn prompt_line(text: &str) {
    for line in text.lines() {
        if let Err(error) = parse_line(line, &|name| (name == "known").then(|| name.to_owned())) {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A request of webui's API, for both routes: it is refused with words, or has as many pictures as are allowed. A text that is no
/// JSON is the infotext of one.
pub fn request(text: &str) {
    static FILES: LazyLock<(Session, Models, Model, ModelFiles)> = LazyLock::new(|| {
        let cache = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from).join("cache");
        let session = Session::open(&Places { cache, ..Places::default() }, Caller::default()).unwrap();
        let models = Models::scan(&session.catalogue, None).unwrap();
        let model = models.checkpoints.first().unwrap().clone();
        let files = models.with_vae(&model, None).unwrap();
        (session, models, model, files)
    });
    let (session, models, model, files) = &*FILES;
    let rules = Rules {
        max_pixels: 1 << 22,
        max_steps: 50,
        max_images: 4,
        max_cells: 64,
        lenient: text.len().is_multiple_of(2),
    };
    let body = serde_json::from_str(text).unwrap_or_else(|_| serde_json::json!({ "infotext": text }));
    if let Some(infotext) = body["infotext"].as_str() {
        let (request, found) = request_of_infotext(infotext);
        findings(&found);
        assert!(request.is_some() || !found.is_empty());
    }
    for route in [Route::Txt2img, Route::Img2img] {
        let options = WebuiOptions::default();
        let reader = Reader { session, models, model, files, options: &options, rules };
        let read = Fields::read(route, &body, 128).map_err(Refusal::Fields);
        match read.and_then(|fields| reader.read(fields, None)) {
            Ok(drawing) => {
                findings(&drawing.found);
                assert!(drawing.plans.len() <= 4, "{}", drawing.plans.len());
            }
            Err(Refusal::Fields(wrong)) => assert!(wrong.iter().all(|wrong| !wrong.message.is_empty())),
            Err(refusal) => {
                findings(refusal.findings());
                assert!(!refusal.findings().is_empty(), "a refusal without a word");
            }
        }
    }
}

/// A file of tensors, whatever it is: its tensors are read, as far as it justifies them.
pub fn tensors(bytes: &[u8]) {
    if let Ok(file) = TensorFile::from_bytes("x", bytes.to_vec()) {
        for name in file.names() {
            let entry = file.entry(name).unwrap();
            let _ = (file.tensor(name).is_ok(), file.numbers(name).is_ok(), file.f32_rows(name, &[0]).is_ok());
            if let Ok(bytes) = file.bytes(name) {
                assert_eq!(bytes.len() * 8, entry.shape.iter().product::<usize>() * entry.dtype.bitsize(), "{name}");
            }
        }
    }
    if let Err(error) = Checkpoint::from_bytes("x", bytes.to_vec()) {
        assert!(!error.to_string().is_empty());
    }
}

/// A file in a folder of LoRAs and in one of embeddings: it is looked into, and of what it says nothing is too long.
pub fn lora(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, bytes).unwrap();
    match Inspection::of_file(&path, None) {
        Ok(inspection) => assert!(inspection.modules.len() <= inspection.tensors),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = (Deltas::of_file(&path).is_ok(), LoraHashes::of_file(&path).is_ok());
    let mut embeddings = EmbeddingFiles::scan(&[folder.path().to_owned()]).unwrap();
    embeddings.load(&Widths(vec![8, 16])).unwrap();
}

/// A whole picture: its texts are read, and its pixels where there are few.
pub fn image(bytes: &[u8]) {
    const FEW: u64 = 1 << 16;
    match lbw::image_io::text_of_bytes("x", bytes) {
        Ok(text) => {
            let length: usize = text.texts.iter().map(|(keyword, text)| keyword.len() + text.len()).sum();
            assert!(length <= 3 * PICTURE_TEXT, "{length}");
            if text.size.is_some_and(|(width, height)| u64::from(width) * u64::from(height) <= FEW) {
                let _ = lbw::image_io::picture_of_bytes("x", bytes).map(|picture| assert!(!picture.bytes.is_empty()));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A plan of somebody else's: what is wrong with it is told, and what is not is the same when it has been written.
pub fn plan(text: &str) {
    let Ok(plan) = serde_json::from_str::<Plan>(text) else { return };
    let written = serde_json::to_string(&plan).unwrap();
    let back: Plan = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), written);
    let found: Vec<_> = limits(&plan).iter().map(|limit| limit.diagnostic()).collect();
    findings(&found);
    if found.is_empty() {
        assert!(plan.passes().all(|pass| !pass.positive.is_empty() && pass.settings.steps > 0));
        assert!(plan.loras().all(|lora| lora.blocks.len() == plan.family.space().names().len()));
    }
}

/// The manifest of a batch: it is read or refused, and nothing outside of its folder is opened.
pub fn manifest(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("manifest.jsonl"), text).unwrap();
    match lbw::app::batch::verify(folder.path()) {
        // There is no picture in the folder.
        Ok(told) => assert_eq!(told.bad.len() + told.lost, told.pictures),
        Err(error) => findings(&error.findings),
    }
    let _ = lbw::app::batch::state(folder.path()).is_ok();
}

/// The options of a webui: each is taken, or what is wrong with it is told.
pub fn config(text: &str) {
    let Ok(serde_json::Value::Object(options)) = serde_json::from_str(text) else { return };
    let (mut patch, mut wanted) = (Patch::default(), Wanted::default());
    for (name, value) in &options {
        if let Err(wrong) = webui_option::set(&mut patch, name, value) {
            assert!(!wrong.said().is_empty());
        }
    }
    patch.apply(&mut wanted);
}

/// An axis of an XYZ plot has no more values than a plot has cells.
pub fn axis(text: &str) {
    match Axis::parse(text) {
        Ok(axis) => assert!((1..=100_000).contains(&axis.values.len())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A pattern for names, and a prompt that is filled in: the name stays in its folder.
pub fn name(text: &str) {
    let Ok(pattern) = text.parse::<Pattern>() else { return };
    let parts = NameParts { prompt: text.to_owned(), lora: text.to_owned(), ..NameParts::default() };
    let name = pattern.name(&parts);
    assert!(is_inside(&name) && !name.contains(['\\', ':']) && !name.chars().any(char::is_control), "{name:?}");
}

/// Findings point into their texts, at whole characters, and can be shown in every language without control characters.
fn findings(found: &[Diagnostic]) {
    for said in found {
        for label in &said.labels {
            let text = said.source.as_ref().map_or("", |source| &source.text);
            let (start, end) = (label.span.start, label.span.end);
            assert!(start <= end && text.is_char_boundary(start) && text.is_char_boundary(end), "{said:?}");
        }
    }
    // Drawing is the slow part; the first findings are as good as any.
    for said in found.iter().take(2) {
        for language in Language::ALL {
            assert!(!said.message.in_language(language).is_empty());
            let drawn = said.render(Style::Plain, language);
            assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
            assert_eq!(said.to_json(language)["code"], said.code.id);
        }
    }
}
