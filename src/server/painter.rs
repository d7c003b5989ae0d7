//! The one thread that draws: it alone has the engines, and takes job after job.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::json;

use super::clock;
use super::jobs::{Job, Order, Sent, Status, Turn, Work};
use super::state::Server;
use super::study;
use crate::app::api::{Drawing, Task, encode_picture, encoded, info, sent_as};
use crate::app::{EngineSettings, Error, ErrorKind, Live, Output, Renderer, Stop, Studios};
use crate::diagnostic::code;
use crate::say;

pub struct Painter {
    server: Arc<Server>,
    settings: EngineSettings,
    studios: Studios,
}

impl Painter {
    pub fn new(server: Arc<Server>, settings: EngineSettings) -> Self {
        let studios = Studios::new(server.files().session.clone(), settings.clone()).keeping(server.settings.models);
        Painter { server, settings, studios }
    }

    /// Draws until the end.
    pub fn run(mut self) {
        while let Some(turn) = self.server.clone().jobs.next() {
            match turn {
                Turn::Order(order, done) => {
                    let obeyed = self.guarded(|painter| painter.obey(order));
                    // Who gave the order may be gone.
                    let _ = done.send(obeyed);
                }
                Turn::Job(job) => self.work(&job),
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), Error> {
        match order {
            Order::Unload => self.forget(),
            Order::Refresh => {
                let session = self.server.files().session.clone();
                if self.studios.refresh(session).is_err() {
                    self.forget();
                }
            }
            Order::Load => self.load()?,
        }
        Ok(())
    }

    /// Reads the weights that the next job will most likely need.
    fn load(&mut self) -> Result<(), Error> {
        let server = self.server.clone();
        let options = server.options();
        // Which model there is not is told by the request that needs it.
        if let Ok(model) = server.with_reader(|reader| reader.model(&options)) {
            self.studios.use_model(&model)?.engine.load(&mut |_| std::ops::ControlFlow::Continue(()))?;
        }
        Ok(())
    }

    /// Does what may panic: that ends the engines, and neither this thread nor the server.
    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            // What the engine was in the middle of is not to be trusted.
            self.forget();
            Err(Error::file(code::PICTURE_FAILED, say!("the engine failed", "エンジンが異常終了しました")))
        })
    }

    /// Closes the engines.
    fn forget(&mut self) {
        let studios = Studios::new(self.server.files().session.clone(), self.settings.clone());
        self.studios = studios.keeping(self.server.settings.models);
    }

    fn work(&mut self, job: &Arc<Job>) {
        job.change(|state| {
            state.status = Status::Running;
            state.started = Some(std::time::Instant::now());
            state.timestamp = clock::timestamp();
        });
        self.server.jobs.events.send("started", &job.id, json!({ "kind": job.kind }));
        let work = super::lock::lock(&job.work).take();
        let done = self.guarded(|painter| match work {
            Some(Work::Draw(drawing)) => painter.draw(job, &drawing),
            Some(Work::Analyze(drawing, wish)) => {
                study::analysis(&painter.server, &mut painter.studios, job, &drawing, &wish).map(drop)
            }
            Some(Work::Tune(drawings, wish)) => {
                study::tuning(&painter.server, &mut painter.studios, job, &drawings, &wish)
            }
            Some(Work::Atlas(drawings, wish)) => {
                study::atlas(&painter.server, &mut painter.studios, job, &drawings, &wish)
            }
            Some(Work::Batch(batch)) => study::batch(&painter.server, &mut painter.studios, job, &batch),
            None => Ok(()),
        });
        let status = match done {
            _ if job.wanted() == Stop::GiveUp => Status::Cancelled,
            Ok(()) => Status::Done,
            Err(error) if error.kind == ErrorKind::Interrupted => Status::Cancelled,
            Err(error) => {
                job.change(|state| state.error = Some(Arc::new(error)));
                Status::Failed
            }
        };
        self.server.jobs.finish(job, status);
    }

    fn draw(&mut self, job: &Arc<Job>, drawing: &Drawing) -> Result<(), Error> {
        for picture in &drawing.asked.pictures {
            self.studios.add_picture(picture.clone());
        }
        let drawn = match &drawing.task {
            Task::Pictures => self.pictures(job, drawing),
            Task::Plot(wish) => study::plot(&self.server, &mut self.studios, job, drawing, wish),
            Task::Analysis(wish) => study::grids_of_analysis(&self.server, &mut self.studios, job, drawing, wish),
        };
        for picture in &drawing.asked.pictures {
            self.studios.remove_picture(picture.id());
        }
        drawn
    }

    fn pictures(&mut self, job: &Arc<Job>, drawing: &Drawing) -> Result<(), Error> {
        let (model, files) = (&drawing.asked.model, self.server.files());
        let config = &files.session.catalogue.config;
        let format = sent_as(&drawing.options, config);
        let every = drawing.options.value(config, "show_progress_every_n_steps").as_u64().unwrap_or(0) as usize;
        let previews = Some(every).filter(|n| *n > 0 && drawing.options.is_on(config, "live_previews_enable"));
        let (mut output, mut found) = (None, drawing.found.clone());
        job.change(|state| {
            state.images = drawing.plans.len();
            state.passes = drawing.plans.iter().map(|plan| plan.passes().count()).sum();
        });
        let mut passes = 0;
        for (number, plan) in drawing.plans.iter().enumerate() {
            let studio = self.studios.use_model(model)?;
            found.extend(studio.check(plan)?);
            job.next_picture();
            job.change(|state| (state.image, state.pass, state.step, state.steps) = (number, passes, 0, 0));
            let mut last = None;
            let picture = studio.draw_live(plan, previews, &mut |live| {
                self.server.watch(job, number, &mut last, live);
                job.wanted_of_picture()
            })?;
            passes += plan.passes().count();
            if let Some(picture) = picture {
                let seed = plan.settings().seed;
                if drawing.fields.is_on("save_images") {
                    self.server.output(&mut output)?.write(seed, &picture)?;
                }
                let (bytes, media) = (encoded(&picture, format)?, format.media());
                let sent = Sent { bytes, media, infotext: picture.parameters, seed };
                job.change(|state| state.sent.push(Arc::new(sent)));
            }
            if job.wanted() != Stop::No {
                break;
            }
        }
        found.extend(self.studios.take_found());
        if let Some(first) = drawing.plans.first() {
            let models = self.studios.get(model)?.model_info(first)?;
            let texts = job.state(|state| state.sent.iter().map(|sent| sent.infotext.clone()).collect());
            let timestamp = job.state(|state| state.timestamp.clone());
            let info = info(drawing, &drawing.plans, &models, texts, &found, [&timestamp, &job.id]);
            job.change(|state| state.info = Some(Arc::new(info)));
        }
        Ok(())
    }
}

impl Server {
    /// Today's folder of saved pictures, opened once for each job.
    fn output<'a>(&self, open: &'a mut Option<Output>) -> Result<&'a mut Output, Error> {
        let folder = self.settings.save_folder.join(clock::today());
        Ok(match open.take() {
            Some(output) => open.insert(output),
            None => open.insert(Output::new(Some(&folder), usize::MAX)?),
        })
    }

    /// Notes how far a picture is, and tells listeners.
    fn watch(&self, job: &Job, image: usize, last: &mut Option<usize>, live: Live<'_>) {
        let event = match live {
            Live::Engine(event) => event,
            Live::Preview(picture) => {
                // A preview that cannot be packed is none.
                if let Ok(png) = encode_picture(&picture) {
                    let number = job.put_preview(png);
                    let url = format!("/lbw/v1/jobs/{}/preview?n={number}", job.id);
                    self.jobs.events.send("preview", &job.id, json!({ "url": url, "image": image }));
                }
                return;
            }
        };
        if let Some((step, steps)) = event.step() {
            job.change(|state| {
                // Steps begin anew with every pass.
                if last.is_some_and(|last| step <= last) {
                    state.pass += 1;
                }
                (state.step, state.steps) = (step, steps);
            });
            *last = Some(step);
            self.jobs.events.send("step", &job.id, json!({ "step": step, "steps": steps, "image": image }));
        } else if let Some(parameters) = event.merged() {
            self.jobs.events.send("merged", &job.id, json!({ "parameters": parameters }));
        }
    }
}
