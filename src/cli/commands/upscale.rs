//! `lbw upscale`: finished pictures made larger.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::app::upscale::{Enlarger, Enlarging, Size, Step, enlarge, failure, sides};
use crate::app::{Catalogue, Error};
use crate::cli::args::{EngineArgs, OutputArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::cli::watch;
use crate::diagnostic::code;
use crate::say;

#[derive(Debug, Args)]
pub struct UpscaleArgs {
    #[arg(required = true, value_name = "IMAGE|DIR", help = tell("Pictures (PNG, JPEG, WebP), or folders of them", "画像 (PNG・JPEG・WebP)、またはそのフォルダー"))]
    pub images: Vec<PathBuf>,
    #[arg(long, short = 'u', default_value = "Lanczos", value_name = "NAME", help = tell("The upscaler, by webui's name: Lanczos, Nearest, or a file in --webui-dir or --upscaler-dir", "webui での名前で選ぶアップスケーラー: Lanczos、Nearest、または --webui-dir か --upscaler-dir のファイル"))]
    pub upscaler: String,
    #[arg(long, visible_alias = "by", default_value_t = 2.0, value_name = "FACTOR", help = tell("Both sides times this", "両辺の倍率"))]
    pub scale: f64,
    #[arg(long, conflicts_with = "scale", value_name = "WxH", help = tell("Large enough to cover this size, instead of a factor", "倍率の代わりに、この大きさを覆うまで"))]
    pub size: Option<String>,
    #[arg(long, requires = "size", help = tell("Cut to --size what stands over", "--size からはみ出した分を切り落とします"))]
    pub crop: bool,
    #[arg(long, conflicts_with = "size", value_name = "PIXELS", help = tell("No side gets longer than this, whatever --scale says", "--scale にかかわらず、どの辺もこれより長くしません"))]
    pub max_side: Option<usize>,
    #[arg(long, value_name = "NAME", help = tell("A second upscaler, mixed in", "混ぜ合わせる二つ目のアップスケーラー"))]
    pub upscaler_2: Option<String>,
    #[arg(long, requires = "upscaler_2", default_value_t = 0.5, value_name = "SHARE", help = tell("The second upscaler's share, 0 to 1", "二つ目のアップスケーラーの割合、0 から 1"))]
    pub upscaler_2_visibility: f32,
    #[arg(long, value_name = "PIXELS", help = tell("Side of the tiles that networks work on; 0 takes the picture whole [default: webui's ESRGAN_tile, or 192]", "一度に処理するタイルの一辺。0 は分けません [既定: webui の ESRGAN_tile、なければ 192]"))]
    pub tile: Option<usize>,
    #[arg(long, value_name = "PIXELS", help = tell("How far the tiles overlap [default: webui's ESRGAN_tile_overlap, or 8]", "タイルの重なり [既定: webui の ESRGAN_tile_overlap、なければ 8]"))]
    pub tile_overlap: Option<usize>,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

pub fn run(args: &UpscaleArgs, terminal: Terminal) -> CommandResult {
    let engine = args.engine.settings()?;
    terminal.say_all(&engine.without_gain());
    args.engine.without_checkpoint().iter().for_each(|found| terminal.say(found));
    let wish = Enlarging {
        upscaler: args.upscaler.clone(),
        second: args.upscaler_2.clone().map(|name| (name, args.upscaler_2_visibility)),
        size: size(args)?,
        tile: args.tile,
        overlap: args.tile_overlap,
        device: engine.device,
        operators: engine.operators,
    };
    let (catalogue, found) = Catalogue::open(&args.places.places())?;
    terminal.say_all(&found);
    let enlarger = Enlarger::open(&wish, &catalogue)?;
    let output = args.output.output.clone().unwrap_or_else(|| "lbw-out".into());
    let interrupts = watch::interrupts(terminal);
    let mut printed = Ok(());
    let mut step = |step: Step<'_>| {
        let line = match step {
            Step::Done { file, parameters, was_there, .. } if args.output.json => {
                Some(json!({ "file": file, "parameters": parameters, "was_there": was_there }).to_string())
            }
            Step::Done { file, .. } => Some(file.display().to_string()),
            Step::Failed { from, error } => {
                terminal.say(&failure(from, error));
                None
            }
            Step::Begin { .. } | Step::Tile { .. } => None,
        };
        if let (Some(line), Ok(())) = (line, &printed) {
            printed = terminal.line(line);
        }
        // The first Ctrl-C lets the picture be finished.
        let enough = if matches!(step, Step::Tile { .. }) { 2 } else { 1 };
        let stops = printed.is_err() || interrupts.load(std::sync::atomic::Ordering::SeqCst) >= enough;
        if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let result = enlarge(&args.images, &enlarger, &output, &mut step);
    printed?;
    Ok(result?)
}

fn size(args: &UpscaleArgs) -> Result<Size, Error> {
    let Some(text) = &args.size else { return Ok(Size::By { scale: args.scale, longest: args.max_side }) };
    let [width, height] = sides(text).ok_or_else(|| {
        let message = say!(
            "--size {text}: not a size such as 2048x1536",
            "--size {text}: 2048x1536 のような大きさではありません"
        );
        Error::words(code::USAGE, message)
    })?;
    Ok(Size::To { width: width as usize, height: height as usize, crop: args.crop })
}
