//! The extension's grids, and the files of the differences in them.

use std::path::{Path, PathBuf};

use super::Wish;
use super::pictures::{Compared, Sheet};
use crate::app::draw::{Event, Sink};
use crate::app::error::Result;
use crate::app::folder::Folder;
use crate::app::store::read_cell;
use crate::diagnostic::{Diagnostic, code};
use crate::image_io::{Existing, write_png};
use crate::study::analyzer::{AnalysisPlan, Cell, layout};
use crate::study::grid::{Fonts, Labels, Layout};

/// The file of the difference between a cell and the whole LoRA's picture.
pub fn difference(folder: &Folder, cell: &Path, white: bool) -> PathBuf {
    let name = cell.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    folder.cells().join(format!("{name}-{}.png", if white { "diff-white" } else { "diff" }))
}

/// Draws the extension's grid for each seed; gives the names of the files.
pub fn grids(
    folder: &Folder,
    wish: &Wish,
    plan: &AnalysisPlan,
    tables: &[Compared],
    sheets: &[Sheet],
    sink: &mut dyn Sink,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut fonts = Fonts::system();
    for ((table, compared), sheet) in plan.tables.iter().zip(tables).zip(sheets) {
        let grid = layout(table.ids.len(), compared.labels.clone(), &table.value, wish.swap_axes);
        let columns = grid.x_labels.len();
        let labels = Labels { columns: grid.x_labels, rows: grid.y_labels, corner: table.origin.clone() };
        let full = read_cell(&sheet.full)?;
        let layout = Layout::new(&labels, full.dimensions(), &mut fonts)?;
        let mut page = layout.sheet();
        for (at, cell) in grid.cells.iter().enumerate() {
            let picture = match cell {
                Cell::Difference(id) => read_cell(&compared.differences[*id])?,
                Cell::Modified(id) => read_cell(&sheet.changed[*id])?,
                Cell::Reference => full.clone(),
            };
            page.put(at % columns, at / columns, &picture)?;
        }
        let name = format!("grid-{}{}.png", sheet.seed, if wish.white { "-white" } else { "" });
        write_png(&folder.path(&name), &page.into_image(), "", None, Existing::Replace)?;
        names.push(name);
    }
    if let Some(notice) = fonts.notice() {
        let found = Diagnostic::new(code::FONT, notice);
        sink.event(Event::Found(&found));
    }
    Ok(names)
}
