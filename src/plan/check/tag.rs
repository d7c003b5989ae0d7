//! Findings about tags.

use std::collections::{HashMap, HashSet};

use super::{dialect, vector};
use crate::diagnostic::{Diagnostic, Source, code, did_you_mean};
use crate::plan::Request;
use crate::plan::argument::{self, ArgumentError, ArgumentErrorKind, BaseRule, Found, Vector};
use crate::plan::network::{LORA_KINDS, Networks, lora_tags};
use crate::preset::PresetSet;
use crate::syntax::{Prompt, Tag};

/// Text that stops webui or the extension.
pub fn argument_error(error: &ArgumentError, source: &Source, presets: &PresetSet) -> Diagnostic {
    let span = error.span.clone();
    match &error.kind {
        ArgumentErrorKind::NoName => Diagnostic::new(code::NAMELESS_TAG, "this tag has no name")
            .label(span, "every item has an `=`")
            .help("write the name first: `<lora:name:0.8>`"),
        ArgumentErrorKind::BadNumber { text, .. } if text.starts_with("lbw=") && dialect::of_text(text).is_some() => {
            return dialect::foreign_weights(dialect::of_text(text).unwrap_or_default(), span, source);
        }
        ArgumentErrorKind::BadEntry { entry, preset: None, .. } if dialect::of_text(&format!("{entry},")).is_some() => {
            let dialect = dialect::of_text(&format!("{entry},")).unwrap_or_default();
            return dialect::foreign_weights(dialect, span, source);
        }
        ArgumentErrorKind::Dialect(error) => return dialect::unreadable(error, span, source, presets),
        ArgumentErrorKind::BadNumber { argument, text, .. } if is_weights(argument, text, presets) => {
            Diagnostic::new(code::POSITIONAL_VECTOR, "block weights must be written `lbw=`")
                .label(span, format!("this is the place of the {argument} number"))
                .help(format!("write `lbw={text}`"))
        }
        ArgumentErrorKind::BadNumber { argument: "start" | "stop" | "step", text, .. } => {
            Diagnostic::new(code::BAD_WINDOW, format!("`{text}` is not a whole number of steps"))
                .label(span, "")
                .help("write steps as in `start=5`, `stop=10` or `step=5-10`")
        }
        ArgumentErrorKind::BadNumber { argument, text, whole } => {
            let kind = if *whole { "a whole number" } else { "a number" };
            let said = Diagnostic::new(code::BAD_NUMBER, format!("`{text}` is not {kind}"))
                .label(span, format!("{argument} of this LoRA"));
            match text.contains(',') {
                true => said.help("write decimals with a point"),
                false => said.help(format!("write {kind}, as in `<lora:name:0.8>`")),
            }
        }
        ArgumentErrorKind::BadEntry { entry, error, preset } => {
            let place = preset.as_ref().map_or(String::new(), |name| format!(" of `{name}`"));
            let upper = entry.to_uppercase();
            let help = match upper.as_str() {
                "R" | "U" | "X" => format!("write `{upper}` in capitals"),
                _ => "write a number, or R, U, X, X+d, X-d".to_owned(),
            };
            Diagnostic::new(code::BAD_VECTOR_ENTRY, format!("the entry `{entry}`{place} {error}"))
                .label(span, "")
                .help(help)
        }
        ArgumentErrorKind::BadCount { preset, entries } => {
            Diagnostic::new(code::BAD_VECTOR_LENGTH, format!("the preset `{preset}` has {entries} entries"))
                .label(span, "")
                .help("vectors have 12 (SDXL), 17 (SD1), 20, 26 or 61 (Flux) entries")
        }
        ArgumentErrorKind::NoBase => Diagnostic::new(code::X_BASE, "`X` has no base here")
            .label(span, "the extension looks for it in this item")
            .help("add `x=1`"),
        ArgumentErrorKind::BadStep => Diagnostic::new(code::BAD_WINDOW, "`step=` takes two whole numbers")
            .label(span, "")
            .help("write `step=5-10`"),
        ArgumentErrorKind::AtSign => {
            Diagnostic::new(code::BAD_NUMBER, "strengths that change over the steps (`@`) belong to another extension")
                .label(span, "")
                .help("write one number, and `step=a-b` for a part of the steps")
        }
    }
    .within(source)
}

/// Whether text in the place of a number is plainly meant as block weights.
fn is_weights(argument: &str, text: &str, presets: &PresetSet) -> bool {
    let place = matches!(argument, "te" | "unet" | "dyn");
    place && (text.matches(',').count() >= 10 || presets.weights.get(text).is_some())
}

/// Everything odd about tags that can be read.
pub fn tags(prompt: &Prompt, networks: &Networks, request: &Request, presets: &PresetSet) -> Vec<Diagnostic> {
    let source = &request.prompt;
    let mut found = Vec::new();
    for tag in prompt.tags.iter().filter(|tag| !LORA_KINDS.contains(&tag.kind.as_str())) {
        found.push(unknown_kind(tag, source));
    }
    let lora_tags = lora_tags(&prompt.tags);
    let is_webui = request.settings.lbw_dialect.is_webui();
    let acting = networks.files.iter().any(|file| file.reading.is_some());
    for tag in &lora_tags {
        found.extend(dialect::tag(tag, request));
        if is_webui {
            found.extend(names(tag, source));
            found.extend(weights(tag, source, presets, networks.files.is_empty()));
        }
        found.extend(elements(tag, request, presets));
        found.extend(window(tag, request));
        if acting && is_webui {
            found.extend(unet_alone(tag, source));
        }
    }
    found.extend(twice(&lora_tags, acting, source));
    // The first tag of each name: collecting keeps the last.
    let named = lora_tags.iter().rev().filter_map(|tag| Some((tag.positional().next()?.text.as_str(), *tag)));
    let first: HashMap<_, _> = named.collect();
    for file in &networks.files {
        let Some(tag) = first.get(file.name.as_str()) else { continue };
        found.extend(vector::not_finite(file, tag, source));
        if let Some(used) = file.reading.as_ref().and_then(|reading| reading.vector.as_ref()) {
            found.extend(vector::foreign(used, request.family, source));
            found.extend(is_webui.then(|| vector::zeros(used, source)).flatten());
            found.extend(used.relative.then(|| base(tag, used, source)).flatten());
        }
    }
    found
}

fn unknown_kind(tag: &Tag, source: &Source) -> Diagnostic {
    let said = Diagnostic::new(code::UNKNOWN_KIND, format!("`<{}:…>` has no effect", tag.kind));
    let help = match did_you_mean(&tag.kind, LORA_KINDS) {
        Some(near) => format!("did you mean `<{near}:…>`?"),
        None => "only `<lora:…>` and `<lyco:…>` load something".to_owned(),
    };
    said.within(source).label(tag.kind_span.clone(), "removed from the prompt").help(help)
}

/// A name with `=`, and keys found inside other texts.
fn names(tag: &Tag, source: &Source) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let Some(name) = tag.items.first() else { return found };
    if name.named().is_some() {
        found.push(
            Diagnostic::new(
                code::NAME_WITH_EQUALS,
                "a name with `=` is read as an argument, the next item as the name",
            )
            .within(source)
            .label(name.span.clone(), "")
            .help("write the name first, or rename the file"),
        );
    }
    for key in ["te=", "unet=", "lbw=", "lbwe=", "x=", "start=", "stop=", "step="] {
        let hidden = tag.items.iter().find(|item| item.text.contains(key));
        if let Some(item) = hidden.filter(|item| !item.text.trim_start().starts_with(key)) {
            found.push(
                Diagnostic::new(code::HIJACKED_ARGUMENT, format!("the extension finds `{key}` inside this item"))
                    .within(source)
                    .label(
                        item.span.clone(),
                        format!("read as `{key}` with the value `{}`", item.text.replace(key, "")),
                    )
                    .help("rename it so that it does not contain the key"),
            );
        }
    }
    found
}

fn weights(tag: &Tag, source: &Source, presets: &PresetSet, stopped: bool) -> Option<Diagnostic> {
    match argument::find_weights(tag) {
        // A value with a further `=` is no named item: webui has stopped at it already, and that has been said.
        Found::Text { item, .. } if stopped && item.named().is_none() => None,
        Found::Text { value, item, keyed: true } => {
            let known = presets.weights.get(&value).is_some();
            let counted = crate::block::Layout::from_len(value.matches(',').count() + 1).is_some();
            let span = item.value_span();
            (!known && !counted).then(|| match dialect::of_text(&value) {
                Some(dialect) => dialect::foreign_weights(dialect, span, source),
                None => vector::unknown_weights(&value, span, source, presets),
            })
        }
        _ => None,
    }
}

fn elements(tag: &Tag, request: &Request, presets: &PresetSet) -> Vec<Diagnostic> {
    let Found::Text { value, item, keyed } = argument::find(tag, "lbwe=", Some(3)) else { return Vec::new() };
    match presets.elements.get(&value) {
        Some(preset) => vector::rules(preset, request.family.space()),
        None if keyed => vec![vector::unknown_elements(&value, item.value_span(), &request.prompt, presets)],
        None => Vec::new(),
    }
}

fn window(tag: &Tag, request: &Request) -> Vec<Diagnostic> {
    let source = &request.prompt;
    let mut found = Vec::new();
    let item = |key| tag.items.iter().find(|item| item.text.contains(key));
    if let Some(step) = item("step=").filter(|step| !step.text.replace("step=", "").contains('-')) {
        let said = Diagnostic::new(code::IGNORED_STEP, "`step=` without a range is ignored").within(source);
        found.push(said.label(step.span.clone(), "").help("write `step=a-b`, `start=a` or `stop=b`"));
    }
    let Some(place) = item("step=").or(item("start=")).or(item("stop=")) else { return found };
    let mut draws = crate::plan::draw::Draws::new(0);
    let empty = PresetSet::default();
    let Ok(reading) = argument::extension(tag, &empty, BaseRule::Anywhere, &mut draws) else { return found };
    let steps = i64::from(request.settings.steps);
    let warn = |message: String, help: &str| {
        Diagnostic::new(code::WINDOW, message).within(source).label(place.span.clone(), "").help(help)
    };
    match (reading.start, reading.stop) {
        (None, None) => return found,
        (Some(start), _) if start >= steps.max(2) => {
            let message = format!("the LoRA is never on: it starts at step {start} of {steps}");
            found.push(warn(message, "choose a start below the number of steps"));
        }
        (Some(start), Some(stop)) if stop < start => {
            let message = format!("the LoRA stays on to the end: its stop ({stop}) comes before its start ({start})");
            found.push(warn(message, "write the smaller number first"));
        }
        (start, Some(stop)) if stop <= 1 || start == Some(stop) => {
            found.push(warn("the LoRA is never on: its window is empty".to_owned(), "choose a later stop"));
        }
        _ => {}
    }
    if reading.start == Some(0) {
        let said = Diagnostic::new(code::START_ZERO, "`start=0` counts as no start on Forge").within(source);
        found.push(said.label(place.span.clone(), "").help("leave `start=0` out"));
    }
    if reading.te != 0.0 {
        let message = format!("the text encoder keeps its strength {} for all steps", reading.te);
        let said = Diagnostic::new(code::WINDOW_AND_TEXT_ENCODER, message).within(source).label(place.span.clone(), "");
        found.push(said.help("use `te=0` if the LoRA should act on the UNet alone"));
    }
    found
}

/// `X` where the extension and lbw take different bases.
fn base(tag: &Tag, vector: &Vector, source: &Source) -> Option<Diagnostic> {
    let here = argument::x_base(tag, BaseRule::Anywhere).ok()?;
    let there = argument::x_base(tag, BaseRule::Extension);
    if there == Ok(here) {
        return None;
    }
    let said = match there {
        Ok(there) => format!("`X` is {here} here; the extension ignores `x=` in so short a tag and takes {there}"),
        Err(_) => format!("`X` is {here} here; the extension fails without `x=`"),
    };
    let written = tag.items.iter().find(|item| item.text.contains("x="));
    let span = written.map_or(vector.span.clone(), |item| item.span.clone());
    Some(
        Diagnostic::new(code::X_BASE, said)
            .within(source)
            .label(span, "")
            .help(format!("write strengths and base: `:1:1:x={here}`")),
    )
}

fn unet_alone(tag: &Tag, source: &Source) -> Option<Diagnostic> {
    let webui = argument::webui(tag).ok()?;
    let unet = tag.named("unet")?;
    let both = matches!(argument::find(tag, "te=", Some(1)), Found::Nothing) && webui.te != webui.unet;
    both.then(|| {
        let message = format!("with block weights the text encoder gets {} too, not {}", webui.unet, webui.te);
        Diagnostic::new(code::UNET_ALONE, message)
            .within(source)
            .label(unet.span.clone(), "given alone")
            .note(format!("effective: te {0}, unet {0}", webui.unet))
            .help(format!("write `te=1:unet={}` if only the UNet is meant", webui.unet))
    })
}

fn twice(tags: &[&Tag], acting: bool, source: &Source) -> Vec<Diagnostic> {
    let mut first: HashMap<&str, &Tag> = HashMap::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for tag in tags {
        let name = tag.positional().next().map_or("", |item| item.text.as_str());
        *counts.entry(name).or_default() += 1;
        first.entry(name).or_insert(tag);
    }
    let mut said = HashSet::new();
    let mut found = Vec::new();
    for tag in tags {
        let Some(name) = tag.positional().next() else { continue };
        let count = counts[name.text.as_str()];
        if count < 2 || std::ptr::eq(first[name.text.as_str()], *tag) || !said.insert(name.text.as_str()) {
            continue;
        }
        let which = if acting { "first" } else { "last" };
        let message =
            format!("`{}` is named {count} times: it is applied {count} times as the {which} tag says", name.text);
        found.push(
            Diagnostic::new(code::LORA_TWICE, message)
                .within(source)
                .label(tag.span.clone(), "named again")
                .label(first[name.text.as_str()].span.clone(), "first named here")
                .help("keep one tag with the strength you want"),
        );
    }
    found
}

/// The LoRAs of a prompt that `known` does not have. `names` are all names there are, for a suggestion.
pub fn unknown_lora<'a>(
    prompt: &Source,
    known: impl Fn(&str) -> bool,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Diagnostic> {
    let tags = Prompt::parse(&prompt.text).tags;
    let mut found = Vec::new();
    for tag in lora_tags(&tags) {
        let Some(name) = tag.positional().next().filter(|name| !known(&name.text)) else { continue };
        let said = Diagnostic::new(code::UNKNOWN_LORA, format!("there is no LoRA `{}`", name.text));
        let help = match did_you_mean(&name.text, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "put the file into the LoRA folder, or name the folder with `--lora-dir`".to_owned(),
        };
        found.push(said.within(prompt).label(name.span.clone(), "").help(help));
    }
    found
}

/// Tensors of the LoRA `name` that fit no module: their number, of how many, and one of them.
pub fn unmatched_keys(name: &str, unmatched: usize, all: usize, example: &str) -> Diagnostic {
    let said = Diagnostic::new(
        code::UNMATCHED_KEYS,
        format!("{unmatched} of {all} modules of `{name}` fit nothing in the model"),
    );
    said.note(format!("for example `{example}`")).help("check that the LoRA is made for this family of models")
}

/// A LoRA whose modules do not scale in proportion to block weights.
pub fn nonlinear_kind(name: &str, kind: &str, modules: usize) -> Diagnostic {
    let message = format!("block weights are not proportional for `{name}`: {modules} of its modules are {kind}");
    Diagnostic::new(code::NONLINEAR_KIND, message).help("switch it off with strength 0 rather than with weights of 0")
}
