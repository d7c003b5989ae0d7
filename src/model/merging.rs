//! Token merging (Bolya and Hoffman, "Token Merging for Fast Stable Diffusion", 2023): self-attention over fewer tokens, those
//! most alike being one. As tomesd does it for webui: at the full resolution of the latent alone, without random numbers.

use candle_core::{D, DType, Device, Result, Tensor};

/// Side of the squares of tokens of which one stays.
const STRIDE: usize = 2;

/// Which tokens of an image are merged into which, for each image of a batch.
pub(super) struct Merging {
    /// Tokens that others are merged into: one of each square, the same in every image. (stay)
    stay: Tensor,
    /// Of each image: tokens that are left alone, and those that are merged with where they go, as an index into `stay`.
    images: Vec<Image>,
    tokens: usize,
}

struct Image {
    alone: Tensor,
    merged: Tensor,
    into: Tensor,
}

impl Merging {
    /// For tokens x (b, height·width, c) of which a share `ratio` is merged; `None` where nothing is.
    pub fn new(x: &Tensor, (height, width): (usize, usize), ratio: f64) -> Result<Option<Self>> {
        let (_, tokens, _) = x.dims3()?;
        let (down, across) = (height / STRIDE, width / STRIDE);
        let stays = |at: usize| {
            let (y, x) = (at / width, at % width);
            y % STRIDE == 0 && x % STRIDE == 0 && y / STRIDE < down && x / STRIDE < across
        };
        let (stay, others): (Vec<u32>, Vec<u32>) = (0..tokens as u32).partition(|at| stays(*at as usize));
        let count = ((tokens as f64 * ratio) as usize).min(others.len());
        if count == 0 || stay.is_empty() {
            return Ok(None);
        }
        let x = x.to_dtype(DType::F32)?;
        let unit = x.broadcast_div(&x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)?;
        let device = x.device();
        let index = |of: &[u32]| Tensor::new(of, device);
        let stay_index = index(&stay)?;
        let images = unit.chunk(x.dim(0)?, 0)?;
        let image = |unit: &Tensor| -> Result<Image> {
            let unit = unit.squeeze(0)?;
            let scores = unit.index_select(&index(&others)?, 0)?.matmul(&unit.index_select(&stay_index, 0)?.t()?)?;
            let best: Vec<u32> = scores.argmax(1)?.to_device(&Device::Cpu)?.to_vec1()?;
            let score: Vec<f32> = scores.max(1)?.to_device(&Device::Cpu)?.to_vec1()?;
            let mut order: Vec<usize> = (0..others.len()).collect();
            order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
            let (merged, alone) = order.split_at(count);
            let tokens = |of: &[usize]| of.iter().map(|i| others[*i]).collect::<Vec<_>>();
            Ok(Image {
                alone: index(&tokens(alone))?,
                merged: index(&tokens(merged))?,
                into: index(&merged.iter().map(|i| best[*i]).collect::<Vec<_>>())?,
            })
        };
        let images = images.iter().map(image).collect::<Result<_>>()?;
        Ok(Some(Merging { stay: stay_index, images, tokens }))
    }

    /// Fewer tokens (b, n, c): those left alone, and the means of those merged.
    pub fn merge(&self, x: &Tensor) -> Result<Tensor> {
        let parts = self.images.iter().enumerate().map(|(i, image)| {
            let x = x.get(i)?;
            let (stay, merged) = (x.index_select(&self.stay, 0)?, x.index_select(&image.merged, 0)?);
            let ones = Tensor::ones((merged.dim(0)?, 1), x.dtype(), x.device())?;
            let count = Tensor::ones((stay.dim(0)?, 1), x.dtype(), x.device())?.index_add(&image.into, &ones, 0)?;
            let mean = stay.index_add(&image.into, &merged, 0)?.broadcast_div(&count)?;
            Tensor::cat(&[&x.index_select(&image.alone, 0)?, &mean], 0)
        });
        Tensor::stack(&parts.collect::<Result<Vec<_>>>()?, 0)
    }

    /// All tokens again (b, tokens, c): what was merged is what it was merged into.
    pub fn unmerge(&self, y: &Tensor) -> Result<Tensor> {
        let parts = self.images.iter().enumerate().map(|(i, image)| {
            let y = y.get(i)?;
            let alone = image.alone.dim(0)?;
            let stay = y.narrow(0, alone, y.dim(0)? - alone)?;
            let all = Tensor::zeros((self.tokens, y.dim(1)?), y.dtype(), y.device())?;
            all.index_add(&image.alone, &y.narrow(0, 0, alone)?.contiguous()?, 0)?
                .index_add(&self.stay, &stay.contiguous()?, 0)?
                .index_add(&image.merged, &stay.index_select(&image.into, 0)?, 0)
        });
        Tensor::stack(&parts.collect::<Result<Vec<_>>>()?, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap().reshape((1, values.len() / 2, 2)).unwrap()
    }

    #[test]
    fn the_most_alike_become_one() {
        // Two squares side by side; token 1 points nearly as token 0 does, token 4 nearly as token 2.
        let x = tokens(&[1.0, 0.0, 1.0, 0.01, 0.0, 1.0, 0.7, 0.7, 0.02, 1.0, 0.7, 0.71, -1.0, 0.3, 0.3, -1.0]);
        let merging = Merging::new(&x, (2, 4), 0.25).unwrap().unwrap();
        let merged = merging.merge(&x).unwrap();
        assert_eq!(merged.dims(), [1, 6, 2]);
        let all = merging.unmerge(&merged).unwrap().squeeze(0).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(all[0], [1.0, 0.005]);
        assert_eq!((&all[0], &all[2]), (&all[1], &all[4]));
        assert_eq!((all[3].as_slice(), all[7].as_slice()), ([0.7, 0.7].as_slice(), [0.3, -1.0].as_slice()));
    }

    #[test]
    fn nothing_is_merged_where_nothing_is_asked_or_there_is_no_square() {
        let x = tokens(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 1.0]);
        for (size, ratio) in [((2, 2), 0.0), ((1, 4), 0.5), ((4, 1), 0.5)] {
            assert!(Merging::new(&x, size, ratio).unwrap().is_none(), "{size:?} {ratio}");
        }
        // What an image has beyond its squares is never merged into.
        let odd = tokens(&(0..18).map(|i| i as f32 + 1.0).collect::<Vec<_>>());
        let merging = Merging::new(&odd, (3, 3), 0.5).unwrap().unwrap();
        assert_eq!(merging.merge(&odd).unwrap().dims(), [1, 5, 2]);
    }
}
