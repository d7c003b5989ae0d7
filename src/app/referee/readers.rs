//! Programs that find a LoRA's weights by its own tag.

use super::case::{Case, File, Module};
use super::{Program, Verdict};
use crate::block::{Block, Layout};
use crate::diagnostic::{Diagnostic, Severity, Text, code};
use crate::lora::Kind;
use crate::plan::Dialect;
use crate::plan::argument;
use crate::plan::dialect::inspire as inspire_rule;
use crate::plan::strengths;
use crate::say;
use crate::syntax::{Tag, python};

/// webui's extension matches by name; webui loads what its own table of names has.
pub(super) fn webui(case: &Case<'_>, program: &Program) -> Verdict {
    let refusals = needs_loractl(case);
    if !refusals.is_empty() {
        return Verdict { refusals, ..Verdict::default() };
    }
    let mut verdict = dialect(case, Dialect::Webui);
    level_weights(&mut verdict, case);
    leave_out(
        &mut verdict,
        case,
        program,
        |module| !module.is_webui,
        || say!("it does not know their names", "名前を知らないため"),
    );
    verdict
}

/// Strengths that change over the steps, on which webui and its relatives stop.
pub(super) fn needs_loractl(case: &Case<'_>) -> Vec<Diagnostic> {
    let said = |tag: &Tag| {
        let item = strengths::timed_item(tag).filter(|_| argument::webui(tag).is_err())?;
        let text = &item.text;
        let message = say!("`{text}` needs the extension loractl", "`{text}` には拡張機能 loractl が必要です");
        let found = Diagnostic::new(code::NEEDS_LORACTL, message).within(&case.request.prompt);
        Some(found.at(item.span.clone()))
    };
    case.tags.iter().filter_map(said).collect()
}

/// Weights over time are lbw's own: the extension finds neither a preset nor a vector, and applies everything.
fn level_weights(verdict: &mut Verdict, case: &Case<'_>) {
    for (at, (file, factors)) in case.files.iter().zip(&mut verdict.factors).enumerate() {
        let Some(tag) = case.tags.iter().find(|tag| case.file_of(tag) == Some(at)) else { continue };
        if strengths::weights_over_time(tag, case.presets).is_none() {
            continue;
        }
        let Ok(read) = argument::webui(tag) else { continue };
        let plain = |module: &Module| Some(if module.is_text() { read.te } else { read.unet });
        *factors = file.modules.iter().map(plain).collect();
    }
}

pub(super) fn sdnext(case: &Case<'_>, program: &Program) -> Verdict {
    let mut verdict = dialect(case, Dialect::Sdnext);
    for item in case.tags.iter().filter_map(|tag| tag.named("lbw")) {
        let (name, text) = (program.name, &item.text);
        let message = say!(
            "{name} up to 058a7f0 (2026-07-23) ignores `{text}`; the factors here are those of later builds",
            "{name} の 058a7f0 (2026-07-23) までは `{text}` を無視します。ここにある係数はその後のものです"
        );
        let found = Diagnostic::new(code::REFEREE_VERSION, message).within(&case.request.prompt).at(item.span.clone());
        verdict.remarks.push(found);
    }
    verdict
}

pub(super) fn inspire(case: &Case<'_>, program: &Program) -> Verdict {
    let mut verdict = dialect(case, Dialect::Inspire);
    if verdict.refusals.is_empty() {
        let shifted = (0..case.files.len()).filter_map(|at| shifted(case, at, program));
        verdict.remarks.extend(shifted.collect::<Vec<_>>());
    }
    leave_out(
        &mut verdict,
        case,
        program,
        |module| module.kind == Some(Kind::Ia3),
        || say!("ComfyUI does not load this kind", "ComfyUI はこの種類を読み込まないため"),
    );
    verdict
}

/// Entries of a vector that go to other blocks than those they are for, because the LoRA lacks some.
fn shifted(case: &Case<'_>, at: usize, program: &Program) -> Option<Diagnostic> {
    let (file, tag) = (&case.files[at], case.tags.iter().find(|tag| case.file_of(tag) == Some(at))?);
    file.unmatched?;
    let item = tag.items.iter().rfind(|item| item.text.starts_with("lbw="))?;
    let value = item.text["lbw=".len()..].trim();
    let text = case.presets.weights.get(value).map_or(value, |preset| preset.value.as_str());
    let layout = Layout::from_len(text.split(',').count()).filter(|_| !text.starts_with('%'))?;
    let modules: Vec<String> = file.modules.iter().map(|module| module.name.clone()).collect();
    let moved: Vec<(Block, Block)> = inspire_rule::takers(text, &modules, case.family())
        .into_iter()
        .filter_map(|(entry, block)| Some((layout.block(entry)?, block)))
        .filter(|(meant, got)| meant != got)
        .collect();
    let (first, count) = (moved.first()?, moved.len());
    let (name, lora, meant, got) = (program.name, &file.name, first.0.name(), first.1.name());
    let message = say!(
        "{name} counts the blocks that `{lora}` has: the weight written for {meant} goes to {got}; {count} blocks get another's weight",
        "{name} は `{lora}` にあるブロックだけを数えます: {meant} 用の重みが {got} に使われ、{count} 個のブロックがほかのブロックの重みになります"
    );
    let found = Diagnostic::new(code::REFEREE_SHIFTED, message).within(&case.request.prompt).at(item.value_span());
    Some(found.help(say!(
        "write the blocks by name for it: `lbw lora split` makes a file for each",
        "名前でブロックを指せるように、`lbw lora split` でブロックごとのファイルにしてください"
    )))
}

pub(super) fn kohya(case: &Case<'_>, program: &Program) -> Verdict {
    let mut verdict = dialect(case, Dialect::Kohya);
    leave_out(
        &mut verdict,
        case,
        program,
        |module| !module.is_kohya,
        || say!("it takes `….lora_down.weight` alone", "`….lora_down.weight` だけを使うため"),
    );
    verdict
}

/// stable-diffusion.cpp's command line: the number that the rest of the tag begins with is the strength of everything.
pub(super) fn sdcpp(case: &Case<'_>, program: &Program) -> Verdict {
    let mut strengths = vec![0.0; case.files.len()];
    let mut verdict = Verdict::default();
    let name = program.name;
    for tag in &case.tags {
        let Some(file) = case.file_of(tag) else { continue };
        let said = |message, at: std::ops::Range<usize>| {
            Diagnostic::new(code::REFEREE_IGNORED, message).within(&case.request.prompt).at(at)
        };
        let is_first = tag.items.first().is_some_and(|item| item.named().is_none());
        match (tag.items.get(1).and_then(|item| leading_number(&item.text)), tag.kind == "lora" && is_first) {
            (Some(strength), true) => strengths[file] += strength,
            (None, true) if tag.items.len() > 1 => verdict.remarks.push(said(
                say!(
                    "{name} loads nothing for a tag without a number",
                    "{name} は数値のないタグでは何も読み込みません"
                ),
                tag.span.clone(),
            )),
            _ => verdict.remarks.push(said(
                say!("{name} leaves this tag in the prompt as text", "{name} はこのタグを文としてプロンプトに残します"),
                tag.span.clone(),
            )),
        }
        if let (Some(first), Some(last)) = (tag.items.get(2), tag.items.last()) {
            let ignored: Vec<&str> = tag.items[2..].iter().map(|item| item.text.as_str()).collect();
            let ignored = ignored.join(":");
            verdict.remarks.push(said(
                say!("{name} ignores `{ignored}`", "{name} は `{ignored}` を無視します"),
                first.span.start..last.span.end,
            ));
        }
    }
    let factors = |(file, strength): (&File, f64)| file.modules.iter().map(|_| Some(strength)).collect();
    verdict.factors = case.files.iter().zip(strengths).map(factors).collect();
    let absent = [Kind::Norm, Kind::Glora, Kind::Ia3, Kind::Oft, Kind::Boft];
    leave_out(
        &mut verdict,
        case,
        program,
        |module| module.kind.is_some_and(|kind| absent.contains(&kind)),
        || say!("it does not read this kind", "この種類を読まないため"),
    );
    verdict
}

/// The number that a text begins with, as C reads it.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let ends = (1..=text.len()).rev().filter(|end| text.is_char_boundary(*end));
    let number = |end: usize| text[..end].parse::<f64>().ok().filter(|_| !text[..end].ends_with('_'));
    ends.into_iter().find_map(number)
}

/// SuperMerger's list of LoRAs to merge, `name:ratio:blocks`, with the numbers of the tag.
pub(super) fn supermerger(case: &Case<'_>, program: &Program) -> Verdict {
    let mut verdict = Verdict::default();
    let name = program.name;
    for (at, file) in case.files.iter().enumerate() {
        let Some(tag) = case.tags.iter().find(|tag| case.file_of(tag) == Some(at)) else { continue };
        let (strength, vector) = match numbers(tag, case) {
            Ok(read) => read,
            Err(refusal) => {
                verdict.refusals.push(refusal);
                continue;
            }
        };
        let ratio = |module: &Module| -> f64 {
            let Some(vector) = &vector else { return strength };
            // What it finds no block for counts as BASE.
            let block = Block::of_module(case.family(), &module.name).map_or(0, Block::index);
            vector.blocks.get(block).copied().unwrap_or(0.0) * if vector.is_preset { strength } else { 1.0 }
        };
        // Both factors of a product are multiplied, so that the product is multiplied twice and loses its sign.
        let factor = |module: &Module| is_product(module).then(|| ratio(module).powi(2));
        let factors: Vec<Option<f64>> = file.modules.iter().map(factor).collect();
        if vector.as_ref().is_some_and(|vector| !vector.is_preset) && strength != 1.0 {
            let lora = &file.name;
            let message = say!(
                "{name} ignores the strength {strength} of `{lora}` beside a vector of numbers",
                "{name} は、数値のベクトルがあると `{lora}` の強さ {strength} を無視します"
            );
            verdict.remarks.push(case.at(at, Diagnostic::new(code::REFEREE_STRENGTH, message)));
        }
        if factors.iter().flatten().any(|factor| ![0.0, 1.0].contains(factor)) {
            let lora = &file.name;
            let message = say!(
                "{name} multiplies both factors of `{lora}`: what is applied is the square of the weight, whatever its sign",
                "{name} は `{lora}` の二つの因子の両方に掛けるので、適用されるのは重みの 2 乗です (符号は消えます)"
            );
            let found = case.at(at, Diagnostic::new(code::REFEREE_STRENGTH, message));
            verdict.remarks.push(found.help(say!(
                "tick `same to Strength`, or merge with `lbw lora merge`",
                "`same to Strength` を選ぶか、`lbw lora merge` でマージしてください"
            )));
        }
        verdict.factors.push(factors);
    }
    if !verdict.refusals.is_empty() {
        verdict.factors.clear();
    }
    verdict
}

struct Numbers {
    blocks: Vec<f64>,
    is_preset: bool,
}

/// The strength of a tag and its vector. What is written in letters is another tool's.
fn numbers(tag: &Tag, case: &Case<'_>) -> Result<(f64, Option<Numbers>), Diagnostic> {
    let refused = |message: Text, at: std::ops::Range<usize>| {
        Diagnostic::new(code::DIALECT_VECTOR, message).within(&case.request.prompt).at(at)
    };
    let strengths = argument::webui(tag)
        .map_err(|error| refused(say!("the strength is not a number", "強さが数値ではありません"), error.span))?;
    let Some(item) = tag.named("lbw") else { return Ok((strengths.te, None)) };
    let value = item.named().map_or("", |(_, value)| value);
    let preset = case.presets.weights.get(value);
    let text = preset.map_or(value, |preset| preset.value.as_str());
    let numbers: Option<Vec<f64>> = text.split(',').map(python::float).collect();
    let layout = numbers.as_ref().and_then(|numbers| Layout::from_len(numbers.len()));
    match (numbers, layout) {
        (Some(numbers), Some(layout)) => {
            Ok((strengths.te, Some(Numbers { blocks: layout.expand(&numbers), is_preset: preset.is_some() })))
        }
        _ => Err(refused(
            say!("`{value}` is no vector of numbers", "`{value}` は数値のベクトルではありません"),
            item.value_span(),
        )),
    }
}

fn is_product(module: &Module) -> bool {
    matches!(module.kind, Some(Kind::Lora | Kind::Locon))
}

/// What a dialect's reading gives.
fn dialect(case: &Case<'_>, dialect: Dialect) -> Verdict {
    let lowering = case.lower(dialect);
    let codes = [code::FOREIGN_NOTATION, code::DIALECT_IGNORES, code::OWN_NOTATION, code::SDNEXT_LEVEL].map(|c| c.id);
    let is_remark = |d: &&Diagnostic| codes.contains(&d.code.id);
    let refusals: Vec<_> = lowering.diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
    let remarks = lowering.diagnostics.iter().filter(is_remark).filter(|_| refusals.is_empty()).cloned().collect();
    let loras = lowering.plan.map_or(Vec::new(), |plan| plan.first.loras);
    let factors = case.files.iter().filter_map(|file| {
        let lora = loras.iter().find(|lora| lora.name == file.name)?;
        Some(file.factors(lora, case.family()))
    });
    Verdict { factors: factors.collect(), remarks, refusals }
}

/// Takes the modules that a program does not load out of its verdict, and says so.
pub(super) fn leave_out(
    verdict: &mut Verdict,
    case: &Case<'_>,
    program: &Program,
    is_left_out: impl Fn(&Module) -> bool,
    why: impl Fn() -> Text,
) {
    for (at, (file, factors)) in case.files.iter().zip(&mut verdict.factors).enumerate() {
        let left_out = file.modules.iter().zip(factors).filter(|(module, _)| is_left_out(module));
        let mut kinds = std::collections::BTreeMap::new();
        for (module, factor) in left_out {
            *factor = Some(0.0);
            *kinds.entry(module.kind.map_or("?".to_owned(), |kind| kind.to_string())).or_insert(0) += 1;
        }
        if kinds.is_empty() {
            continue;
        }
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let (name, lora, kinds, why) = (program.name, &file.name, kinds.join(", "), why());
        let message = say!(
            "{name} leaves modules of `{lora}` out: {kinds}; {why}",
            "{name} は `{lora}` のモジュールを使いません: {kinds}。{why}",
            with why
        );
        verdict.remarks.push(case.at(at, Diagnostic::new(code::REFEREE_DROPPED, message)));
    }
}
