//! Who answers at an address, what it can draw with, and what tells its pictures from others'.

use std::collections::BTreeSet;

use serde_json::Value;

use super::http::{Client, Fault};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::say;

/// A program that draws for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `lbw serve`.
    Lbw,
    /// AUTOMATIC1111's webui, and programs that cannot be told from it.
    Webui,
    /// Forge, reForge, Forge Neo.
    Forge,
    /// SD.Next.
    Sdnext,
    /// stable-diffusion.cpp's server.
    Sdcpp,
    /// ComfyUI.
    Comfy,
}

impl Program {
    /// The name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Program::Lbw => "lbw",
            Program::Webui => "webui",
            Program::Forge => "Forge",
            Program::Sdnext => "SD.Next",
            Program::Sdcpp => "stable-diffusion.cpp",
            Program::Comfy => "ComfyUI",
        }
    }

    /// What its pictures differ in from webui's, where it is no relative of webui.
    pub fn reads_otherwise(self) -> Option<Text> {
        let name = self.name();
        matches!(self, Program::Comfy | Program::Sdcpp).then(|| {
            say!(
                "{name} has noise and emphasis of its own: expect other pictures than webui's",
                "{name} のノイズと強調は webui のものと違います。画像は webui のものと同じにはなりません"
            )
        })
    }

    /// Whether it takes webui's requests.
    pub fn speaks_sdapi(self) -> bool {
        self != Program::Comfy
    }
}

/// A host that has answered.
#[derive(Debug, Clone)]
pub struct Host {
    pub client: Client,
    pub program: Program,
    /// As far as it tells; empty where it does not.
    pub version: String,
    /// The checkpoint that it draws with unless told otherwise, by its own name of it.
    pub model: String,
    /// Names under which it knows its checkpoints: for each the one to ask with, and all others.
    pub models: Vec<(String, Vec<String>)>,
    pub loras: BTreeSet<String>,
    pub samplers: Vec<String>,
    pub schedulers: Vec<String>,
    /// What enlarges between two passes; empty where it does not tell.
    pub upscalers: Vec<String>,
    /// Whether LoRA Block Weight is there.
    pub has_block_weights: bool,
}

impl Host {
    /// Asks `client`'s address who it is.
    pub fn meet(client: Client) -> Result<Self, Fault> {
        match client.get("/sdapi/v1/sd-models") {
            Ok(models) if models.is_array() => Self::of_sdapi(client, &models),
            Ok(_) => Err(Fault::Wrong(no_api())),
            Err(Fault::NoRoute(_) | Fault::Wrong(_)) => Self::of_comfy(client),
            Err(fault) => Err(fault),
        }
    }

    fn of_sdapi(client: Client, models: &Value) -> Result<Self, Fault> {
        let ask = |path: &str| match client.get(path) {
            Ok(value) => Ok(value),
            Err(Fault::NoRoute(_) | Fault::Wrong(_) | Fault::Refused(_)) => Ok(Value::Null),
            Err(fault) => Err(fault),
        };
        let options = ask("/sdapi/v1/options")?;
        let (status, sdnext) = (ask("/lbw/v1/status")?, ask("/sdapi/v1/version")?);
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let (program, version) = if status["version"].is_string() {
            (Program::Lbw, text(&status, "version"))
        } else if sdnext["commit"].is_string() || sdnext["app"].is_string() {
            (Program::Sdnext, [text(&sdnext, "commit"), text(&sdnext, "version")].concat())
        } else if ask("/sdcpp/v1/capabilities")?.is_object() {
            (Program::Sdcpp, String::new())
        } else {
            let version = text(&ask("/internal/sysinfo")?, "Version");
            let is_forge = options.get("forge_preset").is_some() || version.starts_with(['f', 'n', 'c']);
            (if is_forge { Program::Forge } else { Program::Webui }, version)
        };
        let scripts = ask("/sdapi/v1/scripts")?;
        let (upscalers, latent) = (ask("/sdapi/v1/upscalers")?, ask("/sdapi/v1/latent-upscale-modes")?);
        let named = |list: &Value, keys: &[&str]| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items.flat_map(|item| keys.iter().filter_map(|key| item[*key].as_str()).map(str::to_owned)).collect()
        };
        let model_names = |item: &Value| {
            let names: Vec<String> =
                named(&Value::Array(vec![item.clone()]), &["title", "model_name", "hash", "sha256"]);
            let title = names.first()?.clone();
            // `file.safetensors [hash]` is also known without what follows the name.
            let bare = title.split(" [").next().unwrap_or(&title).to_owned();
            let stem = bare.rsplit(['/', '\\']).next().unwrap_or(&bare);
            let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).to_owned();
            Some((title.clone(), [names, vec![bare, stem]].concat()))
        };
        let has_block_weights = program == Program::Lbw
            || scripts["txt2img"].as_array().into_iter().flatten().any(|name| *name == *"lora block weight");
        Ok(Host {
            model: text(&options, "sd_model_checkpoint"),
            models: models.as_array().into_iter().flatten().filter_map(model_names).collect(),
            // stable-diffusion.cpp takes a LoRA by its path alone.
            loras: named(
                &ask("/sdapi/v1/loras")?,
                if program == Program::Sdcpp { &["path"] } else { &["name", "alias"] },
            )
            .into_iter()
            .collect(),
            samplers: named(&ask("/sdapi/v1/samplers")?, &["name"]),
            schedulers: named(&ask("/sdapi/v1/schedulers")?, &["name", "label"]),
            upscalers: [named(&upscalers, &["name"]), named(&latent, &["name"])].concat(),
            has_block_weights,
            version,
            program,
            client,
        })
    }

    fn of_comfy(client: Client) -> Result<Self, Fault> {
        let ask = |class: &str| client.get(&format!("/object_info/{class}"));
        let sampler = match ask("KSampler") {
            Err(Fault::NoRoute(_) | Fault::Wrong(_)) => return Err(Fault::Wrong(no_api())),
            other => other?,
        };
        let choices = |info: &Value, class: &str, input: &str| -> Vec<String> {
            // A list of names, or since 2025 a word and the list among its options.
            let said = &info[class]["input"]["required"][input];
            let list = said[0].as_array().or(said[1]["options"].as_array());
            list.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let samplers = choices(&sampler, "KSampler", "sampler_name");
        if samplers.is_empty() {
            return Err(Fault::Wrong(no_api()));
        }
        let models = choices(&ask("CheckpointLoaderSimple")?, "CheckpointLoaderSimple", "ckpt_name");
        let stats = client.get("/system_stats")?;
        let loras = choices(&ask("LoraLoader")?, "LoraLoader", "lora_name");
        let names = |file: &String| {
            let stem = file.rsplit(['/', '\\']).next().unwrap_or(file);
            (file.clone(), vec![file.clone(), stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).to_owned()])
        };
        Ok(Host {
            program: Program::Comfy,
            version: stats["system"]["comfyui_version"].as_str().unwrap_or_default().to_owned(),
            // ComfyUI has no checkpoint of its own; where there is one alone, it is meant.
            model: if let [only] = models.as_slice() { only.clone() } else { String::new() },
            models: models.iter().map(names).collect(),
            loras: loras.into_iter().collect(),
            schedulers: choices(&sampler, "KSampler", "scheduler"),
            samplers,
            upscalers: Vec::new(),
            has_block_weights: false,
            client,
        })
    }

    /// Program and version as people write them.
    pub fn title(&self) -> String {
        match self.version.as_str() {
            "" => self.program.name().to_owned(),
            version if version.starts_with(self.program.name()) => version.to_owned(),
            version => format!("{} {version}", self.program.name()),
        }
    }

    /// Where, and who: as manifests have it.
    pub fn place(&self) -> String {
        format!("{} ({})", self.client.base(), self.title())
    }

    /// That it cannot draw a plan, and why.
    pub fn cannot(&self, what: &Text) -> Diagnostic {
        let (place, what) = (self.place(), what.clone());
        let message = say!("{place} cannot draw this: {what}", "{place} では描けません: {what}", with what);
        Diagnostic::new(code::HOST_CANNOT, message)
    }

    /// The name under which the host knows a checkpoint; an empty one is that which it draws with.
    pub fn model_named(&self, name: &str) -> Option<&str> {
        let name = if name.is_empty() { self.model.as_str() } else { name };
        let stem = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let stem = stem.strip_suffix(".safetensors").unwrap_or(stem);
        let is_called = |(_, names): &&(String, Vec<String>)| names.iter().any(|known| known == name || known == stem);
        self.models.iter().find(is_called).map(|(title, _)| title.as_str())
    }

    /// The LoRA's name there, whatever its folder and ending; nothing where it has none of that name.
    pub fn lora_named(&self, name: &str) -> Option<&str> {
        let stem = |known: &str| {
            let file = known.rsplit(['/', '\\']).next().unwrap_or(known).to_owned();
            file.strip_suffix(".safetensors").map_or(file.clone(), str::to_owned)
        };
        self.loras.get(name).or_else(|| self.loras.iter().find(|known| stem(known) == name)).map(String::as_str)
    }

    /// What tells this host's pictures from those of another program, version or checkpoint.
    pub fn key(&self, model: &str) -> String {
        let model = self.model_named(model).unwrap_or(model);
        format!("via {}, model {model}", self.title())
    }

    /// Whether another host is of the same program and version and draws with the same checkpoint. A hash that one of them does
    /// not know yet tells nothing.
    pub fn draws_like(&self, other: &Host, model: &str) -> bool {
        let of = |host: &Host| {
            let title = host.model_named(model).unwrap_or(model).to_owned();
            match title.rsplit_once(" [") {
                Some((name, hash)) => (name.to_owned(), Some(hash.to_owned())),
                None => (title, None),
            }
        };
        let ((mine, my_hash), (theirs, their_hash)) = (of(self), of(other));
        let is_same_file = my_hash.is_none() || their_hash.is_none() || my_hash == their_hash;
        self.title() == other.title() && mine == theirs && is_same_file
    }

    /// The LoRAs that this host has and another has not.
    pub fn lacks(&self, other: &Host, names: &[&str]) -> Vec<Diagnostic> {
        let place = other.place();
        let is_lacking = |name: &&&str| self.lora_named(name).is_some() && other.lora_named(name).is_none();
        let said = |name: &&str| {
            let message = say!("{place} has no LoRA `{name}`", "{place} に LoRA `{name}` がありません");
            Diagnostic::new(code::HOST_CANNOT, message)
        };
        names.iter().filter(is_lacking).map(said).collect()
    }

    /// What this host and another would draw differently with.
    pub fn differs(&self, other: &Host, model: &str) -> Option<Diagnostic> {
        if self.draws_like(other, model) {
            return None;
        }
        let (mine, theirs) = (self.key(model), other.key(model));
        let (a, b) = (self.place(), other.place());
        let message = say!(
            "{a} and {b} would draw different pictures: {mine}; {theirs}",
            "{a} と {b} では画像が違ってしまいます: {mine}; {theirs}"
        );
        Some(Diagnostic::new(code::HOSTS_DIFFER, message).help(say!(
            "share the work among hosts of one program, version and checkpoint",
            "プログラム・版・チェックポイントが同じホストで分担してください"
        )))
    }
}

fn no_api() -> Text {
    say!(
        "there is neither webui's API (start webui with --api) nor ComfyUI",
        "webui の API (webui は --api を付けて起動) も ComfyUI もありません"
    )
}
