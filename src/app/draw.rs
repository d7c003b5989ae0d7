//! The one loop that draws: jobs in order, each drawn where its picture is not there yet, each told about, until all are done or
//! whoever watches says stop.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::catalogue::ModelFiles;
use super::error::{Error, ErrorKind, Result};
use super::renderer::{Renderer, Sign};
use super::studio::Picture;
use crate::batch::Place;
use crate::diagnostic::{Diagnostic, code};
use crate::engine;
use crate::infotext::{Infotext, Pasted};
use crate::plan::Plan;
use crate::say;

/// How long to wait before looking whether another worker has finished or died.
const WAIT: Duration = Duration::from_millis(200);

/// A picture that is wanted.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is drawn.
    pub plan: Plan,
    /// With which checkpoint and VAE.
    pub model: ModelFiles,
    /// What people know it by: a label, a line, a seed.
    pub name: String,
    /// Where it was asked for.
    pub place: Option<Place>,
    /// What an infotext says about the files it was drawn with.
    pub pasted: Option<Arc<Pasted>>,
    /// The picture's identity, [`Renderer::id`].
    pub id: String,
    /// The name its file is to have, where that is settled.
    pub file: Option<String>,
}

/// Pictures that are wanted, each made when its turn comes: there may be more than there is memory for their plans.
pub trait Jobs {
    /// How many.
    fn count(&self) -> usize;
    /// The one of this number.
    fn get(&self, number: usize) -> Result<Cow<'_, Job>>;
}

impl Jobs for Vec<Job> {
    fn count(&self) -> usize {
        self.len()
    }

    fn get(&self, number: usize) -> Result<Cow<'_, Job>> {
        Ok(Cow::Borrowed(&self[number]))
    }
}

/// Where pictures go, and which are there already.
pub trait Store {
    /// Whether jobs are to have their ids.
    fn wants_ids(&self) -> bool {
        false
    }

    /// What is to be done about `job`.
    fn look(&mut self, job: &Job) -> Result<Look>;
    /// Keeps a finished picture, whole or not at all; says where.
    fn keep(&mut self, job: &Job, picture: &Picture) -> Result<Kept>;
    /// Whether the picture of `job` is there, as far as that is known without a look.
    fn has(&self, _: &Job) -> bool {
        false
    }
    /// Remembers that a picture could not be drawn.
    fn failed(&mut self, _job: &Job, _error: &Error) -> Result<()> {
        Ok(())
    }
    /// Others may have been at work meanwhile.
    fn refresh(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a [`Store`] says about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The picture is there, whole.
    There(PathBuf),
    /// Somebody else is drawing it.
    Busy,
    /// It is to be drawn; where it will be, if that is known.
    Draw(Option<PathBuf>),
}

/// Where a picture is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub file: PathBuf,
    /// CRC-32 of its bytes, where it was needed.
    pub crc32: Option<u32>,
}

/// What happens while jobs are drawn. `done` of `of` pictures are there.
#[allow(missing_docs, reason = "the variants tell what their fields are")]
pub enum Event<'a> {
    /// Something is to be said.
    Found(&'a Diagnostic),
    /// A job is drawn now; the first is number 1.
    Begin { job: &'a Job, number: usize, of: usize, file: Option<&'a Path> },
    /// What the engine does for it.
    Engine(&'a engine::Event<'a>),
    /// So much of it is drawn elsewhere, of 100.
    Elsewhere { percent: usize },
    /// Its picture was there already.
    There { job: &'a Job, file: &'a Path, done: usize, of: usize },
    /// Its picture is there now.
    Done { job: &'a Job, kept: &'a Kept, picture: &'a Picture, done: usize, of: usize },
    /// It could not be drawn.
    Failed { job: &'a Job, error: &'a Error, done: usize, of: usize },
}

impl Event<'_> {
    /// The same where `before` pictures came before these jobs, and `expected` are expected in all.
    pub fn within(self, before: usize, expected: usize) -> Self {
        let all = |of: usize| (before + of).max(expected);
        match self {
            Event::Begin { job, number, of, file } => Event::Begin { job, number: before + number, of: all(of), file },
            Event::There { job, file, done, of } => Event::There { job, file, done: before + done, of: all(of) },
            Event::Done { job, kept, picture, done, of } => {
                Event::Done { job, kept, picture, done: before + done, of: all(of) }
            }
            Event::Failed { job, error, done, of } => Event::Failed { job, error, done: before + done, of: all(of) },
            other => other,
        }
    }
}

/// What whoever watches wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// Go on.
    Go,
    /// Finish this picture and stop.
    Finish,
    /// Stop now, in the middle of the picture.
    Stop,
}

/// Sees what happens, and may stop it.
pub trait Sink {
    /// Told of every event.
    fn event(&mut self, event: Event<'_>) -> Flow;
}

impl<F: FnMut(Event<'_>) -> Flow> Sink for F {
    fn event(&mut self, event: Event<'_>) -> Flow {
        self(event)
    }
}

/// What became of the jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The file of each job that has one, in the order of the jobs.
    pub files: Vec<Option<PathBuf>>,
    /// Pictures that are there now.
    pub done: usize,
    /// Of these, pictures that were there before.
    pub were_there: usize,
    /// Jobs that failed.
    pub failed: usize,
}

/// Draws `jobs` in `order`. A job that fails is told and the others go on, unless it is the only one; an error of the store ends
/// everything. Stopped, it is an error of the kind [`ErrorKind::Interrupted`].
pub fn draw(
    jobs: &dyn Jobs,
    order: &[usize],
    renderer: &mut dyn Renderer,
    store: &mut dyn Store,
    sink: &mut dyn Sink,
) -> Result<Outcome> {
    let of = order.len();
    let mut outcome = Outcome { files: vec![None; jobs.count()], ..Outcome::default() };
    let mut left: Vec<usize> = order.to_vec();
    let mut flow = Flow::Go;
    while !left.is_empty() {
        let mut busy = Vec::new();
        for (at, n) in left.iter().copied().enumerate() {
            if flow > Flow::Go {
                return Err(interrupted(outcome.done, of));
            }
            let mut job = jobs.get(n)?;
            if store.wants_ids() && job.id.is_empty() {
                let id = renderer.id(&job.plan, &job.model)?;
                job.to_mut().id = id;
            }
            let job = &*job;
            let file = match store.look(job)? {
                Look::There(file) => {
                    outcome.done += 1;
                    outcome.were_there += 1;
                    flow = flow.max(sink.event(Event::There { job, file: &file, done: outcome.done, of }));
                    outcome.files[n] = Some(file);
                    continue;
                }
                Look::Busy => {
                    busy.push(n);
                    continue;
                }
                Look::Draw(file) => file,
            };
            let mut next = Vec::new();
            for n in left.iter().skip(at + 1) {
                if next.len() >= renderer.looks_ahead() {
                    break;
                }
                next.extend(Some(jobs.get(*n)?).filter(|job| !store.has(job)));
            }
            renderer.ahead(&next.iter().map(|job| &**job).collect::<Vec<_>>());
            let number = outcome.done + outcome.failed + 1;
            flow = flow.max(sink.event(Event::Begin { job, number, of, file: file.as_deref() }));
            match draw_one(job, renderer, sink, &mut flow) {
                Ok(picture) => {
                    let kept = store.keep(job, &picture)?;
                    outcome.done += 1;
                    for found in other_files(job, &picture.parameters) {
                        flow = flow.max(sink.event(Event::Found(&found)));
                    }
                    let done = Event::Done { job, kept: &kept, picture: &picture, done: outcome.done, of };
                    flow = flow.max(sink.event(done));
                    outcome.files[n] = Some(kept.file);
                }
                Err(error) if error.kind == ErrorKind::Interrupted => return Err(interrupted(outcome.done, of)),
                Err(error) => {
                    store.failed(job, &error)?;
                    if of == 1 {
                        return Err(error);
                    }
                    outcome.failed += 1;
                    let event = Event::Failed { job, error: &error, done: outcome.done, of };
                    flow = flow.max(sink.event(event));
                }
            }
        }
        left = busy;
        if !left.is_empty() {
            std::thread::sleep(WAIT);
            store.refresh()?;
        }
    }
    Ok(outcome)
}

fn draw_one(job: &Job, renderer: &mut dyn Renderer, sink: &mut dyn Sink, flow: &mut Flow) -> Result<Picture> {
    if *flow == Flow::Stop {
        return Err(interrupted(0, 0));
    }
    renderer.draw(job, &mut |sign| {
        let event = match sign {
            Sign::Engine(event) => Event::Engine(event),
            Sign::Elsewhere(percent) => Event::Elsewhere { percent },
            Sign::Found(found) => Event::Found(found),
        };
        *flow = (*flow).max(sink.event(event));
        if *flow == Flow::Stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// The error of pictures that were stopped after `done` of them.
pub fn interrupted(done: usize, of: usize) -> Error {
    let message = say!("interrupted after {done} of {of} pictures", "{of} 枚のうち {done} 枚で中断しました");
    Error::new(ErrorKind::Interrupted, code::INTERRUPTED, message)
}

/// Which files are not those that a pasted text was made with.
fn other_files(job: &Job, parameters: &str) -> Vec<Diagnostic> {
    let Some(pasted) = &job.pasted else { return Vec::new() };
    let Ok(drawn) = Infotext::parse(parameters).paste() else { return Vec::new() };
    let others = pasted.other_files(&drawn).into_iter();
    others
        .map(|(what, pasted, here)| {
            let message = say!(
                "{what} is not the one of the pasted text: hash {here} instead of {pasted}",
                "{what}は貼り付けた文のものとは違います: ハッシュは {pasted} ではなく {here} です",
                with what
            );
            Diagnostic::new(code::OTHER_FILE, message)
        })
        .collect()
}

/// The error of an outcome with failures.
pub fn some_failed(outcome: &Outcome, of: usize) -> Result<()> {
    match outcome.failed {
        0 => Ok(()),
        failed => {
            let message = say!("{failed} of {of} pictures failed", "{of} 枚のうち {failed} 枚が失敗しました");
            Err(Error::new(ErrorKind::SomeFailed, code::SOME_FAILED, message))
        }
    }
}
