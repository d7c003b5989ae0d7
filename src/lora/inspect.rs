//! What a LoRA file is, as data for people and programs.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::DType;
use serde::Serialize;

use super::error::LoraError;
use super::kind::Kind;
use super::made_for::{family_of, made_for};
use super::matching::{Group, KeyTable, Matching};
use super::table::ModuleTable;
use crate::block::{Block, Family};
use crate::checkpoint::{FileError, TensorFile};

/// What is known of a LoRA file without a model to run it on. Only its header and single numbers are read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The family that names, shapes and metadata speak of.
    pub made_for: Option<&'static str>,
    /// The family whose modules its keys were matched to.
    #[serde(skip)]
    pub family: Family,
    /// Modules by kind.
    pub kinds: BTreeMap<Kind, usize>,
    /// Modules with DoRA magnitudes.
    pub dora_modules: usize,
    /// Modules by rank, for the kinds that have one.
    pub ranks: BTreeMap<usize, usize>,
    /// The values of `alpha`, ascending, with the number of modules that have each.
    pub alphas: Vec<(f64, usize)>,
    /// Tensors by type.
    pub dtypes: BTreeMap<String, usize>,
    /// Modules by block, in the order of the blocks.
    pub blocks: Vec<(&'static str, usize)>,
    /// The names of all modules, in order.
    #[serde(skip)]
    pub modules: Vec<String>,
    /// What other programs decide by whether they load a module, in the order of `modules`.
    #[serde(skip)]
    pub members: Vec<Member>,
    /// All tensors of the file.
    #[serde(skip)]
    pub tensors: usize,
    /// Modules outside the blocks, which no weight vector reaches.
    pub outside_blocks: Vec<String>,
    /// Modules whose tensors are of no known kind.
    pub unknown_kind: Vec<String>,
    /// Tensors that only the lenient key table understands.
    pub leniently_matched: usize,
    /// Tensors that belong to no module.
    pub unmatched: Vec<String>,
    /// The header's free-form entries (`ss_…`, `modelspec.…`).
    pub metadata: BTreeMap<String, String>,
}

/// A module as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// webui's name of it.
    pub module: String,
    /// What its tensors are, if that is known.
    pub kind: Option<Kind>,
    /// Whether webui matches all its tensors.
    pub is_webui: bool,
    /// Whether it has kohya's names of factors (`….lora_down.weight`).
    pub is_kohya: bool,
}

impl Inspection {
    /// Inspects the file at `path`, its keys matched to `table` or, without one, to a full-size model of the family the
    /// file is made for (SDXL if it does not say).
    pub fn of_file(path: &Path, table: Option<&ModuleTable>) -> Result<Self, LoraError> {
        let file = TensorFile::open(path)?;
        let made_for = made_for(&file);
        let table = table.unwrap_or_else(|| ModuleTable::full_size(family_of(&file)));
        let Matching { groups, unmatched, leniently, .. } = Matching::new(file.names(), table, KeyTable::Lenient);
        let mut inspection = Inspection {
            made_for,
            family: table.family(),
            kinds: BTreeMap::new(),
            dora_modules: 0,
            ranks: BTreeMap::new(),
            alphas: Vec::new(),
            dtypes: BTreeMap::new(),
            blocks: count_blocks(table.family(), groups.keys()),
            modules: groups.keys().cloned().collect(),
            members: Vec::new(),
            outside_blocks: Vec::new(),
            unknown_kind: Vec::new(),
            leniently_matched: leniently,
            unmatched,
            metadata: file.metadata().clone(),
            tensors: file.names().count(),
        };
        for entry in file.names().filter_map(|name| file.entry(name)) {
            *inspection.dtypes.entry(entry.type_name()).or_default() += 1;
        }
        for (name, group) in &groups {
            inspection.add_module(&file, table, name, group)?;
        }
        inspection.alphas.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(inspection)
    }

    fn add_module(
        &mut self,
        file: &TensorFile,
        table: &ModuleTable,
        name: &str,
        group: &Group,
    ) -> Result<(), FileError> {
        if Block::of_module(table.family(), name).is_none() {
            self.outside_blocks.push(name.to_owned());
        }
        let shape = |part: &str| file.shape(group.parts.get(part)?);
        let target = table.target(name).map(|target| target.shape).unwrap_or_default();
        let kind = match Kind::as_meant(|part| group.parts.contains_key(part), &target) {
            Some(Kind::Oft) if shape("oft_blocks").is_some_and(|s| s.len() == 4) => Some(Kind::Boft),
            kind => kind,
        };
        let key = |tensor: &String| tensor.split('.').next().unwrap_or_default().to_owned();
        self.members.push(Member {
            module: name.to_owned(),
            kind,
            is_webui: group.parts.values().all(|tensor| table.module_of(&key(tensor)).as_deref() == Some(name)),
            is_kohya: group.parts.values().any(|tensor| tensor.ends_with(".lora_down.weight")),
        });
        match kind {
            Some(kind) => {
                self.count_kind(kind);
                let rank = kind.rank_parts().iter().find_map(|part| shape(part)?.first().copied());
                if let Some(rank) = rank {
                    *self.ranks.entry(rank).or_default() += 1;
                }
            }
            None => self.unknown_kind.push(name.to_owned()),
        }
        self.dora_modules +=
            usize::from(["dora_scale", "lora_magnitude_vector"].iter().any(|part| group.parts.contains_key(*part)));
        if let Some(alpha) = group.parts.get("alpha") {
            let values = file.unchecked_tensor(alpha)?.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            let Some(alpha) = values.first() else { return Ok(()) };
            match self.alphas.iter_mut().find(|(value, _)| value == alpha) {
                Some((_, count)) => *count += 1,
                None => self.alphas.push((*alpha, 1)),
            }
        }
        Ok(())
    }

    fn count_kind(&mut self, kind: Kind) {
        *self.kinds.entry(kind).or_default() += 1;
    }
}

fn count_blocks<'a>(family: Family, modules: impl Iterator<Item = &'a String>) -> Vec<(&'static str, usize)> {
    let mut counts = BTreeMap::new();
    for block in modules.filter_map(|name| Block::of_module(family, name)) {
        counts.entry(block.index()).or_insert((block.name(), 0)).1 += 1;
    }
    counts.into_values().collect()
}
