//! Small pictures of latents on their way, for whoever watches.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::image::to_rgb8;
use crate::model::{Vae, Watch};

/// A VAE whose decoder begins with so few channels is quick enough to be used as it is.
const SMALL: usize = 128;
/// Side of the latent that the colours of a larger VAE are learned from.
const SIDE: usize = 8;
/// The channels of a latent.
const CHANNELS: usize = 4;

/// Makes previews. It is the model's own: another VAE has other colours.
#[derive(Clone)]
pub struct Previewer(Arc<How>);

enum How {
    /// The VAE is asked.
    Vae(Arc<Vae>),
    /// Red, green and blue are linear in the channels, with a constant.
    Colours([[f32; 3]; CHANNELS + 1]),
}

/// A preview: width, height, rows of interleaved RGB.
pub type Preview = (u32, u32, Vec<u8>);

impl Previewer {
    pub(super) fn new(vae: &Arc<Vae>, device: &Device) -> Result<Self> {
        let how = match vae.width() <= SMALL {
            true => How::Vae(vae.clone()),
            false => How::Colours(colours(vae, device)?),
        };
        Ok(Previewer(Arc::new(how)))
    }

    /// The picture of a latent (1, 4, h, w).
    pub fn picture(&self, latent: &Tensor) -> Result<Preview> {
        let image = match &*self.0 {
            How::Vae(vae) => vae.decode(latent, &mut Watch::new(&mut |_| std::ops::ControlFlow::Continue(()))),
            How::Colours(colours) => Ok(coloured(latent, colours)?),
        };
        let image = image.map_err(|_| candle_core::Error::Msg("no preview".to_owned()))?;
        let (_, _, height, width) = image.dims4()?;
        Ok((width as u32, height as u32, to_rgb8(&image)?.bytes))
    }
}

fn coloured(latent: &Tensor, colours: &[[f32; 3]; CHANNELS + 1]) -> Result<Tensor> {
    let (_, _, height, width) = latent.dims4()?;
    let latent = latent.to_device(&Device::Cpu)?.to_dtype(candle_core::DType::F32)?;
    let values = latent.flatten_all()?.to_vec1::<f32>()?;
    let pixels = height * width;
    let mut image = Vec::with_capacity(3 * pixels);
    for (colour, constant) in colours[CHANNELS].iter().enumerate() {
        for at in 0..pixels {
            let channels = (0..CHANNELS).map(|channel| values[channel * pixels + at] * colours[channel][colour]);
            image.push(channels.sum::<f32>() + constant);
        }
    }
    Tensor::from_vec(image, (1, 3, height, width), &Device::Cpu)
}

/// The linear map that comes nearest to what `vae` makes of a latent of patches in many colours (least squares).
fn colours(vae: &Vae, device: &Device) -> Result<[[f32; 3]; CHANNELS + 1]> {
    let pixels = SIDE * SIDE;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut latent = vec![0f32; CHANNELS * pixels];
    for patch in 0..CHANNELS * pixels / 4 {
        let (channel, at) = (patch / (pixels / 4), patch % (pixels / 4));
        let (y, x) = (at / (SIDE / 2) * 2, at % (SIDE / 2) * 2);
        let value = random.normal();
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            latent[channel * pixels + (y + dy) * SIDE + x + dx] = value;
        }
    }
    let input = Tensor::from_vec(latent.clone(), (1, CHANNELS, SIDE, SIDE), device)?;
    let decoded = vae.decode(&input, &mut Watch::new(&mut |_| std::ops::ControlFlow::Continue(())));
    let decoded = decoded.map_err(|_| candle_core::Error::Msg("no preview".to_owned()))?;
    let small = decoded.to_device(&Device::Cpu)?.avg_pool2d(8)?.flatten_all()?.to_vec1::<f32>()?;
    let mut colours = [[0f32; 3]; CHANNELS + 1];
    for colour in 0..3 {
        let mut system = [[0f64; CHANNELS + 2]; CHANNELS + 1];
        for at in 0..pixels {
            let mut row = [1f64; CHANNELS + 1];
            (0..CHANNELS).for_each(|channel| row[channel] = f64::from(latent[channel * pixels + at]));
            let target = f64::from(small[colour * pixels + at]);
            for i in 0..=CHANNELS {
                (0..=CHANNELS).for_each(|j| system[i][j] += row[i] * row[j]);
                system[i][CHANNELS + 1] += row[i] * target;
            }
        }
        for (channel, value) in solved(system).into_iter().enumerate() {
            colours[channel][colour] = value as f32;
        }
    }
    Ok(colours)
}

/// Gauss's elimination with pivots. A system without one solution gives zeros where it has none.
fn solved<const N: usize, const M: usize>(mut rows: [[f64; M]; N]) -> [f64; N] {
    for column in 0..N {
        let pivot = (column..N).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        // The rows stay where they are when none has this column: another column will need them there.
        let Some(pivot) = pivot.filter(|row| rows[*row][column].abs() >= 1e-12) else { continue };
        rows.swap(column, pivot);
        for row in (0..N).filter(|row| *row != column) {
            let factor = rows[row][column] / rows[column][column];
            (column..M).for_each(|at| rows[row][at] -= factor * rows[column][at]);
        }
    }
    std::array::from_fn(|at| if rows[at][at].abs() < 1e-12 { 0.0 } else { rows[at][M - 1] / rows[at][at] })
}

/// Marsaglia's xorshift: the same colours on every machine.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f32 {
        ((-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_solved() {
        assert_eq!(solved([[0.0, 2.0, 4.0], [3.0, 0.0, 9.0]]), [3.0, 2.0]);
        assert_eq!(solved([[0.0, 0.0, 4.0], [0.0, 2.0, 9.0]]), [0.0, 4.5]);
    }

    #[test]
    fn colours_are_linear() {
        let latent = Tensor::from_vec(vec![1f32, 2., 3., 4.], (1, 4, 1, 1), &Device::Cpu).unwrap();
        let colours = [[0.1, 0., 0.], [0., 0.1, 0.], [0., 0., 0.1], [0.; 3], [0.2, 0., -9.]];
        let preview = Previewer(Arc::new(How::Colours(colours))).picture(&latent).unwrap();
        assert_eq!(preview, (1, 1, vec![165, 153, 0]));
    }
}
