//! What differs between two LoRA files, block by block.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::super::matching::Group;
use super::super::matching::KeyTable;
use super::super::module::NetworkModule;
use super::super::table::ModuleTable;
use super::SurgeryError;
use super::contribution::{Opened, depends_on_base};
use super::factors::Factors;
use super::matrix::f32_values;
use super::measure::{block_of, square};

/// Name, shape and bytes of a tensor.
type NamedBytes = (String, Vec<usize>, Vec<u8>);

/// The difference of two files A and B.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Difference {
    /// Of all blocks together.
    pub total: BlockDifference,
    /// In the order of the blocks; modules outside them come last, under `outside`.
    pub blocks: Vec<BlockDifference>,
    /// Modules that only A has: their delta in B is 0.
    pub only_in_a: Vec<String>,
    /// The same the other way round.
    pub only_in_b: Vec<String>,
    /// Modules whose deltas depend on a checkpoint (DoRA, IA3, GLoRA, OFT, BOFT) and which are not measured, with the same
    /// tensors in both files.
    pub unmeasured_equal: Vec<String>,
    /// Those whose tensors differ.
    pub unmeasured_different: Vec<String>,
}

/// The difference of one block's deltas.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct BlockDifference {
    /// The block's name, `outside`, or `all`.
    pub block: String,
    /// How many were measured.
    pub modules: usize,
    /// ‖ΔA‖ (Frobenius)
    pub norm_a: f64,
    /// ‖ΔB‖
    pub norm_b: f64,
    /// ‖ΔB − ΔA‖
    pub difference: f64,
    /// ⟨ΔA, ΔB⟩ / (‖ΔA‖·‖ΔB‖): 1 for the same direction, 0 for none in common; `None` where one is 0.
    pub cosine: Option<f64>,
}

/// Sums of one module or of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    modules: usize,
    a: f64,
    b: f64,
    inner: f64,
    distance: f64,
}

/// Measures what differs between the files at `a` and `b`. Both are matched to `table`.
pub fn difference(a: &Path, b: &Path, table: &ModuleTable) -> Result<Difference, SurgeryError> {
    let (a, b) = (Opened::read(a, table, KeyTable::Lenient)?, Opened::read(b, table, KeyTable::Lenient)?);
    let names: BTreeSet<&str> =
        [&a, &b].iter().flat_map(|side| side.network.modules()).map(NetworkModule::name).collect();
    let measured = names.into_par_iter().map(|name| Ok((name, measure(&a, &b, name)?)));
    let measured = measured.collect::<Result<Vec<_>, SurgeryError>>()?;

    let mut difference = Difference::default();
    let mut blocks: BTreeMap<(usize, &str), Sums> = BTreeMap::new();
    let mut total = Sums::default();
    for (name, sums) in measured {
        match sums {
            Some(sums) => {
                total.add(sums);
                blocks.entry(block_of(table.family(), name)).or_default().add(sums);
            }
            None if are_the_same(&a, &b, name) => difference.unmeasured_equal.push(name.to_owned()),
            None => difference.unmeasured_different.push(name.to_owned()),
        }
        match (a.module(name), b.module(name)) {
            (Some(_), None) => difference.only_in_a.push(name.to_owned()),
            (None, Some(_)) => difference.only_in_b.push(name.to_owned()),
            _ => {}
        }
    }
    difference.total = total.finish("all");
    difference.blocks = blocks.into_iter().map(|((_, block), sums)| sums.finish(block)).collect();
    Ok(difference)
}

/// Whether the module's tensors are the same in both files.
fn are_the_same(a: &Opened, b: &Opened, name: &str) -> bool {
    let parts = |side: &Opened| -> Option<Vec<NamedBytes>> {
        let parts = &side.module(name)?.1.parts;
        parts
            .iter()
            .map(|(part, tensor)| {
                let shape = side.file.shape(tensor)?.to_vec();
                Some((part.clone(), shape, side.file.bytes(tensor).ok()?.into_owned()))
            })
            .collect()
    };
    parts(a) == parts(b)
}

/// `None` where a delta depends on a checkpoint.
fn measure(a: &Opened, b: &Opened, name: &str) -> Result<Option<Sums>, SurgeryError> {
    let (in_a, in_b) = (a.module(name), b.module(name));
    if in_a.iter().chain(&in_b).any(|(module, _)| depends_on_base(module)) {
        return Ok(None);
    }
    let factors = |side: &Opened, module: Option<(&NetworkModule, &Group)>| match module {
        Some((module, group)) => Factors::of(&side.file, module, group),
        None => Ok(None),
    };
    let mut sums = match (factors(a, in_a)?, factors(b, in_b)?, in_a, in_b) {
        (Some(a), Some(b), ..) => {
            Sums { modules: 1, a: a.square(), b: b.square(), inner: a.inner(&b), distance: b.minus(&a).square() }
        }
        (Some(a), None, _, None) => Sums::one_sided(a.square(), 0.0),
        (None, Some(b), None, _) => Sums::one_sided(0.0, b.square()),
        _ => of_vectors(&weight(in_a)?, &weight(in_b)?),
    };
    let bias = of_vectors(&bias(in_a)?, &bias(in_b)?);
    sums.add(Sums { modules: 0, ..bias });
    Ok(Some(sums))
}

fn weight(module: Option<(&NetworkModule, &Group)>) -> Result<Option<Tensor>, SurgeryError> {
    let Some((module, _)) = module else { return Ok(None) };
    let base = Tensor::zeros(module.target().shape.as_slice(), DType::F32, &Device::Cpu)?;
    Ok(module.delta(&base, 1.0, 1.0, true)?.weight)
}

fn bias(module: Option<(&NetworkModule, &Group)>) -> Result<Option<Tensor>, SurgeryError> {
    Ok(module.map(|(module, _)| module.bias_delta(1.0, 1.0, true)).transpose()?.flatten())
}

/// Sums of two deltas number by number; an absent one is 0.
fn of_vectors(a: &Option<Tensor>, b: &Option<Tensor>) -> Sums {
    let values = |tensor: &Option<Tensor>| tensor.as_ref().and_then(|t| f32_values(t).ok()).unwrap_or_default();
    match (a, b) {
        (Some(_), Some(_)) => {
            let mut sums = Sums { modules: 1, ..Sums::default() };
            for (a, b) in values(a).into_iter().zip(values(b)) {
                let (a, b) = (f64::from(a), f64::from(b));
                sums.a += a * a;
                sums.b += b * b;
                sums.inner += a * b;
                sums.distance += (b - a) * (b - a);
            }
            sums
        }
        _ => {
            let square = |tensor: &Option<Tensor>| tensor.as_ref().and_then(|t| square(t).ok()).unwrap_or(0.0);
            Sums::one_sided(square(a), square(b))
        }
    }
}

impl Sums {
    fn one_sided(a: f64, b: f64) -> Self {
        Sums { modules: 1, a, b, inner: 0.0, distance: a + b }
    }

    fn add(&mut self, other: Sums) {
        self.modules += other.modules;
        self.a += other.a;
        self.b += other.b;
        self.inner += other.inner;
        self.distance += other.distance;
    }

    fn finish(self, block: &str) -> BlockDifference {
        let norms = self.a.sqrt() * self.b.sqrt();
        BlockDifference {
            block: block.to_owned(),
            modules: self.modules,
            norm_a: self.a.sqrt(),
            norm_b: self.b.sqrt(),
            difference: self.distance.sqrt(),
            cosine: (norms > 0.0).then(|| self.inner / norms),
        }
    }
}
