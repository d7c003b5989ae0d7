//! Several LoRAs with their strengths and block weights into one file.
//!
//! A module that only one of them has keeps its kind, its factor in `alpha` or in one tensor. Where all are plain, ranks add
//! up: [u₁ u₂]·[d₁; d₂] = u₁·d₁ + u₂·d₂. What cannot be put side by side becomes the difference of the weights itself, for
//! kinds that depend on the checkpoint's weight with that checkpoint at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::super::kind::Kind;
use super::super::matching::KeyTable;
use super::super::module::NetworkModule;
use super::super::table::{ModuleTable, Target};
use super::SurgeryError;
use super::contribution::{Contribution, Opened, depends_on_base};
use super::factors::{Factors, factor_tensors};
use super::keys::file_key;
use super::measure::{BlockError, ByBlock, Measured, square};
use super::output::{self, Precision, Stored, Tensors};
use super::sketch::sketch;
use crate::checkpoint::TensorFile;
use crate::files::Existing;

/// A LoRA and the factor of each of its modules: strength, and block weight or element ratio.
pub struct Source<'s> {
    /// The file.
    pub path: PathBuf,
    /// Strength and ratio of a module.
    pub factor: &'s dyn Fn(&NetworkModule) -> (f64, f64),
}

/// How LoRAs are merged.
pub struct Merge<'m> {
    /// The modules of the model.
    pub table: &'m ModuleTable,
    /// Which keys of the sources are understood.
    pub keys: KeyTable,
    /// The checkpoint that kinds need which depend on its weights.
    pub base: Option<&'m TensorFile>,
    /// Block weights scale the whole delta of every kind, also where the extension does something else.
    pub exact: bool,
    /// No module gets a higher rank than this.
    pub rank: Option<usize>,
    /// Of new factors; what is kept is kept as it is.
    pub precision: Precision,
    /// Goes into the new file's metadata as `lbw_merged`.
    pub provenance: String,
    /// What to do when the new file exists already.
    pub existing: Existing,
}

/// What was written, in modules.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Merged {
    /// Of one source, in their own kind.
    pub kept: usize,
    /// Plain factors side by side.
    pub concatenated: usize,
    /// Written as the difference of the weights.
    pub full: usize,
    /// Cut to the rank.
    pub cut: usize,
    /// Factor 0 everywhere.
    pub dropped: usize,
    /// Tensors of the sources that belong to no module and are in no new file.
    pub left_out: Vec<(String, Vec<String>)>,
    /// Tensors of the sources that have no effect beside others of their modules.
    pub without_effect: Vec<(String, Vec<String>)>,
    /// The measured error of the modules that were cut or rounded.
    pub errors: Vec<BlockError>,
}

/// What one module becomes.
enum New<'s> {
    Kept(Vec<(String, Stored<'s>)>),
    Factors(Factors),
    Full { weight: Tensor, bias: Option<Tensor> },
}

/// The tensors of a module, how it was made, and what is measured of it.
struct Written<'s> {
    tensors: Vec<(String, Stored<'s>)>,
    how: How,
    measured: Option<Measured>,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Kept,
    Concatenated,
    Full,
    Cut,
}

/// Writes the sum of `sources` to the new file `output`.
pub fn merge(sources: &[Source], output: &Path, merge: &Merge) -> Result<Merged, SurgeryError> {
    output::refuse_existing(output, merge.existing)?;
    let opened = sources
        .iter()
        .map(|source| Opened::read(&source.path, merge.table, merge.keys))
        .collect::<Result<Vec<_>, _>>()?;
    let mut modules: BTreeMap<&str, Vec<Contribution>> = BTreeMap::new();
    for (source, opened) in sources.iter().zip(&opened) {
        for module in opened.network.modules() {
            let Some(group) = opened.groups.get(module.name()) else { continue };
            let (strength, ratio) = (source.factor)(module);
            if !(strength * ratio).is_finite() {
                let (path, module) = (source.path.clone(), module.name().to_owned());
                return Err(SurgeryError::NotFinite { path, module, factor: strength * ratio });
            }
            let contribution = Contribution { source: opened, module, group, strength, ratio };
            modules.entry(module.name()).or_default().push(contribution);
        }
    }
    let written: Vec<_> = modules
        .into_par_iter()
        .map(|(name, contributions)| Ok((name, merge.module(name, contributions)?)))
        .collect::<Result<_, SurgeryError>>()?;

    let mut merged = Merged::default();
    let mut tensors = Tensors::new();
    let mut errors = ByBlock::default();
    for (name, written) in written {
        let Some(written) = written else {
            merged.dropped += 1;
            continue;
        };
        *match written.how {
            How::Kept => &mut merged.kept,
            How::Concatenated => &mut merged.concatenated,
            How::Full => &mut merged.full,
            How::Cut => &mut merged.cut,
        } += 1;
        if let Some(measured) = written.measured {
            errors.add(merge.table.family(), name, measured);
        }
        tensors.extend(written.tensors);
    }
    merged.errors = errors.finish();
    for opened in &opened {
        let path = opened.file.path().to_string_lossy();
        for (tensors, list) in [
            (opened.network.unmatched(), &mut merged.left_out),
            (opened.network.left_out(), &mut merged.without_effect),
        ] {
            let of_file = (path.to_string(), tensors.to_vec());
            if !tensors.is_empty() && !list.contains(&of_file) {
                list.push(of_file);
            }
        }
    }
    output::write(output, &tensors, &merge.metadata(&opened, output), merge.existing)?;
    Ok(merged)
}

impl Merge<'_> {
    /// What all sources say alike, without what holds for the old tensors only.
    fn metadata(&self, sources: &[Opened], path: &Path) -> BTreeMap<String, String> {
        const STALE: [&str; 5] =
            ["ss_network_dim", "ss_network_alpha", "lora_adapter_metadata", "lbw_split", "lbw_resized"];
        let mut common = sources.first().map(|source| source.file.metadata().clone()).unwrap_or_default();
        common.retain(|key, value| {
            !STALE.contains(&key.as_str())
                && sources.iter().all(|source| source.file.metadata().get(key) == Some(value))
        });
        let mut metadata = output::metadata_for(&common, path);
        metadata.insert("lbw_merged".to_owned(), self.provenance.clone());
        metadata
    }

    /// The new module `name`; `None` where nothing of it is left.
    fn module<'s>(
        &self,
        name: &str,
        contributions: Vec<Contribution<'s>>,
    ) -> Result<Option<Written<'s>>, SurgeryError> {
        let contributions: Vec<_> = contributions.into_iter().filter(|c| !c.is_nothing(self.exact)).collect();
        let Some(first) = contributions.first() else { return Ok(None) };
        let target = first.module.target();
        let key = file_key(self.table, name).unwrap_or_else(|| name.to_owned());
        let written = match self.new_module(&key, &contributions)? {
            New::Kept(tensors) => Written { tensors, how: How::Kept, measured: None },
            New::Factors(meant) => self.factors(&key, target, meant)?,
            New::Full { weight, bias } => self.full(&key, target, &weight, bias)?,
        };
        Ok(Some(written))
    }

    fn new_module<'s>(&self, key: &str, contributions: &[Contribution<'s>]) -> Result<New<'s>, SurgeryError> {
        if let [only] = contributions
            && !self.must_cut(only.module)
            && let Some(tensors) = only.kept(key, self.exact)?
        {
            return Ok(New::Kept(tensors));
        }
        let mut sum: Option<Factors> = None;
        for contribution in contributions {
            let Some(factors) = contribution.factors()? else {
                return self.sum_of_weights(contributions);
            };
            sum = Some(match sum {
                Some(sum) => sum.plus(&factors),
                None => factors,
            });
        }
        match sum {
            Some(sum) => Ok(New::Factors(sum)),
            None => self.sum_of_weights(contributions),
        }
    }

    /// Whether a module cannot stay as it is under the rank that is asked for.
    fn must_cut(&self, module: &NetworkModule) -> bool {
        let Some(most) = self.rank else { return false };
        let is_matrix = module.target().shape.len() > 1;
        match module.kind() {
            Kind::Lora | Kind::Locon => module.rank().is_some_and(|rank| rank > most),
            Kind::Loha | Kind::Lokr | Kind::Full => is_matrix && !module.has_bias(),
            _ => false,
        }
    }

    fn sum_of_weights<'s>(&self, contributions: &[Contribution<'s>]) -> Result<New<'s>, SurgeryError> {
        let (mut weight, mut bias): (Option<Tensor>, Option<Tensor>) = (None, None);
        let plus = |sum: &mut Option<Tensor>, term: Option<Tensor>| -> candle_core::Result<()> {
            *sum = match (sum.take(), term) {
                (Some(sum), Some(term)) => Some((sum + term)?),
                (sum, term) => sum.or(term),
            };
            Ok(())
        };
        let mut shape: &[usize] = &[];
        for Contribution { source, module, strength, ratio, .. } in contributions {
            shape = &module.target().shape;
            let base = match (depends_on_base(module), self.base) {
                (false, _) => Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
                (true, Some(base)) => module.target().part_of(&base.f32(&module.target().tensor)?)?,
                (true, None) => {
                    let kind = if module.is_dora() { "DoRA".to_owned() } else { module.kind().to_string() };
                    let (path, module) = (source.file.path().to_owned(), module.name().to_owned());
                    return Err(SurgeryError::NeedsCheckpoint { path, module, kind });
                }
            };
            let delta = module.delta(&base, *strength, *ratio, self.exact)?;
            plus(&mut weight, delta.weight)?;
            plus(&mut bias, delta.bias)?;
        }
        let weight = match weight {
            Some(weight) => weight,
            None => Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
        };
        Ok(New::Full { weight, bias })
    }

    /// Writes factors, cut if they have to be.
    fn factors<'s>(&self, key: &str, target: &Target, meant: Factors) -> Result<Written<'s>, SurgeryError> {
        let rank = self.rank.filter(|most| *most < meant.rank());
        let written = match rank {
            Some(rank) => Factors::cut(&meant.svd(), rank),
            None => meant.clone(),
        };
        let written = written.rounded(self.precision);
        let how = if rank.is_some() { How::Cut } else { How::Concatenated };
        let is_measured = rank.is_some() || self.precision != Precision::F32;
        let tensors = factor_tensors(key, target, &written, self.precision)?;
        let measured = is_measured.then(|| Measured::of_factors(&meant, &written));
        Ok(Written { tensors, how, measured })
    }

    /// Writes the difference of a weight, as factors if a rank is asked for and it is a matrix without a bias.
    fn full<'s>(
        &self,
        key: &str,
        target: &Target,
        weight: &Tensor,
        bias: Option<Tensor>,
    ) -> Result<Written<'s>, SurgeryError> {
        if let (Some(rank), None, 2..) = (self.rank, &bias, target.shape.len()) {
            let weight = weight.flatten_from(1)?;
            let written = Factors::cut(&sketch(&weight, rank)?.svd(), rank).rounded(self.precision);
            let tensors = factor_tensors(key, target, &written, self.precision)?;
            return Ok(Written { tensors, how: How::Cut, measured: Some(Measured::of_matrix(&weight, &written)?) });
        }
        // webui reads a norm's difference only with that of its bias.
        let (names, bias) = match target.shape.len() {
            1 => (["w_norm", "b_norm"], Some(bias.map_or_else(|| weight.zeros_like(), Ok)?)),
            _ => (["diff", "diff_b"], bias),
        };
        let mut tensors = Vec::new();
        let mut measured = Measured { square: 0.0, error: 0.0, rank: target.shape.first().copied().unwrap_or(0) };
        for (name, tensor) in names.into_iter().zip([Some(weight), bias.as_ref()]) {
            let Some(tensor) = tensor else { continue };
            let stored = Stored::tensor(tensor, self.precision)?;
            for value in super::matrix::f32_values(tensor)? {
                let error = f64::from(value) - f64::from(self.precision.round(value));
                measured.error += error * error;
            }
            measured.square += square(tensor)?;
            tensors.push((format!("{key}.{name}"), stored));
        }
        if !measured.error.is_finite() {
            return Err(SurgeryError::Overflow { module: key.to_owned() });
        }
        let measured = (self.precision != Precision::F32).then_some(measured);
        Ok(Written { tensors, how: How::Full, measured })
    }
}
