//! The table of a plan: blocks × factor, and where each number comes from.

use super::Bars;
use crate::block::{Block, Family, Space};
use crate::cli::report;
use crate::lora::{Inspection, LoraIndex};
use crate::plan::{ElementRule, LoraPlan, Plan, Segment, Words};

/// The plan for people.
pub fn of_plan(plan: &Plan, loras: &LoraIndex, bars: Bars) -> String {
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

/// Blocks × factor for one LoRA, with the modules that `file` has in each.
fn lora_table(lora: &LoraPlan, plan: &Plan, file: Option<&Inspection>, bars: Bars) -> String {
    let source = match lora.source.as_str() {
        "" => String::new(),
        rules if rules.starts_with("element rules") => format!(", {rules}"),
        weights => format!(", block weights from {weights}"),
    };
    let mut out = format!(
        "\n{}: text encoders {}, UNet {}{}\n",
        report::escaped(&lora.name),
        number(lora.te),
        number(lora.unet),
        report::escaped(&source)
    );
    if let Some(rank) = lora.dyn_dim {
        out += &format!("  cut to rank {rank}\n");
    }
    window(&mut out, lora);
    for block in blocks_of(plan.family) {
        let weight = lora.blocks.get(block.index()).copied().unwrap_or(0.0);
        let strength = if is_text(block) { lora.te } else { lora.unet };
        let factor = strength * weight;
        let modules = match file.map(|file| modules_of(file, plan.family, block)) {
            None => String::new(),
            // A weight for nothing has no effect; the block is left out.
            Some(modules) if modules.is_empty() => continue,
            Some(modules) => said_of_modules(&modules, lora, plan.family, strength),
        };
        let bar = bar(factor, bars);
        let (name, strength, weight, factor) = (block.name(), number(strength), number(weight), number(factor));
        out += &format!("  {name:<6} {strength:>7} × {weight:<7} = {factor:<8} {modules:<12} {bar}");
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    if let Some(file) = file {
        let what = if lora.elements.is_empty() { "outside the blocks, always ratio 1" } else { "outside the blocks" };
        named(&mut out, what, &file.outside_blocks);
        named(&mut out, &format!("matching nothing in {}", plan.family.label()), &file.unmatched);
    }
    for (rule, number) in lora.elements.iter().zip(1..) {
        out += &said_of_rule(rule, number);
    }
    out
}

/// The step window, where there is one.
fn window(out: &mut String, lora: &LoraPlan) {
    if lora.window.is_always() {
        return;
    }
    let from = lora.window.start.map_or("the beginning".to_owned(), |s| format!("step {s}"));
    let to = lora.window.stop.map_or("the end".to_owned(), |s| format!("before step {s}"));
    *out += &format!("  acts on the UNet from {from} to {to} (0-based); the text encoders always have it\n");
}

/// The blocks that models of a family have weights in.
pub fn blocks_of(family: Family) -> impl Iterator<Item = Block> {
    let absent = ["IN09", "IN10", "IN11", "OUT09", "OUT10", "OUT11"];
    let space = family.space();
    let all = (0..space.names().len()).filter_map(move |index| Block::new(space, index));
    all.filter(move |block| family != Family::Sdxl || !absent.contains(&block.name()))
}

fn is_text(block: Block) -> bool {
    ["BASE", "CLIP", "T5"].contains(&block.name())
}

fn modules_of(file: &Inspection, family: Family, block: Block) -> Vec<&str> {
    let modules = file.modules.iter().map(String::as_str);
    modules.filter(|module| Block::of_module(family, module) == Some(block)).collect()
}

/// How many there are, and how many of them have their factor from an element rule.
fn said_of_modules(modules: &[&str], lora: &LoraPlan, family: Family, strength: f64) -> String {
    let mut said = format!("{} modules", modules.len());
    for (at, rule) in lora.elements.iter().enumerate() {
        let ruled = modules.iter().filter(|module| lora.rule(family, module) == Some(at)).count();
        if ruled > 0 {
            said += &format!(", {ruled} by rule {} = {}", at + 1, number(strength * rule.ratio));
        }
    }
    said
}

fn said_of_rule(rule: &ElementRule, number_of_rule: usize) -> String {
    format!(
        "  rule {number_of_rule}: {} : {} → ratio {}\n",
        words(&rule.blocks),
        words(&rule.elements),
        number(rule.ratio)
    )
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

fn words(words: &Words) -> String {
    if words.not && words.words == Space::Unet.names() {
        return "outside the blocks".to_owned();
    }
    let list = report::escaped(&ranges(&words.words).join(" "));
    match (words.not, list.as_str()) {
        (false, "") => "everything".to_owned(),
        (false, _) => list,
        (true, _) => format!("NOT {list}"),
    }
}

/// Runs of three blocks or more as `IN05-OUT05`.
fn ranges(words: &[String]) -> Vec<String> {
    let place = |word: &String| Space::Unet.names().iter().position(|name| name == word);
    let follows = |pair: &[String]| place(&pair[0]).is_some_and(|at| Some(at + 1) == place(&pair[1]));
    let mut shown = Vec::new();
    let mut rest = words;
    while let Some(first) = rest.first() {
        let run = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
        match run {
            3.. => shown.push(format!("{first}-{}", rest[run - 1])),
            _ => shown.extend_from_slice(&rest[..run]),
        }
        rest = &rest[run..];
    }
    shown
}

/// Six digits are enough for people.
pub fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A bar of 20 characters per unit, green, or red for negative factors.
fn bar(factor: f64, bars: Bars) -> String {
    const UNIT: f64 = 20.0;
    let length = (factor.abs().min(2.0) * UNIT).round() as usize;
    let more = if factor.abs() > 2.0 { "…" } else { "" };
    let bar = "█".repeat(length) + more;
    let colour = if factor < 0.0 { 31 } else { 32 };
    match bars {
        Bars::No => String::new(),
        _ if length == 0 => String::new(),
        Bars::Plain => bar,
        Bars::Coloured => format!("\x1b[{colour}m{bar}\x1b[0m"),
    }
}
