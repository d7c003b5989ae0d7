//! Working on a picture in tiles that overlap, with webui's seams.

use std::ops::ControlFlow;

use super::{Result, UpscaleError};
use crate::picture::{Gray, Rgb};

/// webui's options `ESRGAN_tile` and `ESRGAN_tile_overlap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a tile; 0 for none.
    pub tile: usize,
    /// How much of a tile its neighbour shows too.
    pub overlap: usize,
}

impl Default for Tiling {
    fn default() -> Self {
        Tiling { tile: 192, overlap: 8 }
    }
}

impl Tiling {
    /// The picture `scale` times as large, made tile by tile. A tile that is larger than the picture begins outside of it, where
    /// it is black, as in webui.
    pub(super) fn run(
        &self,
        picture: &Rgb,
        scale: usize,
        enlarge: &mut dyn FnMut(&Rgb) -> Result<Rgb>,
        watch: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Rgb> {
        let Tiling { tile, overlap } = *self;
        if tile == 0 {
            return watched(enlarge(picture)?, watch(1, 1));
        }
        if overlap >= tile {
            return Err(UpscaleError::Overlap { tile, overlap });
        }
        let (columns, rows) = (places(picture.width, tile, overlap), places(picture.height, tile, overlap));
        let (side, seam) = (tile * scale, overlap * scale);
        let mut whole = Rgb::filled(picture.width * scale, picture.height * scale, [0; 3]);
        let across = ramp(seam).repeated_down(side);
        let down = ramp(seam).upright().repeated_across(whole.width);
        for (j, y) in rows.iter().enumerate() {
            let mut row = Rgb::filled(whole.width, side, [0; 3]);
            for (i, x) in columns.iter().enumerate() {
                let large = enlarge(&picture.crop(*x, *y, tile, tile))?;
                let x = *x * scale as i64;
                if x == 0 {
                    row.paste(&large, 0, 0);
                } else {
                    row.paste_through(&large.crop(0, 0, seam, side), &across, x, 0);
                    row.paste(&large.crop(seam as i64, 0, side - seam, side), x + seam as i64, 0);
                }
                watched((), watch(j * columns.len() + i + 1, columns.len() * rows.len()))?;
            }
            let y = *y * scale as i64;
            if y == 0 {
                whole.paste(&row, 0, 0);
            } else {
                whole.paste_through(&row.crop(0, 0, row.width, seam), &down, 0, y);
                whole.paste(&row.crop(0, seam as i64, row.width, side - seam), 0, y + seam as i64);
            }
        }
        Ok(whole)
    }
}

fn watched<T>(value: T, answer: ControlFlow<()>) -> Result<T> {
    if answer.is_break() { Err(UpscaleError::Interrupted) } else { Ok(value) }
}

/// Where the tiles of a side of `len` begin: spread evenly, the last flush with the end.
fn places(len: usize, tile: usize, overlap: usize) -> Vec<i64> {
    // One tile at least, where webui fails.
    let count = len.saturating_sub(overlap).div_ceil(tile - overlap).max(1);
    let last = len as i64 - tile as i64;
    let step = if count > 1 { last as f64 / (count - 1) as f64 } else { 0.0 };
    let place = |i: usize| {
        let at = (i as f64 * step) as i64;
        if at + tile as i64 >= len as i64 { last } else { at }
    };
    (0..count).map(place).collect()
}

/// A line of `len` values that grow from 0 nearly to 255.
fn ramp(len: usize) -> Gray {
    let value = |i: usize| (i as f32 * 255.0 / len as f32) as u8;
    Gray { width: len, height: 1, bytes: (0..len).map(value).collect() }
}

impl Gray {
    fn repeated_down(&self, times: usize) -> Gray {
        Gray { width: self.width, height: self.height * times, bytes: self.bytes.repeat(times) }
    }

    /// A line becomes a column.
    fn upright(self) -> Gray {
        Gray { width: self.height, height: self.width, ..self }
    }

    /// A column becomes that many columns.
    fn repeated_across(&self, times: usize) -> Gray {
        let bytes = self.bytes.iter().flat_map(|v| std::iter::repeat_n(*v, times)).collect();
        Gray { width: times, height: self.height, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_side_and_the_last_ends_with_it() {
        assert_eq!(places(37, 16, 4), [0, 10, 21]);
        assert_eq!(places(16, 16, 4), [0]);
        assert_eq!(places(10, 16, 4), [-6]);
        assert_eq!(places(3, 16, 4), [-13], "less than the overlap");
        assert_eq!(places(200, 192, 8), [0, 8]);
    }

    #[test]
    fn tiles_that_do_nothing_give_the_picture_back() {
        let bytes: Vec<u8> = (0..3 * 29 * 23u32).map(|i| (i * 7 % 256) as u8).collect();
        let picture = Rgb { width: 29, height: 23, bytes };
        for (tile, overlap) in [(0, 8), (8, 0), (8, 3), (16, 15), (192, 8)] {
            let mut same = |tile: &Rgb| Ok(tile.clone());
            let whole = Tiling { tile, overlap }.run(&picture, 1, &mut same, &mut |_, _| ControlFlow::Continue(()));
            // Where tiles overlap, a blend of two equal values is that value.
            assert_eq!(whole.unwrap(), picture, "{tile} {overlap}");
        }
    }

    #[test]
    fn the_work_can_be_stopped_and_impossible_tiles_are_refused() {
        let picture = Rgb::filled(20, 20, [1; 3]);
        let mut same = |tile: &Rgb| Ok(tile.clone());
        let stopped = Tiling { tile: 8, overlap: 2 }.run(&picture, 1, &mut same, &mut |done, all| {
            assert_eq!(all, 9);
            if done < 4 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert!(matches!(stopped, Err(UpscaleError::Interrupted)));
        let refused = Tiling { tile: 8, overlap: 8 }.run(&picture, 1, &mut same, &mut |_, _| ControlFlow::Continue(()));
        assert!(matches!(refused, Err(UpscaleError::Overlap { tile: 8, overlap: 8 })));
    }
}
