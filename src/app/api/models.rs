//! Checkpoints and VAEs by the names that webui's clients use. A name is only compared with those of the list: it never becomes
//! a path.

use std::path::{Path, PathBuf};

use crate::app::catalogue::{Catalogue, ModelFiles};
use crate::app::error::{Error, Result};
use crate::checkpoint::{Checkpoint, cached_sha256, known_sha256};
use crate::diagnostic::{code, did_you_mean};
use crate::say;

/// A checkpoint that can be drawn with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Where it is.
    pub path: PathBuf,
    /// The path below its folder, with `/`.
    pub file: String,
}

impl Model {
    /// The file name without its extension, as infotext has it.
    pub fn stem(&self) -> &str {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// webui's `model_name`: the path with `_`, without the extension.
    pub fn model_name(&self) -> String {
        let path = self.file.rsplit_once('.').map_or(self.file.as_str(), |(path, _)| path);
        path.replace('/', "_")
    }

    /// What the file is known by, ten digits of it in brackets where its hash is known.
    pub fn title(&self, sha256: Option<&str>) -> String {
        match sha256 {
            Some(hash) => format!("{} [{}]", self.file, short(hash)),
            None => self.file.clone(),
        }
    }
}

/// The ten digits that webui shows.
pub fn short(sha256: &str) -> &str {
    sha256.get(..10).unwrap_or(sha256)
}

/// What there is to choose from.
#[derive(Debug, Clone, Default)]
pub struct Models {
    /// The checkpoints, in the order of their folders.
    pub checkpoints: Vec<Model>,
    /// The VAEs: where they are, and their paths below their folder.
    pub vaes: Vec<(PathBuf, String)>,
    cache: PathBuf,
}

impl Models {
    /// Looks at the folders. Files that no engine opens are left out: their headers are read.
    pub fn scan(catalogue: &Catalogue, model: Option<&str>) -> Result<Self> {
        let files = catalogue.checkpoints(model)?.into_iter();
        let usable = files.filter(|(path, _)| Checkpoint::open(path).is_ok());
        Ok(Models {
            checkpoints: usable.map(|(path, file)| Model { path, file }).collect(),
            vaes: catalogue.vaes(),
            cache: catalogue.cache.clone(),
        })
    }

    /// The hash of a file, where somebody has needed it before.
    pub fn known_hash(&self, path: &Path) -> Option<String> {
        known_sha256(path, &self.cache)
    }

    /// The hash of a file. It may have to be read for that, all of it.
    pub fn hash(&self, path: &Path) -> Option<String> {
        cached_sha256(path, &self.cache).ok()
    }

    /// The checkpoint at `path`.
    pub fn at(&self, path: &Path) -> Option<&Model> {
        self.checkpoints.iter().find(|model| model.path == path)
    }

    /// The checkpoint that a client calls `name`: title, with or without hash, file, stem, `model_name`, or hash.
    pub fn find(&self, name: &str) -> Result<&Model> {
        let name = name.trim();
        let bare = name.rsplit_once(" [").filter(|(_, hash)| hash.ends_with(']')).map_or(name, |(bare, _)| bare);
        let is_named = |model: &&Model| [&model.file, model.stem(), &model.model_name()].contains(&bare);
        let is_hash = (10..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        let has_hash = |model: &&Model| {
            let hash = self.known_hash(&model.path);
            hash.is_some_and(|hash| hash.eq_ignore_ascii_case(name) || short(&hash).eq_ignore_ascii_case(name))
        };
        let found = self.checkpoints.iter().find(is_named);
        let found = found.or_else(|| self.checkpoints.iter().filter(|_| is_hash).find(has_hash));
        found.ok_or_else(|| self.no_model(name))
    }

    fn no_model(&self, name: &str) -> Error {
        let error = Error::words(code::NO_MODEL, say!("model '{name}' not found", "モデル '{name}' はありません"));
        match did_you_mean(name, self.checkpoints.iter().map(Model::stem)) {
            Some(near) => error.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
            None => error,
        }
    }

    /// The files of a checkpoint with the VAE that a client calls `vae`: `Automatic`, `None`, or one of the list.
    pub fn with_vae(&self, model: &Model, vae: Option<&str>) -> Result<ModelFiles> {
        let is_named = |file: &str, name: &str| {
            let last = file.rsplit('/').next().unwrap_or(file);
            file == name || last == name || last.rsplit_once('.').is_some_and(|(stem, _)| stem == name)
        };
        let vae = match vae.map(str::trim) {
            None | Some("" | "Automatic") => {
                Some(model.path.with_extension("vae.safetensors")).filter(|path| path.is_file())
            }
            Some(name) if name.eq_ignore_ascii_case("none") => None,
            Some(name) => match self.vaes.iter().find(|(_, file)| is_named(file, name)) {
                Some((path, _)) => Some(path.clone()),
                None => {
                    let message = say!("VAE '{name}' not found", "VAE '{name}' はありません");
                    return Err(Error::words(code::NO_VAE, message));
                }
            },
        };
        Ok(ModelFiles { checkpoint: model.path.clone(), vae, refiner: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_and_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.safetensors");
        std::fs::write(&file, "x").unwrap();
        let model = |name: &str| Model { path: dir.path().join(name), file: name.to_owned() };
        let models = Models {
            checkpoints: vec![model("sub/pony.v6.safetensors"), model("a.safetensors")],
            vaes: vec![("v".into(), "x/v.safetensors".to_owned())],
            cache: dir.path().join("cache"),
        };
        let hash = models.hash(&file).unwrap();
        for name in ["a", "a.safetensors", "a.safetensors [0123456789]", &hash, &hash[..10], &hash.to_uppercase()] {
            assert_eq!(models.find(name).unwrap().file, "a.safetensors", "{name}");
        }
        for name in ["sub/pony.v6.safetensors", "pony.v6", "sub_pony.v6"] {
            assert_eq!(models.find(name).unwrap().stem(), "pony.v6", "{name}");
        }
        let path = file.display().to_string();
        for name in ["", "b", &path, "../a", "/etc/passwd", &hash[..9], "a\0"] {
            assert!(models.find(name).is_err(), "{name:?}");
        }
        let a = models.find("a").unwrap();
        assert_eq!(models.with_vae(a, Some("v")).unwrap().vae, Some("v".into()));
        assert_eq!(models.with_vae(a, Some("None")).unwrap().vae, None);
        assert!(models.with_vae(a, Some(&path)).is_err());
    }
}
