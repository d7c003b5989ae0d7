//! Functions of f32, computed in f64 and rounded once.
//!
//! The result is the f32 nearest to the true value (but for rare near-ties), whatever the platform's f32 functions do.
//! Noise levels need that: Brownian noise is looked up by their last bit.

macro_rules! rounded {
    ($($name:ident)*) => {
        $(pub(super) fn $name(x: f32) -> f32 {
            f64::from(x).$name() as f32
        })*
    };
}

rounded!(ln exp tan atan sin cos);

/// `x` to the power `exponent`; the cube is multiplied out, as torch does it.
pub(super) fn powf(x: f32, exponent: f64) -> f32 {
    if exponent == 3.0 { x * x * x } else { f64::from(x).powf(exponent) as f32 }
}
