//! What is odd about a pasted text, with its place.

use std::ops::Range;

use super::Infotext;
use super::foreign::{self, Foreign};
use super::heading::Part;
use super::layout::{Layout, begins, is_known, is_too_long, narrow, without_markup};
use super::parse::{FEWEST_PAIRS, pairs, whole_pairs};
use super::paste::{NotUnderstood, Pasted, Why};
use crate::diagnostic::{Diagnostic, Said, Source, Text, code};
use crate::files::limits::{INFOTEXT, INFOTEXT_FIELDS, INFOTEXT_LINES};
use crate::plan::settings::table;
use crate::plan::{Patch, Sampler, check};
use crate::say;
use crate::syntax::{Prompt, python};

/// Reads the text of `source` where a prompt or an infotext is expected: what it says, unless it cannot be read, and what is odd
/// about it. This is how every command reads words.
pub fn paste(source: &Source) -> (Option<Pasted>, Vec<Diagnostic>) {
    let text = source.text.as_ref();
    if let Some(foreign) = foreign::of_json(text) {
        return paste_foreign(&foreign, source);
    }
    if foreign::is_json(text) {
        let message = say!(
            "this is JSON, and not that of a program whose settings can be read",
            "これは JSON ですが、設定を読めるプログラムのものではありません"
        );
        let advice = say!("write the prompt alone", "プロンプトだけを書いてください");
        return (None, vec![Diagnostic::new(code::NOT_CONVERTED, message).within(source).help(advice)]);
    }
    if let Some(found) = too_long(&source.name, text) {
        return (None, vec![found]);
    }
    if let Some((plain, message)) = restored(text) {
        // What was changed is as long as before, so that places are the same in both, but for a sign that was longer.
        let (pasted, found) = paste(&Source { text: plain.as_str().into(), ..source.clone() });
        let here = |said: Diagnostic| if said.source.is_some() { said.within(source) } else { said };
        let mut found: Vec<_> = found.into_iter().map(here).collect();
        let first = text.bytes().zip(plain.bytes()).position(|(a, b)| a != b).unwrap_or(0);
        found.push(Diagnostic::new(code::MENDED_INFOTEXT, message).within(source).at(first..first + 1));
        return (pasted, found);
    }
    let layout = Layout::of(text);
    if !layout.is_infotext() {
        let patch = Patch::default().and("prompt", text);
        return (Some(Pasted { patch, ..Pasted::default() }), eaten(text, false, source).into_iter().collect());
    }
    let mut found = mended(&layout, source);
    let pairs: Vec<_> = layout.parameters.iter().flat_map(|line| whole_pairs(line)).collect();
    if pairs.len() > INFOTEXT_FIELDS {
        let message = say!(
            "an infotext of more than {INFOTEXT_FIELDS} fields",
            "infotext の項目が {INFOTEXT_FIELDS} 個を超えています"
        );
        return (None, vec![Diagnostic::new(code::BAD_INFOTEXT, message).within(source)]);
    }
    if pairs.iter().any(|(key, _)| *key == "Steps") {
        found.extend(pairs.iter().filter_map(|(key, value)| torn_or_unknown(key, value, source)));
        found.extend(layout.parameters.iter().flat_map(|line| left_over(line, source)));
    } else {
        found.extend(eaten(text, true, source));
    }
    match Infotext::of(layout.headed(), pairs).paste() {
        Ok(mut pasted) => {
            pasted.is_infotext = true;
            // A sampler that there is not has been told with advice of its own.
            let others = pasted.not_understood.iter().filter(|said| said.key != "Sampler");
            found.extend(others.map(|said| not_understood(said, source)));
            found.extend(resources(&pasted, source));
            (Some(pasted), found)
        }
        Err(problem) => {
            found.push(Diagnostic::new(code::BAD_INFOTEXT, problem.said()).within(source));
            (None, found)
        }
    }
}

/// What is said of a text that nobody pasted, so long is it.
pub fn too_long(name: &str, text: &str) -> Option<Diagnostic> {
    if !is_too_long(text) {
        return None;
    }
    let mib = INFOTEXT >> 20;
    let message = say!(
        "{name}: the text is longer than {mib} MiB or {INFOTEXT_LINES} lines, which no prompt is",
        "{name}: 文が {mib} MiB か {INFOTEXT_LINES} 行を超えています。そのようなプロンプトはありません"
    );
    Some(Diagnostic::new(code::TOO_LARGE, message))
}

/// What another program wrote, in the place that `source` names.
pub fn paste_foreign(foreign: &Foreign, source: &Source) -> (Option<Pasted>, Vec<Diagnostic>) {
    let tool = foreign.tool;
    let text = match &foreign.infotext {
        Ok(text) => text,
        Err(why) => {
            let name = &source.name;
            let why = why.said();
            let message = say!("{name}: {why}", "{name}: {why}", with why);
            let found = Diagnostic::new(code::NOT_CONVERTED, message)
                .help(say!("write its prompt and settings yourself", "プロンプトと設定を自分で書いてください"));
            return (None, vec![found]);
        }
    };
    let source = Source { text: text.as_str().into(), ..source.clone() };
    let (pasted, mut found) = paste(&source);
    if !foreign.left_out.is_empty() {
        let names = foreign.left_out.join(", ");
        let message = say!(
            "{tool} asked for something lbw does not do here: {names}",
            "{tool} が求めている {names} は、ここでは行われません"
        );
        found.insert(0, Diagnostic::new(code::NOT_DONE, message));
    }
    let message = say!("read from what {tool} wrote", "{tool} が書いたものから読みました");
    found.insert(0, Diagnostic::new(code::CONVERTED, message));
    (pasted, found)
}

/// Where a part of the text of `source` stands, which is a slice of it.
fn span(part: &str, source: &Source) -> Range<usize> {
    let start = part.as_ptr() as usize - source.text.as_ptr() as usize;
    start..start + part.len()
}

/// What lbw reads otherwise than webui, because it was meant otherwise.
fn mended(layout: &Layout, source: &Source) -> Vec<Diagnostic> {
    let others: Vec<_> = layout.prompts.iter().filter(|line| begins(line)).collect();
    let mut found = Vec::new();
    if let Some(first) = others.first() {
        let count = others.len() + 1;
        let message = say!(
            "the text holds {count} infotexts, of which the last is read; the others become a part of the prompt",
            "infotext が {count} 個あり、読まれるのは最後のものです。ほかはプロンプトの一部になります"
        );
        let said = Diagnostic::new(code::SEVERAL_INFOTEXTS, message).within(source).at(span(first, source));
        found.push(said.help(say!(
            "put them into a file and draw it with `lbw batch`",
            "ファイルに入れて `lbw batch` で描いてください"
        )));
    }
    let others = layout.headed().filter_map(|(_, heading)| heading).filter(|heading| !heading.is_webuis());
    found.extend(others.map(|heading| {
        let message = match heading.part {
            Part::Prompt => say!(
                "a prompt is headed here; webui draws the heading with it",
                "プロンプトの見出しです。webui ではそのまま描かれます"
            ),
            Part::Negative => say!(
                "a negative prompt is headed here, and not as webui writes it, which draws it",
                "ネガティブプロンプトの見出しですが、webui の書き方と異なるため、webui ではそのまま描かれます"
            ),
        };
        Diagnostic::new(code::MENDED_INFOTEXT, message).within(source).at(span(heading.name, source))
    }));
    if !layout.is_mended {
        return found;
    }
    let said = Diagnostic::new(
        code::MENDED_INFOTEXT,
        match (layout.parameters.len(), layout.tail.len()) {
            (0, _) => say!(
                "a negative prompt stands inside a line; webui draws it",
                "ネガティブプロンプトが行の途中にあります。webui ではそのまま描かれます"
            ),
            (1, 0) => say!(
                "prompt and parameters stand in one line, where webui does not find them",
                "プロンプトとパラメーターが一行にあります。webui では見つかりません"
            ),
            (lines @ 2.., 0) => say!(
                "the parameters stand in {lines} lines, of which webui reads the last one alone",
                "パラメーターが {lines} 行に分かれています。webui が読むのは最後の行だけです"
            ),
            (_, _) => say!(
                "a line follows the parameters, for which webui takes them for a prompt; it is left aside",
                "パラメーターの後ろに行が続いているので、webui ではプロンプトとして扱われます。その行は除いて読みます"
            ),
        },
    );
    let tail = layout.tail.iter().find(|line| !line.trim().is_empty());
    let place = tail.or(layout.parameters.first()).or(layout.prompts.last());
    found.push(match place {
        Some(place) => said.within(source).at(span(place, source)),
        None => said.within(source),
    });
    found
}

fn has_tags(prompt: Option<&str>) -> bool {
    !Prompt::parse(prompt.unwrap_or_default()).tags.is_empty()
}

/// LoRAs that a picture was made with beside its prompt.
fn resources(pasted: &Pasted, source: &Source) -> Option<Diagnostic> {
    let tags = Prompt::parse(pasted.patch.text("prompt").unwrap_or_default()).tags;
    let tags = tags.iter().filter(|tag| ["lora", "lyco"].contains(&tag.kind.as_str())).count();
    let (resources, hashes) = (&pasted.resources, &pasted.lora_hashes);
    let is_told =
        tags < resources.len() || (tags == 0 && !hashes.is_empty() && !has_tags(pasted.patch.text("hires_prompt")));
    if !is_told {
        return None;
    }
    let names: Vec<String> = match resources.is_empty() {
        true => hashes.iter().map(|(name, _)| name.clone()).collect(),
        false => resources.iter().map(|(name, weight)| format!("{name} ({weight})")).collect(),
    };
    let names = names.join(", ");
    let message = say!(
        "this picture was made with LoRAs that are not in its prompt: {names}",
        "この画像は、プロンプトにない LoRA を使って作られています: {names}"
    );
    let mut found = Diagnostic::new(code::RESOURCES, message).within(source);
    if let Some(at) = source.text.find("Civitai resources:") {
        found = found.at(at..at + "Civitai resources".len());
    }
    Some(found.help(say!(
        "add `<lora:NAME:WEIGHT>` for each, with the name of its file",
        "それぞれのファイル名で `<lora:NAME:WEIGHT>` を加えてください"
    )))
}

fn not_understood(said: &NotUnderstood, source: &Source) -> Diagnostic {
    let code = match said.why {
        Why::Unsupported | Why::Afterwards => code::NOT_DONE,
        _ => code::NOT_UNDERSTOOD,
    };
    let mut found = Diagnostic::new(code, said.said()).within(source);
    // `Size: 512x768` is known by its two halves.
    let key = said.key.trim_end_matches("-1").trim_end_matches("-2");
    let line = source.text.rfind('\n').map_or(0, |at| at + 1);
    if let Some(at) = source.text[line..].find(&format!("{key}:")) {
        found = found.at(line + at..line + at + key.len());
    }
    match said.why {
        Why::NotA(_, Some(near)) => found.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        Why::NotA(..) => {
            let names =
                table::of_infotext(&said.key).map(|setting| setting.kind.names()).unwrap_or_default().join(", ");
            if names.is_empty() { found } else { found.help(say!("there are: {names}", "選べるもの: {names}")) }
        }
        _ => found,
    }
}

/// A list that ends too early, or a sampler that there is not.
fn torn_or_unknown(key: &str, value: &str, source: &Source) -> Option<Diagnostic> {
    if value.starts_with(['[', '{']) && !is_closed(value) {
        return Some(torn(key, span(value, source), source));
    }
    let is_sampler = key == "Sampler" && Sampler::from_any_name(value).is_none();
    is_sampler.then(|| check::unknown_sampler(value, span(value, source), source))
}

/// The text as it was before pages, chats and keyboards changed it, and what to say of that.
fn restored(text: &str) -> Option<(String, Text)> {
    let plain = without_markup(text).map(|plain| {
        let message = say!(
            "marks of a page or a chat stand around this text; they are left aside, and webui would draw them",
            "ページやチャットの記号が付いているので、除いて読みます。webui ではそのまま描かれます"
        );
        (plain, message)
    });
    plain.or_else(|| {
        let message = say!(
            "the parameters are written with colons and commas of full width, which webui does not read",
            "パラメーターのコロンやコンマが全角です。webui では読まれません"
        );
        Some((narrow(text)?, message))
    })
}

/// What stands behind the value of a known field and belongs to no other: it was torn off at a comma.
fn left_over(line: &str, source: &Source) -> Vec<Diagnostic> {
    let pairs = whole_pairs(line);
    let place = |part: &str| part.as_ptr() as usize - line.as_ptr() as usize;
    let nexts = pairs.iter().skip(1).map(|(key, _)| place(key)).chain([line.len()]);
    let torn = pairs.iter().zip(nexts).filter_map(|((key, value), next)| {
        let end = place(value) + value.len();
        let rest = line.get(end..next)?.trim_matches([',', ' ', '\t', '\r']);
        if rest.is_empty() || !is_known(key) || value.starts_with(['[', '{']) {
            return None;
        }
        let said = Diagnostic::new(
            code::NOT_UNDERSTOOD,
            say!(
                "`{rest}` belongs to no field: of `{key}` only `{value}` is read",
                "`{rest}` はどの項目にも属しません。`{key}` は `{value}` だけが読まれます"
            ),
        );
        let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let help = match is_number(value) && is_number(rest) {
            true => say!("write `{value}.{rest}`, with a point", "`{value}.{rest}` と、小数点で書いてください"),
            false => say!("put a value with commas into double quotes", "コンマを含む値は二重引用符で囲んでください"),
        };
        Some(said.within(source).at(span(rest, source)).help(help))
    });
    torn.collect()
}

/// A last line that webui takes for parameters, though it has no steps. `here_too`: and lbw, because a negative prompt stands before.
fn eaten(text: &str, here_too: bool, source: &Source) -> Option<Diagnostic> {
    let last = python::strip(text).rsplit('\n').next().unwrap_or_default();
    if pairs(last).len() < FEWEST_PAIRS {
        return None;
    }
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
    Some(
        Diagnostic::new(code::EATEN_AS_INFOTEXT, message)
            .within(source)
            .label(span(last, source), say!("three or more `key: value` pairs", "`key: value` の組が三つ以上"))
            .help(say!(
                "put another line behind it, or use fewer colons",
                "後ろに別の行を置くか、コロンを減らしてください"
            )),
    )
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
        let found = paste(&Source::new("prompt", text)).1;
        let found = found.iter().filter(|d| d.code != code::NOT_UNDERSTOOD);
        found.map(|d| (d.code.id, d.pointed_at().unwrap_or_default().to_owned())).collect()
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
        let text =
            "a\nSteps: 20, Hashes: {\"model\": \"1\", \"vae\": }, Civitai resources: [{\"type\":\"lora\"}], Seed: 1";
        assert_eq!(said(text), [("N0602", "{\"model\": \"1\"".to_owned())]);
        // A list that is whole is read as one value.
        let whole = r#"{"model": "1", "lora:a": "2"}"#;
        let text = format!(
            "a\nSteps: 20, Hashes: {whole}, Civitai resources: [{{\"type\":\"lora\",\"modelName\":\"b\"}}], Seed: 1"
        );
        assert_eq!(said(&text), [("W0641", "Civitai resources".to_owned())]);
        let pasted = paste(&Source::new("prompt", text.as_str())).0.unwrap();
        assert_eq!((pasted.model_hash.as_deref(), pasted.patch.has_seed()), (Some("1"), true));
        assert_eq!(pasted.lora_hashes, [("a".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn json_is_read_as_json_whatever_its_texts_hold() {
        let infotext = "a\nNegative prompt: b\nSteps: 5, Seed: 1, Size: 64x64";
        let json = serde_json::json!({ "images": [], "parameters": infotext }).to_string();
        assert!(json.contains("\\nNegative prompt:"));
        let found = paste(&Source::new("prompt", json.as_str())).1;
        assert!(found.iter().all(|said| said.code != code::MENDED_INFOTEXT), "{found:?}");
    }

    #[test]
    fn samplers_that_do_not_exist() {
        assert_eq!(said("a\nSteps: 20, Sampler: Eulr a, Seed: 1"), [("W0604", "Eulr a".to_owned())]);
        assert_eq!(said("a\nSteps: 20, Sampler: DPM++ 2M Karras, Seed: 1"), []);
    }
}
