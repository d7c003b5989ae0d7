//! Findings about the text around the tags.

use crate::diagnostic::{Diagnostic, Source, code};
use crate::plan::Settings;
use crate::syntax::attention::{Oddity, OddityKind};
use crate::syntax::composition::Part;
use crate::syntax::schedule::{Edit, Failure, Schedule, Timeline};
use crate::syntax::{Mapped, Prompt, Tag};

/// Weights above this are hardly meant.
const LARGE_WEIGHT: f64 = 4.0;

pub fn attention(oddity: &Oddity, text: &Mapped, source: &Source) -> Diagnostic {
    let span = text.span(oddity.span.clone());
    let said = match oddity.kind {
        OddityKind::BadNumber => {
            let message = format!("`{}` is not a number", &text.text()[oddity.span.clone()]);
            Diagnostic::new(code::BAD_EMPHASIS_NUMBER, message)
                .label(span, "emphasis is a number such as 1.2")
                .help("write one number with one point, or `\\)` if the bracket is meant as text")
        }
        OddityKind::WeightedBreak(weight) => {
            Diagnostic::new(code::WEIGHTED_BREAK, format!("BREAK is read as a word here, with weight {weight}"))
                .label(span, "inside a weighted group")
                .help("close the group before BREAK and open it again behind it")
        }
        OddityKind::TooDeep => Diagnostic::new(code::TOO_DEEP, "brackets are nested too deep")
            .label(span, "")
            .help("write the weight as a number: `(text:1.5)`"),
    };
    said.within(source)
}

pub fn composition(parts: &[Part], source: &Source) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for part in parts {
        let Some(span) = part.weight_span.clone() else { continue };
        if parts.len() == 1 || part.weight.abs() > LARGE_WEIGHT {
            let (weight, text) = (part.weight, source.text.get(span.clone()).unwrap_or_default().trim());
            let said = Diagnostic::new(code::LARGE_PART_WEIGHT, format!("the weight of this prompt becomes {weight}"))
                .within(source)
                .label(span, "taken for a weight")
                .note("a number behind the last colon weighs a part of `a AND b`, and is not drawn");
            found.push(said.help(format!("write `\\{text}` if the text is meant")));
        }
    }
    if parts.len() > 1 {
        let second = parts[1].text.origin(0);
        let and = source.text.get(..second).and_then(|before| before.rfind("AND"));
        let said = Diagnostic::new(code::COMPOSITION, format!("AND makes {} prompts of this one", parts.len()));
        found.push(
            said.within(source)
                .label(and.map_or(0..0, |at| at..at + 3), "splits here")
                .help("write `and` if the word is meant"),
        );
    }
    found
}

pub fn negative_tags(negative: &Prompt, source: &Source) -> Vec<Diagnostic> {
    let tag = |tag: &Tag| {
        Diagnostic::new(code::TAG_IN_NEGATIVE, "a tag in the negative prompt is read as words and loads nothing")
            .within(source)
            .label(tag.span.clone(), "")
            .help("move it to the prompt")
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
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(failure) = &schedule.failure {
        // It only matters where there is something to switch off.
        if has_edit(text.text()) || matches!(failure, Failure::Pipe(_)) {
            found.push(whole_failure(failure, source));
        }
        return found;
    }
    for span in schedule.ambiguities(text) {
        found.push(
            Diagnostic::new(code::AMBIGUOUS_EDIT, "webui sometimes reads this edit as plain text")
                .within(source)
                .label(span, "touches the edit before it")
                .help("put a space before it, or a backslash if it is meant as text"),
        );
    }
    for edit in schedule.edits(text) {
        found.extend(tags_inside(&edit, source, tags));
        if let Edit::Scheduled { when, .. } = &edit {
            let number = source.text.get(when.clone()).unwrap_or_default().trim();
            if settings.sampler.is_second_order() && !number.contains('.') {
                found.push(half_steps(number, when.clone(), source, settings));
            } else if !number.contains('.') && number.parse().is_ok_and(|n: f64| n > f64::from(timeline.steps)) {
                let message = format!("step {number} is never reached: there are {}", timeline.steps);
                let said = Diagnostic::new(code::EDIT_NEVER_SWITCHES, message).within(source).label(when.clone(), "");
                found.push(said.help("write a smaller step, or a fraction such as 0.5"));
            }
        }
    }
    found
}

/// Whether the text looks as if it held an edit or an alternation.
fn has_edit(text: &str) -> bool {
    text.contains('[') && (text.contains('|') || text.contains(':'))
}

fn whole_failure(failure: &Failure, source: &Source) -> Diagnostic {
    match failure {
        Failure::Pipe(span) => {
            Diagnostic::new(code::STRAY_PIPE, "this `|` switches off all prompt editing, the whole text is literal")
                .within(source)
                .label(span.clone(), "not inside `[a|b]`")
                .help("write `\\|` if the sign is meant, or `[a|b]` to alternate")
        }
        Failure::Backslash(span) => {
            Diagnostic::new(code::STRAY_BACKSLASH, "this backslash switches off all prompt editing")
                .within(source)
                .label(span.clone(), "nothing behind it to escape")
                .help("remove it")
        }
    }
}

fn tags_inside<'a>(edit: &'a Edit, source: &'a Source, tags: &'a [Tag]) -> impl Iterator<Item = Diagnostic> + 'a {
    let span = edit.span().clone();
    // Tags stand in the order of the text.
    let first = tags.partition_point(|tag| tag.span.start < span.start);
    let inside = tags[first..].iter().take_while(move |tag| tag.span.end <= span.end);
    inside.filter(|tag| tag.kind == "lora" || tag.kind == "lyco").map(|tag| {
        Diagnostic::new(code::TAG_IN_EDIT, "this LoRA is loaded for all steps")
            .within(source)
            .label(tag.span.clone(), "tags are read before editing")
            .help("use `step=a-b` inside the tag")
    })
}

fn half_steps(number: &str, span: std::ops::Range<usize>, source: &Source, settings: &Settings) -> Diagnostic {
    let message =
        format!("{} counts two calls per step, so {number} is half as far as it looks", settings.sampler.label());
    Diagnostic::new(code::HALF_STEPS, message)
        .within(source)
        .label(span, "whole number")
        .help("write a fraction, such as 0.5: it keeps its meaning")
}
