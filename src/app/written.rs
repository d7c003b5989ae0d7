//! Settings as somebody wrote them, name and value: flags, or the fields of a request.

use super::error::{Error, Result};
use crate::batch::wrong_option;
use crate::diagnostic::{Diagnostic, Source};
use crate::plan::settings::{Kind, table};
use crate::plan::{Patch, PatchError, Setting};
use crate::say;

/// The patch of flags, each a setting's name and what was written behind it; everything wrong with them at once.
pub fn patch_of_flags(flags: &[(String, String)]) -> Result<Patch> {
    let (mut patch, mut found) = (Patch::default(), Vec::new());
    // What is left out beats what would ask for it.
    for (name, value) in flags.iter().rev().filter(|(name, _)| name == "hires").chain(flags) {
        match table::named(name).filter(|setting| matches!(setting.kind, Kind::Texts)) {
            Some(_) => {
                let known = patch.get(name).and_then(|v| v.as_array().cloned()).unwrap_or_default();
                patch.put_named(name, [known, vec![value.as_str().into()]].concat());
            }
            None => {
                if let Err(error) = patch.read(name, value) {
                    found.push(wrong_flag(&error, name, value));
                }
            }
        }
    }
    if found.is_empty() { Ok(patch) } else { Err(Error::refused(found)) }
}

/// What is wrong with a flag, pointing at its value, with all there is to choose from.
fn wrong_flag(error: &PatchError, name: &str, value: &str) -> Diagnostic {
    let setting = table::named(name);
    let flag = setting.map_or_else(|| name.to_owned(), Setting::flag_name);
    let line = Source::new("command line", format!("--{flag} {value}"));
    let found = wrong_option(error, value, &line);
    let names = setting.map(|setting| setting.kind.names()).unwrap_or_default().join(", ");
    if names.is_empty() { found } else { found.help(say!("there are: {names}", "選べるもの: {names}")) }
}
