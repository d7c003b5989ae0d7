//! Everything that is to be said of prompts, prompt files and preset files, without drawing.

use std::path::{Path, PathBuf};

use super::batch::{Batch, Wish};
use super::error::{Error, Result};
use super::file_kind::FileKind;
use super::files::read_presets;
use super::memory::Memory;
use super::session::Session;
use super::source::{Reading, words};
use crate::diagnostic::{Diagnostic, code};
use crate::files::is_standard_input;
use crate::plan::check;
use crate::say;

/// What is to be said of each input: a prompt, or a file of prompts or presets.
pub fn check(session: &Session, inputs: &[String], memory: &Memory) -> Result<Vec<Diagnostic>> {
    let mut found = session.found.clone();
    found.extend(memory.found());
    for input in inputs {
        let path = Path::new(input);
        found.extend(match path.exists() || is_standard_input(path) {
            true => of_file(session, path, memory)?,
            false if FileKind::of_name(path).is_some() => {
                let message = say!("{input}: there is no such file", "{input}: そのファイルはありません");
                return Err(Error::file(code::NO_FILE, message).after(found));
            }
            false => of_words(session, input, memory),
        });
    }
    Ok(found)
}

/// What would be said of a prompt or a pasted infotext.
fn of_words(session: &Session, text: &str, memory: &Memory) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let asked = words(text, &mut found).and_then(|entry| session.ask(entry, &mut found));
    match asked {
        Ok(asked) => {
            let (plans, said) = session.plan(&asked);
            found.extend(said);
            found.extend(plans.first().map(|plan| memory.check(plan, &asked.model)).unwrap_or_default());
        }
        Err(error) => found.extend(error.findings),
    }
    found
}

/// What would be said of a preset file, or of a prompt file that is drawn.
fn of_file(session: &Session, path: &Path, memory: &Memory) -> Result<Vec<Diagnostic>> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_elements = name.contains("elempresets");
    if is_elements || name.contains("lbwpresets") || name.ends_with(".yaml") || name.ends_with(".yml") {
        let (file, mut found) = read_presets(path, is_elements, &session.presets)?;
        found.extend(check::preset_file(&file));
        return Ok(found);
    }
    let wish = Wish { inputs: vec![PathBuf::from(path)], reading: Reading::default(), ..Wish::default() };
    let mut batch = Batch::prepare(session, &wish)?;
    batch.check_memory(memory);
    Ok(batch.findings())
}
