//! `lbw run`: executes saved plans.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::txt2img::draw_jobs;
use crate::app::{self, Caller, Job, Session, Studios};
use crate::cli::args::{EngineArgs, ModelArgs, OutputArgs, PlaceArgs, refused};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Plan files (JSON), or PNGs that lbw made
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
    let plans = args.plans.iter().map(|path| app::plans(path)).collect::<app::Result<Vec<_>>>()?.concat();
    let session = Session::open(&args.places.places(), Caller { patch: args.model.patch()?, ..Caller::default() })?;
    let found: Vec<_> = plans.iter().flat_map(|plan| session.check(plan)).collect();
    if session.refuses(&found) {
        return Err(refused(found));
    }
    terminal.say_all(&found);
    let model = session.model()?;
    let session = Arc::new(session);
    let mut studios = Studios::new(session.clone(), args.engine.settings()?);
    for path in &args.init {
        studios.add_picture(session.picture(&path.to_string_lossy())?);
    }
    let job = |plan: crate::plan::Plan| {
        let (name, model) = (format!("seed {}", plan.settings().seed), model.clone());
        Job { plan, model, name, place: None, pasted: None, id: String::new(), file: None }
    };
    draw_jobs(plans.into_iter().map(job).collect(), studios, &args.output, terminal)
}
