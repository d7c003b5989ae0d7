//! The Effective Block Analyzer: which block of a LoRA does what.

mod bars;
mod folder;
mod pictures;
mod subject;
mod suggestion;

use std::path::PathBuf;
use std::sync::Arc;

use super::draw::{Event, Sink};
use super::error::{Error, Result};
use super::renderer::Renderer;
use super::session::{Asked, Session};
use crate::diagnostic::{Language, code};
use crate::say;
use crate::study::analyzer::AnalysisPlan;
use crate::study::metrics::Change;
use crate::study::report::{Block, Report, guilty, mean_and_spread, ranking};
pub use crate::study::suggest::Goal;
use crate::study::words::sentence;
pub use bars::Bars;
use folder::Folder;
use pictures::{Compared, Drawing, OneBlock, errors_of};
use subject::Subject;

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
            webui_quirks: false,
            output: PathBuf::from("lbw-analysis"),
            language: Language::default(),
        }
    }
}

/// How many blocks, or lists of blocks, these name; of a model that is not looked at, the most that one has.
pub fn cells(blocks: Option<&str>) -> usize {
    let blocks = blocks.unwrap_or("17ALL");
    let all =
        |end: &str| blocks.trim().strip_suffix("ALL").filter(|count| *count == end).map(|_| end.parse().unwrap_or(0));
    ["12", "17", "20", "26"].iter().find_map(|end| all(end)).unwrap_or_else(|| blocks.split(',').count())
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

/// Draws, compares, suggests, and writes the report.
pub fn analyze(
    session: Arc<Session>,
    asked: Asked,
    wish: &Wish,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<Analyzed> {
    let mut subject = Subject::new(session, asked, wish)?;
    for found in subject.check()? {
        sink.event(Event::Found(&found));
    }
    let folder = Folder::open(&wish.output, &mut subject, sink)?;
    if wish.quick {
        subject.quarter_steps()?;
    }
    let plan = subject.analysis(wish)?;
    let mut pictures = Drawing::new(renderer, &subject, &folder, wish, sink);
    let sheets = pictures.sheets(&plan)?;
    let mut tables = Vec::new();
    for (table, sheet) in plan.tables.iter().zip(&sheets) {
        tables.push(pictures.compare(table, sheet)?);
    }
    let mut report = report(wish, &subject, &plan, &pictures, &tables);
    report.references = sheets.iter().map(|s| s.references(&folder)).collect();
    if let Some(goal) = wish.toward {
        report.suggestion = Some(suggestion::suggest(&mut pictures, goal, &report)?);
    }
    report.work = pictures.work;
    report.work.pictures = pictures::distinct(&sheets);
    report.grids = folder.grids(wish, &plan, &tables, &sheets, sink)?;
    folder.write(&report)?;
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
        work: pictures.work,
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
