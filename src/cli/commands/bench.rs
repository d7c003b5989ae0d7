//! `lbw bench`: how long the parts of an image take on this machine.

use clap::Args;

use crate::app::bench::{Wish, measure};
use crate::app::{Caller, Session};
use crate::cli::args::{EngineArgs, ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::Text;
use crate::say;

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[arg(
        long, value_name = "SIZES", value_delimiter = ',', value_parser = parse_size,
        help = tell(
            "Sizes to measure, as WIDTHxHEIGHT; several are separated by commas [default: 512x512; 128x128 with the embedded model]",
            "測る大きさ。幅x高さ をコンマで区切ります [既定: 512x512、内蔵モデルは 128x128]"
        ),
    )]
    pub size: Vec<(u32, u32)>,
    #[arg(
        long, value_name = "BATCHES", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u32).range(1..=16),
        help = tell(
            "Batches to measure: 1 is a CFG scale of 1, 2 is prompt and negative prompt, more are prompts joined by AND",
            "測るバッチ: 1 は CFG スケール 1、2 は両プロンプト、それ以上は AND でつないだプロンプト"
        ),
    )]
    pub batch: Vec<u32>,
    #[arg(
        long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000),
        help = tell("Evaluations of the UNet per number; the median is given", "一つの値ごとの UNet の評価回数。中央値を示します"),
    )]
    pub rounds: u32,
    #[arg(
        long, value_name = "NAME",
        help = tell(
            "The LoRA to merge and re-weight [default: overcooked with the embedded model, none otherwise]",
            "マージして重みを変える LoRA [既定: 内蔵モデルでは overcooked、ほかではなし]"
        ),
    )]
    pub lora: Option<String>,
    #[arg(long, help = tell("Leave the VAE out", "VAE を省きます"))]
    pub skip_vae: bool,
    #[arg(
        long,
        help = tell(
            "Draw a picture of the first size on the CPU in f32, too, and tell how far this device and --precision are from it",
            "最初の大きさの画像を CPU の f32 でも描き、このデバイスと --precision の差を示します"
        ),
    )]
    pub compare: bool,
    #[arg(long, help = tell("Print one JSON object instead of the table", "表の代わりに JSON オブジェクトを一つ出力します"))]
    pub json: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &BenchArgs, terminal: Terminal) -> CommandResult {
    let session = Session::open(&args.places.places(), Caller { patch: args.model.patch()?, ..Caller::default() })?;
    let wish = Wish {
        sizes: args.size.clone(),
        batches: args.batch.clone(),
        rounds: args.rounds,
        lora: args.lora.clone(),
        skip_vae: args.skip_vae,
        compare: args.compare,
    };
    let report = measure(&session, &args.engine.settings()?, &wish, &mut |found| terminal.say(&found))?;
    terminal.answer(&report.answer(), args.json)
}

fn parse_size(text: &str) -> Result<(u32, u32), Text> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed.ok_or_else(|| {
        say!(
            "`{text}` is not a size; write it as 512x768",
            "`{text}` は大きさではありません。512x768 のように書いてください"
        )
    })
}
