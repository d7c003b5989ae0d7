//! A LoRA at a lower rank: the greatest singular values of each module, and the measured error of leaving out the others.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::super::bake::alpha_name;
use super::super::kind::Kind;
use super::super::matching::KeyTable;
use super::super::matching::{Group, Matching};
use super::super::module::NetworkModule;
use super::super::network::Network;
use super::super::table::ModuleTable;
use super::SurgeryError;
use super::factors::{Factors, factor_tensors};
use super::measure::{BlockError, ByBlock, Measured};
use super::output::{self, Precision, Stored, Tensors};
use crate::checkpoint::TensorFile;
use crate::files::Existing;

/// How far modules are cut. Both may be given; then the lower rank counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Size {
    /// The highest rank.
    pub rank: Option<usize>,
    /// The share of Σσ² that stays, 0 to 1.
    pub energy: Option<f64>,
}

/// What was written, in modules.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Resized {
    /// Written at a lower rank.
    pub cut: usize,
    /// Small enough already.
    pub unchanged: usize,
    /// Of kinds that have no singular values to leave out; they are as they were.
    pub other_kinds: BTreeMap<Kind, usize>,
    /// Modules with DoRA magnitudes, which stay as they were.
    pub dora: usize,
    /// The measured error of the modules that were cut.
    pub errors: Vec<BlockError>,
    /// Tensors of the file that have no effect beside others of their modules; a module that is cut loses its own.
    pub without_effect: Vec<String>,
}

/// The new tensors of a module, and the names of the old ones they replace.
struct Cut<'f> {
    tensors: Vec<(String, Stored<'f>)>,
    replaced: Vec<String>,
    measured: Measured,
}

/// Writes `input` to the new file `output` with its plain modules (LoRA, LoCon, with or without a middle tensor) cut to
/// `size`. All else stays as it is. `provenance` is kept in the metadata as `lbw_resized`.
pub fn resize(
    input: &Path,
    output: &Path,
    table: &ModuleTable,
    size: Size,
    provenance: &str,
    existing: Existing,
) -> Result<Resized, SurgeryError> {
    output::refuse_existing(output, existing)?;
    let network = Network::open(input, table, KeyTable::Lenient)?;
    let file = TensorFile::open(input)?;
    let groups = Matching::new(file.names(), table, KeyTable::Lenient).groups;
    let cuts = network.modules().par_iter().map(|module| match groups.get(module.name()) {
        Some(group) => Ok((module, cut(&file, module, group, size)?)),
        None => Ok((module, None)),
    });
    let cuts = cuts.collect::<Result<Vec<_>, SurgeryError>>()?;

    let mut tensors: Tensors =
        file.names().map(|name| (name.to_owned(), Stored::InFile(&file, name.to_owned()))).collect();
    let without_effect = network.left_out().to_vec();
    let (mut resized, mut errors) = (Resized { without_effect, ..Resized::default() }, ByBlock::default());
    for (module, cut) in cuts {
        match cut {
            Some(cut) => {
                cut.replaced.iter().for_each(|name| drop(tensors.remove(name)));
                tensors.extend(cut.tensors);
                errors.add(table.family(), module.name(), cut.measured);
                resized.cut += 1;
            }
            None if module.is_dora() => resized.dora += 1,
            None if matches!(module.kind(), Kind::Lora | Kind::Locon) => resized.unchanged += 1,
            None => *resized.other_kinds.entry(module.kind()).or_default() += 1,
        }
    }
    resized.errors = errors.finish();
    let mut metadata = output::metadata_for(file.metadata(), output);
    if resized.cut > 0 {
        // kohya's word for ranks that differ from module to module.
        for key in ["ss_network_dim", "ss_network_alpha"] {
            metadata.insert(key.to_owned(), "Dynamic".to_owned());
        }
    }
    metadata.insert("lbw_resized".to_owned(), provenance.to_owned());
    output::write(output, &tensors, &metadata, existing)?;
    Ok(resized)
}

/// `None` for modules that stay as they are.
fn cut<'f>(
    file: &TensorFile,
    module: &NetworkModule,
    group: &Group,
    size: Size,
) -> Result<Option<Cut<'f>>, SurgeryError> {
    let Some(meant) = Factors::of(file, module, group)? else { return Ok(None) };
    if size.energy.is_none() && size.rank.is_none_or(|rank| meant.rank() <= rank) {
        return Ok(None);
    }
    let svd = meant.svd();
    let rank = size.energy.map_or(usize::MAX, |energy| svd.rank_for(energy)).min(size.rank.unwrap_or(usize::MAX));
    // A module of rank 0 is not one that programs read.
    let rank = rank.max(1);
    if rank >= meant.rank() {
        return Ok(None);
    }
    let name = |part: &str| group.parts.get(part).cloned();
    let (Some(up), Some(down)) = (name("lora_up.weight"), name("lora_down.weight")) else { return Ok(None) };
    let precision = file.entry(&up).map_or(Precision::F32, |entry| Precision::of(entry.dtype));
    let written = Factors::cut(&svd, rank).rounded(precision);
    let measured = Measured::of_factors(&meant, &written);
    let alpha = alpha_name(group);
    // The names stay: `factor_tensors` gives the tensors in this order.
    let names = [Some(up), Some(down), alpha];
    let tensors = factor_tensors(module.name(), module.target(), &written, precision)?;
    let tensors = names.into_iter().zip(tensors).filter_map(|(name, (_, stored))| Some((name?, stored)));
    Ok(Some(Cut { tensors: tensors.collect(), replaced: group.parts.values().cloned().collect(), measured }))
}
