//! What a worker does about each kind of job.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::wanted::{Ask, Lines, ModelNames};
use super::{Folder, Listener, Worker};
use crate::app::batch;
use crate::app::catalogue::ModelFiles;
use crate::app::draw::{Event, Flow, Job, draw};
use crate::app::error::{Error, Result};
use crate::app::renderer::Renderer;
use crate::app::session::{Asked, Pictures};
use crate::app::source::words;
use crate::batch::{Entry, Place};
use crate::diagnostic::{Diagnostic, Source, code};
use crate::engine;
use crate::plan::{Patch, Plan};
use crate::say;

impl Worker {
    pub(super) fn said(&self, tag: &Value, found: &Diagnostic) -> Value {
        json!({ "event": "found", "tag": tag, "finding": found.to_json(self.language) })
    }

    /// Draws a picture.
    pub(super) fn draw(&mut self, ask: Ask, file: Option<PathBuf>, tag: &Value, say: Listener<'_>) -> Result<()> {
        let mut found = Vec::new();
        let (plan, model) = match ask {
            Ask::Plan(plan, names) => self.given(*plan, &names, &mut found)?,
            Ask::Request(fields) => {
                let asked = self.asked(fields, &mut found)?;
                if asked.images > 1 {
                    let images = asked.images;
                    let message = say!(
                        "a job draws one picture: the first of these {images}",
                        "ジョブが描く画像は一枚です。{images} 枚のうち最初のものを描きます"
                    );
                    found.push(Diagnostic::new(code::WITHOUT_EFFECT, message));
                }
                let plan = self.all(&asked, &mut found)?.first().clone();
                (plan, asked.model)
            }
        };
        say(json!({ "event": "started", "tag": tag }));
        found.extend(self.studios.check(&plan, &model)?);
        for found in &found {
            say(self.said(tag, found));
        }
        let id = self.studios.id(&plan, &model)?;
        let name = file.unwrap_or_else(|| format!("{id}.png").into());
        let name = name.to_string_lossy().into_owned();
        let job = Job { plan, model, name: name.clone(), place: None, pasted: None, id, file: Some(name) };
        let language = self.language;
        let mut sink = |event: Event<'_>| {
            let event = match event {
                Event::Found(found) => json!({ "event": "found", "tag": tag, "finding": found.to_json(language) }),
                Event::Engine(engine::Event::Step { index, steps, .. }) => {
                    json!({ "event": "step", "tag": tag, "step": index + 1, "steps": steps })
                }
                Event::Done { job, kept, picture, .. } => json!({
                    "event": "done", "tag": tag, "id": job.id, "file": kept.file, "crc32": kept.crc32,
                    "seed": job.plan.settings().seed, "parameters": picture.parameters,
                }),
                _ => return Flow::Go,
            };
            if say(event) { Flow::Go } else { Flow::Stop }
        };
        draw(&vec![job], &[0], &mut self.studios, &mut Folder(self.folder.clone()), &mut sink)?;
        Ok(())
    }

    /// Tells the plans of what is asked for.
    pub(super) fn plans(&mut self, ask: Ask, tag: &Value, say: Listener<'_>) -> Result<()> {
        let mut found = Vec::new();
        let (plans, model) = match ask {
            Ask::Plan(plan, names) => {
                let (plan, model) = self.given(*plan, &names, &mut found)?;
                (vec![plan], model)
            }
            Ask::Request(fields) => {
                let asked = self.asked(fields, &mut found)?;
                let all = self.all(&asked, &mut found)?;
                let plan = |image| all.plan(&self.session, &self.session.presets, image);
                ((0..all.count()).filter_map(plan).collect(), asked.model)
            }
        };
        if let Some(plan) = plans.first() {
            found.extend(self.studios.check(plan, &model)?);
        }
        for found in &found {
            say(self.said(tag, found));
        }
        for plan in &plans {
            let planned = self.planned(plan, &model, None, tag)?;
            if !say(planned) {
                return Ok(());
            }
        }
        say(json!({ "event": "end", "tag": tag, "pictures": plans.len() }));
        Ok(())
    }

    /// Tells the plans of all lines.
    pub(super) fn lines(&mut self, lines: &Lines, tag: &Value, say: Listener<'_>) -> Result<()> {
        let session = self.session.clone();
        let wish = batch::Wish {
            inputs: lines.files.clone(),
            keep_going: lines.keep_going,
            strict: session.caller.strict,
            ..batch::Wish::default()
        };
        let mut batch = match &lines.text {
            Some(text) => batch::Batch::of_text(&session, &lines.name, text, lines.first_line, &wish)?,
            None => batch::Batch::prepare(&session, &wish)?,
        };
        batch.check_files(&mut self.studios);
        if let Some(refusal) = batch.refusal(&wish) {
            return Err(Error { kind: refusal.kind, findings: [batch.findings(), refusal.findings].concat() });
        }
        for found in batch.findings() {
            say(self.said(tag, &found));
        }
        let mut pictures = 0_u64;
        for picture in batch.planned(lines.seed_base) {
            let (line, plan) = picture?;
            pictures += 1;
            let planned = self.planned(&plan, &line.model, Some(line.place()), tag)?;
            if !say(planned) {
                return Ok(());
            }
        }
        say(json!({ "event": "end", "tag": tag, "pictures": pictures }));
        Ok(())
    }

    /// A plan as an event, with the files it is drawn with where they are not the worker's own.
    pub(super) fn planned(
        &mut self,
        plan: &Plan,
        model: &ModelFiles,
        place: Option<&Place>,
        tag: &Value,
    ) -> Result<Value> {
        let id = self.studios.id(plan, model)?;
        let mut event = json!({ "event": "planned", "tag": tag, "id": id, "seed": plan.settings().seed, "plan": plan });
        let own = self.session.model()?;
        if let (Some(place), Some(event)) = (place, event.as_object_mut()) {
            event.insert("source".to_owned(), json!(&*place.file));
            event.insert("line".to_owned(), json!(place.line));
        }
        if model.checkpoint != own.checkpoint || model.vae != own.vae {
            event["model"] = json!(model.checkpoint);
            event["vae"] = json!(model.vae);
        }
        Ok(event)
    }

    /// A plan that somebody made before, and what it is drawn with.
    fn given(&self, plan: Plan, names: &ModelNames, found: &mut Vec<Diagnostic>) -> Result<(Plan, ModelFiles)> {
        found.extend(self.session.check(&plan));
        if self.session.refuses(found) {
            return Err(Error::refused(std::mem::take(found)));
        }
        let own = self.session.model_of(&plan)?;
        let model = match &names.model {
            Some(name) => {
                let files = self.session.catalogue.model(Some(name), names.vae.as_deref())?;
                ModelFiles { refiner: own.refiner, ..files }
            }
            None => own,
        };
        Ok((plan, model))
    }

    /// What a request asks for.
    pub(super) fn asked(&self, fields: Map<String, Value>, found: &mut Vec<Diagnostic>) -> Result<Asked> {
        let line = Source::new("request", Value::Object(fields.clone()).to_string());
        let mut patch = Patch::default();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            if let Err(error) = patch.take(name, value) {
                found.push(crate::batch::wrong_option(&error, name, &line));
            }
        }
        // The prompt may be a pasted infotext; what stands beside it wins.
        let text = patch.text("prompt").unwrap_or_default().to_owned();
        let mut entry: Entry = words(&text, found)?;
        patch.remove("prompt");
        entry.patch = entry.patch.with(&patch);
        entry.place = Place { file: "request".into(), line: 0 };
        self.session.ask(entry, found).map_err(|error| error.after(std::mem::take(found)))
    }

    /// Its pictures; an error where something refuses them.
    fn all(&self, asked: &Asked, found: &mut Vec<Diagnostic>) -> Result<Pictures> {
        let (pictures, said) = self.session.pictures(asked, &self.session.presets);
        found.extend(said);
        let pictures = pictures.filter(|_| !self.session.refuses(found));
        pictures.ok_or_else(|| Error::refused(std::mem::take(found)))
    }
}
