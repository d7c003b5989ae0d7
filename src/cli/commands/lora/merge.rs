//! `lbw lora merge`: several LoRAs with their strengths and block weights into one file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::model::{self, Model, PrecisionArg};
use super::{of_tags, talk};
use crate::app::Error;
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::lora::surgery::{Merge, Merged, Source, merge};
use crate::lora::{KeyTable, NetworkModule, Strength};
use crate::plan::LoraPlan;
use crate::say;

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// LoRA tags as a prompt has them, e.g. "<lora:a:0.8:lbw=XLOUT> <lora:b:0.5>"
    #[arg(value_name = "TAGS")]
    tags: String,
    /// The new file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Cut every module to this rank, by singular values [default: as the ranks add up, exactly]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rank: Option<u32>,
    /// How new factors are stored
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    dtype: PrecisionArg,
    /// Block weights scale the whole delta of every kind of network, also where the extension does not
    #[arg(long)]
    lbw_exact: bool,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
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

pub fn run(args: &MergeArgs, terminal: Terminal) -> CommandResult {
    model::check_output(&args.output)?;
    let (loras, session) = of_tags(&args.tags, &args.places, args.model.patch()?, args.strict, terminal)?;
    let Some((_, first)) = loras.first() else {
        let tags = &args.tags;
        return Err(talk::wrong(say!("there is no LoRA tag in `{tags}`", "`{tags}` に LoRA のタグがありません")));
    };
    for (lora, _) in &loras {
        let name = &lora.name;
        if !lora.window.is_always() || lora.dyn_dim.is_some() {
            return Err(talk::wrong(say!(
                "`{name}`: start, stop, step and the tag's rank cannot be merged: a file has no steps; leave them out",
                "`{name}`: start、stop、step とタグのランクはまとめられません。ファイルにはステップがないので、取り除いてください"
            )));
        }
    }
    let model = Model::of(first, &session)?;
    let family = model.table.family();
    let factor = |lora: &LoraPlan, module: &NetworkModule| {
        let strength = if module.strength() == Strength::Te { lora.te } else { lora.unet };
        (strength, lora.ratio(family, module.name()))
    };
    let factors: Vec<_> = loras.iter().map(|(lora, _)| move |module: &NetworkModule| factor(lora, module)).collect();
    let sources: Vec<Source> =
        loras.iter().zip(&factors).map(|((_, path), factor)| Source { path: path.clone(), factor }).collect();
    let origins: Vec<_> = loras.iter().map(|(_, path)| model::origin(path)).collect();
    let options = Merge {
        table: &model.table,
        keys: KeyTable::Lenient,
        base: model.checkpoint.as_ref().map(|checkpoint| checkpoint.file()),
        exact: args.lbw_exact,
        rank: args.rank.map(|rank| rank as usize),
        precision: args.dtype.into(),
        provenance: json!({ "tags": args.tags, "of": origins, "rank": args.rank }).to_string(),
        existing: model::existing(args.overwrite),
    };
    let merged = merge(&sources, &args.output, &options).map_err(Error::from)?;
    match args.json {
        true => terminal.line(json!({ "file": args.output, "merged": merged }))?,
        false => print(args, &merged, terminal)?,
    }
    for (path, tensors) in &merged.left_out {
        let (file, count) = (path.display(), tensors.len());
        let example = tensors.first().cloned().unwrap_or_default();
        let message = say!(
            "{file}: {count} tensors belong to no module of the model and are not in the new file, for example {example}",
            "{file}: {count} 個のテンソルはモデルのどのモジュールのものでもなく、新しいファイルに入っていません。たとえば {example} です"
        );
        talk::left_out(message, terminal);
    }
    Ok(())
}

fn print(args: &MergeArgs, merged: &Merged, terminal: Terminal) -> CommandResult {
    let file = args.output.display();
    let Merged { kept, concatenated, full, cut, dropped, .. } = merged;
    let said = say!(
        "{file}: {concatenated} modules with their ranks added up, {kept} as one of the LoRAs had them, {full} as differences of \
         weights, {cut} cut to the rank, {dropped} left out (factor 0)",
        "{file}: ランクを足し合わせたモジュール {concatenated} 個、片方の LoRA のままのモジュール {kept} 個、重みの差分にしたモジュール {full} 個、ランクを切り詰めたモジュール {cut} 個、除いたモジュール {dropped} 個 (係数 0)"
    );
    talk::line(&said, terminal)?;
    talk::errors(&merged.errors, terminal)
}
