//! Pictures for a study: each distinct plan drawn once into a folder of cells, and what that cost.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::catalogue::ModelFiles;
use super::draw::{Event, Flow, Job, Sink, draw, interrupted, some_failed};
use super::error::{Error, ErrorKind, Result};
use super::renderer::Renderer;
use super::store::Cells;
use crate::diagnostic::code;
use crate::engine::{self, Features};
use crate::plan::Plan;
use crate::say;
use crate::study::metrics::Measured;
use crate::study::report::Work;
use crate::study::tune::{Look, Seen};

/// Who draws, with what, and where to.
pub struct Easel<'a> {
    pub renderer: &'a mut dyn Renderer,
    pub model: &'a ModelFiles,
    /// The folder of the pictures; those that are there already are not drawn again.
    pub cells: PathBuf,
    pub sink: &'a mut dyn Sink,
    /// What it has cost in this run.
    pub work: Work,
    /// Pictures that were asked for before, and that are expected in all: whoever watches is told of the whole study.
    before: usize,
    expected: usize,
}

impl<'a> Easel<'a> {
    pub fn new(renderer: &'a mut dyn Renderer, model: &'a ModelFiles, cells: PathBuf, sink: &'a mut dyn Sink) -> Self {
        Easel { renderer, model, cells, sink, work: Work::default(), before: 0, expected: 0 }
    }

    /// Says that about so many pictures are still to come.
    pub fn expect(&mut self, pictures: usize) {
        self.expected = self.before + pictures;
    }

    /// Draws what is not there yet; gives the files.
    pub fn draw(&mut self, plans: Vec<(String, Plan)>) -> Result<Vec<PathBuf>> {
        let jobs = self.jobs(plans)?;
        self.renderer.fits(&jobs)?;
        let (work, outer, before, expected) = (&mut self.work, &mut *self.sink, self.before, self.expected);
        let mut begun = (before, expected.max(before + jobs.len()));
        let mut count = |event: Event<'_>| {
            match &event {
                Event::Engine(engine::Event::Predicted { .. }) => work.evaluations += 1,
                Event::Engine(engine::Event::Encoded) => work.text_encodings += 1,
                Event::Done { .. } => work.drawn += 1,
                _ => {}
            }
            let event = event.within(before, expected);
            if let Event::Begin { number, of, .. } = &event {
                begun = (number.saturating_sub(1), *of);
            }
            outer.event(event)
        };
        let order: Vec<usize> = (0..jobs.len()).collect();
        let outcome = draw(&jobs, &order, self.renderer, &mut Cells::new(&self.cells)?, &mut count);
        // Of the whole study, as whoever watches was told.
        let outcome = outcome.map_err(|error| match error.kind {
            ErrorKind::Interrupted => interrupted(begun.0, begun.1),
            _ => error,
        })?;
        self.before += jobs.len();
        some_failed(&outcome, jobs.len())?;
        outcome.files.into_iter().map(|file| file.ok_or_else(missing)).collect()
    }

    /// Plans as jobs under their names.
    pub fn jobs(&mut self, plans: Vec<(String, Plan)>) -> Result<Vec<Job>> {
        let job = |(name, plan)| {
            let id = self.renderer.id(&plan, self.model)?;
            let model = self.model.clone();
            Ok(Job { plan, model, name, place: None, pasted: None, id, file: None })
        };
        plans.into_iter().map(job).collect()
    }

    /// What the checkpoint itself sees in a picture; nothing where another host has it.
    fn see(&mut self, picture: &image::RgbImage) -> Result<Option<Features>> {
        let Some(studios) = self.renderer.studios() else { return Ok(None) };
        let sink = &mut *self.sink;
        let features = studios.get(self.model)?.see(picture, &mut |event| match sink.event(Event::Engine(&event)) {
            Flow::Stop => ControlFlow::Break(()),
            Flow::Go | Flow::Finish => ControlFlow::Continue(()),
        });
        features.map(Some)
    }

    /// A picture, measured; `sees` says whether the checkpoint looks at it, too.
    pub fn look(&mut self, picture: &image::RgbImage, sees: bool) -> Result<Look> {
        let seen = if sees { self.see(picture)? } else { None };
        let seen = seen.map(|Features { content, channels, style }| Seen { content, channels, style });
        Ok(Look { measured: Measured::new(picture), seen })
    }

    /// Says what is surprising about the files of a plan.
    pub fn check(&mut self, plan: &Plan) -> Result<()> {
        for found in self.renderer.check(plan, self.model)? {
            self.sink.event(Event::Found(&found));
        }
        Ok(())
    }
}

/// The error of a picture that should be there.
pub fn missing() -> Error {
    Error::file(code::NO_FILE, say!("a picture is missing", "画像がありません"))
}
