//! The tensors of full-size Stable Diffusion models in the original single-file layout, UNet and text encoders.
//!
//! They stand in for a checkpoint where only names and shapes matter: telling what a LoRA file is made for.

use crate::block::Family;

pub(super) type Shape = Vec<usize>;

/// Name and shape of every UNet and text encoder tensor of a full-size model; none for Flux.
pub(super) fn tensors(family: Family) -> Vec<(String, Shape)> {
    let mut list = TensorList::default();
    match family {
        Family::Sd1 => {
            list.unet(&Unet { depth: &[1, 1, 1, 0], middle_depth: 1, context: 768, vector: None, linear_proj: false });
            list.clip("cond_stage_model.transformer.text_model", 768, 12);
        }
        Family::Sd2 => {
            list.unet(&Unet { depth: &[1, 1, 1, 0], middle_depth: 1, context: 1024, vector: None, linear_proj: true });
            list.open_clip("cond_stage_model.model", 1024, 24);
        }
        Family::Sdxl => {
            list.unet(&Unet {
                depth: &[0, 2, 10],
                middle_depth: 10,
                context: 2048,
                vector: Some(2816),
                linear_proj: true,
            });
            list.clip("conditioner.embedders.0.transformer.text_model", 768, 12);
            list.open_clip("conditioner.embedders.1.model", 1280, 32);
        }
        Family::Flux => {}
    }
    list.0
}

/// What differs between the UNets. All have 320 channels, times 1, 2, 4 and 4 by level.
struct Unet {
    /// Transformer blocks per attention module, by level.
    depth: &'static [usize],
    middle_depth: usize,
    /// Width of the text conditioning.
    context: usize,
    /// Width of the added vector conditioning.
    vector: Option<usize>,
    /// `proj_in` and `proj_out` are linear, not 1×1 convolutions.
    linear_proj: bool,
}

#[derive(Default)]
struct TensorList(Vec<(String, Shape)>);

impl TensorList {
    fn module(&mut self, path: &str, weight: &[usize]) {
        self.0.push((format!("{path}.weight"), weight.to_vec()));
        self.0.push((format!("{path}.bias"), vec![weight[0]]));
    }

    fn weight(&mut self, path: &str, shape: &[usize]) {
        self.0.push((format!("{path}.weight"), shape.to_vec()));
    }

    fn unet(&mut self, unet: &Unet) {
        const CHANNELS: usize = 320;
        let root = "model.diffusion_model";
        let time = 4 * CHANNELS;
        self.module(&format!("{root}.time_embed.0"), &[time, CHANNELS]);
        self.module(&format!("{root}.time_embed.2"), &[time, time]);
        if let Some(vector) = unet.vector {
            self.module(&format!("{root}.label_emb.0.0"), &[time, vector]);
            self.module(&format!("{root}.label_emb.0.2"), &[time, time]);
        }
        let width = |level: usize| CHANNELS * [1, 2, 4, 4][level];
        let levels = unet.depth.len();

        self.module(&format!("{root}.input_blocks.0.0"), &[CHANNELS, 4, 3, 3]);
        let mut channels = CHANNELS;
        let mut skips = vec![channels];
        for level in 0..levels {
            for _ in 0..2 {
                let block = format!("{root}.input_blocks.{}", skips.len());
                self.res_block(&format!("{block}.0"), channels, width(level), time);
                channels = width(level);
                self.attention(&format!("{block}.1"), channels, unet.depth[level], unet);
                skips.push(channels);
            }
            if level + 1 < levels {
                self.module(&format!("{root}.input_blocks.{}.0.op", skips.len()), &[channels, channels, 3, 3]);
                skips.push(channels);
            }
        }

        self.res_block(&format!("{root}.middle_block.0"), channels, channels, time);
        self.attention(&format!("{root}.middle_block.1"), channels, unet.middle_depth, unet);
        self.res_block(&format!("{root}.middle_block.2"), channels, channels, time);

        for level in (0..levels).rev() {
            for r in 0..3 {
                let block = format!("{root}.output_blocks.{}", 3 * (levels - 1 - level) + r);
                let skip = skips.pop().unwrap_or(0);
                self.res_block(&format!("{block}.0"), channels + skip, width(level), time);
                channels = width(level);
                self.attention(&format!("{block}.1"), channels, unet.depth[level], unet);
                if r == 2 && level > 0 {
                    let slot = if unet.depth[level] > 0 { 2 } else { 1 };
                    self.module(&format!("{block}.{slot}.conv"), &[channels, channels, 3, 3]);
                }
            }
        }
        self.module(&format!("{root}.out.0"), &[CHANNELS]);
        self.module(&format!("{root}.out.2"), &[4, CHANNELS, 3, 3]);
    }

    fn res_block(&mut self, path: &str, from: usize, to: usize, time: usize) {
        self.module(&format!("{path}.in_layers.0"), &[from]);
        self.module(&format!("{path}.in_layers.2"), &[to, from, 3, 3]);
        self.module(&format!("{path}.emb_layers.1"), &[to, time]);
        self.module(&format!("{path}.out_layers.0"), &[to]);
        self.module(&format!("{path}.out_layers.3"), &[to, to, 3, 3]);
        if from != to {
            self.module(&format!("{path}.skip_connection"), &[to, from, 1, 1]);
        }
    }

    fn attention(&mut self, path: &str, channels: usize, depth: usize, unet: &Unet) {
        if depth == 0 {
            return;
        }
        let proj: &[usize] = if unet.linear_proj { &[channels, channels] } else { &[channels, channels, 1, 1] };
        self.module(&format!("{path}.norm"), &[channels]);
        self.module(&format!("{path}.proj_in"), proj);
        for n in 0..depth {
            let block = format!("{path}.transformer_blocks.{n}");
            for (attn, source) in [("attn1", channels), ("attn2", unet.context)] {
                self.weight(&format!("{block}.{attn}.to_q"), &[channels, channels]);
                self.weight(&format!("{block}.{attn}.to_k"), &[channels, source]);
                self.weight(&format!("{block}.{attn}.to_v"), &[channels, source]);
                self.module(&format!("{block}.{attn}.to_out.0"), &[channels, channels]);
            }
            self.module(&format!("{block}.ff.net.0.proj"), &[8 * channels, channels]);
            self.module(&format!("{block}.ff.net.2"), &[channels, 4 * channels]);
            for norm in ["norm1", "norm2", "norm3"] {
                self.module(&format!("{block}.{norm}"), &[channels]);
            }
        }
        self.module(&format!("{path}.proj_out"), proj);
    }

    /// CLIP as transformers lays it out.
    fn clip(&mut self, path: &str, width: usize, layers: usize) {
        self.weight(&format!("{path}.embeddings.token_embedding"), &[49408, width]);
        self.weight(&format!("{path}.embeddings.position_embedding"), &[77, width]);
        for n in 0..layers {
            let layer = format!("{path}.encoder.layers.{n}");
            for proj in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                self.module(&format!("{layer}.self_attn.{proj}"), &[width, width]);
            }
            self.module(&format!("{layer}.layer_norm1"), &[width]);
            self.module(&format!("{layer}.layer_norm2"), &[width]);
            self.module(&format!("{layer}.mlp.fc1"), &[4 * width, width]);
            self.module(&format!("{layer}.mlp.fc2"), &[width, 4 * width]);
        }
        self.module(&format!("{path}.final_layer_norm"), &[width]);
    }

    /// CLIP as OpenCLIP lays it out, with q, k and v in one tensor.
    fn open_clip(&mut self, path: &str, width: usize, layers: usize) {
        self.weight(&format!("{path}.token_embedding"), &[49408, width]);
        for n in 0..layers {
            let layer = format!("{path}.transformer.resblocks.{n}");
            self.0.push((format!("{layer}.attn.in_proj_weight"), vec![3 * width, width]));
            self.0.push((format!("{layer}.attn.in_proj_bias"), vec![3 * width]));
            self.module(&format!("{layer}.attn.out_proj"), &[width, width]);
            self.module(&format!("{layer}.ln_1"), &[width]);
            self.module(&format!("{layer}.ln_2"), &[width]);
            self.module(&format!("{layer}.mlp.c_fc"), &[4 * width, width]);
            self.module(&format!("{layer}.mlp.c_proj"), &[width, 4 * width]);
        }
        self.module(&format!("{path}.ln_final"), &[width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdxl_unet_has_its_2_567_463_684_parameters() {
        let count: usize = tensors(Family::Sdxl)
            .iter()
            .filter(|(name, _)| name.starts_with("model."))
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum();
        assert_eq!(count, 2_567_463_684);
    }

    #[test]
    fn sd1_unet_has_its_859_520_964_parameters() {
        let count: usize = tensors(Family::Sd1)
            .iter()
            .filter(|(name, _)| name.starts_with("model."))
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum();
        assert_eq!(count, 859_520_964);
    }
}
