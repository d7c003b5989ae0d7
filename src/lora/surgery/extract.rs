//! The difference of two checkpoints as a LoRA.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::Tensor;
use rayon::prelude::*;

use super::super::table::{ModuleTable, Target};
use super::SurgeryError;
use super::factors::{Factors, factor_tensors};
use super::keys::file_key;
use super::measure::{BlockError, ByBlock, Measured, square};
use super::output::{self, Precision, Stored, Tensors};
use super::sketch::sketch;
use crate::block::Family;
use crate::checkpoint::TensorFile;
use crate::checkpoint::architecture::Architecture;
use crate::files::Existing;

/// What was written, and what was not.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Extracted {
    /// The model family.
    pub family: &'static str,
    /// Modules as two factors.
    pub factored: usize,
    /// Normalisation layers, whose difference is written whole.
    pub norms: usize,
    /// Modules that are the same in both checkpoints.
    pub unchanged: usize,
    /// Tensors that differ and that no LoRA holds (biases of linear layers and convolutions, embeddings, the VAE), with the
    /// norm of their difference.
    pub left_out: Vec<(String, f64)>,
    /// Tensors that only one checkpoint has, or that have another shape there.
    pub unpaired: Vec<String>,
    /// The measured error of the factors.
    pub errors: Vec<BlockError>,
}

/// A tensor of both checkpoints.
enum Found<'f> {
    Same,
    Factored(Vec<(String, Stored<'f>)>, Measured),
    Norm(Vec<(String, Stored<'f>)>),
}

/// Writes `tuned` − `base` as a LoRA of rank `rank` to the new file `output`, under names that webui reads.
pub fn extract(
    tuned: &TensorFile,
    base: &TensorFile,
    rank: usize,
    precision: Precision,
    output: &Path,
    provenance: &str,
    existing: Existing,
) -> Result<Extracted, SurgeryError> {
    output::refuse_existing(output, existing)?;
    let pair = Pair { tuned, base };
    let shared: Vec<&str> = tuned.names().filter(|name| pair.is_shared(name)).collect();
    if shared.is_empty() {
        let (tuned, base) = (tuned.path().to_owned(), base.path().to_owned());
        return Err(SurgeryError::NothingInCommon { tuned, base });
    }
    let family = family(tuned);
    let table = ModuleTable::new(family, shared.iter().filter_map(|name| Some((*name, tuned.shape(name)?))));
    let modules: Vec<(String, Target)> = table
        .modules()
        .into_iter()
        .filter(|(name, target)| matches!(target.shape.len(), 1 | 2 | 4) && !name.contains("embedding"))
        .collect();
    let found = modules.par_iter().map(|(name, target)| {
        let key = file_key(&table, name).unwrap_or_else(|| name.clone());
        pair.module(&key, target, rank, precision)
    });
    let found = found.collect::<Result<Vec<_>, SurgeryError>>()?;

    let mut extracted = Extracted { family: family.label(), ..Extracted::default() };
    let (mut tensors, mut errors) = (Tensors::new(), ByBlock::default());
    let mut covered: BTreeSet<&str> = BTreeSet::new();
    for ((name, target), found) in modules.iter().zip(found) {
        covered.insert(&target.tensor);
        match found {
            Found::Same => extracted.unchanged += 1,
            Found::Factored(new, measured) => {
                extracted.factored += 1;
                errors.add(family, name, measured);
                tensors.extend(new);
            }
            Found::Norm(new) => {
                extracted.norms += 1;
                covered.extend(target.bias.as_deref());
                tensors.extend(new);
            }
        }
    }
    extracted.errors = errors.finish();
    for name in shared.into_iter().filter(|name| !covered.contains(name)) {
        let norm = pair.norm(name)?;
        if norm != 0.0 {
            extracted.left_out.push((name.to_owned(), norm));
        }
    }
    let one_sided = |a: &TensorFile, b: &TensorFile| -> Vec<String> {
        a.names().filter(|name| a.shape(name) != b.shape(name)).map(str::to_owned).collect()
    };
    extracted.unpaired = one_sided(tuned, base);
    extracted.unpaired.extend(one_sided(base, tuned));
    extracted.unpaired.sort();
    extracted.unpaired.dedup();
    if tensors.is_empty() {
        let (tuned, base) = (tuned.path().to_owned(), base.path().to_owned());
        return Err(SurgeryError::NoDifference { tuned, base });
    }
    output::write(output, &tensors, &metadata(family, rank, output, provenance), existing)?;
    Ok(extracted)
}

fn metadata(
    family: Family,
    rank: usize,
    output: &Path,
    provenance: &str,
) -> std::collections::BTreeMap<String, String> {
    let version = match family {
        Family::Sd1 => "sd_v1",
        Family::Sd2 => "sd_v2",
        _ => "sdxl_base_v1-0",
    };
    let name = output.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let rank = rank.to_string();
    let entries = [
        ("ss_network_module", "networks.lora"),
        ("ss_network_dim", &rank),
        ("ss_network_alpha", &rank),
        ("ss_base_model_version", version),
        ("ss_output_name", &name),
        ("lbw_extracted", provenance),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The family that the text encoders' names speak of.
fn family(file: &TensorFile) -> Family {
    Architecture::of(file).map_or(Architecture::DRAWN[0], |architecture| architecture.family)
}

struct Pair<'f> {
    tuned: &'f TensorFile,
    base: &'f TensorFile,
}

impl<'f> Pair<'f> {
    fn is_shared(&self, name: &str) -> bool {
        self.tuned.shape(name) == self.base.shape(name)
    }

    fn is_same(&self, name: &str) -> Result<bool, SurgeryError> {
        let dtype = |file: &TensorFile| file.entry(name).map(|entry| entry.dtype);
        Ok(dtype(self.tuned) == dtype(self.base) && self.tuned.bytes(name)? == self.base.bytes(name)?)
    }

    /// The difference of tensor `name`, f32.
    fn difference(&self, name: &str) -> Result<Tensor, SurgeryError> {
        Ok((self.tuned.f32(name)? - self.base.f32(name)?)?)
    }

    /// ‖tuned − base‖; of tensors that are no numbers 0 or 1.
    fn norm(&self, name: &str) -> Result<f64, SurgeryError> {
        use safetensors::Dtype::{BF16, F16, F32};
        if self.is_same(name)? {
            return Ok(0.0);
        }
        let are_numbers = [self.tuned, self.base]
            .iter()
            .all(|file| file.entry(name).is_some_and(|entry| matches!(entry.dtype, F16 | BF16 | F32)));
        if are_numbers { Ok(square(&self.difference(name)?)?.sqrt()) } else { Ok(1.0) }
    }

    fn module(&self, key: &str, target: &Target, rank: usize, precision: Precision) -> Result<Found<'f>, SurgeryError> {
        let is_norm = target.shape.len() == 1;
        let bias = target.bias.as_deref().filter(|bias| is_norm && self.is_shared(bias));
        if self.is_same(&target.tensor)? && bias.map_or(Ok(true), |bias| self.is_same(bias))? {
            return Ok(Found::Same);
        }
        let weight = target.part_of(&self.difference(&target.tensor)?)?.contiguous()?;
        if is_norm {
            let bias = bias.map_or_else(|| Ok(weight.zeros_like()?), |bias| self.difference(bias))?;
            if square(&weight)? + square(&bias)? == 0.0 {
                return Ok(Found::Same);
            }
            let tensors = [("w_norm", &weight), ("b_norm", &bias)];
            let stored = tensors
                .into_iter()
                .map(|(part, tensor)| Ok((format!("{key}.{part}"), Stored::tensor(tensor, Precision::F32)?)));
            return Ok(Found::Norm(stored.collect::<Result<_, SurgeryError>>()?));
        }
        let weight = weight.flatten_from(1)?;
        let size = square(&weight)?;
        if size == 0.0 {
            return Ok(Found::Same);
        }
        if !size.is_finite() {
            return Err(SurgeryError::DifferenceNotFinite { tensor: target.tensor.clone() });
        }
        let written = Factors::cut(&sketch(&weight, rank)?.svd(), rank).rounded(precision);
        let measured = Measured::of_matrix(&weight, &written)?;
        Ok(Found::Factored(factor_tensors(key, target, &written, precision)?, measured))
    }
}
