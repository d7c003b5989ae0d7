//! Baking block weights into a LoRA file: a new file that has, at weight 1 everywhere, the effect the old one has with
//! these weights. Kind, rank and factors stay as they are.
//!
//! The weight of a module goes into its `alpha`, written in f32. Kinds whose alpha is not a scale have one tensor
//! multiplied instead, which is then written in f32. What cannot be said in a file of the same kind (DoRA, GLoRA, OFT) is
//! refused.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::DType;
use safetensors::Dtype;

use super::error::LoraError;
use super::file;
use super::kind::Kind;
use super::lenient;
use super::matching::KeyTable;
use super::matching::{Group, Matching};
use super::module::NetworkModule;
use super::network::Network;
use super::surgery::{Stored, metadata_for, serialize};
use super::table::ModuleTable;
use crate::checkpoint::{FileError, TensorFile};
use crate::diagnostic::{Said, Text};
use crate::files::{self, Existing};
use crate::say;

/// Why a file was not baked. Nothing is written then.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum BakeError {
    #[error(transparent)]
    Lora(#[from] LoraError),
    CannotScale {
        module: String,
        kind: String,
    },
    NotFinite {
        module: String,
        weight: f64,
    },
    Exists {
        path: PathBuf,
    },
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Said for BakeError {
    fn said(&self) -> Text {
        match self {
            BakeError::Lora(error) => error.said(),
            BakeError::CannotScale { module, kind } => say!(
                "`{module}` is {kind}, whose delta cannot be scaled within a file of the same kind",
                "`{module}` は {kind} です。同じ種類のファイルのままでは差分に重みを掛けられません"
            ),
            BakeError::NotFinite { module, weight } => say!(
                "the weight of `{module}` is {weight}: a file cannot hold what that makes of it",
                "`{module}` の重み {weight} では、結果をファイルに書ける数値になりません"
            ),
            BakeError::Exists { path } => {
                let path = path.display();
                say!("{path} exists already", "{path} はすでにあります")
            }
            BakeError::Write { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("cannot write {path}: {source}", "{path} に書き込めません: {source}", with source)
            }
        }
    }
}

impl From<FileError> for BakeError {
    fn from(error: FileError) -> Self {
        BakeError::Lora(error.into())
    }
}

/// What baking did, in modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Baked {
    /// Weight 1.
    pub unchanged: usize,
    /// Any other weight.
    pub scaled: usize,
    /// Weight 0: the module is not in the new file.
    pub dropped: usize,
}

/// Writes `input` with every module's delta scaled by `weight` to the new file `output`. As in webui a bias delta is not
/// scaled. `provenance` is kept in the new file's metadata as `lbw_baked`.
pub fn bake(
    input: &Path,
    output: &Path,
    table: &ModuleTable,
    keys: KeyTable,
    weight: impl Fn(&NetworkModule) -> f64,
    provenance: &str,
) -> Result<Baked, BakeError> {
    if output.exists() {
        return Err(BakeError::Exists { path: output.to_owned() });
    }
    let network = Network::open(input, table, keys)?;
    let file = TensorFile::open(input)?;
    let groups = Matching::new(file.names(), table, keys).groups;
    let mut tensors: BTreeMap<String, Stored> =
        file.names().map(|name| (name.to_owned(), Stored::InFile(&file, name.to_owned()))).collect();
    let mut baked = Baked::default();
    for module in network.modules() {
        let Some(group) = groups.get(module.name()) else { continue };
        let weight = weight(module);
        if !weight.is_finite() {
            return Err(BakeError::NotFinite { module: module.name().to_owned(), weight });
        }
        if weight == 1.0 {
            baked.unchanged += 1;
        } else if weight == 0.0 && module.is_linear() && !module.has_bias() {
            group.parts.values().for_each(|tensor| drop(tensors.remove(tensor)));
            baked.dropped += 1;
        } else {
            let (name, tensor) = scaled(&file, module, group, weight)?;
            tensors.insert(name, tensor);
            baked.scaled += 1;
        }
    }
    write(&tensors, &metadata(&file, output, provenance), output)?;
    Ok(baked)
}

/// The one tensor to replace so that `module`'s delta is multiplied by `weight`.
fn scaled(
    file: &TensorFile,
    module: &NetworkModule,
    group: &Group,
    weight: f64,
) -> Result<(String, Stored<'static>), BakeError> {
    let cannot = || {
        let kind = if module.is_dora() { format!("{} with DoRA", module.kind()) } else { module.kind().to_string() };
        BakeError::CannotScale { module: module.name().to_owned(), kind }
    };
    if !module.is_linear() || matches!(module.kind(), Kind::Oft | Kind::Boft) {
        return Err(cannot());
    }
    let too_large = || BakeError::NotFinite { module: module.name().to_owned(), weight };
    if let Some(scale) = group.parts.get("scale") {
        return Ok((scale.clone(), Stored::number(module.scale() * weight).ok_or_else(too_large)?));
    }
    if let (Some(rank), Some(alpha)) = (module.rank(), alpha_name(group)) {
        return Ok((alpha, Stored::number(module.scale() * weight * rank as f64).ok_or_else(too_large)?));
    }
    let parts = ["lora_up.weight", "diff", "w_norm", "weight", "lokr_w1"];
    let tensor = parts.iter().find_map(|part| group.parts.get(*part)).ok_or_else(cannot)?;
    let values = file::read(file, tensor)?.to_dtype(DType::F32).and_then(|t| t.affine(weight, 0.0));
    let values = values.map_err(FileError::from)?;
    let bytes = values.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(FileError::from)?;
    if bytes.iter().any(|value| !value.is_finite()) {
        return Err(too_large());
    }
    let bytes = bytes.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok((tensor.clone(), Stored::New { dtype: Dtype::F32, shape: values.dims().to_vec(), bytes }))
}

/// The name of the module's `alpha`, whether the file has it or not; `None` where it would not be read.
pub(super) fn alpha_name(group: &Group) -> Option<String> {
    if let Some(alpha) = group.parts.get("alpha") {
        return Some(alpha.clone());
    }
    let (part, tensor) = group.parts.iter().next()?;
    let stem = match group.origin {
        Some(_) => lenient::stem(tensor)?,
        // Under kohya's names, PEFT's factors are read without an alpha.
        None => tensor.strip_suffix(part.as_str())?.strip_suffix('.')?,
    };
    Some(format!("{stem}.alpha"))
}

/// The old metadata and where the new file is from.
fn metadata(file: &TensorFile, output: &Path, provenance: &str) -> BTreeMap<String, String> {
    let mut metadata = metadata_for(file.metadata(), output);
    metadata.insert("lbw_baked".to_owned(), provenance.to_owned());
    metadata
}

/// Writes the new file whole or not at all.
fn write(
    tensors: &BTreeMap<String, Stored>,
    metadata: &BTreeMap<String, String>,
    output: &Path,
) -> Result<(), BakeError> {
    let bytes = serialize(tensors, metadata)?;
    files::write(output, Existing::Keep, |file| file.write_all(&bytes)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => BakeError::Exists { path: output.to_owned() },
        _ => BakeError::Write { path: output.to_owned(), source },
    })
}
