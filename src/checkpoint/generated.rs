//! Checkpoints that are a rule instead of a file.
//!
//! A manifest names every tensor with its shape and the constants of a random generator; the safetensors file follows bit
//! for bit. The numeric test model lives in the repository as such a manifest.
//!
//! Element i (row-major, counted from 1) of a tensor is `base + k·scale`, with k drawn from −kmax…kmax by SplitMix64,
//! seeded by the FNV-1a hash of `seed_name:tensor`. All values are exact in f16.

use std::collections::BTreeMap;

use half::f16;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::diagnostic::{Said, Text};
use crate::files::hex;
use crate::say;

/// Why a manifest gives no file.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum ManifestError {
    Json(#[from] serde_json::Error),
    Format(String),
    TooLarge,
    Misfit { tensor: String, entry: &'static str },
    Hash { expected: String, found: String },
}

impl Said for ManifestError {
    fn said(&self) -> Text {
        match self {
            ManifestError::Json(error) => {
                say!("the manifest is not in the form expected: {error}", "マニフェストの形が違います: {error}")
            }
            ManifestError::Format(format) => say!(
                "the manifest's format is `{format}`, expected `{FORMAT}`",
                "マニフェストの形式が `{FORMAT}` ではなく `{format}` です"
            ),
            ManifestError::TooLarge => say!(
                "the manifest asks for more than {MAX_BYTES} bytes",
                "マニフェストの求める大きさが {MAX_BYTES} バイトを超えています"
            ),
            ManifestError::Misfit { tensor, entry } => {
                say!("`{entry}` does not fit tensor `{tensor}`", "`{entry}` がテンソル `{tensor}` に合いません")
            }
            ManifestError::Hash { expected, found } => say!(
                "the generated file has sha256 {found}, the manifest says {expected}",
                "作られたファイルの sha256 は {found} で、マニフェストの {expected} と違います"
            ),
        }
    }
}

const FORMAT: &str = "lbw-tiny-1";
const MAX_BYTES: usize = 1 << 30;

#[derive(Deserialize)]
struct Manifest {
    format: String,
    seed_name: String,
    tensors: Vec<TensorRule>,
    #[serde(default)]
    row_scale: Vec<(String, usize, usize, f64)>,
    #[serde(default)]
    overrides: Vec<(String, Vec<usize>, f64)>,
    file_sha256: Option<String>,
}

#[derive(Deserialize)]
struct TensorRule {
    name: String,
    shape: Vec<usize>,
    kmax: u64,
    scale: f64,
    base: f64,
}

/// The safetensors file that `manifest` (JSON text) describes, checked against its hash.
pub fn from_manifest(manifest: &str) -> Result<Vec<u8>, ManifestError> {
    let manifest: Manifest = serde_json::from_str(manifest)?;
    if manifest.format != FORMAT {
        return Err(ManifestError::Format(manifest.format));
    }
    let mut tensors: BTreeMap<&str, (&[usize], Vec<f64>)> = BTreeMap::new();
    let mut total = 0usize;
    for rule in &manifest.tensors {
        let count = rule.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or(ManifestError::TooLarge)?;
        total = total.saturating_add(count.saturating_mul(2));
        if total > MAX_BYTES {
            return Err(ManifestError::TooLarge);
        }
        tensors.insert(&rule.name, (&rule.shape, rule.draw(&manifest.seed_name, count)));
    }
    for (name, first, end, factor) in &manifest.row_scale {
        let misfit = || ManifestError::Misfit { tensor: name.clone(), entry: "row_scale" };
        let (shape, values) = tensors.get_mut(name.as_str()).ok_or_else(misfit)?;
        let row = values.len() / shape.first().copied().filter(|rows| *rows > 0).ok_or_else(misfit)?;
        let range = first.saturating_mul(row)..end.saturating_mul(row);
        values.get_mut(range).ok_or_else(misfit)?.iter_mut().for_each(|v| *v *= factor);
    }
    for (name, index, value) in &manifest.overrides {
        let misfit = || ManifestError::Misfit { tensor: name.clone(), entry: "overrides" };
        let (shape, values) = tensors.get_mut(name.as_str()).ok_or_else(misfit)?;
        let position = flat_index(shape, index).ok_or_else(misfit)?;
        *values.get_mut(position).ok_or_else(misfit)? = *value;
    }
    let file = serialize(&tensors);
    if let Some(expected) = manifest.file_sha256 {
        let found = hex(&Sha256::digest(&file));
        if found != expected {
            return Err(ManifestError::Hash { expected, found });
        }
    }
    Ok(file)
}

impl TensorRule {
    fn draw(&self, seed_name: &str, count: usize) -> Vec<f64> {
        let seed = fnv1a64(format!("{seed_name}:{}", self.name).as_bytes());
        let choices = self.kmax.saturating_mul(2).saturating_add(1);
        (1..=count as u64)
            .map(|i| {
                let z = splitmix64(seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
                let k = ((z >> 32) % choices) as i64 - self.kmax as i64;
                self.base + k as f64 * self.scale
            })
            .collect()
    }
}

fn flat_index(shape: &[usize], index: &[usize]) -> Option<usize> {
    if shape.len() != index.len() || shape.iter().zip(index).any(|(size, i)| i >= size) {
        return None;
    }
    Some(shape.iter().zip(index).fold(0, |flat, (size, i)| flat * size + i))
}

/// The safetensors file: keys sorted bytewise, `__metadata__` first, header padded with spaces to a multiple of 8.
fn serialize(tensors: &BTreeMap<&str, (&[usize], Vec<f64>)>) -> Vec<u8> {
    let mut header = String::from(r#"{"__metadata__":{"format":"pt"}"#);
    let mut end = 0usize;
    for (name, (shape, values)) in tensors {
        let start = end;
        end += values.len() * 2;
        let key = serde_json::Value::from(*name);
        let shape = serde_json::Value::from(shape.to_vec());
        header.push_str(&format!(r#",{key}:{{"dtype":"F16","shape":{shape},"data_offsets":[{start},{end}]}}"#));
    }
    header.push('}');
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));

    let mut file = Vec::with_capacity(8 + header.len() + end);
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    for (_, values) in tensors.values() {
        file.extend(values.iter().flat_map(|v| f16::from_f64(*v).to_le_bytes()));
    }
    file
}

fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

fn splitmix64(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_lies_is_refused() {
        let lie = r#"{"format":"lbw-tiny-1","seed_name":"x","file_sha256":"00",
            "tensors":[{"name":"w","shape":[2],"kmax":1,"scale":0.5,"base":0.0}]}"#;
        assert!(matches!(from_manifest(lie), Err(ManifestError::Hash { .. })));
        let huge = r#"{"format":"lbw-tiny-1","seed_name":"x",
            "tensors":[{"name":"w","shape":[1099511627776, 1099511627776],"kmax":1,"scale":0.5,"base":0.0}]}"#;
        assert!(matches!(from_manifest(huge), Err(ManifestError::TooLarge)));
        let misfit = r#"{"format":"lbw-tiny-1","seed_name":"x","overrides":[["w",[9],1.0]],
            "tensors":[{"name":"w","shape":[2],"kmax":1,"scale":0.5,"base":0.0}]}"#;
        assert!(matches!(from_manifest(misfit), Err(ManifestError::Misfit { .. })));
    }
}
