//! Which module of the model each tensor of a file belongs to.

use std::collections::{BTreeMap, BTreeSet};

use super::lenient::{self, Component};
use super::table::ModuleTable;

/// Which keys of a file are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyTable {
    /// Those that webui 1.10 matches, with its effect.
    Webui,
    /// Those, and what other tools write; names and magnitudes that webui reads wrongly mean what their author meant.
    #[default]
    Lenient,
}

/// The tensors of a file, grouped by module.
#[derive(Debug, Default)]
pub(super) struct Matching {
    /// By webui module name.
    pub groups: BTreeMap<String, Group>,
    /// Names of tensors that belong to no module.
    pub unmatched: Vec<String>,
    /// How many tensors only the lenient table understood.
    pub leniently: usize,
    /// Tensors for the same part of the same module under two names.
    pub twice: Vec<(String, String)>,
}

/// The tensors of one module.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Part name (`lora_up.weight`, `alpha`, …) → tensor name.
    pub parts: BTreeMap<String, String>,
    /// Tensors of it that are not read because of what others there are.
    pub ignored: Vec<String>,
    /// Where the module was in the model it was trained on, for keys of the lenient table's schemes.
    pub origin: Option<(Component, String)>,
}

/// A tensor of the file on its way to a module.
struct Place {
    module: String,
    part: String,
    origin: Option<(Component, String)>,
    leniently: bool,
}

impl Matching {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>, table: &ModuleTable, keys: KeyTable) -> Self {
        let mut matching = Matching::default();
        for tensor in names {
            match place(table, keys, tensor) {
                None => matching.unmatched.push(tensor.to_owned()),
                Some(place) => {
                    matching.leniently += usize::from(place.leniently);
                    let group = matching.groups.entry(place.module).or_default();
                    if let Some(first) = group.parts.insert(place.part, tensor.to_owned()) {
                        matching.twice.push((first, tensor.to_owned()));
                    }
                    group.origin = place.origin.or(group.origin.take());
                }
            }
        }
        matching.groups.values_mut().for_each(|group| group.use_peft_names(keys));
        matching
    }

    /// The matched modules that webui never applies: projections of fused attentions of which another projection is missing.
    pub(super) fn without_effect(&self, table: &ModuleTable) -> Vec<String> {
        let is_incomplete = |name: &&String| {
            table.fused_attention(name).is_some_and(|attention| {
                let projections = ["q_proj", "k_proj", "v_proj", "out_proj"];
                !projections.iter().all(|projection| self.groups.contains_key(&format!("{attention}_{projection}")))
            })
        };
        self.groups.keys().filter(is_incomplete).cloned().collect()
    }
}

impl Group {
    /// The tensors that have no effect where only these parts have `used`. Every kind may have an alpha, of use or not.
    pub(super) fn left_out(&self, used: &BTreeSet<String>) -> Vec<String> {
        let tensors: BTreeSet<&String> = used.iter().filter_map(|part| self.parts.get(part)).collect();
        let unused = self.parts.iter().filter(|(part, tensor)| *part != "alpha" && !tensors.contains(tensor));
        unused.map(|(_, tensor)| tensor).chain(&self.ignored).cloned().collect()
    }

    /// webui takes PEFT's factor names under kohya's module names too, and then nothing else of the module; what is meant is
    /// the module with all its parts.
    fn use_peft_names(&mut self, keys: KeyTable) {
        if self.parts.contains_key("lora_up.weight") {
            return;
        }
        if let (Some(down), Some(up)) = (self.parts.get("lora_A.weight"), self.parts.get("lora_B.weight")) {
            let parts = [("lora_down.weight", down), ("lora_up.weight", up)];
            let factors: Vec<_> = parts.map(|(part, tensor)| (part.to_owned(), tensor.clone())).into();
            if keys == KeyTable::Webui {
                self.ignored = std::mem::take(&mut self.parts).into_values().collect();
                self.ignored.retain(|tensor| factors.iter().all(|(_, factor)| factor != tensor));
            }
            self.parts.extend(factors);
        }
    }
}

fn place(table: &ModuleTable, keys: KeyTable, tensor: &str) -> Option<Place> {
    let (key, part) = tensor.split_once('.').unwrap_or((tensor, ""));
    let part = part.to_owned();
    // A container that webui would match (and then fail on) may be the first word of another scheme's path.
    let webui = table.module_of(key).filter(|name| keys == KeyTable::Webui || table.target(name).is_some());
    if let Some(module) = webui {
        return Some(Place { module, part, origin: None, leniently: false });
    }
    if keys == KeyTable::Webui {
        return None;
    }
    let Some(rewritten) = lenient::rewrite(tensor) else {
        return Some(Place { module: lenient::module_of(table, key)?, part, origin: None, leniently: true });
    };
    let module = lenient::module_of(table, &rewritten.module)?;
    Some(Place { module, part: rewritten.part, origin: Some((rewritten.component, rewritten.path)), leniently: true })
}
