//! The table of a plan: blocks × factor, and where each number comes from.

use std::path::Path;

use super::Bars;
use crate::app::catalogue::ModelFiles;
use crate::app::lists::{bytes, size};
use crate::app::session::Session;
use crate::block::{Block, Family, Space};
use crate::diagnostic::{Language, Text, escaped};
use crate::lora::Inspection;
use crate::model::{Architecture, EmptyText};
use crate::plan::{ElementRule, LoraPlan, Moment, Pass, Piece, Plan, ScheduleType, Segment, Start, Words};
use crate::say;

/// The checkpoint and VAE that plans are drawn with: a line.
pub fn model(model: &ModelFiles, session: &Session) -> Text {
    let described = |path: &Path| format!("{}, {}", escaped(&file_name(path)), size(bytes(path)));
    let family = session.architecture(&model.checkpoint).map_or(String::new(), |a| format!(", {}", a.family.label()));
    let checkpoint = described(&model.checkpoint) + &family;
    match &model.vae {
        None => say!("model: {checkpoint}\n", "モデル: {checkpoint}\n"),
        Some(vae) => {
            let vae = described(vae);
            say!("model: {checkpoint}; VAE: {vae}\n", "モデル: {checkpoint}。VAE: {vae}\n")
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The table of a plan, with what the LoRA files hold: whole lines without control characters, but for the colours of bars.
pub fn plan(plan: &Plan, session: &Session, bars: Bars, language: Language) -> String {
    let table = Table { family: plan.family, session, bars, language };
    let mut out = String::new();
    for (number, pass) in plan.passes().enumerate() {
        out += &table.pass(pass, (number > 0).then_some(plan));
    }
    out
}

/// What all parts of the table are written with.
#[derive(Clone, Copy)]
struct Table<'a> {
    family: Family,
    session: &'a Session,
    bars: Bars,
    language: Language,
}

impl Table<'_> {
    fn words(&self, text: &Text) -> String {
        text.in_language(self.language).to_owned()
    }

    /// One pass; of a later one only what differs from the first.
    fn pass(&self, pass: &Pass, after: Option<&Plan>) -> String {
        let s = &pass.settings;
        let schedule = match s.schedule_type {
            ScheduleType::Automatic => {
                s.sampler.default_schedule().map_or("Automatic".to_owned(), |d| format!("Automatic ({})", d.label()))
            }
            named => named.label().to_owned(),
        };
        let ((width, height), steps, sampler, cfg, seed) =
            (pass.size(), s.steps, s.sampler.label(), s.cfg_scale, s.seed);
        let line = say!(
            "{width}×{height}, {steps} steps, {sampler}, {schedule}, CFG {cfg}, seed {seed}",
            "{width}×{height}、{steps} ステップ、{sampler}、{schedule}、CFG {cfg}、シード {seed}"
        );
        let mut out = self.words(&line) + "\n";
        match &pass.start {
            Start::Noise => {}
            Start::Picture { denoising_strength, .. } => {
                let said = say!(
                    "drawn over a picture, denoising strength {denoising_strength}",
                    "画像の上に描きます。デノイズ強度 {denoising_strength}"
                );
                out += &format!("{}\n", self.words(&said));
            }
            Start::Previous { upscaler, denoising_strength, .. } => {
                let upscaler = upscaler.label();
                let said = say!(
                    "second pass: enlarged by {upscaler}, denoising strength {denoising_strength}",
                    "第 2 パス: {upscaler} で拡大、デノイズ強度 {denoising_strength}"
                );
                out = format!("\n{}\n{out}", self.words(&said));
            }
        }
        let is_new = |of: fn(&Pass) -> &str| after.is_none_or(|plan| of(&plan.first) != of(pass));
        if is_new(|pass| &pass.prompt) {
            out += &self.prompt(pass);
        }
        if is_new(|pass| &pass.negative_prompt) {
            out += &self.negative_prompt(pass);
        }
        for lora in &pass.loras {
            if after.is_some_and(|plan| plan.first.loras.contains(lora)) {
                continue;
            }
            let file = self.session.inspection_of(&lora.name);
            out += &self.lora(lora, pass, file.as_deref());
        }
        out
    }

    fn prompt(&self, pass: &Pass) -> String {
        let mut out = String::new();
        for part in &pass.positive {
            let weight = if pass.positive.len() > 1 { format!(" × {}", part.weight) } else { String::new() };
            let texts = self.texts(&part.schedule);
            let said = say!("prompt{weight}: {texts}", "プロンプト{weight}: {texts}");
            out += &format!("{}\n", self.words(&said));
        }
        out
    }

    fn negative_prompt(&self, pass: &Pass) -> String {
        let empty_text = Architecture::full_size(self.family).map(|architecture| architecture.empty_text);
        let said = match (pass.negative.is_empty(), empty_text) {
            (true, Some(EmptyText::Zeros)) => say!("negative prompt: empty (zeros)", "ネガティブプロンプト: 空 (ゼロ)"),
            (true, _) => say!("negative prompt: empty", "ネガティブプロンプト: 空"),
            (false, _) => {
                let texts = self.texts(&pass.negative);
                say!("negative prompt: {texts}", "ネガティブプロンプト: {texts}")
            }
        };
        self.words(&said) + "\n"
    }

    /// The pieces of each text, with their emphasis where it is not 1.
    fn texts(&self, schedule: &[Segment]) -> String {
        const SHOWN: usize = 8;
        let text = |segment: &Segment| -> String {
            let piece = |p: &Piece| match p.weight {
                1.0 => escaped(&p.text),
                -1.0 if p.text == "BREAK" => " BREAK ".to_owned(),
                weight => format!("({}:{})", escaped(&p.text), number(weight)),
            };
            segment.pieces.iter().map(piece).collect()
        };
        match schedule {
            [only] => text(only),
            several => {
                let line = |s: &Segment| {
                    let (last, text) = (s.last_step, text(s));
                    format!("\n  {}", self.words(&say!("to step {last}: {text}", "ステップ {last} まで: {text}")))
                };
                let mut lines: Vec<_> = several.iter().take(SHOWN).map(line).collect();
                if let Some(more @ 1..) = several.len().checked_sub(SHOWN) {
                    lines.push(format!("\n  … {}", self.words(&say!("{more} more", "ほか {more} 件"))));
                }
                lines.concat()
            }
        }
    }

    /// Blocks × factor for one LoRA, with the modules that `file` has in each.
    fn lora(&self, lora: &LoraPlan, pass: &Pass, file: Option<&Inspection>) -> String {
        let (name, te, unet, source) = (escaped(&lora.name), number(lora.te), number(lora.unet), escaped(&lora.source));
        let source = match source.as_str() {
            "" => Text::default(),
            rules if rules.starts_with("element rules") => say!(", {rules}", "、{rules}"),
            weights => say!(", block weights from {weights}", "、階層別の重みは {weights}"),
        };
        let head = say!(
            "{name}: text encoders {te}, UNet {unet}{source}",
            "{name}: テキストエンコーダー {te}、UNet {unet}{source}",
            with source
        );
        let mut out = format!("\n{}\n", self.words(&head));
        if let Some(rank) = lora.dyn_dim {
            out += &format!("  {}\n", self.words(&say!("cut to rank {rank}", "ランク {rank} に切り詰め")));
        }
        self.window(&mut out, lora);
        self.over_time(&mut out, lora, pass, file);
        for block in self.family.blocks() {
            let weight = lora.blocks.get(block.index()).copied().unwrap_or(0.0);
            let strength = if is_text(block) { lora.te } else { lora.unet };
            let factor = strength * weight;
            let modules = match file.map(|file| modules_of(file, self.family, block)) {
                None => String::new(),
                // A weight for nothing has no effect; the block is left out.
                Some(modules) if modules.is_empty() => continue,
                Some(modules) => self.said_of_modules(&modules, lora, strength),
            };
            let bar = bar(factor, self.bars);
            let (name, strength, weight, factor) = (block.name(), number(strength), number(weight), number(factor));
            out += &format!("  {name:<6} {strength:>7} × {weight:<7} = {factor:<8} {modules:<12} {bar}");
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        if let Some(file) = file {
            let outside = match lora.elements.is_empty() {
                true => say!("outside the blocks, always ratio 1", "個はブロックの外、つねに比率 1"),
                false => say!("outside the blocks", "個はブロックの外"),
            };
            self.named(&mut out, &outside, &file.outside_blocks);
            let family = self.family.label();
            let nothing = say!("matching nothing in {family}", "個は {family} のどこにも合いません");
            self.named(&mut out, &nothing, &file.unmatched);
        }
        for (rule, number) in lora.elements.iter().zip(1..) {
            out += &self.said_of_rule(rule, number);
        }
        out
    }

    /// The step window, where there is one.
    fn window(&self, out: &mut String, lora: &LoraPlan) {
        if lora.window.is_always() {
            return;
        }
        let from = match lora.window.start {
            Some(step) => say!("step {step}", "ステップ {step}"),
            None => say!("the beginning", "最初"),
        };
        let to = match lora.window.stop {
            Some(step) => say!("before step {step}", "ステップ {step} の前"),
            None => say!("the end", "最後"),
        };
        let said = say!(
            "acts on the UNet from {from} to {to} (0-based); the text encoders always have it",
            "UNet には{from}から{to}まで効きます (0 から数えて)。テキストエンコーダーにはつねに効きます",
            with from, to
        );
        *out += &format!("  {}\n", self.words(&said));
    }

    /// What changes over the steps, block by block, and what that costs.
    fn over_time(&self, out: &mut String, lora: &LoraPlan, pass: &Pass, file: Option<&Inspection>) {
        if lora.over_time.is_level() {
            return;
        }
        let last = pass.settings.sampler.last_reported_step(pass.start.steps(pass.settings.steps));
        let steps: Vec<i64> = (0..=last.max(0)).collect();
        let changes: Vec<i64> =
            steps.windows(2).filter(|pair| lora.at(pair[0]) != lora.at(pair[1])).map(|pair| pair[1]).collect();
        let count = changes.len();
        let made = file.map(|file| changes.iter().map(|step| self.changed(lora, *step, file)).sum::<usize>());
        let said = match made {
            Some(made) => say!(
                "changes at {count} steps, where {made} modules are merged again in all",
                "{count} 回のステップで変わり、延べ {made} モジュールをマージし直します"
            ),
            None => say!("changes at {count} steps", "{count} 回のステップで変わります"),
        };
        *out += &format!("  {}\n", self.words(&said));
        let shown = shown_steps(lora, last.max(0));
        let head: String = shown.iter().map(|step| format!(" {step:>8}")).collect();
        let title = self.words(&say!("step", "位置").padded(6));
        *out += &format!("  {title}{head}\n");
        for block in self.family.blocks().filter(|block| !is_text(*block)) {
            if file.is_some_and(|file| modules_of(file, self.family, block).is_empty()) {
                continue;
            }
            let factor = |step: &i64| {
                let now = lora.at(*step);
                now.unet * now.blocks.get(block.index()).copied().unwrap_or(0.0)
            };
            let row: String = shown.iter().map(|step| format!(" {:>8}", number(factor(step)))).collect();
            *out += &format!("  {:<6}{row}\n", block.name());
        }
        *out += &format!("  {}\n", self.words(&say!("at the beginning:", "最初:")));
    }

    /// How many modules have another factor at a step than at the one before.
    fn changed(&self, lora: &LoraPlan, step: i64, file: &Inspection) -> usize {
        let (before, now) = (lora.at(step - 1), lora.at(step));
        let of_unet = file.modules.iter().filter(|module| module.starts_with("diffusion_model"));
        let factor =
            |moment: &Moment<'_>, module: &str| moment.unet * lora.ratio_among(&moment.blocks, self.family, module);
        of_unet.filter(|module| factor(&before, module) != factor(&now, module)).count()
    }

    /// How many there are, and how many of them have their factor from an element rule.
    fn said_of_modules(&self, modules: &[&str], lora: &LoraPlan, strength: f64) -> String {
        let count = modules.len();
        let mut said = self.words(&say!("{count} modules", "{count} モジュール"));
        for (at, rule) in lora.elements.iter().enumerate() {
            let ruled = modules.iter().filter(|module| lora.rule(self.family, module) == Some(at)).count();
            if ruled > 0 {
                let (at, factor) = (at + 1, number(strength * rule.ratio));
                said +=
                    &self.words(&say!(", {ruled} by rule {at} = {factor}", "、うち {ruled} はルール {at} = {factor}"));
            }
        }
        said
    }

    fn said_of_rule(&self, rule: &ElementRule, number_of_rule: usize) -> String {
        let (blocks, elements, ratio) =
            (self.selected(&rule.blocks), self.selected(&rule.elements), number(rule.ratio));
        let said = say!(
            "rule {number_of_rule}: {blocks} : {elements} → ratio {ratio}",
            "ルール {number_of_rule}: {blocks} : {elements} → 比率 {ratio}"
        );
        format!("  {}\n", self.words(&said))
    }

    /// A count of names, and the first few.
    fn named(&self, out: &mut String, what: &Text, names: &[String]) {
        const SHOWN: usize = 3;
        if names.is_empty() {
            return;
        }
        let shown: Vec<String> = names.iter().take(SHOWN).map(|n| escaped(n)).collect();
        let more = if names.len() > SHOWN { ", …" } else { "" };
        *out += &format!("  {} {}: {}{more}\n", names.len(), self.words(what), shown.join(", "));
    }

    fn selected(&self, words: &Words) -> String {
        if words.not && words.words == Space::Unet.names() {
            return self.words(&say!("outside the blocks", "ブロックの外"));
        }
        let list = escaped(&ranges(&words.words).join(" "));
        match (words.not, list.as_str()) {
            (false, "") => self.words(&say!("everything", "すべて")),
            (false, _) => list,
            (true, _) => format!("NOT {list}"),
        }
    }
}

/// Steps that show the course of a LoRA: those nearest to its points, at most eight.
fn shown_steps(lora: &LoraPlan, last: i64) -> Vec<i64> {
    const SHOWN: usize = 8;
    let points = lora.over_time.unet.iter().map(|point| point.step).chain(lora.over_time.blocks.iter().map(|p| p.step));
    let mut steps: Vec<i64> = points.map(|step| (step.round() as i64).clamp(0, last)).chain([0, last]).collect();
    steps.sort_unstable();
    steps.dedup();
    match steps.len() {
        0..=SHOWN => steps,
        many => (0..SHOWN).map(|at| steps[at * (many - 1) / (SHOWN - 1)]).collect(),
    }
}

fn is_text(block: Block) -> bool {
    ["BASE", "CLIP", "T5"].contains(&block.name())
}

fn modules_of(file: &Inspection, family: Family, block: Block) -> Vec<&str> {
    let modules = file.modules.iter().map(String::as_str);
    modules.filter(|module| Block::of_module(family, module) == Some(block)).collect()
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
