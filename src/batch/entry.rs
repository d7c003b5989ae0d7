//! One picture that a text asks for: prompts and settings as a patch, what was pasted with them, and where they stand.

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Said, Source, code};
use crate::infotext::{self, Known, Pasted};
use crate::plan::settings::table;
use crate::plan::{Patch, PatchError};
use crate::say;

/// Where something stands that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// A prompt file or a picture, as the user called it.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What one line, block, row or pasted text asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it stands.
    pub place: Place,
    /// Prompts, settings, names of files, and how many pictures.
    pub patch: Patch,
    /// What an infotext says besides.
    pub pasted: Option<Box<Pasted>>,
}

/// Something to say about a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What.
    pub diagnostic: Diagnostic,
}

/// Options of webui's prompt files that have no meaning here and change nothing.
const IGNORED: [&str; 5] =
    ["outpath_samples", "outpath_grids", "prompt_for_display", "do_not_save_samples", "do_not_save_grid"];
/// Options of features that lbw does not have, where they are on.
const NOT_DONE: [&str; 1] = ["restore_faces"];

impl Patch {
    /// Takes an option of a prompt file, a table or JSON; what is wrong with it, pointing into `line` where it stands there.
    pub(super) fn take_option(&mut self, name: &str, value: &Value, line: &Source) -> Option<Diagnostic> {
        let option = name.trim_start_matches('-');
        if IGNORED.contains(&option) {
            return None;
        }
        if NOT_DONE.contains(&option) {
            let is_on = *value == true || value.as_str().is_some_and(|v| v.eq_ignore_ascii_case("true"));
            return is_on.then(|| not_done(name, line));
        }
        match self.take(option, value) {
            Ok(()) => None,
            Err(error) => match (&error, infotext::known_field(option)) {
                (PatchError::Unknown { .. }, Known::WithoutEffect) => None,
                (PatchError::Unknown { .. }, Known::Unsupported | Known::Afterwards) => Some(not_done(name, line)),
                _ => Some(wrong_option(&error, name, line)),
            },
        }
    }
}

/// Whether some column or key of this name can be understood.
pub(super) fn is_option(name: &str) -> bool {
    IGNORED.contains(&name)
        || NOT_DONE.contains(&name)
        || table::find(name).is_some()
        || table::find_size(name).is_some()
        || infotext::known_field(name) != Known::No
}

fn not_done(name: &str, line: &Source) -> Diagnostic {
    let message = say!("`{name}` is something lbw does not do", "`{name}` は lbw にない機能です");
    let found = Diagnostic::new(code::OPTION_NOT_DONE, message).within(line);
    labelled(found, name, line)
}

/// What is wrong with an option, with its place in `line`.
pub fn wrong_option(error: &PatchError, name: &str, line: &Source) -> Diagnostic {
    let code = match error {
        PatchError::Unknown { .. } => code::UNKNOWN_OPTION,
        PatchError::Value { .. } => code::BAD_VALUE,
    };
    let found = labelled(Diagnostic::new(code, error.said()).within(line), name, line);
    match error.near() {
        Some(near) => found.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        None => found,
    }
}

fn labelled(found: Diagnostic, name: &str, line: &Source) -> Diagnostic {
    match line.text.find(name) {
        Some(at) => found.at(at..at + name.len()),
        None => found,
    }
}
