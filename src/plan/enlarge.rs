//! How a picture becomes larger: the size that is asked for, and what enlarges the latent.

use serde::{Deserialize, Serialize};

/// How large the image becomes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiresSize {
    /// Both sides times this number, rounded down.
    Scale(f64),
    /// Pixels. A side of 0 follows from the other one; with both given, the image is scaled until it covers the size, and
    /// what stands over is cut off.
    Resize { width: u32, height: u32 },
}

/// Sizes of the second pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HiresTarget {
    /// Pixels to which the image is enlarged; what the prompt is conditioned on.
    pub width: u32,
    pub height: u32,
    /// Latent columns and rows that are cut off again.
    pub cut: (u32, u32),
}

impl HiresSize {
    /// webui's rule for an image of `width` × `height`.
    pub fn target(self, width: u32, height: u32) -> HiresTarget {
        let (w, h) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let uncut = |width, height| HiresTarget { width, height, cut: (0, 0) };
        let side = |length: u64| u32::try_from(length).unwrap_or(u32::MAX);
        // A cast of a float saturates.
        match self {
            HiresSize::Scale(factor) => uncut((w as f64 * factor) as u32, (h as f64 * factor) as u32),
            HiresSize::Resize { width: to, height: 0 } => uncut(to, side(u64::from(to) * h / w)),
            HiresSize::Resize { width: 0, height: to } => uncut(side(u64::from(to) * w / h), to),
            HiresSize::Resize { width: to_w, height: to_h } => {
                let wider = w * u64::from(to_h) < u64::from(to_w) * h;
                let (x, y) = match wider {
                    true => (to_w, side(u64::from(to_w) * h / w)),
                    false => (side(u64::from(to_h) * w / h), to_h),
                };
                HiresTarget { width: x, height: y, cut: (x.saturating_sub(to_w) / 8, y.saturating_sub(to_h) / 8) }
            }
        }
    }
}

/// How a picture is cut for a pixel upscaler: webui's options `ESRGAN_tile` and `ESRGAN_tile_overlap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiles {
    /// Side of a tile in pixels; 0 leaves the picture whole.
    pub tile: u32,
    /// How much of a tile its neighbour shows too.
    pub overlap: u32,
}

impl Default for Tiles {
    fn default() -> Self {
        Tiles { tile: 192, overlap: 8 }
    }
}

impl Tiles {
    pub(super) fn is_default(&self) -> bool {
        *self == Tiles::default()
    }
}

/// webui's ways to enlarge a latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LatentUpscaler {
    #[serde(rename = "Latent")]
    Latent,
    #[serde(rename = "Latent (antialiased)")]
    Antialiased,
    #[serde(rename = "Latent (bicubic)")]
    Bicubic,
    #[serde(rename = "Latent (bicubic antialiased)")]
    BicubicAntialiased,
    #[serde(rename = "Latent (nearest)")]
    Nearest,
    #[serde(rename = "Latent (nearest-exact)")]
    NearestExact,
}

impl LatentUpscaler {
    pub const ALL: [LatentUpscaler; 6] = [
        LatentUpscaler::Latent,
        LatentUpscaler::Antialiased,
        LatentUpscaler::Bicubic,
        LatentUpscaler::BicubicAntialiased,
        LatentUpscaler::Nearest,
        LatentUpscaler::NearestExact,
    ];

    /// The name webui shows.
    pub fn label(self) -> &'static str {
        match self {
            LatentUpscaler::Latent => "Latent",
            LatentUpscaler::Antialiased => "Latent (antialiased)",
            LatentUpscaler::Bicubic => "Latent (bicubic)",
            LatentUpscaler::BicubicAntialiased => "Latent (bicubic antialiased)",
            LatentUpscaler::Nearest => "Latent (nearest)",
            LatentUpscaler::NearestExact => "Latent (nearest-exact)",
        }
    }

    /// The upscaler with this label, whatever the case; `bicubic` alone is enough, but `Nearest` is another upscaler of webui's.
    pub fn from_name(name: &str) -> Option<Self> {
        let short = |label: &str| label.trim_start_matches("Latent (").trim_end_matches(')').to_owned();
        let is = |a: &str| a.eq_ignore_ascii_case(name.trim());
        let is_short = |u: &Self| *u != LatentUpscaler::Nearest && is(&short(u.label()));
        Self::ALL.into_iter().find(|u| is(u.label()) || is_short(u))
    }
}

/// What enlarges the picture between two passes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum HiresUpscaler {
    /// The latent is resized.
    Latent(LatentUpscaler),
    /// The picture is decoded, enlarged by an upscaler of this name, and encoded again.
    Pixel(String),
}

impl HiresUpscaler {
    /// The name webui shows.
    pub fn label(&self) -> &str {
        match self {
            HiresUpscaler::Latent(upscaler) => upscaler.label(),
            HiresUpscaler::Pixel(name) => name,
        }
    }
}

impl From<String> for HiresUpscaler {
    fn from(name: String) -> Self {
        LatentUpscaler::from_name(&name).map_or(HiresUpscaler::Pixel(name), HiresUpscaler::Latent)
    }
}

impl From<HiresUpscaler> for String {
    fn from(upscaler: HiresUpscaler) -> Self {
        upscaler.label().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webuis_target_sizes() {
        let target = |size: HiresSize| {
            let HiresTarget { width, height, cut } = size.target(832, 1216);
            (width, height, cut)
        };
        assert_eq!(target(HiresSize::Scale(1.5)), (1248, 1824, (0, 0)));
        assert_eq!(target(HiresSize::Scale(1.1)), (915, 1337, (0, 0)));
        assert_eq!(target(HiresSize::Resize { width: 1664, height: 0 }), (1664, 2432, (0, 0)));
        assert_eq!(target(HiresSize::Resize { width: 0, height: 1824 }), (1248, 1824, (0, 0)));
        assert_eq!(target(HiresSize::Resize { width: 1664, height: 1664 }), (1664, 2432, (0, 96)));
        assert_eq!(target(HiresSize::Resize { width: 1000, height: 2432 }), (1664, 2432, (83, 0)));
        assert_eq!(target(HiresSize::Scale(f64::INFINITY)).0, u32::MAX);
        assert_eq!(target(HiresSize::Scale(-1.0)).0, 0);
    }

    #[test]
    fn upscalers_are_found_by_label_and_short_name() {
        for upscaler in LatentUpscaler::ALL {
            assert_eq!(LatentUpscaler::from_name(&upscaler.label().to_uppercase()), Some(upscaler));
        }
        assert_eq!(LatentUpscaler::from_name("bicubic antialiased"), Some(LatentUpscaler::BicubicAntialiased));
        for name in ["R-ESRGAN 4x+", "Nearest", "nearest", "None"] {
            assert_eq!(HiresUpscaler::from(name.to_owned()), HiresUpscaler::Pixel(name.to_owned()));
        }
    }
}
