//! The random numbers of one image, in webui's order.
//!
//! Every image has its own generator: its first draw is the initial noise, every later one the next noise that a sampler
//! asks for. What an image draws never depends on the other images of a batch or on the device.

use candle_core::{Device, Tensor};

use super::mt19937::Mt19937;
use super::philox::Philox;
use super::{NoiseSampler, Result};
use crate::plan::{NoiseSource, Settings};

/// Channels of an SDXL latent.
pub const LATENT_CHANNELS: usize = 4;

/// A seeded stream of normal numbers of either source.
#[derive(Debug, Clone)]
pub struct Generator(Stream);

#[derive(Debug, Clone)]
enum Stream {
    Philox(Philox),
    Mt19937(Mt19937),
}

impl Generator {
    /// The generator as torch makes it with `manual_seed(seed)` on the device of `source`.
    pub fn new(source: NoiseSource, seed: u64) -> Self {
        Generator(match source {
            NoiseSource::Gpu => Stream::Philox(Philox::new(seed)),
            NoiseSource::Cpu => Stream::Mt19937(Mt19937::new(seed)),
        })
    }

    /// The next `n` numbers, in row-major order of the tensor they fill.
    pub fn randn(&mut self, n: usize) -> Vec<f32> {
        match &mut self.0 {
            Stream::Philox(philox) => philox.randn(n),
            Stream::Mt19937(mt) => mt.randn(n),
        }
    }
}

/// The generator of one image; [`ImageRng::draw`] gives its noises one after the other.
#[derive(Debug, Clone)]
pub struct ImageRng {
    source: NoiseSource,
    seed: u64,
    /// Noise that is blended in, and how much of it.
    subseed: Option<(u64, f32)>,
    size: Size,
    /// Size at which the initial noise is drawn where it differs from `size`.
    resize_from: Option<Size>,
    /// The "eta noise seed delta": every draw but the first comes from the seed plus this.
    seed_delta: i64,
    generator: Generator,
    is_first: bool,
    device: Device,
}

/// Height and width of a latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    height: usize,
    width: usize,
}

impl Size {
    fn elements(self) -> usize {
        LATENT_CHANNELS * self.height * self.width
    }
}

impl ImageRng {
    /// The generator for `settings.seed`; noise has the shape (1, 4, height / 8, width / 8) and lies on `device`.
    pub fn new(settings: &Settings, device: &Device) -> Self {
        let (height, width) = settings.latent_size();
        let size = Size { height, width };
        let [from_height, from_width] = [settings.seed_resize_from_height, settings.seed_resize_from_width];
        let from = Size { height: from_height as usize / 8, width: from_width as usize / 8 };
        let strength = settings.subseed_strength;
        ImageRng {
            source: settings.noise_source,
            seed: settings.seed,
            subseed: (strength != 0.0).then_some((settings.subseed, strength as f32)),
            size,
            resize_from: (from_height > 0 && from_width > 0 && from != size).then_some(from),
            seed_delta: settings.eta_noise_seed_delta,
            generator: Generator::new(settings.noise_source, settings.seed),
            is_first: true,
            device: device.clone(),
        }
    }

    /// The next noise, (1, 4, h, w): first the initial one, then those for the sampler.
    pub fn draw(&mut self) -> Result<Tensor> {
        let values = if self.is_first { self.initial() } else { self.generator.randn(self.size.elements()) };
        if self.is_first && self.seed_delta != 0 {
            self.generator = Generator::new(self.source, self.seed.wrapping_add_signed(self.seed_delta));
        }
        self.is_first = false;
        let Size { height, width } = self.size;
        Ok(Tensor::from_vec(values, (1, LATENT_CHANNELS, height, width), &self.device)?)
    }

    fn initial(&mut self) -> Vec<f32> {
        let Some(from) = self.resize_from else {
            let noise = self.generator.randn(self.size.elements());
            return self.with_subseed(noise, self.size);
        };
        let small = Generator::new(self.source, self.seed).randn(from.elements());
        let small = self.with_subseed(small, from);
        let mut noise = self.generator.randn(self.size.elements());
        overlay(&mut noise, self.size, &small, from);
        noise
    }

    fn with_subseed(&self, noise: Vec<f32>, size: Size) -> Vec<f32> {
        let Some((subseed, strength)) = self.subseed else { return noise };
        slerp(strength, &noise, &Generator::new(self.source, subseed).randn(size.elements()), size)
    }
}

/// Ancestral noise does not depend on the sigmas: every request is the next draw.
impl NoiseSampler for ImageRng {
    fn sample(&mut self, _sigma: f32, _sigma_next: f32) -> Result<Tensor> {
        self.draw()
    }
}

/// Spherical interpolation as webui does it: vectors run along the *height* of the latent, one per channel and column.
///
/// Nearly parallel noises are mixed linearly instead, and with their shares swapped; webui has it so.
fn slerp(strength: f32, low: &[f32], high: &[f32], size: Size) -> Vec<f32> {
    let Size { height, width } = size;
    let columns: Vec<Column> = (0..LATENT_CHANNELS * width)
        .map(|i| Column { start: i / width * height * width + i % width, height, stride: width })
        .collect();
    let dots: Vec<f32> = columns.iter().map(|c| c.cosine(low, high)).collect();
    let mean = dots.iter().sum::<f32>() / dots.len() as f32;
    if mean > 0.9995 {
        return low.iter().zip(high).map(|(l, h)| l * strength + h * (1.0 - strength)).collect();
    }
    let mut out = vec![0.0; low.len()];
    for (column, dot) in columns.iter().zip(dots) {
        let omega = dot.acos();
        let so = omega.sin();
        let share_low = ((1.0 - strength) * omega).sin() / so;
        let share_high = (strength * omega).sin() / so;
        for i in column.indices() {
            out[i] = share_low * low[i] + share_high * high[i];
        }
    }
    out
}

/// The elements of one channel and one column of a latent.
struct Column {
    start: usize,
    height: usize,
    stride: usize,
}

impl Column {
    fn indices(&self) -> impl Iterator<Item = usize> {
        (self.start..).step_by(self.stride).take(self.height)
    }

    fn norm(&self, data: &[f32]) -> f32 {
        self.indices().map(|i| data[i] * data[i]).sum::<f32>().sqrt()
    }

    fn cosine(&self, a: &[f32], b: &[f32]) -> f32 {
        let (norm_a, norm_b) = (self.norm(a), self.norm(b));
        self.indices().map(|i| (a[i] / norm_a) * (b[i] / norm_b)).sum()
    }
}

/// Lays `small` over the centre of `noise`; of a larger `small` the centre is used.
fn overlay(noise: &mut [f32], size: Size, small: &[f32], from: Size) {
    let rows = Centred::new(size.height, from.height);
    let columns = Centred::new(size.width, from.width);
    for channel in 0..LATENT_CHANNELS {
        for row in 0..rows.count {
            let to = (channel * size.height + rows.to + row) * size.width + columns.to;
            let source = (channel * from.height + rows.from + row) * from.width + columns.from;
            noise[to..to + columns.count].copy_from_slice(&small[source..source + columns.count]);
        }
    }
}

/// Where a centred range starts in either extent, and how long it is.
struct Centred {
    to: usize,
    from: usize,
    count: usize,
}

impl Centred {
    fn new(to: usize, from: usize) -> Self {
        if from <= to {
            return Centred { to: (to - from) / 2, from: 0, count: from };
        }
        // webui rounds half the difference away from zero and crops it on both sides.
        let crop = (from - to).div_ceil(2);
        Centred { to: 0, from: crop, count: from - 2 * crop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng(settings: Settings) -> Vec<f32> {
        let settings = Settings { width: 64, height: 64, ..settings };
        ImageRng::new(&settings, &Device::Cpu).draw().unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn full_subseed_strength_gives_the_other_image() {
        let other = rng(Settings { seed: 2, ..Settings::default() });
        let blended = rng(Settings { seed: 1, subseed: 2, subseed_strength: 1.0, ..Settings::default() });
        assert!(other.iter().zip(&blended).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn overlay_keeps_to_the_centre() {
        let (size, from) = (Size { height: 4, width: 5 }, Size { height: 2, width: 8 });
        let mut noise = vec![0.0; size.elements()];
        let small: Vec<f32> = (0..from.elements()).map(|i| i as f32).collect();
        overlay(&mut noise, size, &small, from);
        // Three columns too many: two go on either side, and one of the target keeps its own noise.
        assert_eq!(noise[5..10], [2.0, 3.0, 4.0, 5.0, 0.0]);
        assert_eq!(noise[10..15], [10.0, 11.0, 12.0, 13.0, 0.0]);
        assert_eq!(noise[..5], [0.0; 5]);
    }

    #[test]
    fn seed_delta_acts_after_the_first_draw() {
        let settings = Settings { seed: 5, eta_noise_seed_delta: -5, width: 64, height: 64, ..Settings::default() };
        let mut shifted = ImageRng::new(&settings, &Device::Cpu);
        let first = shifted.draw().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let second = shifted.draw().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(first, rng(Settings { seed: 5, ..Settings::default() }));
        assert_eq!(second, rng(Settings { seed: 0, ..Settings::default() }));
    }
}
