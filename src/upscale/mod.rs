//! Enlarging pictures as webui's upscalers do: None, Lanczos, Nearest and networks, run up to three times, in tiles.
//!
//! Bytes in, bytes out. A picture goes through a network in tiles of webui's size, whose seams are blended as webui blends
//! them, so that memory is bounded by the tile.

mod error;
mod extras;
mod index;
mod names;
mod shelf;
mod tiles;

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Tensor;

pub use error::UpscaleError;
pub use extras::{Extras, Size};
pub use index::{Named, NoUpscaler, UpscalerIndex};
pub use names::{BuiltIn, name_of};
pub use shelf::Upscalers;
pub use tiles::Tiling;

use crate::model::esrgan::Network;
use crate::picture::{Filter, Fit, Rgb, fit};

/// webui runs an upscaler that often at most.
const MAX_RUNS: usize = 3;
/// Sides of results are multiples of this.
const GRAIN: f64 = 8.0;
/// Longest side of a picture on the way and at the end.
const MAX_SIDE: usize = 1 << 15;
/// Most pixels of such a picture.
const MAX_PIXELS: usize = 1 << 28;

type Result<T> = std::result::Result<T, UpscaleError>;

/// How far a run of a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Runs of the upscaler that have ended.
    pub run: usize,
    /// Tiles of this run that are done.
    pub tile: usize,
    /// Tiles in all.
    pub tiles: usize,
}

/// Called after each tile; its answer can stop the work.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// A way to enlarge pictures.
#[derive(Clone)]
pub enum Upscaler {
    /// Leaves the picture to the resize at the end.
    None,
    /// One resize with Lanczos.
    Lanczos,
    /// One resize without a filter.
    Nearest,
    /// A network, tile by tile.
    Network {
        /// Opened once, for all pictures.
        network: Arc<Network>,
        /// How pictures are cut.
        tiling: Tiling,
    },
}

impl Upscaler {
    /// The picture enlarged by `scale`, its sides cut to multiples of 8 as in webui: webui's `Upscaler.upscale`.
    pub fn upscale(&self, picture: &Rgb, scale: f64, watch: Watch<'_>) -> Result<Rgb> {
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(UpscaleError::Scale(scale));
        }
        let wanted = |side: usize| (side as f64 * scale / GRAIN).floor() * GRAIN;
        let (width, height) = (wanted(picture.width) as usize, wanted(picture.height) as usize);
        if width == 0 || height == 0 {
            return Err(UpscaleError::Empty { width: picture.width, height: picture.height, scale });
        }
        check(width, height)?;
        let mut picture = picture.clone();
        for run in 0..MAX_RUNS {
            if picture.width >= width && picture.height >= height && (run > 0 || scale != 1.0) {
                break;
            }
            let before = (picture.width, picture.height);
            picture = self.run(picture, scale, run, watch)?;
            if (picture.width, picture.height) == before {
                break;
            }
        }
        Ok(if (picture.width, picture.height) == (width, height) { picture } else { picture.resize(width, height) })
    }

    /// One run.
    fn run(&self, picture: Rgb, scale: f64, run: usize, watch: Watch<'_>) -> Result<Rgb> {
        let filter = match self {
            Upscaler::None => return Ok(picture),
            Upscaler::Lanczos => Filter::Lanczos,
            Upscaler::Nearest => Filter::Nearest,
            Upscaler::Network { network, tiling } => {
                let scale = network.scale();
                check(picture.width.saturating_mul(scale), picture.height.saturating_mul(scale))?;
                let watch = &mut |tile, tiles| watch(Progress { run, tile, tiles });
                return tiling.run(&picture, scale, &mut |tile| through(network, tile), watch);
            }
        };
        let side = |side: usize| (side as f64 * scale) as usize;
        let (width, height) = (side(picture.width), side(picture.height));
        check(width, height)?;
        Ok(picture.resized(filter, width, height))
    }

    /// The picture at `width` × `height` in one of webui's resize modes: enlarged by this upscaler where it is too small, then by
    /// Lanczos to the exact size (webui's `resize_image`).
    pub fn resize(&self, picture: &Rgb, mode: Fit, width: usize, height: usize, watch: Watch<'_>) -> Result<Rgb> {
        check(width, height)?;
        if width == 0 || height == 0 || picture.bytes.is_empty() {
            return Err(UpscaleError::Empty { width: picture.width, height: picture.height, scale: 0.0 });
        }
        fit(picture, mode, width, height, |picture, width, height| {
            let scale = (width as f64 / picture.width as f64).max(height as f64 / picture.height as f64);
            if matches!(self, Upscaler::None) || scale <= 1.0 {
                return Ok(picture.resize(width, height));
            }
            Ok(self.upscale(picture, scale, watch)?.resize(width, height))
        })
    }
}

fn check(width: usize, height: usize) -> Result<()> {
    let fits = width <= MAX_SIDE && height <= MAX_SIDE && width.saturating_mul(height) <= MAX_PIXELS;
    if fits { Ok(()) } else { Err(UpscaleError::TooLarge { width, height }) }
}

/// A picture through a network, which sees colours from 0 to 1, blue first.
fn through(network: &Network, picture: &Rgb) -> Result<Rgb> {
    let values = picture.pixels().iter().flat_map(|[r, g, b]| [b, g, r].map(|v| (f64::from(*v) / 255.0) as f32));
    let shape = (1, picture.height, picture.width, 3);
    let x = Tensor::from_vec(values.collect::<Vec<f32>>(), shape, network.device())?;
    let y = network.forward(&x)?;
    let (_, height, width, _) = y.dims4()?;
    let values = y.flatten_all()?.to_vec1::<f32>()?;
    if values.iter().any(|v| v.is_nan()) {
        return Err(UpscaleError::NotNumbers);
    }
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    let bytes = values.as_chunks().0.iter().flat_map(|[b, g, r]| [r, g, b].map(|v| byte(*v))).collect();
    Ok(Rgb { width, height, bytes })
}
