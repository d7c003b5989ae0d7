//! Other hosts that draw: webui and its relatives, stable-diffusion.cpp's server, ComfyUI, or lbw on another machine.
//!
//! The plan stays lbw's: it is checked here, told to the host in the host's own notation, and what the host cannot do is said
//! before the first picture. Several hosts share the work.

mod comfy;
mod host;
mod http;
mod parts;
mod pool;
mod prompt;
mod sdapi;
mod work;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host::{Host, Program};
use http::Client;
use parts::Parts;
use pool::Pool;
use prompt::{Prompted, Writer};
use work::Task;

use super::catalogue::{ModelFiles, Remote};
use super::draw::Job;
use super::error::{Error, ErrorKind, Result};
use super::renderer::{Module, Renderer, Watcher};
use super::session::Session;
use super::studio::{Picture, json};
use crate::block::Block;
use crate::diagnostic::{Diagnostic, Text, code};
use crate::engine::{EngineError, InitImage};
use crate::image_io::encode_png;
use crate::lora::Strength;
use crate::plan::{Pass, Plan, Settings, Start, job_id};
use crate::say;

/// What is asked of other hosts.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Their addresses.
    pub urls: Vec<String>,
    /// The folder of their LoRAs, as this machine sees it.
    pub lora_dir: Option<PathBuf>,
    /// How long one picture may take, and how long nobody may answer.
    pub patience: Duration,
    /// Whether their checkpoint is one of SD1.
    pub is_sd1: bool,
}

/// Hosts that have answered, before anything is planned for them.
pub struct Hosts {
    hosts: Vec<Arc<Host>>,
    wish: Wish,
    /// Who they are.
    pub found: Vec<Diagnostic>,
}

impl Hosts {
    /// Asks all of them who they are. An error where one does not answer or is no host.
    pub fn meet(wish: &Wish) -> Result<Self> {
        let clients = wish.urls.iter().map(|url| {
            Client::new(url, wish.patience)
                .map_err(|why| Error::words(code::NOT_A_HOST, say!("--via {why}", "--via {why}", with why)))
        });
        let clients = clients.collect::<Result<Vec<_>>>()?;
        let mut hosts: Vec<Arc<Host>> = Vec::new();
        for client in clients {
            let base = client.base().to_owned();
            let host = Host::meet(client).map_err(|fault| {
                let why = fault.text();
                let message = say!("{base}: {why}", "{base}: {why}", with why);
                let code = if matches!(fault, http::Fault::Away(_)) { code::HOST_AWAY } else { code::NOT_A_HOST };
                Error::new(ErrorKind::Device, code, message)
            })?;
            hosts.push(Arc::new(host));
        }
        let said = |host: &Arc<Host>| {
            let (place, model) = (host.place(), &host.model);
            let message = match model.as_str() {
                "" => say!("{place} draws", "{place} が描きます"),
                _ => say!("{place} draws with {model}", "{place} が {model} で描きます"),
            };
            Diagnostic::new(code::HOST, message)
        };
        let found = hosts.iter().map(said).collect();
        Ok(Hosts { hosts, wish: wish.clone(), found })
    }

    /// What a session has to know of them.
    pub fn remote(&self) -> Remote {
        let first = self.hosts.first();
        let loras = self.hosts.iter().flat_map(|host| host.loras.iter());
        let stem = |name: &String| {
            let file = name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned();
            file.strip_suffix(".safetensors").map_or(file.clone(), str::to_owned)
        };
        Remote {
            model: first.map(|host| host.model.clone()).unwrap_or_default(),
            is_embedded: first.is_some_and(|host| host.program == Program::Lbw && host.model.contains("shapes-xl")),
            loras: loras.map(stem).collect(),
            is_sd1: self.wish.is_sd1,
        }
    }
}

/// Hosts that draw the plans of a session.
pub struct Via {
    session: Arc<Session>,
    hosts: Vec<Arc<Host>>,
    patience: Duration,
    parts: Option<Parts>,
    pool: Pool,
    pictures: HashMap<String, Arc<InitImage>>,
    /// Plans that have been looked at, by their JSON.
    prompts: HashMap<String, Vec<Prompted>>,
    /// Whether it was said how the program differs from webui.
    has_said: bool,
}

impl Via {
    /// These hosts, for this session.
    pub fn new(session: Arc<Session>, hosts: Hosts) -> Result<Self> {
        let Hosts { hosts, wish, .. } = hosts;
        let parts = wish.lora_dir.as_deref().map(Parts::new).transpose()?;
        let pool = Pool::new(hosts.clone(), wish.patience);
        let (pictures, prompts) = Default::default();
        Ok(Via { session, hosts, patience: wish.patience, parts, pool, pictures, prompts, has_said: false })
    }

    fn first(&self) -> Result<&Arc<Host>> {
        self.hosts.first().ok_or_else(|| Error::words(code::NOT_A_HOST, say!("no host", "ホストがありません")))
    }

    fn id_of(&mut self, job: &Job) -> Result<String> {
        match job.id.as_str() {
            "" => self.id(&job.plan, &job.model),
            id => Ok(id.to_owned()),
        }
    }

    /// The prompts of a plan for its hosts, which are of one program.
    fn prompts(&mut self, plan: &Plan) -> Result<Vec<Prompted>> {
        let key = json(plan);
        if let Some(known) = self.prompts.get(&key) {
            return Ok(known.clone());
        }
        let host = self.first()?.clone();
        let session = self.session.clone();
        let mut writer = Writer { host: &host, session: &session, parts: self.parts.as_mut(), family: plan.family };
        let prompts: std::result::Result<Vec<Prompted>, Vec<Diagnostic>> =
            plan.passes().map(|pass| writer.prompt(pass)).collect();
        let prompts = prompts.map_err(Error::refused)?;
        self.tell_of_files()?;
        self.prompts.insert(key, prompts.clone());
        Ok(prompts)
    }

    /// Tells the hosts of new files, and sees that they find them.
    fn tell_of_files(&mut self) -> Result<()> {
        let Some(parts) = self.parts.as_mut().filter(|parts| parts.is_new) else { return Ok(()) };
        parts.is_new = false;
        for host in self.hosts.iter().filter(|host| host.program.speaks_sdapi()) {
            // Who has no such route looks into the folder by itself; stable-diffusion.cpp's server when it is asked for the list.
            let _ = match host.program {
                Program::Sdcpp => host.client.get("/sdapi/v1/loras"),
                _ => host.client.post("/sdapi/v1/refresh-loras", &serde_json::Value::Null),
            };
        }
        Ok(())
    }

    /// What a LoRA changes, as its file here tells.
    fn modules_of(&self, name: &str, plan: &Plan) -> Result<Vec<Module>> {
        let names = self.session.modules_of(name).ok_or_else(|| {
            let message = say!("the file of `{name}` is not here", "`{name}` のファイルがここにありません");
            Error::words(code::HOST_CANNOT, message).help(say!(
                "an analysis looks into the LoRA: name its folder with --lora-dir",
                "分析には LoRA の中身が必要です。--lora-dir でそのフォルダーを指定してください"
            ))
        })?;
        let module = |name: String| Module {
            block: Block::of_module(plan.family, &name),
            strength: Strength::of_module(&name),
            name,
        };
        Ok(names.into_iter().map(module).collect())
    }

    fn task(&mut self, plan: &Plan, model: &ModelFiles, id: &str) -> Result<Task> {
        let prompts = self.prompts(plan)?;
        let host = self.first()?.clone();
        let name = name_of(model);
        let picture = match &plan.first.start {
            Start::Picture { image, .. } => {
                let picture = self.pictures.get(image).ok_or_else(|| EngineError::InitImage(image.clone()))?;
                Some(png_of(picture)?)
            }
            Start::Noise | Start::Previous { .. } => None,
        };
        let asking = match host.program {
            Program::Comfy => {
                work::nodes(comfy::graph(plan, &host, &name, prompts.first().unwrap_or(&Prompted::default())))
            }
            Program::Lbw => sdapi::asking_lbw(plan, &host, &name, picture.as_deref()),
            _ => sdapi::asking(plan, &host, &name, &prompts, picture.as_deref()),
        };
        let asking = match &model.vae {
            Some(vae) => asking.with_vae(&vae.to_string_lossy()),
            None => asking,
        };
        Ok(Task { id: id.to_owned(), asking, size: plan.size(), patience: self.patience })
    }
}

/// A picture that is drawn over, for hosts.
/// What of a plan no host is asked for.
fn kept_here(plan: &Plan) -> Option<Text> {
    let over = |pass: &Pass| match &pass.start {
        Start::Picture { mask, color_correction, conditional_mask_weight, .. } => {
            mask.is_some() || *color_correction || *conditional_mask_weight != 1.0
        }
        Start::Noise | Start::Previous { .. } => false,
    };
    let asks = |of: fn(&Settings) -> bool| plan.passes().any(|pass| of(&pass.settings));
    if plan.passes().any(over) {
        Some(say!("masks and colour correction", "マスクと色の補正"))
    } else if asks(|settings| settings.refiner.is_some()) {
        Some(say!("a refiner", "refiner"))
    } else if asks(|settings| settings.tiling || settings.token_merging_ratio > 0.0) {
        Some(say!("tiling and token merging", "タイリングとトークンの統合"))
    } else {
        None
    }
}

fn png_of(picture: &InitImage) -> Result<Vec<u8>> {
    let picture = picture.picture();
    let (width, height) = (picture.width as u32, picture.height as u32);
    let image = image::RgbImage::from_raw(width, height, picture.bytes.clone()).unwrap_or_default();
    Ok(encode_png(&image, "", None)?)
}

/// The checkpoint's name, as it was asked for.
fn name_of(model: &ModelFiles) -> String {
    model.checkpoint.to_string_lossy().into_owned()
}

impl Renderer for Via {
    fn id(&mut self, plan: &Plan, model: &ModelFiles) -> Result<String> {
        let key = self.first()?.key(&name_of(model));
        let vae = model.vae.as_ref().map(|vae| vae.to_string_lossy().into_owned());
        Ok(job_id(plan, std::iter::once(key.as_str()).chain(vae.as_deref())))
    }

    fn check(&mut self, plan: &Plan, model: &ModelFiles) -> Result<Vec<Diagnostic>> {
        let name = name_of(model);
        let first = self.first()?.clone();
        let mut cannot: Vec<Diagnostic> =
            self.hosts[1..].iter().filter_map(|host| first.differs(host, &name)).collect();
        let names: Vec<&str> = plan.loras().map(|lora| lora.name.as_str()).collect();
        cannot.extend(self.hosts[1..].iter().flat_map(|host| first.lacks(host, &names)));
        for host in &self.hosts {
            cannot.extend(match host.program {
                Program::Comfy => comfy::cannot(plan, host, &name),
                _ => sdapi::cannot(plan, host, &name),
            });
        }
        if let Some(vae) = model.vae.as_ref().filter(|_| first.program == Program::Comfy) {
            let vae = vae.display();
            cannot.push(first.cannot(&say!("with the VAE `{vae}`", "VAE `{vae}`")));
        }
        if let Some(what) = kept_here(plan) {
            let place = first.place();
            let message =
                say!("{place} is not asked for this: {what}", "{place} には次のことを頼めません: {what}", with what);
            cannot.push(Diagnostic::new(code::HOST_CANNOT, message));
        }
        if let Err(error) = self.prompts(plan) {
            cannot.extend(error.findings);
        }
        if !cannot.is_empty() {
            return Err(Error::refused(cannot));
        }
        let is_first = !std::mem::replace(&mut self.has_said, true);
        let otherwise = first.program.reads_otherwise().filter(|_| is_first);
        Ok(otherwise.map(|said| Diagnostic::new(code::HOST, said)).into_iter().collect())
    }

    fn draw(&mut self, job: &Job, watcher: Watcher<'_>) -> Result<Picture> {
        let id = self.id_of(job)?;
        if !self.pool.knows(&id) {
            let task = self.task(&job.plan, &job.model, &id)?;
            self.pool.add(task, true);
        }
        let drawn = self.pool.wait(&id, |sign| watcher(sign) == ControlFlow::Continue(()));
        let drawn = drawn.ok_or(EngineError::Stopped)?;
        let drawn = drawn.map_err(|why| Error::new(ErrorKind::Device, code::HOST_WRONG, why))?;
        Ok(Picture { image: drawn.image, parameters: drawn.infotext, plan: json(&job.plan), host: Some(drawn.place) })
    }

    fn looks_ahead(&self) -> usize {
        // Whoever is done early finds something to do.
        (2 * self.hosts.len()).saturating_sub(1)
    }

    fn ahead(&mut self, jobs: &[&Job]) {
        for job in jobs {
            // What goes wrong here is told when its turn comes.
            let Ok(id) = self.id_of(job) else { continue };
            if !self.pool.knows(&id)
                && let Ok(task) = self.task(&job.plan, &job.model, &id)
            {
                self.pool.add(task, false);
            }
        }
    }

    fn model_hash(&mut self, model: &ModelFiles) -> Result<String> {
        let host = self.first()?;
        let title = host.model_named(&name_of(model)).unwrap_or_default();
        let hash = title.rsplit_once(" [").map(|(_, hash)| hash.trim_end_matches(']'));
        Ok(hash.unwrap_or_default().to_owned())
    }

    fn modules(&mut self, plan: &Plan, _: &ModelFiles) -> Result<Vec<Vec<Module>>> {
        plan.loras().map(|lora| self.modules_of(&lora.name, plan)).collect()
    }

    fn add_picture(&mut self, picture: Arc<InitImage>) {
        self.pictures.insert(picture.id().to_owned(), picture);
    }
}
