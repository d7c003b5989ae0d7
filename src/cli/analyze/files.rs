//! The folder of an analysis.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::pictures::{Compared, Sheet};
use super::subject::Subject;
use super::{AnalyzeArgs, DiffColor};
use crate::cli::args::PromptArgs;
use crate::cli::cells;
use crate::cli::exit::Failure;
use crate::cli::report as talk;
use crate::image_io::{Existing, write_file, write_png};
use crate::study::analyzer::{AnalysisPlan, Cell, layout};
use crate::study::grid::{Fonts, Labels, Layout};
use crate::study::report::Report;
use crate::study::report_html;

pub struct Folder(PathBuf);

impl Folder {
    /// Opens the folder, new or with an analysis of the same prompt, whose drawn seed is then taken again.
    pub fn open(path: &Path, subject: &mut Subject, prompt: &PromptArgs) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::file(format!("{}: {e}", path.display()));
        let folder = Folder(path.to_owned());
        std::fs::create_dir_all(path).map_err(failed)?;
        let file = folder.path("request.json");
        if file.exists() {
            let damaged = |e: String| Failure::file(format!("{}: {e}", file.display()));
            let text = std::fs::read_to_string(&file).map_err(|e| damaged(e.to_string()))?;
            let was: Value = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
            if was["prompt"] != *subject.request.prompt.text {
                let why = "the folder holds the analysis of another prompt; choose another one with -o";
                return Err(Failure::text(format!("{}: {why}", path.display())));
            }
            let is_drawn =
                prompt.seed.is_none_or(|seed| seed < 0) && !prompt.prompts.iter().any(|p| p.contains("Seed: "));
            if let Some(seed) = was["seed"].as_u64().filter(|_| is_drawn) {
                talk::note(&format!("going on with seed {seed}"));
                subject.request.settings.seed = seed;
                return Ok(folder);
            }
        }
        let seed = subject.request.settings.seed;
        let request = json!({ "prompt": *subject.request.prompt.text, "seed": seed }).to_string();
        folder.replace("request.json", request.as_bytes())?;
        talk::note(&format!("seed {seed}"));
        Ok(folder)
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
        args: &AnalyzeArgs,
        plan: &AnalysisPlan,
        tables: &[Compared],
        sheets: &[Sheet],
    ) -> Result<Vec<String>, Failure> {
        let failed = |e: crate::study::grid::GridError| Failure::text(e.to_string());
        let mut names = Vec::new();
        let mut fonts = Fonts::system();
        for ((table, compared), sheet) in plan.tables.iter().zip(tables).zip(sheets) {
            let grid = layout(table.ids.len(), compared.labels.clone(), &table.value, args.swap_axes);
            let columns = grid.x_labels.len();
            let labels = Labels { columns: grid.x_labels, rows: grid.y_labels, corner: table.origin.clone() };
            let full = cells::read(&sheet.full)?;
            let layout = Layout::new(&labels, full.dimensions(), &mut fonts).map_err(failed)?;
            let mut page = layout.sheet();
            for (at, cell) in grid.cells.iter().enumerate() {
                let picture = match cell {
                    Cell::Difference(id) => cells::read(&compared.differences[*id])?,
                    Cell::Modified(id) => cells::read(&sheet.changed[*id])?,
                    Cell::Reference => full.clone(),
                };
                page.put(at % columns, at / columns, &picture).map_err(failed)?;
            }
            let suffix = if args.diff_color == DiffColor::White { "-white" } else { "" };
            let name = format!("grid-{}{suffix}.png", sheet.seed);
            let written = write_png(&self.path(&name), &page.into_image(), "", None, Existing::Replace);
            written.map_err(|e| Failure::file(e.to_string()))?;
            names.push(name);
        }
        if let Some(notice) = fonts.notice() {
            talk::note(&notice);
        }
        Ok(names)
    }

    /// Writes the report in its three forms.
    pub fn write(&self, report: &Report) -> Result<(), Failure> {
        let text = |e: &dyn std::fmt::Display| Failure::text(e.to_string());
        let json = serde_json::to_string_pretty(report).map_err(|e| text(&e))?;
        let csv = report.csv().map_err(|e| text(&e))?;
        let html = report_html::page(report, &mut |name| cells::read(&self.path(name)))?;
        self.replace("analysis.json", json.as_bytes())?;
        self.replace("analysis.csv", csv.as_bytes())?;
        self.replace("analysis.html", html.as_bytes())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        write_file(&self.path(name), bytes, Existing::Replace).map_err(|e| Failure::file(e.to_string()))
    }
}
