//! What files turn out to be. Each is opened once.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::app::catalogue::ModelFiles;
use crate::app::error::Result;
use crate::checkpoint::{Checkpoint, TensorFile};
use crate::diagnostic::{Said, Text};
use crate::engine::{Engine, EngineOptions, InitImage};
use crate::lora::{IndexEntry, Inspection, LoraHashes, LoraIndex};
use crate::model::Architecture;

/// What a file is, or why it cannot be read.
pub(super) type Opened<T> = std::result::Result<T, Text>;

/// A LoRA file with what its header says of itself.
#[derive(Debug, Clone)]
pub struct ListedLora {
    /// The file and its names.
    pub entry: IndexEntry,
    /// `ss_output_name` and its kin.
    pub metadata: BTreeMap<String, String>,
}

/// What was found in files that have been opened.
#[derive(Default)]
pub(super) struct OpenedFiles {
    loras: Mutex<HashMap<PathBuf, Opened<Arc<Inspection>>>>,
    hashes: Mutex<HashMap<PathBuf, Opened<Arc<LoraHashes>>>>,
    /// [`OpenedFiles::lora_list`], once somebody has asked.
    listed: OnceLock<Vec<ListedLora>>,
    checkpoints: Mutex<HashMap<PathBuf, Opened<Option<Arc<Architecture>>>>>,
    /// Whether a checkpoint goes with these others.
    together: Mutex<HashMap<ModelFiles, Opened<()>>>,
    /// Pictures that are drawn over, and their masks.
    pictures: Mutex<HashMap<String, Arc<InitImage>>>,
}

impl OpenedFiles {
    /// What a LoRA's file is.
    pub(super) fn lora(&self, path: &Path) -> Opened<Arc<Inspection>> {
        let read = || Inspection::of_file(path, None).map(Arc::new).map_err(|error| error.said());
        locked(&self.loras).entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// The hashes of a LoRA's file, for which all of it is read.
    pub(super) fn lora_hashes(&self, path: &Path) -> Opened<Arc<LoraHashes>> {
        let read = || LoraHashes::of_file(path).map(Arc::new).map_err(|error| error.said());
        locked(&self.hashes).entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// The files of `index` with what their headers say of themselves; what cannot be read says nothing.
    pub(super) fn lora_list(&self, index: &LoraIndex) -> &[ListedLora] {
        self.listed.get_or_init(|| {
            let files = index.entries().iter().filter(|entry| !entry.is_pickle);
            let read = |entry: &IndexEntry| {
                let file = TensorFile::open(&entry.path).ok();
                file.map(|file| file.metadata().clone()).unwrap_or_default()
            };
            files.map(|entry| ListedLora { entry: entry.clone(), metadata: read(entry) }).collect()
        })
    }

    /// What a checkpoint is made as; `None` where its header does not tell.
    pub(super) fn checkpoint(&self, path: &Path) -> Opened<Option<Arc<Architecture>>> {
        let read = || {
            let checkpoint = Checkpoint::open(path).map_err(|error| error.said())?;
            Ok(Architecture::of(checkpoint.file()).map(Arc::new))
        };
        locked(&self.checkpoints).entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// Whether the VAE and the refiner are what the checkpoint can be drawn with, by their headers.
    pub(super) fn together(&self, files: &ModelFiles) -> Opened<()> {
        if files.vae.is_none() && files.refiner.is_none() {
            return Ok(());
        }
        let read = || {
            let checkpoint = Checkpoint::open(&files.checkpoint).map_err(|error| error.said())?;
            let vae = files.vae.as_deref().map(Checkpoint::open_vae).transpose().map_err(|error| error.said())?;
            let refiner = files.refiner.as_deref().map(Checkpoint::open).transpose().map_err(|error| error.said())?;
            let options = EngineOptions { vae, refiner, ..EngineOptions::default() };
            Engine::new(checkpoint, options).map(|_| ()).map_err(|error| error.said())
        };
        locked(&self.together).entry(files.clone()).or_insert_with(read).clone()
    }

    /// The picture that goes by the name `key`, or what `read` makes of its file.
    pub(super) fn picture(&self, key: String, read: impl FnOnce() -> Result<InitImage>) -> Result<Arc<InitImage>> {
        let mut pictures = locked(&self.pictures);
        if let Some(known) = pictures.get(&key) {
            return Ok(known.clone());
        }
        let picture = Arc::new(read()?);
        pictures.insert(key, picture.clone());
        Ok(picture)
    }

    /// The pictures of these ids, as far as they have been read.
    pub(super) fn pictures(&self, ids: &[&str]) -> Vec<Arc<InitImage>> {
        locked(&self.pictures).values().filter(|picture| ids.contains(&picture.id())).cloned().collect()
    }
}

fn locked<T>(files: &Mutex<T>) -> MutexGuard<'_, T> {
    files.lock().unwrap_or_else(|e| e.into_inner())
}
