//! `lbw txt2img`: prompt to PNG.

use std::sync::Arc;

use clap::Args;

use crate::app::prompts::{PromptJobs, ask, check_files, could_be_drawn_into, draw_into, drawn_seeds, jobs};
use crate::app::{Job, Jobs, Renderer, Session};
use crate::cli::args::{Drawer, EngineArgs, OutputArgs, PlaceArgs, PromptArgs, ViaArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};

#[derive(Debug, Args)]
pub struct Txt2imgArgs {
    #[command(flatten)]
    pub output: OutputArgs,
    #[arg(long, help = tell("Stop at the plan: check everything, draw nothing", "計画で止めます。すべてを確かめ、何も描きません"))]
    pub dry_run: bool,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub via: ViaArgs,
}

pub fn run(args: &Txt2imgArgs, terminal: Terminal) -> CommandResult {
    let (session, drawer) = args.via.open(&args.places, args.prompt.caller()?, &args.engine)?;
    draw(session, &args.prompt, drawer, &args.output, args.dry_run, terminal)
}

/// Prompts to PNGs.
pub fn draw(
    session: Arc<Session>,
    prompt: &PromptArgs,
    drawer: Drawer,
    output: &OutputArgs,
    dry_run: bool,
    terminal: Terminal,
) -> CommandResult {
    let (asked, found) = ask(&session, &prompt.texts()?)?;
    let (jobs, found) = jobs(&session, &asked, found)?;
    terminal.say_all(&found);
    let mut renderer = drawer.renderer(session.clone())?;
    if dry_run {
        could_be_drawn_into(output.output.as_deref(), jobs.count())?;
        terminal.say_all(&check_files(&jobs, &mut *renderer)?);
        let mut needs = |job: &Job| match renderer.studios() {
            Some(studios) if !output.json => {
                let engine = &mut studios.get(&job.model)?.engine;
                Ok(Some((engine.needs(&job.plan)?, engine.save_memory(&job.plan)?)))
            }
            _ => Ok(None),
        };
        return super::plan::print(&jobs, &session, &mut needs, output.json, terminal);
    }
    terminal.say_all(&drawn_seeds(&asked, &jobs).into_iter().collect::<Vec<_>>());
    asked.iter().flat_map(|asked| asked.pictures.clone()).for_each(|picture| renderer.add_picture(picture));
    draw_files(&jobs, &mut *renderer, output, terminal)
}

/// Draws jobs one after the other and prints their files.
pub fn draw_files(
    jobs: &PromptJobs<'_>,
    renderer: &mut dyn Renderer,
    output: &OutputArgs,
    terminal: Terminal,
) -> CommandResult {
    let on_done = if output.json { watch::file_as_json } else { watch::file_name };
    let mut watch = Watch::new(terminal, output.json, on_done);
    let drawn = draw_into(jobs, output.output.as_deref(), output.json, renderer, &mut watch);
    watch.end(drawn)
}
