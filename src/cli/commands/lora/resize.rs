//! `lbw lora resize`: a LoRA at a lower rank.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::model::{self, Model};
use super::{find_in, talk};
use crate::app::{Caller, Error, Session};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::lora::surgery::{Resized, Size, resize};
use crate::say;

#[derive(Debug, Args)]
pub struct ResizeArgs {
    /// A LoRA file, or a name from the LoRA folders
    #[arg(value_name = "FILE|NAME")]
    lora: String,
    /// The new file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The highest rank of a module
    #[arg(long, value_name = "N", required_unless_present = "energy", value_parser = clap::value_parser!(u32).range(1..))]
    rank: Option<u32>,
    /// The share of the sum of squares of a module that stays, e.g. 0.95; each module gets the rank it needs
    #[arg(long, value_name = "SHARE")]
    energy: Option<f64>,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ResizeArgs, terminal: Terminal) -> CommandResult {
    model::check_output(&args.output)?;
    if let Some(energy) = args.energy.filter(|energy| !(*energy > 0.0 && *energy <= 1.0)) {
        return Err(talk::wrong(say!(
            "--energy is {energy}; it must be above 0 and at most 1",
            "--energy が {energy} です。0 より大きく 1 以下でなければなりません"
        )));
    }
    let caller = Caller { patch: args.model.patch()?, ..Caller::default() };
    let session = Session::open(&args.places.places(), caller)?;
    let path = find_in(&args.lora, &session)?;
    let model = Model::of(&path, &session)?;
    let size = Size { rank: args.rank.map(|rank| rank as usize), energy: args.energy };
    let provenance = json!({ "of": model::origin(&path), "rank": args.rank, "energy": args.energy }).to_string();
    let existing = model::existing(args.overwrite);
    let resized = resize(&path, &args.output, &model.table, size, &provenance, existing).map_err(Error::from)?;
    match args.json {
        true => terminal.line(json!({ "file": args.output, "resized": resized }))?,
        false => {
            let (file, Resized { cut, unchanged, .. }) = (args.output.display(), &resized);
            let said = say!(
                "{file}: {cut} modules cut, {unchanged} small enough already",
                "{file}: 切り詰めたモジュール {cut} 個、もともと小さいモジュール {unchanged} 個"
            );
            talk::line(&said, terminal)?;
            talk::errors(&resized.errors, terminal)?;
        }
    }
    for (kind, count) in &resized.other_kinds {
        let message = say!(
            "{count} modules are {kind}, which has no rank to cut this way; they are as they were",
            "{count} 個のモジュールは {kind} で、この方法では切り詰められません。元のままです"
        );
        talk::apart(message, terminal);
    }
    let dora = resized.dora;
    if dora > 0 {
        let message = say!(
            "{dora} modules have DoRA magnitudes, which belong to their exact factors; they are as they were",
            "{dora} 個のモジュールには DoRA の大きさがあり、元の因子と組になっています。元のままです"
        );
        talk::apart(message, terminal);
    }
    Ok(())
}
