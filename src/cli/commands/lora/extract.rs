//! `lbw lora extract`: the difference of two checkpoints as a LoRA.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::model::{self, PrecisionArg};
use super::talk;
use crate::app::{self, Error};
use crate::checkpoint::SafetensorsFile;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::lora::surgery::{Extracted, extract};
use crate::say;

#[derive(Debug, Args)]
pub struct ExtractArgs {
    /// The checkpoint whose changes the LoRA shall hold
    #[arg(value_name = "TUNED")]
    tuned: PathBuf,
    /// The checkpoint it was made from
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The new file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The rank of every module
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rank: u32,
    /// How the factors are stored
    #[arg(long, value_enum, default_value_t = PrecisionArg::F16)]
    dtype: PrecisionArg,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ExtractArgs, terminal: Terminal) -> CommandResult {
    model::check_output(&args.output)?;
    let open = |path: &PathBuf| -> app::Result<SafetensorsFile> { Ok(SafetensorsFile::open(path)?) };
    let (tuned, base) = (open(&args.tuned)?, open(&args.base)?);
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let provenance = json!({ "tuned": name(&args.tuned), "base": name(&args.base), "rank": args.rank }).to_string();
    let (rank, existing) = (args.rank as usize, model::existing(args.overwrite));
    let extracted =
        extract(&tuned, &base, rank, args.dtype.into(), &args.output, &provenance, existing).map_err(Error::from)?;
    match args.json {
        true => terminal.line(json!({ "file": args.output, "extracted": extracted }))?,
        false => print(args, &extracted, terminal)?,
    }
    about(&extracted, terminal);
    Ok(())
}

fn print(args: &ExtractArgs, extracted: &Extracted, terminal: Terminal) -> CommandResult {
    let (file, Extracted { family, factored, norms, unchanged, .. }) = (args.output.display(), extracted);
    let said = say!(
        "{file}: {family}, {factored} modules as factors, {norms} normalisation layers whole, {unchanged} unchanged",
        "{file}: {family}、因子にしたモジュール {factored} 個、そのまま入れた正規化層 {norms} 個、変化のないモジュール {unchanged} 個"
    );
    talk::line(&said, terminal)?;
    talk::errors(&extracted.errors, terminal)
}

/// What of the difference is not in the file.
fn about(extracted: &Extracted, terminal: Terminal) {
    if let Some((example, _)) = extracted.left_out.first() {
        let count = extracted.left_out.len();
        let norm = extracted.left_out.iter().map(|(_, norm)| norm * norm).sum::<f64>().sqrt();
        let message = say!(
            "{count} tensors differ that no LoRA holds (biases, embeddings, the VAE), for example {example}; the norm of their \
             difference is {norm:.5}",
            "LoRA に入れられないテンソル(バイアス、埋め込み、VAE)が {count} 個違います。たとえば {example} です。差のノルムは {norm:.5} です"
        );
        talk::left_out(message, terminal);
    }
    if let Some(example) = extracted.unpaired.first() {
        let count = extracted.unpaired.len();
        let message = say!(
            "{count} tensors are in one checkpoint only, or have another shape there, for example {example}",
            "{count} 個のテンソルは片方のチェックポイントにしかないか、形が違います。たとえば {example} です"
        );
        talk::left_out(message, terminal);
    }
}
