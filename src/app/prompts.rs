//! Prompts to pictures in files: what is asked for, the jobs of it, and the files they become.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalogue::ModelFiles;
use super::draw::{Event, Job, Jobs, Kept, Look, Sink, Store, draw, some_failed};
use super::error::{Error, Result};
use super::renderer::Renderer;
use super::session::{Asked, Pictures, Session};
use super::source::{plans, words};
use super::store::Output;
use super::studio::Picture;
use crate::diagnostic::{Diagnostic, code};
use crate::infotext::Pasted;
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
        return Err(no_picture(texts, found));
    }
    Ok((asked, found))
}

fn no_picture(texts: &[String], found: Vec<Diagnostic>) -> Error {
    let names = texts.join(", ");
    let message = say!("{names}: nothing is asked for", "{names}: 描くものがありません");
    Error::words(code::BAD_LINE, message).after(found)
}

/// The pictures of everything that is asked for, in order.
pub struct PromptJobs<'s> {
    session: &'s Session,
    lines: Vec<Line>,
    /// For each line, how many pictures those before it have.
    starts: Vec<usize>,
    count: usize,
}

/// The pictures of one prompt.
struct Line {
    pictures: Pictures,
    model: ModelFiles,
    pasted: Option<Arc<Pasted>>,
}

impl<'s> PromptJobs<'s> {
    fn new(session: &'s Session) -> Self {
        PromptJobs { session, lines: Vec::new(), starts: Vec::new(), count: 0 }
    }

    fn push(&mut self, pictures: Pictures, model: ModelFiles, pasted: Option<Arc<Pasted>>) {
        self.starts.push(self.count);
        self.count += usize::try_from(pictures.count()).unwrap_or(usize::MAX);
        self.lines.push(Line { pictures, model, pasted });
    }

    /// Adds what `asked` asks for; gives what is to be said about it.
    fn ask(&mut self, asked: &Asked) -> Vec<Diagnostic> {
        let (pictures, found) = self.session.pictures(asked, &self.session.presets);
        if let Some(pictures) = pictures {
            let pasted = asked.pasted.as_ref().map(|pasted| Arc::new((**pasted).clone()));
            self.push(pictures, asked.model.clone(), pasted);
        }
        found
    }

    /// All of them, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Result<Cow<'_, Job>>> {
        (0..self.count).map(|n| self.get(n))
    }
}

impl Jobs for PromptJobs<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn get(&self, number: usize) -> Result<Cow<'_, Job>> {
        let at = self.starts.partition_point(|start| *start <= number).saturating_sub(1);
        let Line { pictures, model, pasted } = &self.lines[at];
        let image = (number - self.starts[at]) as u64;
        let plan = pictures.plan(self.session, &self.session.presets, image).ok_or_else(no_plan)?;
        let name = format!("seed {}", plan.settings().seed);
        // The first image alone is compared with the pasted hashes.
        let pasted = pasted.clone().filter(|_| image == 0);
        Ok(Cow::Owned(Job { plan, model: model.clone(), name, place: None, pasted, id: String::new(), file: None }))
    }
}

/// What was planned once cannot be planned again.
pub(super) fn no_plan() -> Error {
    Error::words(
        code::BAD_PLAN,
        say!("the plan of a picture cannot be made any more", "画像の計画が作れなくなりました"),
    )
}

/// The jobs of everything that is asked for. Where anything refuses, there are none and all that was found is the error.
pub fn jobs<'s>(
    session: &'s Session,
    asked: &[Asked],
    mut found: Vec<Diagnostic>,
) -> Result<(PromptJobs<'s>, Vec<Diagnostic>)> {
    let mut jobs = PromptJobs::new(session);
    for asked in asked {
        found.extend(jobs.ask(asked));
    }
    if session.refuses(&found) { Err(Error::refused(found)) } else { Ok((jobs, found)) }
}

/// The jobs of plans in files: JSON, or images that hold them; of other images those of their infotexts. And what is to be said about
/// them.
pub fn jobs_of_plans<'s>(session: &'s Session, files: &[PathBuf]) -> Result<(PromptJobs<'s>, Vec<Diagnostic>)> {
    let (mut all, mut found) = (PromptJobs::new(session), session.found.clone());
    for path in files {
        match plans(path)? {
            Some(plans) => {
                let name = path.display();
                let of_file = |found: Diagnostic| found.note(say!("in {name}", "ファイル: {name}"));
                found.extend(plans.iter().flat_map(|plan| session.check(plan)).map(of_file));
                for plan in plans {
                    let model = session.model_of(&plan)?;
                    all.push(Pictures::of_plan(plan), model, None);
                }
            }
            None => {
                let asked = session.ask_file(path, &mut found)?;
                asked.iter().for_each(|asked| found.extend(all.ask(asked)));
            }
        }
    }
    if session.refuses(&found) {
        return Err(Error::refused(found));
    }
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if all.count == 0 { Err(no_picture(&names, found)) } else { Ok((all, found)) }
}

/// The seeds that were drawn, if any were.
pub fn drawn_seeds(asked: &[Asked], jobs: &PromptJobs<'_>) -> Option<Diagnostic> {
    const SHOWN: usize = 4;
    if !asked.iter().any(|asked| asked.open_seed) {
        return None;
    }
    let first = jobs.iter().take(SHOWN).filter_map(Result::ok);
    let seeds: Vec<String> = first.map(|job| job.plan.settings().seed.to_string()).collect();
    let (seeds, more) = (seeds.join(", "), if jobs.count > SHOWN { ", …" } else { "" });
    Some(Diagnostic::new(code::SEED, say!("seed {seeds}{more}", "シード {seeds}{more}")))
}

/// Whether `count` pictures could be written into `output`, as [`draw_into`] finds out; nothing is made.
pub fn could_be_drawn_into(output: Option<&Path>, count: usize) -> Result<()> {
    Output::could_be(output, count)
}

/// Opens the files of all jobs, without drawing: what is to be said about them.
pub fn check_files(jobs: &PromptJobs<'_>, renderer: &mut dyn Renderer) -> Result<Vec<Diagnostic>> {
    let mut found = Vec::new();
    for line in &jobs.lines {
        found.extend(renderer.check(line.pictures.first(), &line.model)?);
    }
    Ok(found)
}

/// Draws jobs one after the other into `output`, a file or a folder for numbered files; with their ids where they are wanted.
pub fn draw_into(
    jobs: &PromptJobs<'_>,
    output: Option<&Path>,
    ids: bool,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut store = Told { output: Output::new(output, jobs.count)?, ids };
    for found in check_files(jobs, renderer)? {
        sink.event(Event::Found(&found));
    }
    let order: Vec<usize> = (0..jobs.count).collect();
    let outcome = draw(jobs, &order, renderer, &mut store, sink)?;
    some_failed(&outcome, jobs.count)
}

/// An output, and whether its pictures are told with their ids.
struct Told {
    output: Output,
    ids: bool,
}

impl Store for Told {
    fn wants_ids(&self) -> bool {
        self.ids
    }

    fn look(&mut self, job: &Job) -> Result<Look> {
        self.output.look(job)
    }

    fn keep(&mut self, job: &Job, picture: &Picture) -> Result<Kept> {
        self.output.keep(job, picture)
    }
}
