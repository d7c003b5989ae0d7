//! Findings about arguments of a tag that nobody reads.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Source, Text, code, did_you_mean};
use crate::plan::Dialect;
use crate::say;
use crate::syntax::{Item, Tag};

/// Names that webui's loader reads, exactly as they are.
const OF_WEBUI: [&str; 3] = ["te", "unet", "dyn"];
/// Keys that the extension finds anywhere in an item, once it acts.
const OF_EXTENSION: [&str; 9] = ["lbw", "lbwe", "w", "x", "start", "stop", "step", "te", "unet"];
/// SD.Next's own.
const OF_SDNEXT: [&str; 3] = ["in", "mid", "out"];

/// Whether `word` is the name of an argument that the extension reads.
pub(super) fn is_name(word: &str) -> bool {
    OF_EXTENSION.contains(&word)
}

/// Words that people write for the names there are.
const OTHER_WORDS: [(&str, &str); 17] = [
    ("end", "stop"),
    ("until", "stop"),
    ("begin", "start"),
    ("from", "start"),
    ("steps", "step"),
    ("range", "step"),
    ("block", "lbw"),
    ("blocks", "lbw"),
    ("preset", "lbw"),
    ("weights", "lbw"),
    ("element", "lbwe"),
    ("elements", "lbwe"),
    ("clip", "te"),
    ("text", "te"),
    ("model", "unet"),
    ("rank", "dyn"),
    ("dim", "dyn"),
];
/// Words for the strength of both, which has no name.
const STRENGTH: [&str; 7] = ["weight", "strength", "multiplier", "scale", "alpha", "power", "ratio"];

/// The arguments of `tag` that change nothing. `acts`: whether the extension acts on the prompt.
pub fn unread(tag: &Tag, dialect: Dialect, acts: bool, source: &Source) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut positional = 0;
    let mut given: HashMap<&str, &Item> = HashMap::new();
    for (at, item) in tag.items.iter().enumerate() {
        match item.named() {
            Some(_) if at == 0 => {}
            Some((name, _)) if !is_read(name, item, dialect, acts) => found.push(name_unread(name, item, source)),
            Some((name, _)) => match given.get(name) {
                Some(first) => found.push(given_twice(name, first, item, source)),
                None => drop(given.insert(name, item)),
            },
            None => {
                positional += 1;
                // Name, two strengths, the rank, and the base of `X` where the extension looks.
                if positional > 4 && at > 3 {
                    found.push(surplus(item, source));
                }
            }
        }
    }
    found
}

fn is_read(name: &str, item: &Item, dialect: Dialect, acts: bool) -> bool {
    let contains = |key: &&str| item.text.contains(&format!("{key}="));
    let of_extension = OF_EXTENSION.iter().any(|key| contains(key) && (acts || !OF_WEBUI.contains(key)));
    // Those of SD.Next that another dialect leaves aside have a finding of their own.
    OF_WEBUI.contains(&name)
        || OF_SDNEXT.contains(&name)
        || of_extension && (dialect.is_webui() || item.text.starts_with(name))
}

fn name_unread(name: &str, item: &Item, source: &Source) -> Diagnostic {
    let text = &item.text;
    let message = say!(
        "nobody reads `{name}=`: `{text}` has no effect",
        "`{name}=` を読むものはなく、`{text}` に効果はありません"
    );
    let word = name.trim().to_lowercase();
    let value = item.named().map_or("", |(_, value)| value);
    let keys = OF_EXTENSION.into_iter().filter(|key| *key != "w").chain(["dyn"]);
    let other = OTHER_WORDS.iter().find(|(other, _)| *other == word).map(|(_, key)| *key);
    let help = if STRENGTH.contains(&word.as_str()) {
        say!(
            "the strength has no name: write `{value}` behind the LoRA's name",
            "強さに名前はありません。LoRA の名前の後に `{value}` と書いてください"
        )
    } else {
        match other.or_else(|| did_you_mean(&word, keys)) {
            Some(near) => say!("did you mean `{near}={value}`?", "`{near}={value}` ではありませんか"),
            None => names_help(),
        }
    };
    Diagnostic::new(code::UNREAD_ARGUMENT, message).within(source).at(item.span.clone()).help(help)
}

fn names_help() -> Text {
    say!(
        "there are te=, unet=, dyn=, lbw=, lbwe=, x=, start=, stop= and step=",
        "使えるのは te=、unet=、dyn=、lbw=、lbwe=、x=、start=、stop=、step= です"
    )
}

/// An argument that is given again: webui takes the last one of a name, the extension the first.
fn given_twice(name: &str, first: &Item, again: &Item, source: &Source) -> Diagnostic {
    let counts = if OF_WEBUI.contains(&name) { say!("last", "最後") } else { say!("first", "最初") };
    let message = say!(
        "`{name}=` is given twice; the {counts} counts",
        "`{name}=` が二度書かれています。{counts}のものが有効です",
        with counts
    );
    Diagnostic::new(code::UNREAD_ARGUMENT, message)
        .within(source)
        .label(again.span.clone(), say!("given again", "もう一度書かれています"))
        .label(first.span.clone(), say!("given first here", "最初はここです"))
        .help(say!("keep one of them", "一つだけ残してください"))
}

fn surplus(item: &Item, source: &Source) -> Diagnostic {
    let text = &item.text;
    let message =
        say!("nobody reads `{text}` so far behind in a tag", "タグのこれほど後ろの `{text}` を読むものはありません");
    Diagnostic::new(code::UNREAD_ARGUMENT, message)
        .within(source)
        .at(item.span.clone())
        .help(say!("a tag is `<lora:name:TE:UNET:DYN:lbw=…>`", "タグは `<lora:name:TE:UNET:DYN:lbw=…>` の形です"))
}
