//! What an evaluation of the UNet takes: the walk of [`Unet::forward`] over sizes.

use super::{InputBlock, ResBlock, Transformer, TransformerBlock, Unet};
use crate::model::meter::{Images, Meter, Room};

/// What an evaluation is asked of.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Texts that go through the UNet together.
    pub texts: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// Of the latent.
    pub height: usize,
    /// Of the latent.
    pub width: usize,
}

impl Unet {
    /// Bytes that an evaluation takes at most, and those that are kept of each text from then on. Without the weights.
    pub fn memory(&self, asked: Asked) -> (u64, u64) {
        let meter = Meter::default();
        let Asked { texts: count, height, width, .. } = asked;
        let mut images = Images::new(&meter, self.operators.as_ref(), count, height, width);
        let (mut kept, number) = (0, images.number());
        let mut cross = |transformer: &Transformer| {
            let channels = transformer.0.as_ref().map_or(0, |t| t.proj_in.outputs() * t.blocks.len());
            kept += 2 * (count * asked.tokens * channels) as u64 * number;
        };

        // The latent, repeated and turned.
        let _x = images.of(2 * self.architecture.unet.inputs);
        let mut channels = self.conv_in.outputs();
        let mut h = self.conv_in.walk(images, images, None);
        let mut skips = vec![(channels, images)];
        let mut skip_rooms = Vec::new();
        for block in &self.input_blocks {
            // What goes in is a skip of its own.
            let made = match block {
                InputBlock::Residual(residual, transformer) => {
                    cross(transformer);
                    channels = residual.conv1.outputs();
                    let made = residual.walk(images);
                    transformer.walk(images, asked.tokens, made)
                }
                InputBlock::Downsample(conv) => {
                    let smaller = images.resized(|side| side.div_ceil(2));
                    let made = conv.walk(images, smaller, None);
                    images = smaller;
                    made
                }
            };
            skip_rooms.push(std::mem::replace(&mut h, made));
            skips.push((channels, images));
        }
        skip_rooms.push(h);
        let mut h = None;
        let (residuals, transformer) = &self.middle;
        cross(transformer);
        for (i, residual) in residuals.iter().enumerate() {
            let made = residual.walk(images);
            h = Some(if i == 0 { transformer.walk(images, asked.tokens, made) } else { made });
        }
        for block in &self.output_blocks {
            let Some(((skip_channels, of), skip)) = skips.pop().zip(skip_rooms.pop()) else { break };
            images = of;
            let joined = images.of(channels + skip_channels);
            drop((h.take(), skip));
            cross(&block.transformer);
            channels = block.residual.conv1.outputs();
            let residual = block.residual.walk(images);
            drop(joined);
            let mut made = block.transformer.walk(images, asked.tokens, residual);
            if let Some(conv) = &block.upsample {
                let larger = images.resized(|side| 2 * side);
                made = conv.walk(images, larger, Some(made));
                images = larger;
            }
            h = Some(made);
        }
        let normalised = images.normalised(channels);
        let _y = self.conv_out.walk(images, images, Some(normalised));
        (meter.most() + kept, kept)
    }
}

impl ResBlock {
    /// What goes in is somebody else's.
    fn walk<'m>(&self, images: Images<'m>) -> Room<'m> {
        let outputs = self.conv1.outputs();
        let inputs = self.conv1.inputs();
        let mut h = self.conv1.walk(images, images, Some(images.normalised(inputs)));
        h = {
            let _before = h;
            images.normalised(outputs)
        };
        let _skip = self.skip.as_ref().map(|_| images.multiplied(inputs, outputs, outputs));
        self.conv2.walk(images, images, Some(h))
    }
}

impl Transformer {
    /// Of images that are dropped after it.
    fn walk<'m>(&self, images: Images<'m>, tokens: usize, x: Room<'m>) -> Room<'m> {
        let Some(layers) = &self.0 else { return x };
        let channels = layers.proj_in.outputs();
        let mut h = images.normalised(channels);
        h = {
            let _before = h;
            images.multiplied(channels, channels, channels)
        };
        for block in &layers.blocks {
            h = block.walk(images, tokens, channels, h);
        }
        let made = images.multiplied(channels, channels, channels);
        drop((h, x));
        made
    }
}

impl TransformerBlock {
    fn walk<'m>(&self, images: Images<'m>, tokens: usize, channels: usize, x: Room<'m>) -> Room<'m> {
        let heads = self.self_attention.heads();
        let attention = |keys: usize| {
            let _q = images.multiplied(channels, channels, channels);
            let y = images.attended(keys, heads, channels);
            let made = images.multiplied(channels, channels, channels);
            drop(y);
            made
        };
        let mut h = images.normalised(channels);
        let after_self = {
            let _keys_and_values = images.of(2 * channels);
            attention(images.height * images.width)
        };
        h = {
            let _before = h;
            images.normalised(channels)
        };
        let after_cross = attention(tokens);
        drop(after_self);
        h = {
            let _before = h;
            images.normalised(channels)
        };
        let inner = self.ff_out.inputs();
        h = {
            let _before = h;
            images.multiplied(channels, 2 * inner, inner)
        };
        let made = images.multiplied(inner, channels, channels);
        drop((h, after_cross, x));
        made
    }
}
