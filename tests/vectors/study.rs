//! XYZ plots and block analyses.

use std::cell::Cell as Counter;

use image::RgbImage;
use lbw::preset::webui;
use lbw::study::analyzer::{self, Analysis, Cell, CellGrid, Comparison};
use lbw::study::xyz;
use lbw::study::xyz_weights::{Axis, AxisKind, Request, Run};
use serde_json::{Value, json};

use crate::common::{self, Tally};

#[test]
fn xyz_weights() {
    let mut tally = Tally::new("xyz_weights");
    for row in common::rows("xyz_weights") {
        let outcome = match row["kind"].as_str() {
            Some("xyz") => found_xyz(&row),
            Some("analyzer") => found_analysis(&row),
            kind => panic!("unknown kind {kind:?}"),
        };
        let name = match row["kind"].as_str() {
            Some("xyz") => json!([row["x"], row["y"], row["z"], row["preset_lines"]]),
            _ => json!([row["range"], row["blocks"], row["threshold"]]),
        };
        tally.check(name, compare(outcome, &row));
    }
    tally.finish();
}

/// Nothing happens without the text XYZ in the prompt.
fn is_skipped(row: &Value) -> bool {
    !row["prompt"].as_str().unwrap().contains("XYZ")
}

fn compare(found: Result<Value, String>, row: &Value) -> Result<(), String> {
    let found = match (found, row.get("error")) {
        (Err(_), Some(_)) => return Ok(()),
        (Ok(_), Some(error)) => return Err(format!("planned, expected {error}")),
        (Err(error), None) => return Err(error),
        (Ok(found), None) => found,
    };
    ["runs", "grids", "job_count"].into_iter().try_for_each(|field| match found[field] == row[field] {
        true => Ok(()),
        false => Err(format!("{field}: {}\n    expected {}", found[field], row[field])),
    })
}

/// Seeds drawn are 900001, 900002, …, as the labels of the rows have them.
fn draw() -> impl FnMut() -> i64 {
    let drawn = Counter::new(900_000);
    move || {
        drawn.set(drawn.get() + 1);
        drawn.get()
    }
}

fn title(row: &Value) -> String {
    xyz::title(row["prompt"].as_str().unwrap())
}

fn runs(runs: &[Run], row: &Value) -> Value {
    let expected = row["runs"].as_array().unwrap();
    let entries = runs.iter().enumerate().map(|(i, run)| {
        let seed = if run.seed > 900_000 { json!(format!("random#{}", run.seed - 900_000)) } else { json!(run.seed) };
        let mut entry = json!({"XYZ": run.xyz, "seed": seed});
        if expected.get(i).is_none_or(|e| e.get("ZYX").is_some()) {
            entry["ZYX"] = json!(run.zyx);
        }
        if let Some(elements) = &run.elements {
            entry["elements"] = json!(elements);
        }
        entry
    });
    entries.collect()
}

fn found_xyz(row: &Value) -> Result<Value, String> {
    if is_skipped(row) {
        return Ok(json!({"runs": row["runs"], "grids": [], "job_count": null}));
    }
    let lines: Vec<_> = row["preset_lines"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    let text = lines.join("\n");
    let (presets, _) = webui::weights("presets", &text);
    let preset = |name: &str| presets.weights.get(name).map(|preset| preset.value.to_string());
    let axis = |name: &str| Axis {
        kind: AxisKind::from_name(row[name]["type"].as_str().unwrap()).expect("a known axis"),
        values: row[name]["values"].as_str().unwrap(),
    };
    let request = Request {
        base: preset("XYZ").unwrap_or_else(|| ["1"; 17].join(",")),
        seed: row["seed"].as_i64().unwrap(),
        title: title(row),
        axes: [axis("x"), axis("y"), axis("z")],
        preset: &preset,
        webui_quirks: true,
    };
    let plot = request.plot(&mut draw()).map_err(|e| e.to_string())?;
    let grid = |g: &lbw::study::xyz_weights::Grid| json!({"x_labels": g.x_labels, "y_labels": g.y_labels, "origin": g.origin, "cells": g.cells});
    let job_count: usize = plot.grids.iter().map(|grid| grid.cells.len()).sum();
    let grids: Vec<_> = plot.grids.iter().map(grid).collect();
    Ok(json!({"runs": runs(&plot.runs, row), "grids": grids, "job_count": job_count}))
}

fn found_analysis(row: &Value) -> Result<Value, String> {
    if is_skipped(row) {
        return Ok(json!({"runs": row["runs"], "grids": row["grids"], "job_count": null}));
    }
    let title = title(row);
    let text = |field: &str| row[field].as_str().unwrap_or_default();
    let analysis = Analysis {
        range: text("range"),
        blocks: text("blocks"),
        seed: row["seed"].as_i64().unwrap(),
        seeds: row["number_of_seeds"].as_u64().unwrap() as usize,
        leftover_z_values: text("leftover_z_values"),
        title: &title,
    };
    let plan = analysis.plan(&mut draw()).map_err(|e| e.to_string())?;
    let images: Vec<_> = row["run_images"].as_array().into_iter().flatten().map(image).collect();
    let mut grids = Vec::new();
    for table in &plan.tables {
        let modified: Vec<_> = table.modified.iter().map(|run| &images[*run]).collect();
        let white = row["diff_color"] == "white";
        let comparison = Comparison::new(&images[table.reference], &modified, text("threshold"), white)
            .map_err(|e| e.to_string())?;
        let grid =
            analyzer::layout(modified.len(), comparison.labels(&table.ids), &table.value, row["swap_xy"] == true);
        let cells: Vec<_> = grid
            .cells
            .iter()
            .map(|cell| match cell {
                Cell::Difference(_) => json!("diff"),
                Cell::Modified(id) => json!(table.modified[*id]),
                Cell::Reference => json!(table.reference),
            })
            .collect();
        grids.push(json!({
            "x_labels": grid.x_labels,
            "y_labels": grid.y_labels,
            "origin": table.origin,
            "columns": grid.x_labels.len(),
            "cells": cells,
        }));
    }
    Ok(json!({"runs": runs(&plan.runs, row), "grids": grids, "job_count": plan.job_count}))
}

#[test]
fn analyzer_diff() {
    let mut tally = Tally::new("analyzer_diff");
    for (number, row) in common::rows("analyzer_diff").iter().enumerate() {
        tally.check(format!("row {number}"), check_difference(row));
    }
    tally.finish();
}

fn check_difference(row: &Value) -> Result<(), String> {
    let reference = image(&row["orig"]);
    let modified: Vec<_> = row["modified"].as_array().unwrap().iter().map(image).collect();
    let borrowed: Vec<_> = modified.iter().collect();
    let white = row["diff_color"] == "white";
    let comparison = match Comparison::new(&reference, &borrowed, row["threshold"].as_str().unwrap(), white) {
        Err(error) => return if row.get("error").is_some() { Ok(()) } else { Err(error.to_string()) },
        Ok(_) if row.get("error").is_some() => return Err(format!("compared, expected {}", row["error"])),
        Ok(comparison) => comparison,
    };
    let ids: Vec<_> = (0..modified.len()).map(|i| format!("B{i}")).collect();
    let grid = analyzer::layout(modified.len(), comparison.labels(&ids), "0", row["swap_xy"] == true);
    let CellGrid { x_labels, y_labels, cells } = grid;
    let cells: Vec<_> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Difference(id) => &comparison.differences[*id],
            Cell::Modified(id) => &modified[*id],
            Cell::Reference => &reference,
        })
        .collect();
    let expected = |field: &str| row[field].as_array().unwrap().iter().map(image).collect::<Vec<_>>();
    let differs = |field: &str| Err(format!("{field} differs"));
    if json!(x_labels) != row["x_labels"] || json!(y_labels) != row["y_labels"] {
        return Err(format!("{x_labels:?} {y_labels:?}, expected {} {}", row["x_labels"], row["y_labels"]));
    }
    if json!(comparison.percents) != row["percent"] {
        return Err(format!("{:?}, expected {}", comparison.percents, row["percent"]));
    }
    if comparison.differences != expected("diff") {
        return differs("diff");
    }
    if cells.into_iter().cloned().collect::<Vec<_>>() != expected("grid") { differs("grid") } else { Ok(()) }
}

/// An image written as rows of pixels of three samples.
fn image(rows: &Value) -> RgbImage {
    let rows = rows.as_array().unwrap();
    let width = rows[0].as_array().unwrap().len();
    let sample = |value: &Value| value.as_u64().unwrap() as u8;
    let samples = rows.iter().flat_map(|row| row.as_array().unwrap().iter().flat_map(|p| p.as_array().unwrap()));
    RgbImage::from_raw(width as u32, rows.len() as u32, samples.map(sample).collect()).unwrap()
}
