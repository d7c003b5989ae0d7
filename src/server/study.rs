//! Plots, analyses and batches as jobs: their pictures are told as they come.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::jobs::{Batch, Job, Sent};
use super::state::Server;
use crate::app::Job as Drawn;
use crate::app::api::{Drawing, info};
use crate::app::{
    Asked, Error, Event, Flow, ScratchFolder, Session, Stop, Studios, analyze, atlas, batch as batches, fingerprint,
    plan_of_text, read_bytes, tune, xyz,
};
use crate::diagnostic::{Diagnostic, Language};

/// Bytes of pictures that a batch keeps for those who watch; the files have them all.
const KEPT: usize = 32 << 20;

/// Tells what happens to a job that draws many pictures.
struct Teller<'a> {
    server: &'a Server,
    job: &'a Job,
    /// What is called when a picture is there.
    event: &'static str,
    found: Vec<Diagnostic>,
    /// The plan of the last picture, as JSON.
    last: Option<String>,
    bars: Option<analyze::Bars>,
}

impl<'a> Teller<'a> {
    fn new(server: &'a Server, job: &'a Job, event: &'static str) -> Self {
        Teller { server, job, event, found: Vec::new(), last: None, bars: None }
    }

    fn hear(&mut self, event: &Event<'_>) -> Flow {
        match event {
            Event::Found(found) => {
                self.found.push((*found).clone());
                let found = found.to_json(Language::En);
                self.server.jobs.events.send("found", &self.job.id, json!({ "finding": found }));
            }
            Event::Begin { number, of, .. } => self.job.change(|state| {
                (state.images, state.passes) = (*of, *of);
                (state.image, state.pass) = (number - 1, number - 1);
                (state.step, state.steps) = (0, 0);
            }),
            Event::Elsewhere { .. } => {}
            Event::Engine(event) => {
                if let Some((step, steps)) = event.step() {
                    let image = self.job.change(|state| {
                        (state.step, state.steps) = (step, steps);
                        state.image
                    });
                    let more = json!({ "step": step, "steps": steps, "image": image });
                    self.server.jobs.events.send("step", &self.job.id, more);
                }
            }
            Event::There { job, file, done, of } => {
                if let Ok(bytes) = read_bytes(file) {
                    self.picture(job, bytes, String::new(), [*done, *of]);
                }
            }
            Event::Done { job, picture, done, of, .. } => {
                self.last = Some(picture.plan.clone());
                if let Ok(bytes) = picture.png() {
                    self.picture(job, bytes, picture.parameters.clone(), [*done, *of]);
                }
            }
            Event::Failed { job, error, .. } => {
                let more = json!({ "name": job.name, "message": &*error.message() });
                self.server.jobs.events.send("failed_picture", &self.job.id, more);
            }
        }
        if self.job.wanted() == Stop::No { Flow::Go } else { Flow::Stop }
    }

    fn picture(&mut self, drawn: &Drawn, bytes: Vec<u8>, infotext: String, [done, of]: [usize; 2]) {
        let (name, settings) = (&drawn.name, drawn.plan.settings());
        let (seed, steps) = (settings.seed, settings.steps);
        let bar = self.bars.as_mut().and_then(|bars| bars.take(name, &bytes));
        let number = self.job.push(Sent { bytes, media: "image/png", infotext, seed }, KEPT);
        let url = format!("/lbw/v1/jobs/{}/images/{number}.png", self.job.id);
        let mut more = json!({ "name": name, "seed": seed, "steps": steps, "url": url, "done": done, "of": of });
        if let (Some(more), Some(Value::Object(bar))) = (more.as_object_mut(), bar) {
            more.extend(bar);
        }
        self.server.jobs.events.send(self.event, &self.job.id, more);
    }
}

/// The grids of an XYZ plot.
pub fn plot(
    server: &Server,
    studios: &mut Studios,
    job: &Job,
    drawing: &Drawing,
    wish: &xyz::Wish,
) -> Result<(), Error> {
    let folder = server.scratch()?;
    let session = Arc::new(server.files().session.with_presets(drawing.presets.clone()));
    let wish = xyz::Wish { output: Some(folder.path().to_owned()), ..wish.clone() };
    let mut teller = Teller::new(server, job, "cell");
    let grids = {
        let mut sink = |event: Event<'_>| teller.hear(&event);
        let prepared = xyz::Prepared::new(&session, &drawing.asked, &wish, studios, &mut sink)?;
        prepared.draw(studios, &mut sink).map(|drawn| drawn.grids)
    };
    let grids = kept(job, grids)?;
    finish(studios, job, drawing, teller, &grids)
}

/// The grids of an analysis, for webui's clients.
pub fn grids_of_analysis(
    server: &Server,
    studios: &mut Studios,
    job: &Job,
    drawing: &Drawing,
    wish: &analyze::Wish,
) -> Result<(), Error> {
    let folder = server.scratch()?;
    let mut teller = Teller::new(server, job, "cell");
    let analyzed = run(server, studios, drawing, wish, folder.path(), &mut teller);
    let grids = analyzed.map(|analyzed| analyzed.report.grids.iter().map(|grid| folder.path().join(grid)).collect());
    let grids = kept(job, grids)?;
    finish(studios, job, drawing, teller, &grids)
}

/// An interrupted plot has no grids, and that is no error.
fn kept(job: &Job, grids: Result<Vec<std::path::PathBuf>, Error>) -> Result<Vec<std::path::PathBuf>, Error> {
    match grids {
        Err(_) if job.wanted() == Stop::Keep => Ok(Vec::new()),
        grids => grids,
    }
}

/// The grids take the place of the cells, and `info` is that of the last cell.
fn finish(
    studios: &mut Studios,
    job: &Job,
    drawing: &Drawing,
    teller: Teller<'_>,
    grids: &[std::path::PathBuf],
) -> Result<(), Error> {
    job.change(|state| state.sent.clear());
    let mut texts = Vec::new();
    for grid in grids {
        let (bytes, infotext) = crate::app::read_picture_file(grid)?;
        texts.push(infotext.clone());
        job.push(Sent { bytes, media: "image/png", infotext, seed: drawing.asked.request.settings.seed }, usize::MAX);
    }
    if let Some(plan) = teller.last.as_deref().and_then(plan_of_text) {
        let models = studios.get(&drawing.asked.model)?.model_info(&plan)?;
        let found = [drawing.found.clone(), teller.found].concat();
        let timestamp = job.state(|state| state.timestamp.clone());
        let info = info(drawing, &[plan], &models, texts, &found, [&timestamp, &job.id]);
        job.change(|state| state.info = Some(Arc::new(info)));
    }
    Ok(())
}

fn run(
    server: &Server,
    studios: &mut Studios,
    drawing: &Drawing,
    wish: &analyze::Wish,
    folder: &Path,
    teller: &mut Teller<'_>,
) -> Result<analyze::Analyzed, Error> {
    let session = Arc::new(server.files().session.with_presets(drawing.presets.clone()));
    let wish = analyze::Wish { output: folder.to_owned(), ..wish.clone() };
    teller.bars = Some(analyze::Bars::new(&wish));
    analyze::analyze(session, drawing.asked.clone(), &wish, studios, &mut |event: Event<'_>| teller.hear(&event))
}

/// The Effective Block Analyzer with its report, whose files become addresses.
pub fn analysis(
    server: &Server,
    studios: &mut Studios,
    job: &Job,
    drawing: &Drawing,
    wish: &analyze::Wish,
) -> Result<(), Error> {
    // The words are another matter than the pictures.
    let measured = analyze::Wish { language: Language::En, ..wish.clone() };
    let asked = fingerprint(format!("{:?} {measured:?}", drawing.asked).as_bytes());
    let folder = server.analysis_folder(asked)?;
    let mut teller = Teller::new(server, job, "block");
    let analyzed = run(server, studios, drawing, wish, folder.path(), &mut teller)?;
    let found = said(std::slice::from_ref(drawing), &teller.found, wish.language);
    publish_all(job, folder.path(), &analyzed.report, analyzed.report.text(), &analyzed.page, found)
}

/// A search for weights with its report.
pub fn tuning(
    server: &Server,
    studios: &mut Studios,
    job: &Job,
    drawings: &[Drawing],
    wish: &tune::Wish,
) -> Result<(), Error> {
    let measured = tune::Wish { language: Language::En, ..wish.clone() };
    let Begun { session, asked, folder } = begun(server, drawings, &measured)?;
    let wish = tune::Wish { output: folder.path().to_owned(), ..wish.clone() };
    let mut teller = Teller::new(server, job, "trial");
    let tuned = tune::tune(session, asked, &wish, studios, &mut |event: Event<'_>| teller.hear(&event))?;
    let text = tuned.report.paragraphs().join("\n");
    let found = said(drawings, &teller.found, wish.language);
    publish_all(job, folder.path(), &tuned.report, text, &tuned.page, found)
}

/// What each block does.
pub fn atlas(
    server: &Server,
    studios: &mut Studios,
    job: &Job,
    drawings: &[Drawing],
    wish: &atlas::Wish,
) -> Result<(), Error> {
    let measured = atlas::Wish { language: Language::En, ..wish.clone() };
    let Begun { session, asked, folder } = begun(server, drawings, &measured)?;
    let wish = atlas::Wish { output: folder.path().to_owned(), ..wish.clone() };
    let mut teller = Teller::new(server, job, "trial");
    let drawn = atlas::atlas(session, asked, &wish, studios, &mut |event: Event<'_>| teller.hear(&event))?;
    let found = said(drawings, &teller.found, wish.language);
    publish_all(job, folder.path(), &drawn.atlas, drawn.atlas.text(), &drawn.page, found)
}

/// What a study of several prompts begins with.
struct Begun {
    session: Arc<Session>,
    asked: Vec<Asked>,
    /// In which the same study goes on.
    folder: Arc<ScratchFolder>,
}

fn begun(server: &Server, drawings: &[Drawing], measured: &impl std::fmt::Debug) -> Result<Begun, Error> {
    let asked: Vec<Asked> = drawings.iter().map(|drawing| drawing.asked.clone()).collect();
    let folder = server.analysis_folder(fingerprint(format!("{asked:?} {measured:?}").as_bytes()))?;
    let presets = drawings.first().map(|drawing| drawing.presets.clone()).unwrap_or_default();
    Ok(Begun { session: Arc::new(server.files().session.with_presets(presets)), asked, folder })
}

/// What is to be said of the requests of a study and of what came of it, each once.
pub fn said(drawings: &[Drawing], found: &[Diagnostic], language: Language) -> Vec<Value> {
    let mut all: Vec<&Diagnostic> = Vec::new();
    for one in drawings.iter().flat_map(|drawing| &drawing.found).chain(found) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.into_iter().map(|one| one.to_json(language)).collect()
}

/// The result of a study: its report, for people and as a page, what was found, and its pictures.
fn publish_all(
    job: &Job,
    folder: &Path,
    report: &impl Serialize,
    text: String,
    page: &Path,
    found: Vec<Value>,
) -> Result<(), Error> {
    job.change(|state| state.sent.clear());
    let mut report = serde_json::to_value(report).unwrap_or_default();
    publish(job, folder, &mut report)?;
    let page = std::fs::read_to_string(page).unwrap_or_default();
    job.change(|state| {
        state.result = Some(Arc::new(json!({ "report": report, "table": text, "page": page, "diagnostics": found })))
    });
    Ok(())
}

/// Every name of a picture in the folder becomes its address.
fn publish(job: &Job, folder: &Path, value: &mut Value) -> Result<(), Error> {
    match value {
        Value::String(name) if name.ends_with(".png") && folder.join(&*name).is_file() => {
            let (bytes, infotext) = crate::app::read_picture_file(&folder.join(&*name))?;
            let number = job.push(Sent { bytes, media: "image/png", infotext, seed: 0 }, usize::MAX);
            *name = format!("/lbw/v1/jobs/{}/images/{number}.png", job.id);
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| publish(job, folder, item)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| publish(job, folder, field)),
        _ => Ok(()),
    }
}

/// A prompt file, drawn into its folder; the same file goes on where it was.
pub fn batch(server: &Server, studios: &mut Studios, job: &Job, batch: &Batch) -> Result<(), Error> {
    let session = server.files().session.clone();
    let mut prepared = batches::Batch::prepare(&session, &batch.wish)?;
    prepared.check_files(studios);
    if let Some(refusal) = prepared.refusal(&batch.wish) {
        return Err(refusal.after(prepared.findings()));
    }
    let mut teller = Teller::new(server, job, "picture");
    let mut sink = |event: Event<'_>| teller.hear(&event);
    let running = batches::run(prepared, &batch.wish, &batch.folder, studios, &mut sink)?;
    let outcome = &running.outcome;
    let result =
        json!({ "done": outcome.done, "were_there": outcome.were_there, "failed": outcome.failed, "of": running.of });
    job.change(|state| state.result = Some(Arc::new(result)));
    Ok(())
}
