//! Which upscalers there are, by the names that webui gives them.

use std::path::{Path, PathBuf};

use super::names::{BUILT_IN, refused};
use crate::diagnostic::{Said, Text, did_you_mean};
use crate::say;

/// Folders inside a folder that are looked into.
const DEPTH: usize = 6;
/// Endings of upscalers' files.
const ENDINGS: [&str; 3] = ["pth", "pt", "safetensors"];

/// The upscalers that there are: webui's own ways, and files.
#[derive(Debug, Clone, Default)]
pub struct UpscalerIndex {
    /// Names and files. A file that webui knows under a name of its own stands under that and under its own.
    files: Vec<(String, PathBuf)>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// No upscaler: one resize at the end.
    None,
    /// One resize with Lanczos.
    Lanczos,
    /// One resize without a filter.
    Nearest,
    /// A network: its name as the index has it, and its file.
    File {
        /// As infotext has it.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
}

impl Named {
    /// As infotext has it.
    pub fn name(&self) -> &str {
        match self {
            Named::None => "None",
            Named::Lanczos => "Lanczos",
            Named::Nearest => "Nearest",
            Named::File { name, .. } => name,
        }
    }
}

/// Why a name stands for no upscaler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub enum NoUpscaler {
    /// No file has this name.
    Unknown {
        /// As it was asked for.
        name: String,
        /// What may have been meant.
        near: Option<String>,
    },
    /// webui has it, and lbw does not run its kind of network.
    Refused {
        /// As it was asked for.
        name: String,
        /// The kind of network.
        kind: &'static str,
    },
}

impl Said for NoUpscaler {
    fn said(&self) -> Text {
        match self {
            NoUpscaler::Unknown { name, .. } => {
                say!("there is no upscaler `{name}`", "アップスケーラー `{name}` はありません")
            }
            NoUpscaler::Refused { name, kind } => say!(
                "the upscaler `{name}` is a {kind} network, which lbw cannot run",
                "アップスケーラー `{name}` は {kind} のネットワークで、lbw では動きません"
            ),
        }
    }
}

impl UpscalerIndex {
    /// The files in these folders and the folders inside them. Of several files of one name the first counts; a folder that cannot
    /// be read has none.
    pub fn scan(folders: &[PathBuf]) -> Self {
        let mut index = UpscalerIndex::default();
        for folder in folders {
            let mut paths = Vec::new();
            walk(folder, DEPTH, &mut paths);
            paths.sort();
            paths.into_iter().for_each(|path| index.add(path));
        }
        index
    }

    fn add(&mut self, path: PathBuf) {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known = BUILT_IN.iter().find(|model| model.file == file).map(|model| model.name.to_owned());
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for name in known.into_iter().chain([stem]) {
            if !self.files.iter().any(|(other, _)| *other == name) {
                self.files.push((name, path.clone()));
            }
        }
    }

    /// The names to choose from.
    pub fn names(&self) -> Vec<&str> {
        let known = |path: &Path| BUILT_IN.iter().any(|model| path.ends_with(model.file));
        // A file that has a name of webui's is shown under that alone.
        let is_shown =
            |(name, path): &&(String, PathBuf)| !known(path) || path.file_stem().is_none_or(|s| *s != **name);
        let files = self.files.iter().filter(is_shown).map(|(name, _)| name.as_str());
        ["None", "Lanczos", "Nearest"].into_iter().chain(files).collect()
    }

    /// What `name` stands for; case counts only where several differ by it.
    pub fn resolve(&self, name: &str) -> Result<Named, NoUpscaler> {
        let name = name.trim();
        match name.to_ascii_lowercase().as_str() {
            "none" => return Ok(Named::None),
            "lanczos" => return Ok(Named::Lanczos),
            "nearest" => return Ok(Named::Nearest),
            _ => {}
        }
        let same = self.files.iter().find(|(other, _)| other == name);
        let alike = || self.files.iter().find(|(other, _)| other.to_lowercase() == name.to_lowercase());
        if let Some((name, path)) = same.or_else(alike) {
            return Ok(Named::File { name: name.clone(), path: path.clone() });
        }
        let name = name.to_owned();
        Err(match refused(&name) {
            Some(kind) => NoUpscaler::Refused { name, kind },
            None => {
                let near = did_you_mean(&name, self.names()).map(str::to_owned);
                NoUpscaler::Unknown { name, near }
            }
        })
    }
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let is_upscaler =
        |path: &Path| path.extension().is_some_and(|e| ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending)));
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            if depth > 0 {
                walk(&path, depth - 1, found);
            }
        } else if is_upscaler(&path) {
            found.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_webuis_names_and_by_their_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("inner")).unwrap();
        for file in ["4x-UltraSharp.pth", "inner/RealESRGAN_x4plus_anime_6B.pth", "notes.txt"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let index = UpscalerIndex::scan(&[dir.path().to_owned(), dir.path().join("absent")]);
        assert_eq!(index.names(), ["None", "Lanczos", "Nearest", "4x-UltraSharp", "R-ESRGAN 4x+ Anime6B"]);
        let name = |asked: &str| index.resolve(asked).map(|named| named.name().to_owned());
        assert_eq!(name("4X-ultrasharp").unwrap(), "4x-UltraSharp");
        assert_eq!(name("RealESRGAN_x4plus_anime_6B").unwrap(), "RealESRGAN_x4plus_anime_6B");
        assert_eq!((name("lanczos").unwrap(), name(" None ").unwrap()), ("Lanczos".to_owned(), "None".to_owned()));
        let unknown = NoUpscaler::Unknown { name: "4x-UltraShap".into(), near: Some("4x-UltraSharp".into()) };
        assert_eq!(name("4x-UltraShap"), Err(unknown));
        assert_eq!(name("DAT x4"), Err(NoUpscaler::Refused { name: "DAT x4".into(), kind: "DAT" }));
    }
}
