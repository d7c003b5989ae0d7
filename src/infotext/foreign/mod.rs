//! What other programs write into pictures and files, as infotext: NovelAI, ComfyUI, SwarmUI, Fooocus, InvokeAI, Draw Things.
//!
//! webui itself converts NovelAI's and shows the others' JSON. Their words, settings and LoRAs have a place in infotext; what has none is
//! named.

mod comfy;
mod settings;
mod sheet;

use serde_json::{Map, Value};

use crate::diagnostic::{Said, Text};
use crate::files::limits::VALUES;
use crate::files::values::is_crowded_json;
use crate::say;

/// What another program wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    /// The program's name.
    pub tool: &'static str,
    /// The same as infotext, or why there is none.
    pub infotext: Result<String, Unreadable>,
    /// What is said there and has no place in infotext.
    pub left_out: Vec<String>,
}

/// Why something holds no prompt with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Unreadable {
    /// A workflow with another number of samplers than one, and what it holds.
    Samplers { samplers: usize, nodes: usize, loras: usize, texts: usize },
    /// A workflow as ComfyUI's page keeps it, without the graph that was executed.
    Page { nodes: usize },
    /// The texts of the sampler could not be followed to words.
    NoWords,
    /// It has more than [`VALUES`].
    Crowded,
}

impl Said for Unreadable {
    fn said(&self) -> Text {
        match self {
            Unreadable::Samplers { samplers, nodes, loras, texts } => say!(
                "it holds a ComfyUI workflow of {nodes} nodes with {samplers} samplers, {texts} texts and {loras} LoRAs; one with one sampler can be read",
                "ComfyUI のワークフローです (ノード {nodes} 個、サンプラー {samplers} 個、文 {texts} 個、LoRA {loras} 個)。読めるのはサンプラーが一つのものです"
            ),
            Unreadable::Page { nodes } => say!(
                "it holds a ComfyUI workflow of {nodes} nodes as its page keeps it, without the graph that was executed",
                "ComfyUI の画面のワークフロー (ノード {nodes} 個) だけで、実行されたグラフがありません"
            ),
            Unreadable::Crowded => {
                say!("it holds JSON with more than {VALUES} values", "{VALUES} 個を超える値のある JSON です")
            }
            Unreadable::NoWords => say!(
                "it holds a ComfyUI workflow whose prompt is made by nodes that cannot be followed",
                "ComfyUI のワークフローですが、プロンプトをたどれないノードが作っています"
            ),
        }
    }
}

/// What JSON of another program says; nothing for JSON that is nobody's.
pub fn of_json(text: &str) -> Option<Foreign> {
    if begins_as_json(text) && is_crowded_json(text) {
        return Some(Foreign { tool: "JSON", infotext: Err(Unreadable::Crowded), left_out: Vec::new() });
    }
    of_map(&object(text)?)
}

/// Whether `text` is JSON that says something, and so no prompt: an object, or a list of objects or texts. Braces are NovelAI's
/// emphasis and brackets are webui's, but not around such.
pub fn is_json(text: &str) -> bool {
    if is_crowded_json(text) {
        return begins_as_json(text);
    }
    let list = || match serde_json::from_str(text) {
        Ok(Value::Array(items)) => items.iter().any(|item| item.is_object() || item.is_string()),
        _ => false,
    };
    let whole = object(text).map_or_else(|| text.trim_start().starts_with('[') && list(), |map| !map.is_empty());
    whole || begins_as_json(text)
}

/// Whether a text begins as an object or a list of objects does, with a name, a colon and a value: it may be damaged further on.
pub fn begins_as_json(text: &str) -> bool {
    let inside = text.trim_start().trim_start_matches('[').trim_start().strip_prefix('{');
    let name = inside.and_then(|inside| inside.trim_start().strip_prefix('"')?.split_once('"'));
    let value = name.and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    value.is_some_and(|value| {
        value
            .trim_start()
            .starts_with(['"', '[', '{', 't', 'f', 'n', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    })
}

/// The object that a text is, unless it is a crowded one.
pub fn object(text: &str) -> Option<Map<String, Value>> {
    if !text.trim_start().starts_with('{') || is_crowded_json(text) {
        return None;
    }
    // ComfyUI writes NaN, which JSON has not.
    let value = serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_nan(text))).ok()?;
    let Value::Object(map) = value else { return None };
    Some(map)
}

fn without_nan(text: &str) -> String {
    text.replace(": NaN", ": null").replace(":NaN", ":null")
}

/// What a map of another program says.
pub fn of_map(map: &Map<String, Value>) -> Option<Foreign> {
    let has = |key: &str| map.contains_key(key);
    let inner = |key: &str| map.get(key).and_then(Value::as_object);
    if let Some(parameters) = inner("sui_image_params") {
        return Some(settings::swarm(parameters));
    }
    if has("positive_prompt") && (has("scheduler") || has("cfg_scale") || has("app_version")) {
        return Some(settings::invoke(map));
    }
    if let Some(image) = inner("image").filter(|image| image.contains_key("prompt") && (has("app_id") || has("model")))
    {
        return Some(settings::old_invoke(image, map));
    }
    if has("metadata_scheme")
        || (has("base_model") && has("performance"))
        || (has("full_prompt") && has("guidance_scale"))
    {
        return Some(settings::fooocus(map));
    }
    if has("c") && has("uc") && has("sampler") {
        return Some(settings::draw_things(map));
    }
    if let Some(comment) = map.get("Comment").and_then(Value::as_str).filter(|_| has("Software")) {
        return of_comment(comment, map.get("Description").and_then(Value::as_str), None);
    }
    if has("uc") && has("prompt") && has("scale") {
        return Some(settings::novel_ai(map, None, None));
    }
    if comfy::is_graph(map) {
        return Some(comfy::graph(map));
    }
    if let Some(graph) = inner("prompt").filter(|graph| comfy::is_graph(graph)) {
        return Some(comfy::graph(graph));
    }
    let nodes = map.get("nodes").and_then(Value::as_array).filter(|_| has("links") || has("last_node_id"));
    nodes.map(|nodes| comfy::page(nodes.len()))
}

/// NovelAI's `Comment`.
fn of_comment(comment: &str, description: Option<&str>, size: Option<(u32, u32)>) -> Option<Foreign> {
    Some(settings::novel_ai(&object(comment)?, description, size))
}

/// What the texts of a picture say, by their keywords; `size` is the picture's.
pub fn of_texts<'t>(text: impl Fn(&str) -> Option<&'t str>, size: Option<(u32, u32)>) -> Option<Foreign> {
    if text("Software").is_some_and(|software| software.starts_with("NovelAI"))
        && let Some(found) = text("Comment").and_then(|comment| of_comment(comment, text("Description"), size))
    {
        return Some(found);
    }
    if let Some(found) = text("Dream").and_then(settings::dream) {
        return Some(found);
    }
    if let Some(found) = text("XML:com.adobe.xmp").and_then(of_xmp) {
        return Some(found);
    }
    let keywords =
        ["parameters", "invokeai_metadata", "sd-metadata", "prompt", "workflow", "Comment", "generation_data"];
    let all = keywords.into_iter().filter_map(|keyword| of_json(text(keyword)?));
    // A graph that was executed says more than the page it was made on.
    all.fold(None, |best: Option<Foreign>, found| match best {
        Some(best) if best.infotext.is_ok() || found.infotext.is_err() => Some(best),
        _ => Some(found),
    })
}

/// Draw Things keeps its JSON in XMP.
fn of_xmp(xmp: &str) -> Option<Foreign> {
    let comment = xmp.split_once("exif:UserComment")?.1;
    let start = comment.find('{')?;
    let json = unescaped(&comment[start..]);
    if is_crowded_json(&json) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(&json).into_iter::<Map<String, Value>>();
    of_map(&values.next()?.ok()?)
}

/// Text without XML's escapes.
fn unescaped(text: &str) -> String {
    let escapes = [
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#34;", "\""),
        ("&#xA;", " "),
        ("&#10;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    escapes.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests;
