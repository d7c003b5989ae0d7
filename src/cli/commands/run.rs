//! `lbw run`: executes saved plans, and draws pictures again.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::txt2img::draw_files;
use crate::app::prompts::jobs_of_plans;
use crate::app::{Caller, Session, Studios};
use crate::cli::args::{EngineArgs, ModelArgs, OutputArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Plan files (JSON), or pictures: those of lbw by their plan, others by their infotext
    #[arg(required = true, value_name = "FILE")]
    pub plans: Vec<PathBuf>,
    /// The pictures that img2img plans draw over
    #[arg(long, value_name = "IMAGE")]
    pub init: Vec<PathBuf>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

pub fn run(args: &RunArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.model.patch()?, ..Caller::default() };
    let session = Arc::new(Session::open(&args.places.places(), caller)?);
    let (jobs, found) = jobs_of_plans(&session, &args.plans)?;
    terminal.say_all(&found);
    let mut studios = Studios::new(session.clone(), args.engine.settings()?);
    for path in &args.init {
        studios.add_picture(session.picture(&path.to_string_lossy())?);
    }
    draw_files(jobs, studios, &args.output, terminal)
}
