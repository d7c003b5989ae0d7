//! `lbw lora inspect`: what a LoRA file is, and how large its deltas are block by block.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{chart, find};
use crate::app::{self, Error, ErrorKind};
use crate::block::Family;
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::{Terminal, escaped};
use crate::diagnostic::{Text, code};
use crate::image_io::{Existing, write_file};
use crate::lora::{BlockDeltas, Deltas, Inspection, ModuleTable};
use crate::say;

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// LoRA files, or names from the LoRA folders
    #[arg(required = true, value_name = "FILE|NAME")]
    loras: Vec<String>,
    #[command(flatten)]
    places: PlaceArgs,
    /// Write the norms of the blocks as a chart (SVG); one LoRA
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &InspectArgs, terminal: Terminal) -> CommandResult {
    if args.chart.is_some() && args.loras.len() > 1 {
        let message = say!("--chart draws one LoRA", "--chart で描けるのは LoRA 一つです");
        return Err(Error::words(code::USAGE, message).into());
    }
    let (mut session, mut failed) = (None, Vec::<Error>::new());
    for name in &args.loras {
        let inspected = find(name, &args.places, &mut session).and_then(|path| Ok((inspect(&path)?, path)));
        match inspected {
            Ok(((inspection, deltas), path)) => {
                if let Some(chart) = &args.chart {
                    let title = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
                    write_file(chart, chart::svg(&title, &deltas).as_bytes(), Existing::Keep).map_err(Error::from)?;
                }
                match args.json {
                    true => terminal.line(json!({ "file": path, "inspection": inspection, "deltas": deltas }))?,
                    false => terminal.print(&described(&path, &inspection, &deltas, terminal))?,
                }
            }
            Err(error) => failed.push(error),
        }
    }
    let kind = failed.iter().map(|error| error.kind).max();
    match kind {
        None => Ok(()),
        Some(kind) => {
            let findings = failed.into_iter().flat_map(|error| error.findings).collect();
            Err(Error { kind: kind.max(ErrorKind::Words), findings }.into())
        }
    }
}

fn inspect(path: &Path) -> app::Result<(Inspection, Deltas)> {
    let table = ModuleTable::full_size(Family::Sdxl);
    // Hashing takes as long as measuring.
    let (inspection, deltas) = rayon::join(|| Inspection::of_file(path, None), || Deltas::of_file(path, &table));
    Ok((inspection?, deltas?))
}

fn described(path: &Path, inspection: &Inspection, deltas: &Deltas, terminal: Terminal) -> String {
    let Inspection { kinds, ranks, alphas, dtypes, blocks, .. } = inspection;
    let mut out = format!("{}\n", path.display());
    let mut line = |title: Text, value: String| {
        let title = terminal.words(&title).to_owned();
        // Japanese letters are two columns wide.
        let width = title.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
        out += &format!("  {title}{} {value}\n", " ".repeat(10usize.saturating_sub(width)));
    };
    let counts = |pairs: Vec<(String, usize)>| {
        pairs.into_iter().map(|(what, n)| format!("{what} ×{n}")).collect::<Vec<_>>().join(", ")
    };
    line(say!("made for", "対象"), inspection.made_for.unwrap_or("?").to_owned());
    line(say!("kind", "種類"), counts(kinds.iter().map(|(k, n)| (k.to_string(), *n)).collect()));
    if inspection.dora_modules > 0 {
        line(say!("DoRA", "DoRA"), inspection.dora_modules.to_string());
    }
    line(say!("rank", "ランク"), counts(ranks.iter().map(|(r, n)| (r.to_string(), *n)).collect()));
    line(say!("alpha", "alpha"), counts(alphas.iter().map(|(a, n)| (a.to_string(), *n)).collect()));
    line(say!("dtype", "型"), counts(dtypes.iter().map(|(d, n)| (d.clone(), *n)).collect()));
    line(say!("sha256", "sha256"), inspection.hashes.sha256.clone());
    line(say!("lora hash", "lora hash"), inspection.hashes.webui.clone());
    let modules = blocks.iter().map(|(_, n)| n).sum::<usize>() + inspection.outside_blocks.len();
    line(say!("modules", "モジュール"), modules.to_string());
    for (block, modules) in blocks {
        let measured = deltas.blocks.iter().find(|measured| measured.block == *block);
        out += &format!("    {block:<6} {modules:>4}{}\n", measured.map_or(String::new(), |m| measures(m, deltas)));
    }
    let mut say_line = |text: Text| out += &format!("  {}\n", terminal.words(&text));
    if deltas.norm > 0.0 {
        let norm = format!("{:.4}", deltas.norm);
        say_line(say!(
            "norm       {norm} in all; bars show the share of the sum of squares",
            "ノルム     全体で {norm}。棒は二乗和に占める割合"
        ));
        let elements = deltas.elements.iter().map(|(name, share)| format!("{name} {:.1}%", share * 100.0));
        let elements = elements.collect::<Vec<_>>().join(", ");
        say_line(say!("elements   {elements}", "要素       {elements}"));
    }
    if let count @ 1.. = deltas.unmeasured {
        say_line(say!(
            "{count} modules are no plain LoRA or LoCon and are not measured",
            "{count} 個のモジュールは普通の LoRA でも LoCon でもないので測っていません"
        ));
    }
    let mut list = |title: Text, names: &[String]| {
        if let (count, Some(first)) = (names.len(), names.first().map(|name| escaped(name))) {
            say_line(say!("{title}: {count}, for example {first}", "{title}: {count} 個 (例: {first})", with title));
        }
    };
    list(say!("outside the blocks (always ratio 1)", "ブロックの外 (つねに比率 1)"), &inspection.outside_blocks);
    list(say!("of unknown kind", "種類が不明"), &inspection.unknown_kind);
    list(say!("not matched", "合うものがない"), &inspection.unmatched);
    if let count @ 1.. = inspection.leniently_matched {
        say_line(say!(
            "{count} tensors have names that webui does not know",
            "{count} 個のテンソルの名前を webui は知りません"
        ));
    }
    if !inspection.metadata.is_empty() {
        say_line(say!("metadata", "メタデータ"));
    }
    for (key, value) in &inspection.metadata {
        const SHOWN: usize = 120;
        let short: String = value.chars().take(SHOWN).collect();
        let more = if short.len() < value.len() { "…" } else { "" };
        out += &format!("    {}: {}{more}\n", escaped(key), escaped(&short).replace('\n', " "));
    }
    out
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
