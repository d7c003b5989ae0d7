//! The names of a checkpoint's tensors: those of other tools become webui's, in which models ask for them.
//!
//! Nothing is copied: a name changes, a shape is read otherwise, matrices are seen transposed or one below the other.

use super::architecture::{Architecture, TextEncoderKind};
use super::{TensorFile, prefix};
use crate::block::Family;

/// A part of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Unet,
    ClipL,
    ClipG,
    Vae,
}

impl Part {
    /// What the names of its tensors begin with in a checkpoint of `family`.
    fn prefix(self, family: Family) -> &'static str {
        let architecture = Architecture::full_size(family);
        let encoder = |kind| architecture.as_ref()?.text.iter().find(|encoder| encoder.kind == kind);
        match self {
            Part::Unet => prefix::UNET,
            Part::Vae => prefix::VAE,
            Part::ClipL => encoder(TextEncoderKind::Clip).map_or(prefix::CLIP_L, |encoder| encoder.prefix),
            Part::ClipG => encoder(TextEncoderKind::OpenClip).map_or(prefix::CLIP_G, |encoder| encoder.prefix),
        }
    }

    /// The text encoders of a family.
    pub(super) fn text_encoders(family: Family) -> Vec<Part> {
        let architecture = Architecture::full_size(family);
        let kinds = architecture.iter().flat_map(|architecture| &architecture.text).map(|encoder| encoder.kind);
        kinds
            .map(|kind| match kind {
                TextEncoderKind::Clip => Part::ClipL,
                TextEncoderKind::OpenClip => Part::ClipG,
            })
            .collect()
    }

    /// The part in a file of its own, told by its names and shapes; `None` for whole checkpoints and for what is something else.
    pub(super) fn of(file: &TensorFile) -> Option<Part> {
        let has = |name: &str| file.entry(name).is_some();
        if has("input_blocks.0.0.weight") || has("down_blocks.0.resnets.0.time_emb_proj.weight") {
            return Some(Part::Unet);
        }
        if has("decoder.conv_in.weight") {
            return Some(Part::Vae);
        }
        let is_text_encoder = ["text_model.", ""].iter().any(|p| has(&format!("{p}embeddings.token_embedding.weight")));
        is_text_encoder.then(|| {
            // Full-size encoders are told by their width, others by the projection that only CLIP-G's output goes through.
            match file
                .names()
                .find_map(|name| name.ends_with("token_embedding.weight").then(|| file.shape(name)?.get(1).copied()))
            {
                Some(Some(768)) => Part::ClipL,
                Some(Some(1280)) => Part::ClipG,
                _ if has("text_projection.weight") => Part::ClipG,
                _ => Part::ClipL,
            }
        })
    }
}

/// Where other tools keep a part within a whole checkpoint, longest first.
const ELSEWHERE: [(&str, Part); 14] = [
    ("conditioner.embedders.1.transformer.", Part::ClipG),
    ("cond_stage_model.1.transformer.", Part::ClipG),
    ("text_encoders.clip_g.transformer.", Part::ClipG),
    ("text_encoders.clip_l.transformer.", Part::ClipL),
    ("clip_g.transformer.", Part::ClipG),
    ("clip_l.transformer.", Part::ClipL),
    ("text_encoder_2.", Part::ClipG),
    ("text_encoder.", Part::ClipL),
    ("conditioner.embedders.0.transformer.", Part::ClipL),
    ("cond_stage_model.transformer.", Part::ClipL),
    ("diffusion_model.", Part::Unet),
    ("unet.", Part::Unet),
    ("vae.", Part::Vae),
    (prefix::VAE, Part::Vae),
];

/// The family of the model whose UNet is in `file`, as far as names tell: SDXL's has an embedding of sizes. Only with it is
/// `cond_stage_model` the first of two encoders.
pub(super) fn family(file: &TensorFile) -> Family {
    let is_sdxl = file.names().any(|n| n.contains("label_emb.0.0.") || n.contains("add_embedding.linear_1."));
    if is_sdxl { Family::Sdxl } else { Family::Sd1 }
}

/// Gives the tensors of `file`, a whole checkpoint of `family` or the part `alone` of one, webui's names.
pub(super) fn to_webui(file: &mut TensorFile, alone: Option<Part>, family: Family) {
    let diffusers = Diffusers::of(file);
    let place = |name: &str| -> Option<(Part, String)> {
        if let Some(part) = alone {
            return Some((part, name.to_owned()));
        }
        if name.starts_with(prefix::CLIP_L) || name.starts_with(prefix::UNET) {
            return None;
        }
        let (start, part) = ELSEWHERE.into_iter().find(|(start, _)| name.starts_with(start))?;
        Some((part, name[start.len()..].to_owned()))
    };
    file.rename(|name| {
        Some(match place(name) {
            None => name.to_owned(),
            Some((part, path)) => format!("{}{}", part.prefix(family), in_part(part, &path, &diffusers)),
        })
    });
    stack_projections(file);
    let projection = format!("{}text_projection", prefix::CLIP_G);
    file.transpose(&format!("{projection}.weight"), &projection);
    let flat: Vec<(String, Vec<usize>)> = file
        .names()
        .filter(|name| name.starts_with(prefix::VAE) && name.contains(".mid.attn_1.") && name.ends_with(".weight"))
        .filter_map(|name| match file.shape(name)? {
            [rows, columns] => Some((name.to_owned(), vec![*rows, *columns, 1, 1])),
            _ => None,
        })
        .collect();
    flat.into_iter().for_each(|(name, shape)| file.reshape(&name, shape));
}

/// What has to be known of a whole file in diffusers' names to number its blocks.
struct Diffusers {
    /// Blocks of the VAE, which LDM counts from the other end.
    vae: usize,
    /// Blocks of the UNet that go up and have attention, whose upsampler comes one place later.
    attention: Vec<usize>,
    /// Residual blocks of each of the UNet's blocks that go down; those that go up have one more.
    residuals: usize,
}

impl Diffusers {
    fn of(file: &TensorFile) -> Self {
        let number = |name: &str, after: &str| -> Option<usize> {
            let rest = &name[name.find(after)? + after.len()..];
            rest.split('.').next()?.parse().ok().filter(|n| *n < 64)
        };
        let vae = file.names().filter_map(|name| number(name, "decoder.up_blocks.")).max().map_or(0, |n| n + 1);
        let attention = file.names().filter(|n| n.contains(".attentions.") && !n.contains("decoder."));
        let mut attention: Vec<usize> = attention.filter_map(|name| number(name, "up_blocks.")).collect();
        attention.dedup();
        let first = file.names().filter(|name| !name.contains("encoder."));
        let residuals = first.filter_map(|name| number(name, "down_blocks.0.resnets.")).max().map_or(2, |n| n + 1);
        Diffusers { vae, attention, residuals }
    }
}

fn in_part(part: Part, path: &str, diffusers: &Diffusers) -> String {
    match part {
        Part::Unet => unet(path, diffusers).unwrap_or_else(|| path.to_owned()),
        Part::Vae => vae(path, diffusers.vae),
        Part::ClipL => path.strip_prefix("text_model.").unwrap_or(path).to_owned(),
        Part::ClipG => open_clip(path.strip_prefix("text_model.").unwrap_or(path)),
    }
}

/// LDM's name of a UNet tensor that diffusers calls `path`.
fn unet(path: &str, diffusers: &Diffusers) -> Option<String> {
    const TOP: [(&str, &str); 7] = [
        ("conv_in.", "input_blocks.0.0."),
        ("time_embedding.linear_1.", "time_embed.0."),
        ("time_embedding.linear_2.", "time_embed.2."),
        ("add_embedding.linear_1.", "label_emb.0.0."),
        ("add_embedding.linear_2.", "label_emb.0.2."),
        ("conv_norm_out.", "out.0."),
        ("conv_out.", "out.2."),
    ];
    if let Some((from, to)) = TOP.iter().find(|(from, _)| path.starts_with(from)) {
        return Some(format!("{to}{}", &path[from.len()..]));
    }
    if let Some(rest) = path.strip_prefix("mid_block.") {
        let (group, index, rest) = member(rest)?;
        let slot = if group == "attentions" { 1 } else { 2 * index };
        return Some(format!("middle_block.{slot}.{}", inside(group, rest)));
    }
    let (stack, rest) = match path.strip_prefix("down_blocks.") {
        Some(rest) => ("input", rest),
        None => ("output", path.strip_prefix("up_blocks.")?),
    };
    let (level, rest) = number(rest)?;
    // With what changes the resolution on the way down, and as many on the way up.
    let of_level = diffusers.residuals + 1;
    if let Some(rest) = rest.strip_prefix("downsamplers.0.conv.") {
        return Some(format!("input_blocks.{}.0.op.{rest}", of_level * (level + 1)));
    }
    if let Some(rest) = rest.strip_prefix("upsamplers.0.conv.") {
        let slot = if diffusers.attention.contains(&level) { 2 } else { 1 };
        return Some(format!("output_blocks.{}.{slot}.conv.{rest}", of_level * (level + 1) - 1));
    }
    let (group, index, rest) = member(rest)?;
    let block = of_level * level + index + usize::from(stack == "input");
    Some(format!("{stack}_blocks.{block}.{}.{}", usize::from(group == "attentions"), inside(group, rest)))
}

/// `attentions.1.proj_in.weight` → (attentions, 1, `proj_in.weight`)
fn member(path: &str) -> Option<(&str, usize, &str)> {
    let (group, rest) = path.split_once('.')?;
    let (index, rest) = number(rest)?;
    matches!(group, "attentions" | "resnets").then_some((group, index, rest))
}

/// `3.rest` → (3, `rest`)
fn number(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.split_once('.')?;
    Some((number.parse().ok().filter(|n| *n < 1000)?, rest))
}

/// Names within a residual block; those within attention are the same.
fn inside(group: &str, path: &str) -> String {
    const RES: [(&str, &str); 6] = [
        ("norm1.", "in_layers.0."),
        ("conv1.", "in_layers.2."),
        ("time_emb_proj.", "emb_layers.1."),
        ("norm2.", "out_layers.0."),
        ("conv2.", "out_layers.3."),
        ("conv_shortcut.", "skip_connection."),
    ];
    match RES.iter().find(|(from, _)| group == "resnets" && path.starts_with(from)) {
        Some((from, to)) => format!("{to}{}", &path[from.len()..]),
        None => path.to_owned(),
    }
}

/// LDM's name of a VAE tensor that diffusers, or a conversion that stopped half-way, calls `path`.
fn vae(path: &str, up_blocks: usize) -> String {
    let mut name = path.to_owned();
    for (side, blocks) in [("down", None), ("up", Some(up_blocks))] {
        let Some((start, rest)) = path.split_once(&format!("{side}_blocks.")) else { continue };
        let Some((level, rest)) = number(rest) else { continue };
        let level = blocks.map_or(level, |blocks| blocks.saturating_sub(1 + level));
        let rest = rest.replacen("resnets.", "block.", 1);
        let rest = rest.replacen("downsamplers.0.", "downsample.", 1).replacen("upsamplers.0.", "upsample.", 1);
        name = format!("{start}{side}.{level}.{rest}");
    }
    for (index, block) in [("0", "1"), ("1", "2")] {
        name = name.replace(&format!("mid_block.resnets.{index}."), &format!("mid.block_{block}."));
    }
    name = name.replace("mid_block.attentions.0.", "mid.attn_1.").replace("conv_norm_out.", "norm_out.");
    if name.contains(".mid.attn_1.") {
        const ATTENTION: [(&str, &str); 9] = [
            (".group_norm.", ".norm."),
            (".to_q.", ".q."),
            (".to_k.", ".k."),
            (".to_v.", ".v."),
            (".to_out.0.", ".proj_out."),
            (".query.", ".q."),
            (".key.", ".k."),
            (".value.", ".v."),
            (".proj_attn.", ".proj_out."),
        ];
        ATTENTION.iter().for_each(|(from, to)| name = name.replace(from, to));
    }
    name.replace("conv_shortcut.", "nin_shortcut.")
}

/// OpenCLIP's name of a tensor that transformers calls `path`; q, k and v stay apart.
fn open_clip(path: &str) -> String {
    const NAMES: [(&str, &str); 9] = [
        ("embeddings.token_embedding.", "token_embedding."),
        ("embeddings.position_embedding.weight", "positional_embedding"),
        ("final_layer_norm.", "ln_final."),
        ("encoder.layers.", "transformer.resblocks."),
        (".layer_norm1.", ".ln_1."),
        (".layer_norm2.", ".ln_2."),
        (".mlp.fc1.", ".mlp.c_fc."),
        (".mlp.fc2.", ".mlp.c_proj."),
        (".self_attn.", ".attn."),
    ];
    NAMES.iter().fold(path.to_owned(), |name, (from, to)| name.replacen(from, to, 1))
}

/// CLIP-G's attentions have q, k and v in one matrix.
fn stack_projections(file: &mut TensorFile) {
    let stems: Vec<String> = file
        .names()
        .filter(|name| name.starts_with(prefix::CLIP_G))
        .filter_map(|name| Some(name.strip_suffix(".attn.q_proj.weight")?.to_owned()))
        .collect();
    for stem in stems {
        for part in ["weight", "bias"] {
            let thirds = ["q", "k", "v"].map(|third| format!("{stem}.attn.{third}_proj.{part}"));
            file.stack(&thirds, format!("{stem}.attn.in_proj_{part}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diffusers_names_become_ldm_names() {
        let ups = Diffusers { vae: 4, attention: vec![0, 1], residuals: 2 };
        for (name, expected) in [
            ("down_blocks.1.attentions.1.proj_in.weight", "input_blocks.5.1.proj_in.weight"),
            ("down_blocks.2.resnets.0.conv_shortcut.bias", "input_blocks.7.0.skip_connection.bias"),
            ("down_blocks.0.downsamplers.0.conv.weight", "input_blocks.3.0.op.weight"),
            ("up_blocks.1.upsamplers.0.conv.bias", "output_blocks.5.2.conv.bias"),
            ("mid_block.resnets.1.time_emb_proj.weight", "middle_block.2.emb_layers.1.weight"),
            ("add_embedding.linear_2.weight", "label_emb.0.2.weight"),
        ] {
            assert_eq!(unet(name, &ups).as_deref(), Some(expected));
        }
        for (name, expected) in [
            ("decoder.up_blocks.0.resnets.2.conv1.weight", "decoder.up.3.block.2.conv1.weight"),
            ("encoder.down_blocks.1.downsamplers.0.conv.bias", "encoder.down.1.downsample.conv.bias"),
            ("decoder.mid_block.attentions.0.to_out.0.weight", "decoder.mid.attn_1.proj_out.weight"),
            ("decoder.mid.attn_1.to_q.bias", "decoder.mid.attn_1.q.bias"),
            ("encoder.mid_block.resnets.1.norm2.weight", "encoder.mid.block_2.norm2.weight"),
            ("decoder.conv_norm_out.weight", "decoder.norm_out.weight"),
            ("post_quant_conv.weight", "post_quant_conv.weight"),
        ] {
            assert_eq!(vae(name, ups.vae), expected);
        }
        let name = "encoder.layers.3.self_attn.out_proj.weight";
        assert_eq!(open_clip(name), "transformer.resblocks.3.attn.out_proj.weight");
    }
}
