//! `lbw lora split`: a file for each block, and the tags that make of their strengths a weight vector.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{find_in, join, model, not_one_tag, talk};
use crate::app::{self, Caller, Error, Session};
use crate::block::{Block, Family};
use crate::checkpoint::SafetensorsFile;
use crate::cli::args::PlaceArgs;
use crate::cli::exit::{CommandResult, Failure};
use crate::cli::terminal::Terminal;
use crate::lora::Strength;
use crate::lora::surgery::{BUNDLED, Blocks, By, OUTSIDE, Part, PartModule, REST, UNKNOWN, parts_of, split};
use crate::plan::{LoraPlan, Request, lower_with_files};
use crate::say;

#[derive(Debug, Args)]
pub struct SplitArgs {
    /// A LoRA file, or a name from the LoRA folders
    #[arg(value_name = "FILE|NAME", required_unless_present = "join", conflicts_with = "join")]
    lora: Option<String>,
    /// The folder for the new files; with --join the new file
    #[arg(short, long, value_name = "DIR|FILE", required_unless_present_any = ["tag", "join"])]
    output: Option<PathBuf>,
    /// `block`, `element`, or groups of blocks: "base,in,mid,out", "IN04-IN08,M00+OUT00"
    #[arg(long, default_value = "block", value_name = "WHAT")]
    by: String,
    /// Print the tags of the files instead, with the strengths that are this weight vector, preset or tag
    #[arg(long, value_name = "VECTOR", conflicts_with_all = ["output", "join"])]
    tag: Option<String>,
    /// Put files made by split together again: a folder, or the files. Of tags, print the one tag of the whole file with its
    /// vector
    #[arg(long, value_name = "DIR|FILE|TAGS", num_args = 1..)]
    join: Vec<String>,
    /// Replace files that are there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    places: PlaceArgs,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &SplitArgs, terminal: Terminal) -> CommandResult {
    if !args.join.is_empty() {
        return join::run(&args.join, args.output.as_deref(), args.overwrite, args.json, terminal);
    }
    let session = Session::open(&args.places.places(), Caller { strict: args.strict, ..Caller::default() })?;
    let path = find_in(args.lora.as_deref().unwrap_or_default(), &session)?;
    let by = By::parse(&args.by);
    match (&args.tag, &args.output) {
        (Some(vector), _) => tags(args, &session, &path, &by, vector, terminal),
        (None, Some(folder)) => files(args, &path, &by, folder, terminal),
        (None, None) => Err(talk::wrong(say!("-o names the folder", "-o でフォルダーを指定してください"))),
    }
}

fn files(args: &SplitArgs, path: &Path, by: &By, folder: &Path, terminal: Terminal) -> CommandResult {
    let split = split(path, folder, by, model::existing(args.overwrite)).map_err(Error::from)?;
    if args.json {
        terminal.line(json!({ "file": path, "family": split.family, "files": split.pieces }))?;
    } else {
        for piece in &split.pieces {
            let (part, modules, file) = (&piece.part, piece.modules, piece.path.display());
            let said = say!("{part:<9} {modules:>4} modules  {file}", "{part:<9} {modules:>4} モジュール  {file}");
            talk::line(&said, terminal)?;
        }
    }
    for piece in &split.pieces {
        about_part(&piece.part, piece.modules, terminal);
    }
    Ok(about_kinds(path, terminal)?)
}

/// What is said of the parts that are no blocks.
fn about_part(part: &str, modules: usize, terminal: Terminal) {
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
        _ => return,
    };
    talk::apart(message, terminal);
}

/// Where a strength does not do what webui's block weight does.
fn about_kinds(path: &Path, terminal: Terminal) -> app::Result<()> {
    let file = SafetensorsFile::open(path)?;
    let count = |endings: &[&str]| file.names().filter(|name| endings.iter().any(|end| name.ends_with(end))).count();
    let dora = count(&[".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight"]);
    let glora = count(&[".a1.weight"]);
    let bias = count(&[".diff_b", ".b_norm", ".bias"]);
    if dora + glora + bias > 0 {
        let message = say!(
            "a strength scales the whole change of a module; webui's block weight does not for {dora} DoRA modules, {glora} GLoRA \
             modules and {bias} biases: there the files draw what `--lbw-exact` draws",
            "強さはモジュールの変化全体に掛かります。webui のブロックの重みは、DoRA のモジュール {dora} 個、GLoRA のモジュール {glora} 個、バイアス {bias} 個ではそうなりません。分けたファイルは `--lbw-exact` と同じ絵になります"
        );
        talk::inexact(message, terminal);
    }
    Ok(())
}

/// Prints the tags of the parts for a vector.
fn tags(args: &SplitArgs, session: &Session, path: &Path, by: &By, vector: &str, terminal: Terminal) -> CommandResult {
    let file = SafetensorsFile::open(path).map_err(Error::from)?;
    let Some(blocks) = Blocks::of(&file) else {
        let file = path.display();
        return Err(talk::wrong(say!(
            "{file}: the blocks of this file's model are not known",
            "{file}: このファイルのモデルのブロックはわかりません"
        )));
    };
    let parts = parts_of(&file, &blocks, by).map_err(Error::from)?.parts;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let lora = lowered(session, &blocks, &parts, &stem, vector, terminal)?;
    let mut line = String::new();
    let mut strengths = Vec::new();
    for part in &parts {
        let strength = uniform(&lora, &blocks, part)?;
        strengths.push(json!({ "name": format!("{stem}_{}", part.name), "strength": strength }));
        if strength != 0.0 {
            line += &format!("<lora:{stem}_{}:{strength}>", part.name);
        }
    }
    match args.json {
        true => terminal.line(json!({ "tags": line, "parts": strengths }))?,
        false => terminal.line(line)?,
    }
    Ok(about_kinds(path, terminal)?)
}

/// The LoRA with the weights that `vector` says: numbers, a preset, or a whole tag.
fn lowered(
    session: &Session,
    blocks: &Blocks,
    parts: &[Part],
    stem: &str,
    vector: &str,
    terminal: Terminal,
) -> Result<LoraPlan, Failure> {
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
    let Some(plan) = plan else { return Err(Error::refused(found).into()) };
    terminal.say_all(&found);
    let [lora] = plan.first.loras.as_slice() else { return Err(not_one_tag(&tag).into()) };
    if !lora.window.is_always() || lora.dyn_dim.is_some() {
        return Err(talk::wrong(say!(
            "start, stop, step and the rank are not in a strength; leave them out",
            "start・stop・step とランクは強さでは表せません。省いてください"
        )));
    }
    Ok(lora.clone())
}

/// The one strength of all modules of a part.
fn uniform(lora: &LoraPlan, blocks: &Blocks, part: &Part) -> Result<f64, Failure> {
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
