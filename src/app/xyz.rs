//! XYZ plots: cells first, grids from the cells; a plot that was cut off goes on.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::draw::{Event, Job, Sink, draw, some_failed};
use super::error::{Error, Result};
use super::random::drawn_seed;
use super::renderer::Renderer;
use super::session::{Asked, Session};
use super::store::{Cells, read_cell};
use crate::diagnostic::{Diagnostic, Said, Text, code};
use crate::files;
use crate::files::limits::TEXT;
use crate::image_io::{Existing, read_text, write_file, write_png};
use crate::plan::{Plan, job_id};
use crate::say;
use crate::study::grid::{Fonts, Labels, Layout};
use crate::study::xyz::{Axis, Grid, Plot, Study};
use crate::study::xyz_weights::Run;

/// The most cells of all grids together, where nobody says.
pub const MAX_CELLS: usize = 400;

/// Cells in a grid are no smaller.
pub const MIN_CELL_SIZE: u32 = 8;

/// What is asked of a plot.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What columns, rows and grids vary, as `TYPE=VALUES`.
    pub axes: [Option<String>; 3],
    /// What XYZ stands for before an axis changes it.
    pub base: Option<String>,
    /// Copy repeated vectors as the extension does.
    pub webui_quirks: bool,
    /// The most cells of all grids together.
    pub max_cells: usize,
    /// Cells are shrunk in the grid to this many pixels.
    pub cell_size: Option<u32>,
    /// A font file for the labels.
    pub font: Option<PathBuf>,
    /// The folder for cells and grids.
    pub output: Option<PathBuf>,
}

/// A plot that has been read and checked.
pub struct Prepared {
    plot: Plot,
    axes: [Axis; 3],
    jobs: Vec<Job>,
    layouts: Vec<Layout>,
    /// What the plot is: axes, labels, and the id of the picture in each cell.
    pub record: Value,
    /// Where it goes.
    pub folder: PathBuf,
    cell_size: Option<u32>,
}

/// A grid's file, its size in pixels, and its labels.
pub type GridSummary<'a> = (String, (u32, u32), &'a Labels);

/// A plot that has been drawn.
pub struct Drawn {
    /// One picture for every value of z.
    pub grids: Vec<PathBuf>,
    /// The files of the cells by id.
    pub pictures: BTreeMap<String, PathBuf>,
    /// Pictures drawn now; the others were there.
    pub drawn: usize,
}

impl Prepared {
    /// Plans every cell.
    pub fn new(
        session: &Arc<Session>,
        asked: &Asked,
        wish: &Wish,
        renderer: &mut dyn Renderer,
        sink: &mut dyn Sink,
    ) -> Result<Self> {
        let axes = axes(wish)?;
        if asked.images > 1 {
            let message = say!(
                "a plot has one picture in each cell; vary the seed with --y seed=1,2,3",
                "プロットの一つのマスには画像が一枚です。シードは --y seed=1,2,3 で変えてください"
            );
            return Err(Error::words(code::STUDY, message));
        }
        let study = Study {
            request: &asked.request,
            presets: &session.presets,
            base: wish.base.as_deref(),
            axes: &axes,
            webui_quirks: wish.webui_quirks,
        };
        let plot = study.plot(&mut || drawn_seed().cast_signed())?;
        let plans = lower(&study, &plot, session, sink)?;
        let layouts = layouts(&plot, &plans, wish, sink)?;
        if asked.open_seed {
            let seed = asked.request.settings.seed;
            let message = say!(
                "seed {seed}; with --seed this plot can be continued",
                "シード {seed}。--seed で指定すればこのプロットを続けられます"
            );
            sink.event(Event::Found(&Diagnostic::new(code::SEED, message)));
        }
        let jobs = jobs(&plot, plans, asked, renderer)?;
        for plan in one_of_each_lora_set(&jobs) {
            for found in renderer.check(plan, &asked.model)? {
                sink.event(Event::Found(&found));
            }
        }
        renderer.fits(&jobs)?;
        let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
        let record = record(&axes, &plot, &ids);
        let id = jobs.first().map(|job| job_id(&job.plan, [record.to_string().as_str()].into_iter()));
        let id: String = id.unwrap_or_default().chars().take(8).collect();
        let folder = wish.output.clone().unwrap_or_else(|| Path::new("lbw-out").join(format!("xyz-{id}")));
        Ok(Prepared { plot, axes, jobs, layouts, record, folder, cell_size: wish.cell_size })
    }

    /// What would be drawn: cells, different pictures, and the grids.
    pub fn summary(&self) -> (usize, usize, Vec<GridSummary<'_>>) {
        let cells = self.plot.grids.iter().map(|grid| grid.cells.len()).sum();
        let different = self.jobs.iter().map(|job| &job.id).collect::<HashSet<_>>().len();
        let all = self.plot.grids.len();
        let grids = self.plot.grids.iter().zip(&self.layouts).enumerate();
        let grids = grids.map(|(number, (grid, layout))| (grid_name(number, all), layout.size(), &grid.labels));
        (cells, different, grids.collect())
    }

    /// Begins the folder; an error where it holds another plot.
    pub fn begin(&self) -> Result<()> {
        claim(&self.folder, &self.record)
    }

    /// The cells. Pictures that lie in `cells` of the plot's folder, under their [`cell_name`](super::store::cell_name)s, are not drawn again.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// Draws the cells that are not there and puts them into grids.
    pub fn draw(&self, renderer: &mut dyn Renderer, sink: &mut dyn Sink) -> Result<Drawn> {
        self.begin()?;
        let order: Vec<usize> = (0..self.jobs.len()).collect();
        let mut store = Cells::new(&self.folder.join("cells"))?;
        let mut drawn = 0;
        let mut count = |event: Event<'_>| {
            drawn += usize::from(matches!(event, Event::Done { .. }));
            sink.event(event)
        };
        let outcome = draw(&self.jobs, &order, renderer, &mut store, &mut count)?;
        some_failed(&outcome, self.jobs.len())?;
        let files: Vec<PathBuf> = outcome.files.into_iter().flatten().collect();
        let mut grids = Vec::new();
        for (number, (grid, layout)) in self.plot.grids.iter().zip(&self.layouts).enumerate() {
            let path = self.folder.join(grid_name(number, self.plot.grids.len()));
            write_grid(&path, grid, layout, &files, self.cell_size)?;
            grids.push(path);
        }
        let pictures = self.jobs.iter().map(|job| job.id.clone()).zip(files).collect();
        Ok(Drawn { grids, pictures, drawn })
    }

    /// What the axes vary.
    pub fn axes(&self) -> &[Axis; 3] {
        &self.axes
    }
}

/// The pictures, named after the labels of their cells.
fn jobs(plot: &Plot, plans: Vec<Plan>, asked: &Asked, renderer: &mut dyn Renderer) -> Result<Vec<Job>> {
    let name = |run: &Run| {
        let Labels { columns, rows, .. } = &plot.grids[run.at[2]].labels;
        let labels = [&columns[run.at[0]], &rows[run.at[1]]].into_iter().filter(|label| !label.is_empty());
        let mut name: Vec<String> = labels.cloned().collect();
        if plot.grids.len() > 1 {
            name.push(format!("{}", run.at[2] + 1));
        }
        name.join("_")
    };
    let mut jobs = Vec::new();
    for (run, plan) in plot.runs.iter().zip(plans) {
        let id = renderer.id(&plan, &asked.model)?;
        let model = asked.model.clone();
        jobs.push(Job { name: name(run), plan, model, place: None, pasted: None, id, file: None });
    }
    Ok(jobs)
}

/// Draws a grid from its cells, one in memory at a time.
fn write_grid(path: &Path, grid: &Grid, layout: &Layout, files: &[PathBuf], cell_size: Option<u32>) -> Result<()> {
    let columns = grid.labels.columns.len();
    let mut sheet = layout.sheet();
    for (place, run) in grid.cells.iter().enumerate() {
        let image = shrunk(read_cell(&files[*run])?, cell_size);
        sheet.put(place % columns, place / columns, &image)?;
    }
    // As in webui a grid tells how its first cell was made.
    let first = grid.cells.first().and_then(|run| read_text(&files[*run]).ok());
    let parameters = first.and_then(|text| text.parameters).unwrap_or_default();
    Ok(write_png(path, &sheet.into_image(), &parameters, None, Existing::Replace)?)
}

/// All three axes; everything wrong with them is said at once.
pub fn axes(wish: &Wish) -> Result<[Axis; 3]> {
    let mut wrong: Vec<Diagnostic> = Vec::new();
    let mut say = |message: Text| wrong.push(Diagnostic::new(code::STUDY, message));
    let mut axes = [Axis::none(), Axis::none(), Axis::none()];
    for ((axis, text), flag) in axes.iter_mut().zip(&wish.axes).zip(["--x", "--y", "--z"]) {
        match text.as_deref().map(Axis::parse) {
            None => {}
            Some(Ok(parsed)) => *axis = parsed,
            Some(Err(error)) => {
                let why = error.said();
                say(say!("{flag}: {why}", "{flag}: {why}", with why));
            }
        }
    }
    if wish.axes.iter().all(Option::is_none) {
        say(say!(
            "a plot varies something: give --x, --y or --z (see `lbw xyz --help`)",
            "プロットは何かを変えて並べるものです。--x、--y、--z のどれかを指定してください (`lbw xyz --help`)"
        ));
    }
    let [x, y, z] = axes.each_ref().map(|axis| axis.values.len());
    let cells = [x, y, z].into_iter().fold(1usize, usize::saturating_mul);
    if wrong.is_empty() && cells > wish.max_cells {
        let most = wish.max_cells;
        let message = say!(
            "the plot has {x} × {y} × {z} = {cells} cells, more than {most}; --max-cells {cells} draws it all the same",
            "プロットは {x} × {y} × {z} = {cells} マスで、{most} を超えます。--max-cells {cells} で描けます"
        );
        return Err(Error::words(code::STUDY, message));
    }
    if wrong.is_empty() { Ok(axes) } else { Err(Error::refused(wrong)) }
}

/// One plan per run. What is wrong is said once, however many cells have it.
fn lower(study: &Study<'_>, plot: &Plot, session: &Session, sink: &mut dyn Sink) -> Result<Vec<Plan>> {
    let (mut plans, mut found) = (Vec::new(), Vec::new());
    let mut said = HashSet::new();
    for run in &plot.runs {
        let (request, presets) = study.cell(run)?;
        let (plan, diagnostics) = session.lower(&request, &presets);
        plans.extend(plan);
        found.extend(diagnostics.into_iter().filter(|d| said.insert((d.code, d.message.clone()))));
    }
    if session.refuses(&found) || plans.len() != plot.runs.len() {
        return Err(Error::refused(found));
    }
    for found in &found {
        sink.event(Event::Found(found));
    }
    Ok(plans)
}

/// Where everything goes, before hours are spent on cells.
fn layouts(plot: &Plot, plans: &[Plan], wish: &Wish, sink: &mut dyn Sink) -> Result<Vec<Layout>> {
    let mut fonts = Fonts::system();
    if let Some(path) = &wish.font {
        fonts = fonts.with_file(path).map_err(|e| {
            let why = e.said();
            Error::file(code::UNUSABLE_FILE, say!("--font: {why}", "フォントを使えません: {why}", with why))
        })?;
    }
    let size = shrunk_size(plans.first().map(Plan::size).unwrap_or_default(), wish.cell_size);
    let layout = |grid: &Grid| {
        Layout::new(&grid.labels, size, &mut fonts).map_err(|e| {
            Error::from(e).help(say!(
                "--cell-size makes the cells of the grid smaller",
                "--cell-size でグリッドのマスを小さくできます"
            ))
        })
    };
    let layouts = plot.grids.iter().map(layout).collect::<Result<Vec<_>>>()?;
    if let Some(notice) = fonts.notice() {
        sink.event(Event::Found(&Diagnostic::new(code::FONT, notice)));
    }
    Ok(layouts)
}

fn shrunk_size((width, height): (u32, u32), longest: Option<u32>) -> (u32, u32) {
    match longest.filter(|longest| *longest < width.max(height)) {
        None => (width, height),
        Some(longest) => {
            let side = |side: u32| (u64::from(side) * u64::from(longest) / u64::from(width.max(height))).max(1) as u32;
            (side(width), side(height))
        }
    }
}

fn shrunk(image: image::RgbImage, longest: Option<u32>) -> image::RgbImage {
    let (width, height) = shrunk_size(image.dimensions(), longest);
    if (width, height) == image.dimensions() {
        return image;
    }
    image::imageops::resize(&image, width, height, image::imageops::FilterType::Lanczos3)
}

/// One plan for each set of LoRAs: what is surprising about a LoRA is said once, not for every vector.
fn one_of_each_lora_set(jobs: &[Job]) -> Vec<&Plan> {
    let mut seen = HashSet::new();
    let names = |plan: &Plan| plan.loras().map(|lora| lora.name.clone()).collect::<Vec<_>>();
    jobs.iter().map(|job| &job.plan).filter(|plan| seen.insert(names(plan))).collect()
}

fn grid_name(number: usize, grids: usize) -> String {
    if grids == 1 { "grid.png".to_owned() } else { format!("grid-{}.png", number + 1) }
}

/// What the plot is: axes, labels, and the id of the picture in each cell.
fn record(axes: &[Axis; 3], plot: &Plot, ids: &[&str]) -> Value {
    let axis = |axis: &Axis| json!({ "type": axis.kind.name(), "values": axis.values });
    let grid = |(number, grid): (usize, &Grid)| {
        json!({
            "file": grid_name(number, plot.grids.len()),
            "corner": grid.labels.corner,
            "columns": grid.labels.columns,
            "rows": grid.labels.rows,
            "cells": grid.cells.chunks(grid.labels.columns.len().max(1))
                .map(|row| row.iter().map(|run| &ids[*run]).collect::<Vec<_>>()).collect::<Vec<_>>(),
        })
    };
    let [x, y, z] = axes.each_ref().map(axis);
    json!({ "format": 1, "x": x, "y": y, "z": z, "grids": plot.grids.iter().enumerate().map(grid).collect::<Vec<_>>() })
}

/// Writes the record into the folder. A folder that holds another plot is left alone.
fn claim(folder: &Path, record: &Value) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::writing(folder, &e))?;
    let path = folder.join("xyz.json");
    let text = format!("{record:#}\n");
    match files::read(&path, text.len().max(TEXT)) {
        Ok(known) if known == text.as_bytes() => Ok(()),
        Ok(known) if serde_json::from_slice::<Value>(&known).is_err() => {
            let path = path.display();
            let message = say!("{path} is no record of a plot", "{path} はプロットの記録ではありません");
            let help = say!(
                "move it away to go on with the pictures beside it, or choose another folder with -o",
                "横の画像の続きを描くならこのファイルをどけてください。または -o で別のフォルダーを指定してください"
            );
            Err(Error::file(code::OTHER_FOLDER, message).help(help))
        }
        Ok(_) => {
            let folder = folder.display();
            let message = say!(
                "{folder} holds another plot (another prompt, seed, axis or model)",
                "{folder} には別のプロットが入っています (プロンプト・シード・軸・モデルが違います)"
            );
            Err(Error::file(code::OTHER_FOLDER, message)
                .help(say!("choose another folder with -o", "-o で別のフォルダーを指定してください")))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(write_file(&path, text.as_bytes(), Existing::Keep)?)
        }
        Err(error) => Err(Error::reading(&path, &error)),
    }
}
