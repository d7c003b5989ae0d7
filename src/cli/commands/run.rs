//! `lbw run`: executes saved plans, and draws pictures again.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::txt2img::draw_files;
use crate::app::prompts::jobs_of_plans;
use crate::app::{Caller, Session, Studios};
use crate::cli::args::{EngineArgs, ModelArgs, OutputArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct RunArgs {
    #[arg(
        required = true, value_name = "FILE",
        help = tell(
            "Plan files (JSON), or pictures: those of lbw by their plan, others by their infotext",
            "計画のファイル (JSON)、または画像。lbw の画像は計画から、ほかの画像は infotext から描きます"
        ),
    )]
    pub plans: Vec<PathBuf>,
    #[arg(long, value_name = "IMAGE", help = tell("The pictures that img2img plans draw over", "img2img の計画が下敷きにする画像"))]
    pub init: Vec<PathBuf>,
    #[arg(
        long, value_name = "IMAGE",
        help = tell("Masks of these pictures; their own transparency is known", "これらの画像のマスク。画像自身の透明度は渡さなくても分かります"),
    )]
    pub mask: Vec<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &RunArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.model.patch()?, ..Caller::default() };
    let session = Arc::new(Session::open(&args.places.places(), caller)?);
    let (jobs, found) = jobs_of_plans(&session, &args.plans)?;
    terminal.say_all(&found);
    session.read_pictures(&args.init, &args.mask)?;
    let mut studios = Studios::new(session.clone(), args.engine.settings()?);
    draw_files(&jobs, &mut studios, &args.output, terminal)
}
