//! Where the files are that a command needs: named one by one, in a webui folder, or the embedded ones.

use std::path::{Path, PathBuf};

use super::args::FileArgs;
use super::exit::Failure;
use super::webui_config::WebuiConfig;
use crate::engine::embedded;

/// Files and folders after all defaults. Only what a command asks for has to be there.
pub struct Files {
    model: ModelChoice,
    vae: VaeChoice,
    /// webui's models/VAE.
    vae_dir: Option<PathBuf>,
    /// The options of the webui whose folder was given.
    pub config: WebuiConfig,
    lora_dirs: Vec<PathBuf>,
    /// Folders of textual-inversion embeddings, later ones win.
    pub embedding_dirs: Vec<PathBuf>,
    /// Styles files, later ones win.
    pub styles: Vec<PathBuf>,
    /// Weight preset files, later ones win.
    pub presets: Vec<PathBuf>,
    /// Element preset files, later ones win.
    pub element_presets: Vec<PathBuf>,
}

/// A checkpoint, which it stands for as a path, and the VAE that replaces its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelFiles {
    checkpoint: PathBuf,
    pub vae: Option<PathBuf>,
}

impl std::ops::Deref for ModelFiles {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.checkpoint
    }
}

enum VaeChoice {
    /// `NAME.vae.safetensors` beside the checkpoint, if it is there.
    Automatic,
    /// The checkpoint's own.
    Own,
    Named(String),
}

impl VaeChoice {
    fn named(name: &str) -> Self {
        match name {
            _ if name.eq_ignore_ascii_case("none") => VaeChoice::Own,
            _ if name.eq_ignore_ascii_case("automatic") => VaeChoice::Automatic,
            _ => VaeChoice::Named(name.to_owned()),
        }
    }
}

enum ModelChoice {
    Embedded,
    /// A file, or the name of a checkpoint in this folder.
    Named(String, Option<PathBuf>),
    /// The one checkpoint that this folder should have.
    OnlyOne(PathBuf),
}

impl Files {
    /// Resolves `args`; `pasted` is a model's name that came with the prompt, which `--model` overrides.
    pub fn resolve(args: &FileArgs, pasted: Option<&str>) -> Result<Self, Failure> {
        if let Some(dir) = args.webui_dir.as_deref().filter(|d| !d.is_dir()) {
            return Err(Failure::file(format!("--webui-dir {}: there is no such folder", dir.display())));
        }
        for (flag, dirs) in [("--lora-dir", &args.lora_dir), ("--embeddings-dir", &args.embeddings_dir)] {
            if let Some(dir) = dirs.iter().find(|d| !d.is_dir()) {
                return Err(Failure::file(format!("{flag} {}: there is no such folder", dir.display())));
            }
        }
        let webui = args.webui_dir.as_deref();
        let mut lora_dirs = Vec::new();
        if let Some(webui) = webui {
            let known = ["models/Lora", "models/LyCORIS"].map(|sub| webui.join(sub));
            lora_dirs.extend(known.into_iter().filter(|d| d.is_dir()));
        }
        lora_dirs.extend(args.lora_dir.iter().cloned());

        let mut embedding_dirs: Vec<_> =
            webui.map(|d| d.join("embeddings")).filter(|d| d.is_dir()).into_iter().collect();
        embedding_dirs.extend(args.embeddings_dir.iter().cloned());

        // webui ships the second file with styles of its own.
        let known = webui.map(|d| ["styles.csv", "styles_integrated.csv"].map(|name| d.join(name)));
        let mut styles: Vec<_> = known.into_iter().flatten().filter(|p| p.is_file()).collect();
        styles.extend(args.styles_file.iter().cloned());

        let (mut presets, mut element_presets) = (Vec::new(), Vec::new());
        for scripts in webui.map(extension_folders).into_iter().flatten() {
            presets.extend(Some(scripts.join("lbwpresets.txt")).filter(|p| p.is_file()));
            element_presets.extend(Some(scripts.join("elempresets.txt")).filter(|p| p.is_file()));
        }
        presets.extend(args.presets.iter().cloned());
        element_presets.extend(args.element_presets.iter().cloned());

        let folder = webui.map(|d| d.join("models/Stable-diffusion"));
        let config = match webui {
            Some(webui) if !args.no_webui_config => WebuiConfig::read(webui),
            _ => WebuiConfig::default(),
        };
        let vae = args.vae.as_deref().or(config.vae()).map_or(VaeChoice::Automatic, VaeChoice::named);
        let vae_dir = webui.map(|d| d.join("models/VAE"));
        let model = match (args.model.as_deref(), pasted.or(config.checkpoint()), folder) {
            (Some(name), _, folder) => ModelChoice::Named(name.to_owned(), folder),
            // Without a folder there is nowhere to look a pasted name up.
            (None, Some(name), Some(folder)) => ModelChoice::Named(name.to_owned(), Some(folder)),
            (None, None, Some(folder)) => ModelChoice::OnlyOne(folder),
            (None, _, None) => ModelChoice::Embedded,
        };
        Ok(Files { model, vae, vae_dir, config, lora_dirs, embedding_dirs, styles, presets, element_presets })
    }

    /// Whether the program's own model runs, whose images are small.
    pub fn is_embedded(&self) -> bool {
        matches!(self.model, ModelChoice::Embedded)
    }

    /// The LoRA folders; the embedded model brings its own.
    pub fn lora_dirs(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut dirs = self.lora_dirs.clone();
        if self.is_embedded() {
            dirs.push(install()?.lora_dir);
        }
        Ok(dirs)
    }

    /// Takes the VAE that came with a prompt, where there is a folder to look it up.
    pub fn paste_vae(&mut self, name: &str) {
        if self.vae_dir.is_some() {
            self.vae = VaeChoice::named(name);
        }
    }

    /// The model to run.
    pub fn model(&self) -> Result<ModelFiles, Failure> {
        let checkpoint = self.checkpoint()?;
        let vae = match &self.vae {
            VaeChoice::Own => None,
            VaeChoice::Automatic => Some(checkpoint.with_extension("vae.safetensors")).filter(|p| p.is_file()),
            VaeChoice::Named(name) => Some(self.vae_called(name)?),
        };
        Ok(ModelFiles { checkpoint, vae })
    }

    /// A VAE file, or one that webui shows under this name.
    fn vae_called(&self, name: &str) -> Result<PathBuf, Failure> {
        if Path::new(name).is_file() {
            return Ok(PathBuf::from(name));
        }
        let known = self.vae_dir.as_deref().map(|dir| safetensors(dir, |_| true)).unwrap_or_default();
        known.iter().find(|p| is_called(p, name)).cloned().ok_or_else(|| {
            let known = if known.is_empty() { String::new() } else { format!("; models/VAE has:{}", listed(&known)) };
            Failure::file(format!("--vae {name}: there is no such VAE (`none` is the checkpoint's own){known}"))
        })
    }

    fn checkpoint(&self) -> Result<PathBuf, Failure> {
        match &self.model {
            ModelChoice::Embedded => Ok(install()?.checkpoint),
            ModelChoice::Named(name, _) if Path::new(name).is_file() => Ok(PathBuf::from(name)),
            ModelChoice::Named(name, folder) => {
                let checkpoints = folder.as_deref().map(checkpoints).unwrap_or_default();
                let found = checkpoints.iter().find(|p| is_called(p, name)).cloned();
                found.ok_or_else(|| missing_model(name, folder.as_deref(), &checkpoints))
            }
            // webui takes the first one when none is chosen; a guess between several would be a silent choice.
            ModelChoice::OnlyOne(folder) => match checkpoints(folder).as_slice() {
                [only] => Ok(only.clone()),
                [] => Err(Failure::file(format!("{}: there is no .safetensors checkpoint", folder.display()))),
                several => Err(Failure::text(format!(
                    "{} has {} checkpoints; choose one with --model:{}",
                    folder.display(),
                    several.len(),
                    listed(several)
                ))),
            },
        }
    }
}

fn install() -> Result<embedded::Installed, Failure> {
    embedded::install(&cache_dir()).map_err(|e| Failure::file(e.to_string()))
}

/// Folder for files that can be made again.
pub fn cache_dir() -> PathBuf {
    let own = std::env::var_os("LBW_CACHE_DIR").map(PathBuf::from);
    own.or_else(|| Some(dirs::cache_dir()?.join("lbw"))).unwrap_or_else(|| std::env::temp_dir().join("lbw"))
}

/// `extensions/*lora-block-weight*/scripts`
fn extension_folders(webui: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(webui.join("extensions")) else { return Vec::new() };
    let mut folders: Vec<_> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().contains("lora-block-weight")))
        .map(|p| p.join("scripts"))
        .collect();
    folders.sort();
    folders
}

/// Checkpoint files in `folder` and the folders inside it.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    safetensors(folder, |path| !is_vae(path))
}

/// The .safetensors files in `folder` and the folders inside it that are `wanted`.
fn safetensors(folder: &Path, wanted: fn(&Path) -> bool) -> Vec<PathBuf> {
    const DEPTH: usize = 6;
    fn walk(folder: &Path, depth: usize, wanted: fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.filter_map(|e| Some(e.ok()?.path())) {
            if path.is_dir() && depth > 0 {
                walk(&path, depth - 1, wanted, found);
            } else if path.extension().is_some_and(|e| e == "safetensors") && wanted(&path) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, DEPTH, wanted, &mut found);
    found.sort();
    found
}

/// `NAME.vae.safetensors` lies beside its checkpoint.
fn is_vae(path: &Path) -> bool {
    path.file_stem().is_some_and(|s| s.to_string_lossy().to_lowercase().ends_with(".vae"))
}

/// Whether webui shows `path` under `name`: file name or stem.
fn is_called(path: &Path, name: &str) -> bool {
    let is = |part: Option<&std::ffi::OsStr>| part.is_some_and(|p| p.to_string_lossy() == name);
    is(path.file_name()) || is(path.file_stem())
}

fn missing_model(name: &str, folder: Option<&Path>, checkpoints: &[PathBuf]) -> Failure {
    match folder {
        Some(folder) => Failure::file(format!(
            "--model {name}: there is no such file, nor a checkpoint of that name in {}; it has:{}",
            folder.display(),
            listed(checkpoints)
        )),
        None => Failure::file(format!(
            "--model {name}: there is no such file (name a .safetensors checkpoint, or give --webui-dir)"
        )),
    }
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().filter_map(|p| Some(format!("\n  {}", p.file_stem()?.to_string_lossy()))).collect()
}
