//! `lbw txt2img`: prompt to PNG.

use std::sync::Arc;

use clap::Args;

use crate::app::{self, Asked, Job, Output, Renderer, Session, Sink, Studios};
use crate::cli::args::{EngineArgs, OutputArgs, PlaceArgs, PromptArgs, refused};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::{Diagnostic, code};
use crate::plan::Plan;
use crate::say;

#[derive(Debug, Args)]
pub struct Txt2imgArgs {
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Stop at the plan: check everything, draw nothing
    #[arg(long)]
    pub dry_run: bool,
}

pub fn run(args: &Txt2imgArgs, terminal: Terminal) -> CommandResult {
    let session = Arc::new(Session::open(&args.places.places(), args.prompt.caller()?)?);
    draw(session, &args.prompt, &args.engine, &args.output, args.dry_run, terminal)
}

/// Prompts to PNGs.
pub fn draw(
    session: Arc<Session>,
    prompt: &PromptArgs,
    engine: &EngineArgs,
    output: &OutputArgs,
    dry_run: bool,
    terminal: Terminal,
) -> CommandResult {
    let (asked, found) = ask(&session, prompt)?;
    let (plans, found) = plan_all(&session, &asked, found)?;
    terminal.say_all(&found);
    if dry_run {
        return plans.iter().try_for_each(|(plan, _)| super::plan::print(plan, &session.loras, output.json, terminal));
    }
    let seeds: Vec<String> = plans.iter().take(4).map(|(plan, _)| plan.settings().seed.to_string()).collect();
    if asked.iter().any(|asked| asked.open_seed) {
        let (seeds, more) = (seeds.join(", "), if plans.len() > 4 { ", …" } else { "" });
        terminal.say(&Diagnostic::new(code::SEED, say!("seed {seeds}{more}", "シード {seeds}{more}")));
    }
    let mut studios = Studios::new(session, engine.settings()?);
    asked.iter().filter_map(|asked| asked.picture.clone()).for_each(|picture| studios.add_picture(picture));
    let jobs: Vec<Job> = plans.into_iter().map(|(plan, asked)| job(plan, asked)).collect();
    draw_jobs(jobs, studios, output, terminal)
}

/// What the prompts ask for, and what is to be said about them and about the files they are read with.
pub fn ask(session: &Session, prompt: &PromptArgs) -> app::Result<(Vec<Asked>, Vec<Diagnostic>)> {
    let (mut asked, mut found) = (Vec::new(), session.found.clone());
    for text in prompt.texts()? {
        let entry = app::words(&text, &mut found).and_then(|entry| session.ask(entry, &mut found));
        asked.push(entry.map_err(|error| error.after(found.clone()))?);
    }
    Ok((asked, found))
}

/// Plans that are drawn, with what asked for them.
type Plans<'a> = Vec<(Plan, &'a Asked)>;

/// All plans. Where anything refuses, there are none and all that was found is the error.
pub fn plan_all<'a>(
    session: &Session,
    asked: &'a [Asked],
    mut found: Vec<Diagnostic>,
) -> Result<(Plans<'a>, Vec<Diagnostic>), crate::cli::exit::Failure> {
    let mut plans = Vec::new();
    for asked in asked {
        let (some, said) = session.plan(asked);
        plans.extend(some.into_iter().map(|plan| (plan, asked)));
        found.extend(said);
    }
    if session.refuses(&found) { Err(refused(found)) } else { Ok((plans, found)) }
}

fn job(plan: Plan, asked: &Asked) -> Job {
    let seed = plan.settings().seed;
    let pasted = asked.pasted.as_ref().map(|pasted| Arc::new((**pasted).clone()));
    // The first image alone is compared with the pasted hashes.
    let pasted = pasted.filter(|_| seed == asked.request.settings.seed);
    let (model, id) = (asked.model.clone(), String::new());
    Job { plan, model, name: format!("seed {seed}"), place: None, pasted, id, file: None }
}

/// Draws jobs one after the other and prints their files.
pub fn draw_jobs(mut jobs: Vec<Job>, mut studios: Studios, output: &OutputArgs, terminal: Terminal) -> CommandResult {
    let mut store = Output::new(output.output.as_deref(), jobs.len())?;
    let on_done = if output.json { watch::file_as_json } else { watch::file_name };
    let mut watch = Watch::new(terminal, output.json, on_done);
    for job in &mut jobs {
        for found in studios.check(&job.plan, &job.model)? {
            watch.event(app::Event::Found(&found));
        }
        if output.json {
            job.id = studios.id(&job.plan, &job.model)?;
        }
    }
    let order: Vec<usize> = (0..jobs.len()).collect();
    let outcome = app::draw(&jobs, &order, &mut studios, &mut store, &mut watch);
    let outcome = watch.end(outcome)?;
    Ok(app::some_failed(&outcome, jobs.len())?)
}
