//! The second pass of "hires. fix": the latent is enlarged and drawn over at the larger size.

use serde::{Deserialize, Serialize};

use super::settings::HiresFields;
use super::{Sampler, ScheduleType, Settings, Start};

/// What is asked of the second pass; [`lower`](super::lower) makes a [`Pass`](super::Pass) of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hires {
    pub size: HiresSize,
    /// 0 is as many as in the first pass.
    pub steps: u32,
    pub upscaler: LatentUpscaler,
    pub denoising_strength: f64,
    /// `None` is that of the first pass.
    pub sampler: Option<Sampler>,
    pub schedule_type: Option<ScheduleType>,
}

impl Default for Hires {
    fn default() -> Self {
        Hires {
            size: HiresSize::Scale(2.0),
            steps: 0,
            upscaler: LatentUpscaler::Latent,
            denoising_strength: 0.7,
            sampler: None,
            schedule_type: None,
        }
    }
}

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

impl Hires {
    /// Steps of the second pass of an image with these settings.
    pub fn steps_of(&self, settings: &Settings) -> u32 {
        if self.steps == 0 { settings.steps } else { self.steps }
    }

    /// What the second pass of an image with these settings starts from.
    pub fn start(&self, first: &Settings) -> Start {
        let target = self.size.target(first.width, first.height);
        Start::Previous {
            upscaler: self.upscaler,
            denoising_strength: self.denoising_strength,
            cut: [target.cut.0, target.cut.1],
            asked: self.size,
        }
    }

    /// The settings that the second pass is sampled with. Width and height are what the prompt is conditioned on.
    pub fn settings_of(&self, first: &Settings) -> Settings {
        let target = self.size.target(first.width, first.height);
        Settings {
            steps: self.steps_of(first),
            sampler: self.sampler.unwrap_or(first.sampler),
            schedule_type: self.schedule_type.unwrap_or(first.schedule_type),
            width: target.width,
            height: target.height,
            ..first.clone()
        }
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

    /// The upscaler with this label, whatever the case; `bicubic` alone is enough.
    pub fn from_name(name: &str) -> Option<Self> {
        let short = |label: &str| label.trim_start_matches("Latent (").trim_end_matches(')').to_owned();
        let is = |a: &str| a.eq_ignore_ascii_case(name.trim());
        Self::ALL.into_iter().find(|u| is(u.label()) || is(&short(u.label())))
    }
}

/// An upscaler that there is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoUpscaler(pub String);

impl HiresFields {
    /// The second pass that is asked for, if one is.
    pub fn resolve(&self) -> Result<Option<Hires>, NoUpscaler> {
        if self.hires != Some(true) {
            return Ok(None);
        }
        let default = Hires::default();
        let size = match (self.hires_resize_width, self.hires_resize_height) {
            (0, 0) => self.hires_upscale.map_or(default.size, HiresSize::Scale),
            (width, height) => HiresSize::Resize { width, height },
        };
        let name = &self.hires_upscaler;
        Ok(Some(Hires {
            size,
            steps: self.hires_steps,
            upscaler: LatentUpscaler::from_name(name).ok_or_else(|| NoUpscaler(name.clone()))?,
            denoising_strength: self.denoising_strength.unwrap_or(default.denoising_strength),
            sampler: self.hires_sampler,
            schedule_type: self.hires_schedule_type,
        }))
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
        assert_eq!(LatentUpscaler::from_name("R-ESRGAN 4x+"), None);
    }
}
