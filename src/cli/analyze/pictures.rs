//! The pictures of an analysis: drawn once each, then compared.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::files::Folder;
use super::subject::{Subject, factors};
use super::{AnalyzeArgs, DiffColor};
use crate::cli::cells::{self, Job};
use crate::cli::exit::Failure;
use crate::cli::painter::Painter;
use crate::engine::Event;
use crate::image_io;
use crate::study::analyzer::{AnalysisPlan, Comparison, Table};
use crate::study::metrics::{Change, Measured};
use crate::study::report::{Pictures, References, Work};
use crate::study::suggest::Errors;

/// An open engine, and what its work has cost.
pub struct Session<'a> {
    pub painter: &'a mut Painter,
    pub subject: &'a Subject,
    pub folder: &'a Folder,
    pub args: &'a AnalyzeArgs,
    pub work: Work,
    /// How many modules each block changes.
    pub modules: Vec<usize>,
    pub seeds: Vec<i64>,
}

/// The files of one seed.
pub struct Sheet {
    pub seed: i64,
    pub base: PathBuf,
    pub full: PathBuf,
    /// One for each block; that of the whole LoRA where the block changes nothing.
    pub changed: Vec<PathBuf>,
}

/// What one seed says.
pub struct Compared {
    pub base_to_full: Change,
    pub blocks: Vec<OneBlock>,
    /// The labels of the grid.
    pub labels: Vec<String>,
    /// The files of the differences.
    pub differences: Vec<PathBuf>,
}

pub struct OneBlock {
    /// From the changed picture to the whole LoRA's.
    pub effect: Change,
    /// From the plain base to the changed picture.
    pub left: Change,
    pub pictures: Pictures,
}

impl<'a> Session<'a> {
    pub fn new(painter: &'a mut Painter, subject: &'a Subject, folder: &'a Folder, args: &'a AnalyzeArgs) -> Self {
        let (work, modules, seeds) = Default::default();
        Session { painter, subject, folder, args, work, modules, seeds }
    }

    /// Draws the plain base, the whole LoRA and each block's picture for every seed.
    pub fn sheets(&mut self, plan: &AnalysisPlan) -> Result<Vec<Sheet>, Failure> {
        let mut jobs = Vec::new();
        for table in &plan.tables {
            let reference = &plan.runs[table.reference];
            let full = self.subject.plan(reference)?;
            if jobs.is_empty() {
                self.painter.check_loras(std::slice::from_ref(&full))?;
            }
            let networks = self.painter.networks(&full)?;
            let full_factors = factors(&full, &networks);
            let seed = reference.seed;
            self.seeds.push(seed);
            jobs.push(Job { name: format!("{seed}-base"), plan: self.subject.base(seed)? });
            jobs.push(Job { name: format!("{seed}-full"), plan: full.clone() });
            self.modules.clear();
            for (id, run) in table.ids.iter().zip(&table.modified) {
                let changed = self.subject.plan(&plan.runs[*run])?;
                let of_block = factors(&changed, &networks);
                let modules = of_block.iter().zip(&full_factors).filter(|(p, q)| p != q).count();
                self.modules.push(modules);
                let plan = if modules == 0 { full.clone() } else { changed };
                jobs.push(Job { name: format!("{seed}-{id}"), plan });
            }
        }
        let paths = self.draw(&jobs)?;
        let mut paths = paths.into_iter();
        let mut sheets = Vec::new();
        for (table, seed) in plan.tables.iter().zip(self.seeds.clone()) {
            let mut next = || paths.next().ok_or_else(|| Failure::file("a picture is missing"));
            let (base, full) = (next()?, next()?);
            let changed = table.ids.iter().map(|_| next()).collect::<Result<_, _>>()?;
            sheets.push(Sheet { seed, base, full, changed });
        }
        Ok(sheets)
    }

    /// Draws what is not there yet and counts the work.
    pub fn draw(&mut self, jobs: &[Job]) -> Result<Vec<PathBuf>, Failure> {
        let (mut evaluations, mut text_encodings) = (0, 0);
        let mut observe = |event: &Event<'_>| match event {
            Event::Predicted { .. } => evaluations += 1,
            Event::Encoded => text_encodings += 1,
            _ => {}
        };
        let cells = cells::draw(self.painter, jobs, &self.folder.cells(), self.args.json, &mut observe)?;
        self.work.evaluations += evaluations;
        self.work.text_encodings += text_encodings;
        self.work.drawn += cells.drawn;
        Ok(cells.paths)
    }

    /// Compares the pictures of one seed and writes the differences.
    pub fn compare(&self, table: &Table, sheet: &Sheet) -> Result<Compared, Failure> {
        let wrong = |e: crate::study::analyzer::Error| Failure::text(e.to_string());
        let (base, full) = (Measured::new(&cells::read(&sheet.base)?), cells::read(&sheet.full)?);
        let measured_full = Measured::new(&full);
        let white = self.args.diff_color == DiffColor::White;
        let mut compared = Compared {
            base_to_full: base.change_to(&measured_full),
            blocks: Vec::new(),
            labels: Vec::new(),
            differences: Vec::new(),
        };
        for (id, path) in table.ids.iter().zip(&sheet.changed) {
            let picture = cells::read(path)?;
            let measured = Measured::new(&picture);
            let comparison = Comparison::new(&full, &[&picture], self.args.threshold.trim(), white).map_err(wrong)?;
            compared.labels.extend(comparison.labels(std::slice::from_ref(id)));
            let difference = self.folder.difference(path, white);
            for pixels in &comparison.differences {
                write_difference(path, &difference, pixels)?;
            }
            compared.blocks.push(OneBlock {
                effect: measured.change_to(&measured_full),
                left: base.change_to(&measured),
                pictures: Pictures {
                    seed: sheet.seed,
                    changed: self.folder.relative(path),
                    difference: self.folder.relative(&difference),
                    percent: comparison.percents.first().copied().unwrap_or(0.0),
                },
            });
            compared.differences.push(difference);
        }
        Ok(compared)
    }
}

/// The difference tells how the changed picture was made.
fn write_difference(of: &Path, path: &Path, pixels: &image::RgbImage) -> Result<(), Failure> {
    let failed = |e: image_io::Error| Failure::file(e.to_string());
    let text = image_io::read_text(of).map_err(failed)?;
    let parameters = text.parameters.unwrap_or_default();
    image_io::write_png(path, pixels, &parameters, text.plan.as_deref(), image_io::Existing::Replace).map_err(failed)
}

impl Sheet {
    pub fn references(&self, folder: &Folder) -> References {
        References { seed: self.seed, base: folder.relative(&self.base), full: folder.relative(&self.full) }
    }
}

/// How many distinct pictures there are.
pub fn distinct(sheets: &[Sheet]) -> usize {
    let all = sheets.iter().flat_map(|s| [&s.base, &s.full].into_iter().chain(&s.changed));
    all.collect::<HashSet<_>>().len()
}

/// Mean errors: `left` leads from the plain base to the pictures, `effects` from the pictures to the whole LoRA's (nothing
/// where they are these).
pub fn errors_of(left: &[Change], effects: &[Change]) -> Errors {
    let mean = |of: &dyn Fn(&Change) -> f64| left.iter().map(of).sum::<f64>() / left.len().max(1) as f64;
    Errors {
        colors: mean(&|c| c.balance),
        lines: mean(&Change::line_error),
        kept: Change::mean(effects).map_or(1.0, |c| c.coarse_ssim),
    }
}
