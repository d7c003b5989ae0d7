//! The Effective Block Analyzer: which block of a LoRA does what.

mod bars;
mod fields;
mod grids;
mod pictures;
mod suggestion;

use std::path::PathBuf;
use std::sync::Arc;

use super::draw::{Event, Job, Sink};
use super::error::{Error, Result};
use super::folder::{Folder, unwritable};
use super::renderer::Renderer;
use super::saved_preset::SavedPreset;
use super::scene::{Scene, say_of_steps};
use super::session::{Asked, Session};
use super::store::read_cell;
use super::subject::{Subject, twice};
use crate::diagnostic::{Diagnostic, Language, code};
use crate::say;
use crate::study::analyzer::{Analysis, AnalysisPlan};
use crate::study::metrics::Change;
use crate::study::report::{self, Block, Report, guilty, mean_and_spread, ranking};
pub use crate::study::suggest::Goal;
use crate::study::words::sentence;
use crate::study::xyz_weights::{all_blocks, complement};
pub use bars::Bars;
pub use fields::Fields;
use serde_json::json;

use pictures::{Compared, Drawing, OneBlock, errors_of};

/// What is asked of an analysis.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The LoRA under test, where none is marked lbw=XYZ.
    pub lora: Option<String>,
    /// Weight of the changed block, and of all others.
    pub range: String,
    /// Blocks, as the extension writes them; `None` are all of the model's blocks with attention.
    pub blocks: Option<String>,
    /// A channel sample counts as changed when it differs by more.
    pub threshold: String,
    /// White stands for no difference, not black.
    pub white: bool,
    /// Blocks along the columns of the grid.
    pub swap_axes: bool,
    /// How many seeds, counting up.
    pub seeds: usize,
    /// A quarter of the steps.
    pub quick: bool,
    /// What a suggestion is to bring back.
    pub toward: Option<Goal>,
    /// Prompts to verify the suggestion on.
    pub verify_prompts: Vec<String>,
    /// The name of a preset for the suggestion.
    pub save_preset: Option<String>,
    /// Take a range of three weights or more as the extension does.
    pub webui_quirks: bool,
    /// The folder of the pictures and the report; a run that was stopped goes on in it.
    pub output: PathBuf,
    /// The language of the report.
    pub language: Language,
}

impl Default for Wish {
    fn default() -> Self {
        Wish {
            lora: None,
            range: "0,1".to_owned(),
            blocks: None,
            threshold: "20".to_owned(),
            white: false,
            swap_axes: false,
            seeds: 1,
            quick: false,
            toward: None,
            verify_prompts: Vec::new(),
            save_preset: None,
            webui_quirks: false,
            output: PathBuf::from("lbw-analysis"),
            language: Language::default(),
        }
    }
}

/// The largest weight of a range: nothing is seen beyond.
const LARGEST: f64 = 100.0;

impl Wish {
    fn check(&self) -> Result<()> {
        if self.seeds == 0 {
            let message = say!("--seeds 0: an analysis needs at least one seed", "--seeds 0: シードは一つ以上要ります");
            return Err(Error::words(code::STUDY, message));
        }
        if self.threshold.trim().parse::<u8>().is_err() {
            let threshold = &self.threshold;
            let message = say!(
                "--threshold {threshold}: the threshold is a whole number from 0 to 255",
                "--threshold {threshold}: 閾値は 0 から 255 の整数です"
            );
            return Err(Error::words(code::STUDY, message));
        }
        Ok(())
    }

    /// What is asked for without effect.
    fn without_effect(&self) -> Vec<Diagnostic> {
        let mut said = Vec::new();
        if self.toward.is_none() && !self.verify_prompts.is_empty() {
            said.push(say!(
                "--verify-prompt has no effect without --toward: nothing is suggested that could be verified",
                "--toward がないと提案はないので、--verify-prompt に効果はありません"
            ));
        }
        if self.webui_quirks && self.range.split(',').count() == 2 {
            said.push(say!(
                "--webui-quirks has no effect: the range has two weights",
                "範囲の重みは二つなので、--webui-quirks に効果はありません"
            ));
        }
        said.into_iter().map(|message| Diagnostic::new(code::WITHOUT_EFFECT, message)).collect()
    }

    /// Weight of the changed block and of all others.
    fn range(&self) -> Result<[String; 2]> {
        let range: Vec<String> = self.range.split(',').map(|part| part.trim().to_owned()).collect();
        // What a vector may have at a place: a number, or what is drawn at random.
        let is_weight =
            |part: &str| complement(part).is_ok() && part.parse::<f64>().map_or(true, |number| number.abs() <= LARGEST);
        if let Some(part) = range.iter().take(2).find(|part| !is_weight(part)) {
            let range = &self.range;
            let message = say!(
                "--range {range}: `{part}` is no weight from -{LARGEST} to {LARGEST}",
                "--range {range}: `{part}` は -{LARGEST} から {LARGEST} までの重みではありません"
            );
            return Err(Error::words(code::STUDY, message));
        }
        match range.as_slice() {
            [value, rest, ..] if is_same(value, rest) => {
                let range = &self.range;
                let message = say!(
                    "--range {range}: the changed block would be as all others are",
                    "--range {range}: 変えるブロックの重みがほかと同じです"
                );
                Err(Error::words(code::STUDY, message))
            }
            [value, rest] => Ok([value.clone(), rest.clone()]),
            [value, rest, ..] if self.webui_quirks => Ok([value.clone(), rest.clone()]),
            _ => {
                let range = &self.range;
                let message = say!(
                    "--range {range}: the range has two weights, that of the changed block and that of all others, as in `0,1`",
                    "--range {range}: 変えるブロックの重みとほかの重みの二つを `0,1` のように書いてください"
                );
                Err(Error::words(code::STUDY, message))
            }
        }
    }

    /// The runs of the analysis; seeds count up.
    fn plan(&self, subject: &Subject, renderer: &mut dyn Renderer) -> Result<AnalysisPlan> {
        let mut next = subject.seed();
        let mut draw = || {
            next += 1;
            next - 1
        };
        let blocks = match &self.blocks {
            Some(blocks) => all_blocks(blocks),
            None => subject.usual_blocks(renderer)?.join(","),
        };
        let analysis = Analysis {
            range: &self.range,
            blocks: &blocks,
            seed: subject.seed(),
            seeds: self.seeds,
            leftover_z_values: "",
            title: &subject.marked.title,
        };
        Ok(analysis.plan(&mut draw)?)
    }
}

/// Whether two weights are one number.
fn is_same(one: &str, other: &str) -> bool {
    matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if one == other)
}

/// How many blocks, or lists of blocks, these name; of a model that is not looked at, the most that one has.
pub fn cells(blocks: Option<&str>) -> usize {
    all_blocks(blocks.unwrap_or("26ALL")).split(',').count()
}

/// The error of an analysis of more cells than may be drawn.
pub fn too_many(cells: usize, most: usize) -> Error {
    let message = say!(
        "the analysis has {cells} cells; this server draws at most {most}",
        "分析は {cells} マスあります。このサーバーでは {most} までです"
    );
    Error::words(code::OUT_OF_LIMITS, message)
}

/// An analysis and the page that shows it.
pub struct Analyzed {
    /// Everything that was found.
    pub report: Report,
    /// `analysis.html`.
    pub page: PathBuf,
}

/// What [`analyze`] draws first, and compares. It begins the folder, in which the seed is settled; pictures that lie there when it goes
/// on, in `cells` under their [`cell_name`](super::store::cell_name)s, are not drawn again.
pub fn jobs(
    session: Arc<Session>,
    asked: Asked,
    wish: &Wish,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<Vec<Job>> {
    let mut subject = subject(session, asked, wish, sink)?;
    let (folder, plan) = begin(&mut subject, wish, renderer, sink)?;
    let mut pictures = Drawing::new(renderer, &subject, &folder, wish, sink);
    let plans = pictures.plans(&plan)?;
    pictures.easel.jobs(plans)
}

/// What is analysed.
fn subject(session: Arc<Session>, asked: Asked, wish: &Wish, sink: &mut dyn Sink) -> Result<Subject> {
    let (subject, found) = checked(session, asked, wish)?;
    for found in &found {
        sink.event(Event::Found(found));
    }
    if wish.quick {
        let scene = Scene { prompt: subject.request.prompt.text.to_string(), seed: subject.seed() };
        let steps = subject.request.settings.steps;
        say_of_steps(sink, &subject, wish.lora.as_deref(), &[scene], steps)?;
    }
    Ok(subject)
}

/// What is analysed, and what is to be said of it before anything is drawn.
fn checked(session: Arc<Session>, asked: Asked, wish: &Wish) -> Result<(Subject, Vec<Diagnostic>)> {
    wish.check()?;
    let lora = wish.lora.as_deref();
    let mut subject = Subject::new(session, asked, lora, wish.range()?)?;
    let found =
        [subject.check(lora, &wish.verify_prompts)?, twice(&wish.verify_prompts), wish.without_effect()].concat();
    if wish.quick {
        let fewer = say!(
            "--quick draws with fewer steps, where it would be another",
            "--quick は少ないステップで描くので、範囲がずれてしまいます"
        );
        subject.refuse_windows(lora, &[], &fewer)?;
        subject.quarter_steps()?;
    }
    Ok((subject, found))
}

/// What is wrong or surprising about an analysis that is not drawn yet.
pub fn check(session: Arc<Session>, asked: Asked, wish: &Wish) -> Result<Vec<Diagnostic>> {
    checked(session, asked, wish).map(|(_, found)| found)
}

/// Opens the folder, and plans.
fn begin(
    subject: &mut Subject,
    wish: &Wish,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<(Folder, AnalysisPlan)> {
    let folder = Folder::open(&wish.output, &json!({ "prompt": *subject.request.prompt.text }), subject, sink)?;
    let plan = wish.plan(subject, renderer)?;
    Ok((folder, plan))
}

/// Draws, compares, suggests, and writes the report.
pub fn analyze(
    session: Arc<Session>,
    asked: Asked,
    wish: &Wish,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<Analyzed> {
    let mut subject = subject(session, asked, wish, sink)?;
    let preset = wish.save_preset.as_deref().map(|name| SavedPreset::new(name, &subject, &wish.output)).transpose()?;
    let (folder, plan) = begin(&mut subject, wish, renderer, sink)?;
    let mut pictures = Drawing::new(renderer, &subject, &folder, wish, sink);
    let sheets = folder.outcome(pictures.sheets(&plan))?;
    let mut tables = Vec::new();
    for (table, sheet) in plan.tables.iter().zip(&sheets) {
        tables.push(pictures.compare(table, sheet)?);
    }
    let mut report = report(wish, &subject, &plan, &pictures, &tables);
    report.references = sheets.iter().map(|s| s.references(&folder)).collect();
    if let Some(goal) = wish.toward {
        report.suggestion = Some(suggestion::suggest(&mut pictures, goal, &report)?);
    }
    report.work = pictures.easel.work;
    report.work.pictures = pictures::distinct(&sheets);
    report.grids = grids::grids(&folder, wish, &plan, &tables, &sheets, sink)?;
    let page = report::page(&report, &mut |name| read_cell(&folder.path(name)))?;
    folder.write("analysis", &report, &page)?;
    folder.replace("analysis.csv", report.csv().map_err(|e| unwritable(&e))?.as_bytes())?;
    if let Some(preset) = preset {
        // What does not hold on other prompts and seeds is no suggestion.
        let found = report.suggestion.as_ref().and_then(|suggestion| suggestion.found.as_ref());
        let found = found.filter(|found| found.holds);
        sink.event(Event::Found(&preset.save(found.map(|found| found.vector.as_str()))?));
    }
    Ok(Analyzed { report, page: folder.path("analysis.html") })
}

/// The comparisons of all seeds together.
fn report(wish: &Wish, subject: &Subject, plan: &AnalysisPlan, pictures: &Drawing, tables: &[Compared]) -> Report {
    let effects: Vec<Change> = tables.iter().map(|t| t.base_to_full).collect();
    let full = errors_of(&effects, &[]);
    let ids = plan.tables.first().map_or(&[][..], |table| &table.ids);
    let block = |(at, id): (usize, &String)| {
        let of =
            |what: fn(&OneBlock) -> Change| -> Vec<Change> { tables.iter().map(|t| what(&t.blocks[at])).collect() };
        let (effects, left) = (of(|b| b.effect), of(|b| b.left));
        let percents: Vec<f64> = tables.iter().map(|t| t.blocks[at].pictures.percent).collect();
        let (percent, spread) = mean_and_spread(&percents);
        let errors = errors_of(&left, &effects);
        let (colors, lines) = errors.gains(&full);
        let effect = Change::mean(&effects).unwrap_or(Change::NONE);
        let (modules, idle) = pictures.changing[at];
        Block {
            id: id.clone(),
            modules,
            idle,
            percent,
            spread,
            effect,
            left: Change::mean(&left).unwrap_or(Change::NONE),
            colors,
            lines,
            guilt: errors.recovered(&full),
            errors,
            sentence: sentence(id, idle, &effect, colors, lines).in_language(wish.language).to_owned(),
            pictures: tables.iter().map(|t| t.blocks[at].pictures.clone()).collect(),
        }
    };
    let blocks: Vec<Block> = ids.iter().enumerate().map(block).collect();
    let ids = |order: Vec<usize>| -> Vec<String> {
        order.into_iter().filter(|at| blocks[*at].modules > 0).map(|at| blocks[at].id.clone()).collect()
    };
    Report {
        format: 1,
        language: wish.language,
        prompt: subject.request.prompt.text.to_string(),
        loras: subject.marked.names.clone(),
        seed: subject.seed(),
        seeds: pictures.seeds.clone(),
        range: subject.range.clone(),
        threshold: wish.threshold.clone(),
        steps: subject.request.settings.steps,
        quick: wish.quick,
        work: pictures.easel.work,
        effect: Change::mean(&effects).unwrap_or(Change::NONE),
        errors: full,
        ranking: ids(ranking(&blocks)),
        guilty: ids(guilty(&blocks)),
        blocks,
        grids: Vec::new(),
        references: Vec::new(),
        suggestion: None,
    }
}
