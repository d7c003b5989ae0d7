//! `lbw lora inspect`: what a LoRA file is, and how large its deltas are block by block.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{chart, find};
use crate::block::Family;
use crate::cli::args::FileArgs;
use crate::cli::exit::{CommandResult, Exit, Failure};
use crate::cli::report;
use crate::image_io::{Existing, write_file};
use crate::lora::{BlockDeltas, Deltas, Inspection, ModuleTable};

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// LoRA files, or names from the LoRA folders
    #[arg(required = true, value_name = "FILE|NAME")]
    loras: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    /// Write the norms of the blocks as a chart (SVG); one LoRA
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &InspectArgs) -> CommandResult {
    let InspectArgs { loras, files, json, .. } = args;
    if args.chart.is_some() && loras.len() > 1 {
        return Err(Failure::text("--chart draws one LoRA"));
    }
    let mut index = None;
    let mut failed = None;
    for name in loras {
        let inspected = find(name, files, &mut index).and_then(|path| {
            let table = ModuleTable::full_size(Family::Sdxl);
            // Hashing takes as long as measuring.
            let (inspection, deltas) =
                rayon::join(|| Inspection::of_file(&path, None), || Deltas::of_file(&path, &table));
            let failed = |e: crate::lora::LoraError| Failure::file(e.to_string());
            Ok((path, inspection.map_err(failed)?, deltas.map_err(failed)?))
        });
        match inspected {
            Ok((path, inspection, deltas)) => {
                if let Some(chart) = &args.chart {
                    let title = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
                    write_file(chart, chart::svg(&title, &deltas).as_bytes(), Existing::Keep)
                        .map_err(|e| Failure::file(e.to_string()))?;
                }
                match json {
                    true => println!("{}", json!({ "file": path, "inspection": inspection, "deltas": deltas })),
                    false => print(&path, &inspection, &deltas),
                }
            }
            Err(failure) => {
                report::error(&failure.message);
                failed = failed.max(Some(failure.exit as u8));
            }
        }
    }
    match failed {
        None => Ok(Exit::Done),
        Some(code) if code == Exit::File as u8 => Err(Failure { exit: Exit::File, message: String::new() }),
        Some(_) => Err(Failure { exit: Exit::Text, message: String::new() }),
    }
}

fn print(path: &Path, inspection: &Inspection, deltas: &Deltas) {
    let Inspection { kinds, ranks, alphas, dtypes, blocks, .. } = inspection;
    let counts = |pairs: Vec<(String, usize)>| {
        pairs.into_iter().map(|(what, n)| format!("{what} ×{n}")).collect::<Vec<_>>().join(", ")
    };
    println!("{}", path.display());
    println!("  made for   {}", inspection.made_for.unwrap_or("unknown"));
    println!("  kind       {}", counts(kinds.iter().map(|(k, n)| (k.to_string(), *n)).collect()));
    if inspection.dora_modules > 0 {
        println!("  DoRA       {} modules", inspection.dora_modules);
    }
    println!("  rank       {}", counts(ranks.iter().map(|(r, n)| (r.to_string(), *n)).collect()));
    println!("  alpha      {}", counts(alphas.iter().map(|(a, n)| (a.to_string(), *n)).collect()));
    println!("  dtype      {}", counts(dtypes.iter().map(|(d, n)| (d.clone(), *n)).collect()));
    println!("  sha256     {}", inspection.hashes.sha256);
    println!("  lora hash  {}", inspection.hashes.webui);
    println!("  modules    {}", blocks.iter().map(|(_, n)| n).sum::<usize>() + inspection.outside_blocks.len());
    for (block, modules) in blocks {
        let measured = deltas.blocks.iter().find(|measured| measured.block == *block);
        println!("    {block:<6} {modules:>4}{}", measured.map_or(String::new(), |m| measures(m, deltas)));
    }
    if deltas.norm > 0.0 {
        println!("  norm       {:.4} in all; bars show the share of the sum of squares", deltas.norm);
        let elements = deltas.elements.iter().map(|(name, share)| format!("{name} {:.1}%", share * 100.0));
        println!("  elements   {}", elements.collect::<Vec<_>>().join(", "));
    }
    if deltas.unmeasured > 0 {
        println!("  {} modules are no plain LoRA or LoCon and are not measured", deltas.unmeasured);
    }
    list("outside the blocks (always ratio 1)", &inspection.outside_blocks);
    list("of unknown kind", &inspection.unknown_kind);
    list("not matched", &inspection.unmatched);
    if inspection.leniently_matched > 0 {
        println!("  {} tensors have names that webui does not know", inspection.leniently_matched);
    }
    if !inspection.metadata.is_empty() {
        println!("  metadata");
    }
    for (key, value) in &inspection.metadata {
        const SHOWN: usize = 120;
        let short: String = value.chars().take(SHOWN).collect();
        let more = if short.len() < value.len() { "…" } else { "" };
        println!("    {}: {}{more}", report::escaped(key), report::escaped(&short).replace('\n', " "));
    }
}

fn measures(block: &BlockDeltas, deltas: &Deltas) -> String {
    const BAR: f64 = 24.0;
    let largest = deltas.blocks.iter().map(|block| block.share).fold(f64::MIN_POSITIVE, f64::max);
    let scale = match block.scale {
        (least, greatest) if least == greatest => format!("{least:.4}"),
        (least, greatest) => format!("{least:.4}–{greatest:.4}"),
    };
    format!(
        "  norm {:<9.4} effective rank {:<5.1} alpha/rank {scale:<8} {:>5.1}% {}",
        block.norm,
        block.effective_rank,
        block.share * 100.0,
        "█".repeat((block.share / largest * BAR).round() as usize)
    )
}

fn list(title: &str, names: &[String]) {
    if let Some(first) = names.first() {
        println!("  {title}: {}, for example {}", names.len(), report::escaped(first));
    }
}
