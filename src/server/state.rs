//! What all requests share: files, options, jobs.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::clock;
use super::jobs::Jobs;
use super::lock::lock;
use super::settings::Settings;
use crate::app::api::{Drawing, Fields, Model, Models, Options, Over, Reader, Refusal};
use crate::app::{
    Caller, EngineSettings, Error, Memory, ModelFiles, Places, ScratchFolder, Session, drawn_seed, scratch_folder,
};
use crate::diagnostic::{Diagnostic, code};
use crate::say;

/// Those who listen to events at once.
const LISTENERS: usize = 32;

/// Analyses whose pictures are kept.
const ANALYSES: usize = 4;

/// What a line about a request is told to.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// The files, as they were when somebody looked last.
pub struct Files {
    pub session: Arc<Session>,
    pub models: Models,
    /// The checkpoint that is used where nobody names one, and the same with its VAE.
    pub model: Model,
    pub chosen: ModelFiles,
    /// What pictures take.
    pub memory: Memory,
}

impl Files {
    fn read(places: &Places, caller: &Caller, engine: &EngineSettings) -> Result<Self, Error> {
        let session = Session::open(places, caller.clone())?;
        let named = session.model();
        let session = session.closed();
        let models = Models::scan(&session.catalogue, session.named_model())?;
        // Where several are there and none is chosen, the first one, as in webui.
        let chosen = named.as_ref().ok().and_then(|files| Some((models.at(&files.checkpoint)?.clone(), files.clone())));
        let (model, chosen) = match (chosen, models.checkpoints.first()) {
            (Some(chosen), _) => chosen,
            (None, Some(first)) => (first.clone(), models.with_vae(first, None)?),
            (None, None) => {
                let none = say!("there is no checkpoint to draw with", "描画に使えるチェックポイントがありません");
                return Err(named.err().unwrap_or_else(|| Error::file(code::NO_MODEL, none)));
            }
        };
        let session = Arc::new(session);
        Ok(Files { memory: Memory::new(&session, engine.clone()), session, models, model, chosen })
    }
}

impl Files {
    /// Hashes the checkpoint that is used, beside everything else where that takes long: titles have the hash in them.
    fn hash(&self) {
        const QUICK: u64 = 64 << 20;
        let (models, path) = (self.models.clone(), self.model.path.clone());
        match std::fs::metadata(&path) {
            Ok(file) if file.len() <= QUICK => drop(models.hash(&path)),
            _ => drop(std::thread::spawn(move || models.hash(&path))),
        }
    }
}

/// What all requests share.
pub struct Server {
    pub settings: Settings,
    pub jobs: Jobs,
    pub began: Instant,
    /// The same in seconds since 1970.
    pub started: u64,
    /// Changes with every start.
    pub id: u64,
    /// Where lines about requests go.
    pub log: Log,
    /// Room for those who listen to events.
    pub listeners: Arc<Semaphore>,
    /// Bytes of the bodies that are coming.
    pub bodies: AtomicUsize,
    places: Places,
    caller: Caller,
    engine: EngineSettings,
    files: Mutex<Arc<Files>>,
    options: Mutex<Options>,
    /// Folders of the last analyses, the newest at the end: the same one, asked for again, goes on where it was.
    analyses: Mutex<Vec<(String, Arc<ScratchFolder>)>>,
    /// Held by who sets options, so that the options themselves stay readable meanwhile.
    setting: Mutex<()>,
}

impl Server {
    /// Answers as `settings` say and draws as `engine` says.
    pub fn new(
        places: Places,
        caller: Caller,
        settings: Settings,
        engine: EngineSettings,
        log: Log,
    ) -> Result<Self, Error> {
        let files = Files::read(&places, &caller, &engine)?;
        files.hash();
        let jobs = Jobs::new(settings.queue);
        let (files, options) = (Mutex::new(Arc::new(files)), Mutex::default());
        let listeners = Arc::new(Semaphore::new(LISTENERS));
        Ok(Server {
            log,
            settings,
            jobs,
            began: Instant::now(),
            started: clock::seconds(),
            id: drawn_seed(),
            listeners,
            bodies: AtomicUsize::new(0),
            places,
            caller,
            engine,
            files,
            options,
            setting: Mutex::default(),
            analyses: Mutex::default(),
        })
    }

    /// The files as they are known.
    pub fn files(&self) -> Arc<Files> {
        lock(&self.files).clone()
    }

    /// Looks at the folders again.
    pub fn refresh(&self) -> Result<(), Error> {
        let files = Files::read(&self.places, &self.caller, &self.engine)?;
        *lock(&self.files) = Arc::new(files);
        self.forget();
        Ok(())
    }

    /// webui's options as they are.
    pub fn options(&self) -> Options {
        lock(&self.options).clone()
    }

    /// Sets options; `change` sees those there are, and nobody else sets any meanwhile.
    pub fn set_options<E>(&self, change: impl FnOnce(&Options) -> Result<Options, E>) -> Result<(), E> {
        let _alone = lock(&self.setting);
        let options = change(&self.options())?;
        self.put_options(options);
        Ok(())
    }

    /// These options from now on.
    pub fn put_options(&self, options: Options) {
        *lock(&self.options) = options;
    }

    /// Reads a request against files and options as they are now.
    pub fn with_reader<T>(&self, read: impl FnOnce(&Reader<'_>) -> T) -> T {
        let (files, options) = (self.files(), self.options());
        read(&Reader {
            session: &files.session,
            models: &files.models,
            model: &files.model,
            files: &files.chosen,
            options: &options,
            rules: self.settings.rules,
        })
    }

    /// A request that can be drawn.
    pub fn read(&self, fields: Fields, over: Option<Over>) -> Result<Drawing, Refusal> {
        self.with_reader(|reader| reader.read(fields, over))
    }

    /// Reads the request of a study.
    pub fn read_study(&self, fields: Fields) -> Result<Drawing, Refusal> {
        self.with_reader(|reader| reader.read_study(fields))
    }

    /// The side of a picture where nobody says one.
    pub fn side(&self) -> u32 {
        if self.files().session.is_embedded() { 128 } else { 512 }
    }

    /// A folder for pictures on their way, gone with the job.
    pub fn scratch(&self) -> Result<ScratchFolder, Error> {
        scratch_folder(&self.files().session.catalogue.cache)
    }

    /// The folder of the analysis that goes by the name `what`.
    pub fn analysis_folder(&self, what: String) -> Result<Arc<ScratchFolder>, Error> {
        let mut kept = lock(&self.analyses);
        let folder = match kept.iter().position(|(known, _)| *known == what) {
            Some(at) => kept.remove(at).1,
            None => Arc::new(self.scratch()?),
        };
        if kept.len() == ANALYSES {
            kept.remove(0);
        }
        kept.push((what, folder.clone()));
        Ok(folder)
    }

    /// Removes what was only kept for the next request.
    pub fn forget(&self) {
        lock(&self.analyses).clear();
    }

    /// What is to be said about the files.
    pub fn found(&self) -> Vec<Diagnostic> {
        self.files().session.found.clone()
    }
}
