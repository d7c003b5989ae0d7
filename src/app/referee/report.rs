//! Modules with the same fate, together.

use super::Verdict;
use super::case::{Case, File, Module};
use crate::block::{Block, Family};

/// What the programs apply of one LoRA.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraFactors {
    /// Its name in the prompt.
    pub name: String,
    /// Whether its file was there to be looked at.
    pub has_file: bool,
    /// In the order of the blocks, what lies outside them last.
    pub rows: Vec<Row>,
}

/// Modules of one block that every program treats alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The block, or what the modules outside of the blocks are; where a block falls apart, what tells them apart.
    pub label: String,
    /// How many modules; 0 without a file.
    pub modules: usize,
    /// The factor in each of [`PROGRAMS`](super::PROGRAMS): nothing where the program cannot read the tags, or where what it does is
    /// no factor.
    pub factors: Vec<Option<f64>>,
}

pub(super) fn of_files(case: &Case<'_>, verdicts: &[Verdict]) -> Vec<LoraFactors> {
    let of_file = |(at, file): (usize, &File)| LoraFactors {
        name: file.name.clone(),
        has_file: file.unmatched.is_some(),
        rows: rows(at, file, case.family(), verdicts),
    };
    case.files.iter().enumerate().map(of_file).collect()
}

/// Modules of one block with the same factors.
struct Group<'a> {
    block: String,
    order: usize,
    factors: Vec<Option<f64>>,
    modules: Vec<&'a Module>,
}

fn rows(at: usize, file: &File, family: Family, verdicts: &[Verdict]) -> Vec<Row> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (place, module) in file.modules.iter().enumerate() {
        let factors: Vec<Option<f64>> =
            verdicts.iter().map(|v| v.factors.get(at).and_then(|factors| *factors.get(place)?)).collect();
        let (block, order) = match Block::of_module(family, &module.name) {
            Some(block) => (block.name().to_owned(), block.index()),
            None => (outside(&module.name), usize::MAX),
        };
        match groups.iter_mut().find(|group| group.block == block && same(&group.factors, &factors)) {
            Some(group) => group.modules.push(module),
            None => groups.push(Group { block, order, factors, modules: vec![module] }),
        }
    }
    groups.sort_by_key(|group| group.order);
    let label = |group: &Group<'_>| {
        let is_alone = groups.iter().filter(|other| other.block == group.block).count() == 1;
        if is_alone { group.block.clone() } else { format!("{}: {}", group.block, apart(group, &groups)) }
    };
    let counted = |group: &Group<'_>| if file.unmatched.is_some() { group.modules.len() } else { 0 };
    let row = |group: &Group<'_>| Row { label: label(group), modules: counted(group), factors: group.factors.clone() };
    groups.iter().map(row).collect()
}

fn same(a: &[Option<f64>], b: &[Option<f64>]) -> bool {
    let is_same = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a - b).abs() < 1e-9,
        (a, b) => a.is_none() == b.is_none(),
    };
    a.iter().zip(b).all(is_same)
}

/// What tells a group from the others of its block: its kinds, or else its first module.
fn apart(group: &Group<'_>, groups: &[Group<'_>]) -> String {
    let kinds = |group: &Group<'_>| {
        let mut kinds: Vec<String> =
            group.modules.iter().map(|m| m.kind.map_or("?".to_owned(), |kind| kind.to_string())).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    let own = kinds(group);
    let mut others = groups.iter().filter(|other| other.block == group.block && !std::ptr::eq(*other, group));
    match others.all(|other| kinds(other).iter().all(|kind| !own.contains(kind))) {
        true => own.join(", "),
        false => group.modules.first().map_or(String::new(), |module| short(&module.name).to_owned()),
    }
}

fn short(module: &str) -> &str {
    module.strip_prefix("diffusion_model_").unwrap_or(module)
}

/// What a module outside of the blocks is.
fn outside(module: &str) -> String {
    let known = [
        ("diffusion_model_time_embed_", "time embedding"),
        ("diffusion_model_label_emb_", "size embedding"),
        ("diffusion_model_out_", "output convolution"),
        ("token_embedding", "token embedding"),
    ];
    let found = known.iter().find(|(part, _)| module.contains(part));
    found.map_or_else(|| short(module).to_owned(), |(_, name)| (*name).to_owned())
}
