//! Prompts of an analysis: the LoRA under test is the one whose weights are the preset `XYZ`.
//!
//! The vectors of the runs take the place of the preset's name in the prompt, so that the infotext of each picture says
//! everything, also to programs that know no preset of this name.
//!
//! ```
//! use lbw::study::analyzer_prompt::Marked;
//! let marked = Marked::new("a cat <lora:x:1:lbw=XYZ>", None).unwrap();
//! assert_eq!(marked.with("1,0,1", "0.0,1.0,0.0"), "a cat <lora:x:1:lbw=1,0,1>");
//! assert_eq!(marked.without("0.0"), "a cat ");
//! ```

use std::ops::Range;

use crate::diagnostic::{Said, Text};
use crate::plan::argument::{Found, find_weights};
use crate::plan::network::lora_tags;
use crate::say;
use crate::syntax::{Prompt, Tag};

/// A prompt with places for vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    text: String,
    /// In the order of the text.
    places: Vec<Place>,
    /// The LoRAs whose weights are `XYZ`.
    pub names: Vec<String>,
    /// The weights in chosen tags, which others take the place of.
    pub replaced: Vec<String>,
    /// The names of the LoRAs with three items or more, run together, as the extension titles its grids.
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    kind: Kind,
    /// Where the vector goes.
    vector: Range<usize>,
    /// The whole tag.
    tag: Range<usize>,
    /// What stands before the vector if it is not there yet.
    key: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Xyz,
    Zyx,
}

/// Why no LoRA is under test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Error {
    NoLora,
    NotLoaded { name: String, loaded: Vec<String> },
    MarkedToo { name: String, marked: Vec<String> },
    Ambiguous(Vec<String>),
}

impl Said for Error {
    fn said(&self) -> Text {
        match self {
            Error::NoLora => say!(
                "the prompt loads no LoRA: there is nothing to analyse (add a tag such as <lora:NAME:1>)",
                "プロンプトに LoRA がないので、調べるものがありません (<lora:NAME:1> のようなタグを書いてください)"
            ),
            Error::NotLoaded { name, loaded } => {
                let loaded = loaded.join(", ");
                say!(
                    "the prompt has no tag of the LoRA `{name}`; it loads {loaded}",
                    "プロンプトに LoRA `{name}` のタグはありません。あるのは {loaded} です"
                )
            }
            Error::MarkedToo { name, marked } => {
                let marked = Text::list(marked);
                say!(
                    "--lora names `{name}`, and the prompt marks {marked} with lbw=XYZ: choose one way",
                    "--lora は `{name}` を指し、プロンプトでは {marked} に lbw=XYZ の印があります。どちらか一つにしてください",
                    with marked
                )
            }
            Error::Ambiguous(loaded) => {
                let loaded = loaded.join(", ");
                say!(
                    "the prompt loads several LoRAs ({loaded}): mark one with lbw=XYZ, or choose it with --lora",
                    "プロンプトに LoRA がいくつもあります ({loaded})。lbw=XYZ を付けるか --lora で一つ選んでください"
                )
            }
        }
    }
}

impl Marked {
    /// Finds the tags marked `XYZ` or `ZYX`. `name` marks the tags of the LoRA of this name, whatever weights they have;
    /// without any mark a LoRA that is alone is meant.
    pub fn new(text: &str, name: Option<&str>) -> Result<Self, Error> {
        let prompt = Prompt::parse(text);
        let tags = lora_tags(&prompt.tags);
        let of_lora = |tag: &&Tag, name: &str| tag.items.first().is_some_and(|item| item.text == name);
        let mut loaded: Vec<String> = tags.iter().filter_map(|t| Some(t.items.first()?.text.clone())).collect();
        loaded.dedup();
        let marked: Vec<Place> = tags.iter().filter_map(|tag| place(tag)).collect();
        let chosen = match (name, loaded.as_slice()) {
            (_, []) => return Err(Error::NoLora),
            (Some(name), _) if !loaded.iter().any(|l| l == name) => {
                return Err(Error::NotLoaded { name: name.to_owned(), loaded });
            }
            (Some(name), _) => {
                let mut marked = marked_names(text);
                marked.retain(|marked| marked != name);
                if !marked.is_empty() {
                    return Err(Error::MarkedToo { name: name.to_owned(), marked });
                }
                Some(name.to_owned())
            }
            (None, _) if marked.iter().any(|place| place.kind == Kind::Xyz) => None,
            (None, [only]) => Some(only.clone()),
            (None, _) => return Err(Error::Ambiguous(loaded)),
        };
        let mut places = match &chosen {
            None => marked,
            Some(name) => {
                let new = tags.iter().filter(|tag| of_lora(tag, name)).map(|tag| new_place(tag));
                let kept = tags.iter().filter(|tag| !of_lora(tag, name)).filter_map(|tag| place(tag));
                new.chain(kept).collect()
            }
        };
        places.sort_by_key(|place| place.vector.start);
        let is_under_test = |tag: &&&Tag| places.iter().any(|place| place.kind == Kind::Xyz && place.tag == tag.span);
        let mut names: Vec<String> = tags.iter().filter(is_under_test).map(|tag| tag.items[0].text.clone()).collect();
        names.dedup();
        let chosen_tags = places.iter().filter(|place| chosen.is_some() && place.kind == Kind::Xyz);
        let replaced = chosen_tags.map(|place| &text[place.vector.clone()]).filter(|weights| !weights.is_empty());
        let replaced: Vec<String> = replaced.map(|weights| weights.trim().to_owned()).collect();
        let has_place = |tag: &Tag| places.iter().any(|place| place.tag == tag.span);
        let weighted = prompt.tags.iter().filter(|tag| tag.items.len() >= 3 || has_place(tag));
        let title = weighted.map(|tag| tag.items[0].text.as_str()).collect();
        Ok(Marked { text: text.to_owned(), places, names, replaced, title })
    }

    /// The prompt with the vector `xyz` for the LoRA under test and its complement for those marked `ZYX`.
    pub fn with(&self, xyz: &str, zyx: &str) -> String {
        self.replaced(|place| {
            let vector = if place.kind == Kind::Xyz { xyz } else { zyx };
            (place.vector.clone(), format!("{}{vector}", place.key))
        })
    }

    /// The prompt without the LoRA under test.
    pub fn without(&self, zyx: &str) -> String {
        self.replaced(|place| match place.kind {
            Kind::Xyz => (place.tag.clone(), String::new()),
            Kind::Zyx => (place.vector.clone(), format!("{}{zyx}", place.key)),
        })
    }

    fn replaced(&self, edit: impl Fn(&Place) -> (Range<usize>, String)) -> String {
        let mut text = String::new();
        let mut from = 0;
        for (range, new) in self.places.iter().map(edit) {
            text.push_str(&self.text[from..range.start]);
            text.push_str(&new);
            from = range.end;
        }
        text + &self.text[from..]
    }
}

/// The LoRAs of a prompt that are marked `XYZ`.
pub fn marked_names(text: &str) -> Vec<String> {
    let tags = Prompt::parse(text).tags;
    let tags = lora_tags(&tags);
    let marked = tags.iter().filter(|tag| place(tag).is_some_and(|place| place.kind == Kind::Xyz));
    let mut names: Vec<String> = marked.filter_map(|tag| Some(tag.items.first()?.text.clone())).collect();
    names.dedup();
    names
}

/// `text` with the LoRA tags of `prompt` behind it.
pub fn tags_behind(text: &str, prompt: &str) -> String {
    let parsed = Prompt::parse(prompt);
    let tags = lora_tags(&parsed.tags);
    tags.iter().fold(text.trim_end().to_owned(), |text, tag| format!("{text} {}", &prompt[tag.span.clone()]))
}

/// The place of a tag whose weights are `XYZ` or `ZYX`.
fn place(tag: &Tag) -> Option<Place> {
    let Found::Text { value, item, .. } = find_weights(tag) else { return None };
    let kind = match value.trim() {
        "XYZ" => Kind::Xyz,
        "ZYX" => Kind::Zyx,
        _ => return None,
    };
    Some(Place { kind, vector: item.span.end - value.len()..item.span.end, tag: tag.span.clone(), key: "" })
}

/// A place for the vector of a tag: that of its weights, or the end.
fn new_place(tag: &Tag) -> Place {
    let vector = match find_weights(tag) {
        Found::Text { value, item, keyed: true } => item.span.end - value.len()..item.span.end,
        _ => {
            let end = tag.span.end - 1;
            return Place { kind: Kind::Xyz, vector: end..end, tag: tag.span.clone(), key: ":lbw=" };
        }
    };
    Place { kind: Kind::Xyz, vector, tag: tag.span.clone(), key: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complement_has_its_place() {
        let marked = Marked::new("<lora:a:1:lbw=ZYX> x <lora:b:0.5:lbw=XYZ:stop=9>", None).unwrap();
        assert_eq!(marked.with("1,1", "0,0"), "<lora:a:1:lbw=0,0> x <lora:b:0.5:lbw=1,1:stop=9>");
        assert_eq!(marked.without("0,0"), "<lora:a:1:lbw=0,0> x ");
        assert_eq!((marked.names, marked.title.as_str()), (vec!["b".to_owned()], "ab"));
    }

    #[test]
    fn a_lora_is_chosen() {
        let with = |text, name| Marked::new(text, name).map(|m| m.with("1,0", "0,1"));
        assert_eq!(with("x <lora:a:1>", None).unwrap(), "x <lora:a:1:lbw=1,0>");
        assert_eq!(with("<lora:a:1:lbw=XLOUT> <lora:b:1>", Some("a")).unwrap(), "<lora:a:1:lbw=1,0> <lora:b:1>");
        assert_eq!(with("<lora:a:1> <lora:b:1>", None), Err(Error::Ambiguous(vec!["a".into(), "b".into()])));
        assert_eq!(with("<lora:a:1>", Some("c")), Err(Error::NotLoaded { name: "c".into(), loaded: vec!["a".into()] }));
        assert_eq!(with("a cat", None), Err(Error::NoLora));
        let both = with("<lora:a:1:lbw=XYZ> <lora:b:1>", Some("b"));
        assert_eq!(both, Err(Error::MarkedToo { name: "b".into(), marked: vec!["a".into()] }));
        assert_eq!(with("<lora:a:1:lbw=XYZ> <lora:b:1>", Some("a")).unwrap(), "<lora:a:1:lbw=1,0> <lora:b:1>");
    }

    #[test]
    fn tags_go_behind_another_text() {
        let marked = Marked::new("red circle, <lora:a:1:lbw=XYZ>, <lora:b:0.5>", None).unwrap();
        let tags = |prompt: &str| tags_behind("a cat", prompt);
        assert_eq!(tags(&marked.with("1,0", "")), "a cat <lora:a:1:lbw=1,0> <lora:b:0.5>");
        assert_eq!(tags(&marked.without("")), "a cat <lora:b:0.5>");
    }
}
