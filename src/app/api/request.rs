//! A request to plans: fields, options and scripts are read, everything is checked before anybody waits.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fields::{FIELDS, Fields, Route};
use super::models::{Model, Models};
use super::options::Options;
use super::refusal::Refusal;
use super::scripts::{Script, Task};
use crate::app::catalogue::ModelFiles;
use crate::app::session::{Asked, Beside, Session};
use crate::app::subject::whole;
use crate::batch::{Entry, Place};
use crate::diagnostic::{Diagnostic, FINDINGS_LIMIT, Said, Source, Text, at_most, code, did_you_mean};
use crate::engine::InitImage;
use crate::files::limits::PROMPT;
use crate::infotext;
use crate::plan::settings::{Group, Kind, table};
use crate::plan::{Patch, PatchError, Plan};
use crate::preset::PresetSet;
use crate::say;

/// Parts of a prompt, between `AND`.
const MAX_PARTS: usize = 32;

/// What requests may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Pixels of a picture.
    pub max_pixels: u64,
    /// Steps of a pass.
    pub max_steps: u32,
    /// Pictures of a request.
    pub max_images: u64,
    /// Cells of a plot.
    pub max_cells: usize,
    /// What is not done is left out with a word, not refused.
    pub lenient: bool,
}

/// What requests are read with.
pub struct Reader<'a> {
    /// Presets, LoRAs, embeddings, styles.
    pub session: &'a Session,
    /// Checkpoints and VAEs.
    pub models: &'a Models,
    /// The checkpoint that is used where none is named.
    pub model: &'a Model,
    /// The same with its VAE.
    pub files: &'a ModelFiles,
    /// webui's options as they are now.
    pub options: &'a Options,
    /// What may be asked for.
    pub rules: Rules,
}

/// What is drawn over.
#[derive(Debug, Clone)]
pub struct Over {
    /// The picture.
    pub picture: Arc<InitImage>,
    /// The part of it that is painted anew; nothing stands for all of it.
    pub mask: Option<Arc<InitImage>>,
}

/// A request that can be drawn.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// The fields.
    pub fields: Fields,
    /// What it asks for, with the checkpoint, the VAE and the picture that is drawn over.
    pub asked: Asked,
    /// What is drawn.
    pub task: Task,
    /// All pictures, in their order; none for grids.
    pub plans: Vec<Plan>,
    /// What names in tags stand for.
    pub presets: PresetSet,
    /// The options in force.
    pub options: Options,
    /// The options from now on, where the request's are to stay.
    pub stays: Option<Options>,
    /// Names of the styles in the prompts.
    pub styles: Vec<String>,
    /// What is to be said.
    pub found: Vec<Diagnostic>,
}

/// The field in which another lbw gives a plan that it has made.
const PLAN: &str = "lbw_plan";

impl Reader<'_> {
    /// Reads a request that draws over this.
    pub fn read(&self, fields: Fields, over: Option<Over>) -> Result<Drawing, Refusal> {
        self.read_for(fields, over, false)
    }

    /// Reads the request of a study, whose marks stand for the whole LoRA. It has no plans: the study makes them.
    pub fn read_study(&self, fields: Fields) -> Result<Drawing, Refusal> {
        self.read_for(fields, None, true)
    }

    fn read_for(&self, fields: Fields, over: Option<Over>, is_study: bool) -> Result<Drawing, Refusal> {
        let mut found = Vec::new();
        self.texts(&fields)?;
        self.not_done(&fields, over.as_ref(), &mut found)?;
        let script = Script::of(&fields)?;
        let task = script.task(self.rules.max_cells)?;
        let overrides = fields.values["override_settings"].as_object().cloned().unwrap_or_default();
        let config = &self.session.catalogue.config;
        let options = self.options.with(config, &overrides)?;
        found.extend(self.options.without_effect(config, &overrides));
        let mut model = self.model(&options)?;
        let (mut patch, styles) = self.patch(&fields, &mut found)?;
        model.refiner = self.refiner(&fields, &mut patch)?;
        self.counts(&mut patch, &mut found)?;
        let entry = Entry { place: Place { file: "prompt".into(), line: 0 }, patch, pasted: None };
        let (picture, mask) = over.map_or((None, None), |over| (Some(over.picture), over.mask));
        let beside = Beside { config: Some(options.config(config)), model: Some(model), picture, mask };
        let asked = self.session.ask_beside(entry, beside, &mut found)?;
        let (presets, said) = script.presets(&self.session.presets);
        found.extend(said);
        let plans = match (&task, fields.given.get(PLAN)) {
            (Task::Pictures, _) if is_study => {
                let marks = presets.with_marks(&whole(asked.request.family));
                self.plans(&asked, &marks, &mut found)?;
                Vec::new()
            }
            (Task::Pictures, Some(plan)) => vec![self.given_plan(plan, &mut found)?],
            (Task::Pictures, None) => self.plans(&asked, &presets, &mut found)?,
            // What stands for XYZ is not known before the cells are.
            (Task::Plot(_) | Task::Analysis(_), _) => Vec::new(),
        };
        let change = |mut plan: Plan| {
            if !script.is_active() {
                Script::switch_off(&mut plan);
            }
            if fields.is_on("disable_extra_networks") {
                plan.first.loras.clear();
                plan.later.iter_mut().for_each(|pass| pass.loras.clear());
            }
            plan
        };
        let plans = plans.into_iter().map(change).collect();
        let stays = !fields.is_on("override_settings_restore_afterwards") && !overrides.is_empty();
        let stays = stays.then(|| options.clone());
        Ok(Drawing { fields, asked, task, plans, presets, options, stays, styles, found })
    }

    /// A plan that another lbw has made, which is drawn as it is.
    fn given_plan(&self, plan: &Value, found: &mut Vec<Diagnostic>) -> Result<Plan, Refusal> {
        let plan: Plan = serde_json::from_value(plan.clone())
            .map_err(|e| Diagnostic::new(code::BAD_PLAN, say!("not a plan: {e}", "計画として読めません: {e}")))?;
        found.extend(self.session.check(&plan));
        for lora in plan.loras() {
            if let Err(error) = self.session.loras.resolve(&lora.name) {
                found.push(Diagnostic::new(code::UNKNOWN_LORA, error.said()));
            }
        }
        if self.session.refuses(found) {
            return Err(Refusal::Wrong { detail: None, found: std::mem::take(found) });
        }
        self.limits(&plan)?;
        Ok(plan)
    }

    /// All pictures.
    fn plans(&self, asked: &Asked, presets: &PresetSet, found: &mut Vec<Diagnostic>) -> Result<Vec<Plan>, Refusal> {
        let (plans, said) = self.session.plan_with(asked, presets);
        found.extend(said);
        if self.session.refuses(found) {
            return Err(Refusal::Wrong { detail: None, found: std::mem::take(found) });
        }
        plans.iter().try_for_each(|plan| self.limits(plan))?;
        Ok(plans)
    }

    /// The files of the model and VAE that the options name.
    pub fn model(&self, options: &Options) -> Result<ModelFiles, Refusal> {
        let name = options.file("sd_model_checkpoint").filter(|name| !name.is_empty());
        let model = match name {
            Some(name) => self.models.find(name)?,
            None => self.model,
        };
        let vae = options.file("sd_vae");
        if vae.is_none() && model == self.model {
            return Ok(self.files.clone());
        }
        let vae = vae.map_or_else(|| options.value(&self.session.catalogue.config, "sd_vae"), Value::from);
        Ok(self.models.with_vae(model, vae.as_str())?)
    }

    /// The checkpoint that a request, or its infotext, lets take over on the way.
    fn refiner(&self, fields: &Fields, patch: &mut Patch) -> Result<Option<PathBuf>, Refusal> {
        let own = fields.text("refiner_checkpoint");
        let name = own.or(patch.text("refiner")).filter(|name| !is_no_name(name)).map(str::to_owned);
        patch.remove("refiner");
        let Some(name) = name else { return Ok(None) };
        if patch.get("refiner_switch_at").is_none() {
            // webui: at once.
            patch.put_named("refiner_switch_at", 0.0);
        }
        Ok(Some(self.models.find(&name)?.path.clone()))
    }

    /// Refuses prompts that no person writes.
    fn texts(&self, fields: &Fields) -> Result<(), Refusal> {
        for name in ["prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt", "infotext"] {
            if fields.text(name).is_some_and(|text| text.len() > PROMPT) {
                let kib = PROMPT >> 10;
                let message = say!("the {name} is larger than {kib} KiB", "{name} が {kib} KiB を超えています");
                return Err(Diagnostic::new(code::TOO_LARGE, message).into());
            }
        }
        Ok(())
    }

    /// What would change the picture and is not done.
    fn not_done(&self, fields: &Fields, over: Option<&Over>, found: &mut Vec<Diagnostic>) -> Result<(), Refusal> {
        let named = |name: &str| fields.text(name).filter(|value| !is_no_name(value));
        let own = |name: &str| self.models.find(name).is_ok_and(|model| model == self.model);
        let asked = [
            ("restore_faces", fields.is_on("restore_faces")),
            // A mask that is half there.
            ("mask_round", over.is_some_and(|over| over.mask.is_some()) && !fields.is_on("mask_round")),
            ("latent_mask", named("latent_mask").is_some()),
            ("firstpass_image", named("firstpass_image").is_some()),
            (
                "hr_checkpoint_name",
                fields.is_on("enable_hr") && named("hr_checkpoint_name").is_some_and(|name| !own(name)),
            ),
        ];
        for (name, _) in asked.into_iter().filter(|(name, is_asked)| *is_asked && setting_of(name).is_none()) {
            let message = say!("`{name}` is something lbw does not do", "`{name}` は lbw にない機能です");
            let said = Diagnostic::new(code::OPTION_NOT_DONE, message);
            match self.rules.lenient {
                true => found.push(Diagnostic { severity: crate::diagnostic::Severity::Warning, ..said }),
                false => return Err(said.into()),
            }
        }
        let is_known = |name: &str| name == PLAN || FIELDS.iter().any(|field| field.name == name);
        let others = fields.given.keys().filter(|name| !is_known(name));
        let known = FIELDS.iter().map(|field| field.name);
        found.extend(at_most(others.map(|name| no_field(name, known.clone())).collect(), FINDINGS_LIMIT));
        Ok(())
    }

    /// The settings of a request: webui's defaults, an infotext's fields over them, and over these what the request names; and
    /// the styles that there are.
    fn patch(&self, fields: &Fields, found: &mut Vec<Diagnostic>) -> Result<(Patch, Vec<String>), Refusal> {
        let mut infotext = Patch::default();
        if let Some(text) = fields.text("infotext") {
            let (pasted, said) = infotext::paste(&Source::new("infotext", text));
            let Some(pasted) = pasted else { return Err(Refusal::Wrong { detail: None, found: said }) };
            found.extend(said);
            infotext = pasted.patch;
            // As in webui the checkpoint stays what it is.
            ["model", "vae"].into_iter().for_each(|name| infotext.remove(name));
        }
        let is_hires = match fields.given.get("enable_hr") {
            Some(on) => *on == true,
            None => infotext.get("hires").is_some_and(|on| *on == true),
        };
        if !is_hires {
            infotext.put_named("hires", false);
        }
        let defaults: Map<String, Value> =
            fields.values.iter().filter(|(name, _)| !fields.given.contains_key(*name)).map(cloned).collect();
        let base = self.settings(fields, &defaults, is_hires)?;
        let own = self.settings(fields, &fields.given, is_hires)?;
        let mut patch = [infotext, own].iter().fold(base, |mut patch, over| {
            // One number for both ways goes before two.
            if over.get("mask_blur").is_some() {
                ["mask_blur_x", "mask_blur_y"].into_iter().for_each(|name| patch.remove(name));
            }
            patch.with(over)
        });
        let styles = self.styles(fields, found)?;
        if !styles.is_empty() {
            patch.put_named("styles", styles.iter().map(|name| Value::from(name.as_str())).collect::<Vec<_>>());
        }
        Ok((patch, styles))
    }

    /// The settings that some fields say.
    fn settings(&self, fields: &Fields, values: &Map<String, Value>, is_hires: bool) -> Result<Patch, Refusal> {
        let mut patch = Patch::default();
        patch.put_named("hires", is_hires);
        self.sampler(values, ["scheduler", "schedule_type"], ["sampler_name", "sampler"], &mut patch)?;
        if !values.contains_key("sampler_name") || values["sampler_name"].is_null() {
            self.sampler(values, ["", ""], ["sampler_index", "sampler"], &mut patch)?;
        }
        if is_hires {
            let (schedule, sampler) = (["hr_scheduler", "hires_schedule_type"], ["hr_sampler_name", "hires_sampler"]);
            self.sampler(values, schedule, sampler, &mut patch)?;
        }
        for (name, value) in values {
            let is_over = fields.route == Route::Img2img;
            let is_taken = match name.as_str() {
                _ if value.is_null() => false,
                "sampler_name" | "sampler_index" | "scheduler" | "hr_sampler_name" | "hr_scheduler" | "styles" => false,
                "mask_blur_x" | "mask_blur_y" => values.get("mask_blur").is_none_or(Value::is_null),
                "refiner_checkpoint" | "enable_hr" => false,
                "denoising_strength" => is_hires || is_over,
                name if name.starts_with("hr_") => is_hires && !matches!(value.as_str(), Some("")),
                _ => true,
            };
            if is_taken {
                self.take(name, value, &mut patch)?;
            }
        }
        let first = |name: &str| values.get(name).and_then(Value::as_u64).filter(|side| *side > 0);
        if let (true, Some(width), Some(height)) = (is_hires, first("firstphase_width"), first("firstphase_height")) {
            let target = |name: &str| fields.values[name].clone();
            patch.remove("hires_upscale");
            patch.put_named("hires_resize_width", target("width"));
            patch.put_named("hires_resize_height", target("height"));
            patch.put_named("width", width);
            patch.put_named("height", height);
        }
        Ok(patch)
    }

    /// A field of no special kind: a setting, where webui's API has one of this name.
    fn take(&self, name: &str, value: &Value, patch: &mut Patch) -> Result<(), Refusal> {
        let Some(setting) = setting_of(name) else { return Ok(()) };
        let negative = value.as_f64().is_some_and(|number| number < 0.0);
        let value = match setting.kind {
            Kind::Seed if negative => (-1).into(),
            Kind::Whole if negative && name.starts_with("seed_resize_from") => 0.into(),
            // Names that are numbers.
            Kind::Choice(_) if value.is_number() => value.to_string().into(),
            _ => value.clone(),
        };
        let value = setting.accept(&value).map_err(|expected| {
            let value = value.clone();
            wrong(&PatchError::Value { name: name.to_owned(), value: value.to_string(), expected, near: None })
        })?;
        patch.put(setting, value);
        Ok(())
    }

    /// A sampler and its schedule, each under its field's and its setting's name. A schedule behind the sampler's name wins.
    fn sampler(
        &self,
        values: &Map<String, Value>,
        [scheduler, schedule]: [&str; 2],
        [name, sampler]: [&str; 2],
        patch: &mut Patch,
    ) -> Result<(), Refusal> {
        let text = |field: &str| values.get(field).and_then(Value::as_str).filter(|text| !is_no_name(text));
        if let (Some(value), Some(setting)) = (text(scheduler), table::named(schedule)) {
            patch
                .read_setting(setting, scheduler, value)
                .map_err(|error| Refusal::known(format!("Scheduler '{value}' not found"), said(&error)))?;
        }
        if let (Some(value), Some(setting)) = (text(name), table::named(sampler)) {
            patch
                .read_setting(setting, name, value)
                .map_err(|error| Refusal::Absent { detail: "Sampler not found", found: vec![said(&error)] })?;
        }
        Ok(())
    }

    /// The styles that are asked for and there are.
    fn styles(&self, fields: &Fields, found: &mut Vec<Diagnostic>) -> Result<Vec<String>, Refusal> {
        let names: Vec<&str> =
            fields.values["styles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.session.all_styles()?;
        let (there, absent): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| known.get(name).is_some());
        for name in absent.into_iter().filter(|name| !name.is_empty()) {
            let message = say!("there is no style `{name}`; it is left out", "スタイル `{name}` はないので、省きます");
            found.push(Diagnostic::new(code::STYLE_LEFT_OUT, message));
        }
        Ok(there.into_iter().map(str::to_owned).collect())
    }

    /// Counts, steps and sizes that are known before anything is lowered; sides become whole eighths.
    fn counts(&self, patch: &mut Patch, found: &mut Vec<Diagnostic>) -> Result<(), Refusal> {
        let number = |patch: &Patch, name: &str| patch.get(name).and_then(Value::as_u64).unwrap_or(1);
        let images = number(patch, "n_iter").saturating_mul(number(patch, "batch_size"));
        within(say!("the number of pictures", "画像の枚数"), images, self.rules.max_images)?;
        for name in ["steps", "hires_steps"] {
            within(say!("the number of steps", "ステップ数"), number(patch, name), self.rules.max_steps.into())?;
        }
        let (width, height) = (number(patch, "width"), number(patch, "height"));
        within(say!("the number of pixels", "画素数"), width.saturating_mul(height), self.rules.max_pixels)?;
        if width % 8 != 0 || height % 8 != 0 {
            let (w, h) = (width / 8 * 8, height / 8 * 8);
            let message = say!(
                "{width}x{height} is drawn as {w}x{h}: sides are whole multiples of 8",
                "{width}x{height} は {w}x{h} で描きます。辺は 8 の倍数です"
            );
            found.push(Diagnostic::new(code::SIDE_ROUNDED, message));
            patch.put_named("width", w);
            patch.put_named("height", h);
        }
        Ok(())
    }

    /// What is known when it is lowered.
    fn limits(&self, plan: &Plan) -> Result<(), Refusal> {
        for pass in plan.passes() {
            within(say!("the number of steps", "ステップ数"), pass.settings.steps.into(), self.rules.max_steps.into())?;
            within(
                say!("the number of parts joined by AND", "AND でつないだ部分の数"),
                pass.positive.len() as u64,
                MAX_PARTS as u64,
            )?;
            let (width, height) = pass.size();
            let pixels = u64::from(width) * u64::from(height);
            within(say!("the number of pixels", "画素数"), pixels, self.rules.max_pixels)?;
        }
        Ok(())
    }
}

/// The setting behind a field of webui's API. Files are none of them: they are named by options, and looked up.
fn setting_of(name: &str) -> Option<&'static crate::plan::Setting> {
    let is_api = |setting: &&crate::plan::Setting| {
        setting.name == name || setting.option == Some(name) || setting.api.contains(&name)
    };
    let of_api = FIELDS.iter().any(|field| field.name == name);
    let found = table::all()
        .find(is_api)
        .filter(|setting| setting.group != Group::Files && !["init", "mask"].contains(&setting.name));
    // Words of other clients' own are not taken for settings, unless webui's API has them.
    found.filter(|setting| of_api || setting.api.contains(&name) || name == "lbw_dialect")
}

fn cloned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// What clients write where they mean nothing.
fn is_no_name(value: &str) -> bool {
    ["", "none", "automatic", "use same checkpoint", "use same sampler", "use same scheduler"]
        .contains(&value.trim().to_lowercase().as_str())
}

/// A name that no field has.
pub(super) fn no_field<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let name: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    let message = say!("there is no field `{name}`", "フィールド `{name}` はありません");
    let found = Diagnostic::new(code::NOT_UNDERSTOOD, message);
    match did_you_mean(&name, known) {
        Some(near) => found.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        None => found,
    }
}

fn said(error: &PatchError) -> Diagnostic {
    let found = Diagnostic::new(code::BAD_VALUE, error.said());
    match error.near() {
        Some(near) => found.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        None => found,
    }
}

fn wrong(error: &PatchError) -> Refusal {
    said(error).into()
}

fn within(what: Text, number: u64, most: u64) -> Result<(), Refusal> {
    if number <= most {
        return Ok(());
    }
    let message = say!(
        "{what} is {number}; this server draws at most {most}",
        "{what}が {number} です。このサーバーでは {most} までです",
        with what
    );
    Err(Diagnostic::new(code::OUT_OF_LIMITS, message).into())
}
