//! The folder of an analysis.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Wish;
use super::pictures::{Compared, Sheet};
use super::subject::Subject;
use crate::app::draw::{Event, Sink};
use crate::app::error::{Error, Result};
use crate::app::store::read_cell;
use crate::diagnostic::{Diagnostic, code};
use crate::image_io::{Existing, write_file, write_png};
use crate::say;
use crate::study::analyzer::{AnalysisPlan, Cell, layout};
use crate::study::grid::{Fonts, Labels, Layout};
use crate::study::report::Report;
use crate::study::report_html;

pub struct Folder(PathBuf);

impl Folder {
    /// Opens the folder, new or with an analysis of the same prompt, whose drawn seed is then taken again.
    pub fn open(path: &Path, subject: &mut Subject, sink: &mut dyn Sink) -> Result<Self> {
        let folder = Folder(path.to_owned());
        std::fs::create_dir_all(path).map_err(|e| Error::writing(path, &e))?;
        let file = folder.path("request.json");
        if file.exists() {
            let was = folder.request(&file)?;
            if was["prompt"] != *subject.request.prompt.text {
                let path = path.display();
                let message = say!(
                    "{path}: the folder holds the analysis of another prompt",
                    "{path}: 別のプロンプトの分析が入っています"
                );
                return Err(Error::words(code::OTHER_FOLDER, message)
                    .help(say!("choose another one with -o", "-o で別のフォルダーを指定してください")));
            }
            if let Some(earlier) = was["seed"].as_u64().filter(|_| subject.open_seed) {
                subject.request.settings.seed = earlier;
                say_seed(say!("going on with seed {earlier}", "シード {earlier} で続けます"), sink);
                return Ok(folder);
            }
        }
        let seed = subject.request.settings.seed;
        let request = json!({ "prompt": *subject.request.prompt.text, "seed": seed }).to_string();
        folder.replace("request.json", request.as_bytes())?;
        say_seed(say!("seed {seed}", "シード {seed}"), sink);
        Ok(folder)
    }

    fn request(&self, file: &Path) -> Result<Value> {
        let text = std::fs::read_to_string(file).map_err(|e| Error::reading(file, &e))?;
        serde_json::from_str(&text).map_err(|e| {
            let file = file.display();
            Error::file(code::UNUSABLE_FILE, say!("{file}: {e}", "{file}: {e}"))
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn cells(&self) -> PathBuf {
        self.path("cells")
    }

    /// The file of the difference between a cell and the whole LoRA's picture.
    pub fn difference(&self, cell: &Path, white: bool) -> PathBuf {
        let name = cell.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        self.path("cells").join(format!("{name}-{}.png", if white { "diff-white" } else { "diff" }))
    }

    /// A file's name as seen from the folder.
    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.0).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }

    /// Draws the extension's grid for each seed; gives the names of the files.
    pub fn grids(
        &self,
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
            write_png(&self.path(&name), &page.into_image(), "", None, Existing::Replace)?;
            names.push(name);
        }
        if let Some(notice) = fonts.notice() {
            let found = Diagnostic::new(code::FONT, notice);
            sink.event(Event::Found(&found));
        }
        Ok(names)
    }

    /// Writes the report in its three forms.
    pub fn write(&self, report: &Report) -> Result<()> {
        let unwritable = |e: &dyn std::fmt::Display| Error::file(code::NOT_WRITTEN, say!("{e}", "{e}"));
        let json = serde_json::to_string_pretty(report).map_err(|e| unwritable(&e))?;
        let csv = report.csv().map_err(|e| unwritable(&e))?;
        let html = report_html::page(report, &mut |name| read_cell(&self.path(name)))?;
        self.replace("analysis.json", json.as_bytes())?;
        self.replace("analysis.csv", csv.as_bytes())?;
        self.replace("analysis.html", html.as_bytes())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(write_file(&self.path(name), bytes, Existing::Replace)?)
    }
}

fn say_seed(message: crate::diagnostic::Text, sink: &mut dyn Sink) {
    sink.event(Event::Found(&Diagnostic::new(code::SEED, message)));
}
