//! `lbw plan`: what would run, block by block.

use std::io::IsTerminal;

use super::args::PlanArgs;
use super::exit::{CommandResult, Exit, Failure};
use super::{report, request};
use crate::block::Block;
use crate::lora::{Inspection, LoraIndex};
use crate::plan::{LoraPlan, Plan, Segment, Words};

pub fn run(args: &PlanArgs) -> CommandResult {
    let prepared = request::prepare(&args.prompt, &args.files)?;
    report::diagnostics(&prepared.found);
    if prepared.plans.is_empty() {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    prepared.plans.iter().for_each(|plan| print(plan, &prepared.loras, args.json));
    Ok(Exit::Done)
}

/// Prints a plan as one line of JSON, or as a table with what the LoRA files hold.
pub fn print(plan: &Plan, loras: &LoraIndex, json: bool) {
    if json {
        // A plan is plain data: it can always be written.
        println!("{}", serde_json::to_string(plan).unwrap_or_default());
    } else {
        print!("{}", table(plan, loras, std::io::stdout().is_terminal()));
    }
}

/// The plan for people.
fn table(plan: &Plan, loras: &LoraIndex, bars: bool) -> String {
    let s = &plan.settings;
    let schedule = match s.schedule_type {
        crate::plan::ScheduleType::Automatic => {
            s.sampler.default_schedule().map_or("Automatic".to_owned(), |d| format!("Automatic ({})", d.label()))
        }
        named => named.label().to_owned(),
    };
    let mut out = format!(
        "{}×{}, {} steps, {}, {schedule}, CFG {}, seed {}\n",
        s.width,
        s.height,
        s.steps,
        s.sampler.label(),
        s.cfg_scale,
        s.seed
    );
    for part in &plan.positive {
        let weight = if plan.positive.len() > 1 { format!(" × {}", part.weight) } else { String::new() };
        out += &format!("prompt{weight}: {}\n", texts(&part.schedule));
    }
    match plan.negative.is_empty() {
        true => out += "negative prompt: empty (zeros)\n",
        false => out += &format!("negative prompt: {}\n", texts(&plan.negative)),
    }
    for lora in &plan.loras {
        // A file that cannot be read is reported when it is used.
        let file = loras.resolve(&lora.name).ok().and_then(|path| Inspection::of_file(path, None).ok());
        out += &lora_table(lora, plan, file.as_ref(), bars);
    }
    out
}

/// The pieces of each text, with their emphasis where it is not 1.
fn texts(schedule: &[Segment]) -> String {
    const SHOWN: usize = 8;
    let text = |segment: &Segment| -> String {
        let piece = |p: &crate::plan::Piece| match p.weight {
            1.0 => report::escaped(&p.text),
            -1.0 if p.text == "BREAK" => " BREAK ".to_owned(),
            weight => format!("({}:{})", report::escaped(&p.text), number(weight)),
        };
        segment.pieces.iter().map(piece).collect()
    };
    match schedule {
        [only] => text(only),
        several => {
            let mut lines: Vec<_> =
                several.iter().take(SHOWN).map(|s| format!("\n  to step {}: {}", s.last_step, text(s))).collect();
            if several.len() > SHOWN {
                lines.push(format!("\n  … {} more", several.len() - SHOWN));
            }
            lines.concat()
        }
    }
}

/// Blocks × factor for one LoRA, with the number of modules that `file` has in each.
fn lora_table(lora: &LoraPlan, plan: &Plan, file: Option<&Inspection>, bars: bool) -> String {
    let source = if lora.source.is_empty() { String::new() } else { format!(", block weights from {}", lora.source) };
    let mut out = format!(
        "\n{}: text encoders {}, UNet {}{source}\n",
        report::escaped(&lora.name),
        number(lora.te),
        number(lora.unet)
    );
    match (lora.window.start, lora.window.stop) {
        (None, None) => {}
        (start, stop) => {
            let from = start.map_or("the beginning".to_owned(), |s| format!("step {s}"));
            let to = stop.map_or("the end".to_owned(), |s| format!("before step {s}"));
            out += &format!("  acts on the UNet from {from} to {to} (0-based); the text encoders always have it\n");
        }
    }
    let space = plan.family.space();
    for (index, weight) in lora.blocks.iter().enumerate() {
        let Some(block) = Block::new(space, index).filter(|b| exists(plan, b.name())) else { continue };
        let strength = if index == 0 { lora.te } else { lora.unet };
        let factor = strength * weight;
        let modules = file.map(|f| f.blocks.iter().find(|(name, _)| *name == block.name()).map_or(0, |(_, n)| *n));
        let modules = match modules {
            None => String::new(),
            // A weight for nothing has no effect; the block is left out.
            Some(0) => continue,
            Some(count) => format!("{count} modules"),
        };
        let bar = if bars { bar(factor) } else { String::new() };
        let (name, strength, weight, factor) = (block.name(), number(strength), number(*weight), number(factor));
        out += &format!("  {name:<6} {strength:>7} × {weight:<7} = {factor:<8} {modules:<12} {bar}");
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    if let Some(file) = file {
        named(&mut out, "outside the blocks, always ratio 1", &file.outside_blocks);
        named(&mut out, "matching nothing in SDXL", &file.unmatched);
    }
    for rule in &lora.elements {
        out += &format!("  rule: {} : {} → ratio {}\n", words(&rule.blocks), words(&rule.elements), number(rule.ratio));
    }
    out
}

/// A count of names, and the first few.
fn named(out: &mut String, what: &str, names: &[String]) {
    const SHOWN: usize = 3;
    if names.is_empty() {
        return;
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| report::escaped(n)).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    *out += &format!("  {} {what}: {}{more}\n", names.len(), shown.join(", "));
}

/// Whether the family's full-size model has weights in this block.
fn exists(plan: &Plan, block: &str) -> bool {
    plan.family != crate::block::Family::Sdxl || !["IN09", "IN10", "IN11", "OUT09", "OUT10", "OUT11"].contains(&block)
}

fn words(words: &Words) -> String {
    let list = words.words.join(" ");
    match (words.not, list.as_str()) {
        (false, "") => "everything".to_owned(),
        (false, _) => list,
        (true, _) => format!("NOT {list}"),
    }
}

/// Six digits are enough for people.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A bar of 20 characters per unit, green, or red for negative factors.
fn bar(factor: f64) -> String {
    const UNIT: f64 = 20.0;
    let length = (factor.abs().min(2.0) * UNIT).round() as usize;
    let colour = if factor < 0.0 { 31 } else { 32 };
    let more = if factor.abs() > 2.0 { "…" } else { "" };
    match length {
        0 => String::new(),
        _ => format!("\x1b[{colour}m{}{more}\x1b[0m", "█".repeat(length)),
    }
}
