//! Networks that enlarge pictures: ESRGAN's RRDBNet in all the layouts it is given away in, and Real-ESRGAN's compact
//! SRVGGNet. What a file holds is told by the names and shapes of its tensors.

mod compact;
mod conv;
mod error;
mod layout;
mod rrdb;
mod tensors;

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::ops::Operators;
use crate::say;

pub use error::UpscalerFileError;
pub use layout::Architecture;
use layout::Structure;
use tensors::Tensors;

/// The slope below 0 of all leaky ReLUs.
const LEAKY: f32 = 0.2;
/// Pictures for networks with a pixel-unshuffle are padded to a multiple of this.
const MULTIPLE: usize = 4;

/// A network that makes a picture larger by a whole number.
pub struct Network {
    architecture: Architecture,
    net: Net,
    /// 1, or by how much the pixels are taken together before the network.
    unshuffle: usize,
    scale: usize,
    operators: Arc<dyn Operators>,
}

enum Net {
    Rrdb(rrdb::Rrdb),
    Compact(compact::Compact),
}

impl Network {
    /// Reads the file at `path`, a `.pth` of torch or a `.safetensors`.
    pub fn open(path: &Path, operators: &Arc<dyn Operators>) -> Result<Self, UpscalerFileError> {
        let tensors = tensors::read(path)?;
        Self::new(path, tensors, operators)
    }

    fn new(path: &Path, tensors: Tensors, operators: &Arc<dyn Operators>) -> Result<Self, UpscalerFileError> {
        let path_buf = || path.to_path_buf();
        let structure = match layout::structure(&tensors) {
            Ok(structure) => structure,
            Err(Some(name)) => return Err(UpscalerFileError::Unsupported { path: path_buf(), name }),
            Err(None) => return Err(UpscalerFileError::Unknown { path: path_buf() }),
        };
        let mut source = conv::Source::new(tensors, operators.clone());
        let (architecture, unshuffle, net, grown) = match structure {
            Structure::Rrdb(structure) => {
                let (inputs, outputs) = (structure.inputs, structure.outputs);
                let unshuffle = [1, 2, 4].into_iter().find(|n| 3 * n * n == inputs).filter(|_| outputs == 3);
                let Some(unshuffle) = unshuffle else {
                    return Err(UpscalerFileError::Channels { path: path_buf(), inputs, outputs });
                };
                let net = rrdb::Rrdb::new(&mut source, &structure)?;
                (structure.architecture, unshuffle, Net::Rrdb(net), 1 << structure.doublings)
            }
            Structure::Compact(structure) => {
                let net = compact::Compact::new(&mut source, &structure)?;
                (Architecture::Compact, 1, Net::Compact(net), structure.scale)
            }
        };
        let mut problems = source.problems();
        if grown % unshuffle != 0 {
            problems.push(say!(
                "an enlargement of {grown} cannot be undone by {unshuffle}",
                "{grown} 倍の拡大は {unshuffle} で割り切れません"
            ));
        }
        if !problems.is_empty() {
            return Err(UpscalerFileError::Tensors { path: path_buf(), problems });
        }
        Ok(Network { architecture, net, unshuffle, scale: grown / unshuffle, operators: operators.clone() })
    }

    /// What kind of network it is.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// How many times larger the picture gets, in each direction.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        self.operators.device()
    }

    /// (1, height, width, 3), blue first, 0 to 1 → (1, height·scale, width·scale, 3), not clamped.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (_, height, width, _) = x.dims4()?;
        if height == 0 || width == 0 {
            candle_core::bail!("an upscaler was given an empty picture");
        }
        let y = match &self.net {
            Net::Compact(net) => net.forward(x)?,
            Net::Rrdb(net) if self.unshuffle == 1 => net.forward(x)?,
            Net::Rrdb(net) => {
                let padded = mirrored(x, height.next_multiple_of(MULTIPLE), width.next_multiple_of(MULTIPLE))?;
                let y = net.forward(&unshuffled(&padded, self.unshuffle)?)?;
                y.narrow(1, 0, height * self.scale)?.narrow(2, 0, width * self.scale)?
            }
        };
        y.contiguous()
    }
}

/// Padded to `height` × `width` at the bottom and the right, mirrored at the middle of the last pixel.
fn mirrored(x: &Tensor, height: usize, width: usize) -> candle_core::Result<Tensor> {
    let line = |len: usize, padded: usize| {
        let period = 2 * (len - 1).max(1);
        let place = |i: usize| (i % period).min(period - i % period).min(len - 1) as u32;
        Tensor::from_iter((0..padded).map(place), x.device())
    };
    let (_, h, w, _) = x.dims4()?;
    x.index_select(&line(h, height)?, 1)?.index_select(&line(w, width)?, 2)
}

/// The pixels of each square of `n` × `n` become the channels of one: colour by colour, row by row.
fn unshuffled(x: &Tensor, n: usize) -> candle_core::Result<Tensor> {
    let (b, height, width, channels) = x.dims4()?;
    let x = x.reshape(&[b, height / n, n, width / n, n, channels][..])?.permute([0, 1, 3, 5, 2, 4])?;
    x.contiguous()?.reshape((b, height / n, width / n, channels * n * n))
}

/// The inverse of [`unshuffled`].
fn shuffled(x: &Tensor, n: usize) -> candle_core::Result<Tensor> {
    let (b, height, width, channels) = x.dims4()?;
    let channels = channels / (n * n);
    let x = x.reshape(&[b, height, width, channels, n, n][..])?.permute([0, 1, 4, 2, 5, 3])?;
    x.contiguous()?.reshape((b, height * n, width * n, channels))
}

#[cfg(test)]
mod tests {
    use super::super::ops::Cpu;
    use super::*;

    #[test]
    fn pixels_are_taken_together_and_apart_again() {
        let x = Tensor::arange(0f32, 2.0 * 4.0 * 6.0 * 3.0, &Device::Cpu).unwrap().reshape((2, 4, 6, 3)).unwrap();
        let there = unshuffled(&x, 2).unwrap();
        assert_eq!(there.dims(), [2, 2, 3, 12]);
        let first = there.get(0).unwrap().get(0).unwrap().get(0).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(first[..4], [0.0, 3.0, 18.0, 21.0], "red of the first square, row by row");
        let back = shuffled(&there, 2).unwrap();
        assert_eq!(
            back.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
    }

    #[test]
    fn padding_is_a_mirror() {
        let x = Tensor::new(&[1f32, 2.0, 3.0], &Device::Cpu).unwrap().reshape((1, 1, 3, 1)).unwrap();
        let padded = mirrored(&x, 2, 6).unwrap();
        let rows = padded.reshape((2, 6)).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows, [[1.0, 2.0, 3.0, 2.0, 1.0, 2.0]; 2]);
    }

    /// A compact network of one layer with this changed.
    fn opened(change: impl FnOnce(&mut Tensors)) -> Result<Network, UpscalerFileError> {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
        let shapes: [(&str, &[usize]); 5] = [
            ("body.0.weight", &[8, 3, 3, 3]),
            ("body.0.bias", &[8]),
            ("body.1.weight", &[8]),
            ("body.2.weight", &[12, 8, 3, 3]),
            ("body.2.bias", &[12]),
        ];
        let mut tensors = shapes.map(|(name, shape)| (name.to_owned(), zeros(shape))).into();
        change(&mut tensors);
        Network::new(Path::new("a.pth"), tensors, &(Arc::new(Cpu::best()) as _))
    }

    fn refusal(change: impl FnOnce(&mut Tensors)) -> String {
        opened(change).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::ones(shape, candle_core::DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn files_are_told_by_what_they_hold() {
        let network = opened(|_| ()).unwrap();
        assert_eq!((network.architecture(), network.scale()), (Architecture::Compact, 2));
        let add = |name: &'static str, shape: &'static [usize]| {
            move |tensors: &mut Tensors| drop(tensors.insert(name.into(), ones(shape)))
        };
        assert!(refusal(|t| drop(t.remove("body.0.bias"))).contains("body.0.bias [8] is missing"));
        assert!(refusal(add("body.1.weight", &[7])).contains("body.1.weight is [7], not [8]"));
        assert!(refusal(add("more", &[1])).contains("more and 0 more tensors have no place"));
        assert!(refusal(add("block_1.c1_r.sk.weight", &[1])).contains("a SPAN upscaler"));
        assert!(refusal(|t| t.clear()).contains("is not an upscaler that is known"));
        let not_finite = |t: &mut Tensors| drop(t.insert("body.0.bias".into(), (ones(&[8]) / 0.0).unwrap()));
        assert!(refusal(not_finite).contains("body.0.bias holds numbers that are not finite"));
    }

    #[test]
    fn sizes_that_a_file_only_claims_take_no_memory() {
        let error = refusal(|tensors| {
            tensors.clear();
            // A width and a growth of 200,000 each: a weight of 1.4 TB, if it were there.
            tensors.insert("conv_first.weight".into(), ones(&[200_000, 3, 3, 3]));
            tensors.insert("body.0.rdb1.conv1.weight".into(), ones(&[200_000, 1, 1, 1]));
            tensors.insert("conv_last.weight".into(), ones(&[3, 1, 1, 1]));
        });
        assert!(error.contains("body.0.rdb1.conv1.weight is [200000, 1, 1, 1], not [200000, 200000, 3, 3]"), "{error}");
        let gray = refusal(|tensors| {
            tensors.clear();
            tensors.insert("conv_first.weight".into(), ones(&[8, 1, 3, 3]));
            tensors.insert("body.0.rdb1.conv1.weight".into(), ones(&[8, 8, 3, 3]));
            tensors.insert("conv_last.weight".into(), ones(&[1, 8, 3, 3]));
        });
        assert!(gray.contains("pictures of 1 channels and gives 1"), "{gray}");
    }
}
