//! Files that a host is to have: the LoRAs themselves, and where it knows no block weights, a file for each block.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::app::error::{Error, Result};
use crate::checkpoint::TensorFile;
use crate::diagnostic::code;
use crate::files::Existing;
use crate::lora::LoraHashes;
use crate::lora::surgery::{By, split};
use crate::say;

/// The host's folder of LoRAs, as this machine sees it.
#[derive(Debug)]
pub struct Parts {
    folder: PathBuf,
    /// The parts of each file that was split: the block, and the name of its file.
    known: HashMap<PathBuf, Vec<(String, String)>>,
    /// Whether files were written of which the host has not been told.
    pub is_new: bool,
}

impl Parts {
    /// Files go into `folder`, which has to be there.
    pub fn new(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            let folder = folder.display();
            let message = say!(
                "--via-lora-dir {folder}: there is no such folder",
                "--via-lora-dir {folder}: そのフォルダーはありません"
            );
            return Err(Error::file(code::NO_FILE, message));
        }
        Ok(Parts { folder: folder.to_owned(), known: HashMap::new(), is_new: false })
    }

    /// Puts the whole file there, unless one of that name is there already.
    pub fn whole(&mut self, file: &Path) -> Result<()> {
        let Some(name) = file.file_name() else { return Ok(()) };
        let there = self.folder.join(name);
        if there.exists() {
            return match LoraHashes::of_file(&there)?.sha256 == LoraHashes::of_file(file)?.sha256 {
                true => Ok(()),
                false => Err(other_file(&there)),
            };
        }
        let bytes = std::fs::read(file).map_err(|e| Error::reading(file, &e))?;
        crate::image_io::write_file(&there, &bytes, Existing::Keep)?;
        self.is_new = true;
        Ok(())
    }

    /// The parts of a file, block and name, which are written if they are not there.
    pub fn of(&mut self, file: &Path) -> Result<&[(String, String)]> {
        if !self.known.contains_key(file) {
            let parts = self.find_or_write(file)?;
            self.known.insert(file.to_owned(), parts);
        }
        Ok(self.known.get(file).map_or(&[], Vec::as_slice))
    }

    fn find_or_write(&mut self, file: &Path) -> Result<Vec<(String, String)>> {
        let sha256 = LoraHashes::of_file(file)?.sha256;
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(parts) = self.written_before(&stem, &sha256)? {
            return Ok(parts);
        }
        let written = split(file, &self.folder, &By::Block, Existing::Keep)?;
        self.is_new = true;
        Ok(written.pieces.into_iter().map(|piece| (piece.part.clone(), format!("{stem}_{}", piece.part))).collect())
    }

    /// The parts that an earlier run has written of the same file, if all of them are there.
    fn written_before(&self, stem: &str, sha256: &str) -> Result<Option<Vec<(String, String)>>> {
        let told = |path: &Path| -> Option<Value> {
            serde_json::from_str(TensorFile::open(path).ok()?.metadata().get("lbw_split")?).ok()
        };
        let entries = std::fs::read_dir(&self.folder).map_err(|e| Error::reading(&self.folder, &e))?;
        let start = format!("{stem}_");
        let is_part = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
        let found = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_part);
        let Some(first) = found.into_iter().find_map(|path| told(&path)) else { return Ok(None) };
        let names: Vec<String> =
            first["parts"].as_array().into_iter().flatten().filter_map(|p| p.as_str().map(str::to_owned)).collect();
        for name in &names {
            let path = self.folder.join(format!("{stem}_{name}.safetensors"));
            match told(&path) {
                Some(told) if told["sha256"] == *sha256 && told["by"] == "block" => {}
                _ => return Err(other_file(&path)),
            }
        }
        Ok(Some(names.into_iter().map(|name| (name.clone(), format!("{stem}_{name}"))).collect()))
    }
}

fn other_file(path: &Path) -> Error {
    let name = path.display();
    let message = say!(
        "{name}: a file of this name is there, and it is not a part of this LoRA split by blocks",
        "{name}: 同じ名前のファイルがありますが、この LoRA をブロックごとに分割したものではありません"
    );
    Error::file(code::WOULD_OVERWRITE, message)
        .help(say!("remove it, or name another folder", "それを取り除くか、別のフォルダーを指定してください"))
}
