//! Prompts to pictures in files: what is asked for, the jobs of it, and the files they become.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalogue::ModelFiles;
use super::draw::{Event, Job, Sink, draw, some_failed};
use super::error::{Error, Result};
use super::renderer::Renderer;
use super::session::{Asked, Session};
use super::source::{plans, words};
use super::store::Output;
use crate::diagnostic::{Diagnostic, code};
use crate::plan::Plan;
use crate::say;

/// What prompts or pasted infotexts ask for, and what is to be said about them and about the files they are read with.
pub fn ask(session: &Session, texts: &[String]) -> Result<(Vec<Asked>, Vec<Diagnostic>)> {
    let (mut asked, mut found) = (Vec::new(), session.found.clone());
    for text in texts {
        let entry = words(text, &mut found).and_then(|entry| session.ask(entry, &mut found));
        asked.push(entry.map_err(|error| error.after(found.clone()))?);
    }
    Ok((asked, found))
}

/// The same, where each of the first `files` texts that is the name of a file or folder stands for what is in it.
pub fn ask_texts_or_files(session: &Session, texts: &[String], files: usize) -> Result<(Vec<Asked>, Vec<Diagnostic>)> {
    let (mut asked, mut found) = (Vec::new(), session.found.clone());
    for (at, text) in texts.iter().enumerate() {
        let path = Path::new(text);
        let some = match at < files && path.exists() {
            true => session.ask_file(path, &mut found),
            false => words(text, &mut found).and_then(|entry| session.ask(entry, &mut found)).map(|asked| vec![asked]),
        };
        asked.extend(some.map_err(|error| error.after(found.clone()))?);
    }
    if asked.is_empty() && !session.refuses(&found) {
        return Err(no_picture(found));
    }
    Ok((asked, found))
}

fn no_picture(found: Vec<Diagnostic>) -> Error {
    let message = say!("the files ask for no picture", "ファイルには描くものがありません");
    Error::words(code::BAD_LINE, message).after(found)
}

/// The jobs of everything that is asked for. Where anything refuses, there are none and all that was found is the error.
pub fn jobs(session: &Session, asked: &[Asked], mut found: Vec<Diagnostic>) -> Result<(Vec<Job>, Vec<Diagnostic>)> {
    let mut jobs = Vec::new();
    for asked in asked {
        let (plans, said) = session.plan(asked);
        jobs.extend(plans.into_iter().map(|plan| job(plan, asked)));
        found.extend(said);
    }
    if session.refuses(&found) { Err(Error::refused(found)) } else { Ok((jobs, found)) }
}

fn job(plan: Plan, asked: &Asked) -> Job {
    let seed = plan.settings().seed;
    let pasted = asked.pasted.as_ref().map(|pasted| Arc::new((**pasted).clone()));
    // The first image alone is compared with the pasted hashes.
    let pasted = pasted.filter(|_| seed == asked.request.settings.seed);
    let (model, id) = (asked.model.clone(), String::new());
    Job { plan, model, name: format!("seed {seed}"), place: None, pasted, id, file: None }
}

/// The jobs of plans in files: JSON, or images that hold them; of other images those of their infotexts. And what is to be said about
/// them.
pub fn jobs_of_plans(session: &Session, files: &[PathBuf]) -> Result<(Vec<Job>, Vec<Diagnostic>)> {
    let (mut all, mut found) = (Vec::new(), session.found.clone());
    for path in files {
        match plans(path)? {
            Some(plans) => {
                found.extend(plans.iter().flat_map(|plan| session.check(plan)));
                for plan in plans {
                    let model = session.model_of(&plan)?;
                    all.push(job_of_plan(plan, model));
                }
            }
            None => {
                let asked = session.ask_file(path, &mut found)?;
                for asked in &asked {
                    let (plans, said) = session.plan(asked);
                    all.extend(plans.into_iter().map(|plan| job(plan, asked)));
                    found.extend(said);
                }
            }
        }
    }
    if session.refuses(&found) {
        return Err(Error::refused(found));
    }
    if all.is_empty() { Err(no_picture(found)) } else { Ok((all, found)) }
}

fn job_of_plan(plan: Plan, model: ModelFiles) -> Job {
    let name = format!("seed {}", plan.settings().seed);
    Job { plan, model, name, place: None, pasted: None, id: String::new(), file: None }
}

/// The seeds that were drawn, if any were.
pub fn drawn_seeds(asked: &[Asked], jobs: &[Job]) -> Option<Diagnostic> {
    const SHOWN: usize = 4;
    if !asked.iter().any(|asked| asked.open_seed) {
        return None;
    }
    let seeds: Vec<String> = jobs.iter().take(SHOWN).map(|job| job.plan.settings().seed.to_string()).collect();
    let (seeds, more) = (seeds.join(", "), if jobs.len() > SHOWN { ", …" } else { "" });
    Some(Diagnostic::new(code::SEED, say!("seed {seeds}{more}", "シード {seeds}{more}")))
}

/// Whether `count` pictures could be written into `output`, as [`draw_into`] finds out; nothing is made.
pub fn could_be_drawn_into(output: Option<&Path>, count: usize) -> Result<()> {
    Output::could_be(output, count)
}

/// Draws jobs one after the other into `output`, a file or a folder for numbered files; with their ids where they are wanted.
pub fn draw_into(
    mut jobs: Vec<Job>,
    output: Option<&Path>,
    ids: bool,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut store = Output::new(output, jobs.len())?;
    for job in &mut jobs {
        for found in renderer.check(&job.plan, &job.model)? {
            sink.event(Event::Found(&found));
        }
        if ids {
            job.id = renderer.id(&job.plan, &job.model)?;
        }
    }
    let order: Vec<usize> = (0..jobs.len()).collect();
    let outcome = draw(&jobs, &order, renderer, &mut store, sink)?;
    some_failed(&outcome, jobs.len())
}
