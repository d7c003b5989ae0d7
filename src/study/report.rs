//! What an analysis found, as data, as a table for the terminal, as CSV, and in words.

use serde::Serialize;

use super::metrics::Change;
use super::suggest::{Candidate, Errors, GAIN, Goal, KEPT};

/// An analysis: everything that its HTML page, table and CSV say.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this structure.
    pub format: u32,
    /// As it was analysed.
    pub prompt: String,
    /// The LoRAs under test.
    pub loras: Vec<String>,
    /// The seed that was asked for or drawn; a run that goes on in the same folder takes it again.
    pub seed: i64,
    /// The seeds of the pictures.
    pub seeds: Vec<i64>,
    /// Weight of the changed block and of all others.
    pub range: [String; 2],
    /// The difference of a channel from which it counts, as it was given (0–255).
    pub threshold: String,
    /// Sampling steps of each picture.
    pub steps: u32,
    /// Whether the pictures were drawn with a quarter of the steps.
    pub quick: bool,
    /// What it cost.
    pub work: Work,
    /// What the whole LoRA does to the plain base.
    pub effect: Change,
    /// Its distance from the plain base.
    pub errors: Errors,
    /// In the order asked for.
    pub blocks: Vec<Block>,
    /// Ids, the one that changes the picture most first.
    pub ranking: Vec<String>,
    /// Ids, the guiltiest first.
    pub guilty: Vec<String>,
    /// One for each seed.
    pub grids: Vec<String>,
    /// One for each seed: the plain base and the whole LoRA.
    pub references: Vec<References>,
    /// Only where a goal was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

/// What the analysis cost; pictures that were there already cost nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Distinct pictures of the analysis.
    pub pictures: usize,
    /// Of these and those of the suggestion, how many were drawn in this run.
    pub drawn: usize,
    /// Calls of the UNet in this run.
    pub evaluations: usize,
    /// How often the text encoders ran in this run.
    pub text_encodings: usize,
}

/// Files of one seed that the blocks are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct References {
    /// The seed of both.
    pub seed: i64,
    /// Without the LoRA.
    pub base: String,
    /// With the whole LoRA.
    pub full: String,
}

/// One block, or one list of blocks.
#[derive(Debug, Clone, Serialize)]
pub struct Block {
    /// `IN04`, or several blocks as they were asked for.
    pub id: String,
    /// Modules whose factor changes. With 0 the picture is that of the whole LoRA and is not drawn.
    pub modules: usize,
    /// Channel samples that differ by more than the threshold from the whole LoRA's picture, in percent: mean over the seeds.
    pub percent: f64,
    /// Standard deviation of `percent` over the seeds.
    pub spread: f64,
    /// What the block does: from the pictures without it (its weight changed) to those of the whole LoRA.
    pub effect: Change,
    /// What is left without it: from the plain base to the pictures without the block.
    pub left: Change,
    /// The shares of the whole LoRA's distance from the plain base that go with the block.
    pub colors: f64,
    /// The same of gradient energy: what is drawn, not its colours.
    pub lines: f64,
    /// How guilty the block is: the share of that distance, colours and lines together, that is gone without the block.
    pub guilt: f64,
    /// The distance of the pictures without the block from the plain base.
    pub errors: Errors,
    /// What the block does, in words.
    pub sentence: String,
    /// One for each seed.
    pub pictures: Vec<Pictures>,
}

/// Files of one seed, in the folder of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pictures {
    /// The seed of these.
    pub seed: i64,
    /// The picture without the block.
    pub changed: String,
    /// The picture of the differences from the whole LoRA's.
    pub difference: String,
    /// As [`Block::percent`], of this seed.
    pub percent: f64,
}

/// A vector for a goal.
#[derive(Debug, Clone, Serialize)]
pub struct Suggestion {
    /// What was asked for.
    pub goal: Goal,
    /// Nothing where no vector gains anything.
    pub found: Option<Found>,
    /// What was found, in words.
    pub sentence: String,
}

/// A vector that comes nearer to the goal.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// As it is written behind `lbw=`.
    pub vector: String,
    /// The blocks that are lowered.
    pub weights: Vec<(String, f64)>,
    /// On the prompt and seeds of the analysis.
    pub errors: Errors,
    /// On other prompts and seeds: the whole LoRA, and the suggestion.
    pub verified_full: Errors,
    /// On other prompts and seeds: the suggestion.
    pub verified: Errors,
    /// Whether the goal is reached on the other prompts and seeds.
    pub holds: bool,
    /// One for each of the other prompts and seeds.
    pub pictures: Vec<Verified>,
}

/// Pictures of one prompt and seed that the suggestion was not made from.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// Another prompt.
    pub prompt: String,
    /// Another seed.
    pub seed: u64,
    /// The file without the LoRA.
    pub base: String,
    /// The file with the whole LoRA.
    pub full: String,
    /// The file with the suggested vector.
    pub suggested: String,
}

/// Numbers over seeds: mean and standard deviation.
pub fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// The numbers of the blocks, the one with the largest `key` first; among equals, the one that changes more pixels.
fn by(blocks: &[Block], key: impl Fn(&Block) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by(|p, q| {
        let (p, q) = (&blocks[*p], &blocks[*q]);
        key(q).total_cmp(&key(p)).then(q.percent.total_cmp(&p.percent))
    });
    order
}

/// The numbers of the blocks, the one that changes the picture most first: by the mean ΔE.
pub fn ranking(blocks: &[Block]) -> Vec<usize> {
    by(blocks, |block| block.effect.delta_e)
}

/// The numbers of the blocks, the guiltiest first.
pub fn guilty(blocks: &[Block]) -> Vec<usize> {
    by(blocks, |block| block.guilt)
}

/// What a block does, in one sentence.
pub fn sentence(id: &str, modules: usize, effect: &Change, colors: f64, lines: f64) -> String {
    if modules == 0 {
        return format!("{id}: the LoRA has no weights here.");
    }
    let does = words(effect);
    if does.is_empty() {
        return format!("{id} hardly does anything.");
    }
    let share =
        |share: f64, what: &str| (share >= 0.1).then(|| format!("{:.0} % of the change in {what}", share * 100.0));
    let shares: Vec<String> = [share(colors, "colour"), share(lines, "lines")].into_iter().flatten().collect();
    match shares.is_empty() {
        true => format!("{id} {}.", listed(&does)),
        false => format!("{id} {}; without it {} from the base model goes away.", listed(&does), shares.join(" and ")),
    }
}

fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What is worth saying about a change, as verbs.
fn words(c: &Change) -> Vec<String> {
    const JUST_SEEN: f64 = 1.0;
    let mut said = Vec::new();
    let mut say = |is: bool, text: String| said.extend(is.then_some(text));
    let shift = c.a.hypot(c.b);
    let towards = hue_name(c.b.atan2(c.a).to_degrees().rem_euclid(360.0));
    say(shift >= JUST_SEEN, format!("shifts colours towards {towards} (ΔE {:.1})", c.delta_e));
    say(shift < JUST_SEEN && c.delta_e >= 2.0 * JUST_SEEN, format!("repaints (ΔE {:.1})", c.delta_e));
    say(c.hue.abs() >= 5.0, format!("turns hues by {:+.0}°", c.hue));
    let vivid = if c.saturation > 0.0 { "more vivid" } else { "paler" };
    say(c.saturation.abs() >= JUST_SEEN, format!("makes colours {vivid} ({:+.1} chroma)", c.saturation));
    let light = if c.lightness > 0.0 { "brightens" } else { "darkens" };
    say(c.lightness.abs() >= JUST_SEEN, format!("{light} ({:+.1} L*)", c.lightness));
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let contrast = if c.contrast > 1.0 { "raises contrast" } else { "flattens contrast" };
    say((c.contrast - 1.0).abs() >= 0.05, format!("{contrast} ({:+.0} %)", percent(c.contrast)));
    let edges = if c.edges > 1.0 { "hardens lines" } else { "softens lines" };
    say((c.edges - 1.0).abs() >= 0.1, format!("{edges} ({:+.0} % gradient energy)", percent(c.edges)));
    if !said.is_empty() || c.coarse_ssim < KEPT {
        said.push(match c.coarse_ssim {
            s if s >= 0.97 => "keeps the composition".to_owned(),
            s if s >= KEPT => format!("touches the composition (coarse SSIM {s:.2})"),
            s => format!("changes the composition (coarse SSIM {s:.2})"),
        });
    }
    said
}

/// The colour at an angle of the a*b* plane.
fn hue_name(degrees: f64) -> &'static str {
    match degrees {
        d if d < 55.0 => "red",
        d if d < 80.0 => "orange",
        d if d < 115.0 => "yellow",
        d if d < 175.0 => "green",
        d if d < 230.0 => "cyan",
        d if d < 300.0 => "blue",
        d if d < 340.0 => "purple",
        _ => "pink",
    }
}

/// What came of looking for a vector.
pub fn suggestion_sentence(found: Option<&Found>, candidate: Option<&Candidate>, full: &Errors, goal: Goal) -> String {
    let (Some(found), Some(candidate)) = (found, candidate) else {
        return format!(
            "No vector brings the base model back and keeps the composition (coarse SSIM at least {KEPT}): nothing is suggested."
        );
    };
    let gains = |now: &Errors, full: &Errors| {
        let (colors, lines) = now.gains(full);
        format!(
            "colour error {:+.0} %, line error {:+.0} %, coarse SSIM {:.2}",
            -colors * 100.0,
            -lines * 100.0,
            now.kept
        )
    };
    let lowered: Vec<String> = found.weights.iter().map(|(id, w)| format!("{id} at {w}")).collect();
    let verdict = match found.holds {
        true => format!("the goal ({:.0} % less, coarse SSIM at least {KEPT}) is reached", GAIN * 100.0),
        false if candidate.errors.reaches(full, goal) => "the goal is reached here but does not carry over".to_owned(),
        false => format!("the goal ({:.0} % less, coarse SSIM at least {KEPT}) is not reached", GAIN * 100.0),
    };
    format!(
        "{}: {}; on other prompts and seeds {}: {verdict}.",
        lowered.join(", "),
        gains(&found.errors, full),
        gains(&found.verified, &found.verified_full)
    )
}

impl Report {
    /// A line for each block with a bar of its difference, then a sentence for each, the guiltiest first.
    pub fn table(&self) -> String {
        const BAR: f64 = 20.0;
        let most = self.blocks.iter().map(|b| b.percent).fold(0.0, f64::max).max(1e-9);
        let wide = self.blocks.iter().map(|b| b.id.chars().count()).max().unwrap_or(0).max(5);
        let mut text = format!(
            "{:wide$}  modules  diff %  (±)     {:20}  ΔE    edges  contrast  chroma  coarse  guilt\n",
            "block", ""
        );
        for block in &self.blocks {
            if block.modules == 0 {
                text += &format!("{:wide$}        0  the LoRA has no weights here\n", block.id);
                continue;
            }
            let bar = "█".repeat((block.percent / most * BAR).round() as usize);
            let e = &block.effect;
            text += &format!(
                "{:wide$}  {:7}  {:6.2}  {:6.2}  {bar:20}  {:4.1}  {:5.2}  {:8.2}  {:+6.1}  {:6.3}  {:5.2}\n",
                block.id,
                block.modules,
                block.percent,
                block.spread,
                e.delta_e,
                e.edges,
                e.contrast,
                e.saturation,
                e.coarse_ssim,
                block.guilt
            );
        }
        text += "\n";
        for block in guilty(&self.blocks).into_iter().map(|at| &self.blocks[at]).filter(|b| b.modules > 0) {
            text += &format!("{}\n", block.sentence);
        }
        if let Some(suggestion) = &self.suggestion {
            text += "\n";
            if let Some(found) = &suggestion.found {
                text += &format!("suggested: lbw={}\n", found.vector);
            }
            text += &format!("{}\n", suggestion.sentence);
        }
        text
    }

    /// A row for each block.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = "block,modules,percent,spread,delta_e,lightness,a,b,hue,saturation,contrast,edges,ssim,coarse_ssim,\
                      base_delta_e,base_edges,base_coarse_ssim,colors,lines,guilt,sentence";
        writer.write_record(header.split(','))?;
        for b in &self.blocks {
            let (e, l) = (&b.effect, &b.left);
            let numbers = [
                b.percent,
                b.spread,
                e.delta_e,
                e.lightness,
                e.a,
                e.b,
                e.hue,
                e.saturation,
                e.contrast,
                e.edges,
                e.ssim,
                e.coarse_ssim,
                l.delta_e,
                l.edges,
                l.coarse_ssim,
                b.colors,
                b.lines,
                b.guilt,
            ];
            let mut row = vec![b.id.clone(), b.modules.to_string()];
            row.extend(numbers.iter().map(f64::to_string));
            row.push(b.sentence.clone());
            writer.write_record(&row)?;
        }
        let bytes = writer.into_inner().map_err(|e| csv::Error::from(std::io::Error::other(e.to_string())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_say_what_a_block_does() {
        let c = Change { delta_e: 12.0, a: 9.0, b: 4.0, edges: 1.4, contrast: 0.8, ..Change::NONE };
        assert_eq!(
            sentence("OUT04", 3, &c, 0.62, 0.05),
            "OUT04 shifts colours towards red (ΔE 12.0), flattens contrast (-20 %), hardens lines (+40 % gradient energy) \
             and keeps the composition; without it 62 % of the change in colour from the base model goes away."
        );
        assert_eq!(sentence("M00", 3, &Change::NONE, 0.0, 0.0), "M00 hardly does anything.");
        assert_eq!(sentence("BASE", 0, &Change::NONE, 0.0, 0.0), "BASE: the LoRA has no weights here.");
        let moved = Change { coarse_ssim: 0.5, ..Change::NONE };
        assert_eq!(sentence("IN04", 1, &moved, 0.0, 0.0), "IN04 changes the composition (coarse SSIM 0.50).");
    }

    #[test]
    fn spreads_are_standard_deviations() {
        assert_eq!(mean_and_spread(&[1.0, 3.0]), (2.0, 1.0));
        assert_eq!(mean_and_spread(&[5.0]), (5.0, 0.0));
    }
}
