//! Settings that are one of a few names.

use serde::{Deserialize, Serialize};

use crate::plan::{Dialect, UniPcSkipType, UniPcVariant};

/// A type whose values have names: the first name of a value is written, all are read.
pub trait Choice: Copy + PartialEq + 'static {
    /// Names and values.
    const NAMES: &'static [(&'static str, Self)];

    /// The name that is written.
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }

    /// The value called `name`; case, spaces, hyphens and underscores do not count.
    fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| is_same(known, name)).map(|(_, value)| *value)
    }

    /// The name that is written for what `text` writes.
    fn find(text: &str) -> Option<&'static str> {
        Self::from_name(text).map(Self::name)
    }

    /// The names that are shown to choose from: one for each value.
    fn shown() -> Vec<&'static str> {
        let mut names: Vec<_> = Self::NAMES.iter().map(|(_, value)| value.name()).collect();
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }
}

/// The functions of a [`Choice`], whatever its type.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// [`Choice::find`].
    pub find: fn(&str) -> Option<&'static str>,
    /// [`Choice::shown`].
    pub shown: fn() -> Vec<&'static str>,
}

fn is_same(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    plain(a) == plain(b)
}

/// Where random numbers come from. Each is rebuilt exactly, whatever the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoiseSource {
    /// Philox, as torch draws on CUDA. webui's "GPU" and "NV" are the same here.
    #[serde(rename = "GPU", alias = "NV")]
    Gpu,
    /// Mersenne Twister, as torch draws on the CPU.
    #[serde(rename = "CPU")]
    Cpu,
}

impl Choice for NoiseSource {
    const NAMES: &'static [(&'static str, Self)] =
        &[("GPU", NoiseSource::Gpu), ("CPU", NoiseSource::Cpu), ("NV", NoiseSource::Gpu)];
}

/// How emphasis weights act on the text encoders' output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Emphasis {
    /// Multiply, then restore the mean.
    Original,
    /// Multiply and leave the mean where it comes to lie.
    #[serde(rename = "No norm")]
    NoNorm,
    /// Brackets are read but have no effect.
    Ignore,
    /// Brackets are ordinary text.
    None,
}

impl Choice for Emphasis {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("Original", Emphasis::Original),
        ("No norm", Emphasis::NoNorm),
        ("Ignore", Emphasis::Ignore),
        ("None", Emphasis::None),
    ];
}

/// What is done where prompt and negative prompt differ in length; both count in chunks of 77 vectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadConds {
    /// Nothing: the UNet is called for each.
    #[default]
    Separate,
    /// The shorter one is lengthened by empty prompts (webui's "pad prompt/negative prompt").
    EmptyPrompts,
    /// The negative prompt is lengthened by its last vector, or cut (webui's "… v0").
    NegativeOnly,
}

impl Choice for PadConds {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("no", PadConds::Separate),
        ("empty", PadConds::EmptyPrompts),
        ("v0", PadConds::NegativeOnly),
        ("separate", PadConds::Separate),
        ("empty_prompts", PadConds::EmptyPrompts),
        ("negative_only", PadConds::NegativeOnly),
    ];
}

/// How a picture is brought to the size of the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Stretched.
    #[default]
    Just,
    /// Scaled until it covers the image; what stands over is cut off.
    Crop,
    /// Scaled until it fits into the image; the rest is filled with its edges.
    Fill,
    /// Encoded as it is; its latent is stretched.
    Latent,
}

/// What is there in a masked part before it is painted anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskedContent {
    /// Its surroundings, blurred more and more.
    Fill,
    /// The picture itself.
    #[default]
    Original,
    /// Noise in the latent.
    LatentNoise,
    /// Zeros in the latent.
    LatentNothing,
}

impl Choice for MaskedContent {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("fill", MaskedContent::Fill),
        ("original", MaskedContent::Original),
        ("latent noise", MaskedContent::LatentNoise),
        ("latent nothing", MaskedContent::LatentNothing),
        ("0", MaskedContent::Fill),
        ("1", MaskedContent::Original),
        ("2", MaskedContent::LatentNoise),
        ("3", MaskedContent::LatentNothing),
    ];
}

/// Which passes of a picture with two of them switch to the refiner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefinerPass {
    /// The first.
    First,
    /// The second.
    #[default]
    Second,
    /// Both.
    Both,
}

impl Choice for RefinerPass {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("first pass", RefinerPass::First),
        ("second pass", RefinerPass::Second),
        ("both passes", RefinerPass::Both),
        ("first", RefinerPass::First),
        ("second", RefinerPass::Second),
        ("both", RefinerPass::Both),
    ];
}

impl Choice for UniPcVariant {
    const NAMES: &'static [(&'static str, Self)] =
        &[("bh1", UniPcVariant::Bh1), ("bh2", UniPcVariant::Bh2), ("vary_coeff", UniPcVariant::VaryCoeff)];
}

impl Choice for UniPcSkipType {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("time_uniform", UniPcSkipType::TimeUniform),
        ("time_quadratic", UniPcSkipType::TimeQuadratic),
        ("logSNR", UniPcSkipType::LogSnr),
    ];
}

impl Choice for Dialect {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("webui", Dialect::Webui),
        ("sdnext", Dialect::Sdnext),
        ("inspire", Dialect::Inspire),
        ("kohya", Dialect::Kohya),
    ];
}

impl Choice for ResizeMode {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("just", ResizeMode::Just),
        ("crop", ResizeMode::Crop),
        ("fill", ResizeMode::Fill),
        ("latent", ResizeMode::Latent),
        ("Just resize", ResizeMode::Just),
        ("Crop and resize", ResizeMode::Crop),
        ("Resize and fill", ResizeMode::Fill),
        ("0", ResizeMode::Just),
        ("1", ResizeMode::Crop),
        ("2", ResizeMode::Fill),
        ("Just resize (latent upscale)", ResizeMode::Latent),
        ("3", ResizeMode::Latent),
    ];
}
