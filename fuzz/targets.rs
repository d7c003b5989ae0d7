//! What must hold for every text: the bodies of the fuzz targets, which the smoke run in `tests/library/fuzz_smoke.rs` shares.
//!
//! With cargo-fuzz installed, `cargo +nightly fuzz run prompt` (or `tag`, `preset`, `infotext`, `prompt_line`) goes on from the
//! corpus that is checked in.
#![allow(dead_code, reason = "each target uses one of them")]

use lbw::batch::parse_line;
use lbw::diagnostic::{Diagnostic, Language, Source, Style};
use lbw::infotext::{self, looks_like_infotext};
use lbw::plan::{Request, Sampler, Settings, Wanted, check, lower};
use lbw::preset::{PresetSet, styles::Styles, webui, yaml};
use lbw::syntax::Prompt;

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
        styles.iter().for_each(|style| drop(style.apply("a cat", "dog")));
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

/// Every line of a prompt file is options or is said to be none.
pub fn prompt_line(text: &str) {
    for line in text.lines() {
        if let Err(error) = parse_line(line, &|name| (name == "known").then(|| name.to_owned())) {
            assert!(!error.to_string().is_empty());
        }
    }
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
    for said in found.iter().take(4) {
        for language in Language::ALL {
            assert!(!said.message.in_language(language).is_empty());
            let drawn = said.render(Style::Plain, language);
            assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
            assert_eq!(said.to_json(language)["code"], said.code.id);
        }
    }
}
