//! What is odd about a pasted text, with its place.

use std::ops::Range;

use super::parse::{FEWEST_PAIRS, pairs};
use super::paste::{NotUnderstood, Pasted, Why};
use super::{Infotext, looks_like_infotext};
use crate::diagnostic::{Diagnostic, Said, Source, code};
use crate::plan::{Patch, Sampler, check};
use crate::say;
use crate::syntax::python;

/// Reads the text of `source` where a prompt or an infotext is expected: what it says, unless it cannot be read, and what is odd
/// about it. This is how every command reads words.
pub fn paste(source: &Source) -> (Option<Pasted>, Vec<Diagnostic>) {
    let mut found = findings(source);
    if !looks_like_infotext(&source.text) {
        let patch = Patch::default().and("prompt", source.text.as_ref());
        return (Some(Pasted { patch, ..Pasted::default() }), found);
    }
    match Infotext::parse(&source.text).paste() {
        Ok(pasted) => {
            // A sampler that there is not has been told with advice of its own.
            let others = pasted.not_understood.iter().filter(|said| said.key != "Sampler");
            found.extend(others.map(|said| not_understood(said, source)));
            (Some(pasted), found)
        }
        Err(problem) => {
            found.push(Diagnostic::new(code::BAD_INFOTEXT, problem.said()).within(source));
            (None, found)
        }
    }
}

fn not_understood(said: &NotUnderstood, source: &Source) -> Diagnostic {
    let code = if said.why == Why::Unsupported { code::NOT_DONE } else { code::NOT_UNDERSTOOD };
    let mut found = Diagnostic::new(code, said.said()).within(source);
    // `Size: 512x768` is known by its two halves.
    let key = said.key.trim_end_matches("-1").trim_end_matches("-2");
    let line = source.text.rfind('\n').map_or(0, |at| at + 1);
    if let Some(at) = source.text[line..].find(&format!("{key}:")) {
        found = found.at(line + at..line + at + key.len());
    }
    match said.why {
        Why::NotA(_, Some(near)) => found.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        _ => found,
    }
}

/// Findings about how the text of `source` is read where infotext is pasted.
fn findings(source: &Source) -> Vec<Diagnostic> {
    let text = source.text.as_ref();
    let last = python::strip(text).rsplit('\n').next().unwrap_or_default();
    let pairs = pairs(last);
    if pairs.len() < FEWEST_PAIRS {
        return Vec::new();
    }
    // The parts are slices of the text.
    let span = |part: &str| -> Range<usize> {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        start..start + part.len()
    };
    if !pairs.iter().any(|(key, _)| *key == "Steps") {
        return vec![eaten(looks_like_infotext(text), span(last), source)];
    }
    let mut found = Vec::new();
    for (key, value) in pairs {
        if value.starts_with(['[', '{']) && !is_closed(value) {
            found.push(torn(key, span(value), source));
        }
        if key == "Sampler" && Sampler::from_any_name(value).is_none() {
            found.push(check::unknown_sampler(value, span(value), source));
        }
    }
    found
}

fn eaten(here_too: bool, span: Range<usize>, source: &Source) -> Diagnostic {
    let message = match here_too {
        true => say!(
            "this line is read as parameters, not as prompt",
            "この行はプロンプトではなくパラメーターとして読まれます"
        ),
        false => say!(
            "webui reads this line as parameters when the text is pasted; here it is prompt",
            "貼り付けると webui はこの行をパラメーターとして読みます。ここではプロンプトです"
        ),
    };
    Diagnostic::new(code::EATEN_AS_INFOTEXT, message)
        .within(source)
        .label(span, say!("three or more `key: value` pairs", "`key: value` の組が三つ以上"))
        .help(say!("put another line behind it, or use fewer colons", "後ろに別の行を置くか、コロンを減らしてください"))
}

fn torn(key: &str, span: Range<usize>, source: &Source) -> Diagnostic {
    Diagnostic::new(code::TORN_JSON, say!("of `{key}` only this much is read", "`{key}` はここまでしか読まれません"))
        .within(source)
        .label(span, say!("ends at the first comma", "最初のコンマで終わります"))
        .help(say!(
            "put the whole value into double quotes, with `\\\"` for those inside",
            "値全体を二重引用符で囲み、中の引用符は `\\\"` と書いてください"
        ))
}

/// Whether a list or map ends where it should, so that no comma tore it.
fn is_closed(value: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(&'static str, String)> {
        let found = findings(&Source::new("prompt", text));
        found.iter().map(|d| (d.code.id, d.pointed_at().unwrap_or_default().to_owned())).collect()
    }

    #[test]
    fn a_prompt_that_webui_would_take_for_parameters() {
        let line = "time: 12:30, where: here, who: me";
        assert_eq!(said(line), [("N0601", line.to_owned())]);
        assert_eq!(said(&format!("a\nNegative prompt: b\n{line}  ")), [("N0601", line.to_owned())]);
        for fine in ["a, b: c", "a\nSteps: 20, Seed: 1, Size: 8x8", "time: 12:30, where: here, who: me\nmore"] {
            assert_eq!(said(fine), [], "{fine}");
        }
    }

    #[test]
    fn values_torn_at_their_commas() {
        let text = "a\nSteps: 20, Hashes: {\"model\": \"1\", \"vae\": \"2\"}, Civitai resources: [{\"type\":\"lora\"}], Seed: 1";
        assert_eq!(said(text), [("N0602", "{\"model\": \"1\"".to_owned())]);
    }

    #[test]
    fn samplers_that_do_not_exist() {
        assert_eq!(said("a\nSteps: 20, Sampler: Eulr a, Seed: 1"), [("W0604", "Eulr a".to_owned())]);
        assert_eq!(said("a\nSteps: 20, Sampler: DPM++ 2M Karras, Seed: 1"), []);
    }
}
