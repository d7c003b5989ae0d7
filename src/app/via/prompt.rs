//! The prompts of a plan as a host reads them: block weights as the extension's tags, as parts, or as they are.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::host::{Host, Program};
use super::parts::Parts;
use crate::app::session::Session;
use crate::block::{Block, Family};
use crate::diagnostic::{Diagnostic, Said, Text, code};
use crate::plan::network::LORA_KINDS;
use crate::plan::{ElementRule, LoraPlan, Pass, Words};
use crate::say;
use crate::syntax::{Prompt, Tag};

/// A LoRA file that the host loads, by its name there.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub name: String,
    pub te: f64,
    pub unet: f64,
}

/// A pass's prompt for a host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompted {
    /// The prompt, with tags for hosts that read tags.
    pub text: String,
    /// The prompt without LoRA tags.
    pub bare: String,
    /// The files, for hosts that take them apart from the prompt.
    pub loras: Vec<Loaded>,
    /// Element rules that the tags name, for the extension.
    pub elements: Vec<String>,
}

/// What prompts are made with.
pub struct Writer<'a> {
    pub host: &'a Host,
    pub session: &'a Session,
    pub parts: Option<&'a mut Parts>,
    pub family: Family,
}

type Cannot = Vec<Diagnostic>;

impl Writer<'_> {
    /// The prompt of a pass; or everything about it that the host cannot do.
    pub fn prompt(&mut self, pass: &Pass) -> Result<Prompted, Cannot> {
        if self.host.program == Program::Lbw {
            // It is told the plan. What it needs are the files.
            let absent: Cannot = pass.loras.iter().filter_map(|lora| self.whole(lora).err()).flatten().collect();
            return if absent.is_empty() { Ok(Prompted::default()) } else { Err(absent) };
        }
        let (mut made, mut cannot) = (Prompted::default(), Vec::new());
        let mut tags: Vec<(String, String)> = Vec::new();
        for lora in &pass.loras {
            match self.lora(lora, &mut made) {
                Ok(tag) => tags.push((lora.name.clone(), tag)),
                Err(found) => cannot.extend(found),
            }
        }
        if !cannot.is_empty() {
            return Err(cannot);
        }
        (made.text, made.bare) = rewritten(&pass.prompt, &tags);
        Ok(made)
    }

    /// The tags that stand for a LoRA of the plan.
    fn lora(&mut self, lora: &LoraPlan, made: &mut Prompted) -> Result<String, Cannot> {
        let name = &lora.name;
        let has_weights = !lora.elements.is_empty() || lora.blocks.iter().any(|weight| *weight != 1.0);
        let by_extension = self.host.has_block_weights;
        if !lora.over_time.is_level() {
            return Err(self.cannot(say!("`{name}` changes over the steps", "`{name}` は時間で変わります")));
        }
        if !lora.window.is_always() && !by_extension {
            return Err(self.cannot(say!(
                "`{name}` has a step window, which is LoRA Block Weight's",
                "`{name}` にはステップの範囲があります。これは LoRA Block Weight のものです"
            )));
        }
        if let Some(rank) = lora.dyn_dim.filter(|_| !matches!(self.host.program, Program::Webui | Program::Lbw)) {
            return Err(self.cannot(say!("`{name}` is cut to rank {rank}", "`{name}` はランク {rank} に切り詰めます")));
        }
        if (has_weights || !lora.window.is_always()) && by_extension {
            let known = self.whole(lora)?;
            return self.weighted(lora, &known, made);
        }
        let apart = lora.te != lora.unet && self.host.program == Program::Sdcpp;
        if has_weights || apart {
            return self.by_parts(lora, made);
        }
        let known = self.whole(lora)?;
        made.loras.push(Loaded { name: known.clone(), te: lora.te, unet: lora.unet });
        Ok(plain(self.tag_name(&known), lora.te, lora.unet, lora.dyn_dim))
    }

    /// The whole file's name at the host; where the host has not got it, it is put there.
    fn whole(&mut self, lora: &LoraPlan) -> Result<String, Cannot> {
        let name = &lora.name;
        if let Some(known) = self.host.lora_named(name) {
            return Ok(known.to_owned());
        }
        if let (Some(parts), Ok(path)) = (self.parts.as_deref_mut(), self.session.loras.resolve(name)) {
            parts.whole(path).map_err(|error| error.findings)?;
            return Ok(
                self.file_name(path.file_stem().map_or(name.clone(), |stem| stem.to_string_lossy().into_owned()))
            );
        }
        Err(self.cannot_with(
            say!("it has no LoRA `{name}`", "LoRA `{name}` がありません"),
            say!(
                "put the file into the host's LoRA folder, or name that folder with --via-lora-dir",
                "ファイルをホストの LoRA フォルダーに置くか、そのフォルダーを --via-lora-dir で指定してください"
            ),
        ))
    }

    /// All weights as numbers, so that the host needs no preset.
    fn weighted(&self, lora: &LoraPlan, known: &str, made: &mut Prompted) -> Result<String, Cannot> {
        let (te, unet) = (lora.te, lora.unet);
        let weights: Vec<String> = lora.blocks.iter().map(f64::to_string).collect();
        let mut tag = format!("<lora:{}:{te}:{unet}", self.tag_name(known));
        if let Some(rank) = lora.dyn_dim {
            tag += &format!(":dyn={rank}");
        }
        tag += &format!(":lbw={}", weights.join(","));
        if !lora.elements.is_empty() {
            let preset = format!("LBW{}", made.elements.len() + 1);
            let rules: Vec<String> = lora.elements.iter().map(rule).collect();
            made.elements.push(format!("{preset}:{}", rules.join(",")));
            tag += &format!(":lbwe={preset}");
        }
        let window = [("start", lora.window.start), ("stop", lora.window.stop)];
        window.iter().filter_map(|(key, step)| Some((key, (*step)?))).for_each(|(key, step)| {
            tag += &format!(":{key}={step}");
        });
        Ok(tag + ">")
    }

    /// A file for each block, with the block's weight as its strength.
    fn by_parts(&mut self, lora: &LoraPlan, made: &mut Prompted) -> Result<String, Cannot> {
        let name = &lora.name;
        if !lora.elements.is_empty() {
            return Err(self.cannot(say!(
                "`{name}` has element rules, which files by block cannot hold",
                "`{name}` にはエレメント規則があり、ブロックごとのファイルでは表せません"
            )));
        }
        let Some(parts) = self.parts.as_deref_mut() else {
            return Err(self.cannot_with(
                say!("it has no block weights (`{name}`)", "階層別の重みがありません (`{name}`)"),
                say!(
                    "--via-lora-dir DIR names the host's LoRA folder; lbw puts a file for each block there",
                    "--via-lora-dir DIR でホストの LoRA フォルダーを指定すると、ブロックごとのファイルを置きます"
                ),
            ));
        };
        let path: PathBuf = match self.session.loras.resolve(name) {
            Ok(path) => path.to_owned(),
            Err(error) => return Err(vec![Diagnostic::new(code::UNKNOWN_LORA, error.said())]),
        };
        let of_file = parts.of(&path).map_err(|error| error.findings)?.to_vec();
        let mut tags = String::new();
        for (part, file) in of_file {
            let (te, unet) = match Block::from_name(self.family.space(), &part) {
                Some(block) => {
                    let weight = lora.blocks.get(block.index()).copied().unwrap_or(0.0);
                    // A part of the text encoders has no UNet in it, and the other way round.
                    let strength = if ["BASE", "CLIP", "T5"].contains(&block.name()) { lora.te } else { lora.unet };
                    (strength * weight, strength * weight)
                }
                // What no weight vector reaches.
                None => (lora.te, lora.unet),
            };
            if te == 0.0 && unet == 0.0 {
                continue;
            }
            let known = self.file_name(file.clone());
            made.loras.push(Loaded { name: known, te, unet });
            tags += &plain(&file, te, unet, None);
        }
        Ok(tags)
    }

    /// A file in the host's folder, as the host calls it.
    fn file_name(&self, stem: String) -> String {
        match self.host.program {
            Program::Comfy | Program::Sdcpp => format!("{stem}.safetensors"),
            _ => stem,
        }
    }

    /// What stands in a tag for a file of this name.
    fn tag_name<'n>(&self, known: &'n str) -> &'n str {
        known.strip_suffix(".safetensors").unwrap_or(known)
    }

    fn cannot(&self, what: Text) -> Cannot {
        vec![self.host.cannot(&what)]
    }

    fn cannot_with(&self, what: Text, help: Text) -> Cannot {
        self.cannot(what).into_iter().map(|found| found.help(help.clone())).collect()
    }
}

/// An ordinary tag.
fn plain(name: &str, te: f64, unet: f64, rank: Option<i64>) -> String {
    let rank = rank.map_or(String::new(), |rank| format!(":dyn={rank}"));
    // By name, where there are two: one without a name is for both in SD.Next.
    match te == unet {
        true => format!("<lora:{name}:{te}{rank}>"),
        false => format!("<lora:{name}:te={te}:unet={unet}{rank}>"),
    }
}

/// An element rule as the extension reads it.
fn rule(rule: &ElementRule) -> String {
    let words = |words: &Words| format!("{}{}", if words.not { "NOT " } else { "" }, words.words.join(" "));
    format!("{}:{}:{}", words(&rule.blocks), words(&rule.elements), rule.ratio)
}

fn is_lora(tag: &Tag) -> bool {
    LORA_KINDS.contains(&tag.kind.as_str())
}

/// A prompt with other tags in the place of each LoRA's first tag, and without any.
fn rewritten(prompt: &str, tags: &[(String, String)]) -> (String, String) {
    let (mut text, mut bare, mut at) = (String::new(), String::new(), 0);
    let mut written: Vec<&str> = Vec::new();
    let parsed = Prompt::parse_with_comments(prompt);
    for tag in parsed.tags.iter().filter(|tag| is_lora(tag)) {
        let between = prompt.get(at..tag.span.start).unwrap_or_default();
        text += between;
        bare += between;
        at = tag.span.end;
        let name = tag.positional().next().map_or("", |item| item.text.as_str());
        if let Some((name, new)) = tags.iter().find(|(known, _)| known == name).filter(|_| !written.contains(&name)) {
            written.push(name);
            text += new;
        }
    }
    let rest = prompt.get(at..).unwrap_or_default();
    (text + rest, bare + rest)
}

impl Prompted {
    /// The extension's arguments: it is on, and knows the rules.
    pub fn script(&self) -> Value {
        let off = ["none", "", "none", "", "none", "", "", ""];
        let mut args = vec![json!(""), json!(true), json!(0)];
        args.extend(off.iter().map(|text| json!(text)));
        args.extend([json!(1), json!("black"), json!("20"), json!(false)]);
        args.extend([json!(self.elements.join("\n\n")), json!(false), json!(false)]);
        json!({ "LoRA Block Weight": { "args": args } })
    }
}
