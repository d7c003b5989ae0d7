//! What a worker does about analyses and plots.

use serde_json::{Map, Value, json};

use super::wanted::Study;
use super::{Listener, Worker};
use crate::app::draw::{Event, Flow, Job};
use crate::app::error::Result;
use crate::app::session::Asked;
use crate::app::store::cell_name;
use crate::app::xyz::Prepared;
use crate::app::{analyze, atlas, tune, xyz};
use crate::engine;

impl Worker {
    /// Draws, compares and tells; or tells the plans of the cells, which others may draw, with the names that their files have in `cells`.
    pub(super) fn study(
        &mut self,
        study: &Study,
        request: Map<String, Value>,
        is_dry: bool,
        tag: &Value,
        say: Listener<'_>,
    ) -> Result<()> {
        let mut found = Vec::new();
        let asked = self.asked(request.clone(), &mut found)?;
        say(json!({ "event": "started", "tag": tag }));
        for found in &found {
            say(self.said(tag, found));
        }
        let seed = asked.request.settings.seed;
        match study {
            Study::Analysis(wish) if is_dry => {
                let mut sink = self.sink(tag, say);
                let jobs = analyze::jobs(self.session.clone(), asked, wish, &mut self.studios, &mut sink)?;
                drop(sink);
                self.cells(&jobs, seed, tag, say)
            }
            Study::Analysis(wish) => {
                let mut sink = self.sink(tag, say);
                let analyzed = analyze::analyze(self.session.clone(), asked, wish, &mut self.studios, &mut sink)?;
                drop(sink);
                let (report, table) = (&analyzed.report, analyzed.report.text());
                say(json!({ "event": "analyzed", "tag": tag, "report": report, "text": table, "page": analyzed.page }));
                Ok(())
            }
            Study::Plot(wish) => self.plot(&asked, wish, is_dry, tag, say),
            Study::Tune(wish, prompts) => {
                let asked = self.with_prompts(asked, &request, prompts, tag, say)?;
                let mut sink = self.sink(tag, say);
                let tuned = tune::tune(self.session.clone(), asked, wish, &mut self.studios, &mut sink)?;
                drop(sink);
                let (report, text) = (&tuned.report, tuned.report.paragraphs().join("\n"));
                say(json!({ "event": "tuned", "tag": tag, "report": report, "text": text, "page": tuned.page }));
                Ok(())
            }
            Study::Atlas(wish, prompts) => {
                let asked = self.with_prompts(asked, &request, prompts, tag, say)?;
                let mut sink = self.sink(tag, say);
                let drawn = atlas::atlas(self.session.clone(), asked, wish, &mut self.studios, &mut sink)?;
                drop(sink);
                let (report, text) = (&drawn.atlas, drawn.atlas.text());
                say(json!({ "event": "mapped", "tag": tag, "report": report, "text": text, "page": drawn.page }));
                Ok(())
            }
        }
    }

    /// What a request asks for, and the same with other prompts.
    fn with_prompts(
        &self,
        first: Asked,
        request: &Map<String, Value>,
        prompts: &[String],
        tag: &Value,
        say: Listener<'_>,
    ) -> Result<Vec<Asked>> {
        let mut all = vec![first];
        for prompt in prompts {
            let mut found = Vec::new();
            let mut request = request.clone();
            request.insert("prompt".to_owned(), json!(prompt));
            all.push(self.asked(request, &mut found)?);
            for found in &found {
                say(self.said(tag, found));
            }
        }
        Ok(all)
    }

    fn plot(&mut self, asked: &Asked, wish: &xyz::Wish, is_dry: bool, tag: &Value, say: Listener<'_>) -> Result<()> {
        let mut sink = self.sink(tag, say);
        let prepared = Prepared::new(&self.session.clone(), asked, wish, &mut self.studios, &mut sink)?;
        if is_dry {
            drop(sink);
            prepared.begin()?;
            return self.cells(prepared.jobs(), asked.request.settings.seed, tag, say);
        }
        let drawn = prepared.draw(&mut self.studios, &mut sink)?;
        drop(sink);
        let (record, grids) = (&prepared.record, &drawn.grids);
        say(json!({ "event": "plotted", "tag": tag, "plot": record, "grids": grids, "pictures": drawn.pictures }));
        Ok(())
    }

    fn cells(&mut self, jobs: &[Job], seed: u64, tag: &Value, say: Listener<'_>) -> Result<()> {
        for job in jobs {
            let mut planned = self.planned(&job.plan, &job.model, None, tag)?;
            planned["cell"] = json!(cell_name(job));
            if !say(planned) {
                return Ok(());
            }
        }
        say(json!({ "event": "end", "tag": tag, "pictures": jobs.len(), "seed": seed }));
        Ok(())
    }

    /// Tells what happens while pictures are drawn.
    fn sink<'a>(&self, tag: &'a Value, say: Listener<'a>) -> impl FnMut(Event<'_>) -> Flow + use<'a> {
        let language = self.language;
        move |event| {
            let event = match event {
                Event::Found(found) => json!({ "event": "found", "tag": tag, "finding": found.to_json(language) }),
                Event::Begin { number, of, .. } => {
                    json!({ "event": "picture", "tag": tag, "number": number, "of": of })
                }
                Event::Engine(engine::Event::Step { index, steps, .. }) => {
                    json!({ "event": "step", "tag": tag, "step": index + 1, "steps": steps })
                }
                _ => return Flow::Go,
            };
            if say(event) { Flow::Go } else { Flow::Stop }
        }
    }
}
