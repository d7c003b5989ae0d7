//! A LoRA file matched to a model: its modules, and what of it was left out.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::error::LoraError;
use super::file::LoraFile;
use super::inspect::made_for;
use super::kind::{Misfit, Parts};
use super::lenient::{self, AdapterConfig, Component};
use super::module::{NetworkModule, Place};
use super::table::ModuleTable;
use crate::block::Block;

/// Which keys of a file are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyTable {
    /// Those that webui 1.10 matches, with its effect.
    Webui,
    /// Those, and what other tools write; names and magnitudes that webui reads wrongly mean what their author meant.
    #[default]
    Lenient,
}

/// A network (webui's umbrella for LoRA, LyCORIS and their like) whose modules have been matched to a model.
#[derive(Debug, Clone)]
pub struct Network {
    path: PathBuf,
    metadata: BTreeMap<String, String>,
    modules: Vec<NetworkModule>,
    unmatched: Vec<String>,
    incomplete_attentions: Vec<String>,
    leniently_matched: usize,
}

/// A tensor of the file on its way to a module.
struct Matched {
    module: String,
    part: String,
    /// For keys of the lenient table's schemes.
    origin: Option<(Component, String)>,
}

#[derive(Default)]
struct Group {
    parts: BTreeMap<String, String>,
    origin: Option<(Component, String)>,
}

impl Network {
    /// Reads the file at `path` and matches it to the model that `table` describes.
    pub fn open(path: &Path, table: &ModuleTable, keys: KeyTable) -> Result<Self, LoraError> {
        let file = LoraFile::open(path)?;
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let (mut unmatched, mut leniently_matched) = (Vec::new(), 0);
        for tensor in file.tensors.keys() {
            let Some(matched) = match_tensor(table, keys, tensor, &mut leniently_matched) else {
                unmatched.push(tensor.clone());
                continue;
            };
            let group = groups.entry(matched.module).or_default();
            group.parts.insert(matched.part, tensor.clone());
            group.origin = matched.origin.or(group.origin.take());
        }

        let incomplete_attentions = match keys {
            KeyTable::Webui => incomplete_attentions(table, &groups),
            KeyTable::Lenient => Vec::new(),
        };
        let incomplete: HashSet<&str> = incomplete_attentions.iter().map(String::as_str).collect();
        let adapter = AdapterConfig::read(&file.metadata);
        let (mut modules, mut misfits) = (Vec::new(), Vec::new());
        for (name, group) in &groups {
            match read_module(&file, table, keys, &adapter, name, group)? {
                Ok(module) if !incomplete.contains(name.as_str()) => modules.push(module),
                Ok(_) => {}
                Err(misfit) => misfits.push(misfit),
            }
        }

        let (path, family) = (path.to_owned(), table.family().label());
        if !misfits.is_empty() {
            return Err(LoraError::Misfits { path, misfits, made_for: made_for(&file), family });
        }
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
        Ok(Network { path, metadata: file.metadata, modules, unmatched, incomplete_attentions, leniently_matched })
    }

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

    /// Names of tensors that belong to no module of the model; webui ignores them silently.
    pub fn unmatched(&self) -> &[String] {
        &self.unmatched
    }

    /// Modules of OpenCLIP attentions that webui matches and never applies, because q, k, v and out are not all in the
    /// file. Always empty with the lenient table, which applies them.
    pub fn incomplete_attentions(&self) -> &[String] {
        &self.incomplete_attentions
    }

    /// How many tensors only the lenient table understood.
    pub fn leniently_matched(&self) -> usize {
        self.leniently_matched
    }

    /// The network with the rank of its plain modules cut to `dim`, as webui's `dyn` argument does.
    pub fn cut(&self, dim: i64) -> Result<Self, LoraError> {
        let tensor = |source| LoraError::Tensor { path: self.path.clone(), source };
        let modules = self.modules.iter().map(|m| m.cut(dim)).collect::<candle_core::Result<_>>().map_err(tensor)?;
        Ok(Network { modules, ..self.clone() })
    }
}

fn match_tensor(table: &ModuleTable, keys: KeyTable, tensor: &str, leniently: &mut usize) -> Option<Matched> {
    let (key, part) = tensor.split_once('.').unwrap_or((tensor, ""));
    let webui = table.module_of(key).filter(|name| keys == KeyTable::Webui || table.target(name).is_some());
    if let Some(module) = webui {
        return Some(Matched { module, part: part.to_owned(), origin: None });
    }
    if keys == KeyTable::Webui {
        return None;
    }
    let matched = match lenient::rewrite(tensor) {
        Some(rewritten) => Matched {
            module: lenient::module_of(table, &rewritten.module)?,
            part: rewritten.part,
            origin: Some((rewritten.component, rewritten.path)),
        },
        None => Matched { module: lenient::module_of(table, key)?, part: part.to_owned(), origin: None },
    };
    *leniently += 1;
    Some(matched)
}

/// The matched projections of fused attentions of which another projection is missing.
fn incomplete_attentions(table: &ModuleTable, groups: &BTreeMap<String, Group>) -> Vec<String> {
    let is_incomplete = |name: &&String| {
        table.fused_attention(name).is_some_and(|attention| {
            let projections = ["q_proj", "k_proj", "v_proj", "out_proj"];
            !projections.iter().all(|projection| groups.contains_key(&format!("{attention}_{projection}")))
        })
    };
    groups.keys().filter(is_incomplete).cloned().collect()
}

fn read_module(
    file: &LoraFile,
    table: &ModuleTable,
    keys: KeyTable,
    adapter: &AdapterConfig,
    name: &str,
    group: &Group,
) -> Result<Result<NetworkModule, String>, LoraError> {
    let unknown_kind = || LoraError::UnknownKind {
        path: file.path().to_owned(),
        module: name.to_owned(),
        parts: group.parts.keys().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", "),
    };
    let Some(mut target) = table.target(name) else { return Err(unknown_kind()) };
    // webui hands only the out projection's bias delta on.
    if keys == KeyTable::Webui && target.rows.is_some() {
        target.bias = None;
    }
    let mut parts = Parts::default();
    for (part, tensor) in &group.parts {
        if let Some(info) = file.tensors.get(tensor) {
            parts.0.insert(part.clone(), file.read(tensor, info)?);
        }
    }
    use_peft_names(&mut parts);
    let block = Block::of_module(table.family(), name);
    let shape = target.shape.clone();
    let place = Place { name: name.to_owned(), target, block, as_meant: keys == KeyTable::Lenient };
    let scale = |rank| group.origin.as_ref().and_then(|(component, path)| adapter.scale(*component, path, rank));
    let module = NetworkModule::read(place, &parts, scale).ok_or_else(unknown_kind)?;
    Ok(module.map_err(|misfit| match misfit {
        Misfit::Pair(why) => format!("`{name}`: {why}"),
        Misfit::Target { rows, columns } => {
            format!("`{name}` is made for a weight of {rows}×{columns}, and this model's is {shape:?}")
        }
        Misfit::Layer(why) => format!("`{name}` has shape {shape:?}: {why}"),
        Misfit::Tensor(error) => format!("`{name}`: {error}"),
    }))
}

/// webui takes PEFT's factor names under kohya's module names too, and then nothing else of the module.
fn use_peft_names(parts: &mut Parts) {
    if let (Some(down), Some(up)) = (parts.get("lora_A.weight").cloned(), parts.get("lora_B.weight").cloned())
        && parts.get("lora_up.weight").is_none()
    {
        parts.0 = BTreeMap::from([("lora_down.weight".to_owned(), down), ("lora_up.weight".to_owned(), up)]);
    }
}
