//! `lbw explain`: what a diagnostic code means.

use super::args::ExplainArgs;
use super::exit::{CommandResult, Exit, Failure};
use crate::diagnostic::code::{ALL, Code};

pub fn run(args: &ExplainArgs) -> CommandResult {
    match &args.code {
        None => ALL.iter().for_each(|code| println!("{}  {}", code.id, code.title)),
        Some(id) => {
            let code = Code::find(id)
                .ok_or_else(|| Failure::text(format!("there is no diagnostic `{id}`; `lbw explain` lists all")))?;
            println!("{}: {}\n\n{}", code.id, code.title, code.explanation);
        }
    }
    Ok(Exit::Done)
}
