//! `lbw explain`: what a diagnostic code means.

use super::args::ExplainArgs;
use super::exit::{CommandResult, Exit, Failure};
use super::report;
use crate::diagnostic::code::{ALL, Code};

pub fn run(args: &ExplainArgs) -> CommandResult {
    let language = report::language();
    match &args.code {
        None => ALL.iter().for_each(|code| println!("{}  {}", code.id, code.title(language))),
        Some(id) => {
            let code = Code::find(id)
                .ok_or_else(|| Failure::text(format!("there is no diagnostic `{id}`; `lbw explain` lists all")))?;
            println!("{}: {}\n\n{}", code.id, code.title(language), code.explanation(language));
        }
    }
    Ok(Exit::Done)
}
