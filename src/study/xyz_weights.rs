//! The extension's XYZ plot: which weight vectors are run, and which image fills which cell.
//!
//! The prompt names the preset `XYZ`, which is the generated vector, and may name `ZYX`, its complement. The extension
//! does not run a vector again that was run before: its cell shows the earlier image. A new seed forgets the vectors but
//! not the images, so a repeated vector may show the image of another seed, and other element rules forget neither.
//! [`Request::webui_quirks`] does as the extension does; without it each cell has a run of its own.
//!
//! ```
//! use lbw::study::xyz_weights::weights;
//! let base = "1,1,1,1,1,1,1,1,1,1,1,1";
//! assert_eq!(weights("0.5", "IN04-IN07 M00", base).unwrap(), "1,0.5,0.5,0.5,1,0.5,1,1,1,1,1,1");
//! ```

use crate::block::{Layout, Space};
use crate::diagnostic::{Said, Text};
use crate::infotext::float_text;
use crate::say;
use crate::syntax::python;

/// What an axis varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisKind {
    /// Nothing: one value that changes nothing.
    None,
    /// Weights put into the blocks of a Block ID axis.
    Values,
    /// Block ids, or lists of them, that get the weights of a Values axis.
    BlockId,
    /// Seeds; −1 is drawn.
    Seed,
    /// Preset names whose vectors take the place of `XYZ`.
    OriginalWeights,
    /// Element rules that are added to the LoRA's.
    Elements,
    /// Something that is not of the extension's plot; its values are labels here.
    Other,
}

impl AxisKind {
    /// The kind with the extension's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" => AxisKind::None,
            "values" => AxisKind::Values,
            "Block ID" => AxisKind::BlockId,
            "seed" => AxisKind::Seed,
            "Original Weights" => AxisKind::OriginalWeights,
            "elements" => AxisKind::Elements,
            _ => return None,
        })
    }
}

/// An axis and its values, separated by commas.
#[derive(Debug, Clone, Copy)]
pub struct Axis<'a> {
    /// What it varies.
    pub kind: AxisKind,
    /// As typed.
    pub values: &'a str,
}

/// Everything a plot depends on.
pub struct Request<'a> {
    /// The vector the plot starts from.
    pub base: String,
    /// The seed of the settings; −1 is drawn.
    pub seed: i64,
    /// The names of the LoRAs with block weights, run together, for the corner of the grids.
    pub title: String,
    /// x, y, z.
    pub axes: [Axis<'a>; 3],
    /// The vector text of a preset.
    pub preset: &'a dyn Fn(&str) -> Option<String>,
    /// Cells with a vector that was run before show an earlier image, not always the right one.
    pub webui_quirks: bool,
}

/// One image to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The text of preset `XYZ`.
    pub xyz: String,
    /// The text of preset `ZYX`, its complement.
    pub zyx: String,
    /// The seed of the image.
    pub seed: i64,
    /// Element rules that are added.
    pub elements: Option<String>,
    /// The cell that is run: which value of x, y and z.
    pub at: [usize; 3],
}

/// One picture of cells; there is one for each z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Above the columns.
    pub x_labels: Vec<String>,
    /// Left of the rows.
    pub y_labels: Vec<String>,
    /// What stands in the corner.
    pub origin: String,
    /// Indices of runs, row by row.
    pub cells: Vec<usize>,
}

/// The images of a plot and their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plot {
    /// The images, in the order they are made.
    pub runs: Vec<Run>,
    /// One for each value of z.
    pub grids: Vec<Grid>,
}

/// Why a plot cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Error {
    EmptyEntry(String),
    NotANumber(String),
    NotASeed(String),
    UnknownPreset(String),
    UnknownBlock { block: String, entries: usize },
    Length(usize),
    Lengths(String, String),
    TooLarge(usize),
}

impl Said for Error {
    fn said(&self) -> Text {
        match self {
            Error::EmptyEntry(vector) => {
                say!("an entry of the vector `{vector}` is empty", "ベクトル `{vector}` に空の項目があります")
            }
            Error::NotANumber(value) => say!("`{value}` is not a number", "`{value}` は数値ではありません"),
            Error::NotASeed(value) => say!("`{value}` is not a seed", "`{value}` はシードではありません"),
            Error::UnknownPreset(name) => say!("there is no preset `{name}`", "プリセット `{name}` はありません"),
            Error::UnknownBlock { block, entries } => say!(
                "`{block}` is not a block of a vector with {entries} entries",
                "`{block}` は {entries} 個のベクトルのブロックではありません"
            ),
            Error::Length(entries) => {
                let lengths = Layout::lengths();
                say!(
                    "a vector has {entries} entries; {lengths} are possible",
                    "ベクトルが {entries} 個です。{lengths} 個のどれかにしてください",
                    with lengths
                )
            }
            Error::Lengths(a, b) => say!(
                "`{a}` and `{b}` have different lengths and cannot be added",
                "`{a}` と `{b}` は長さが違うので足せません"
            ),
            Error::TooLarge(cells) => say!(
                "the plot has {cells} cells; {CELL_LIMIT} are possible",
                "プロットの画像が {cells} 枚になります。{CELL_LIMIT} 枚までです"
            ),
        }
    }
}

/// The most cells of all grids together.
pub const CELL_LIMIT: usize = 100_000;

impl Axis<'_> {
    /// The values; each seed −1 is drawn. An axis without a kind has one empty value.
    fn values(&self, draw: &mut dyn FnMut() -> i64) -> Vec<String> {
        let value = |text: &str| match (self.kind, python::strip(text)) {
            (AxisKind::Seed, "-1") => draw().to_string(),
            (_, text) => text.to_string(),
        };
        if self.kind == AxisKind::None { vec![String::new()] } else { self.values.split(',').map(value).collect() }
    }
}

impl Request<'_> {
    /// The plot; `draw` gives a seed where −1 asks for one.
    pub fn plot(&self, draw: &mut dyn FnMut() -> i64) -> Result<Plot, Error> {
        let values = self.axes.map(|axis| axis.values(draw));
        self.plot_values(&values, draw)
    }

    /// The plot over axes whose values are known already.
    pub fn plot_values(&self, values: &[Vec<String>; 3], draw: &mut dyn FnMut() -> i64) -> Result<Plot, Error> {
        let cells = values.iter().fold(1usize, |cells, values| cells.saturating_mul(values.len()));
        if cells > CELL_LIMIT {
            return Err(Error::TooLarge(cells));
        }
        let seed = if self.seed == -1 { draw() } else { self.seed };
        let mut plotter = Plotter {
            request: self,
            base: self.base.clone(),
            vector: self.base.clone(),
            seed,
            elements: None,
            seen: Vec::new(),
            cells: Vec::new(),
            runs: Vec::new(),
        };
        let [xs, ys, zs] = values;
        let mut grids = Vec::new();
        for (k, z) in zs.iter().enumerate() {
            plotter.seen.clear();
            plotter.cells.clear();
            plotter.enter(2, z)?;
            for (j, y) in ys.iter().enumerate() {
                plotter.enter(1, y)?;
                for (i, x) in xs.iter().enumerate() {
                    plotter.enter(0, x)?;
                    plotter.cell([x, y, z], [i, j, k])?;
                }
            }
            grids.push(Grid {
                x_labels: xs.clone(),
                y_labels: ys.clone(),
                origin: plotter.origin(z),
                cells: std::mem::take(&mut plotter.cells),
            });
        }
        Ok(Plot { runs: plotter.runs, grids })
    }
}

struct Plotter<'r> {
    request: &'r Request<'r>,
    /// What block ids are applied to.
    base: String,
    /// The vector of the next run. Block ids without values leave it as it is.
    vector: String,
    seed: i64,
    elements: Option<String>,
    /// The vectors of the cells since the last change of the seed.
    seen: Vec<String>,
    cells: Vec<usize>,
    runs: Vec<Run>,
}

impl Plotter<'_> {
    /// Takes the next value of axis `axis`.
    fn enter(&mut self, axis: usize, value: &str) -> Result<(), Error> {
        match self.request.axes[axis].kind {
            AxisKind::Seed => {
                self.seed = python::int(value).ok_or_else(|| Error::NotASeed(value.to_string()))?;
                self.seen.clear();
            }
            AxisKind::OriginalWeights => {
                self.base = self.preset(value)?;
                self.vector.clone_from(&self.base);
            }
            AxisKind::Elements => self.elements = Some(value.to_string()),
            AxisKind::None | AxisKind::Values | AxisKind::BlockId | AxisKind::Other => {}
        }
        Ok(())
    }

    fn preset(&self, name: &str) -> Result<String, Error> {
        (self.request.preset)(name).ok_or_else(|| Error::UnknownPreset(name.to_string()))
    }

    fn cell(&mut self, values: [&str; 3], at: [usize; 3]) -> Result<(), Error> {
        let kinds = self.request.axes.map(|axis| axis.kind);
        if kinds[0] == AxisKind::OriginalWeights && kinds[1] == AxisKind::OriginalWeights {
            self.base = sum(&self.preset(values[0])?, &self.preset(values[1])?)?;
            self.vector.clone_from(&self.base);
        }
        // Each axis of block ids with each axis of values; the last pair counts.
        for (ids, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
            let with = others.into_iter().filter(|other| kinds[*other] == AxisKind::Values);
            for other in with.filter(|_| kinds[ids] == AxisKind::BlockId) {
                self.vector = weights(values[other], values[ids], &self.base)?;
            }
        }
        if !self.request.webui_quirks {
            let run = self.run(at)?;
            self.cells.push(run);
            return Ok(());
        }
        let image = match self.seen.iter().position(|seen| *seen == self.vector) {
            Some(earlier) => self.cells[earlier],
            None => self.run(at)?,
        };
        self.cells.push(image);
        self.seen.push(self.vector.clone());
        Ok(())
    }

    fn run(&mut self, at: [usize; 3]) -> Result<usize, Error> {
        let xyz: Vec<_> = self.vector.split(',').map(python::strip).collect();
        self.runs.push(Run {
            xyz: xyz.join(","),
            zyx: complement(&self.vector)?,
            seed: self.seed,
            elements: self.elements.clone(),
            at,
        });
        Ok(self.runs.len() - 1)
    }

    fn origin(&self, z: &str) -> String {
        let about = match self.request.axes[2].kind {
            AxisKind::BlockId => format!("Block : {z}"),
            AxisKind::Values => format!("value : {z}"),
            AxisKind::Seed => format!("seed : {z}"),
            AxisKind::OriginalWeights => format!("original weights :\n {}", self.base),
            AxisKind::Other => z.to_string(),
            AxisKind::None | AxisKind::Elements => String::new(),
        };
        format!("{}, {about}", self.request.title)
    }
}

/// `list`, block ids between commas, with the ids of all blocks in the place of `12ALL`, `17ALL`, `20ALL` and `26ALL`; case and
/// spaces do not count.
///
/// ```
/// use lbw::study::xyz_weights::all_blocks;
/// assert_eq!(all_blocks("M00, 12all").split(',').count(), 13);
/// ```
pub fn all_blocks(list: &str) -> String {
    let ids = |item: &str| {
        let item = python::strip(item);
        let count = match item.len() {
            5 if item.is_char_boundary(2) && item[2..].eq_ignore_ascii_case("ALL") => item[..2].parse().unwrap_or(0),
            _ => 0,
        };
        match Layout::from_len(count) {
            _ if count == Space::Unet.names().len() => Space::Unet.names().join(","),
            Some(layout) => {
                let blocks = (0..layout.len()).filter_map(|entry| layout.block(entry)).map(|block| block.name());
                blocks.collect::<Vec<_>>().join(",")
            }
            None => item.to_owned(),
        }
    };
    list.split(',').map(ids).collect::<Vec<_>>().join(",")
}

/// `base` with `value` put, as it is written, into the blocks `ids` names: block names and ranges (`IN04-M00`, either
/// way round) between single spaces, with `NOT` at the start for all others.
pub fn weights(value: &str, ids: &str, base: &str) -> Result<String, Error> {
    let entries: Vec<&str> = base.split(',').map(python::strip).collect();
    let layout = Layout::from_len(entries.len()).ok_or(Error::Length(entries.len()))?;
    let entry = |name: &str| {
        let found = (0..layout.len()).find(|entry| layout.block(*entry).is_some_and(|block| block.name() == name));
        found.ok_or_else(|| Error::UnknownBlock { block: name.to_string(), entries: layout.len() })
    };
    let inverted = ids.split(' ').next() == Some("NOT");
    let mut chosen = vec![inverted; entries.len()];
    for word in ids.split(' ').filter(|word| *word != "NOT") {
        // Of more than two parts, the first two count.
        let mut ends = word.split('-');
        let first = entry(ends.next().unwrap_or_default())?;
        let last = ends.next().map_or(Ok(first), entry)?;
        chosen[first.min(last)..=first.max(last)].fill(!inverted);
    }
    let blocks = entries.into_iter().zip(chosen);
    Ok(blocks.map(|(entry, chosen)| if chosen { value } else { entry }).collect::<Vec<_>>().join(","))
}

/// 1 − each entry, as Python writes it; `R`, `U` and `X` entries are copied.
pub fn complement(vector: &str) -> Result<String, Error> {
    let entry = |entry: &str| match python::strip(entry) {
        "" => Err(Error::EmptyEntry(vector.to_string())),
        drawn if drawn.starts_with(['R', 'U', 'X']) => Ok(drawn.to_string()),
        entry => number(entry).map(|number| float_text(1.0 - number)),
    };
    Ok(vector.split(',').map(entry).collect::<Result<Vec<_>, _>>()?.join(","))
}

/// The sum of two vectors in single precision, rounded to three places. Where both have an entry other than 0, only that
/// of `x` counts.
pub fn sum(x: &str, y: &str) -> Result<String, Error> {
    let numbers = |vector: &str| {
        vector.split(',').map(|entry| number(entry).map(|n| n as f32)).collect::<Result<Vec<f32>, Error>>()
    };
    let (xs, ys) = (numbers(x)?, numbers(y)?);
    if xs.len() != ys.len() {
        return Err(Error::Lengths(x.to_string(), y.to_string()));
    }
    let add = |(x, y): (f32, f32)| {
        let total = if x != 0.0 { x } else { y };
        // The sum with 0 turns −0 into 0.
        ((total * 1000.0).round_ties_even() / 1000.0 + 0.0).to_string()
    };
    Ok(xs.into_iter().zip(ys).map(add).collect::<Vec<_>>().join(","))
}

fn number(text: &str) -> Result<f64, Error> {
    python::float(text).ok_or_else(|| Error::NotANumber(python::strip(text).to_string()))
}
