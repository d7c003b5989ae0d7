//! ComfyUI's graph of nodes, as it was executed: `{"3": {"class_type": "KSampler", "inputs": {"seed": 5, "positive": ["6", 0]}}}`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::sheet::{Sheet, number, whole, words};
use super::{Foreign, Unreadable};

const TOOL: &str = "ComfyUI";
/// Longer chains than this are no workflow of people.
const MOST_STEPS: usize = 200;

/// Whether a map is a graph: all of it nodes.
pub fn is_graph(map: &Map<String, Value>) -> bool {
    !map.is_empty() && map.values().all(|node| node.get("class_type").is_some_and(Value::is_string))
}

/// A workflow of the page, of which only the nodes can be counted.
pub fn page(nodes: usize) -> Foreign {
    Foreign { tool: TOOL, infotext: Err(Unreadable::Page { nodes }), left_out: Vec::new() }
}

/// The prompt and settings of a graph with one sampler.
pub fn graph(nodes: &Map<String, Value>) -> Foreign {
    let graph = Graph(nodes);
    let samplers: Vec<&Value> = nodes.values().filter(|node| is_sampler(node)).collect();
    let unreadable = |why| Foreign { tool: TOOL, infotext: Err(why), left_out: Vec::new() };
    let [sampler] = samplers[..] else {
        let count = |what: &str| nodes.values().filter(|node| class(node).contains(what)).count();
        return unreadable(Unreadable::Samplers {
            samplers: samplers.len(),
            nodes: nodes.len(),
            loras: count("Lora") + count("LoRA"),
            texts: count("TextEncode"),
        });
    };
    match graph.read(sampler) {
        Some(sheet) => sheet.finish(TOOL),
        None => unreadable(Unreadable::NoWords),
    }
}

fn class(node: &Value) -> &str {
    node.get("class_type").and_then(Value::as_str).unwrap_or_default()
}

/// Nodes that sample; those that choose a sampler are named alike.
fn is_sampler(node: &Value) -> bool {
    let class = class(node);
    let has = |input: &str| node.pointer(&format!("/inputs/{input}")).is_some();
    (class.contains("KSampler") || class.contains("SamplerCustom") || class.contains("Sampler"))
        && has("latent_image")
        && (has("positive") || has("guider"))
}

struct Graph<'a>(&'a Map<String, Value>);

impl<'a> Graph<'a> {
    /// The node that an input leads to.
    fn linked(&self, node: &'a Value, input: &str) -> Option<&'a Value> {
        let link = node.get("inputs")?.get(input)?.as_array()?;
        self.0.get(&words(link.first()?))
    }

    /// An input that is a value, be it that of another node.
    fn value(&self, node: &'a Value, input: &str) -> Option<Value> {
        let mut node = node;
        let mut input = input;
        for _ in 0..MOST_STEPS {
            let value = node.get("inputs")?.get(input)?;
            if !value.is_array() {
                return Some(value.clone());
            }
            node = self.linked(node, input)?;
            let inputs = node.get("inputs")?.as_object()?;
            let names = [
                "value",
                "seed",
                "noise_seed",
                "text",
                "string",
                "prompt",
                "int",
                "float",
                "number",
                "Value",
                "width",
                "height",
            ];
            input = names.into_iter().find(|name| inputs.contains_key(*name))?;
        }
        None
    }

    /// What `sampler` draws.
    fn read(&self, sampler: &'a Value) -> Option<Sheet> {
        let mut sheet = Sheet::default();
        // The parts that SamplerCustom and its advanced form keep in nodes of their own.
        let guider = self.linked(sampler, "guider").unwrap_or(sampler);
        let sigmas = self.linked(sampler, "sigmas").unwrap_or(sampler);
        let chosen = self.linked(sampler, "sampler").unwrap_or(sampler);
        let noise = self.linked(sampler, "noise").unwrap_or(sampler);
        let positive = ["positive", "conditioning"]
            .into_iter()
            .find(|input| guider.pointer(&format!("/inputs/{input}")).is_some())?;
        sheet.prompt = self.text_behind(guider, positive, &mut sheet)?;
        sheet.negative = self.text_behind(guider, "negative", &mut sheet).unwrap_or_default();
        sheet.set("Steps", self.value(sigmas, "steps").as_ref());
        sheet.set("Sampler", self.value(chosen, "sampler_name").as_ref());
        sheet.set("Schedule type", self.value(sigmas, "scheduler").as_ref());
        sheet.set("CFG scale", self.value(guider, "cfg").as_ref());
        let seed = self.value(noise, "seed").or_else(|| self.value(noise, "noise_seed"));
        sheet.set("Seed", seed.as_ref());
        let denoise = self.value(sigmas, "denoise").as_ref().and_then(number).unwrap_or(1.0);
        if denoise < 1.0 {
            sheet.leave_out(format!("denoise {denoise}"));
        }
        self.read_latent(sampler, &mut sheet);
        self.read_model(guider, sampler, &mut sheet);
        self.read_clip(guider, positive, &mut sheet);
        Some(sheet)
    }

    /// The words of a conditioning.
    fn text_behind(&self, node: &'a Value, input: &str, sheet: &mut Sheet) -> Option<String> {
        let mut texts = Vec::new();
        let mut seen: HashSet<*const Value> = HashSet::new();
        let mut open: Vec<&'a Value> = self.linked(node, input).into_iter().collect();
        while let Some(node) = open.pop() {
            if !seen.insert(node) || seen.len() > MOST_STEPS {
                continue;
            }
            let class = class(node);
            if class.contains("ZeroOut") {
                texts.push(String::new());
                continue;
            }
            if class.contains("ControlNet") || class.contains("IPAdapter") {
                sheet.leave_out(class);
            }
            let encoded = ["text", "text_g", "positive_prompt", "prompt", "text_positive"]
                .into_iter()
                .find_map(|input| self.value(node, input).filter(Value::is_string));
            if let Some(text) =
                encoded.filter(|_| class.contains("Encode") || class.contains("Prompt") || class.contains("Text"))
            {
                texts.push(words(&text));
                continue;
            }
            // Everything else passes on what it is given.
            let inputs = node.get("inputs").and_then(Value::as_object);
            let names: Vec<&String> = inputs.into_iter().flat_map(Map::keys).collect();
            let goes_on = |name: &str| name.contains("conditioning") || name == input || name == "cond";
            open.extend(names.iter().rev().filter(|name| goes_on(name)).filter_map(|name| self.linked(node, name)));
        }
        (!texts.is_empty()).then(|| texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", "))
    }

    /// The size, or that a picture was drawn over.
    fn read_latent(&self, sampler: &'a Value, sheet: &mut Sheet) {
        let mut node = self.linked(sampler, "latent_image");
        for _ in 0..MOST_STEPS {
            let Some(latent) = node else { return };
            let class = class(latent);
            if class.contains("VAEEncode") || class.contains("LoadLatent") {
                return sheet.leave_out("the picture that was drawn over");
            }
            let sides = [self.value(latent, "width"), self.value(latent, "height")];
            if sides.iter().all(|side| side.as_ref().and_then(whole).is_some()) {
                return sheet.size(sides[0].as_ref(), sides[1].as_ref());
            }
            node = ["samples", "latent", "latent_image"].into_iter().find_map(|input| self.linked(latent, input));
        }
    }

    /// The checkpoint and the LoRAs between it and the sampler.
    fn read_model(&self, guider: &'a Value, sampler: &'a Value, sheet: &mut Sheet) {
        let mut node = self.linked(guider, "model").or_else(|| self.linked(sampler, "model"));
        let mut loras: Vec<(String, f64, f64)> = Vec::new();
        for _ in 0..MOST_STEPS {
            let Some(model) = node else { break };
            loras.extend(self.loras_of(model));
            let file = ["ckpt_name", "unet_name", "model_name"].into_iter().find_map(|input| self.value(model, input));
            if let Some(file) = file.filter(Value::is_string) {
                sheet.model(file.as_str());
            }
            node = ["model", "model1", "basic_pipe"].into_iter().find_map(|input| self.linked(model, input));
        }
        // The one next to the checkpoint first.
        for (name, te, unet) in loras.into_iter().rev() {
            sheet.lora(&name, te, unet);
        }
    }

    /// The LoRAs that a node loads.
    fn loras_of(&self, node: &'a Value) -> Vec<(String, f64, f64)> {
        let value = |input: &str| self.value(node, input).as_ref().and_then(number);
        let mut found = Vec::new();
        if let Some(name) = self.value(node, "lora_name").filter(Value::is_string) {
            let unet = value("strength_model").or(value("strength")).unwrap_or(1.0);
            let te = if class(node).contains("ModelOnly") { 0.0 } else { value("strength_clip").unwrap_or(unet) };
            found.push((words(&name), te, unet));
        }
        // Several in one node: `lora_1: {"on": true, "lora": "a.safetensors", "strength": 1}`.
        for (_, lora) in node.get("inputs").and_then(Value::as_object).into_iter().flatten() {
            let Some(name) = lora.get("lora").and_then(Value::as_str).filter(|_| lora.get("on") == Some(&true.into()))
            else {
                continue;
            };
            let unet = lora.get("strength").and_then(number).unwrap_or(1.0);
            let te = lora.get("strengthTwo").and_then(number).unwrap_or(unet);
            found.push((name.to_owned(), te, unet));
        }
        found
    }

    /// Which layer of the text encoder is taken.
    fn read_clip(&self, guider: &'a Value, positive: &str, sheet: &mut Sheet) {
        let mut node = self.linked(guider, positive);
        for _ in 0..MOST_STEPS {
            let Some(clip) = node else { return };
            if let Some(layer) = self.value(clip, "stop_at_clip_layer").as_ref().and_then(number) {
                return sheet.set("Clip skip", Some(&((-layer).max(1.0) as u64).into()));
            }
            node = ["clip", "conditioning", "conditioning_1", "positive"]
                .into_iter()
                .find_map(|input| self.linked(clip, input));
        }
    }
}
