//! The vocabulary of block weights: model families, block ids, and the layouts a weight vector may have.
//!
//! A UNet block is named as LoRA Block Weight names it (`BASE`, `IN04`, `M00`, `OUT05`). Every weight vector is brought to
//! one of two *spaces*: the 26 blocks of Stable Diffusion UNets or the 61 of Flux. Inside a space a block is an index.
//!
//! ```
//! use lbw::block::{Block, Family, Layout};
//! let full = Layout::Sdxl12.expand(&[1.0, 0.4, 0.5, 0.7, 0.8, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
//! assert_eq!(full.len(), 26);
//! let block = Block::of_module(Family::Sdxl, "diffusion_model_input_blocks_4_1_proj_in").unwrap();
//! assert_eq!(block.name(), "IN04");
//! assert_eq!(full[block.index()], 0.4);
//! ```

mod range;

pub use range::{BlockList, UnknownBlock, block_list, word_list};

use serde::{Deserialize, Serialize};

use crate::diagnostic::Text;

/// A model family, as far as block names and module names depend on it. SD1 and SDXL can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Stable Diffusion 1.x.
    Sd1,
    /// Stable Diffusion 2.x.
    Sd2,
    /// Stable Diffusion XL and what was trained from it.
    Sdxl,
    /// Flux.1: transformer blocks instead of a UNet.
    Flux,
}

impl Family {
    /// All families, in the order in which names are tried.
    pub const ALL: [Family; 4] = [Family::Sd1, Family::Sd2, Family::Sdxl, Family::Flux];

    /// The space this family's block weights live in.
    pub fn space(self) -> Space {
        match self {
            Family::Flux => Space::Flux,
            _ => Space::Unet,
        }
    }

    /// The layouts of vectors for this family: of its blocks with attention, and of all its blocks.
    pub fn layouts(self) -> [Layout; 2] {
        match self {
            Family::Sdxl => [Layout::Sdxl12, Layout::Sdxl20],
            Family::Sd1 | Family::Sd2 => [Layout::Sd17, Layout::Full26],
            Family::Flux => [Layout::Flux61; 2],
        }
    }

    /// The blocks that models of this family have.
    pub fn blocks(self) -> impl Iterator<Item = Block> {
        let [_, all] = self.layouts();
        (0..all.len()).filter_map(move |entry| all.block(entry))
    }

    /// The family's own name as people write it.
    pub fn label(self) -> &'static str {
        match self {
            Family::Sd1 => "SD1",
            Family::Sd2 => "SD2",
            Family::Sdxl => "SDXL",
            Family::Flux => "Flux",
        }
    }
}

/// The full list of blocks that a vector is expanded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// 26 blocks: `BASE`, `IN00`–`IN11`, `M00`, `OUT00`–`OUT11`.
    Unet,
    /// 61 blocks: `CLIP`, `T5`, `IN`, `D00`–`D18`, `S00`–`S37`, `OUT`.
    Flux,
}

#[rustfmt::skip]
const UNET_NAMES: [&str; 26] = [
    "BASE",
    "IN00", "IN01", "IN02", "IN03", "IN04", "IN05", "IN06", "IN07", "IN08", "IN09", "IN10", "IN11",
    "M00",
    "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05", "OUT06", "OUT07", "OUT08", "OUT09", "OUT10", "OUT11",
];

#[rustfmt::skip]
const FLUX_NAMES: [&str; 61] = [
    "CLIP", "T5", "IN",
    "D00", "D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08", "D09", "D10", "D11", "D12", "D13", "D14", "D15",
    "D16", "D17", "D18",
    "S00", "S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09", "S10", "S11", "S12", "S13", "S14", "S15",
    "S16", "S17", "S18", "S19", "S20", "S21", "S22", "S23", "S24", "S25", "S26", "S27", "S28", "S29", "S30", "S31",
    "S32", "S33", "S34", "S35", "S36", "S37",
    "OUT",
];

impl Space {
    /// Block names in index order.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Space::Unet => &UNET_NAMES,
            Space::Flux => &FLUX_NAMES,
        }
    }
}

/// One block: an index into its [`Space`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    space: Space,
    index: u8,
}

impl Block {
    /// The block at `index`, if the space has one.
    pub fn new(space: Space, index: usize) -> Option<Self> {
        (index < space.names().len()).then_some(Block { space, index: index as u8 })
    }

    /// The block called `name`, exactly. (`MID`, which some tools write for `M00`, is left to the caller.)
    pub fn from_name(space: Space, name: &str) -> Option<Self> {
        space.names().iter().position(|n| *n == name).and_then(|i| Block::new(space, i))
    }

    /// Its place among [`Space::names`].
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// `IN04`: its name among [`Space::names`].
    pub fn name(self) -> &'static str {
        self.space.names()[self.index()]
    }

    /// The block a webui module name belongs to; `None` for modules outside the blocks (time embedding, output
    /// convolution, embeddings), whose ratio is always 1.
    ///
    /// The extension matches substrings and lets later patterns win; so do we.
    pub fn of_module(family: Family, module: &str) -> Option<Self> {
        match family.space() {
            Space::Unet => Self::of_unet_module(module),
            Space::Flux => Self::of_flux_module(module),
        }
    }

    fn of_unet_module(module: &str) -> Option<Self> {
        const BASE: usize = 0;
        const M00: usize = 13;
        let numbered = |prefix: &str, first: usize| {
            let rest = &module[module.find(prefix)? + prefix.len()..];
            let digits = &rest[..rest.find('_')?];
            let n = digits.parse::<usize>().ok().filter(|n| *n < 12 && digits == n.to_string())?;
            Some(first + n)
        };
        let index = if module.contains("embedders") || module.contains("transformer_resblocks") {
            Some(BASE)
        } else {
            numbered("diffusion_model_output_blocks_", 14)
                .or_else(|| module.contains("diffusion_model_middle_block_").then_some(M00))
                .or_else(|| numbered("diffusion_model_input_blocks_", 1))
                .or_else(|| module.contains("encoder").then_some(BASE))
        };
        Block::new(Space::Unet, index?)
    }

    fn of_flux_module(module: &str) -> Option<Self> {
        let module = module.replace('.', "_");
        let numbered = |letter: char| {
            let mut parts = module.split('_').skip(1);
            let n: usize = parts.find_map(|p| p.parse().ok())?;
            Block::from_name(Space::Flux, &format!("{letter}{n:02}"))
        };
        let named = |name| Block::from_name(Space::Flux, name);
        if module.contains("vae") {
            None
        } else if module.contains("t5xxl") {
            named("T5")
        } else if module.contains("clip_") {
            named("CLIP")
        } else if module.contains("double_blocks") {
            numbered('D')
        } else if module.contains("single_blocks") {
            numbered('S')
        } else if module.contains("_in") {
            named("IN")
        } else if module.contains("final_layer") {
            named("OUT")
        } else {
            None
        }
    }
}

/// The shape of a weight vector as users write it, told apart by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// 12: SDXL's blocks with attention.
    Sdxl12,
    /// 17: SD1's blocks with attention.
    Sd17,
    /// 20: all of SDXL's blocks.
    Sdxl20,
    /// 26: all of SD1's blocks.
    Full26,
    /// 61: Flux.
    Flux61,
}

#[rustfmt::skip]
const SDXL12: [usize; 12] = [0, 5, 6, 8, 9, 13, 14, 15, 16, 17, 18, 19];
#[rustfmt::skip]
const SD17: [usize; 17] = [0, 2, 3, 5, 6, 8, 9, 13, 17, 18, 19, 20, 21, 22, 23, 24, 25];
#[rustfmt::skip]
const SDXL20: [usize; 20] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22];

impl Layout {
    /// From the shortest to the longest.
    pub const ALL: [Layout; 5] = [Layout::Sdxl12, Layout::Sd17, Layout::Sdxl20, Layout::Full26, Layout::Flux61];

    /// The layout with `len` entries.
    pub fn from_len(len: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.len() == len)
    }

    /// All lengths as alternatives: `12, 17, 20, 26 or 61`.
    pub fn lengths() -> Text {
        Text::alternatives(&Self::ALL.map(Layout::len))
    }

    /// How many entries a vector of this layout has.
    #[expect(clippy::len_without_is_empty, reason = "no layout is empty")]
    pub fn len(self) -> usize {
        match self {
            Layout::Sdxl12 => 12,
            Layout::Sd17 => 17,
            Layout::Sdxl20 => 20,
            Layout::Full26 => 26,
            Layout::Flux61 => 61,
        }
    }

    /// The space the layout is expanded to.
    pub fn space(self) -> Space {
        match self {
            Layout::Flux61 => Space::Flux,
            _ => Space::Unet,
        }
    }

    /// The layout's name in preset files.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Sdxl12 => "sdxl-12",
            Layout::Sd17 => "sd1-17",
            Layout::Sdxl20 => "sdxl-20",
            Layout::Full26 => "full-26",
            Layout::Flux61 => "flux-61",
        }
    }

    /// The layout called `name` in a preset file.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }

    /// The block that entry `entry` of a vector weights.
    pub fn block(self, entry: usize) -> Option<Block> {
        let index = match self {
            Layout::Sdxl12 => *SDXL12.get(entry)?,
            Layout::Sd17 => *SD17.get(entry)?,
            Layout::Sdxl20 => *SDXL20.get(entry)?,
            Layout::Full26 | Layout::Flux61 => entry,
        };
        Block::new(self.space(), index)
    }

    /// The entries of `vector` in their places among all blocks of the space; blocks the layout does not name get 0.
    pub fn expand(self, vector: &[f64]) -> Vec<f64> {
        let mut full = vec![0.0; self.space().names().len()];
        for (entry, value) in vector.iter().enumerate() {
            if let Some(block) = self.block(entry) {
                full[block.index()] = *value;
            }
        }
        full
    }
}
