//! Parts into the whole file, the tags of parts into the tag of the whole.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::split::is_text_encoder;
use super::{model, talk};
use crate::app::answer::Answer;
use crate::app::error::{Error, Result, refuses};
use crate::block::{Block, Layout, Space};
use crate::checkpoint::TensorFile;
use crate::diagnostic::{Diagnostic, Text};
use crate::lora::surgery::{self, BUNDLED, BlockGroup, OUTSIDE, UNKNOWN};
use crate::plan::{LoraPlan, Request, lower_with_files};
use crate::preset::PresetSet;
use crate::say;

/// Puts files made by [`split`](super::split()) together again; folders stand for the parts in them.
pub fn join(paths: &[PathBuf], output: &Path, overwrite: bool) -> Result<Answer> {
    model::check_output(output)?;
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(parts_in(path)?),
            false => files.push(path.to_owned()),
        }
    }
    if files.is_empty() {
        let folder = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        return Err(talk::wrong(say!(
            "{folder}: there are no files that `lbw lora split` made",
            "{folder}: `lbw lora split` で作ったファイルがありません"
        )));
    }
    let joined = surgery::join(&files, output, model::existing(overwrite))?;
    let (file, tensors, parts, of) = (output.display(), joined.tensors, joined.parts.len(), &joined.of);
    let said = say!(
        "{file}: {tensors} tensors of {parts} parts, as in {of}\n",
        "{file}: {parts} 個の部分のテンソル {tensors} 個({of} と同じ)\n"
    );
    Ok(Answer::new(json!({ "file": output.to_string_lossy(), "joined": joined }), said))
}

/// The files in `folder` that `lbw lora split` made.
fn parts_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::reading(folder, &e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_part = || TensorFile::open(&path).is_ok_and(|file| file.metadata().contains_key("lbw_split"));
        if path.extension().is_some_and(|e| e == "safetensors") && is_part() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The tag of the whole file that says what the tags of its parts say.
pub fn vector(tags: &str) -> Result<Answer> {
    let lowering = lower_with_files(&Request::new(tags, ""), PresetSet::builtin(), &|_| None);
    let mut found = lowering.diagnostics;
    let Some(plan) = lowering.plan.filter(|_| !refuses(&found, false)) else {
        return Err(Error::refused(found));
    };
    let parts = plan.first.loras.iter().map(part).collect::<Result<Vec<_>>>()?;
    let Some((name, ..)) = parts.first() else {
        return Err(talk::wrong(say!("there is no tag in `{tags}`", "`{tags}` にタグがありません")));
    };
    if let Some((other, ..)) = parts.iter().find(|(other, ..)| other != name) {
        return Err(talk::wrong(say!(
            "the parts are of two LoRAs, `{name}` and `{other}`",
            "2 つの LoRA(`{name}` と `{other}`)の部分です"
        )));
    }
    let space = [Space::Unet, Space::Flux].into_iter().find(|space| parts.iter().all(|(_, p, _)| is_in(*space, p)));
    let Some(space) = space else {
        let names = parts.iter().map(|(_, part, _)| *part).collect::<Vec<_>>().join(", ");
        return Err(talk::wrong(say!(
            "{names} are not all blocks of one kind of model; parts by element make no vector",
            "{names} は 1 種類のモデルのブロックではありません。要素ごとの部分はベクトルになりません"
        )));
    };
    let mut weights = vec![0.0; space.names().len()];
    for (_, part, lora) in &parts {
        found.extend(add(space, part, lora, &mut weights)?);
    }
    let vector = shortest(space, &weights).iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    let tag = format!("<lora:{name}:1:lbw={vector}>");
    let text = Text::same(format!("{tag}\n"));
    Ok(Answer::new(json!({ "tag": tag, "lora": name, "vector": vector }), text).with(found))
}

/// The whole's name and the part's, which stands behind the last `_`.
fn part(lora: &LoraPlan) -> Result<(&str, &str, &LoraPlan)> {
    let name = &lora.name;
    let is_plain = lora.is_always_the_same() && lora.dyn_dim.is_none() && lora.elements.is_empty();
    if !is_plain || lora.blocks.iter().any(|weight| *weight != 1.0) {
        return Err(talk::wrong(say!(
            "the tag of `{name}` has more than a strength",
            "`{name}` のタグに強さ以外のものがあります"
        )));
    }
    name.rsplit_once('_').map(|(of, part)| (of, part, lora)).ok_or_else(|| {
        talk::wrong(say!(
            "`{name}` is not the name of a part, which ends as in `{name}_OUT01`",
            "`{name}` は部分の名前ではありません。部分の名前は `{name}_OUT01` のように終わります"
        ))
    })
}

fn names(space: Space) -> Vec<String> {
    space.names().iter().map(|name| (*name).to_owned()).collect()
}

fn is_no_block(part: &str) -> bool {
    [OUTSIDE, BUNDLED, UNKNOWN].contains(&part)
}

fn is_in(space: Space, part: &str) -> bool {
    is_no_block(part) || BlockGroup::parse(part, &names(space)).is_ok()
}

/// Adds the strength of a part to the weights of its blocks; what no vector can say is said.
fn add(space: Space, part: &str, lora: &LoraPlan, weights: &mut [f64]) -> Result<Option<Diagnostic>> {
    if is_no_block(part) {
        if lora.unet != 1.0 {
            let strength = lora.unet;
            let message = say!(
                "{part} has strength {strength}, which a vector cannot say: it is 1 in the tag",
                "{part} の強さ {strength} はベクトルでは表せません。このタグでは 1 になります"
            );
            return Ok(Some(talk::inexact(message)));
        }
        return Ok(None);
    }
    let group = BlockGroup::parse(part, &names(space))?;
    for name in &group.blocks {
        let strength = if is_text_encoder(name) { lora.te } else { lora.unet };
        if let Some(weight) = Block::from_name(space, name).and_then(|block| weights.get_mut(block.index())) {
            *weight += strength;
        }
    }
    Ok(None)
}

/// The weights in the shortest layout that has all blocks with one.
fn shortest(space: Space, weights: &[f64]) -> Vec<f64> {
    let layouts = Layout::ALL.into_iter().filter(|layout| layout.space() == space);
    let of = |layout: Layout| -> Vec<f64> {
        let blocks = (0..layout.len()).filter_map(|entry| layout.block(entry));
        blocks.map(|block| weights.get(block.index()).copied().unwrap_or(0.0)).collect()
    };
    let mut vectors = layouts.map(|layout| (layout, of(layout)));
    vectors.find(|(layout, vector)| layout.expand(vector) == weights).map_or_else(|| weights.to_vec(), |(_, v)| v)
}
