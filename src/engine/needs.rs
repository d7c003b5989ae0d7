//! Amounts of memory: what a plan takes, what may be saved of it, and what is too much.

use crate::diagnostic::{Said, Text};
use crate::model::ops::Overhead;
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
    /// What is held beside all of these.
    pub overhead: Overhead,
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
    /// A card waits for its work before it takes memory, so that it can use what was given back.
    pub waits: bool,
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
    /// Without saving anything.
    pub fn all(&self) -> u64 {
        self.with(Savings::default())
    }

    /// With everything saved that can be.
    pub fn least(&self) -> u64 {
        self.with(Savings { bands: true, text: true, unet: Some(0), waits: true })
    }

    /// With these savings.
    pub fn with(&self, savings: Savings) -> u64 {
        self.overhead.held(self.tensors(savings))
    }

    fn tensors(&self, savings: Savings) -> u64 {
        let picture = if savings.bands { self.picture.min(self.picture_in_bands) } else { self.picture };
        let text = if savings.text { self.largest } else { self.text };
        // Of what is read again there is one weight at a time, whichever network's it is.
        let unet = match savings.unet {
            Some(kept) if savings.text => kept.min(self.unet),
            Some(kept) => kept.min(self.unet).saturating_add(self.largest),
            None => self.unet,
        };
        [self.vae, self.loras, text, unet, self.step.max(picture)].into_iter().fold(0, u64::saturating_add)
    }

    /// What has to be saved to take no more than `most`, the cheapest first; `None` where all of it is not enough.
    pub fn within(&self, most: u64) -> Option<Savings> {
        let room = self.overhead.tensors(most)?;
        let mut savings = Savings::default();
        if self.tensors(savings) > room {
            savings.bands = self.picture > self.step.max(self.picture_in_bands);
        }
        if self.tensors(savings) > room {
            savings.text = true;
        }
        let tensors = self.tensors(savings);
        if tensors > room {
            savings.unet = Some(self.unet.checked_sub(tensors - room)?);
        }
        savings.waits = self.overhead.is_tight(self.tensors(savings), most);
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
            overhead: self.overhead,
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// About what a picture of 1024×1024 takes, in f16.
    fn large(overhead: Overhead) -> Needs {
        Needs {
            text: 1600 * MIB,
            unet: 4900 * MIB,
            vae: 160 * MIB,
            loras: 100 * MIB,
            step: 700 * MIB,
            picture: 3300 * MIB,
            picture_in_bands: 1400 * MIB,
            largest: 30 * MIB,
            overhead,
        }
    }

    #[test]
    fn what_is_saved_is_enough_and_no_more_than_it_has_to_be() {
        let card = Overhead { own: 640 * MIB, spared: 1, unspared: 2 };
        for overhead in [Overhead::default(), card] {
            let needs = large(overhead);
            assert!(needs.within(needs.least() - MIB).is_none());
            assert!(needs.within(overhead.own / 2).is_none());
            let mut less_was_enough = u64::MAX;
            for most in (needs.least()..needs.all() + 4096 * MIB).step_by(100 * MIB as usize) {
                let savings = needs.within(most).unwrap();
                let taken = needs.with(savings);
                assert!(taken <= most, "{savings:?}: {taken} of {most}");
                // Whatever is streamed leaves nothing of the room unused.
                assert!(savings.unet.is_none() || most - taken < 16, "{savings:?}: {taken} of {most}");
                let streamed = needs.unet - savings.unet.unwrap_or(needs.unet);
                assert!(streamed <= less_was_enough);
                less_was_enough = streamed;
                assert_eq!(savings == Savings { waits: savings.waits, ..Savings::default() }, most >= needs.all());
            }
        }
        // A card waits until there is room for what lies between tensors.
        let needs = large(card);
        assert!(needs.within(needs.all()).unwrap().waits);
        assert!(!needs.within(needs.all() / 9 * 10).unwrap().waits);
        assert!(!large(Overhead::default()).within(needs.least()).unwrap().waits);
    }
}
