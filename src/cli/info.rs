//! `lbw info`: infotext and plan of images.

use serde_json::json;

use super::args::InfoArgs;
use super::exit::{CommandResult, Exit, Failure};
use super::report;
use crate::image_io::read_text;

pub fn run(args: &InfoArgs) -> CommandResult {
    let mut failed = 0;
    for path in &args.images {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => {
                report::error(&error.to_string());
                failed += 1;
                continue;
            }
        };
        if args.json {
            let plan = text.plan.as_deref().and_then(|p| serde_json::from_str::<serde_json::Value>(p).ok());
            println!("{}", json!({ "file": path, "parameters": text.parameters, "plan": plan }));
            continue;
        }
        if args.images.len() > 1 {
            println!("{}", path.display());
        }
        match (&text.parameters, &text.plan) {
            (None, None) => report::note(&format!("{}: no infotext and no plan", path.display())),
            (parameters, plan) => {
                parameters.iter().for_each(|p| println!("{}", report::escaped(p)));
                plan.iter().for_each(|p| println!("\nplan: {}", report::escaped(p)));
            }
        }
    }
    match failed {
        0 => Ok(Exit::Done),
        _ => Err(Failure { exit: Exit::File, message: String::new() }),
    }
}
