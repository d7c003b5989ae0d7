//! Findings about notations of other tools.

use std::ops::Range;

use super::vector;
use crate::block::{Family, Layout};
use crate::diagnostic::{Diagnostic, Said, Source, code};
use crate::plan::strengths;
use crate::plan::{Dialect, DialectError, Request};
use crate::preset::PresetSet;
use crate::say;
use crate::syntax::{Item, Tag};

/// Weights that the chosen dialect cannot read.
pub fn unreadable(error: &DialectError, span: Range<usize>, source: &Source, presets: &PresetSet) -> Diagnostic {
    if let DialectError::Preset(name) = error {
        return vector::unknown_weights(name, span, source, presets);
    }
    let help = match error {
        DialectError::Entry(_) => say!(
            "write numbers such as 0.5; R, U and X are webui's",
            "0.5 のような数値を書いてください。R、U、X は webui のものです"
        ),
        DialectError::Length(_) => {
            say!(
                "SD.Next has 12, 19 or 20 for SDXL, Inspire 12 or more, kohya's script 12, 17, 20 or 26",
                "SDXL では SD.Next が 12、19、20 個、Inspire が 12 個以上、kohya のスクリプトが 12、17、20、26 個です"
            )
        }
        DialectError::Item(_) => {
            say!(
                "write `in1-4=0.5`, `mid=0`, `out2=1`, `default=1` or `base=1`, with commas between them",
                "`in1-4=0.5`、`mid=0`、`out2=1`、`default=1`、`base=1` をコンマで区切って書いてください"
            )
        }
        DialectError::Several(_) => say!("write one weight per block", "ブロックごとに重みを一つ書いてください"),
        DialectError::Flux => say!("use `--lbw-dialect webui`", "`--lbw-dialect webui` を使ってください"),
        DialectError::Preset(_) => say!("`lbw preset list` shows the names", "`lbw preset list` で名前の一覧が出ます"),
    };
    Diagnostic::new(code::DIALECT_VECTOR, error.said()).within(source).at(span).help(help)
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
    let (tool, name) = (dialect.tool(), dialect.name());
    let message = say!("these block weights are written for {tool}", "この階層別の重みは {tool} の書き方です");
    Diagnostic::new(code::DIALECT_VECTOR, message).within(source).at(span).help(say!(
        "use `--lbw-dialect {name}`, or write a webui vector",
        "`--lbw-dialect {name}` を使うか、webui のベクトルを書いてください"
    ))
}

/// What the chosen dialect leaves out, and what only another would understand.
pub fn tag(tag: &Tag, request: &Request) -> Vec<Diagnostic> {
    let (source, dialect) = (&request.prompt, request.settings.lbw_dialect);
    let mut found = Vec::new();
    if dialect == Dialect::Sdnext {
        for item in tag.positional().skip(2) {
            found.push(ignored(dialect, item, source).help(say!(
                "write `unet=` or `dyn=` before the number",
                "数値の前に `unet=` か `dyn=` を書いてください"
            )));
        }
    } else if let Some(item) = ["in", "mid", "out"].into_iter().find_map(|key| tag.named(key)) {
        let (text, tool) = (&item.text, dialect.tool());
        let message = say!(
            "`{text}` is SD.Next's and has no effect in {tool}",
            "`{text}` は SD.Next のもので、{tool} では効果がありません"
        );
        found.push(Diagnostic::new(code::FOREIGN_NOTATION, message).within(source).at(item.span.clone()).help(say!(
            "use `--lbw-dialect sdnext`, or write a weight vector",
            "`--lbw-dialect sdnext` を使うか、重みベクトルを書いてください"
        )));
    }
    if dialect.is_webui() {
        return found;
    }
    let foreign = ["lbwe", "start", "stop", "step"].into_iter().find_map(|key| tag.named(key));
    let timed = (dialect != Dialect::Sdnext).then(|| strengths::timed_item(tag)).flatten();
    if let Some(item) = foreign.or(timed) {
        let (text, tool) = (&item.text, dialect.tool());
        let message =
            say!("`{text}` is webui's; {tool} does not know it", "`{text}` は webui のもので、{tool} は知りません");
        found.push(
            Diagnostic::new(code::FOREIGN_NOTATION, message)
                .within(source)
                .label(item.span.clone(), say!("applied all the same", "それでも適用されます"))
                .help(say!("remove it for what {tool} draws", "{tool} と同じ絵にするなら消してください")),
        );
    }
    if dialect == Dialect::Kohya
        && let Some(item) = tag.named("lbw")
        && let Some(entries) = other_family(item, request.family)
    {
        let (tool, family) = (dialect.tool(), request.family.label());
        let message = say!(
            "of {entries} entries {tool} applies only BASE to {family}",
            "{entries} 個のうち、{tool} が {family} に使うのは BASE だけです"
        );
        let said = Diagnostic::new(code::DIALECT_IGNORES, message).within(source).at(item.value_span());
        found.push(said.help(say!(
            "write 12 or 20 entries for SDXL, 17 or 26 for SD1",
            "SDXL なら 12 個か 20 個、SD1 なら 17 個か 26 個を書いてください"
        )));
    }
    found
}

fn ignored(dialect: Dialect, item: &Item, source: &Source) -> Diagnostic {
    let (tool, text) = (dialect.tool(), &item.text);
    let message = say!("{tool} ignores `{text}`", "{tool} は `{text}` を無視します");
    Diagnostic::new(code::DIALECT_IGNORES, message).within(source).at(item.span.clone())
}

/// The number of entries, if they are for another family.
fn other_family(item: &Item, family: Family) -> Option<usize> {
    let entries = item.text.matches(',').count() + 1;
    let layout = Layout::from_len(entries)?;
    (!family.layouts().contains(&layout)).then_some(entries)
}
