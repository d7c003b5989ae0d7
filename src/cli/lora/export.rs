//! `lbw lora export`: a tag in the form another program takes.

use clap::Args;
use serde_json::{Value, json};

use super::{find, of_tag};
use crate::block::Family;
use crate::cli::args::FileArgs;
use crate::cli::exit::{CommandResult, Exit, Failure};
use crate::cli::report;
use crate::lora::Inspection;
use crate::plan::LoraPlan;

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A LoRA tag as a prompt has it, e.g. "<lora:NAME:0.8:lbw=XLOUT>"
    #[arg(value_name = "TAG")]
    tag: String,
    /// Scales for diffusers' set_adapters, as JSON
    #[arg(long, required = true)]
    diffusers_scales: bool,
    #[command(flatten)]
    files: FileArgs,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

/// The blocks that diffusers' scales can name: those with attention. All others get 1 there.
const EXPRESSIBLE: [&str; 12] =
    ["BASE", "IN04", "IN05", "IN07", "IN08", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05"];

pub fn run(args: &ExportArgs) -> CommandResult {
    let (lora, path) = of_tag(&args.tag, &args.files, args.strict)?;
    if !lora.elements.is_empty() {
        return Err(Failure::text(
            "diffusers' scales have no element rules; `lbw lora bake` writes a file that has them",
        ));
    }
    if !lora.window.is_always() {
        return Err(Failure::text("diffusers' scales have no steps; leave start, stop and step out"));
    }
    let path = find(&path.to_string_lossy(), &args.files, &mut None)?;
    let inspection = Inspection::of_file(&path, None).map_err(|e| Failure::file(e.to_string()))?;
    let outside = inspection.modules.iter().filter(|module| {
        let block = crate::block::Block::of_module(Family::Sdxl, module);
        let is_named = block.is_some_and(|block| EXPRESSIBLE.contains(&block.name()));
        !is_named && lora.unet * lora.ratio(Family::Sdxl, module) != 1.0
    });
    if let Some(example) = outside.clone().next() {
        report::warning(&format!(
            "{} modules lie in blocks that diffusers' scales cannot name and keep 1 there, for example {example}; `lbw lora \
             bake` writes a file that is exact",
            outside.count()
        ));
    }
    println!("{:#}", diffusers_scales(&lora));
    Ok(Exit::Done)
}

/// diffusers counts resolutions, down and up, where webui counts blocks: down 1 is IN04 and IN05, up 0 is OUT00 to OUT02.
fn diffusers_scales(lora: &LoraPlan) -> Value {
    let weight = |name: &str| {
        let blocks = crate::block::Space::Unet.names();
        let index = blocks.iter().position(|block| *block == name);
        index.and_then(|index| lora.blocks.get(index)).copied().unwrap_or(1.0)
    };
    let unet = |names: &[&str]| names.iter().map(|name| lora.unet * weight(name)).collect::<Vec<_>>();
    let text = lora.te * weight("BASE");
    json!({
        "text_encoder": text,
        "text_encoder_2": text,
        "unet": {
            "down": { "block_1": unet(&["IN04", "IN05"]), "block_2": unet(&["IN07", "IN08"]) },
            "mid": lora.unet * weight("M00"),
            "up": {
                "block_0": unet(&["OUT00", "OUT01", "OUT02"]),
                "block_1": unet(&["OUT03", "OUT04", "OUT05"]),
            },
        },
    })
}
