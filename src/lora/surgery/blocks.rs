//! Which block a tensor of a LoRA file belongs to, for every model family whose keys are known, with or without an engine.
//!
//! Only names are looked at. SD1, SD2, SDXL and Flux have the blocks of LoRA Block Weight; the names of the others' blocks
//! are ours.

use super::super::deltas::element;
use super::super::lenient;
use super::super::made_for::family_of;
use super::super::matching::KeyTable;
use super::super::matching::Matching;
use super::super::names::renumbered;
use super::super::table::ModuleTable;
use super::place::{Place, Placed, stem};
use super::transformers::{Transformer, transformer};
use crate::block::{Block, Family, Space};
use crate::checkpoint::TensorFile;

/// How the keys of one model family name its blocks.
#[derive(Debug)]
pub struct Blocks {
    family: &'static str,
    naming: Naming,
    names: Vec<String>,
}

#[derive(Debug)]
enum Naming {
    Unet(&'static ModuleTable),
    Transformer(&'static Transformer),
}

impl Blocks {
    /// The blocks of the model that `file` is made for; `None` where they are not known.
    pub fn of(file: &TensorFile) -> Option<Self> {
        if let Some(transformer) = transformer(file) {
            return Some(Self::of_transformer(transformer));
        }
        let family = family_of(file);
        let blocks = Blocks {
            family: family.label(),
            naming: Naming::Unet(ModuleTable::full_size(family)),
            names: Space::Unet.names().iter().map(|name| (*name).to_owned()).collect(),
        };
        let knows_any = file.names().any(|name| !matches!(blocks.place(name).place, Place::Unknown | Place::Bundled));
        knows_any.then_some(blocks)
    }

    fn of_transformer(transformer: &'static Transformer) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: String| {
            if !names.contains(&name) {
                names.push(name);
            }
        };
        let (ends, begins): (Vec<_>, Vec<_>) = transformer.words.iter().partition(|(_, block)| *block == "OUT");
        transformer.starts.iter().copied().flatten().for_each(|(_, block)| add((*block).to_owned()));
        begins.iter().for_each(|(_, block)| add((*block).to_owned()));
        for (_, letters, count) in transformer.stacks.iter().rev() {
            (0..*count).for_each(|n| add(format!("{letters}{n:02}")));
        }
        ends.iter().for_each(|(_, block)| add((*block).to_owned()));
        Blocks { family: transformer.label, naming: Naming::Transformer(transformer), names }
    }

    /// The model family's name.
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// The names of all blocks, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The family of webui's block weights, where these blocks are theirs.
    pub fn webui_family(&self) -> Option<Family> {
        match &self.naming {
            Naming::Unet(table) => Some(table.family()),
            Naming::Transformer(transformer) => (transformer.label == "Flux").then_some(Family::Flux),
        }
    }

    pub(super) fn place(&self, tensor: &str) -> Placed {
        let unknown = |place| Placed { module: stem(tensor).to_owned(), place, element: String::new() };
        if tensor.starts_with("bundle_emb.") {
            return unknown(Place::Bundled);
        }
        let placed = match &self.naming {
            Naming::Unet(table) => in_unet(table, tensor),
            Naming::Transformer(transformer) => transformer.place(&stem(tensor).replace('.', "_")),
        };
        placed.unwrap_or_else(|| unknown(Place::Unknown))
    }
}

fn in_unet(table: &ModuleTable, tensor: &str) -> Option<Placed> {
    let matching = Matching::new(std::iter::once(tensor), table, KeyTable::Lenient);
    let module = match matching.groups.into_keys().next() {
        Some(module) => module,
        // A module that the full-size model does not have; its name may still say its block.
        None => {
            let key = lenient::rewrite(tensor).map_or_else(|| stem(tensor).to_owned(), |rewritten| rewritten.module);
            let name = renumbered(&key, table.family() == Family::Sd2).replace("lora_unet_", "diffusion_model_");
            Block::of_module(table.family(), &name)?;
            name
        }
    };
    let place = match Block::of_module(table.family(), &module) {
        Some(block) => Place::Block(block.name().to_owned()),
        None => Place::Outside,
    };
    Some(Placed { element: element(&module).to_owned(), module, place })
}
