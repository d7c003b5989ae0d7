//! Norm: the difference of a normalisation layer's weight (its bias is the module's bias delta).

use super::full::Difference;
use super::{Kind, Misfit, Parts, Read};
use crate::say;

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    if target.len() != 1 {
        return Err(Misfit::Layer(say!("Norm works on normalisation layers", "Norm が使えるのは正規化層です")));
    }
    Difference::read(Kind::Norm, "w_norm", parts, target)
}
