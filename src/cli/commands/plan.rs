//! `lbw plan`: what would run, block by block.

use std::io::IsTerminal;
use std::sync::Arc;

use clap::Args;

use crate::app::memory::{Needs, Savings};
use crate::app::prompts::{PromptJobs, ask_texts_or_files, jobs};
use crate::app::show::{self, Bars};
use crate::app::{self, Asked, Job, Memory, Session};
use crate::cli::args::{EngineArgs, PlaceArgs, PromptArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::{Diagnostic, code, escaped};

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[arg(long, help = tell("Print the plan as JSON, for `lbw run`", "`lbw run` で使う計画を JSON で出力します"))]
    pub json: bool,
    #[arg(
        long,
        help = tell(
            "Show what webui, Forge, SD.Next, ComfyUI (Inspire), kohya's script, stable-diffusion.cpp and others really apply of the LoRA \
             tags of this prompt",
            "このプロンプトの LoRA タグのうち、webui・Forge・SD.Next・ComfyUI (Inspire)・kohya のスクリプト・stable-diffusion.cpp などが実際に適用\
             するものを示します"
        ),
    )]
    pub compare: bool,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &PlanArgs, terminal: Terminal) -> CommandResult {
    let session = Arc::new(Session::open(&args.places.places(), args.prompt.caller()?)?);
    let (asked, found) = ask_texts_or_files(&session, &args.prompt.texts()?, args.prompt.prompts.len())?;
    if args.compare {
        return asked.iter().try_for_each(|asked| compare(asked, &session, args.json, terminal));
    }
    let settings = args.engine.settings()?;
    let found = [found, settings.without_gain()].concat();
    let (jobs, found) = jobs(&session, &asked, found)?;
    terminal.say_all(&found);
    let is_asked = !args.json || settings.memory.is_some();
    let memory = Memory::new(&session, settings);
    let mut said = Vec::new();
    let mut needs = |job: &Job| {
        let taken = if is_asked { memory.of(&job.plan, &job.model).transpose()? } else { None };
        let finding = taken.as_ref().and_then(|(needs, savings)| app::memory::saved(needs, *savings));
        if let Some(finding) = finding.filter(|finding| !said.contains(finding)) {
            terminal.say(&finding);
            said.push(finding);
        }
        Ok(taken)
    };
    print(&jobs, &session, &mut needs, args.json, terminal)
}

/// What a picture takes of memory, where it is known; an error where that is more than it may.
pub type NeedsOf<'a> = &'a mut dyn FnMut(&Job) -> app::Result<Option<(Needs, Savings)>>;

/// Prints plans, each as one line of JSON or as a table with what the LoRA files hold, and what they take of memory.
pub fn print(
    jobs: &PromptJobs<'_>,
    session: &Session,
    needs: NeedsOf<'_>,
    json: bool,
    terminal: Terminal,
) -> CommandResult {
    let mut model = None;
    jobs.iter().try_for_each(|job| {
        let job = job?;
        let needs = needs(&job)?;
        if json {
            return terminal.line(app::json(&job.plan));
        }
        if model.replace(job.model.clone()) != Some(job.model.clone()) {
            terminal.print(terminal.words(&show::model(&job.model, session)))?;
        }
        if let Some((needs, savings)) = &needs {
            terminal.sentence(&app::memory::taken(needs, *savings))?;
        }
        terminal.print(&show::plan(&job.plan, session, bars(), terminal.language))
    })
}

/// Prints what differs between the programs. A LoRA that there is not is an error here as well: what it would do is not known.
fn compare(asked: &Asked, session: &Session, json: bool, terminal: Terminal) -> CommandResult {
    // What each program makes of the tags stands in the table.
    let found = session.plan(asked).1;
    let of_files: Vec<Diagnostic> = found.into_iter().filter(|d| d.code == code::UNKNOWN_LORA).collect();
    let (loras, rest) = show::compare(&asked.request, session);
    loras.iter().try_for_each(|lora| terminal.answer(lora, json))?;
    if !json {
        terminal.print(&escaped(terminal.words(&rest)))?;
    }
    if session.refuses(&of_files) {
        return Err(app::Error::refused(of_files).into());
    }
    terminal.say_all(&of_files);
    Ok(())
}

fn bars() -> Bars {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match (std::io::stdout().is_terminal(), no_colour) {
        (false, _) => Bars::No,
        (true, true) => Bars::Plain,
        (true, false) => Bars::Coloured,
    }
}
