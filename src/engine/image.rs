//! From the VAE's output to bytes.

use candle_core::{Device, Result, Tensor};

/// Decoded images (b, 3, h, w) in −1…1 as interleaved RGB bytes, truncated, not rounded, as webui does.
pub fn to_rgb8(decoded: &Tensor) -> Result<Vec<u8>> {
    let unit = (decoded.to_device(&Device::Cpu)? + 1.0)?.affine(0.5, 0.0)?.clamp(0f32, 1f32)?;
    let values = (unit * 255.0)?.permute((0, 2, 3, 1))?.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.into_iter().map(|v| v as u8).collect())
}
