//! Findings about tags.

use std::collections::{HashMap, HashSet};

use super::{arguments, dialect, no_tag, over_time, vector};
use crate::block::Layout;
use crate::diagnostic::{Diagnostic, FINDINGS_LIMIT, Said, Source, Text, at_most, code, did_you_mean};
use crate::plan::Request;
use crate::plan::argument::{self, ArgumentError, ArgumentErrorKind, BaseRule, Found, Vector};
use crate::plan::network::{LORA_KINDS, Networks, lora_tags};
use crate::plan::over_time::is_over_time;
use crate::plan::strengths;
use crate::preset::PresetSet;
use crate::say;
use crate::syntax::{Item, Prompt, Tag};

/// Text that stops webui or the extension.
pub fn argument_error(error: &ArgumentError, source: &Source, presets: &PresetSet) -> Diagnostic {
    let span = error.span.clone();
    match &error.kind {
        ArgumentErrorKind::NoName => {
            Diagnostic::new(code::NAMELESS_TAG, say!("this tag has no name", "このタグには名前がありません"))
                .label(span, say!("every item has an `=`", "どの項目にも `=` があります"))
                .help(say!("write the name first: `<lora:name:0.8>`", "名前を最初に書いてください: `<lora:name:0.8>`"))
        }
        ArgumentErrorKind::BadNumber { text, .. } if text.starts_with("lbw=") && dialect::of_text(text).is_some() => {
            return dialect::foreign_weights(dialect::of_text(text).unwrap_or_default(), span, source);
        }
        ArgumentErrorKind::BadEntry { entry, preset: None, .. } if dialect::of_text(&format!("{entry},")).is_some() => {
            let dialect = dialect::of_text(&format!("{entry},")).unwrap_or_default();
            return dialect::foreign_weights(dialect, span, source);
        }
        ArgumentErrorKind::UnknownWeights(value) => return vector::unknown_weights(value, span, source, presets),
        ArgumentErrorKind::BadFrames(text) => Diagnostic::new(
            code::BAD_FRAMES,
            say!("`{text}` is no list of weights over time", "`{text}` は時間で変わる重みの一覧ではありません"),
        )
        .at(span)
        .help(say!(
            "write each weight with its place: `lbw=XLALL@0,XLOUT@0.5`",
            "重みに位置を付けてください: `lbw=XLALL@0,XLOUT@0.5`"
        )),
        ArgumentErrorKind::Dialect(error) => return dialect::unreadable(error, span, source, presets),
        ArgumentErrorKind::BadNumber { argument, text, .. } if is_weights(argument, text, presets) => Diagnostic::new(
            code::POSITIONAL_VECTOR,
            say!("block weights must be written `lbw=`", "階層別の重みには `lbw=` が必要です"),
        )
        .label(span, say!("this is the place of the {argument} number", "ここは {argument} の数値の位置です"))
        .help(say!("write `lbw={text}`", "`lbw={text}` と書いてください")),
        ArgumentErrorKind::BadNumber { argument: "start" | "stop" | "step", text, .. } => Diagnostic::new(
            code::BAD_WINDOW,
            say!("`{text}` is not a whole number of steps", "`{text}` はステップの整数ではありません"),
        )
        .at(span)
        .help(say!(
            "write steps as in `start=5`, `stop=10` or `step=5-10`",
            "`start=5`、`stop=10`、`step=5-10` のように書いてください"
        )),
        ArgumentErrorKind::BadNumber { argument, text, whole } => {
            let kind = if *whole { say!("a whole number", "整数") } else { say!("a number", "数値") };
            let message = say!("`{text}` is not {kind}", "`{text}` は{kind}ではありません", with kind);
            let said = Diagnostic::new(code::BAD_NUMBER, message)
                .label(span, say!("{argument} of this LoRA", "この LoRA の {argument}"));
            let help = match text {
                text if is_over_time(text) => say!(
                    "write strengths with their places, as in `0@0,1@0.5`",
                    "`0@0,1@0.5` のように、強さに位置を付けて書いてください"
                ),
                text if text.contains(',') && text.replacen(',', ".", 1).parse::<f64>().is_ok() => {
                    say!("write decimals with a point", "小数点には「.」を使ってください")
                }
                text if no_tag::in_ascii(text) != *text => {
                    let half = no_tag::in_ascii(text);
                    say!("write `{half}` with half-width signs", "半角で `{half}` と書いてください")
                }
                text if swallows(text) => {
                    say!("is a `>` missing behind the number?", "数値の後に `>` が足りないのではありませんか")
                }
                key if arguments::is_name(key) => say!(
                    "a named argument is written with `=`: `{key}=…`",
                    "名前の付いた引数は `=` で書きます: `{key}=…`"
                ),
                // With more than one it is not a named argument, and stands for the number of its place.
                text if text.matches('=').count() > 1 => say!(
                    "an argument has one `=`: separate arguments with `:`",
                    "引数の `=` は一つだけです。引数は `:` で区切ってください"
                ),
                _ => say!(
                    "write {kind}, as in `<lora:name:0.8>`",
                    "`<lora:name:0.8>` のように{kind}を書いてください",
                    with kind
                ),
            };
            match is_word(text) && !arguments::is_name(text) {
                true => said.help(help).help(say!(
                    "is `{text}` a preset? Write `lbw={text}` and give its file with `--presets`",
                    "`{text}` はプリセットですか? `lbw={text}` と書き、`--presets` でそのファイルを指定してください"
                )),
                false => said.help(help),
            }
        }
        ArgumentErrorKind::BadEntry { entry, error, preset } => {
            let error = error.said();
            let message = match preset {
                Some(name) => say!(
                    "the entry `{entry}` of `{name}` {error}",
                    "`{name}` の項目 `{entry}` は{error}",
                    with error
                ),
                None => say!("the entry `{entry}` {error}", "項目 `{entry}` は{error}", with error),
            };
            let upper = entry.to_uppercase();
            let help = match upper.as_str() {
                "R" | "U" | "X" => say!("write `{upper}` in capitals", "大文字で `{upper}` と書いてください"),
                _ => say!("write a number, or R, U, X, X+d, X-d", "数値か R、U、X、X+d、X-d を書いてください"),
            };
            Diagnostic::new(code::BAD_VECTOR_ENTRY, message).at(span).help(help)
        }
        ArgumentErrorKind::BadCount { preset, entries } => Diagnostic::new(
            code::BAD_VECTOR_LENGTH,
            say!("the preset `{preset}` has {entries} entries", "プリセット `{preset}` は {entries} 個です"),
        )
        .at(span)
        .help(vector::lengths()),
        ArgumentErrorKind::NoBase => {
            Diagnostic::new(code::X_BASE, say!("`X` has no base here", "`X` の基準がありません"))
                .label(span, say!("the extension looks for it in this item", "拡張機能はこの項目から探します"))
                .help(say!("add `x=1`", "`x=1` を加えてください"))
        }
        ArgumentErrorKind::BadStep => {
            Diagnostic::new(code::BAD_WINDOW, say!("`step=` takes two whole numbers", "`step=` には整数が二つ必要です"))
                .at(span)
                .help(say!("write `step=5-10`", "`step=5-10` と書いてください"))
        }
        ArgumentErrorKind::AtSign => Diagnostic::new(
            code::BAD_NUMBER,
            say!(
                "strengths that change over the steps (`@`) belong to another extension",
                "ステップで変わる強さ (`@`) は別の拡張機能のものです"
            ),
        )
        .at(span)
        .help(say!(
            "write one number, and `step=a-b` for a part of the steps",
            "数値を一つ書き、一部のステップだけなら `step=a-b` を使ってください"
        )),
    }
    .within(source)
}

/// Whether a number goes on as a prompt does: the tag was not closed behind it.
fn swallows(text: &str) -> bool {
    let end = text.find([',', '<', '\n', ' ', '(']).unwrap_or(text.len());
    text[..end].trim().parse::<f64>().is_ok() && text[end..].trim_end().contains(['<', '\n', ' ', '('])
}

/// Whether text in the place of a number is a name, as those of presets are.
fn is_word(text: &str) -> bool {
    text.starts_with(char::is_alphabetic) && text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
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
    let mut kinds: HashSet<&str> = LORA_KINDS.into();
    let unknown = prompt.tags.iter().filter(|tag| kinds.insert(&tag.kind));
    found.extend(unknown.map(|tag| unknown_kind(tag, source)));
    let lora_tags = lora_tags(&prompt.tags);
    let is_webui = request.settings.lbw_dialect.is_webui();
    let acting = networks.files.iter().any(|file| file.reading.is_some());
    for tag in &lora_tags {
        found.extend(no_tag::swallowing(tag, source));
        found.extend(dialect::tag(tag, request));
        found.extend(arguments::unread(tag, request.settings.lbw_dialect, acting, source));
        if is_webui {
            found.extend(names(tag, source));
            found.extend(weights(tag, source, presets, networks.files.is_empty()));
        }
        found.extend(elements(tag, request, presets));
        found.extend(window(tag, request));
        found.extend(over_time::tag(tag, request, presets));
        if acting && is_webui && !strengths::is_timed(tag) {
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
    let kind = &tag.kind;
    let message = say!("`<{kind}:…>` has no effect", "`<{kind}:…>` には効果がありません");
    let said = Diagnostic::new(code::UNKNOWN_KIND, message);
    let help = match did_you_mean(&tag.kind, LORA_KINDS) {
        Some(near) => say!("did you mean `<{near}:…>`?", "`<{near}:…>` ではありませんか"),
        None => {
            say!("only `<lora:…>` and `<lyco:…>` load something", "読み込まれるのは `<lora:…>` と `<lyco:…>` だけです")
        }
    };
    said.within(source)
        .label(tag.kind_span.clone(), say!("removed from the prompt", "プロンプトから取り除かれます"))
        .help(help)
}

/// A name with `=`, and keys found inside other texts.
fn names(tag: &Tag, source: &Source) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let Some(name) = tag.items.first() else { return found };
    if name.named().is_some() {
        found.push(
            Diagnostic::new(
                code::NAME_WITH_EQUALS,
                say!(
                    "a name with `=` is read as an argument, the next item as the name",
                    "`=` のある名前は引数として読まれ、次の項目が名前になります"
                ),
            )
            .within(source)
            .at(name.span.clone())
            .help(say!("write the name first, or rename the file", "名前を最初に書くか、ファイル名を変えてください")),
        );
    }
    for key in ["te=", "unet=", "lbw=", "lbwe=", "x=", "start=", "stop=", "step="] {
        // loractl's `hrte=` and `hrunet=` are no accident.
        let is_hires = |item: &&Item| item.named().is_some_and(|(name, _)| strengths::HIRES.contains(&name));
        let hidden = tag.items.iter().filter(|item| !is_hires(item)).find(|item| item.text.contains(key));
        if let Some(item) = hidden.filter(|item| !item.text.trim_start().starts_with(key)) {
            let value = item.text.replace(key, "");
            found.push(
                Diagnostic::new(
                    code::HIJACKED_ARGUMENT,
                    say!(
                        "the extension finds `{key}` inside this item",
                        "拡張機能はこの項目の中に `{key}` を見つけます"
                    ),
                )
                .within(source)
                .label(
                    item.span.clone(),
                    say!("read as `{key}` with the value `{value}`", "値 `{value}` の `{key}` と読まれます"),
                )
                .help(say!("rename it so that it does not contain the key", "キーを含まない名前に変えてください")),
            );
        }
    }
    found
}

fn weights(tag: &Tag, source: &Source, presets: &PresetSet, stopped: bool) -> Vec<Diagnostic> {
    let (value, item) = match argument::find_weights(tag) {
        // A value with a further `=` is no named item: webui has stopped at it already, and that has been said.
        Found::Text { item, .. } if stopped && item.named().is_none() => return Vec::new(),
        Found::Text { value, item, keyed: true } => (value, item),
        _ => return Vec::new(),
    };
    let entries = value.matches(',').count() + 1;
    let is_over_time = strengths::weights_over_time(tag, presets).is_some();
    if is_over_time || presets.weights.get(&value).is_some() || Layout::from_len(entries).is_some() {
        return Vec::new();
    }
    let span = item.value_span();
    if let Some(dialect) = dialect::of_text(&value) {
        return vec![dialect::foreign_weights(dialect, span, source)];
    }
    let mut found = vec![vector::unknown_weights(&value, span, source, presets)];
    if vector::is_meant(entries) {
        let bad = argument::bad_entries(tag, presets);
        found.extend(bad.iter().map(|error| argument_error(error, source, presets)));
    }
    found
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
        let said = Diagnostic::new(
            code::IGNORED_STEP,
            say!("`step=` without a range is ignored", "範囲のない `step=` は無視されます"),
        )
        .within(source);
        found.push(said.at(step.span.clone()).help(say!(
            "write `step=a-b`, `start=a` or `stop=b`",
            "`step=a-b`、`start=a`、`stop=b` のどれかを書いてください"
        )));
    }
    let Some(place) = item("step=").or(item("start=")).or(item("stop=")) else { return found };
    let mut draws = crate::plan::draw::Draws::new(0);
    let empty = PresetSet::default();
    let Ok(reading) = argument::extension(tag, &empty, BaseRule::Anywhere, &mut draws) else { return found };
    let steps = i64::from(request.settings.steps);
    let warn = |message: Text, help: Text| {
        Diagnostic::new(code::WINDOW, message).within(source).at(place.span.clone()).help(help)
    };
    match (reading.start, reading.stop) {
        (None, None) => return found,
        (Some(start), _) if start >= steps.max(2) => {
            let message = say!(
                "the LoRA is never on: it starts at step {start} of {steps}",
                "LoRA は一度も効きません。{steps} ステップのうちステップ {start} から始まります"
            );
            found.push(warn(
                message,
                say!("choose a start below the number of steps", "全ステップ数より小さい開始にしてください"),
            ));
        }
        (Some(start), Some(stop)) if stop < start => {
            let message = say!(
                "the LoRA stays on to the end: its stop ({stop}) comes before its start ({start})",
                "LoRA は最後まで効き続けます。終了 ({stop}) が開始 ({start}) より前です"
            );
            found.push(warn(message, say!("write the smaller number first", "小さい数を先に書いてください")));
        }
        (start, Some(stop)) if stop <= 1 || start == Some(stop) => {
            found.push(warn(
                say!("the LoRA is never on: its window is empty", "LoRA は一度も効きません。範囲が空です"),
                say!("choose a later stop", "終了を後にしてください"),
            ));
        }
        _ => {}
    }
    if reading.start == Some(0) {
        let said = Diagnostic::new(
            code::START_ZERO,
            say!("`start=0` counts as no start on Forge", "Forge では `start=0` は開始の指定なしと同じです"),
        )
        .within(source);
        found.push(said.at(place.span.clone()).help(say!("leave `start=0` out", "`start=0` を省いてください")));
    }
    if reading.te != 0.0 {
        let te = reading.te;
        let message = say!(
            "the text encoder keeps its strength {te} for all steps",
            "テキストエンコーダーの強さは全ステップで {te} のままです"
        );
        let said = Diagnostic::new(code::WINDOW_AND_TEXT_ENCODER, message).within(source).at(place.span.clone());
        // Alone, `te=0` is the strength of the UNet, too.
        let unet = reading.unet;
        found.push(said.help(say!(
            "use `te=0:unet={unet}` if the LoRA should act on the UNet alone",
            "UNet だけに効かせるなら `te=0:unet={unet}` を使ってください"
        )));
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
        Ok(there) => say!(
            "`X` is {here} here; the extension ignores `x=` in so short a tag and takes {there}",
            "ここでの `X` は {here} です。拡張機能は短いタグの `x=` を無視し、{there} とします"
        ),
        Err(_) => say!(
            "`X` is {here} here; the extension fails without `x=`",
            "ここでの `X` は {here} です。拡張機能は `x=` がないと失敗します"
        ),
    };
    let written = tag.items.iter().find(|item| item.text.contains("x="));
    let span = written.map_or(vector.span.clone(), |item| item.span.clone());
    Some(
        Diagnostic::new(code::X_BASE, said)
            .within(source)
            .at(span)
            .help(say!("write strengths and base: `:1:1:x={here}`", "強さと基準を書いてください: `:1:1:x={here}`")),
    )
}

fn unet_alone(tag: &Tag, source: &Source) -> Option<Diagnostic> {
    let webui = argument::webui(tag).ok()?;
    let unet = tag.named("unet")?;
    let both = matches!(argument::find(tag, "te=", Some(1)), Found::Nothing) && webui.te != webui.unet;
    both.then(|| {
        let (te, strength) = (webui.te, webui.unet);
        let message = say!(
            "with block weights the text encoder gets {strength} too, not {te}",
            "階層別の重みがあると、テキストエンコーダーも {te} ではなく {strength} になります"
        );
        Diagnostic::new(code::UNET_ALONE, message)
            .within(source)
            .label(unet.span.clone(), say!("given alone", "片方だけです"))
            .note(say!("effective: te {strength}, unet {strength}", "実際の値: te {strength}、unet {strength}"))
            .help(say!(
                "write `te=1:unet={strength}` if only the UNet is meant",
                "UNet だけのつもりなら `te=1:unet={strength}` と書いてください"
            ))
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
        let which = if acting { say!("first", "最初") } else { say!("last", "最後") };
        let text = &name.text;
        let message = say!(
            "`{text}` is named {count} times: it is applied {count} times as the {which} tag says",
            "`{text}` が {count} 回書かれています。{which}のタグのとおりに {count} 回掛かります",
            with which
        );
        found.push(
            Diagnostic::new(code::LORA_TWICE, message)
                .within(source)
                .label(tag.span.clone(), say!("named again", "もう一度書かれています"))
                .label(first[name.text.as_str()].span.clone(), say!("first named here", "最初はここです"))
                .help(say!("keep one tag with the strength you want", "望む強さのタグを一つだけ残してください")),
        );
    }
    found
}

/// The LoRAs of a prompt that `known` does not have, each once. `names` are all names there are, for a suggestion.
pub fn unknown_lora<'a>(
    prompt: &Source,
    known: impl Fn(&str) -> bool,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Diagnostic> {
    let tags = Prompt::parse(&prompt.text).tags;
    let (mut found, mut told) = (Vec::new(), HashSet::new());
    for tag in lora_tags(&tags) {
        let Some(name) = tag.positional().next().filter(|name| !known(&name.text)) else { continue };
        let text = &name.text;
        if !told.insert(text) {
            continue;
        }
        let message = say!("there is no LoRA `{text}`", "LoRA `{text}` はありません");
        let said = Diagnostic::new(code::UNKNOWN_LORA, message);
        let half = no_tag::in_ascii(text);
        // Each search looks at all names there are.
        let near = (found.len() < FINDINGS_LIMIT).then(|| did_you_mean(text, names.clone())).flatten();
        let help = match near {
            _ if half != *text && half.split(':').next().is_some_and(&known) => {
                say!("write `{half}` with half-width signs", "半角で `{half}` と書いてください")
            }
            Some(near) => say!("did you mean `{near}`?", "`{near}` ではありませんか"),
            None => say!(
                "put the file into the LoRA folder, or name the folder with `--lora-dir`",
                "ファイルを LoRA のフォルダーに置くか、`--lora-dir` でフォルダーを指定してください"
            ),
        };
        found.push(said.within(prompt).at(name.span.clone()).help(help));
    }
    at_most(found, FINDINGS_LIMIT)
}

/// Tensors of the LoRA `name` that fit no module: their number, of how many, and one of them.
pub fn unmatched_keys(name: &str, unmatched: usize, all: usize, example: &str) -> Diagnostic {
    let said = Diagnostic::new(
        code::UNMATCHED_KEYS,
        say!(
            "{unmatched} of {all} modules of `{name}` fit nothing in the model",
            "`{name}` の {all} 個のモジュールのうち {unmatched} 個がモデルに合いません"
        ),
    );
    said.note(say!("for example `{example}`", "たとえば `{example}`")).help(say!(
        "check that the LoRA is made for this family of models",
        "LoRA がこのモデル系列のものか確かめてください"
    ))
}

/// Tensors of the LoRA `name` that belong to a module and have no effect there: their number, and one of them.
pub fn left_out_parts(name: &str, count: usize, example: &str) -> Diagnostic {
    let example = example.escape_debug();
    let said = Diagnostic::new(
        code::LEFT_OUT_PARTS,
        say!(
            "{count} tensors of `{name}` have no effect beside the others of their modules",
            "`{name}` のテンソル {count} 個は、同じモジュールのほかのテンソルがあるため効果がありません"
        ),
    );
    said.note(say!("for example `{example}`", "たとえば `{example}`")).help(say!(
        "a module may be of one kind only, and a bias needs a layer that has one",
        "一つのモジュールの種類は一つだけです。バイアスはバイアスのある層にだけ効きます"
    ))
}

/// A LoRA some of whose modules do not scale in proportion to block weights, and why.
pub fn nonlinear_kind(name: &str, why: &Text, modules: usize) -> Diagnostic {
    let message = say!(
        "block weights are not proportional for {modules} modules of `{name}`: {why}",
        "`{name}` の {modules} 個のモジュールでは階層別の重みが比例しません: {why}",
        with why
    );
    Diagnostic::new(code::NONLINEAR_KIND, message).help(say!(
        "`--lbw-exact` scales the whole delta, unlike webui; strength 0 switches the LoRA off",
        "`--lbw-exact` は webui と違って差分全体に重みを掛けます。LoRA を切るには強さ 0 にしてください"
    ))
}
