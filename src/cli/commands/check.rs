//! `lbw check`: every diagnostic of prompts, prompt files and preset files.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::batch::{Batch, Wish};
use crate::app::{self, Caller, Reading, Session, read_presets, words};
use crate::cli::args::{PlaceArgs, SettingsArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::check;
use crate::say;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Prompts, prompt files in every form that `lbw batch` reads, or preset files (.yaml, lbwpresets.txt, elempresets.txt)
    #[arg(required = true, value_name = "PROMPT|FILE")]
    pub inputs: Vec<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
}

pub fn run(args: &CheckArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.settings.patch()?, is_default: false, strict: args.strict };
    let session = Session::open(&args.places.places(), caller)?;
    let mut found = session.found.clone();
    for input in &args.inputs {
        let path = Path::new(input);
        let said = if path.exists() { of_file(&session, path)? } else { of_words(&session, input) };
        found.extend(said);
    }
    if args.json {
        found.iter().try_for_each(|d| terminal.line(d.to_json(terminal.language)))?;
    } else {
        terminal.say_all(&found);
        let count = |severity| found.iter().filter(|d| d.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let summary = say!("{errors} errors, {warnings} warnings", "エラー {errors} 件、警告 {warnings} 件");
        terminal.line(terminal.words(&summary))?;
    }
    match session.refuses(&found) {
        // Everything has been said.
        true => Err(app::Error::refused(Vec::new()).into()),
        false => Ok(()),
    }
}

/// What would be said of a prompt or a pasted infotext.
fn of_words(session: &Session, text: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let asked = words(text, &mut found).and_then(|entry| session.ask(entry, &mut found));
    match asked {
        Ok(asked) => found.extend(session.plan(&asked).1),
        Err(error) => found.extend(error.findings),
    }
    found
}

/// What would be said of a preset file, or of a prompt file that is drawn.
fn of_file(session: &Session, path: &Path) -> app::Result<Vec<Diagnostic>> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_elements = name.contains("elempresets");
    if is_elements || name.contains("lbwpresets") || name.ends_with(".yaml") || name.ends_with(".yml") {
        let (file, mut found) = read_presets(path, is_elements, &session.presets)?;
        found.extend(check::preset_file(&file));
        return Ok(found);
    }
    let wish = Wish { inputs: vec![PathBuf::from(path)], reading: Reading::default(), ..Wish::default() };
    Ok(Batch::prepare(session, &wish)?.findings())
}
