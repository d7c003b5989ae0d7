//! The modules of one model under webui's names, and the checkpoint tensors behind them.
//!
//! A [`ModuleTable`] is built from the tensor names of a checkpoint, or stands for a full-size model of a family when no
//! checkpoint is at hand. As in webui it also holds the containers (`diffusion_model_input_blocks_4_1`): a key that names
//! one is matched, though nothing can be done with it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::full_size;
use super::names::{Strength, renumbered};
use crate::block::{Block, Family};
use crate::checkpoint::TensorFile;
use crate::checkpoint::architecture::{Architecture, TextEncoder};

/// A weight that deltas are added to: a tensor of the checkpoint, or a range of its rows.
///
/// OpenCLIP keeps q, k and v of an attention in one `in_proj_weight`; each of them is a third of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The tensor's name in the checkpoint.
    pub tensor: String,
    /// The rows this module stands for; `None` is the whole tensor.
    pub rows: Option<Range<usize>>,
    /// Shape of those rows.
    pub shape: Vec<usize>,
    /// The bias tensor, of which the same rows apply.
    pub bias: Option<String>,
}

impl Target {
    /// The target's rows of `full`, the whole tensor [`Target::tensor`] (or [`Target::bias`]).
    pub fn part_of(&self, full: &candle_core::Tensor) -> candle_core::Result<candle_core::Tensor> {
        match &self.rows {
            Some(rows) => full.narrow(0, rows.start, rows.len()),
            None => Ok(full.clone()),
        }
    }
}

/// What webui makes of a key: see [`ModuleTable::map_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedKey {
    /// The key after renumbering, before the table was asked.
    pub converted: String,
    /// The module, or `None` when the model has none of that name and the key is dropped.
    pub module: Option<String>,
    /// The block of the module.
    pub block: Option<Block>,
    /// Which of a tag's strengths counts for the module.
    pub strength: Option<Strength>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    tensor: String,
    shape: Vec<usize>,
}

/// The parameters a module owns itself; a container owns none.
#[derive(Debug, Clone, Default)]
struct Module {
    weight: Option<Slot>,
    bias: Option<String>,
    in_proj_weight: Option<Slot>,
    in_proj_bias: Option<String>,
}

/// All modules of a model by webui name.
#[derive(Debug, Clone)]
pub struct ModuleTable {
    family: Family,
    modules: HashMap<String, Module>,
}

impl ModuleTable {
    /// The table of a checkpoint in the original single-file layout, from its tensor names and shapes.
    pub fn new<'a>(family: Family, tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Self {
        let mut table = ModuleTable { family, modules: HashMap::new() };
        for (name, shape) in tensors {
            table.insert(name, shape);
        }
        table
    }

    /// The table of a full-size model, made once. Flux has no modules here: it cannot be run.
    pub fn full_size(family: Family) -> &'static Self {
        static TABLES: [OnceLock<ModuleTable>; Family::ALL.len()] = [const { OnceLock::new() }; Family::ALL.len()];
        TABLES[family as usize].get_or_init(|| {
            let tensors = full_size::tensors(family);
            Self::new(family, tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())))
        })
    }

    /// The table of a checkpoint.
    pub fn of_checkpoint(file: &TensorFile) -> Self {
        let family = Architecture::of(file).map_or(Architecture::DRAWN[0], |architecture| architecture.family);
        Self::new(family, file.names().filter_map(|name| Some((name, file.shape(name)?))))
    }

    /// The family of the model.
    pub fn family(&self) -> Family {
        self.family
    }

    fn insert(&mut self, tensor: &str, shape: &[usize]) {
        let Some(path) = module_path(self.family, tensor) else { return };
        let Some((path, parameter)) = path.rsplit_once('.') else { return };
        for (dot, _) in path.match_indices('.') {
            self.modules.entry(path[..dot].replace('.', "_")).or_default();
        }
        let module = self.modules.entry(path.replace('.', "_")).or_default();
        let slot = || Some(Slot { tensor: tensor.to_owned(), shape: shape.to_vec() });
        match parameter {
            "weight" => module.weight = slot(),
            "bias" => module.bias = Some(tensor.to_owned()),
            "in_proj_weight" => module.in_proj_weight = slot(),
            "in_proj_bias" => module.in_proj_bias = Some(tensor.to_owned()),
            _ => {}
        }
    }

    /// The widths of the text encoders, in their order; `None` for one that is not there.
    pub(super) fn text_widths(&self) -> Vec<Option<usize>> {
        let encoders = Architecture::full_size(self.family).map_or(Vec::new(), |architecture| architecture.text);
        let width = |encoder: &TextEncoder| {
            let tensor = encoder.token_table();
            let module = module_path(self.family, tensor.strip_suffix(".weight")?)?.replace('.', "_");
            self.target(&module)?.shape.get(1).copied()
        };
        encoders.iter().map(width).collect()
    }

    /// Whether the model has a module, or a container of modules, called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }

    /// Where the deltas of module `name` go; `None` for containers and unknown names.
    pub fn target(&self, name: &str) -> Option<Target> {
        if let Some(module) = self.modules.get(name) {
            let Slot { tensor, shape } = module.weight.clone()?;
            return Some(Target { tensor, rows: None, shape, bias: module.bias.clone() });
        }
        let (parent, third) = projection(name)?;
        let attention = self.modules.get(parent)?;
        let Slot { tensor, shape } = attention.in_proj_weight.clone()?;
        let (rows, columns) = (shape.first()? / 3, *shape.get(1)?);
        let range = third * rows..(third + 1) * rows;
        Some(Target { tensor, rows: Some(range), shape: vec![rows, columns], bias: attention.in_proj_bias.clone() })
    }

    /// All modules that deltas can be added to, in the order of their names.
    pub fn modules(&self) -> Vec<(String, Target)> {
        let own = self.modules.keys().cloned();
        let is_fused = |(_, module): &(&String, &Module)| module.in_proj_weight.is_some();
        let fused = self.modules.iter().filter(is_fused).flat_map(|(attention, _)| {
            ["q_proj", "k_proj", "v_proj"].map(|projection| format!("{attention}_{projection}"))
        });
        let mut modules: Vec<_> = own.chain(fused).filter_map(|name| Some((self.target(&name)?, name))).collect();
        modules.sort_by(|(_, left), (_, right)| left.cmp(right));
        modules.into_iter().map(|(target, name)| (name, target)).collect()
    }

    /// For a projection of a fused attention (q, k, v or out of OpenCLIP), the attention's name.
    ///
    /// webui adds the deltas of such an attention only when all four are there.
    pub(super) fn fused_attention<'n>(&self, name: &'n str) -> Option<&'n str> {
        let parent = projection(name).map(|(parent, _)| parent).or_else(|| name.strip_suffix("_out_proj"))?;
        self.modules.get(parent)?.in_proj_weight.as_ref().map(|_| parent)
    }

    /// The module that webui 1.10 takes file key `key` (up to its first `.`) for.
    pub fn module_of(&self, key: &str) -> Option<String> {
        self.module_of_converted(key, renumbered(key, self.is_sd2()))
    }

    /// [`ModuleTable::module_of`] with everything that follows from it.
    pub fn map_key(&self, key: &str) -> MappedKey {
        let converted = renumbered(key, self.is_sd2());
        let module = self.module_of_converted(key, converted.clone());
        let block = module.as_deref().and_then(|m| Block::of_module(self.family, m));
        let strength = module.as_deref().map(Strength::of_module);
        MappedKey { converted, module, block, strength }
    }

    fn module_of_converted(&self, key: &str, converted: String) -> Option<String> {
        let fused = |name: &str| projection(name).is_some_and(|(parent, _)| self.contains(parent));
        if self.contains(&converted) || fused(&converted) {
            return Some(converted);
        }
        let replaced = |from: &str, to: &str| Some(key.replace(from, to)).filter(|name| self.contains(name));
        if key.contains("lora_unet") {
            replaced("lora_unet", "diffusion_model")
        } else if key.contains("lora_te1_text_model") {
            replaced("lora_te1_text_model", "0_transformer_text_model")
                .or_else(|| replaced("lora_te1_text_model", "transformer_text_model"))
        } else if key.contains("oft_unet") {
            replaced("oft_unet", "diffusion_model")
        } else {
            None
        }
    }

    fn is_sd2(&self) -> bool {
        self.contains("model_transformer_resblocks")
    }
}

/// `…_attn_k_proj` → (`…_attn`, 1): an attention and the third of its fused rows.
fn projection(name: &str) -> Option<(&str, usize)> {
    let suffixes = ["_q_proj", "_k_proj", "_v_proj"];
    suffixes.iter().enumerate().find_map(|(third, suffix)| Some((name.strip_suffix(suffix)?, third)))
}

/// The part of a checkpoint tensor's name that webui builds module names from; `None` outside UNet and text encoders.
fn module_path(family: Family, tensor: &str) -> Option<String> {
    if let Some(path) = tensor.strip_prefix("model.").filter(|path| path.starts_with("diffusion_model.")) {
        return Some(path.to_owned());
    }
    let (root, numbered) = Architecture::text_root(family)?;
    let path = tensor.strip_prefix(root)?;
    if !numbered {
        return Some(path.to_owned());
    }
    let (encoder, path) = path.split_once('.')?;
    Some(format!("{encoder}_{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fused_projections_are_thirds() {
        let table = ModuleTable::full_size(Family::Sdxl);
        let target = table.target("1_model_transformer_resblocks_31_attn_k_proj").unwrap();
        assert_eq!(target.tensor, "conditioner.embedders.1.model.transformer.resblocks.31.attn.in_proj_weight");
        assert_eq!((target.rows, target.shape), (Some(1280..2560), vec![1280, 1280]));
        let out = table.target("1_model_transformer_resblocks_31_attn_out_proj").unwrap();
        assert_eq!((out.rows, out.shape), (None, vec![1280, 1280]));
    }

    #[test]
    fn containers_are_known_and_have_no_target() {
        let table = ModuleTable::full_size(Family::Sdxl);
        for name in ["diffusion_model", "diffusion_model_input_blocks_4_1", "1_model_transformer_resblocks_0_attn"] {
            assert!(table.contains(name) && table.target(name).is_none(), "{name}");
        }
    }

    #[test]
    fn odd_tensor_names_are_harmless() {
        let names =
            ["", ".", "weight", "model.diffusion_model.", "model.diffusion_model.weight", "conditioner.embedders.0."];
        let table = ModuleTable::new(Family::Sdxl, names.iter().map(|n| (*n, [3usize].as_slice())));
        assert!(table.target("diffusion_model").is_some());
    }
}
