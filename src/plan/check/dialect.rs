//! Findings about notations of other tools.

use std::ops::Range;

use super::vector;
use crate::block::{Family, Layout};
use crate::diagnostic::{Diagnostic, Source, code};
use crate::plan::{Dialect, DialectError, Request};
use crate::preset::PresetSet;
use crate::syntax::{Item, Tag};

/// Weights that the chosen dialect cannot read.
pub fn unreadable(error: &DialectError, span: Range<usize>, source: &Source, presets: &PresetSet) -> Diagnostic {
    if let DialectError::Preset(name) = error {
        return vector::unknown_weights(name, span, source, presets);
    }
    let help = match error {
        DialectError::Entry(_) => "write numbers such as 0.5; R, U and X are webui's",
        DialectError::Length(_) => {
            "SD.Next has 12, 19 or 20 for SDXL, Inspire 12 or more, kohya's script 12, 17, 20 or 26"
        }
        DialectError::Item(_) => {
            "write `in1-4=0.5`, `mid=0`, `out2=1`, `default=1` or `base=1`, with commas between them"
        }
        DialectError::Several(_) => "write one weight per block",
        DialectError::Flux => "use `--lbw-dialect webui`",
        DialectError::Preset(_) => "`lbw preset list` shows the names",
    };
    Diagnostic::new(code::DIALECT_VECTOR, error.to_string()).within(source).label(span, "").help(help)
}

/// The dialect in which `text`, found where webui looks for weights or a number, is a vector.
pub fn of_text(text: &str) -> Option<Dialect> {
    match text.strip_prefix("lbw=").unwrap_or(text).trim() {
        weights if weights.starts_with('%') => Some(Dialect::Inspire),
        weights if weights.starts_with('[') && weights.contains(',') => Some(Dialect::Kohya),
        _ => None,
    }
}

/// Weights in another tool's notation.
pub fn foreign_weights(dialect: Dialect, span: Range<usize>, source: &Source) -> Diagnostic {
    let message = format!("these block weights are written for {}", dialect.tool());
    Diagnostic::new(code::DIALECT_VECTOR, message)
        .within(source)
        .label(span, "")
        .help(format!("use `--lbw-dialect {}`, or write a webui vector", dialect.name()))
}

/// What the chosen dialect leaves out, and what only another would understand.
pub fn tag(tag: &Tag, request: &Request) -> Vec<Diagnostic> {
    let (source, dialect) = (&request.prompt, request.settings.lbw_dialect);
    let mut found = Vec::new();
    if dialect == Dialect::Sdnext {
        for item in tag.positional().skip(2) {
            found.push(ignored(dialect, item, source).help("write `unet=` or `dyn=` before the number"));
        }
    } else if let Some(item) = ["in", "mid", "out"].into_iter().find_map(|key| tag.named(key)) {
        let message = format!("`{}` is SD.Next's and has no effect in {}", item.text, dialect.tool());
        found.push(
            Diagnostic::new(code::FOREIGN_NOTATION, message)
                .within(source)
                .label(item.span.clone(), "")
                .help("use `--lbw-dialect sdnext`, or write a weight vector"),
        );
    }
    if dialect.is_webui() {
        return found;
    }
    if let Some(item) = ["lbwe", "start", "stop", "step"].into_iter().find_map(|key| tag.named(key)) {
        let message = format!("`{}` is webui's; {} does not know it", item.text, dialect.tool());
        found.push(
            Diagnostic::new(code::FOREIGN_NOTATION, message)
                .within(source)
                .label(item.span.clone(), "applied all the same")
                .help(format!("remove it for what {} draws", dialect.tool())),
        );
    }
    if dialect == Dialect::Kohya
        && let Some(item) = tag.named("lbw")
        && let Some(entries) = other_family(item, request.family)
    {
        let message =
            format!("of {entries} entries {} applies only BASE to {}", dialect.tool(), request.family.label());
        let said = Diagnostic::new(code::DIALECT_IGNORES, message).within(source).label(item.value_span(), "");
        found.push(said.help("write 12 or 20 entries for SDXL, 17 or 26 for SD1"));
    }
    found
}

fn ignored(dialect: Dialect, item: &Item, source: &Source) -> Diagnostic {
    let message = format!("{} ignores `{}`", dialect.tool(), item.text);
    Diagnostic::new(code::DIALECT_IGNORES, message).within(source).label(item.span.clone(), "")
}

/// The number of entries, if they are for another family.
fn other_family(item: &Item, family: Family) -> Option<usize> {
    let entries = item.text.matches(',').count() + 1;
    let layout = Layout::from_len(entries)?;
    let fits = (family == Family::Sdxl) == matches!(layout, Layout::Sdxl12 | Layout::Sdxl20);
    (!fits).then_some(entries)
}
