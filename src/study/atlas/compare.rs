//! Two atlases beside each other.

use serde::Serialize;

use super::super::tune::Attribute;
use super::{Atlas, Measure};

/// How two atlases agree.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Whether the LoRAs, the checkpoints and the number of steps are the same.
    pub same: [bool; 3],
    /// For each attribute that both have, how alike they rank blocks and parts of the steps: Spearman's coefficient, from −1 to 1; nothing where
    /// the whole LoRA hardly changes it in one of them.
    pub ranks: Vec<(Attribute, Option<f64>)>,
    /// Where they differ by more than the scenes of either do, the most first.
    pub differences: Vec<Difference>,
    /// Blocks that only the first shows, and those that only the second shows: the other LoRA has no weights there, or no such block.
    pub unpaired: [Vec<String>; 2],
}

/// A share that is another one.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The block.
    pub block: String,
    /// The part of the steps; nothing for all of them.
    pub part: Option<usize>,
    /// What differs.
    pub attribute: Attribute,
    /// The share of the whole LoRA in the first.
    pub first: f64,
    /// The same in the second.
    pub second: f64,
}

/// Shares that differ by less than this are not worth a word.
const LITTLE: f64 = 0.1;

/// Compares two atlases.
pub fn compare(first: &Atlas, second: &Atlas) -> Comparison {
    let mut ranks = Vec::new();
    let mut differences = Vec::new();
    for (at, attribute) in first.attributes.iter().enumerate() {
        let Some(other) = second.attributes.iter().position(|other| other == attribute) else { continue };
        let mut pairs = Vec::new();
        for block in &first.blocks {
            let Some(twin) = second.blocks.iter().find(|twin| twin.id == block.id) else { continue };
            for (column, (p, q)) in Atlas::columns(block).zip(Atlas::columns(twin)).enumerate() {
                let (Some(p), Some(q)) = (p.get(at), q.get(other)) else { continue };
                let (Some(one), Some(two)) = (p.share, q.share) else { continue };
                pairs.push((one, two));
                if (one - two).abs() > LITTLE.max(doubt(p, q)) {
                    let (block, part) = (block.id.clone(), column.checked_sub(1));
                    differences.push(Difference { block, part, attribute: *attribute, first: one, second: two });
                }
            }
        }
        ranks.push((*attribute, spearman(&pairs)));
    }
    let size = |difference: &Difference| (difference.first - difference.second).abs();
    differences.sort_by(|p, q| size(q).total_cmp(&size(p)));
    let hashes = |atlas: &Atlas| atlas.loras.iter().map(|lora| lora.hash.clone()).collect::<Vec<_>>();
    let same = [
        hashes(first) == hashes(second) && hashes(first).iter().all(Option::is_some),
        first.model.hash == second.model.hash && first.model.hash.is_some(),
        first.steps == second.steps,
    ];
    Comparison { same, ranks, differences, unpaired: [unpaired(first, second), unpaired(second, first)] }
}

/// The blocks of `one` that are not in `other`.
fn unpaired(one: &Atlas, other: &Atlas) -> Vec<String> {
    let ids = one.blocks.iter().map(|block| &block.id);
    ids.filter(|id| other.blocks.iter().all(|twin| twin.id != **id)).cloned().collect()
}

/// Twice the standard deviation of the difference.
fn doubt(p: &Measure, q: &Measure) -> f64 {
    2.0 * p.doubt().unwrap_or(0.0).hypot(q.doubt().unwrap_or(0.0))
}

/// Spearman's rank correlation: Pearson's of the ranks, of which equal values share the mean.
fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let ranks = |of: &dyn Fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let rank = |pair: &(f64, f64)| {
            let (less, equal) =
                pairs.iter().fold((0, 0), |(less, equal), other| match of(other).total_cmp(&of(pair)) {
                    std::cmp::Ordering::Less => (less + 1, equal),
                    std::cmp::Ordering::Equal => (less, equal + 1),
                    std::cmp::Ordering::Greater => (less, equal),
                });
            f64::from(less) + f64::from(equal - 1) / 2.0
        };
        pairs.iter().map(rank).collect()
    };
    let (p, q) = (ranks(&|pair| pair.0), ranks(&|pair| pair.1));
    let middle = (pairs.len() as f64 - 1.0) / 2.0;
    let product = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(p, q)| (p - middle) * (q - middle)).sum::<f64>();
    let size = (product(&p, &p) * product(&q, &q)).sqrt();
    (pairs.len() > 2 && size > 0.0).then(|| product(&p, &q) / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_what_is_compared() {
        let of = |p: &[f64], q: &[f64]| spearman(&p.iter().copied().zip(q.iter().copied()).collect::<Vec<_>>());
        assert_eq!(of(&[1.0, 2.0, 30.0], &[0.1, 0.2, 0.3]), Some(1.0));
        assert_eq!(of(&[1.0, 2.0, 30.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(of(&[1.0, 1.0, 1.0], &[3.0, 2.0, 1.0]), None);
        // By hand: ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3.
        let tied = of(&[1.0, 2.0, 2.0, 9.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((tied - 4.5 / (4.5f64 * 5.0).sqrt()).abs() < 1e-9, "{tied}");
    }
}
