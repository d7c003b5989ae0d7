//! Findings about the text around the tags.

use std::ops::Range;

use super::prose;
use crate::diagnostic::{Diagnostic, Source, code};
use crate::plan::Settings;
use crate::say;
use crate::syntax::attention::{Oddity, OddityKind};
use crate::syntax::composition::Part;
use crate::syntax::schedule::{Edit, Failure, Schedule, Timeline};
use crate::syntax::{Mapped, Prompt, Tag};

/// Weights above this are hardly meant.
const LARGE_WEIGHT: f64 = 4.0;

/// What is odd about the brackets of `text`; those without a partner are told together.
pub fn attention(oddities: &[Oddity], text: &Mapped, source: &Source) -> Vec<Diagnostic> {
    let single = oddities.iter().filter_map(|oddity| single_oddity(oddity, text, source));
    let of = |kind| oddities.iter().filter(move |oddity| oddity.kind == kind).map(|oddity| oddity.span.clone());
    // In `:)` the bracket is meant as a mouth, and drawn as one.
    let is_mouth = |span: &Range<usize>| text.text()[..span.start].ends_with([':', ';', '=']);
    let unopened: Vec<_> =
        of(OddityKind::Unopened).filter(|span| !is_mouth(span) && !counts(&text.text()[..span.start])).collect();
    single
        .chain(partnerless(&of(OddityKind::Unclosed).collect::<Vec<_>>(), true, text, source))
        .chain(partnerless(&unopened, false, text, source))
        .collect()
}

/// Whether a text ends as `a)` and `2)` begin, which count things.
fn counts(before: &str) -> bool {
    let mut back = before.chars().rev();
    back.next().is_some_and(|c| c.is_ascii_alphanumeric()) && back.next().is_none_or(|c| c.is_whitespace() || c == ',')
}

/// Brackets that are not closed, or were not opened.
fn partnerless(spans: &[Range<usize>], is_open: bool, text: &Mapped, source: &Source) -> Option<Diagnostic> {
    let first = spans.first()?;
    let bracket = &text.text()[first.clone()];
    let message = match (is_open, spans.len() - 1) {
        (true, 0) => say!(
            "this `{bracket}` is not closed: it weighs everything behind it",
            "この `{bracket}` は閉じていないので、後ろがすべて重み付けされます"
        ),
        (true, more) => say!(
            "this `{bracket}` and {more} more brackets are not closed: they weigh everything behind them",
            "この `{bracket}` とほかに {more} 個の括弧が閉じていないので、後ろがすべて重み付けされます"
        ),
        (false, 0) => say!(
            "nothing opens this `{bracket}`: it is drawn as text",
            "この `{bracket}` を開く括弧がないので、文字として描かれます"
        ),
        (false, more) => say!(
            "nothing opens this `{bracket}` and {more} more brackets: they are drawn as text",
            "この `{bracket}` とほかに {more} 個の括弧は開かれていないので、文字として描かれます"
        ),
    };
    let partner = match bracket {
        "(" => ")",
        ")" => "(",
        "[" => "]",
        _ => "[",
    };
    let mut said = Diagnostic::new(code::UNBALANCED_BRACKET, message).within(source);
    for span in spans.iter().take(4) {
        said = said.at(text.span(span.clone()));
    }
    Some(said.help(say!(
        "add `{partner}`, or write `\\{bracket}` if the sign is meant",
        "`{partner}` を加えるか、文字のつもりなら `\\{bracket}` と書いてください"
    )))
}

fn single_oddity(oddity: &Oddity, text: &Mapped, source: &Source) -> Option<Diagnostic> {
    let span = text.span(oddity.span.clone());
    let said = match oddity.kind {
        OddityKind::Unclosed | OddityKind::Unopened => return None,
        OddityKind::BadNumber => {
            let number = &text.text()[oddity.span.clone()];
            let message = say!("`{number}` is not a number", "`{number}` は数値ではありません");
            Diagnostic::new(code::BAD_EMPHASIS_NUMBER, message)
                .label(span, say!("emphasis is a number such as 1.2", "強調は 1.2 のような数値です"))
                .help(say!(
                    "write one number with one point, or `\\)` if the bracket is meant as text",
                    "点が一つの数値を書くか、括弧を文字として書くなら `\\)` としてください"
                ))
        }
        OddityKind::WeightedBreak(weight) => Diagnostic::new(
            code::WEIGHTED_BREAK,
            say!(
                "BREAK is read as a word here, with weight {weight}",
                "この BREAK は重み {weight} の単語として読まれます"
            ),
        )
        .label(span, say!("inside a weighted group", "重み付きの括弧の中です"))
        .help(say!(
            "close the group before BREAK and open it again behind it",
            "BREAK の前で括弧を閉じ、後ろで開き直してください"
        )),
        OddityKind::TooDeep => {
            Diagnostic::new(code::TOO_DEEP, say!("brackets are nested too deep", "括弧の入れ子が深すぎます"))
                .at(span)
                .help(say!("write the weight as a number: `(text:1.5)`", "重みを数値で書いてください: `(text:1.5)`"))
        }
    };
    Some(said.within(source))
}

/// How a prompt is composed; `has_loras` where it has tags that load LoRAs.
pub fn composition(parts: &[Part], has_loras: bool, source: &Source) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for part in parts {
        let Some(span) = part.weight_span.clone() else { continue };
        if parts.len() == 1 || part.weight.abs() > LARGE_WEIGHT {
            let (weight, text) = (part.weight, source.text.get(span.clone()).unwrap_or_default().trim());
            let said = Diagnostic::new(
                code::LARGE_PART_WEIGHT,
                say!("the weight of this prompt becomes {weight}", "このプロンプトの重みが {weight} になります"),
            )
            .within(source)
            .label(span, say!("taken for a weight", "重みとして読まれます"))
            .note(say!(
                "a number behind the last colon weighs a part of `a AND b`, and is not drawn",
                "最後のコロンの後の数値は `a AND b` の部分の重みで、描かれません"
            ));
            found.push(
                said.help(say!(
                    "write `\\{text}` if the text is meant",
                    "文字として書くなら `\\{text}` としてください"
                )),
            );
        }
    }
    if parts.len() > 1 {
        let second = parts[1].text.origin(0);
        let and = source.text.get(..second).and_then(|before| before.rfind("AND"));
        let count = parts.len();
        let message = say!("AND makes {count} prompts of this one", "AND がこのプロンプトを {count} つに分けます");
        let mut said = Diagnostic::new(code::COMPOSITION, message)
            .within(source)
            .label(and.map_or(0..0, |at| at..at + 3), say!("splits here", "ここで分かれます"))
            .help(say!("write `and` if the word is meant", "単語なら `and` と書いてください"));
        if has_loras {
            said = said.note(say!(
                "LoRAs act on all parts, wherever their tags stand",
                "LoRA はタグがどこにあっても、すべての部分に効きます"
            ));
        }
        found.push(said);
    }
    found
}

pub fn negative_tags(negative: &Prompt, source: &Source) -> Vec<Diagnostic> {
    let tag = |tag: &Tag| {
        Diagnostic::new(
            code::TAG_IN_NEGATIVE,
            say!(
                "a tag in the negative prompt is read as words and loads nothing",
                "ネガティブプロンプトのタグは単語として読まれ、何も読み込みません"
            ),
        )
        .within(source)
        .at(tag.span.clone())
        .help(say!("move it to the prompt", "プロンプトに移してください"))
    };
    negative.tags.iter().map(tag).collect()
}

pub fn schedule(
    schedule: &Schedule,
    text: &Mapped,
    source: &Source,
    tags: &[Tag],
    settings: &Settings,
    timeline: Timeline,
    is_last: bool,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(failure) = &schedule.failure {
        // It only matters where there is something to switch off, or where a choice seems to be meant.
        if has_edit(text.text()) || matches!(failure, Failure::Pipe(at) if prose::is_choice(at.start, source)) {
            found.push(whole_failure(failure, source));
        }
        return found;
    }
    for span in schedule.ambiguities(text) {
        found.push(
            Diagnostic::new(
                code::AMBIGUOUS_EDIT,
                say!(
                    "webui sometimes reads this edit as plain text",
                    "webui はこの編集をただの文字として読むことがあります"
                ),
            )
            .within(source)
            .label(span, say!("touches the edit before it", "前の編集に接しています"))
            .help(say!(
                "put a space before it, or a backslash if it is meant as text",
                "前に空白を、文字のつもりならバックスラッシュを置いてください"
            )),
        );
    }
    for edit in schedule.edits(text) {
        found.extend(tags_inside(&edit, source, tags));
        if let Edit::Scheduled { when, .. } = &edit {
            let number = source.text.get(when.clone()).unwrap_or_default().trim();
            if settings.sampler.is_second_order() && !number.contains('.') {
                found.push(half_steps(number, when.clone(), source, settings));
            } else if !number.contains('.') && number.parse().is_ok_and(|n: f64| n > f64::from(timeline.steps)) {
                let steps = timeline.steps;
                let message = say!(
                    "step {number} is never reached: there are {steps}",
                    "ステップ {number} には達しません。全部で {steps} ステップです"
                );
                let said = Diagnostic::new(code::EDIT_NEVER_SWITCHES, message).within(source).at(when.clone());
                found.push(said.help(say!(
                    "write a smaller step, or a fraction such as 0.5",
                    "小さいステップか、0.5 のような小数を書いてください"
                )));
            } else if is_last && !settings.old_prompt_editing && is_all(number) {
                let message = say!(
                    "{number} is the whole of the steps: the second text is never drawn",
                    "{number} は全ステップの終わりなので、後の文は描かれません"
                );
                let said = Diagnostic::new(code::EDIT_NEVER_SWITCHES, message).within(source).at(when.clone());
                found.push(said.help(say!(
                    "write a fraction below 1; a weight stands in round brackets, as in `(text:1.2)`",
                    "1 より小さい小数を書いてください。重みは `(text:1.2)` のように丸括弧に書きます"
                )));
            }
        }
    }
    found
}

/// Whether a fraction of the steps is all of them. From 1 to 2 it counts those of a second pass, where there is one.
fn is_all(number: &str) -> bool {
    number.contains('.') && number.parse().is_ok_and(|n: f64| n >= 1.0)
}

/// Whether the text looks as if it held an edit or an alternation.
fn has_edit(text: &str) -> bool {
    text.contains('[') && (text.contains('|') || text.contains(':'))
}

fn whole_failure(failure: &Failure, source: &Source) -> Diagnostic {
    match failure {
        Failure::Pipe(span) => Diagnostic::new(
            code::STRAY_PIPE,
            say!(
                "this `|` switches off all prompt editing, the whole text is literal",
                "この `|` のためにプロンプト編集がすべて無効になり、文全体が文字どおりに使われます"
            ),
        )
        .within(source)
        .label(span.clone(), say!("not inside `[a|b]`", "`[a|b]` の中にありません"))
        .help(say!(
            "write `\\|` if the sign is meant, or `[a|b]` to alternate",
            "文字なら `\\|`、交互に切り替えるなら `[a|b]` と書いてください"
        )),
        Failure::Backslash(span) => Diagnostic::new(
            code::STRAY_BACKSLASH,
            say!(
                "this backslash switches off all prompt editing",
                "このバックスラッシュのためにプロンプト編集がすべて無効になります"
            ),
        )
        .within(source)
        .label(span.clone(), say!("nothing behind it to escape", "後ろにエスケープする文字がありません"))
        .help(say!("remove it", "消してください")),
    }
}

fn tags_inside<'a>(edit: &'a Edit, source: &'a Source, tags: &'a [Tag]) -> impl Iterator<Item = Diagnostic> + 'a {
    let span = edit.span().clone();
    // Tags stand in the order of the text.
    let first = tags.partition_point(|tag| tag.span.start < span.start);
    let inside = tags[first..].iter().take_while(move |tag| tag.span.end <= span.end);
    inside.filter(|tag| tag.kind == "lora" || tag.kind == "lyco").map(|tag| {
        Diagnostic::new(
            code::TAG_IN_EDIT,
            say!("this LoRA is loaded for all steps", "この LoRA は全ステップで読み込まれます"),
        )
        .within(source)
        .label(tag.span.clone(), say!("tags are read before editing", "タグは編集より先に読まれます"))
        .help(say!("use `step=a-b` inside the tag", "タグの中で `step=a-b` を使ってください"))
    })
}

fn half_steps(number: &str, span: Range<usize>, source: &Source, settings: &Settings) -> Diagnostic {
    let sampler = settings.sampler.label();
    let message = say!(
        "{sampler} counts two calls per step, so {number} is half as far as it looks",
        "{sampler} は 1 ステップを 2 回と数えるので、{number} は見かけの半分のところです"
    );
    Diagnostic::new(code::HALF_STEPS, message)
        .within(source)
        .label(span, say!("whole number", "整数です"))
        .help(say!("write a fraction, such as 0.5: it keeps its meaning", "0.5 のような小数なら意味は変わりません"))
}
