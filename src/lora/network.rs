//! A LoRA file matched to a model: its modules, and what of it was left out.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::bundled::{self, BundledEmbedding};
use super::error::LoraError;
use super::file;
use super::kind::{Misfit, Parts, is_known};
use super::lenient::AdapterConfig;
use super::made_for::made_for;
use super::matching::{Group, KeyTable, Matching};
use super::module::{NetworkModule, Place};
use super::table::ModuleTable;
use crate::block::Block;
use crate::checkpoint::{FileError, TensorFile};
use crate::diagnostic::{Said, Text};
use crate::say;

/// A network (webui's umbrella for LoRA, LyCORIS and their like) whose modules have been matched to a model.
#[derive(Debug, Clone)]
pub struct Network {
    path: PathBuf,
    metadata: BTreeMap<String, String>,
    modules: Vec<NetworkModule>,
    bundled: Vec<BundledEmbedding>,
    unmatched: Vec<String>,
    left_out: Vec<String>,
    without_effect: Vec<String>,
    leniently_matched: usize,
}

impl Network {
    /// Reads the file at `path` and matches it to the model that `table` describes.
    pub fn open(path: &Path, table: &ModuleTable, keys: KeyTable) -> Result<Self, LoraError> {
        let file = TensorFile::open(path)?;
        let mut matching = Matching::new(file.names(), table, keys);
        for (first, second) in &matching.twice {
            if file.bytes(first)? != file.bytes(second)? {
                let (first, second) = (first.clone(), second.clone());
                return Err(LoraError::TwoNames { path: path.to_owned(), first, second });
            }
        }
        let bundled = bundled::take(&file, table, &mut matching.unmatched)?;
        let without_effect = match keys {
            KeyTable::Webui => matching.without_effect(table),
            KeyTable::Lenient => Vec::new(),
        };
        let never_applied: HashSet<&str> = without_effect.iter().map(String::as_str).collect();
        let reader = ModuleReader { file: &file, table, keys, adapter: AdapterConfig::read(file.metadata()) };
        let (mut modules, mut misfits, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (name, group) in &matching.groups {
            match reader.read(name, group, &mut left_out)? {
                Ok(module) if !never_applied.contains(name.as_str()) => modules.push(module),
                Ok(_) => {}
                Err(misfit) => misfits.push(misfit),
            }
        }

        let (path, family) = (path.to_owned(), table.family().label());
        if !misfits.is_empty() {
            return Err(LoraError::Misfits { path, misfits, made_for: made_for(&file), family });
        }
        let Matching { groups, unmatched, leniently: leniently_matched, .. } = matching;
        if groups.is_empty() {
            let example = unmatched.first().cloned().unwrap_or_default();
            return Err(LoraError::NoModules {
                path,
                tensors: unmatched.len(),
                example,
                made_for: made_for(&file),
                family,
            });
        }
        let metadata = file.metadata().clone();
        Ok(Network { path, metadata, modules, bundled, unmatched, left_out, without_effect, leniently_matched })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The header's free-form entries (`ss_…`, `modelspec.…`).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The modules that have an effect, in the order of their names.
    pub fn modules(&self) -> &[NetworkModule] {
        &self.modules
    }

    /// Textual-inversion embeddings in the file, which prompts may name while it is in force.
    pub fn bundled(&self) -> &[BundledEmbedding] {
        &self.bundled
    }

    /// Names of tensors that belong to no module of the model; webui ignores them silently.
    pub fn unmatched(&self) -> &[String] {
        &self.unmatched
    }

    /// Names of tensors that belong to a module and have no effect there: parts of a second kind, of no kind, or a bias where
    /// the layer has none.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Whether it changes nothing at all.
    pub fn is_zero(&self) -> Result<bool, LoraError> {
        let mut zero = self.bundled.is_empty();
        for module in &self.modules {
            zero = zero && module.is_zero().map_err(FileError::from)?;
        }
        Ok(zero)
    }

    /// Modules that are matched and never applied with webui's table: those of OpenCLIP attentions of which q, k, v and out
    /// are not all in the file. The lenient table applies them.
    pub fn without_effect(&self) -> &[String] {
        &self.without_effect
    }

    /// How many tensors only the lenient table understood.
    pub fn leniently_matched(&self) -> usize {
        self.leniently_matched
    }

    /// The network with the rank of its plain modules cut to `dim`, as webui's `dyn` argument does.
    pub fn cut(&self, dim: i64) -> Result<Self, LoraError> {
        let modules = self.modules.iter().map(|m| m.cut(dim)).collect::<candle_core::Result<_>>();
        Ok(Network { modules: modules.map_err(FileError::from)?, ..self.clone() })
    }
}

struct ModuleReader<'f> {
    file: &'f TensorFile,
    table: &'f ModuleTable,
    keys: KeyTable,
    adapter: AdapterConfig,
}

impl ModuleReader<'_> {
    /// The module `name`, or in words why its tensors do not fit. Tensors of it that have no effect go to `left_out`.
    fn read(
        &self,
        name: &str,
        group: &Group,
        left_out: &mut Vec<String>,
    ) -> Result<Result<NetworkModule, Text>, LoraError> {
        let unknown_kind = || LoraError::UnknownKind {
            path: self.file.path().to_owned(),
            module: name.to_owned(),
            parts: group.parts.keys().cloned().collect(),
        };
        let mut target = self.table.target(name).ok_or_else(unknown_kind)?;
        // webui hands only the out projection's bias delta on.
        if self.keys == KeyTable::Webui && target.rows.is_some() {
            target.bias = None;
        }
        let known = group.parts.iter().filter(|(part, _)| is_known(part));
        let read = known.map(|(part, tensor)| {
            // Where an alpha is of no use it may be anything.
            let read = if part == "alpha" { self.file.unchecked_tensor(tensor) } else { file::read(self.file, tensor) };
            Ok((part.clone(), read?))
        });
        let parts: Parts = read.collect::<Result<_, FileError>>()?;
        let block = Block::of_module(self.table.family(), name);
        let shape = target.shape.clone();
        let place = Place { name: name.to_owned(), target, block, as_meant: self.keys == KeyTable::Lenient };
        let scale =
            |rank| group.origin.as_ref().and_then(|(component, path)| self.adapter.scale(*component, path, rank));
        let module = NetworkModule::read(place, &parts, scale).ok_or_else(unknown_kind)?;
        left_out.extend(group.left_out(&parts.used()));
        Ok(module.map_err(|misfit| match misfit {
            Misfit::Pair(why) => say!("`{name}`: {why}", "`{name}`: {why}", with why),
            Misfit::Target { rows, columns } => say!(
                "`{name}` is made for a weight of {rows}×{columns}, and this model's is {shape:?}",
                "`{name}` は {rows}×{columns} の重み用ですが、このモデルの重みは {shape:?} です"
            ),
            Misfit::Layer(why) => {
                say!("`{name}` has shape {shape:?}: {why}", "`{name}` の形は {shape:?} です: {why}", with why)
            }
            Misfit::Tensor(error) => {
                let error = error.said();
                say!("`{name}`: {error}", "`{name}`: {error}", with error)
            }
        }))
    }
}
