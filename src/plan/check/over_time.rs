//! Findings about strengths and weights that change over the steps.

use crate::diagnostic::{Diagnostic, Source, Text, code};
use crate::plan::over_time::Written;
use crate::plan::strengths::{self, StrengthsOverTime};
use crate::plan::{Dialect, Request, Start};
use crate::preset::PresetSet;
use crate::say;
use crate::syntax::{Item, Tag};

/// What is to be known of a tag with strengths or weights over time.
pub fn tag(tag: &Tag, request: &Request, presets: &PresetSet) -> Vec<Diagnostic> {
    let dialect = request.settings.lbw_dialect;
    let source = &request.prompt;
    let mut found = Vec::new();
    if let (Some(item), Ok((_, Some(over_time)))) = (strengths::timed_item(tag), strengths::read(tag)) {
        found.extend(strength(tag, item, &over_time, request));
    }
    if dialect == Dialect::Sdnext {
        let sections = ["in", "mid", "out"].into_iter().filter_map(|name| tag.named(name));
        found.extend(sections.filter_map(|item| {
            let read = Written::read(item.named()?.1).filter(|_| item.text.contains('@'))?;
            no_change(&read, item, request)
        }));
        if let Some(item) =
            tag.items.iter().find(|item| item.text.contains('@') && item.span.start > tag.kind_span.end + 1)
        {
            found.push(sdnext_is_level(item, source));
        }
    }
    if dialect.is_webui()
        && let Some((item, Some(frames))) = strengths::weights_over_time(tag, presets)
    {
        let text = &item.text;
        let message = say!(
            "`{text}` is lbw's own: webui ignores it and applies all blocks in full",
            "`{text}` は lbw だけの書き方です。webui では無視され、全ブロックがそのまま適用されます"
        );
        found.push(at(Diagnostic::new(code::OWN_NOTATION, message), item, source));
        let value = &item.text["lbw=".len()..];
        let points = frames.into_iter().map(|(range, position)| (position, value[range].to_owned()));
        found.extend(no_change(&Written::new(points.collect()), item, request));
    }
    found
}

fn strength(tag: &Tag, item: &Item, over_time: &StrengthsOverTime, request: &Request) -> Vec<Diagnostic> {
    let (source, dialect) = (&request.prompt, request.settings.lbw_dialect);
    let text = &item.text;
    let mut found = Vec::new();
    if dialect.is_webui() {
        let message = say!(
            "`{text}` is read by the extension loractl; webui without it stops and loads no LoRA",
            "`{text}` を読むのは拡張機能 loractl です。それがない webui は止まり、LoRA を一つも読み込みません"
        );
        let mut said = at(Diagnostic::new(code::NEEDS_LORACTL, message), item, source);
        if tag.items.iter().any(|item| ["lbw=", "lbwe="].iter().any(|key| item.text.starts_with(key))) {
            said = said.note(say!(
                "beside block weights the strength is 1 there: LoRA Block Weight takes loractl's place",
                "階層別の重みと一緒だと、向こうでの強さは 1 になります (LoRA Block Weight が loractl を打ち消すため)"
            ));
        }
        found.push(said.help(say!("nothing is to be done for lbw", "lbw ではそのまま使えます")));
    }
    let is_second = matches!(request.start, Start::Previous { .. });
    let (te, unet) = over_time.of_pass(is_second);
    if !te.is_constant() {
        let first = te.first();
        let message = say!(
            "the text encoders keep {first}, the strength of the beginning: texts are encoded before the first step",
            "テキストエンコーダーの強さは最初の {first} のままです。文は最初のステップの前にエンコードされます"
        );
        let said = at(Diagnostic::new(code::TEXT_ENCODERS_LEVEL, message), item, source);
        found.push(said.help(say!("name it: `te=1:unet={text}`", "名前を付けてください: `te=1:unet={text}`")));
    }
    if text.contains(['@', '~']) {
        found.extend(no_change(unet, item, request));
    }
    let of_hires = strengths::HIRES.iter().find_map(|name| tag.named(name));
    if let Some(item) = of_hires.filter(|_| dialect == Dialect::Sdnext) {
        let text = &item.text;
        let message = say!("SD.Next ignores `{text}`", "SD.Next は `{text}` を無視します");
        found.push(at(Diagnostic::new(code::DIALECT_IGNORES, message), item, source));
    } else if let Some(item) = of_hires.filter(|_| request.hires.is_none() && !is_second) {
        let text = &item.text;
        let message = say!(
            "`{text}` has no effect: there is no second pass",
            "`{text}` には効果がありません。第 2 パスがありません"
        );
        found.push(at(Diagnostic::new(code::WITHOUT_EFFECT, message), item, source));
    }
    found
}

/// A list of points that comes to the same number at all steps.
fn no_change<T: Clone + PartialEq>(points: &Written<T>, item: &Item, request: &Request) -> Option<Diagnostic> {
    let steps = request.start.steps(request.settings.steps);
    let lowered = points.lowered(steps);
    let last = request.settings.sampler.last_reported_step(steps) as f64;
    let first = lowered.first()?;
    // All that is reached is before the first point, or behind the last one.
    let is_level = lowered.iter().all(|point| point.1 == first.1)
        || first.0 >= last
        || lowered.last().is_some_and(|point| point.0 <= 0.0);
    if !is_level {
        return None;
    }
    let text = &item.text;
    let message =
        say!("`{text}` changes nothing in {steps} steps", "`{text}` では {steps} ステップのあいだ何も変わりません");
    let said = at(Diagnostic::new(code::LEVEL, message), item, &request.prompt);
    Some(said.help(level_help()))
}

fn level_help() -> Text {
    say!(
        "write two points or more: places from 0 to 1 are shares of the pass, larger ones are steps",
        "点を二つ以上書いてください。0〜1 の位置はパスに対する割合、それより大きい位置はステップです"
    )
}

fn sdnext_is_level(item: &Item, source: &Source) -> Diagnostic {
    let text = &item.text;
    let message = say!(
        "SD.Next since e8b5ea3 (2025-07-05) applies the first value of `{text}` at all steps; lbw lets it change, as it did before",
        "SD.Next は e8b5ea3 (2025-07-05) から、`{text}` の最初の値を全ステップに使います。lbw は以前のように変化させます"
    );
    at(Diagnostic::new(code::SDNEXT_LEVEL, message), item, source)
}

fn at(found: Diagnostic, item: &Item, source: &Source) -> Diagnostic {
    found.within(source).at(item.span.clone())
}
