//! What network a file holds, told by the names and shapes of its tensors.

use super::tensors::Tensors;

/// The kinds of networks, and the styles of names that RRDBNet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// RRDBNet as ESRGAN's authors first named it: `model.0`, `model.1.sub.…`.
    EsrganOld,
    /// RRDBNet with the names of BSRGAN and RealSR: `RRDB_trunk`, `HRconv`.
    Bsrgan,
    /// RRDBNet with the names of Real-ESRGAN: `body`, `conv_hr`.
    RealEsrgan,
    /// SRVGGNetCompact.
    Compact,
}

impl Architecture {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::EsrganOld => "ESRGAN",
            Architecture::Bsrgan => "ESRGAN (BSRGAN)",
            Architecture::RealEsrgan => "Real-ESRGAN",
            Architecture::Compact => "SRVGGNetCompact",
        }
    }
}

pub(super) enum Structure {
    Rrdb(Rrdb),
    Compact(Compact),
}

/// The sizes of an RRDBNet.
pub(super) struct Rrdb {
    pub architecture: Architecture,
    pub inputs: usize,
    pub outputs: usize,
    pub width: usize,
    pub growth: usize,
    pub blocks: usize,
    pub doublings: usize,
}

/// The sizes of a compact network.
pub(super) struct Compact {
    pub width: usize,
    /// Convolutions followed by a PReLU.
    pub convolutions: usize,
    pub scale: usize,
}

/// More is no upscaler that anybody has made.
const MAX_BLOCKS: usize = 256;
const MAX_DOUBLINGS: usize = 4;
const MAX_SCALE: usize = 16;

/// Networks that are known by a few of their tensors, and by nothing else.
const OTHERS: [(&str, &[&str]); 18] = [
    ("DAT", &["before_RG.1.weight", "layers.0.blocks.0.ffn.fc1.weight"]),
    ("RGT", &["before_RG.1.weight", "layers.0.blocks.0.mlp.fc1.weight"]),
    ("HAT", &["layers.0.residual_group.overlap_attn.qkv.weight"]),
    ("ATD", &["layers.0.residual_group.layers.0.attn_atd.scale"]),
    ("Swin2SR", &["layers.0.residual_group.blocks.0.attn.cpb_mlp.0.weight"]),
    ("SRFormer", &["layers.0.residual_group.blocks.0.attn.aligned_relative_position_index"]),
    ("SwinIR", &["layers.0.residual_group.blocks.0.norm1.weight"]),
    ("DRCT", &["layers.0.swin1.norm1.weight"]),
    ("GRL", &["layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale"]),
    ("SPAN", &["block_1.c1_r.sk.weight"]),
    ("SPAN", &["block_1.c1_r.eval_conv.weight"]),
    ("OmniSR", &["residual_layer.0.residual_layer.0.layer.0.fn.0.weight"]),
    ("Real-CUGAN", &["unet1.conv1.conv.0.weight"]),
    ("PLKSR", &["feats.0.weight", "feats.1.channe_mixer.0.weight"]),
    ("PLKSR", &["feats.0.weight", "feats.1.channel_mixer.0.weight"]),
    ("SAFMN", &["to_feat.weight", "feats.0.norm1.weight"]),
    ("ScuNET", &["m_head.0.weight", "m_tail.0.weight"]),
    ("CRAFT", &["layers.0.residual_group.hf_blocks.0.attn.temperature"]),
];

/// The structure, or the name of a network that is not run, if it has one.
pub(super) fn structure(tensors: &Tensors) -> Result<Structure, Option<&'static str>> {
    let has = |name: &str| tensors.contains_key(name);
    if let Some((name, _)) = OTHERS.iter().find(|(_, names)| names.iter().all(|name| has(name))) {
        return Err(Some(name));
    }
    if tensors.keys().any(|name| name.contains(".conv1x1.")) {
        return Err(Some("ESRGAN+"));
    }
    for architecture in [Architecture::EsrganOld, Architecture::Bsrgan, Architecture::RealEsrgan] {
        if has(&weight(&Names { architecture, blocks: 0, doublings: 0 }.dense(0, 0, 0))) {
            return rrdb(tensors, architecture).map(Structure::Rrdb).ok_or(None);
        }
    }
    compact(tensors).map(Structure::Compact).ok_or(None)
}

fn weight(name: &str) -> String {
    format!("{name}.weight")
}

fn rrdb(tensors: &Tensors, architecture: Architecture) -> Option<Rrdb> {
    let shape = |name: &str| tensors.get(&weight(name)).map(|tensor| tensor.dims());
    let names = |blocks, doublings| Names { architecture, blocks, doublings };
    let blocks = (0..MAX_BLOCKS).take_while(|b| shape(&names(0, 0).dense(*b, 0, 0)).is_some()).count();
    // In the old style the two last convolutions are numbered on: what is behind them is missing.
    let doublings = (0..MAX_DOUBLINGS).take_while(|n| shape(&names(blocks, 0).doubling(*n)).is_some()).count();
    let (first, last) = (shape(&names(0, 0).first())?, shape(&names(blocks, doublings).last())?);
    let growth = *shape(&names(0, 0).dense(0, 0, 0))?.first()?;
    let ([width, inputs, 3, 3], [outputs, ..]) = (first, last) else { return None };
    let (width, inputs, outputs) = (*width, *inputs, *outputs);
    let found = Rrdb { architecture, inputs, outputs, width, growth, blocks, doublings };
    (width > 0 && growth > 0).then_some(found)
}

fn compact(tensors: &Tensors) -> Option<Compact> {
    let shape = |name: String| tensors.get(&name).map(|tensor| tensor.dims());
    let [width @ (1..), 3, 3, 3] = shape("body.0.weight".to_owned())? else { return None };
    let convolutions = (0..MAX_BLOCKS).take_while(|i| shape(format!("body.{}.weight", 2 * i + 1)).is_some()).count();
    let last = shape(format!("body.{}.weight", 2 * convolutions))?;
    let scale = (1..=MAX_SCALE).find(|s| last.first() == Some(&(3 * s * s)))?;
    (convolutions > 0).then_some(Compact { width: *width, convolutions, scale })
}

/// The names of an RRDBNet's convolutions.
pub(super) struct Names {
    pub architecture: Architecture,
    pub blocks: usize,
    pub doublings: usize,
}

impl Names {
    pub fn first(&self) -> String {
        if self.architecture == Architecture::EsrganOld { "model.0" } else { "conv_first" }.to_owned()
    }

    /// Convolution `k` of dense unit `unit` of block `block`, all counted from 0.
    pub fn dense(&self, block: usize, unit: usize, k: usize) -> String {
        let (unit, k) = (unit + 1, k + 1);
        match self.architecture {
            Architecture::EsrganOld => format!("model.1.sub.{block}.RDB{unit}.conv{k}.0"),
            Architecture::Bsrgan => format!("RRDB_trunk.{block}.RDB{unit}.conv{k}"),
            _ => format!("body.{block}.rdb{unit}.conv{k}"),
        }
    }

    /// After the blocks.
    pub fn trunk(&self) -> String {
        match self.architecture {
            Architecture::EsrganOld => format!("model.1.sub.{}", self.blocks),
            Architecture::Bsrgan => "trunk_conv".to_owned(),
            _ => "conv_body".to_owned(),
        }
    }

    /// After doubling `n`, counted from 0.
    pub fn doubling(&self, n: usize) -> String {
        match self.architecture {
            Architecture::EsrganOld => format!("model.{}", 3 * n + 3),
            Architecture::Bsrgan => format!("upconv{}", n + 1),
            _ => format!("conv_up{}", n + 1),
        }
    }

    /// The last but one.
    pub fn fine(&self) -> String {
        match self.architecture {
            Architecture::EsrganOld => format!("model.{}", 3 * self.doublings + 2),
            Architecture::Bsrgan => "HRconv".to_owned(),
            _ => "conv_hr".to_owned(),
        }
    }

    pub fn last(&self) -> String {
        match self.architecture {
            Architecture::EsrganOld => format!("model.{}", 3 * self.doublings + 4),
            _ => "conv_last".to_owned(),
        }
    }
}
