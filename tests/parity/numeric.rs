//! Reading golden tensors and measuring how far ours are from them.
#![allow(dead_code, reason = "each area uses its part")]

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use crate::common;

/// The tensors of `num/NAME.safetensors`; a missing file is reported and has none.
pub fn load_tensors(name: &str) -> HashMap<String, Tensor> {
    let path = common::vectors().join("num").join(format!("{name}.safetensors"));
    if !path.exists() {
        println!("missing: {}", path.display());
        return HashMap::new();
    }
    candle_core::safetensors::load(&path, &Device::Cpu).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All elements in row-major order, as f64.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    let here = tensor.to_device(&Device::Cpu).unwrap();
    here.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest absolute difference; infinite where a value is NaN on one side only.
pub fn max_abs_diff(got: &Tensor, expected: &Tensor) -> Result<f64, String> {
    if got.dims() != expected.dims() {
        return Err(format!("shape {:?}, expected {:?}", got.dims(), expected.dims()));
    }
    Ok(largest_difference(&values(got), &values(expected), |_| 1.0))
}

/// The largest absolute difference divided by the largest absolute expected value.
pub fn rel_to_max(got: &Tensor, expected: &Tensor) -> Result<f64, String> {
    let diff = max_abs_diff(got, expected)?;
    let max = values(expected).into_iter().fold(0.0, |m, v| f64::max(m, v.abs()));
    Ok(if diff == 0.0 { 0.0 } else { diff / max })
}

/// The largest difference relative to each expected element; an expected 0 must be met exactly.
pub fn max_rel_diff(got: &[f64], expected: &[f64]) -> Result<f64, String> {
    if got.len() != expected.len() {
        return Err(format!("{} values, expected {}", got.len(), expected.len()));
    }
    Ok(largest_difference(got, expected, f64::abs))
}

/// `Ok` when `measured` is a distance within `tolerance`.
pub fn within(what: &str, measured: Result<f64, String>, tolerance: f64) -> Result<(), String> {
    match measured {
        Ok(distance) if distance <= tolerance => Ok(()),
        Ok(distance) => Err(format!("{what}: off by {distance:e}, allowed {tolerance:e}")),
        Err(why) => Err(format!("{what}: {why}")),
    }
}

fn largest_difference(got: &[f64], expected: &[f64], scale: impl Fn(f64) -> f64) -> f64 {
    let difference = |(&g, &e): (&f64, &f64)| match (g.is_nan(), e.is_nan()) {
        (true, true) => 0.0,
        (false, false) if g == e => 0.0,
        (false, false) => (g - e).abs() / scale(e),
        _ => f64::INFINITY,
    };
    got.iter().zip(expected).map(difference).fold(0.0, f64::max)
}

/// Bytes that differ by at most `max`, and at all in at most this `share` of places.
pub fn same_bytes(got: &[u8], expected: &[u8], max: u8, share: f64) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} bytes, expected {}", got.len(), expected.len()));
    }
    let largest = got.iter().zip(expected).map(|(g, e)| g.abs_diff(*e)).max().unwrap_or(0);
    let different = got.iter().zip(expected).filter(|(g, e)| g != e).count();
    let found = different as f64 / got.len().max(1) as f64;
    match largest <= max && found <= share {
        true => Ok(()),
        false => Err(format!("bytes differ by up to {largest} in {found:.4} of places, allowed {max} in {share}")),
    }
}
