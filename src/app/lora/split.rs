//! A file for each block, and the tags that make of their strengths a weight vector.

use std::path::Path;

use serde_json::json;

use super::{find, model, not_one_tag, talk};
use crate::app::answer::Answer;
use crate::app::error::{Error, Result};
use crate::app::session::Session;
use crate::block::{Block, Family};
use crate::checkpoint::TensorFile;
use crate::diagnostic::{Diagnostic, Text};
use crate::lora::Strength;
use crate::lora::surgery::{self, BUNDLED, Blocks, By, OUTSIDE, Part, PartModule, REST, UNKNOWN, parts_of};
use crate::plan::{LoraPlan, Request, lower_with_files};
use crate::say;

/// What is to be split.
#[derive(Debug, Clone)]
pub struct SplitWish {
    /// A file, or a name.
    pub lora: String,
    /// `block`, `element`, or groups of blocks.
    pub by: String,
    /// Whether files that are there are replaced.
    pub overwrite: bool,
}

/// Writes a file for each part into `folder`.
pub fn split(session: &Session, wish: &SplitWish, folder: &Path) -> Result<Answer> {
    let path = find(&wish.lora, session)?;
    let split = surgery::split(&path, folder, &By::parse(&wish.by), model::existing(wish.overwrite))?;
    let lines = split.pieces.iter().map(|piece| {
        let (part, modules, file) = (&piece.part, piece.modules, piece.path.display());
        say!("{part:<9} {modules:>4} modules  {file}\n", "{part:<9} {modules:>4} モジュール  {file}\n")
    });
    let text = Text::join(lines, "");
    let answer =
        Answer::new(json!({ "file": path.to_string_lossy(), "family": split.family, "files": split.pieces }), text);
    let of_parts = split.pieces.iter().filter_map(|piece| about_part(&piece.part, piece.modules));
    Ok(answer.with(of_parts).with(about_kinds(&path)?))
}

/// What is said of the parts that are no blocks.
fn about_part(part: &str, modules: usize) -> Option<Diagnostic> {
    let message = match part {
        OUTSIDE => say!(
            "{modules} modules lie outside the blocks, where no weight vector reaches: they are in {part}; use it at strength 1",
            "{modules} 個のモジュールはブロックの外にあり、どの重みベクトルも届きません。{part} に入れました。強さ 1 で使ってください"
        ),
        BUNDLED => say!(
            "the embeddings that the file brings along are in {part} ({modules})",
            "ファイルに入っていた埋め込みは {part} に入れました ({modules} 個)"
        ),
        UNKNOWN => say!(
            "{modules} keys are of no module that is known here: they are in {part}",
            "{modules} 個のキーはどのモジュールのものかわかりません。{part} に入れました"
        ),
        REST => say!(
            "{modules} modules are of blocks that --by does not name: they are in {part}",
            "{modules} 個のモジュールは --by にないブロックのものです。{part} に入れました"
        ),
        _ => return None,
    };
    Some(talk::apart(message))
}

/// Where a strength does not do what webui's block weight does.
fn about_kinds(path: &Path) -> Result<Option<Diagnostic>> {
    let file = TensorFile::open(path)?;
    let count = |endings: &[&str]| file.names().filter(|name| endings.iter().any(|end| name.ends_with(end))).count();
    let dora = count(&[".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight"]);
    let glora = count(&[".a1.weight"]);
    let bias = count(&[".diff_b", ".b_norm", ".bias"]);
    let is_any = dora + glora + bias > 0;
    Ok(is_any.then(|| {
        talk::inexact(say!(
            "a strength scales the whole change of a module; webui's block weight does not for {dora} DoRA modules, {glora} GLoRA \
             modules and {bias} biases: there the files draw what `--lbw-exact` draws",
            "強さはモジュールの変化全体に掛かります。webui のブロックの重みは、DoRA のモジュール {dora} 個、GLoRA のモジュール {glora} 個、バイアス {bias} 個ではそうなりません。分けたファイルは `--lbw-exact` と同じ絵になります"
        ))
    }))
}

/// The tags of the parts whose strengths are `vector`.
pub fn tags(session: &Session, wish: &SplitWish, vector: &str) -> Result<Answer> {
    let path = find(&wish.lora, session)?;
    let file = TensorFile::open(&path)?;
    let Some(blocks) = Blocks::of(&file) else {
        let file = path.display();
        return Err(talk::wrong(say!(
            "{file}: the blocks of this file's model are not known",
            "{file}: このファイルのモデルのブロックはわかりません"
        )));
    };
    let parts = parts_of(&file, &blocks, &By::parse(&wish.by))?.parts;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let (lora, found) = lowered(session, &blocks, &parts, &stem, vector)?;
    let mut line = String::new();
    let mut strengths = Vec::new();
    for part in &parts {
        let strength = uniform(&lora, &blocks, part)?;
        strengths.push(json!({ "name": format!("{stem}_{}", part.name), "strength": strength }));
        if strength != 0.0 {
            line += &format!("<lora:{stem}_{}:{strength}>", part.name);
        }
    }
    let text = Text::same(format!("{line}\n"));
    let answer = Answer::new(json!({ "tags": line, "parts": strengths }), text);
    Ok(answer.with(found).with(about_kinds(&path)?))
}

/// The LoRA with the weights that `vector` says: numbers, a preset, or a whole tag.
fn lowered(
    session: &Session,
    blocks: &Blocks,
    parts: &[Part],
    stem: &str,
    vector: &str,
) -> Result<(LoraPlan, Vec<Diagnostic>)> {
    let Some(family) = blocks.webui_family() else {
        let name = blocks.family();
        return Err(talk::wrong(say!(
            "there are no weight vectors for {name}; give each file the strength its block shall have",
            "{name} には重みベクトルがありません。ブロックごとに、そのファイルの強さを指定してください"
        )));
    };
    let is_tag = vector.trim_start().starts_with('<');
    let tag = if is_tag { vector.to_owned() } else { format!("<lora:{stem}:1:lbw={vector}>") };
    let modules: Vec<String> = parts.iter().flat_map(|part| &part.modules).map(|module| module.name.clone()).collect();
    let request = Request { family, ..Request::new(tag.as_str(), "") };
    // The file is known; a folder of LoRAs need not have it.
    let lowering = lower_with_files(&request, &session.presets, &|_| Some(modules.clone()));
    let found = [session.found.clone(), lowering.diagnostics].concat();
    let plan = lowering.plan.filter(|_| !session.refuses(&found));
    let Some(plan) = plan else { return Err(Error::refused(found)) };
    let [lora] = plan.first.loras.as_slice() else { return Err(not_one_tag(&tag)) };
    if !lora.is_always_the_same() || lora.dyn_dim.is_some() {
        return Err(talk::wrong(say!(
            "start, stop, step, what changes over the steps and the rank are not in a strength; leave them out",
            "start・stop・step、時間で変わるもの、ランクは強さでは表せません。省いてください"
        )));
    }
    Ok((lora.clone(), found))
}

/// The one strength of all modules of a part.
fn uniform(lora: &LoraPlan, blocks: &Blocks, part: &Part) -> Result<f64> {
    let family = blocks.webui_family().unwrap_or(Family::Sdxl);
    let mut strength: Option<(f64, &str)> = None;
    for module in &part.modules {
        let own = factor(lora, family, module);
        match strength {
            None => strength = Some((own, &module.name)),
            Some((other, example)) if other != own => {
                let (part, name) = (&part.name, &module.name);
                return Err(talk::wrong(say!(
                    "the modules of {part} have different weights, {other} (`{example}`) and {own} (`{name}`): split finer, or use \
                     `lbw lora bake`",
                    "{part} のモジュールの重みが {other} (`{example}`) と {own} (`{name}`) で違います。もっと細かく分けるか、`lbw lora bake` を使ってください"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(strength.map_or(1.0, |(strength, _)| strength))
}

fn factor(lora: &LoraPlan, family: Family, module: &PartModule) -> f64 {
    if family != Family::Flux {
        let strength = if Strength::of_module(&module.name) == Strength::Te { lora.te } else { lora.unet };
        return strength * lora.ratio(family, &module.name);
    }
    // Flux' keys come in more schemes than webui's names of its modules; their block is known all the same.
    let Some(name) = &module.block else { return lora.unet };
    let block = Block::from_name(family.space(), name);
    let weight = block.and_then(|block| lora.blocks.get(block.index())).copied().unwrap_or(1.0);
    let strength = if is_text_encoder(name) { lora.te } else { lora.unet };
    strength * weight
}

/// Whether a block is that of a text encoder, which has a strength of its own.
pub fn is_text_encoder(block: &str) -> bool {
    matches!(block, "BASE" | "CLIP" | "T5")
}
