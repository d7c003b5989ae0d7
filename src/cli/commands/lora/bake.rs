//! `lbw lora bake`: block weights, element rules and strengths of a tag, written into a new LoRA file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::of_tag;
use crate::app::{self, Error, Session};
use crate::block::Family;
use crate::checkpoint::Checkpoint;
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code;
use crate::lora::{BakeError, KeyTable, ModuleTable, Network, NetworkModule, Strength, bake};
use crate::plan::LoraPlan;
use crate::say;

#[derive(Debug, Args)]
pub struct BakeArgs {
    /// A LoRA tag as a prompt has it, e.g. "<lora:NAME:0.8:lbw=XLOUT>"
    #[arg(value_name = "TAG")]
    tag: String,
    /// The new file; nothing is overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &BakeArgs, terminal: Terminal) -> CommandResult {
    let output = args.output.display();
    if args.output.extension().is_none_or(|e| e != "safetensors") {
        let message =
            say!("-o {output}: end the name in .safetensors", "-o {output}: 名前を .safetensors で終えてください");
        return Err(Error::words(code::USAGE, message).into());
    }
    let (lora, path, session) = of_tag(&args.tag, &args.places, args.model.patch()?, args.strict, terminal)?;
    check(&lora)?;
    let table = table(&path, &session)?;
    let strength = |module: &NetworkModule| match module.strength() {
        Strength::Te => lora.te,
        Strength::Unet => lora.unet,
    };
    let network = Network::open(&path, &table, KeyTable::Lenient).map_err(Error::from)?;
    if let Some(module) = network.modules().iter().find(|module| module.has_bias() && strength(module) != 1.0) {
        let module = module.name();
        let message = say!(
            "`{module}` changes a bias, which a strength scales but a baked weight does not",
            "`{module}` はバイアスを変えます。強度はバイアスに掛かりますが、焼き込んだ重みは掛かりません"
        );
        return Err(Error::words(code::CANNOT_BAKE, message)
            .help(say!(
                "bake with strength 1 and give the strength where the file is used",
                "強度 1 で焼き込み、強度はファイルを使うときに指定してください"
            ))
            .into());
    }
    let weight = |module: &NetworkModule| strength(module) * lora.ratio(Family::Sdxl, module.name());
    let provenance =
        json!({ "of": path.file_name().map(|name| name.to_string_lossy()), "tag": args.tag, "plan": lora });
    let baked = bake(&path, &args.output, &table, KeyTable::Lenient, weight, &provenance.to_string());
    let baked = baked.map_err(|error| match error {
        BakeError::CannotScale { .. } | BakeError::NotFinite { .. } => {
            Error::words(code::CANNOT_BAKE, say!("{error}", "{error}"))
        }
        _ => Error::file(code::NOT_WRITTEN, say!("{error}", "{error}")),
    })?;
    if args.json {
        return terminal.line(json!({ "file": args.output, "baked": baked }));
    }
    let (scaled, unchanged, dropped) = (baked.scaled, baked.unchanged, baked.dropped);
    let said = say!(
        "{output}: {scaled} modules scaled, {unchanged} unchanged, {dropped} left out (weight 0)",
        "{output}: {scaled} モジュールに重みを掛け、{unchanged} はそのまま、{dropped} は省きました (重み 0)"
    );
    terminal.line(terminal.words(&said))
}

/// What a file cannot say.
fn check(lora: &LoraPlan) -> app::Result<()> {
    if !lora.window.is_always() {
        let message = say!(
            "start, stop and step cannot be baked: a file has no steps; leave them out",
            "start・stop・step は焼き込めません。ファイルにはステップがないので省いてください"
        );
        return Err(Error::words(code::CANNOT_BAKE, message));
    }
    if lora.dyn_dim.is_some() {
        let message = say!(
            "the rank (the tag's fourth number) cannot be baked; leave it out",
            "ランク (タグの 4 番目の数) は焼き込めません。省いてください"
        );
        return Err(Error::words(code::CANNOT_BAKE, message));
    }
    Ok(())
}

/// The modules of the model that the LoRA fits: that of `--model`, else full-size SDXL, else the embedded one.
fn table(lora: &Path, session: &Session) -> app::Result<ModuleTable> {
    let full_size = ModuleTable::full_size(Family::Sdxl);
    let is_named = session.names_model();
    if !is_named && Network::open(lora, &full_size, KeyTable::Lenient).is_ok() {
        return Ok(full_size);
    }
    if !is_named && !session.is_embedded() {
        return Ok(full_size);
    }
    let checkpoint = Checkpoint::open(&session.model()?.checkpoint)?;
    let file = checkpoint.file();
    let tensors = file.names().filter_map(|name| Some((name, file.shape(name)?)));
    Ok(ModuleTable::new(Family::Sdxl, tensors))
}
