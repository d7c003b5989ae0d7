//! `lbw xyz`: an XYZ plot. Cells first, grids from the cells; a plot that was cut off goes on.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::args::{EngineArgs, FileArgs, PromptArgs};
use super::cells::{self, Job};
use super::exit::{CommandResult, Exit, Failure};
use super::modules::LoraModules;
use super::painter::Painter;
use super::settings::drawn_seed;
use super::{report, request};
use crate::engine::check_limits;
use crate::image_io::{Existing, read_text, write_file, write_png};
use crate::plan::{Plan, job_id};
use crate::study::grid::{Fonts, Labels, Layout};
use crate::study::xyz::{Axis, Grid, Plot, Study};
use crate::study::xyz_weights::Run;

const AXES: &str = "\
Axes, written TYPE=VALUES:
  Block ID, values     blocks (IN05, IN04-M00, NOT BASE), and the weights they get; both are needed
  Original Weights     presets that XYZ stands for (also: preset); on X and Y their sum
  elements             element rules for lbwe=XYZ
  seed                 -1 draws one
  strength             of the LoRA with lbw=XYZ, or of the only one
  Steps, CFG Scale     numbers, or ranges: 10-30 (+5), 4-8 [3]
  Sampler, Schedule type
  Prompt S/R           the first value is searched for and replaced by each

Axes of block weights act where a tag says lbw=XYZ; lbw=ZYX is the complement (1 - weight).

Examples:
  lbw xyz \"red circle <lora:house:1:1:lbw=XYZ>\" --x \"Block ID=IN04-IN05,IN07-IN08,OUT00-OUT02\" --y values=0,0.5,1
  lbw xyz \"red circle <lora:house:1>\" --x strength=0-1(+0.25) --y seed=1,2,3 -o plot";

#[derive(Debug, Args)]
#[command(after_help = AXES)]
pub struct XyzArgs {
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// What the columns vary
    #[arg(long, value_name = "TYPE=VALUES", allow_hyphen_values = true)]
    pub x: Option<String>,
    /// What the rows vary
    #[arg(long, value_name = "TYPE=VALUES", allow_hyphen_values = true)]
    pub y: Option<String>,
    /// What the grids vary
    #[arg(long, value_name = "TYPE=VALUES", allow_hyphen_values = true)]
    pub z: Option<String>,
    /// What XYZ stands for before an axis changes it [default: the preset XYZ, or 1 for every block]
    #[arg(long, value_name = "PRESET|VECTOR")]
    pub base: Option<String>,
    /// Copy repeated vectors as the extension does, also from another seed, and start from its 17 ones
    #[arg(long)]
    pub webui_quirks: bool,
    /// The most cells of all grids together
    #[arg(long, default_value_t = 400, value_name = "N")]
    pub max_cells: usize,
    /// Shrink cells in the grid to this many pixels (the longer side); the cells' own files stay as they are
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..))]
    pub cell_size: Option<u32>,
    /// A font file for the labels, asked before the built-in font and those of the system
    #[arg(long, value_name = "FILE")]
    pub font: Option<PathBuf>,
    /// The folder for cells and grids; the same plot goes on in it [default: lbw-out/xyz-ID, ID telling plots apart]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Stop before drawing: check everything and say what would be drawn
    #[arg(long)]
    pub dry_run: bool,
    /// Print what was drawn as one line of JSON, and no progress
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &XyzArgs) -> CommandResult {
    let axes = axes(args)?;
    let asked = request::ask(&args.prompt, &args.files)?;
    let [request] = asked.requests.as_slice() else {
        return Err(Failure::text("a plot has one prompt; vary it with --x \"Prompt S/R=…\""));
    };
    if request::images_per_prompt(&args.prompt)? > 1 {
        return Err(Failure::text("a plot has one picture in each cell; vary the seed with --y seed=1,2,3"));
    }
    let base = args.base.as_deref();
    let study = Study { request, presets: &asked.presets, base, axes: &axes, webui_quirks: args.webui_quirks };
    let plot = study.plot(&mut || drawn_seed().cast_signed()).map_err(|e| Failure::text(e.to_string()))?;
    let plans = lower(&study, &plot, &asked, args)?;
    let layouts = layouts(&plot, &plans, args)?;
    if args.prompt.seed.is_none_or(|seed| seed < 0) && args.prompt.prompts.iter().all(|p| !p.contains("Seed: ")) {
        report::note(&format!("seed {}; with --seed this plot can be continued", request.settings.seed));
    }

    let jobs = jobs(&plot, plans);
    let mut painter = Painter::open(&asked.files.model()?, asked.loras, asked.embeddings, &args.engine)?;
    painter.check_loras(&one_of_each_lora_set(&jobs))?;
    let ids = jobs.iter().map(|job| painter.job_id(&job.plan)).collect::<Result<Vec<_>, _>>()?;
    let record = record(&axes, &plot, &ids);
    let folder = args.output.clone().unwrap_or_else(|| {
        let id = job_id(&jobs[0].plan, [record.to_string().as_str()].into_iter());
        Path::new("lbw-out").join(format!("xyz-{}", &id[..8]))
    });
    if args.dry_run {
        return dry_run(args, &plot, &ids, &layouts, &folder, &record);
    }
    claim(&folder, &record)?;
    let cells = cells::draw(&mut painter, &jobs, &folder.join("cells"), args.json, &mut |_| {})?;
    for (number, (grid, layout)) in plot.grids.iter().zip(&layouts).enumerate() {
        let path = folder.join(grid_name(number, plot.grids.len()));
        write_grid(&path, grid, layout, &cells.paths, args.cell_size)?;
        if !args.json {
            println!("{}", path.display());
        }
    }
    if let (true, Value::Object(mut line)) = (args.json, record) {
        let files: BTreeMap<&String, &PathBuf> = cells.ids.iter().zip(&cells.paths).collect();
        line.insert("folder".to_owned(), json!(folder));
        line.insert("pictures".to_owned(), json!(files));
        line.insert("drawn".to_owned(), json!(cells.drawn));
        println!("{}", Value::Object(line));
    }
    Ok(Exit::Done)
}

/// The pictures, named after the labels of their cells.
fn jobs(plot: &Plot, plans: Vec<Plan>) -> Vec<Job> {
    let name = |run: &Run| {
        let Labels { columns, rows, .. } = &plot.grids[run.at[2]].labels;
        let labels = [&columns[run.at[0]], &rows[run.at[1]]].into_iter().filter(|label| !label.is_empty());
        let mut name: Vec<String> = labels.cloned().collect();
        if plot.grids.len() > 1 {
            name.push(format!("{}", run.at[2] + 1));
        }
        name.join("_")
    };
    plot.runs.iter().zip(plans).map(|(run, plan)| Job { name: name(run), plan }).collect()
}

/// Draws a grid from its cells, one in memory at a time.
fn write_grid(
    path: &Path,
    grid: &Grid,
    layout: &Layout,
    files: &[PathBuf],
    cell_size: Option<u32>,
) -> Result<(), Failure> {
    let columns = grid.labels.columns.len();
    let mut sheet = layout.sheet();
    for (place, run) in grid.cells.iter().enumerate() {
        let image = shrunk(cells::read(&files[*run])?, cell_size);
        sheet.put(place % columns, place / columns, &image).map_err(|e| Failure::file(e.to_string()))?;
    }
    // As in webui a grid tells how its first cell was made.
    let first = grid.cells.first().and_then(|run| read_text(&files[*run]).ok());
    let parameters = first.and_then(|text| text.parameters).unwrap_or_default();
    write_png(path, &sheet.into_image(), &parameters, None, Existing::Replace).map_err(|e| Failure::file(e.to_string()))
}

/// All three axes; everything wrong with them is said at once.
fn axes(args: &XyzArgs) -> Result<[Axis; 3], Failure> {
    let mut wrong = Vec::new();
    let mut axis = |flag: &str, text: &Option<String>| {
        let axis = text.as_deref().map_or(Ok(Axis::none()), Axis::parse);
        axis.unwrap_or_else(|error| {
            wrong.push(format!("{flag}: {error}"));
            Axis::none()
        })
    };
    let axes = [axis("--x", &args.x), axis("--y", &args.y), axis("--z", &args.z)];
    if args.x.is_none() && args.y.is_none() && args.z.is_none() {
        wrong.push("a plot varies something: give --x, --y or --z (see `lbw xyz --help`)".to_owned());
    }
    if !wrong.is_empty() {
        return Err(Failure::text(wrong.join("\n")));
    }
    let cells = axes.iter().fold(1usize, |cells, axis| cells.saturating_mul(axis.values.len()));
    if cells > args.max_cells {
        let [x, y, z] = axes.each_ref().map(|axis| axis.values.len());
        return Err(Failure::text(format!(
            "the plot has {x} × {y} × {z} = {cells} cells, more than {}; --max-cells {cells} draws it all the same",
            args.max_cells
        )));
    }
    Ok(axes)
}

/// One plan per run. What is wrong is said once, however many cells have it.
fn lower(study: &Study<'_>, plot: &Plot, asked: &request::Asked, args: &XyzArgs) -> Result<Vec<Plan>, Failure> {
    let (mut plans, mut found) = (Vec::new(), asked.found.clone());
    let mut said = HashSet::new();
    let modules = LoraModules::new(&asked.loras);
    for run in &plot.runs {
        let (request, presets) = study.cell(run).map_err(|e| Failure::text(e.to_string()))?;
        let (plan, diagnostics) = asked.lower(&request, &presets, &modules);
        plans.extend(plan);
        found.extend(diagnostics.into_iter().filter(|d| said.insert((d.code.to_string(), d.message.clone()))));
    }
    report::diagnostics(&found);
    if report::refuses(&found, args.prompt.strict) || plans.len() != plot.runs.len() {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    plans.iter().try_for_each(check_limits).map_err(|e| Failure::text(e.to_string()))?;
    Ok(plans)
}

/// Where everything goes, before hours are spent on cells.
fn layouts(plot: &Plot, plans: &[Plan], args: &XyzArgs) -> Result<Vec<Layout>, Failure> {
    let mut fonts = Fonts::system();
    if let Some(path) = &args.font {
        fonts = fonts.with_file(path).map_err(|e| Failure::file(format!("--font: {e}")))?;
    }
    let settings = &plans[0].settings;
    let size = shrunk_size((settings.width, settings.height), args.cell_size);
    let layout = |grid: &Grid| {
        let layout = Layout::new(&grid.labels, size, &mut fonts);
        layout.map_err(|e| Failure::text(format!("{e}; --cell-size makes the cells of the grid smaller")))
    };
    let layouts = plot.grids.iter().map(layout).collect::<Result<Vec<_>, _>>()?;
    if let Some(notice) = fonts.notice() {
        report::warning(&notice);
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
fn one_of_each_lora_set(jobs: &[Job]) -> Vec<Plan> {
    let mut seen = HashSet::new();
    let names = |plan: &Plan| plan.loras.iter().map(|lora| lora.name.clone()).collect::<Vec<_>>();
    jobs.iter().map(|job| &job.plan).filter(|plan| seen.insert(names(plan))).cloned().collect()
}

fn grid_name(number: usize, grids: usize) -> String {
    if grids == 1 { "grid.png".to_owned() } else { format!("grid-{}.png", number + 1) }
}

/// What the plot is: axes, labels, and the id of the picture in each cell.
fn record(axes: &[Axis; 3], plot: &Plot, ids: &[String]) -> Value {
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
fn claim(folder: &Path, record: &Value) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| Failure::file(format!("{}: {e}", folder.display())))?;
    let path = folder.join("xyz.json");
    let text = format!("{record:#}\n");
    match std::fs::read_to_string(&path) {
        Ok(known) if known == text => Ok(()),
        Ok(_) => Err(Failure::file(format!(
            "{} holds another plot (another prompt, seed, axis or model); choose another folder with -o",
            folder.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            write_file(&path, text.as_bytes(), Existing::Keep).map_err(|e| Failure::file(e.to_string()))
        }
        Err(error) => Err(Failure::file(format!("{}: {error}", path.display()))),
    }
}

fn dry_run(
    args: &XyzArgs,
    plot: &Plot,
    ids: &[String],
    layouts: &[Layout],
    folder: &Path,
    record: &Value,
) -> CommandResult {
    if args.json {
        println!("{record}");
        return Ok(Exit::Done);
    }
    let in_cells: usize = plot.grids.iter().map(|grid| grid.cells.len()).sum();
    println!(
        "{in_cells} cells, {} different pictures, into {}",
        ids.iter().collect::<HashSet<_>>().len(),
        folder.display()
    );
    for (number, (grid, layout)) in plot.grids.iter().zip(layouts).enumerate() {
        let (width, height) = layout.size();
        println!("{}: {width}×{height} {}", grid_name(number, plot.grids.len()), report::escaped(&grid.labels.corner));
        println!("  columns: {}", report::escaped(&grid.labels.columns.join(" | ")));
        println!("  rows: {}", report::escaped(&grid.labels.rows.join(" | ")));
    }
    Ok(Exit::Done)
}
