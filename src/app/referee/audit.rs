//! What a finished picture's block weights did, in the program that drew it.

use serde_json::{Map, Value};

use super::super::session::Session;
use super::{Comparison, PROGRAMS, compare};
use crate::block::Family;
use crate::diagnostic::Text;
use crate::image_io::ImageText;
use crate::infotext::Infotext;
use crate::infotext::foreign::object;
use crate::plan::Request;
use crate::say;

/// A picture's own words, and what came of them.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The program that drew it, by its place in [`PROGRAMS`]; nothing where it is lbw itself or unknown.
    pub program: Option<usize>,
    /// Who drew it and how that is known.
    pub drawn_by: Text,
    /// The prompt with its tags; what was not written as tags is told as tags.
    pub prompt: String,
    /// What the programs make of the tags.
    pub comparison: Comparison,
    /// What else is to be known.
    pub notes: Vec<Text>,
}

/// What the texts in a picture say; nothing for a picture without any.
pub fn audit(text: &ImageText, session: &Session) -> Option<Audit> {
    let graph = text.get("prompt").and_then(object);
    let (drawn_by, program, prompt, notes) = match (&text.parameters, graph) {
        (Some(parameters), _) if text.plan.is_some() => {
            let by = say!("lbw, whose plan is in the picture", "lbw (計画が画像に入っています)");
            (by, None, Infotext::parse(parameters).prompt, Vec::new())
        }
        (_, Some(graph)) => {
            let (prompt, notes) = of_graph(&graph);
            let by = say!("ComfyUI, whose nodes are in the picture", "ComfyUI (ノードが画像に入っています)");
            (by, program("inspire"), prompt, notes)
        }
        (Some(parameters), None) => {
            let infotext = Infotext::parse(parameters);
            let (by, program) = by_version(&infotext);
            (by, program, infotext.prompt, Vec::new())
        }
        (None, None) => return None,
    };
    let mut request = Request::new(&prompt, "");
    let tags = crate::syntax::Prompt::parse(&prompt).tags;
    let names = tags.iter().filter_map(|tag| tag.positional().next());
    let made_for = names.filter_map(|name| session.inspection_of(&name.text)?.made_for).next();
    let family = Family::ALL.into_iter().find(|family| made_for == Some(family.label()));
    request.family = family.unwrap_or(request.family);
    Some(Audit { program, drawn_by, comparison: compare(&request, session), prompt, notes })
}

fn program(id: &str) -> Option<usize> {
    PROGRAMS.iter().position(|program| program.id == id)
}

/// The program by the fields `App` and `Version`.
fn by_version(infotext: &Infotext) -> (Text, Option<usize>) {
    let field = |name: &str| infotext.fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (app, version) = (field("App"), field("Version"));
    let id = match version {
        _ if app == "SD.Next" => "sdnext",
        "ComfyUI" => "inspire",
        "stable-diffusion.cpp" => "sdcpp",
        "classic" => "reforge",
        _ if version.starts_with("neo") => "neo",
        _ if version.starts_with("f2") => "forge",
        _ if version.starts_with("f0") || version.starts_with("f1") => "reforge",
        _ if version.starts_with('v') && version[1..].starts_with(|c: char| c.is_ascii_digit()) => "webui",
        _ => "",
    };
    match program(id) {
        Some(at) => {
            let (name, field) = (PROGRAMS[at].name, if app.is_empty() { version } else { app });
            (say!("{name} (`{field}` in its infotext)", "{name} (infotext の `{field}` による)"), Some(at))
        }
        None => {
            let said = say!(
                "a program that does not tell its name; webui's rule stands for it",
                "名前のないプログラム。webui の規則で調べます"
            );
            (said, None)
        }
    }
}

/// The LoRA loaders among ComfyUI's nodes, as tags.
fn of_graph(graph: &Map<String, Value>) -> (String, Vec<Text>) {
    let (mut tags, mut notes) = (String::new(), Vec::new());
    let mut nodes: Vec<(&String, &Value)> = graph.iter().collect();
    // Keys are numbers, most of the time.
    nodes.sort_by_key(|(key, _)| (key.parse::<u64>().unwrap_or(u64::MAX), key.as_str()));
    for (key, node) in nodes {
        let class = node["class_type"].as_str().unwrap_or_default();
        let input = |name: &str| &node["inputs"][name];
        let Some(file) = input("lora_name").as_str() else { continue };
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let strength = |name: &str, otherwise: f64| input(name).as_f64().unwrap_or(otherwise);
        let model = strength("strength_model", 1.0);
        let clip = strength("strength_clip", if class.contains("ModelOnly") { 0.0 } else { model });
        let vector = input("block_vector").as_str().filter(|_| class.starts_with("LoraLoaderBlockWeight"));
        let vector = vector.map(|text| text.split_once(':').map_or(text, |(_, vector)| vector));
        tags += &match vector {
            Some(vector) => format!("<lora:{name}:{clip}:{model}:lbw={vector}>"),
            None => format!("<lora:{name}:{clip}:{model}>"),
        };
        let is_usual = |name: &str, usual: f64| input(name).as_f64().is_none_or(|value| value == usual);
        let inverse = input("inverse").as_bool() == Some(true);
        if vector.is_some() && (inverse || !is_usual("A", 4.0) || !is_usual("B", 1.0)) {
            notes.push(say!(
                "node {key} has `inverse` or its own `A` and `B`, which are not in the factors",
                "ノード {key} の `inverse` または独自の `A`、`B` は係数に入っていません"
            ));
        }
    }
    (tags, notes)
}
