//! The Effective Block Analyzer: one image per block with that block's weight changed, each compared with the image in
//! which nothing is changed.

use image::RgbImage;

use super::xyz_weights::{Axis, AxisKind, CELL_LIMIT, Error as PlotError, Request, Run, all_blocks};
use crate::diagnostic::{Said, Text};
use crate::infotext::float_text;
use crate::say;
use crate::syntax::python;

/// What to analyse, as the user writes it.
#[derive(Debug, Clone, Copy)]
pub struct Analysis<'a> {
    /// Two weights: that of the changed block, that of all others.
    pub range: &'a str,
    /// `12ALL`, `17ALL`, `20ALL`, `26ALL`, or block ids separated by commas.
    pub blocks: &'a str,
    /// −1 is drawn.
    pub seed: i64,
    /// With more than one, the analysis is repeated with drawn seeds.
    pub seeds: usize,
    /// Values that were left in the Z field: the analysis is repeated for each.
    pub leftover_z_values: &'a str,
    /// The names of the LoRAs with block weights, run together.
    pub title: &'a str,
}

/// The images of an analysis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisPlan {
    /// The images, in the order they are made.
    pub runs: Vec<Run>,
    /// How many images the extension announces; not always how many there are.
    pub job_count: usize,
    /// The comparisons, in the order they are made.
    pub tables: Vec<Table>,
}

/// One comparison of all blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What stands in the corner of the grid.
    pub origin: String,
    /// The block ids, one comparison each.
    pub ids: Vec<String>,
    /// The weight of the changed block.
    pub value: String,
    /// The run of each id. With more than two weights in the range, the extension compares the wrong ones; so do we.
    pub modified: Vec<usize>,
    /// The run that all are compared with.
    pub reference: usize,
}

/// Why an analysis cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Error {
    Range(String),
    #[error(transparent)]
    Plot(#[from] PlotError),
    Threshold(String),
    Sizes,
}

impl Said for Error {
    fn said(&self) -> Text {
        match self {
            Error::Range(range) => say!(
                "the range `{range}` needs two weights, as in `0,1`",
                "範囲 `{range}` には `0,1` のように重みが二つ必要です"
            ),
            Error::Plot(error) => error.said(),
            Error::Threshold(threshold) => {
                say!("the threshold `{threshold}` is not a whole number", "しきい値 `{threshold}` は整数ではありません")
            }
            Error::Sizes => {
                say!("images of different sizes cannot be compared", "大きさの違う画像は比べられません")
            }
        }
    }
}

/// The vector of the analysis has these entries, whatever the model.
const ENTRIES: usize = 26;

impl Analysis<'_> {
    /// The runs: the first id changed, nothing changed, then one run for every other id. `draw` gives seeds.
    pub fn plan(&self, draw: &mut dyn FnMut() -> i64) -> Result<AnalysisPlan, Error> {
        let range: Vec<String> = split(self.range);
        let [value, rest, ..] = range.as_slice() else { return Err(Error::Range(self.range.to_string())) };
        let (value, base) = (value.clone(), vec![rest.as_str(); ENTRIES].join(","));
        let ids = split(&block_ids(self.blocks));
        if self.seeds > CELL_LIMIT {
            return Err(PlotError::TooLarge(self.seeds).into());
        }
        let (z_kind, z_values) = if self.seeds > 1 {
            (AxisKind::Seed, (0..self.seeds).map(|_| draw().to_string()).collect())
        } else {
            (AxisKind::None, split(self.leftover_z_values))
        };
        let columns = range.len();
        let job_count = columns * ids.len() * z_values.len() / 2 + 1;
        let axis = |kind| Axis { kind, values: "" };
        let request = Request {
            base,
            seed: self.seed,
            title: self.title.to_string(),
            axes: [axis(AxisKind::Values), axis(AxisKind::BlockId), axis(z_kind)],
            preset: &|_| None,
            webui_quirks: true,
        };
        let plot = request.plot_values(&[range, ids.clone(), z_values], draw)?;
        let table = |grid: super::xyz_weights::Grid| Table {
            origin: grid.origin,
            ids: ids.clone(),
            value: value.clone(),
            // Every second image, also where a third weight makes three columns of them: as the extension does.
            modified: grid.cells.iter().step_by(2).copied().collect(),
            reference: grid.cells[1],
        };
        Ok(AnalysisPlan { runs: plot.runs, job_count, tables: plot.grids.into_iter().map(table).collect() })
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(|part| python::strip(part).to_string()).collect()
}

/// The ids that `12ALL`, `17ALL`, `20ALL` or `26ALL` stand for, written as the extension wants them; other text as it is.
fn block_ids(text: &str) -> String {
    if ["12ALL", "17ALL", "20ALL", "26ALL"].contains(&text) { all_blocks(text) } else { text.to_owned() }
}

/// How far images differ from a reference.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// |image − reference| per channel, or 255 minus it when white stands for no difference.
    pub differences: Vec<RgbImage>,
    /// The share of channel samples that differ by more than the threshold, in percent with three places.
    pub percents: Vec<f64>,
}

impl Comparison {
    /// Compares each of `modified` with `reference`.
    pub fn new(reference: &RgbImage, modified: &[&RgbImage], threshold: &str, white: bool) -> Result<Self, Error> {
        let threshold = python::int(threshold).ok_or_else(|| Error::Threshold(threshold.to_string()))?;
        if modified.iter().any(|image| image.dimensions() != reference.dimensions()) {
            return Err(Error::Sizes);
        }
        let mut comparison = Comparison { differences: Vec::new(), percents: Vec::new() };
        for image in modified {
            let mut difference = (*image).clone();
            difference.iter_mut().zip(reference.iter()).for_each(|(sample, other)| *sample = sample.abs_diff(*other));
            let above = difference.iter().filter(|sample| i64::from(**sample) > threshold).count();
            let samples = difference.len().max(1);
            comparison.percents.push(python::round3(above as f64 / samples as f64 * 100.0));
            if white {
                difference.iter_mut().for_each(|sample| *sample = 255 - *sample);
            }
            comparison.differences.push(difference);
        }
        Ok(comparison)
    }

    /// The label of each id.
    pub fn labels(&self, ids: &[String]) -> Vec<String> {
        let label = |(id, percent): (&String, &f64)| format!("{id}\n Diff : {}%", float_text(*percent));
        ids.iter().zip(&self.percents).map(label).collect()
    }
}

/// What stands in a cell of an analyzer's grid; the number is that of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The picture of the differences.
    Difference(usize),
    /// The image with the block changed.
    Modified(usize),
    /// The image with nothing changed.
    Reference,
}

/// The grid of an analysis: one row per id with difference, changed image and reference; swapped, one column
/// per id with these from bottom to top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellGrid {
    /// Above the columns.
    pub x_labels: Vec<String>,
    /// Left of the rows.
    pub y_labels: Vec<String>,
    /// Row by row.
    pub cells: Vec<Cell>,
}

/// Lays out the grid of `comparisons` comparisons, one label for each.
pub fn layout(comparisons: usize, labels: Vec<String>, value: &str, swapped: bool) -> CellGrid {
    let ids = 0..comparisons;
    let fixed = |names: [&str; 3]| names.map(str::to_string).to_vec();
    if swapped {
        let rows = [|_| Cell::Reference, Cell::Modified, Cell::Difference];
        let cells = rows.into_iter().flat_map(|row| ids.clone().map(row)).collect();
        CellGrid { x_labels: labels, y_labels: fixed(["source", value, "diff"]), cells }
    } else {
        let cells = ids.flat_map(|id| [Cell::Difference(id), Cell::Modified(id), Cell::Reference]).collect();
        CellGrid { x_labels: fixed(["diff", value, "source"]), y_labels: labels, cells }
    }
}
