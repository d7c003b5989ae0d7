//! Grids of pictures with labels: equally large cells, a label over each column and beside each row, a text in the
//! corner, black on white as webui draws them.
//!
//! A [`Layout`] knows where everything goes and how large the grid will be before any memory is taken; a [`Sheet`] takes
//! the cells one by one, in any order, so that they need not be in memory together. Labels are wrapped, then made smaller
//! down to a size that can still be read, then cut with an ellipsis: they never run into each other.
//!
//! ```
//! use image::RgbImage;
//! use lbw::study::grid::{Fonts, Labels, Layout};
//! let labels = Labels { columns: vec!["IN04".into(), "IN05".into()], rows: vec!["0".into()], corner: "house".into() };
//! let layout = Layout::new(&labels, (64, 64), &mut Fonts::embedded())?;
//! let mut sheet = layout.sheet();
//! sheet.put(0, 0, &RgbImage::new(64, 64))?;
//! let (width, height) = layout.size();
//! assert_eq!(sheet.into_image().dimensions(), (width, height));
//! # Ok::<(), lbw::study::grid::GridError>(())
//! ```

mod fonts;
#[cfg(test)]
mod tests;
mod text;

pub use fonts::{FontError, Fonts};

use image::{Rgb, RgbImage};

use text::{Fit, Text};

use crate::diagnostic::{self, Said};
use crate::say;

/// The largest grid, in pixels: 0.8 GB while it is drawn.
pub const PIXEL_LIMIT: u64 = 1 << 28;

/// What stands around the cells. A grid has as many columns and rows as there are labels; labels may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Above the columns, from the left.
    pub columns: Vec<String>,
    /// Left of the rows, from the top.
    pub rows: Vec<String>,
    /// The text in the upper left.
    pub corner: String,
}

/// Why a grid cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum GridError {
    Empty,
    TooLarge { width: u64, height: u64 },
    CellSize { expected: (u32, u32), found: (u32, u32) },
    NoCell { column: usize, row: usize },
}

impl Said for GridError {
    fn said(&self) -> diagnostic::Text {
        match self {
            GridError::Empty => say!(
                "a grid needs at least one column, one row and cells of one pixel",
                "グリッドには少なくとも 1 列、1 行と 1 ピクセルの画像が必要です"
            ),
            GridError::TooLarge { width, height } => say!(
                "the grid would be {width}×{height} pixels; {PIXEL_LIMIT} pixels are possible",
                "グリッドが {width}×{height} ピクセルになります。{PIXEL_LIMIT} ピクセルまでです"
            ),
            GridError::CellSize { expected, found } => say!(
                "a cell of {found:?} pixels does not fit a grid of cells of {expected:?} pixels",
                "{found:?} ピクセルの画像は {expected:?} ピクセルのグリッドに入りません"
            ),
            GridError::NoCell { column, row } => {
                say!("there is no cell in column {column}, row {row}", "列 {column}、行 {row} にセルはありません")
            }
        }
    }
}

/// Where cells and labels go.
#[derive(Debug, Clone)]
pub struct Layout {
    cell: (u32, u32),
    columns: u32,
    rows: u32,
    /// Between cells, and around texts.
    gap: u32,
    /// Width of the row labels and height of the column labels.
    margin: (u32, u32),
    /// Placed texts: centre, glyphs.
    texts: Vec<((f32, f32), Text)>,
    size: (u32, u32),
}

impl Layout {
    /// The layout of a grid of cells of `cell` (width, height) pixels.
    pub fn new(labels: &Labels, cell: (u32, u32), fonts: &mut Fonts) -> Result<Self, GridError> {
        let (width, height) = cell;
        if labels.columns.is_empty() || labels.rows.is_empty() || width == 0 || height == 0 {
            return Err(GridError::Empty);
        }
        let gap = (width.min(height) / 64).max(2);
        let too_large = |width: u64, height: u64| GridError::TooLarge { width, height };
        let count = |labels: &[String]| u32::try_from(labels.len()).unwrap_or(u32::MAX);
        let (columns, rows) = (count(&labels.columns), count(&labels.rows));
        let span = |count: u32, side: u32| u64::from(count) * (u64::from(side) + u64::from(gap));
        let cells = (span(columns, width), span(rows, height));
        if cells.0.saturating_mul(cells.1) > PIXEL_LIMIT {
            return Err(too_large(cells.0, cells.1));
        }
        let fit =
            |width: u32, height: u32| Fit { largest: font_size(cell), width: width as f32, height: height as f32 };

        let beside = fit((width * 3 / 4).max(SMALLEST_MARGIN), height);
        let row_texts: Vec<Text> = labels.rows.iter().map(|label| beside.text(label, fonts)).collect();
        let over = fit(width, height.max(SMALLEST_MARGIN));
        let column_texts: Vec<Text> = labels.columns.iter().map(|label| over.text(label, fonts)).collect();
        let corner = Fit { height: over.height, ..beside }.text(&labels.corner, fonts);

        let outer = |inner: f32| if inner > 0.0 { inner.ceil() as u32 + 4 * gap } else { 0 };
        let widest = row_texts.iter().chain([&corner]).map(|t| t.width()).fold(0.0, f32::max);
        let tallest = column_texts.iter().chain([&corner]).map(|t| t.height()).fold(0.0, f32::max);
        let margin = (outer(widest), outer(tallest));
        let total = (cells.0 + u64::from(margin.0 + gap), cells.1 + u64::from(margin.1 + gap));
        if total.0 * total.1 > PIXEL_LIMIT {
            return Err(too_large(total.0, total.1));
        }
        let mut layout =
            Layout { cell, columns, rows, gap, margin, texts: Vec::new(), size: (total.0 as u32, total.1 as u32) };
        let (left, top) = (margin.0 as f32 / 2.0, margin.1 as f32 / 2.0);
        let mut texts = vec![((left, top), corner)];
        for (column, text) in (0..).zip(column_texts) {
            texts.push(((layout.left(column) as f32 + width as f32 / 2.0, top), text));
        }
        for (row, text) in (0..).zip(row_texts) {
            texts.push(((left, layout.top(row) as f32 + height as f32 / 2.0), text));
        }
        layout.texts = texts;
        Ok(layout)
    }

    /// Width and height of the grid in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The sheet with all labels and no cells yet.
    pub fn sheet(&self) -> Sheet<'_> {
        let mut image = RgbImage::from_pixel(self.size.0, self.size.1, PAPER);
        for (centre, text) in &self.texts {
            text.draw(&mut image, *centre);
        }
        Sheet { layout: self, image }
    }

    fn left(&self, column: u32) -> u32 {
        self.margin.0 + self.gap + column * (self.cell.0 + self.gap)
    }

    fn top(&self, row: u32) -> u32 {
        self.margin.1 + self.gap + row * (self.cell.1 + self.gap)
    }
}

const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// Room for a label beside or over small cells, in pixels.
const SMALLEST_MARGIN: u32 = 120;

/// The size of labels, in pixels per em, where there is room.
fn font_size(cell: (u32, u32)) -> f32 {
    (cell.0.min(cell.1) as f32 / 14.0).clamp(13.0, 64.0)
}

/// A grid being filled.
pub struct Sheet<'l> {
    layout: &'l Layout,
    image: RgbImage,
}

impl Sheet<'_> {
    /// Puts a picture into its cell.
    pub fn put(&mut self, column: usize, row: usize, picture: &RgbImage) -> Result<(), GridError> {
        let layout = self.layout;
        if picture.dimensions() != layout.cell {
            return Err(GridError::CellSize { expected: layout.cell, found: picture.dimensions() });
        }
        let place = |index: usize, count: u32| u32::try_from(index).ok().filter(|i| *i < count);
        let (Some(x), Some(y)) = (place(column, layout.columns), place(row, layout.rows)) else {
            return Err(GridError::NoCell { column, row });
        };
        image::imageops::replace(&mut self.image, picture, layout.left(x).into(), layout.top(y).into());
        Ok(())
    }

    /// The picture as far as its cells were put in.
    pub fn into_image(self) -> RgbImage {
        self.image
    }
}
