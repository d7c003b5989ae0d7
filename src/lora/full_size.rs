//! The tensors of full-size Stable Diffusion models in the original single-file layout, UNet and text encoders.
//!
//! They stand in for a checkpoint where only names and shapes matter: telling what a LoRA file is made for.

use crate::block::Family;
use crate::checkpoint::architecture::{Architecture, Projection, TextEncoderKind, UnetArchitecture};

pub(super) type Shape = Vec<usize>;

/// Name and shape of every UNet and text encoder tensor of a full-size model; none for Flux.
pub(super) fn tensors(family: Family) -> Vec<(String, Shape)> {
    let mut list = TensorList::default();
    if let Some(architecture) = Architecture::full_size(family) {
        list.unet(&architecture.unet);
        for encoder in &architecture.text {
            let path = encoder.prefix.trim_end_matches('.');
            match encoder.kind {
                TextEncoderKind::Clip => list.clip(path, encoder.width, encoder.layers),
                TextEncoderKind::OpenClip => list.open_clip(path, encoder.width, encoder.layers),
            }
        }
    }
    list.0
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

    fn unet(&mut self, unet: &UnetArchitecture) {
        let root = unet.prefix.trim_end_matches('.');
        let width = unet.model_channels();
        let time = 4 * width;
        self.module(&format!("{root}.time_embed.0"), &[time, width]);
        self.module(&format!("{root}.time_embed.2"), &[time, time]);
        if let Some(vector) = unet.vector {
            self.module(&format!("{root}.label_emb.0.0"), &[time, vector]);
            self.module(&format!("{root}.label_emb.0.2"), &[time, time]);
        }

        self.module(&format!("{root}.input_blocks.0.0"), &[width, unet.inputs, 3, 3]);
        let mut channels = width;
        let mut skips = vec![channels];
        for (l, level) in unet.levels.iter().enumerate() {
            for depth in &level.down {
                let block = format!("{root}.input_blocks.{}", skips.len());
                self.res_block(&format!("{block}.0"), channels, level.channels, time);
                channels = level.channels;
                self.attention(&format!("{block}.1"), channels, *depth, unet);
                skips.push(channels);
            }
            if l + 1 < unet.levels.len() {
                self.module(&format!("{root}.input_blocks.{}.0.op", skips.len()), &[channels, channels, 3, 3]);
                skips.push(channels);
            }
        }

        for i in 0..unet.middle.residuals {
            self.res_block(&format!("{root}.middle_block.{}", 2 * i), channels, channels, time);
        }
        self.attention(&format!("{root}.middle_block.1"), channels, unet.middle.depth, unet);

        let blocks: Vec<_> = unet.output_blocks().collect();
        for (i, (level, depth)) in blocks.iter().enumerate() {
            let (block, outputs) = (format!("{root}.output_blocks.{i}"), unet.levels[*level].channels);
            let skip = skips.pop().unwrap_or(0);
            self.res_block(&format!("{block}.0"), channels + skip, outputs, time);
            channels = outputs;
            self.attention(&format!("{block}.1"), channels, *depth, unet);
            if blocks.get(i + 1).is_some_and(|(next, _)| next != level) {
                let slot = if *depth > 0 { 2 } else { 1 };
                self.module(&format!("{block}.{slot}.conv"), &[channels, channels, 3, 3]);
            }
        }
        self.module(&format!("{root}.out.0"), &[width]);
        self.module(&format!("{root}.out.2"), &[4, width, 3, 3]);
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

    fn attention(&mut self, path: &str, channels: usize, depth: usize, unet: &UnetArchitecture) {
        if depth == 0 {
            return;
        }
        let proj: &[usize] = match unet.projection {
            Projection::Linear => &[channels, channels],
            Projection::Conv1x1 => &[channels, channels, 1, 1],
        };
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
