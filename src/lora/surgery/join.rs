//! The parts that [`split`](super::split) made, put together again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::SurgeryError;
use super::output::{self, Stored, Tensors};
use super::split::PROVENANCE;
use crate::checkpoint::TensorFile;
use crate::files::Existing;

/// What was put together.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Joined {
    /// The name of the file that was split.
    pub of: String,
    /// The parts' names, in order.
    pub parts: Vec<String>,
    /// How many there are in the new file.
    pub tensors: usize,
}

/// Writes the LoRA that `files` are all parts of to the new file `output`: the same tensors and metadata.
pub fn join(files: &[PathBuf], output: &Path, existing: Existing) -> Result<Joined, SurgeryError> {
    output::refuse_existing(output, existing)?;
    let files = files.iter().map(|path| Ok(TensorFile::open(path)?)).collect::<Result<Vec<_>, SurgeryError>>()?;
    let parts = files.iter().map(PartOf::read).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = parts.first() else {
        return Err(SurgeryError::Empty { path: output.to_owned() });
    };
    if let Some(other) = parts.iter().find(|part| part.sha256 != first.sha256 || part.all != first.all) {
        return Err(SurgeryError::TwoOriginals { first: first.of.clone(), second: other.of.clone() });
    }
    if let Some(missing) = first.all.iter().find(|name| parts.iter().all(|part| part.part != **name)) {
        return Err(SurgeryError::MissingPart { of: first.of.clone(), part: missing.clone() });
    }
    let mut tensors = Tensors::new();
    let mut seen: BTreeMap<&str, &TensorFile> = BTreeMap::new();
    for file in &files {
        for name in file.names() {
            if let Some(before) = seen.insert(name, file) {
                let (first, second) = (before.path().to_owned(), file.path().to_owned());
                return Err(SurgeryError::TwiceThere { tensor: name.to_owned(), first, second });
            }
            tensors.insert(name.to_owned(), Stored::InFile(file, name.to_owned()));
        }
    }
    let mut metadata = files.first().map(|file| file.metadata().clone()).unwrap_or_default();
    metadata.remove(PROVENANCE);
    metadata.extend(first.metadata.clone());
    output::write(output, &tensors, &metadata, existing)?;
    Ok(Joined { of: first.of.clone(), parts: first.all.clone(), tensors: tensors.len() })
}

/// What a part says of itself.
struct PartOf {
    of: String,
    sha256: String,
    part: String,
    all: Vec<String>,
    metadata: BTreeMap<String, String>,
}

impl PartOf {
    fn read(file: &TensorFile) -> Result<Self, SurgeryError> {
        let not_a_part = || SurgeryError::NotAPart { path: file.path().to_owned() };
        let text = file.metadata().get(PROVENANCE).ok_or_else(not_a_part)?;
        let value: Value = serde_json::from_str(text).map_err(|_| not_a_part())?;
        let field = |name: &str| value[name].as_str().map(str::to_owned).ok_or_else(not_a_part);
        Ok(PartOf {
            of: field("of")?,
            sha256: field("sha256")?,
            part: field("part")?,
            all: serde_json::from_value(value["parts"].clone()).map_err(|_| not_a_part())?,
            metadata: serde_json::from_value(value["metadata"].clone()).map_err(|_| not_a_part())?,
        })
    }
}
