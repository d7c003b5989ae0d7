//! Amounts of memory: what a plan takes, what may be saved of it, and what is too much.

use crate::diagnostic::{Said, Text};
use crate::say;

/// Bytes that a plan takes, by what takes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Weights of the text encoders, with the plan's LoRAs.
    pub text: u64,
    /// Weights of the UNet, with the plan's LoRAs.
    pub unet: u64,
    /// Weights of the VAE.
    pub vae: u64,
    /// The LoRAs' own files.
    pub loras: u64,
    /// One step, at most.
    pub step: u64,
    /// Between latents and pictures, at most.
    pub picture: u64,
    /// The same in bands.
    pub picture_in_bands: u64,
    /// The largest weight of text encoders and UNet.
    pub largest: u64,
}

/// How a plan gets along with the memory there is. A byte of the picture may differ by 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Savings {
    /// The picture is decoded in bands.
    pub bands: bool,
    /// The weights of the text encoders are read again at each use.
    pub text: bool,
    /// Bytes of the UNet's weights that are kept; the others are read again at each step. `None` is all of them.
    pub unet: Option<u64>,
}

/// A plan that takes more than it may, whatever is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// What it takes at least.
    pub least: u64,
    /// What it may take.
    pub most: u64,
    /// A size of which the picture would fit.
    pub fits: Option<(u32, u32)>,
}

impl Needs {
    /// What a process takes before it has read a weight: its code, tables of tokens, what threads work in.
    pub const OWN: u64 = 48 << 20;

    /// Without saving anything.
    pub fn all(&self) -> u64 {
        self.rest() + self.text + self.unet + self.step.max(self.picture)
    }

    fn rest(&self) -> u64 {
        Self::OWN + self.vae + self.loras
    }

    /// With everything saved that can be.
    pub fn least(&self) -> u64 {
        self.rest() + self.largest + self.step.max(self.picture_in_bands)
    }

    /// What has to be saved to take no more than `most`, the cheapest first; `None` where all of it is not enough.
    pub fn within(&self, most: u64) -> Option<Savings> {
        let mut savings = Savings::default();
        if self.all() <= most {
            return Some(savings);
        }
        savings.bands = self.picture > self.step.max(self.picture_in_bands);
        let work = self.step.max(if savings.bands { self.picture_in_bands } else { self.picture });
        if self.rest() + self.text + self.unet + work <= most {
            return Some(savings);
        }
        savings.text = true;
        if self.rest() + self.largest + self.unet + work <= most {
            return Some(savings);
        }
        savings.unet = Some(most.checked_sub(self.rest() + self.largest + work)?);
        Some(savings)
    }

    /// The larger of each.
    pub(super) fn max(self, other: Self) -> Self {
        Needs {
            text: self.text.max(other.text),
            unet: self.unet.max(other.unet),
            vae: self.vae.max(other.vae),
            loras: self.loras.max(other.loras),
            step: self.step.max(other.step),
            picture: self.picture.max(other.picture),
            picture_in_bands: self.picture_in_bands.max(other.picture_in_bands),
            largest: self.largest.max(other.largest),
        }
    }
}

impl Said for Short {
    fn said(&self) -> Text {
        let (least, most) = (amount(self.least), amount(self.most));
        say!(
            "the picture takes {least} at least, whatever is saved, and {most} is the most it may take",
            "この画像は、どう節約しても少なくとも {least} 使います。使ってよいのは {most} までです"
        )
    }
}

impl Short {
    /// What would help.
    pub fn help(&self) -> Text {
        // Rounded up: what is said to be enough has to be.
        let enough = match self.least >> 30 {
            0 => format!("{}m", self.least.div_ceil(1 << 20)),
            _ => format!("{}g", (self.least * 10).div_ceil(1 << 30) as f64 / 10.0),
        };
        match self.fits {
            Some((width, height)) => say!(
                "a picture of {width}×{height} fits; or give it more: `--memory {enough}`",
                "{width}×{height} なら収まります。または `--memory {enough}` のように増やしてください"
            ),
            None => say!("give it more: `--memory {enough}`", "`--memory {enough}` のように増やしてください"),
        }
    }
}

/// An amount of memory as people say it, of 2²⁰ or 2³⁰ bytes.
pub fn amount(bytes: u64) -> String {
    match bytes >> 30 {
        0 => format!("{} MB", bytes.div_ceil(1 << 20)),
        // Rounded up, as the advice is: what is said to be taken must not look like what is there.
        _ => format!("{:.1} GB", bytes.saturating_mul(10).div_ceil(1 << 30) as f64 / 10.0),
    }
}
