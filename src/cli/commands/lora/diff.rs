//! `lbw lora diff`: what differs between two LoRAs, block by block.

use clap::Args;
use serde_json::json;

use super::model::Model;
use super::{find_in, talk};
use crate::app::{Caller, Error, Session};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::lora::surgery::{BlockDifference, Difference, difference};
use crate::say;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A LoRA file, or a name from the LoRA folders
    #[arg(value_name = "A")]
    a: String,
    /// The other one
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &DiffArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.model.patch()?, ..Caller::default() };
    let session = Session::open(&args.places.places(), caller)?;
    let (a, b) = (find_in(&args.a, &session)?, find_in(&args.b, &session)?);
    let model = Model::of(&a, &session)?;
    let difference = difference(&a, &b, &model.table).map_err(Error::from)?;
    match args.json {
        true => terminal.line(json!({ "a": a, "b": b, "difference": difference }))?,
        false => print(&difference, terminal)?,
    }
    for (names, side) in [(&difference.only_in_a, "A"), (&difference.only_in_b, "B")] {
        let Some(example) = names.first() else { continue };
        let count = names.len();
        let message = say!(
            "{count} modules are only in {side}, for example {example}",
            "{count} 個のモジュールは {side} にしかありません。たとえば {example} です"
        );
        talk::apart(message, terminal);
    }
    let (equal, different) = (difference.unmeasured_equal.len(), difference.unmeasured_different.len());
    if equal + different > 0 {
        let message = say!(
            "the deltas of {different} modules depend on a checkpoint (DoRA, IA3, GLoRA, OFT) and are not measured; their tensors \
             differ. Those of {equal} more are the same",
            "{different} 個のモジュールの差分はチェックポイントによって変わり(DoRA、IA3、GLoRA、OFT)、測っていません。テンソルは違います。ほかに {equal} 個はテンソルが同じです"
        );
        talk::left_out(message, terminal);
    }
    Ok(())
}

fn print(difference: &Difference, terminal: Terminal) -> CommandResult {
    let head = say!(
        "block     modules  ‖A‖         ‖B‖         ‖B − A‖     cosine",
        "ブロック  モジュール  ‖A‖         ‖B‖         ‖B − A‖     コサイン"
    );
    talk::line(&head, terminal)?;
    for row in difference.blocks.iter().chain([&difference.total]) {
        let BlockDifference { block, modules, norm_a, norm_b, difference, cosine } = row;
        let cosine = cosine.map_or("-".to_owned(), |cosine| format!("{cosine:.6}"));
        terminal.line(format!("{block:<9} {modules:>7}  {norm_a:<11.5} {norm_b:<11.5} {difference:<11.5} {cosine}"))?;
    }
    Ok(())
}
