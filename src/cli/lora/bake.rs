//! `lbw lora bake`: block weights, element rules and strengths of a tag, written into a new LoRA file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::of_tag;
use crate::block::Family;
use crate::checkpoint::Checkpoint;
use crate::cli::args::FileArgs;
use crate::cli::exit::{CommandResult, Exit, Failure};
use crate::cli::files::Files;
use crate::lora::{BakeError, KeyTable, ModuleTable, Network, NetworkModule, Strength, bake};
use crate::plan::LoraPlan;

#[derive(Debug, Args)]
pub struct BakeArgs {
    /// A LoRA tag as a prompt has it, e.g. "<lora:NAME:0.8:lbw=XLOUT>"
    #[arg(value_name = "TAG")]
    tag: String,
    /// The new file; nothing is overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    files: FileArgs,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &BakeArgs) -> CommandResult {
    if args.output.extension().is_none_or(|e| e != "safetensors") {
        return Err(Failure::text(format!("-o {}: end the name in .safetensors", args.output.display())));
    }
    let (lora, path) = of_tag(&args.tag, &args.files, args.strict)?;
    check(&lora)?;
    let table = table(&path, &args.files)?;
    let strength = |module: &NetworkModule| match module.strength() {
        Strength::Te => lora.te,
        Strength::Unet => lora.unet,
    };
    let network = Network::open(&path, &table, KeyTable::Lenient).map_err(|e| Failure::file(e.to_string()))?;
    if let Some(module) = network.modules().iter().find(|module| module.has_bias() && strength(module) != 1.0) {
        return Err(Failure::text(format!(
            "`{}` changes a bias, which a strength scales but a baked weight does not: bake with strength 1 and give the \
             strength where the file is used",
            module.name()
        )));
    }
    let weight = |module: &NetworkModule| strength(module) * lora.ratio(Family::Sdxl, module.name());
    let provenance =
        json!({ "of": path.file_name().map(|name| name.to_string_lossy()), "tag": args.tag, "plan": lora });
    let baked = bake(&path, &args.output, &table, KeyTable::Lenient, weight, &provenance.to_string());
    let baked = baked.map_err(|error| match error {
        BakeError::CannotScale { .. } | BakeError::NotFinite { .. } => Failure::text(error.to_string()),
        _ => Failure::file(error.to_string()),
    })?;
    match args.json {
        true => println!("{}", json!({ "file": args.output, "baked": baked })),
        false => println!(
            "{}: {} modules scaled, {} unchanged, {} left out (weight 0)",
            args.output.display(),
            baked.scaled,
            baked.unchanged,
            baked.dropped
        ),
    }
    Ok(Exit::Done)
}

/// What a file cannot say.
fn check(lora: &LoraPlan) -> Result<(), Failure> {
    if !lora.window.is_always() {
        return Err(Failure::text("start, stop and step cannot be baked: a file has no steps; leave them out"));
    }
    if lora.dyn_dim.is_some() {
        return Err(Failure::text("the rank (the tag's fourth number) cannot be baked; leave it out"));
    }
    Ok(())
}

/// The modules of the model that the LoRA fits: that of `--model`, else full-size SDXL, else the embedded one.
fn table(lora: &Path, args: &FileArgs) -> Result<ModuleTable, Failure> {
    let files = Files::resolve(args, None)?;
    let full_size = ModuleTable::full_size(Family::Sdxl);
    if args.model.is_none() && Network::open(lora, &full_size, KeyTable::Lenient).is_ok() {
        return Ok(full_size);
    }
    if args.model.is_none() && !files.is_embedded() {
        return Ok(full_size);
    }
    let checkpoint = Checkpoint::open(&files.model()?).map_err(|e| Failure::file(e.to_string()))?;
    let file = checkpoint.file();
    let tensors = file.names().filter_map(|name| Some((name, file.shape(name)?)));
    Ok(ModuleTable::new(Family::Sdxl, tensors))
}
