//! The decoder's large levels, band by band: what takes gigabytes as a whole is made of a few rows at a time.
//!
//! A norm needs the moments of the whole image, so each of a block's two norms is a walk over all bands before the one that makes
//! the block's output; what lies between is computed again rather than kept. The values are those of the whole image.

use candle_core::{Result, Tensor};

use super::{Decoder, Level, ResBlock};
use crate::model::layers::{Conv3x3, GroupNorm};
use crate::model::ops::Moments;
use crate::model::watch::{Watch, Watched};

/// Rows from `from` to `to`; where an image wraps, also above its first and below its last.
#[derive(Debug, Clone, Copy)]
struct Rows {
    from: i64,
    to: i64,
}

impl Rows {
    fn len(self) -> usize {
        (self.to - self.from).max(0) as usize
    }
}

/// Height of an image, and whether what lies beyond an edge is the other edge.
#[derive(Debug, Clone, Copy)]
struct Image {
    height: usize,
    wraps: bool,
}

impl Image {
    /// Rows that there are, of these and `more` on both sides.
    fn around(self, rows: Rows, more: i64) -> Rows {
        self.inside(Rows { from: rows.from - more, to: rows.to + more })
    }

    fn inside(self, rows: Rows) -> Rows {
        match self.wraps {
            true => rows,
            false => Rows { from: rows.from.max(0), to: rows.to.min(self.height as i64) },
        }
    }

    fn bands(self, rows: usize) -> impl Iterator<Item = Rows> {
        let height = self.height;
        let at = move |from: usize| Rows { from: from as i64, to: height.min(from + rows) as i64 };
        (0..height).step_by(rows.max(1)).map(at)
    }
}

/// Some rows of an image that is made when it is asked for, (1, rows, w, c).
type Source<'a> = &'a dyn Fn(Rows) -> Result<Tensor>;

/// An image in bands of equally many rows; those that nobody needs any more are given back.
pub(super) struct Bands {
    image: Image,
    rows: usize,
    width: usize,
    bands: Vec<Option<Tensor>>,
}

impl Bands {
    /// Of an image (1, h, w, c).
    pub fn of(image: Tensor, values: usize, wraps: bool) -> Result<Self> {
        let (_, height, width, channels) = image.dims4()?;
        let rows = rows_of(values, width * channels);
        let of = Image { height, wraps };
        let band = |rows: Rows| image.narrow(1, rows.from as usize, rows.len())?.force_contiguous().map(Some);
        Ok(Bands { image: of, rows, width, bands: of.bands(rows).map(band).collect::<Result<_>>()? })
    }

    /// Gives back the bands that lie before `row`, but for the one that the last row sees where the image wraps.
    fn free_before(&mut self, row: i64) {
        let done = row.max(0) as usize / self.rows;
        self.bands.iter_mut().take(done).skip(usize::from(self.image.wraps)).for_each(|band| *band = None);
    }

    fn get(&self, rows: Rows) -> Result<Tensor> {
        let height = self.image.height as i64;
        let mut parts = Vec::new();
        let mut at = rows.from;
        while at < rows.to {
            let row = at.rem_euclid(height) as usize;
            let (band, within) = (row / self.rows, row % self.rows);
            let Some(Some(band)) = self.bands.get(band) else {
                candle_core::bail!("row {row} of {height} is in no band")
            };
            let len = (band.dim(1)? - within).min((rows.to - at) as usize);
            parts.push(band.narrow(1, within, len)?);
            at += len as i64;
        }
        Tensor::cat(&parts, 1)
    }
}

/// Rows whose values are as many as `values`, at least four: a block sees two rows beyond each edge.
fn rows_of(values: usize, row: usize) -> usize {
    (values / row.max(1)).max(4)
}

/// The rows of convolution(input).
fn convolved(conv: &Conv3x3, image: Image, rows: Rows, input: Source<'_>) -> Result<Tensor> {
    let seen = image.around(rows, 1);
    conv.forward(&input(seen)?)?.narrow(1, (rows.from - seen.from) as usize, rows.len())
}

/// The rows of a convolution over `small` with each of its pixels doubled.
fn doubled(conv: &Conv3x3, small: &Bands, rows: Rows) -> Result<Tensor> {
    let seen = small.image.inside(Rows { from: (rows.from - 1).div_euclid(2), to: (rows.to + 2).div_euclid(2) });
    conv.forward(&small.get(seen)?)?.narrow(1, (rows.from - 2 * seen.from) as usize, rows.len())
}

/// Scale and shift of a norm, (channels) each, of an image that is seen in bands.
fn scales(norm: &GroupNorm, image: Image, band: usize, source: Source<'_>) -> Result<(Tensor, Tensor)> {
    let mut moments = Moments::default();
    for rows in image.bands(band) {
        norm.see(&source(rows)?.contiguous()?, &mut moments)?;
    }
    norm.scales(&moments)
}

impl ResBlock {
    /// The block's output over all bands of `source`, each given to `put` with its rows: what comes then sees at most two rows
    /// above the next band.
    fn in_bands(
        &self,
        image: Image,
        band: usize,
        source: Source<'_>,
        put: &mut dyn FnMut(Rows, Tensor) -> Result<()>,
    ) -> Result<()> {
        let first = scales(&self.norm1, image, band, source)?;
        let second = scales(&self.norm2, image, band, &|rows| self.middle(image, source, &first, rows))?;
        for rows in image.bands(band) {
            // Made once for both ways: the convolutions see two rows beyond each edge.
            let seen = image.around(rows, 2);
            let seen_x = source(seen)?.contiguous()?;
            let within = |rows: Rows| seen_x.narrow(1, (rows.from - seen.from) as usize, rows.len());
            let middle = |rows: Rows| self.middle(image, &within, &first, rows);
            let normalised = |rows: Rows| self.norm2.scaled_silu(&middle(rows)?.contiguous()?, &second);
            let x = within(rows)?.contiguous()?;
            let residual = match &self.shortcut {
                Some(shortcut) => shortcut.forward(&x)?,
                None => x,
            };
            put(rows, (residual + convolved(&self.conv2, image, rows, &normalised)?)?)?;
        }
        Ok(())
    }

    /// The rows of what the first convolution makes of `source`, whose norm has these scales.
    fn middle(&self, image: Image, source: Source<'_>, norm1: &(Tensor, Tensor), rows: Rows) -> Result<Tensor> {
        let normalised = |rows: Rows| self.norm1.scaled_silu(&source(rows)?.contiguous()?, norm1);
        convolved(&self.conv1, image, rows, &normalised)
    }

    /// The block's output over `small` with each pixel doubled by `up`.
    fn after_doubling(&self, up: &Conv3x3, small: Bands, values: usize) -> Result<Bands> {
        let image = Image { height: 2 * small.image.height, ..small.image };
        let width = 2 * small.width;
        let rows = rows_of(values, width * self.outputs);
        let mut bands = Vec::new();
        let small = std::cell::RefCell::new(small);
        self.in_bands(image, rows, &|rows| doubled(up, &small.borrow(), rows), &mut |rows, band| {
            bands.push(Some(band));
            // Of the small image the next band sees half as many rows, and one more.
            small.borrow_mut().free_before((rows.to - 2).div_euclid(2) - 1);
            Ok(())
        })?;
        Ok(Bands { image, rows, width, bands })
    }

    /// The block applied to `image` in its place.
    fn in_place(&self, image: Bands) -> Result<Bands> {
        // A band is replaced when no other needs its old rows any more: the next one sees two of them, and where the image wraps
        // the last sees those of the first.
        let (of, rows) = (image.image, image.rows);
        let old = std::cell::RefCell::new(image);
        let mut made: std::collections::VecDeque<Tensor> = Default::default();
        let (mut first, mut at) = (None, 0);
        let source = |rows: Rows| old.borrow().get(rows);
        self.in_bands(of, rows, &source, &mut |_, band| {
            made.push_back(band);
            if made.len() > 2
                && let Some(done) = made.pop_front()
            {
                match (at, of.wraps) {
                    (0, true) => first = Some(done),
                    _ => old.borrow_mut().bands[at] = Some(done),
                }
                at += 1;
            }
            Ok(())
        })?;
        let mut image = old.into_inner();
        for (i, done) in made.into_iter().enumerate() {
            image.bands[at + i] = Some(done);
        }
        if let Some(done) = first {
            image.bands[0] = Some(done);
        }
        Ok(image)
    }
}

impl Decoder {
    /// `levels` and the picture: `h` is what the level before has made, without its doubling `up`. Bands have about as many values
    /// as `values`.
    pub(super) fn in_bands<'a>(
        &'a self,
        h: Tensor,
        mut up: Option<&'a Conv3x3>,
        levels: &'a [Level],
        values: usize,
        wraps: bool,
        watch: &mut Watch<'_>,
    ) -> Watched<Tensor> {
        let mut bands = Bands::of(h, values, wraps)?;
        for (blocks, next) in levels {
            let mut blocks = blocks.iter();
            if let Some(up) = up
                && let Some(block) = blocks.next()
            {
                bands = block.after_doubling(up, bands, values)?;
                watch.done(2)?;
            }
            for block in blocks {
                bands = block.in_place(bands)?;
                watch.done(1)?;
            }
            up = next.as_ref();
        }
        let (image, rows) = (bands.image, bands.rows);
        let scales = scales(&self.norm_out, image, rows, &|rows| bands.get(rows))?;
        let normalised = |rows: Rows| self.norm_out.scaled_silu(&bands.get(rows)?, &scales);
        let pictures = image.bands(rows).map(|rows| convolved(&self.conv_out, image, rows, &normalised));
        let y = Tensor::cat(&pictures.collect::<Result<Vec<_>>>()?, 1)?;
        watch.done(1)?;
        Ok(y)
    }
}
