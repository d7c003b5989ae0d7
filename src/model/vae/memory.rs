//! What the VAE takes: the walks of its decoder and its encoder over sizes.

use super::{BAND, Middle, ResBlock, Vae};
use crate::model::layers::Conv3x3;
use crate::model::meter::{Images, Meter, Room};

/// Tensors of a band's size that are there at once while a level is made of bands.
const OF_A_BAND: u64 = 8;

impl Vae {
    /// Bytes that decoding a latent of this size takes at most, as a whole or (`saves`) in bands. Without the weights.
    pub fn memory_of_decoding(&self, height: usize, width: usize, saves: bool) -> u64 {
        let meter = Meter::default();
        let decoder = &self.decoder;
        let mut images = self.images(&meter, height, width);
        let first = self.first_in_bands(8 * height, 8 * width, saves);
        let _latent = images.of(2 * 4);
        let h = decoder.conv_in.walk(images, images, None);
        let mut h = decoder.middle.walk(images, h);
        let mut up: Option<&Conv3x3> = None;
        for (number, (blocks, next)) in decoder.levels.iter().enumerate() {
            let Some(last) = blocks.last() else { continue };
            let larger = up.map_or(images, |_| images.resized(|side| 2 * side));
            if number < first {
                if let Some(up) = up {
                    h = up.walk(images, larger, Some(h));
                }
                images = larger;
                h = blocks.iter().fold(h, |h, block| block.walk(images, h));
            } else {
                images = larger;
                // A few bands are on their way. The small image counts as a whole, though it is given back while the large one grows.
                let _on_their_way = meter.room(OF_A_BAND * BAND as u64 * images.number());
                h = images.of(last.outputs);
            }
            up = next.as_ref();
        }
        let pixels = images.of(3);
        if first < decoder.levels.len() {
            drop(h);
        } else {
            let Some(channels) = decoder.levels.last().and_then(|(blocks, _)| blocks.last()).map(|b| b.outputs) else {
                return meter.most();
            };
            let normalised = images.normalised(channels);
            drop(h);
            drop(pixels);
            drop(decoder.conv_out.walk(images, images, Some(normalised)));
        }
        // Turned, and as bytes.
        let _turned = images.of(2 * 3);
        meter.most()
    }

    /// Bytes that encoding a picture of a latent of this size takes at most. Without the weights.
    pub fn memory_of_encoding(&self, height: usize, width: usize) -> u64 {
        let Some(encoder) = &self.encoder else { return 0 };
        let meter = Meter::default();
        let mut images = self.images(&meter, 8 * height, 8 * width);
        let _picture = images.of(2 * 3);
        let mut h = encoder.conv_in.walk(images, images, None);
        for (blocks, down) in &encoder.levels {
            h = blocks.iter().fold(h, |h, block| block.walk(images, h));
            if let Some(down) = down {
                let smaller = images.resized(|side| side / 2);
                h = down.walk(images, smaller, Some(h));
                images = smaller;
            }
        }
        drop(encoder.middle.walk(images, h));
        meter.most()
    }

    fn images<'m>(&'m self, meter: &'m Meter, height: usize, width: usize) -> Images<'m> {
        Images::new(meter, self.decoder.middle.operators.as_ref(), 1, height, width)
    }
}

impl ResBlock {
    fn walk<'m>(&self, images: Images<'m>, x: Room<'m>) -> Room<'m> {
        let mut h = self.conv1.walk(images, images, Some(images.normalised(self.conv1.inputs())));
        h = {
            let _before = h;
            images.normalised(self.outputs)
        };
        let _shortcut = self.shortcut.as_ref().map(|_| images.of(self.outputs));
        let made = self.conv2.walk(images, images, Some(h));
        drop(x);
        made
    }
}

impl Middle {
    fn walk<'m>(&self, images: Images<'m>, x: Room<'m>) -> Room<'m> {
        let channels = self.first.outputs;
        let x = self.first.walk(images, x);
        let attended = {
            let _h = images.normalised(channels);
            let _q_k_v = images.of(3 * channels);
            let y = images.attended(images.pixels(), 1, channels);
            let made = images.of(channels);
            drop((y, x));
            made
        };
        self.last.walk(images, attended)
    }
}
