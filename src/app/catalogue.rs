//! Where files are found: named one by one, in a webui folder, or the embedded ones.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use unicode_normalization::UnicodeNormalization;

use super::error::{Error, Result};
use super::webui::{self, WebuiConfig};
use crate::block::Family;
use crate::checkpoint::{cached_sha256, known_sha256};
use crate::diagnostic::{Diagnostic, code};
use crate::engine::embedded;
use crate::model::Architecture;
use crate::plan::Patch;
use crate::say;

/// Folders and files, as the caller names them.
#[derive(Debug, Clone)]
pub struct Places {
    /// A webui folder: its models, LoRAs, VAEs, embeddings, styles and presets are used.
    pub webui: Option<PathBuf>,
    /// Whether webui's `config.json` is read.
    pub webui_config: bool,
    /// Folders of LoRAs.
    pub loras: Vec<PathBuf>,
    /// Folders of textual-inversion embeddings; later ones win.
    pub embeddings: Vec<PathBuf>,
    /// Folders of upscalers; the first of several of one name counts.
    pub upscalers: Vec<PathBuf>,
    /// Styles files; later ones win.
    pub styles: Vec<PathBuf>,
    /// Weight preset files, YAML or webui's; later ones win.
    pub presets: Vec<PathBuf>,
    /// Element preset files; later ones win.
    pub element_presets: Vec<PathBuf>,
    /// Folder for files that can be made again.
    pub cache: PathBuf,
    /// Settings that hold where neither a text nor the caller says anything.
    pub settings: Patch,
    /// What is to be said about all this.
    pub found: Vec<Diagnostic>,
    /// Other hosts that draw.
    pub remote: Option<Remote>,
}

impl Default for Places {
    fn default() -> Self {
        Places {
            webui: None,
            webui_config: true,
            loras: Vec::new(),
            embeddings: Vec::new(),
            upscalers: Vec::new(),
            styles: Vec::new(),
            presets: Vec::new(),
            element_presets: Vec::new(),
            cache: dirs::cache_dir().map_or_else(|| tempfile::env::temp_dir().join("lbw"), |dir| dir.join("lbw")),
            settings: Patch::default(),
            found: Vec::new(),
            remote: None,
        }
    }
}

/// What is known of other hosts that draw in this program's place: names, for their files are not here.
#[derive(Debug, Clone, Default)]
pub struct Remote {
    /// The checkpoint that they draw with unless another one is named.
    pub model: String,
    /// Whether that is the program's own.
    pub is_embedded: bool,
    /// The LoRAs they have.
    pub loras: Vec<String>,
    /// Whether their checkpoint is one of SD1, which they do not tell.
    pub is_sd1: bool,
}

/// A checkpoint, and the VAE that replaces its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelFiles {
    /// The checkpoint's file.
    pub checkpoint: PathBuf,
    /// The VAE's file.
    pub vae: Option<PathBuf>,
    /// The checkpoint that takes over on the way.
    pub refiner: Option<PathBuf>,
}

/// Files and folders after all defaults. Only what is asked for has to be there.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// webui's folder of checkpoints.
    models: Option<PathBuf>,
    /// webui's folder of VAEs.
    vaes: Option<PathBuf>,
    /// The options of the webui whose folder was given.
    pub config: WebuiConfig,
    loras: Vec<PathBuf>,
    /// Folders of textual-inversion embeddings, later ones win.
    pub embeddings: Vec<PathBuf>,
    upscalers: Vec<PathBuf>,
    /// Styles files, later ones win.
    pub styles: Vec<PathBuf>,
    /// Weight preset files, later ones win.
    pub presets: Vec<PathBuf>,
    /// Element preset files, later ones win.
    pub element_presets: Vec<PathBuf>,
    /// Folder for files that can be made again.
    pub cache: PathBuf,
    /// Settings that hold where neither a text nor the caller says anything; they win over webui's.
    pub settings: Patch,
    /// Other hosts that draw.
    pub remote: Option<Remote>,
    /// The embedded files, once they are asked for.
    installed: OnceLock<embedded::Installed>,
    /// What names have led to.
    found: Arc<Mutex<Found>>,
    /// Checkpoint and VAE that the caller named as files, where names of others are no paths.
    closed: Option<[Option<PathBuf>; 2]>,
}

/// So many names are remembered; nobody has more of them, but somebody may ask for more.
const REMEMBERED: usize = 1000;

/// What names of checkpoints and VAEs have led to: a batch asks for the same ones in every line.
type Found = HashMap<[Option<String>; 2], Result<ModelFiles>>;

impl Catalogue {
    /// Looks at the folders that are named, and says what webui's configuration brings with it.
    pub fn open(places: &Places) -> Result<(Self, Vec<Diagnostic>)> {
        let webui = places.webui.as_deref();
        let named = webui.into_iter().map(|dir| ("--webui-dir", dir));
        let named = named.chain(places.loras.iter().map(|dir| ("--lora-dir", dir.as_path())));
        let named = named.chain(places.embeddings.iter().map(|dir| ("--embeddings-dir", dir.as_path())));
        let mut named = named.chain(places.upscalers.iter().map(|dir| ("--upscaler-dir", dir.as_path())));
        if let Some((flag, dir)) = named.find(|(_, dir)| !dir.is_dir()) {
            let dir = dir.display();
            let message = say!("{flag} {dir}: there is no such folder", "{flag} {dir}: そのフォルダーはありません");
            return Err(Error::file(code::NO_FILE, message));
        }
        // A folder inside webui's has none of the folders that are looked for.
        if let Some((inner, root)) =
            webui.filter(|dir| !dir.join("models").is_dir()).and_then(|dir| Some((dir, webui::root_above(dir)?)))
        {
            let (inner, root) = (inner.display(), root.display());
            let message = say!(
                "--webui-dir {inner}: this is a folder inside webui's",
                "--webui-dir {inner}: webui のフォルダーの中のフォルダーです"
            );
            return Err(Error::file(code::NO_FILE, message)
                .help(say!("did you mean `--webui-dir {root}`?", "`--webui-dir {root}` のことですか?")));
        }
        if let Some(file) = places.styles.iter().find(|file| !file.is_file()) {
            let name = file.display();
            let message = match file.is_dir() {
                true => say!(
                    "--styles-file {name}: this is a folder; name the file in it",
                    "--styles-file {name}: フォルダーです。中のファイルを指定してください"
                ),
                false => say!(
                    "--styles-file {name}: there is no such file",
                    "--styles-file {name}: そのファイルはありません"
                ),
            };
            return Err(Error::file(code::NO_FILE, message));
        }
        let (config, found) = match webui.filter(|_| places.webui_config) {
            Some(webui) => WebuiConfig::read(webui),
            None => Default::default(),
        };
        let inside = |name: &str| webui.map(|dir| dir.join(name));
        let scripts: Vec<PathBuf> = webui.map(webui::extension_folders).unwrap_or_default();
        let of_extension = |name: &str| scripts.iter().map(|dir| dir.join(name)).filter(|p| p.is_file()).collect();
        let with = |mut found: Vec<PathBuf>, named: &[PathBuf]| {
            found.extend_from_slice(named);
            found
        };
        let catalogue = Catalogue {
            models: inside("models/Stable-diffusion"),
            vaes: inside("models/VAE"),
            config,
            loras: with(webui.into_iter().flat_map(webui::lora_folders).collect(), &places.loras),
            embeddings: with(inside("embeddings").filter(|d| d.is_dir()).into_iter().collect(), &places.embeddings),
            upscalers: [&places.upscalers[..], &webui.map(webui::upscaler_folders).unwrap_or_default()].concat(),
            styles: with(webui.into_iter().flat_map(webui::styles_files).collect(), &places.styles),
            presets: with(of_extension("lbwpresets.txt"), &places.presets),
            element_presets: with(of_extension("elempresets.txt"), &places.element_presets),
            cache: places.cache.clone(),
            settings: places.settings.clone(),
            remote: places.remote.clone(),
            installed: OnceLock::new(),
            found: Arc::default(),
            closed: None,
        };
        Ok((catalogue, found))
    }

    /// The family of a checkpoint that cannot be looked at.
    pub fn family(&self) -> Family {
        match &self.remote {
            Some(remote) if remote.is_sd1 => Family::Sd1,
            _ => Architecture::DRAWN[0],
        }
    }

    /// Whether there is a folder in which names of checkpoints are looked up.
    pub fn has_models(&self) -> bool {
        self.models.is_some()
    }

    /// From now on names are looked up in lists alone; those of the caller are known.
    pub(super) fn close(&mut self, model: Option<&str>, vae: Option<&str>) {
        let file = |name: Option<&str>| name.map(PathBuf::from).filter(|path| path.exists());
        self.closed = Some([file(model), file(vae)]);
        self.found = Arc::default();
    }

    /// Whether names are looked up in lists alone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The file that `name` is the path of, where names may be paths; else that of the caller (the checkpoint's is number 0)
    /// where it is called so.
    fn file(&self, name: &str, number: usize) -> Option<PathBuf> {
        match &self.closed {
            // A link to nothing is meant, too: where it leads is told when it is opened.
            None => Some(PathBuf::from(name)).filter(|path| path.exists() || path.is_symlink()),
            Some(own) => own[number].clone().filter(|path| {
                let folder = path.parent().unwrap_or(path);
                path == Path::new(name) || is_called(path, folder, name)
            }),
        }
    }

    /// Whether the program's own model runs where `model` is asked for.
    pub fn is_embedded(&self, model: Option<&str>) -> bool {
        match &self.remote {
            Some(remote) => model.is_none() && remote.is_embedded,
            None => model.is_none() && self.models.is_none(),
        }
    }

    /// The LoRA folders; the embedded model brings its own.
    pub fn loras(&self, model: Option<&str>) -> Result<Vec<PathBuf>> {
        let mut dirs = self.loras.clone();
        if self.is_embedded(model) {
            dirs.push(self.installed()?.lora_dir.clone());
        }
        Ok(dirs)
    }

    /// The folders of upscalers, the first of several of one name counts; the embedded one comes last.
    pub fn upscalers(&self) -> Vec<PathBuf> {
        let mut dirs = self.upscalers.clone();
        // Who asks for it is told where it is missing.
        dirs.extend(embedded::install_upscaler(&self.cache).ok());
        dirs
    }

    fn installed(&self) -> Result<&embedded::Installed> {
        if let Some(installed) = self.installed.get() {
            return Ok(installed);
        }
        let installed = embedded::install(&self.cache)?;
        Ok(self.installed.get_or_init(|| installed))
    }

    /// The files of a checkpoint and a VAE of these names.
    pub fn model(&self, model: Option<&str>, vae: Option<&str>) -> Result<ModelFiles> {
        if let Some(remote) = &self.remote {
            let checkpoint = model.unwrap_or(&remote.model).into();
            return Ok(ModelFiles { checkpoint, vae: vae.map(PathBuf::from), refiner: None });
        }
        let mut found = self.found.lock().unwrap_or_else(|e| e.into_inner());
        let names = [model, vae].map(|name| name.map(str::to_owned));
        if found.len() >= REMEMBERED {
            found.clear();
        }
        found.entry(names).or_insert_with(|| self.find_model(model, vae)).clone()
    }

    /// The checkpoints that can be chosen by name, each with its path below its folder: those of the webui folder, `model` where
    /// it is a file elsewhere, and the embedded one where nothing else runs.
    pub fn checkpoints(&self, model: Option<&str>) -> Result<Vec<(PathBuf, String)>> {
        let mut found = below(self.models.as_deref(), |path| !is_vae(path));
        let named = model.map(PathBuf::from).filter(|path| path.is_file());
        let embedded = if self.is_embedded(model) { Some(self.installed()?.checkpoint.clone()) } else { None };
        for path in named.into_iter().chain(embedded).filter(|path| path.file_name().is_some()) {
            if found.iter().all(|(known, _)| *known != path) {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                found.push((path, name.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    /// The VAEs of the webui folder, each with its path below it.
    pub fn vaes(&self) -> Vec<(PathBuf, String)> {
        below(self.vaes.as_deref(), |_| true)
    }

    /// The checkpoint of this name that takes over on the way. A stranger's text names checkpoints, but no paths.
    pub fn refiner(&self, name: &str, may_be_path: bool) -> Result<PathBuf> {
        self.checkpoint("--refiner", Some(name), may_be_path)
    }

    fn find_model(&self, model: Option<&str>, vae: Option<&str>) -> Result<ModelFiles> {
        let checkpoint = self.checkpoint("--model", model.or(self.config.checkpoint()), model.is_some())?;
        let of_config = vae.is_none();
        let vae = match vae.or(self.config.vae()) {
            Some(name) if name.eq_ignore_ascii_case("none") => None,
            Some(name) if !name.eq_ignore_ascii_case("automatic") => Some(self.vae(name, !of_config)?),
            // `NAME.vae.safetensors` beside the checkpoint, if it is there.
            _ => ["vae.safetensors", "vae.pt", "vae.ckpt"]
                .map(|end| checkpoint.with_extension(end))
                .into_iter()
                .find(|p| p.is_file()),
        };
        Ok(ModelFiles { checkpoint, vae, refiner: None })
    }

    fn checkpoint(&self, flag: &str, name: Option<&str>, may_be_path: bool) -> Result<PathBuf> {
        if let Some(file) = name.filter(|_| may_be_path || self.is_closed()).and_then(|name| self.file(name, 0)) {
            return Ok(file);
        }
        match (name, self.models.as_deref()) {
            (Some(name), None) => Err(no_model(flag, name, None, &[])),
            (Some(name), Some(folder)) => self.checkpoint_called(flag, name, folder),
            (None, None) => Ok(self.installed()?.checkpoint.clone()),
            // webui takes the first one when none is chosen; a guess between several would be a silent choice.
            (None, Some(folder)) => match checkpoints(folder).as_slice() {
                [only] => Ok(only.clone()),
                [] => {
                    let folder = folder.display();
                    let message = say!("{folder}: there is no checkpoint", "{folder}: チェックポイントがありません");
                    Err(Error::file(code::NO_MODEL, message))
                }
                several => {
                    let (folder, count, names) = (folder.display(), several.len(), listed(several));
                    let message = say!(
                        "{folder} has {count} checkpoints; choose one with --model:{names}",
                        "{folder} にはチェックポイントが {count} 個あります。--model で選んでください:{names}"
                    );
                    Err(Error::words(code::WHICH_MODEL, message))
                }
            },
        }
    }

    /// The checkpoint in `folder` that webui shows under `name`, or whose hash begins so.
    fn checkpoint_called(&self, flag: &str, name: &str, folder: &Path) -> Result<PathBuf> {
        let known = checkpoints(folder);
        // The folder it was in may have belonged to another webui.
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let called = |name| known.iter().filter(|p| is_called(p, folder, name)).collect::<Vec<_>>();
        let mut found = called(name);
        if found.is_empty() {
            found = called(file);
        }
        if found.is_empty() && is_hash(name) {
            let name = name.to_lowercase();
            let hash = |path: &Path| match self.is_closed() {
                // Nobody else makes us read all files.
                true => known_sha256(path, &self.cache),
                false => cached_sha256(path, &self.cache).ok(),
            };
            let begins = |path: &&PathBuf| hash(path).is_some_and(|hash| hash.starts_with(&name));
            found.extend(known.iter().find(begins));
        }
        match found[..] {
            [] => Err(no_model(flag, name, Some(folder), &known)),
            [found] => Ok(found.clone()),
            [..] => {
                let paths: String = found.iter().map(|p| format!("\n  {}", p.display())).collect();
                let message = say!(
                    "{flag} {name}: several checkpoints have this name; write the path of one:{paths}",
                    "{flag} {name}: この名前のチェックポイントがいくつもあります。どれかのパスを書いてください:{paths}"
                );
                Err(Error::words(code::WHICH_MODEL, message))
            }
        }
    }

    /// A VAE file, or one that webui shows under this name.
    fn vae(&self, name: &str, may_be_path: bool) -> Result<PathBuf> {
        if let Some(file) = Some(name).filter(|_| may_be_path || self.is_closed()).and_then(|name| self.file(name, 1)) {
            return Ok(file);
        }
        let folder = self.vaes.as_deref().unwrap_or(Path::new(""));
        let known = self.vaes.as_deref().map(|dir| tensor_files(dir, |_| true)).unwrap_or_default();
        known.iter().find(|p| is_called(p, folder, name)).cloned().ok_or_else(|| {
            let message = say!(
                "--vae {name}: there is no such VAE (`none` is the checkpoint's own)",
                "--vae {name}: その VAE はありません (`none` はチェックポイント自身の VAE)"
            );
            let error = Error::file(code::NO_VAE, message);
            if known.is_empty() {
                return error;
            }
            let names = listed(&known);
            error.help(say!("models/VAE has:{names}", "models/VAE にあるもの:{names}"))
        })
    }
}

fn no_model(flag: &str, name: &str, folder: Option<&Path>, known: &[PathBuf]) -> Error {
    let Some(folder) = folder else {
        let message = say!("{flag} {name}: there is no such file", "{flag} {name}: そのファイルはありません");
        return Error::file(code::NO_MODEL, message).help(say!(
            "name a checkpoint, or give --webui-dir",
            "チェックポイントを指定するか、--webui-dir を付けてください"
        ));
    };
    let (folder, names) = (folder.display(), listed(known));
    let message = say!(
        "{flag} {name}: there is no such file, nor a checkpoint of that name in {folder}",
        "{flag} {name}: そのファイルも、{folder} にその名前のチェックポイントもありません"
    );
    Error::file(code::NO_MODEL, message).help(say!("it has:{names}", "あるもの:{names}"))
}

/// Checkpoint files in `folder` and the folders inside it.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    tensor_files(folder, |path| !is_vae(path))
}

/// The files of [`tensor_files`] with their paths below `folder`, written with `/`.
fn below(folder: Option<&Path>, wanted: fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
    let Some(folder) = folder else { return Vec::new() };
    let named = tensor_files(folder, wanted).into_iter().map(|path| {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        (path, name)
    });
    named.collect()
}

/// The files in `folder` and the folders inside it that webui lists as models and that are `wanted`.
fn tensor_files(folder: &Path, wanted: fn(&Path) -> bool) -> Vec<PathBuf> {
    const DEPTH: usize = 6;
    const EXTENSIONS: [&str; 5] = ["safetensors", "sft", "ckpt", "pt", "gguf"];
    let is_listed = |path: &Path| {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        !hidden && extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
    };
    fn walk(folder: &Path, depth: usize, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.filter_map(|e| Some(e.ok()?.path())) {
            if path.is_dir() && depth > 0 {
                walk(&path, depth - 1, wanted, found);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, DEPTH, &|path| is_listed(path) && wanted(path), &mut found);
    found.sort();
    found
}

/// `NAME.vae.safetensors` lies beside its checkpoint.
fn is_vae(path: &Path) -> bool {
    path.file_stem().is_some_and(|s| s.to_string_lossy().to_lowercase().ends_with(".vae"))
}

/// Whether webui shows `path`, which lies in `folder`, under `name`: its name or its path in the folder, with or without
/// extension, with `_` for the separators, each with the hash behind it or not.
fn is_called(path: &Path, folder: &Path, name: &str) -> bool {
    let name = match name.rsplit_once(" [") {
        Some((name, hash)) if hash.strip_suffix(']').is_some_and(is_hash) => name,
        _ => name,
    };
    let composed = |text: &str| text.nfc().collect::<String>().replace('\\', "/");
    let name = composed(name);
    let below = path.strip_prefix(folder).unwrap_or(path);
    let file = below.file_name().map_or(below, Path::new);
    [below, file].iter().any(|path| {
        let whole = composed(&path.to_string_lossy());
        let stem = composed(&path.with_extension("").to_string_lossy());
        [&whole, &stem].iter().any(|known| **known == name || known.replace('/', "_") == name)
    })
}

fn is_hash(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().filter_map(|p| Some(format!("\n  {}", p.file_stem()?.to_string_lossy()))).collect()
}
