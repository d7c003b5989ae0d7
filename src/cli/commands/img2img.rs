//! `lbw img2img`: a prompt drawn over a picture.

use std::sync::Arc;

use clap::Args;

use super::txt2img;
use crate::app::{Error, Session};
use crate::cli::args::{Drawer, EngineArgs, OutputArgs, PictureArgs, PlaceArgs, PromptArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code;
use crate::say;

#[derive(Debug, Args)]
pub struct Img2imgArgs {
    #[command(flatten)]
    pub output: OutputArgs,
    #[arg(long, help = tell("Stop at the plan: check everything, draw nothing", "計画で止めます。すべてを確かめ、何も描きません"))]
    pub dry_run: bool,
    #[command(flatten)]
    pub picture: PictureArgs,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &Img2imgArgs, terminal: Terminal) -> CommandResult {
    let mut caller = args.prompt.caller()?;
    if caller.patch.get("hires") == Some(&true.into()) {
        let message = say!(
            "the hires flags belong to txt2img; img2img has one pass",
            "hires のフラグは txt2img のものです。img2img のパスは一つです"
        );
        return Err(Error::words(code::USAGE, message).into());
    }
    caller.patch = caller.patch.with(&args.picture.patch()?);
    if caller.patch.get("init").is_none() {
        let message = say!(
            "img2img draws over a picture: give it with --init",
            "img2img は画像の上に描きます。--init で指定してください"
        );
        return Err(Error::words(code::USAGE, message).into());
    }
    let session = Arc::new(Session::open(&args.places.places(), caller)?);
    txt2img::draw(session, &args.prompt, Drawer::Here(args.engine.settings()?), &args.output, args.dry_run, terminal)
}
