//! The pictures of an analysis: drawn once each, then compared.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Wish;
use super::grids::difference;
use crate::app::draw::Sink;
use crate::app::easel::{Easel, missing};
use crate::app::error::Result;
use crate::app::folder::Folder;
use crate::app::renderer::Renderer;
use crate::app::store::read_cell;
use crate::app::subject::{Subject, factors, idle};
use crate::image_io;
use crate::plan::Plan;
use crate::study::analyzer::{AnalysisPlan, Comparison, Table};
use crate::study::metrics::{Change, Measured};
use crate::study::report::{Pictures, References};
use crate::study::suggest::Errors;
use crate::study::words::Idle;

/// What is drawn, and who draws it.
pub struct Drawing<'a> {
    pub easel: Easel<'a>,
    pub subject: &'a Subject,
    pub folder: &'a Folder,
    pub wish: &'a Wish,
    /// How many modules each block changes, and why it changes none.
    pub changing: Vec<(usize, Option<Idle>)>,
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

impl<'a> Drawing<'a> {
    pub fn new(
        renderer: &'a mut dyn Renderer,
        subject: &'a Subject,
        folder: &'a Folder,
        wish: &'a Wish,
        sink: &'a mut dyn Sink,
    ) -> Self {
        let easel = Easel::new(renderer, &subject.model, folder.cells(), sink);
        let (changing, seeds) = Default::default();
        Drawing { easel, subject, folder, wish, changing, seeds }
    }

    /// The plain base, the whole LoRA and each block's picture for every seed.
    pub fn plans(&mut self, plan: &AnalysisPlan) -> Result<Vec<(String, Plan)>> {
        let mut jobs = Vec::new();
        for table in &plan.tables {
            let reference = &plan.runs[table.reference];
            let full = self.subject.plan(reference)?;
            if jobs.is_empty() {
                self.easel.check(&full)?;
            }
            let networks = self.easel.renderer.modules(&full, &self.subject.model)?;
            let full_factors = factors(&full, &networks);
            let seed = reference.seed;
            self.seeds.push(seed);
            jobs.push((format!("{seed}-base"), self.subject.base(seed)?));
            jobs.push((format!("{seed}-full"), full.clone()));
            self.changing.clear();
            for (id, run) in table.ids.iter().zip(&table.modified) {
                let changed = self.subject.plan(&plan.runs[*run])?;
                let of_block = factors(&changed, &networks);
                let modules = of_block.iter().zip(&full_factors).filter(|(p, q)| p != q).count();
                self.changing.push((modules, (modules == 0).then(|| idle(&changed, &full, &networks))));
                let plan = if modules == 0 { full.clone() } else { changed };
                jobs.push((format!("{seed}-{id}"), plan));
            }
        }
        Ok(jobs)
    }

    /// Draws them.
    pub fn sheets(&mut self, plan: &AnalysisPlan) -> Result<Vec<Sheet>> {
        let plans = self.plans(plan)?;
        let mut paths = self.easel.draw(plans)?.into_iter();
        let mut sheets = Vec::new();
        for (table, seed) in plan.tables.iter().zip(self.seeds.clone()) {
            let mut next = || paths.next().ok_or_else(missing);
            let (base, full) = (next()?, next()?);
            let changed = table.ids.iter().map(|_| next()).collect::<Result<_>>()?;
            sheets.push(Sheet { seed, base, full, changed });
        }
        Ok(sheets)
    }

    /// Compares the pictures of one seed and writes the differences.
    pub fn compare(&self, table: &Table, sheet: &Sheet) -> Result<Compared> {
        let (base, full) = (Measured::new(&read_cell(&sheet.base)?), read_cell(&sheet.full)?);
        let measured_full = Measured::new(&full);
        let white = self.wish.white;
        let mut compared = Compared {
            base_to_full: base.change_to(&measured_full),
            blocks: Vec::new(),
            labels: Vec::new(),
            differences: Vec::new(),
        };
        for (id, path) in table.ids.iter().zip(&sheet.changed) {
            let picture = read_cell(path)?;
            let measured = Measured::new(&picture);
            let comparison = Comparison::new(&full, &[&picture], self.wish.threshold.trim(), white)?;
            compared.labels.extend(comparison.labels(std::slice::from_ref(id)));
            let difference = difference(self.folder, path, white);
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
fn write_difference(of: &Path, path: &Path, pixels: &image::RgbImage) -> Result<()> {
    // Without the plan: it is not the picture of that.
    let parameters = image_io::read_text(of)?.parameters.unwrap_or_default();
    Ok(image_io::write_png(path, pixels, &parameters, None, image_io::Existing::Replace)?)
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
