//! What a model is made of, as data.
//!
//! A family says which parts there are and how they are connected; widths and depths are the checkpoint's own. Models, engine
//! and [LoRA tables](crate::lora::ModuleTable) read this and nothing else: no other code knows one family from another.

use super::{TensorFile, prefix};
use crate::block::Family;

/// Everything that tells one model from another but its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// The family, which decides what blocks there are.
    pub family: Family,
    /// The network that is sampled.
    pub unet: UnetArchitecture,
    /// The text encoders, in the order in which their outputs stand in the context.
    pub text: Vec<TextEncoder>,
    /// The autoencoder.
    pub vae: VaeArchitecture,
    /// How an empty negative prompt is conditioned.
    pub empty_text: EmptyText,
    /// Side in pixels that the model was trained at.
    pub native_size: u32,
    /// The sigmas of the schedule "Align Your Steps" at ten steps; `None` are SDXL's.
    pub align_your_steps: Option<[f64; 11]>,
}

/// The structure of a UNet.
#[derive(Debug, Clone, PartialEq)]
pub struct UnetArchitecture {
    /// What the names of its tensors begin with.
    pub prefix: &'static str,
    /// Channels that go in: 4 of the latent, or 9 where a mask and a masked picture come with it.
    pub inputs: usize,
    /// Highest resolution first.
    pub levels: Vec<Level>,
    /// The blocks of the lowest resolution between the ways down and up.
    pub middle: Middle,
    /// How its attention is divided.
    pub heads: Heads,
    /// How it goes into and out of its transformers.
    pub projection: Projection,
    /// Width of the text conditioning.
    pub context: usize,
    /// Width of the added vector conditioning (pooled text and sizes); `None` where there is none.
    pub vector: Option<usize>,
}

/// The residual blocks of one resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Channels of the level.
    pub channels: usize,
    /// Transformer blocks behind each residual block on the way down; 0 is no transformer.
    pub down: Vec<usize>,
    /// The same on the way up.
    pub up: Vec<usize>,
}

/// The middle of a UNet: a residual block, a transformer, another residual block. Distilled models lack the last two or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Middle {
    /// Residual blocks: 2, 1 or 0.
    pub residuals: usize,
    /// Transformer blocks between them; 0 is no transformer.
    pub depth: usize,
}

/// How the channels of an attention are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heads {
    /// So many, whatever the width.
    Count(usize),
    /// As many heads of this width as fit, at least one.
    Width(usize),
}

/// What `proj_in` and `proj_out` of a transformer are; the arithmetic is the same, the tensors' shapes are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// By a linear layer over the channels.
    Linear,
    /// By a convolution of 1×1.
    Conv1x1,
}

/// The structure of a text encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct TextEncoder {
    /// Whose it is.
    pub kind: TextEncoderKind,
    /// Of its tensors' names in the checkpoint.
    pub prefix: &'static str,
    /// Width of its vectors.
    pub width: usize,
    /// Its transformer layers.
    pub layers: usize,
    /// The layer whose output is used, counted from the last (1).
    pub layer: u32,
    /// Whether clip skip acts on it.
    pub clip_skip: ClipSkip,
    /// Whether the final norm is applied to that layer's output.
    pub final_norm: bool,
    /// Whether its pooled text is part of the vector conditioning.
    pub pooled: bool,
}

/// Whose names and layout an encoder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoderKind {
    /// transformers' CLIPTextModel, padded with the end token.
    Clip,
    /// OpenCLIP, with q, k and v in one matrix, padded with 0.
    OpenClip,
}

/// When the setting "Clip skip" chooses an encoder's layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipSkip {
    /// It does.
    Always,
    /// With webui's option "Clip skip SDXL".
    WithOption,
    /// It does not.
    Never,
}

/// The structure of an autoencoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VaeArchitecture {
    /// What the names of its tensors begin with.
    pub prefix: &'static str,
    /// Latents are encoder means times this number.
    pub scale: f64,
}

/// What stands for an empty negative prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyText {
    /// All zeros, the pooled text too.
    Zeros,
    /// The empty text, encoded like any other.
    Encoded,
}

/// Latent, mask, and latent of the masked picture.
const INPAINTING_INPUTS: usize = 9;

/// Source: Sabour et al., "Align Your Steps" (2024).
const ALIGN_YOUR_STEPS_SD1: [f64; 11] = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029];

/// Families with an architecture, the more telling names first.
const KNOWN: [Family; 3] = [Family::Sdxl, Family::Sd1, Family::Sd2];

impl Architecture {
    /// Families whose models can be drawn with.
    pub const DRAWN: [Family; 2] = [Family::Sdxl, Family::Sd1];

    /// Where a family's text encoders lie in a checkpoint, and whether they are numbered there.
    pub fn text_root(family: Family) -> Option<(&'static str, bool)> {
        match family {
            Family::Sd1 | Family::Sd2 => Some(("cond_stage_model.", false)),
            Family::Sdxl => Some(("conditioner.embedders.", true)),
            Family::Flux => None,
        }
    }

    /// The published model of a family; `None` for Flux.
    pub fn full_size(family: Family) -> Option<Self> {
        let unet = |depth: &[usize], middle, context, vector, (heads, projection)| UnetArchitecture {
            prefix: prefix::UNET,
            inputs: 4,
            levels: depth.iter().zip([320, 640, 1280, 1280]).map(|(depth, width)| Level::even(width, *depth)).collect(),
            middle: Middle { residuals: 2, depth: middle },
            heads,
            projection,
            context,
            vector,
        };
        let clip = TextEncoder {
            kind: TextEncoderKind::Clip,
            prefix: "cond_stage_model.transformer.text_model.",
            width: 768,
            layers: 12,
            layer: 1,
            clip_skip: ClipSkip::Always,
            final_norm: true,
            pooled: false,
        };
        let open_clip = TextEncoder {
            kind: TextEncoderKind::OpenClip,
            prefix: "cond_stage_model.model.",
            width: 1024,
            layers: 24,
            layer: 2,
            clip_skip: ClipSkip::Never,
            ..clip.clone()
        };
        let vae = |scale| VaeArchitecture { prefix: prefix::VAE, scale };
        Some(match family {
            Family::Sd1 => Architecture {
                family,
                unet: unet(&[1, 1, 1, 0], 1, 768, None, (Heads::Count(8), Projection::Conv1x1)),
                text: vec![clip],
                vae: vae(0.18215),
                empty_text: EmptyText::Encoded,
                native_size: 512,
                align_your_steps: Some(ALIGN_YOUR_STEPS_SD1),
            },
            Family::Sd2 => Architecture {
                family,
                unet: unet(&[1, 1, 1, 0], 1, 1024, None, (Heads::Width(64), Projection::Linear)),
                text: vec![open_clip],
                vae: vae(0.18215),
                empty_text: EmptyText::Encoded,
                native_size: 768,
                align_your_steps: Some(ALIGN_YOUR_STEPS_SD1),
            },
            Family::Sdxl => Architecture {
                family,
                unet: unet(&[0, 2, 10], 10, 2048, Some(2816), (Heads::Width(64), Projection::Linear)),
                text: vec![
                    TextEncoder {
                        prefix: prefix::CLIP_L,
                        layer: 2,
                        clip_skip: ClipSkip::WithOption,
                        final_norm: false,
                        ..clip
                    },
                    TextEncoder {
                        prefix: prefix::CLIP_G,
                        width: 1280,
                        layers: 32,
                        final_norm: false,
                        pooled: true,
                        ..open_clip
                    },
                ],
                vae: vae(0.13025),
                empty_text: EmptyText::Zeros,
                native_size: 1024,
                align_your_steps: None,
            },
            Family::Flux => return None,
        })
    }

    /// The architecture of a checkpoint: its family's, with the widths and depths that its tensors have. `None` if it has the text
    /// encoders of no family.
    ///
    /// A width whose tensor is missing is 0; whoever builds the model says which one.
    pub fn of(file: &TensorFile) -> Option<Self> {
        let has_encoder = |encoder: &TextEncoder| file.names().any(|name| name.starts_with(encoder.prefix));
        let mut known = KNOWN.into_iter().filter_map(Self::full_size);
        let mut found = known.find(|family| family.text.iter().any(has_encoder))?;
        let tensors = Tensors(file);
        found.unet.measure(&tensors);
        found.text.iter_mut().for_each(|encoder| encoder.measure(&tensors));
        Some(found)
    }
}

impl Level {
    /// Two residual blocks down and three up, all with transformers of the same depth.
    fn even(channels: usize, depth: usize) -> Self {
        Level { channels, down: vec![depth; 2], up: vec![depth; 3] }
    }
}

impl Heads {
    /// The number of heads of `channels`.
    pub fn count(self, channels: usize) -> usize {
        match self {
            Heads::Count(count) => count,
            Heads::Width(width) => (channels / width).max(1),
        }
    }
}

impl UnetArchitecture {
    /// Channels at the highest resolution.
    pub fn model_channels(&self) -> usize {
        self.levels.first().map_or(0, |level| level.channels)
    }

    /// The output blocks in order: level, and transformer blocks.
    pub fn output_blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let levels = self.levels.iter().enumerate().rev();
        levels.flat_map(|(level, l)| l.up.iter().map(move |depth| (level, *depth)))
    }

    fn measure(&mut self, tensors: &Tensors<'_>) {
        let p = self.prefix;
        // Any other number is no UNet that is known, and is told as a wrong shape.
        if tensors.dim(&format!("{p}input_blocks.0.0.weight"), 1) == Some(INPAINTING_INPUTS) {
            self.inputs = INPAINTING_INPUTS;
        }
        self.middle = tensors.middle(p);
        let levels = tensors.levels(p);
        if !levels.is_empty() {
            self.levels = levels
                .iter()
                .map(|blocks| Level { channels: 0, down: vec![0; blocks.len()], up: vec![0; blocks.len() + 1] })
                .collect();
        }
        let mut transformers = vec![format!("{p}middle_block.1")];
        let mut up: Vec<(usize, usize)> = self.output_blocks().collect();
        for (i, (_, depth)) in up.iter_mut().enumerate() {
            *depth = tensors.depth(&format!("{p}output_blocks.{i}.1"));
        }
        for (l, (level, blocks)) in self.levels.iter_mut().zip(&levels).enumerate() {
            let widths = blocks.iter().map(|i| format!("{p}input_blocks.{i}.0.out_layers.3.weight"));
            level.channels = widths.filter_map(|name| tensors.dim(&name, 0)).next().unwrap_or(0);
            level.down = blocks.iter().map(|i| tensors.depth(&format!("{p}input_blocks.{i}.1"))).collect();
            level.up = up.iter().filter(|(of, _)| *of == l).map(|(_, depth)| *depth).collect();
            transformers.extend(blocks.iter().map(|i| format!("{p}input_blocks.{i}.1")));
        }
        let read_text = transformers.iter().map(|t| format!("{t}.transformer_blocks.0.attn2.to_k.weight"));
        self.context = read_text.filter_map(|name| tensors.dim(&name, 1)).next().unwrap_or(0);
        let projections = transformers.iter().filter_map(|t| tensors.0.shape(&format!("{t}.proj_in.weight")));
        self.projection = match projections.map(<[usize]>::len).next() {
            Some(2) => Projection::Linear,
            Some(4) => Projection::Conv1x1,
            _ => self.projection,
        };
        let vector = tensors.dim(&format!("{p}label_emb.0.0.weight"), 1);
        self.vector = vector.or(self.vector.map(|_| 0));
    }
}

impl TextEncoder {
    /// The name of the table of its tokens' vectors.
    pub fn token_table(&self) -> String {
        let table = match self.kind {
            TextEncoderKind::Clip => "embeddings.token_embedding.weight",
            TextEncoderKind::OpenClip => "token_embedding.weight",
        };
        format!("{}{table}", self.prefix)
    }

    fn measure(&mut self, tensors: &Tensors<'_>) {
        let (layers, norm) = match self.kind {
            TextEncoderKind::Clip => ("encoder.layers", "layer_norm1"),
            TextEncoderKind::OpenClip => ("transformer.resblocks", "ln_1"),
        };
        self.width = tensors.dim(&self.token_table(), 1).unwrap_or(0);
        self.layers = tensors.count(|i| format!("{}{layers}.{i}.{norm}.weight", self.prefix));
    }
}

/// The tensors of a file, as far as they tell sizes.
struct Tensors<'a>(&'a TensorFile);

impl Tensors<'_> {
    fn dim(&self, name: &str, axis: usize) -> Option<usize> {
        self.0.shape(name)?.get(axis).copied()
    }

    fn count(&self, name: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|i| self.0.entry(&name(*i)).is_some()).count()
    }

    fn any(&self, prefix: &str) -> bool {
        self.0.names().any(|name| name.starts_with(prefix))
    }

    /// The numbers of the residual blocks of each level on the way down. The block between two levels changes the resolution.
    fn levels(&self, unet: &str) -> Vec<Vec<usize>> {
        /// More blocks than any UNet has.
        const MAX: usize = 100;
        let prefix = format!("{unet}input_blocks.");
        let number = |name: &str| name.strip_prefix(&prefix)?.split('.').next()?.parse::<usize>().ok();
        let last = self.0.names().filter_map(number).filter(|n| *n < MAX).max().unwrap_or(0);
        let is_residual = |i: &usize| {
            ["0.in_layers.", "0.out_layers.", "1."].iter().any(|part| self.any(&format!("{prefix}{i}.{part}")))
        };
        let blocks: Vec<usize> = (1..=last).collect();
        blocks.split(|i| !is_residual(i)).map(<[usize]>::to_vec).filter(|level| !level.is_empty()).collect()
    }

    fn middle(&self, unet: &str) -> Middle {
        let part = |i: usize| format!("{unet}middle_block.{i}");
        let has = |i| self.any(&format!("{}.", part(i)));
        // Where a part in the middle is there, one that is not is missing.
        let residuals = match (has(0), has(1) || has(2)) {
            (_, true) => 2,
            (true, false) => 1,
            (false, false) => 0,
        };
        Middle { residuals, depth: self.depth(&part(1)) }
    }

    /// Blocks of the transformer at `prefix`.
    fn depth(&self, prefix: &str) -> usize {
        self.count(|i| format!("{prefix}.transformer_blocks.{i}.norm1.weight"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkpoint of one-byte tensors with these names, whose first axes are as long as given.
    fn file(tensors: &[(String, [usize; 2])], conv_projection: bool) -> TensorFile {
        let (mut header, mut end) = (Vec::new(), 0);
        for (name, [first, second]) in tensors {
            let shape = match conv_projection && name.ends_with("proj_in.weight") {
                true => format!("{first},{second},1,1"),
                false => format!("{first},{second}"),
            };
            let start = end;
            end += first * second;
            header.push(format!(r#""{name}":{{"dtype":"U8","shape":[{shape}],"data_offsets":[{start},{end}]}}"#));
        }
        let header = format!("{{{}}}", header.join(","));
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; end]].concat();
        TensorFile::from_bytes("test.safetensors", bytes).unwrap()
    }

    fn unet_tensors(blocks: &[(&str, usize, usize)], context: usize) -> Vec<(String, [usize; 2])> {
        let mut tensors = vec![("input_blocks.0.0.weight".to_owned(), [8, 4])];
        for (block, channels, depth) in blocks {
            let residual = if block.starts_with("middle") { 0 } else { 1 };
            if residual == 1 {
                tensors.push((format!("{block}.0.out_layers.3.weight"), [*channels, 1]));
            }
            for i in 0..*depth {
                let transformer = format!("{block}.1.transformer_blocks.{i}");
                tensors.push((format!("{transformer}.norm1.weight"), [*channels, 1]));
                tensors.push((format!("{transformer}.attn2.to_k.weight"), [*channels, context]));
            }
            if *depth > 0 {
                tensors.push((format!("{block}.1.proj_in.weight"), [*channels, *channels]));
            }
        }
        tensors.into_iter().map(|(name, shape)| (format!("{}{name}", prefix::UNET), shape)).collect()
    }

    #[test]
    fn an_sd1_checkpoint_says_what_it_is() {
        let mut blocks = Vec::new();
        let down = [("1", 8, 1), ("2", 8, 1), ("4", 16, 1), ("5", 16, 1), ("7", 32, 1), ("8", 32, 1)];
        let down = down.into_iter().chain([("10", 40, 0), ("11", 40, 0)]);
        let names: Vec<String> = down.clone().map(|(i, ..)| format!("input_blocks.{i}")).collect();
        blocks.extend(names.iter().zip(down).map(|(name, (_, channels, depth))| (name.as_str(), channels, depth)));
        blocks.push(("middle_block", 40, 1));
        let up: Vec<String> = (0..12).map(|i| format!("output_blocks.{i}")).collect();
        blocks.extend(up.iter().enumerate().map(|(i, name)| (name.as_str(), 8, usize::from(i > 2))));
        let mut tensors = unet_tensors(&blocks, 24);
        let text = "cond_stage_model.transformer.text_model.";
        tensors.push((format!("{text}embeddings.token_embedding.weight"), [1, 24]));
        tensors.extend((0..3).map(|i| (format!("{text}encoder.layers.{i}.layer_norm1.weight"), [24, 1])));

        let found = Architecture::of(&file(&tensors, true)).unwrap();
        assert_eq!((found.family, found.empty_text, found.vae.scale), (Family::Sd1, EmptyText::Encoded, 0.18215));
        let channels: Vec<usize> = found.unet.levels.iter().map(|level| level.channels).collect();
        assert_eq!(channels, [8, 16, 32, 40]);
        let depths: Vec<_> = found.unet.levels.iter().map(|level| (level.down.clone(), level.up.clone())).collect();
        let with = (vec![1; 2], vec![1; 3]);
        assert_eq!(depths, [with.clone(), with.clone(), with, (vec![0; 2], vec![0; 3])]);
        let UnetArchitecture { inputs, middle, heads, projection, context, vector, .. } = found.unet;
        let whole = Middle { residuals: 2, depth: 1 };
        assert_eq!((inputs, middle, projection, context, vector), (4, whole, Projection::Conv1x1, 24, None));
        assert_eq!((heads.count(8), heads.count(40)), (8, 8));
        let [encoder] = found.text.as_slice() else { panic!("one encoder") };
        assert_eq!((encoder.width, encoder.layers, encoder.final_norm, encoder.layer), (24, 3, true, 1));
    }

    /// As in SSD-1B, whose blocks of one level differ and whose middle is one residual block.
    #[test]
    fn depths_are_each_blocks_own() {
        let depths = [("1", 0), ("2", 0), ("4", 2), ("5", 1), ("7", 4), ("8", 3)];
        let names: Vec<String> = depths.iter().map(|(i, _)| format!("input_blocks.{i}")).collect();
        let mut blocks: Vec<_> = names.iter().zip(depths).map(|(name, (_, depth))| (name.as_str(), 8, depth)).collect();
        blocks.extend([("output_blocks.0", 8, 4), ("output_blocks.2", 8, 10), ("output_blocks.3", 8, 2)]);
        let mut tensors = unet_tensors(&blocks, 24);
        tensors.push((format!("{}middle_block.0.in_layers.0.weight", prefix::UNET), [8, 1]));
        tensors.push((format!("{}token_embedding.weight", prefix::CLIP_G), [1, 16]));
        let found = Architecture::of(&file(&tensors, false)).unwrap();
        let one = Middle { residuals: 1, depth: 0 };
        assert_eq!((found.family, found.unet.middle, found.unet.projection), (Family::Sdxl, one, Projection::Linear));
        let depths: Vec<_> = found.unet.levels.iter().map(|level| (level.down.clone(), level.up.clone())).collect();
        let expected = [(vec![0, 0], vec![0, 0, 0]), (vec![2, 1], vec![2, 0, 0]), (vec![4, 3], vec![4, 0, 10])];
        assert_eq!(depths, expected);
        // What an SDXL checkpoint must have, and this one lacks.
        assert_eq!((found.unet.vector, found.text[0].width, found.text[1].width), (Some(0), 0, 16));
    }

    /// As in KOALA: levels of one block, and nothing in the middle.
    #[test]
    fn levels_have_the_blocks_that_are_there() {
        let mut tensors =
            unet_tensors(&[("input_blocks.1", 8, 0), ("input_blocks.3", 8, 2), ("output_blocks.1", 8, 2)], 24);
        tensors.push((format!("{}input_blocks.2.0.op.weight", prefix::UNET), [8, 8]));
        tensors.push((format!("{}token_embedding.weight", prefix::CLIP_G), [1, 16]));
        let unet = Architecture::of(&file(&tensors, false)).unwrap().unet;
        assert_eq!(unet.middle, Middle { residuals: 0, depth: 0 });
        let levels = [(vec![0], vec![0, 0]), (vec![2], vec![0, 2])];
        assert_eq!(unet.levels.into_iter().map(|level| (level.down, level.up)).collect::<Vec<_>>(), levels);
    }

    #[test]
    fn files_of_no_family_have_no_architecture() {
        assert_eq!(Architecture::of(&file(&[("decoder.conv_in.weight".to_owned(), [1, 1])], false)), None);
        assert_eq!(Architecture::full_size(Family::Flux), None);
    }
}
