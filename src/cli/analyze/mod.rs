//! `lbw analyze`: the Effective Block Analyzer.

mod files;
mod pictures;
mod subject;
mod suggestion;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::{EngineArgs, FileArgs, PromptArgs};
use super::exit::{CommandResult, Exit, Failure};
use super::painter::Painter;
use super::report as talk;
use super::request::Asked;
use crate::study::report::{Block, Report, guilty, mean_and_spread, ranking, sentence};
use crate::study::suggest::Goal;
use files::Folder;
use pictures::{Session, errors_of};
use subject::Subject;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AnalyzeArgs {
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// The LoRA under test, where none is marked lbw=XYZ; its weights in the prompt are replaced
    #[arg(long, value_name = "NAME")]
    pub lora: Option<String>,
    /// Weight of the changed block, and of all others
    #[arg(long, default_value = "0,1", value_name = "A,B", allow_hyphen_values = true)]
    pub range: String,
    /// 12ALL, 17ALL, 20ALL, 26ALL, or block lists separated by commas: IN04,IN05-IN07,NOT M00
    #[arg(long, default_value = "12ALL")]
    pub blocks: String,
    /// A channel sample counts as changed when it differs by more than this (0 to 255)
    #[arg(long, default_value = "20", allow_hyphen_values = true)]
    pub threshold: String,
    /// What stands for no difference in the difference pictures
    #[arg(long, value_enum, default_value_t = DiffColor::Black)]
    pub diff_color: DiffColor,
    /// Blocks along the columns of the grid
    #[arg(long)]
    pub swap_axes: bool,
    /// How many seeds, counting up, to repeat the analysis with
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seeds: usize,
    /// A quarter of the steps: nearly the same ranking from a quarter of the work
    #[arg(long)]
    pub quick: bool,
    /// Suggest a vector that brings these back and keeps the rest: base-colors, base-lines, or both with a comma
    #[arg(long, value_name = "GOAL")]
    pub toward: Option<Goal>,
    /// A prompt to verify the suggestion on, without LoRA tags; may be given several times [default: three common ones]
    #[arg(long, value_name = "PROMPT")]
    pub verify_prompt: Vec<String>,
    /// Take a range of three weights or more as the extension does, whose grid then shows wrong pictures
    #[arg(long)]
    pub webui_quirks: bool,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// The folder of the pictures and the report; a run that was stopped goes on in it
    #[arg(short, long, default_value = "lbw-analysis", value_name = "DIR")]
    pub output: PathBuf,
    /// Print the report as JSON, and no progress
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  lbw analyze \"red circle, blue background <lora:overcooked:1:lbw=XYZ>\" --seed 1
  lbw analyze \"red circle <lora:overcooked:1>\" --blocks 20ALL --seeds 3 -o study
  lbw analyze \"red circle <lora:overcooked:1>\" --quick --toward base-colors,base-lines

The folder then holds analysis.html (open it in a browser), analysis.json, analysis.csv, a grid for each seed and every picture.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffColor {
    Black,
    White,
}

pub fn run(args: &AnalyzeArgs) -> CommandResult {
    let mut subject = Subject::new(args)?;
    let folder = Folder::open(&args.output, &mut subject, &args.prompt)?;
    if args.quick {
        subject.quarter_steps()?;
    }
    let plan = subject.analysis(args)?;
    let Asked { files, loras, embeddings, .. } = &subject.asked;
    let mut painter = Painter::open(&files.model()?, loras.clone(), embeddings.clone(), &args.engine)?;
    let mut session = Session::new(&mut painter, &subject, &folder, args);
    let sheets = session.sheets(&plan)?;
    let mut tables = Vec::new();
    for (table, sheet) in plan.tables.iter().zip(&sheets) {
        tables.push(session.compare(table, sheet)?);
    }
    let mut report = report(args, &subject, &plan, &session, &tables);
    report.references = sheets.iter().map(|s| s.references(&folder)).collect();
    if let Some(goal) = args.toward {
        report.suggestion = Some(suggestion::suggest(&mut session, goal, &report)?);
    }
    report.grids = folder.grids(args, &plan, &tables, &sheets)?;
    report.work = session.work;
    report.work.pictures = pictures::distinct(&sheets);
    folder.write(&report)?;
    match args.json {
        true => println!("{}", serde_json::to_string(&report).map_err(|e| Failure::text(e.to_string()))?),
        false => {
            print!("{}", talk::escaped(&report.table()));
            println!("{}", folder.path("analysis.html").display());
        }
    }
    Ok(Exit::Done)
}

/// The comparisons of all seeds together.
fn report(
    args: &AnalyzeArgs,
    subject: &Subject,
    plan: &crate::study::analyzer::AnalysisPlan,
    session: &Session,
    tables: &[pictures::Compared],
) -> Report {
    use crate::study::metrics::Change;
    let effects: Vec<Change> = tables.iter().map(|t| t.base_to_full).collect();
    let full = errors_of(&effects, &[]);
    let ids = plan.tables.first().map_or(&[][..], |table| &table.ids);
    let block = |(at, id): (usize, &String)| {
        let of = |what: fn(&pictures::OneBlock) -> Change| -> Vec<Change> {
            tables.iter().map(|t| what(&t.blocks[at])).collect()
        };
        let (effects, left) = (of(|b| b.effect), of(|b| b.left));
        let percents: Vec<f64> = tables.iter().map(|t| t.blocks[at].pictures.percent).collect();
        let (percent, spread) = mean_and_spread(&percents);
        let errors = errors_of(&left, &effects);
        let (colors, lines) = errors.gains(&full);
        let effect = Change::mean(&effects).unwrap_or(Change::NONE);
        let modules = session.modules[at];
        Block {
            id: id.clone(),
            modules,
            percent,
            spread,
            effect,
            left: Change::mean(&left).unwrap_or(Change::NONE),
            colors,
            lines,
            guilt: errors.recovered(&full),
            errors,
            sentence: sentence(id, modules, &effect, colors, lines),
            pictures: tables.iter().map(|t| t.blocks[at].pictures.clone()).collect(),
        }
    };
    let blocks: Vec<Block> = ids.iter().enumerate().map(block).collect();
    let ids = |order: Vec<usize>| -> Vec<String> {
        order.into_iter().filter(|at| blocks[*at].modules > 0).map(|at| blocks[at].id.clone()).collect()
    };
    Report {
        format: 1,
        prompt: subject.request.prompt.text.to_string(),
        loras: subject.marked.names.clone(),
        seed: subject.seed(),
        seeds: session.seeds.clone(),
        range: subject.range.clone(),
        threshold: args.threshold.clone(),
        steps: subject.request.settings.steps,
        quick: args.quick,
        work: session.work,
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
