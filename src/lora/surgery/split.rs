//! A LoRA file for each block, element or group of blocks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::SurgeryError;
use super::blocks::Blocks;
use super::output::{self, Stored, Tensors};
use super::partition::{By, Part, parts_of};
use crate::checkpoint::{FileError, TensorFile};
use crate::files::Existing;

/// The metadata entry that says what a part is of.
pub(super) const PROVENANCE: &str = "lbw_split";

/// What was written.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Split {
    /// The model family by the file's keys.
    pub family: &'static str,
    /// The files, in the order of the blocks.
    pub pieces: Vec<Piece>,
}

/// One new file.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Piece {
    /// The name of the block, element or group.
    pub part: String,
    /// The new file.
    #[serde(serialize_with = "crate::files::lossy")]
    pub path: PathBuf,
    /// How many are in it.
    pub modules: usize,
    /// How many are in it.
    pub tensors: usize,
}

/// Splits the file `input` into files `NAME_PART.safetensors` in `folder`, which is made if it is not there.
///
/// Every tensor is in one of them, as it was stored. Either all files are written or none.
pub fn split(input: &Path, folder: &Path, by: &By, existing: Existing) -> Result<Split, SurgeryError> {
    let file = TensorFile::open(input)?;
    let blocks = blocks_of(&file)?;
    let parts = parts_of(&file, &blocks, by)?.parts;
    let stem = input.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let path = |part: &Part| folder.join(format!("{stem}_{}.safetensors", part.name));
    for part in &parts {
        output::refuse_existing(&path(part), existing)?;
    }
    std::fs::create_dir_all(folder).map_err(|source| FileError::Io { path: folder.to_owned(), source })?;
    let provenance = Provenance::new(&file, &parts, by)?;
    let mut written: Vec<PathBuf> = Vec::new();
    for part in &parts {
        let path = path(part);
        let tensors: Tensors =
            part.tensors.iter().map(|name| (name.clone(), Stored::InFile(&file, name.clone()))).collect();
        let mut metadata = output::metadata_for(file.metadata(), &path);
        metadata.insert(PROVENANCE.to_owned(), provenance.of(&part.name));
        if let Err(error) = output::write(&path, &tensors, &metadata, existing) {
            // Files that were there before are gone already; new ones would be an incomplete set.
            if existing == Existing::Keep {
                written.iter().for_each(|path| drop(std::fs::remove_file(path)));
            }
            return Err(error);
        }
        written.push(path);
    }
    let pieces = parts.into_iter().zip(written).map(|(part, path)| Piece {
        part: part.name,
        path,
        modules: part.modules.len(),
        tensors: part.tensors.len(),
    });
    Ok(Split { family: blocks.family(), pieces: pieces.collect() })
}

/// The blocks of a file's model, or why there are none.
pub(super) fn blocks_of(file: &TensorFile) -> Result<Blocks, SurgeryError> {
    let Some(example) = file.names().next() else {
        return Err(SurgeryError::Empty { path: file.path().to_owned() });
    };
    let unknown = || SurgeryError::UnknownBlocks { path: file.path().to_owned(), example: example.to_owned() };
    Blocks::of(file).ok_or_else(unknown)
}

/// What every part tells of the whole.
struct Provenance {
    common: Value,
}

impl Provenance {
    fn new(file: &TensorFile, parts: &[Part], by: &By) -> Result<Self, FileError> {
        let name = file.path().file_name().map(|name| name.to_string_lossy().into_owned());
        // What a part cannot keep, so that a joined file has it again.
        let kept = ["ss_output_name", "sshs_model_hash", "sshs_legacy_hash", PROVENANCE];
        let replaced: BTreeMap<&str, &String> =
            kept.into_iter().filter_map(|key| Some((key, file.metadata().get(key)?))).collect();
        let parts: Vec<&String> = parts.iter().map(|part| &part.name).collect();
        let hash = super::super::hash::LoraHashes::of(file)?.sha256;
        let by = by.to_string();
        let common = json!({ "of": name, "sha256": hash, "by": by, "parts": parts, "metadata": replaced });
        Ok(Provenance { common })
    }

    fn of(&self, part: &str) -> String {
        let mut value = self.common.clone();
        value["part"] = json!(part);
        value.to_string()
    }
}
