//! Norm: the difference of a normalisation layer's weight (its bias is the module's bias delta).

use super::full::Difference;
use super::{Kind, Misfit, Parts, Read};

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    if target.len() != 1 {
        return Err(Misfit::Layer("Norm works on normalisation layers"));
    }
    Difference::read(Kind::Norm, "w_norm", parts, target)
}
