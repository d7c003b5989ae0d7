//! How large the deltas of a LoRA file are, block by block, without making them.
//!
//! The delta of a module is s·U·D with U (rows × rank) and D (rank × columns). All that is asked of it follows from the two
//! small matrices A = UᵀU and B = DDᵀ (rank × rank): the squared singular values of U·D are the eigenvalues of A·B, so their
//! sum is tr(A·B) and the sum of their squares tr(A·B·A·B).

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use super::error::LoraError;
use super::file;
use super::kind::Kind;
use super::made_for::family_of;
use super::matching::{Group, KeyTable, Matching};
use super::table::ModuleTable;
use crate::block::Block;
use crate::checkpoint::{FileError, TensorFile};

/// The measures of all modules whose delta is a product of two factors.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Deltas {
    /// √ of the sum of squares of all deltas.
    pub norm: f64,
    /// In the order of the blocks; those that no weight vector reaches come last, under `outside`.
    pub blocks: Vec<BlockDeltas>,
    /// The share of each element in the sum of squares, largest first.
    pub elements: Vec<(&'static str, f64)>,
    /// Modules of other kinds (LoHa, LoKr, DoRA, …) or of the rank of a large layer, which are not measured.
    pub unmeasured: usize,
}

/// The measures of one block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlockDeltas {
    /// Its name; `outside` for what lies outside the blocks.
    pub block: &'static str,
    /// How many of the network's modules it has.
    pub modules: usize,
    /// √ of the sum of squares of the block's deltas (Frobenius).
    pub norm: f64,
    /// The block's part of the sum of squares of all blocks.
    pub share: f64,
    /// (Σσ²)² / Σσ⁴ of a module's singular values σ, weighted by the square of its norm: 1 where one direction does it all, the
    /// rank where all directions count alike.
    pub effective_rank: f64,
    /// alpha / rank, least and greatest.
    pub scale: (f64, f64),
}

/// Modules of a higher rank on as large a layer are not measured. The layers of SDXL have rank 1280 at most.
const WIDEST: usize = 2048;

/// One module: Σσ², effective rank, scale.
struct Measure {
    square: f64,
    effective_rank: f64,
    scale: f64,
}

impl Deltas {
    /// Measures the file at `path`, its keys matched to a full-size model of the family that it is made for.
    pub fn of_file(path: &Path) -> std::result::Result<Self, LoraError> {
        let file = TensorFile::open(path)?;
        let table = ModuleTable::full_size(family_of(&file));
        let groups = Matching::new(file.names(), table, KeyTable::Lenient).groups;
        let modules: Vec<_> = groups.iter().collect();
        let measures: Vec<_> = modules
            .par_iter()
            .map(|(_, group)| measure(&file, group))
            .collect::<std::result::Result<_, FileError>>()?;
        let mut deltas = Deltas::default();
        let (mut blocks, mut elements) = (BTreeMap::new(), BTreeMap::new());
        for ((name, _), measure) in modules.into_iter().zip(measures) {
            let Some(measure) = measure else {
                deltas.unmeasured += 1;
                continue;
            };
            let block = Block::of_module(table.family(), name);
            let place = block.map_or((usize::MAX, "outside"), |block| (block.index(), block.name()));
            *elements.entry(element(name)).or_insert(0.0) += measure.square;
            blocks.entry(place).or_insert_with(Vec::new).push(measure);
        }
        let total: f64 = elements.values().sum();
        let share = |square: f64| if total > 0.0 { square / total } else { 0.0 };
        deltas.norm = total.sqrt();
        deltas.elements = elements.into_iter().map(|(name, square)| (name, share(square))).collect();
        deltas.elements.sort_by(|a, b| b.1.total_cmp(&a.1));
        deltas.blocks = blocks
            .into_iter()
            .map(|((_, block), measures)| {
                let square: f64 = measures.iter().map(|m| m.square).sum();
                let ranks: f64 = measures.iter().map(|m| m.square * m.effective_rank).sum();
                let scales = measures.iter().map(|m| m.scale);
                BlockDeltas {
                    block,
                    modules: measures.len(),
                    norm: square.sqrt(),
                    share: share(square),
                    effective_rank: if square > 0.0 { ranks / square } else { 0.0 },
                    scale: scales.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, g), s| (l.min(s), g.max(s))),
                }
            })
            .collect();
        Ok(deltas)
    }
}

/// `None` for modules that are not two factors and nothing else.
fn measure(file: &TensorFile, group: &Group) -> std::result::Result<Option<Measure>, FileError> {
    let has = |part: &str| group.parts.contains_key(part);
    let is_dora = has("dora_scale") || has("lora_magnitude_vector");
    let kind = Kind::of_parts(has, &[]);
    let (Some(up), Some(down)) = (group.parts.get("lora_up.weight"), group.parts.get("lora_down.weight")) else {
        return Ok(None);
    };
    if kind != Some(Kind::Lora) || is_dora || has("lora_mid.weight") {
        return Ok(None);
    }
    let read = |name: &String| file::read(file, name);
    let number = |part: &str| -> std::result::Result<Option<f64>, FileError> {
        let Some(name) = group.parts.get(part) else { return Ok(None) };
        let values = read(name)?.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        Ok(values.first().copied())
    };
    // Its measures take the cube of the rank.
    let is_wide = |name: &String| file.shape(name).is_some_and(|shape| shape.iter().take(2).all(|side| *side > WIDEST));
    if is_wide(up) || is_wide(down) {
        return Ok(None);
    }
    let (up, down) = (read(up)?, read(down)?);
    let rank = down.dims().first().copied().unwrap_or(0);
    if rank == 0 || up.rank() < 2 || down.rank() < 2 || up.dims()[1..].iter().product::<usize>() != rank {
        return Ok(None);
    }
    let scale = match number("scale")? {
        Some(scale) => scale,
        None => number("alpha")?.map_or(1.0, |alpha| alpha / rank as f64),
    };
    let (square, fourth) = powers(&up, &down)?;
    let effective_rank = if fourth > 0.0 { square * square / fourth } else { 0.0 };
    Ok(Some(Measure { square: square * scale * scale, effective_rank, scale }))
}

/// Σσ² and Σσ⁴ of `up` @ `down`.
fn powers(up: &Tensor, down: &Tensor) -> Result<(f64, f64)> {
    let up = up.flatten_from(1)?.to_dtype(DType::F32)?;
    let down = down.flatten_from(1)?.to_dtype(DType::F32)?;
    let (outputs, rank) = up.dims2()?;
    let inputs = down.dim(1)?;
    if rank > outputs.min(inputs) {
        // The product itself is the smaller matrix: its powers are those of its square.
        let delta = up.matmul(&down)?;
        let delta = if outputs > inputs { delta.t()?.contiguous()? } else { delta };
        let square = delta.matmul(&delta.t()?.contiguous()?)?.to_dtype(DType::F64)?;
        let second = (0..square.dim(0)?).map(|i| square.get(i)?.get(i)?.to_scalar::<f64>()).sum::<Result<f64>>()?;
        return Ok((second.max(0.0), square.sqr()?.sum_all()?.to_scalar::<f64>()?.max(0.0)));
    }
    let a = up.t()?.contiguous()?.matmul(&up)?.to_dtype(DType::F64)?;
    let b = down.matmul(&down.t()?.contiguous()?)?.to_dtype(DType::F64)?;
    let product = a.matmul(&b)?;
    let square = (&a * b.t()?)?.sum_all()?.to_scalar::<f64>()?;
    let fourth = (&product * product.t()?)?.sum_all()?.to_scalar::<f64>()?;
    Ok((square.max(0.0), fourth.max(0.0)))
}

/// The part of a block that a module belongs to.
pub(super) fn element(module: &str) -> &'static str {
    const ELEMENTS: [&str; 13] = [
        "attn1",
        "attn2",
        "ff_net",
        "proj_in",
        "proj_out",
        "in_layers",
        "emb_layers",
        "out_layers",
        "skip_connection",
        "self_attn",
        "attn_",
        "mlp",
        "conv",
    ];
    ELEMENTS.into_iter().find(|element| module.contains(element)).map_or("other", |element| match element {
        "ff_net" => "ff",
        "attn_" => "self_attn",
        element => element,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// More directions than a matrix can have are measured on the matrix itself.
    #[test]
    fn powers_do_not_depend_on_the_way() {
        let values = |rows: usize, columns: usize| {
            let values: Vec<f32> = (0..rows * columns).map(|i| ((i * 37 % 23) as f32 - 11.0) / 7.0).collect();
            Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
        };
        for (outputs, rank, inputs) in [(6, 2, 5), (6, 9, 5), (4, 9, 7)] {
            let (up, down) = (values(outputs, rank), values(rank, inputs));
            let delta = up.matmul(&down).unwrap();
            let gram = delta.t().unwrap().contiguous().unwrap().matmul(&delta).unwrap();
            let sum = |t: &Tensor| f64::from(t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap());
            let (square, fourth) = powers(&up, &down).unwrap();
            for (found, expected) in [(square, sum(&delta)), (fourth, sum(&gram))] {
                assert!(
                    (found - expected).abs() < 1e-4 * expected,
                    "{outputs}×{rank}×{inputs}: {found}, not {expected}"
                );
            }
        }
    }
}
