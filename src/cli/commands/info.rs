//! `lbw info`: infotext and plan of images.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::app::{Error, ErrorKind};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::{Terminal, escaped};
use crate::diagnostic::{Diagnostic, code};
use crate::image_io::read_text;
use crate::say;

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Images (PNG, JPEG, WebP); a .txt beside an image is read when the image has no infotext
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &InfoArgs, terminal: Terminal) -> CommandResult {
    let mut failed = Vec::new();
    for path in &args.images {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => {
                failed.extend(Error::from(error).findings);
                continue;
            }
        };
        if args.json {
            let plan = text.plan.as_deref().and_then(|p| serde_json::from_str::<serde_json::Value>(p).ok());
            terminal.line(json!({ "file": path, "parameters": text.parameters, "plan": plan }))?;
            continue;
        }
        if args.images.len() > 1 {
            terminal.line(path.display())?;
        }
        if (&text.parameters, &text.plan) == (&None, &None) {
            let name = path.display();
            let message = say!("{name}: no infotext and no plan", "{name}: infotext も計画もありません");
            terminal.say(&Diagnostic::new(code::NO_TEXT, message));
        }
        text.parameters.iter().try_for_each(|p| terminal.line(escaped(p)))?;
        text.plan.iter().try_for_each(|p| terminal.line(format!("\nplan: {}", escaped(p))))?;
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error { kind: ErrorKind::File, findings: failed }.into()),
    }
}
