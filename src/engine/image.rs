//! Between what the VAE sees and bytes.

use candle_core::{Device, Result, Tensor};

use crate::picture::Rgb;

/// A decoded image (1, 3, h, w) in −1…1 as bytes, truncated, not rounded, as webui does.
pub fn to_rgb8(decoded: &Tensor) -> Result<Rgb> {
    let (_, _, height, width) = decoded.dims4()?;
    let unit = (decoded.to_device(&Device::Cpu)? + 1.0)?.affine(0.5, 0.0)?.clamp(0f32, 1f32)?;
    let values = (unit * 255.0)?.permute((0, 2, 3, 1))?.flatten_all()?.to_vec1::<f32>()?;
    Ok(Rgb { width, height, bytes: values.into_iter().map(|v| v as u8).collect() })
}

/// A picture as the encoder takes it, (1, 3, height, width) in −1…1.
pub fn from_rgb8(picture: &Rgb, device: &Device) -> Result<Tensor> {
    let values = picture.bytes.iter().map(|b| f32::from(*b) / 255.0 * 2.0 - 1.0).collect();
    Tensor::from_vec(values, (1, picture.height, picture.width, 3), device)?.permute((0, 3, 1, 2))?.contiguous()
}
