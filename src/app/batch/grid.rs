//! All pictures of a batch in one.

use std::path::{Path, PathBuf};

use super::run::Running;
use crate::app::error::{Error, Result};
use crate::app::store::read_cell;
use crate::diagnostic::code;
use crate::image_io::{Existing, encode_png, write_file};
use crate::say;
use crate::study::grid::{Fonts, Labels, Layout};

/// Writes `grid.png` with all pictures in the order of the lines, in about a square; gives its path.
pub fn draw_grid(folder: &Path, running: &Running) -> Result<PathBuf> {
    let pictures = &running.pictures;
    let cell = pictures.first().map(|(_, width, height)| (*width, *height)).unwrap_or_default();
    if pictures.iter().any(|(_, width, height)| (*width, *height) != cell) {
        let message = say!("--grid: the pictures are not all of one size", "--grid: 画像の大きさがそろっていません");
        return Err(Error::words(code::USAGE, message)
            .help(say!("the pictures themselves are done", "画像そのものはできています")));
    }
    let columns = (pictures.len() as f64).sqrt().ceil().max(1.0) as usize;
    let rows = pictures.len().div_ceil(columns);
    let labels =
        Labels { columns: vec![String::new(); columns], rows: vec![String::new(); rows], corner: String::new() };
    let layout = Layout::new(&labels, cell, &mut Fonts::embedded())?;
    let mut sheet = layout.sheet();
    for (n, (file, ..)) in pictures.iter().enumerate() {
        sheet.put(n % columns, n / columns, &read_cell(file)?)?;
    }
    let path = folder.join("grid.png");
    write_file(&path, &encode_png(&sheet.into_image(), "", None)?, Existing::Replace)?;
    Ok(path)
}
