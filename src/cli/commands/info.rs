//! `lbw info`: infotext and plan of images.

use std::path::PathBuf;

use clap::Args;

use crate::app::Error;
use crate::app::info;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Images (PNG, JPEG, WebP); a .txt beside an image is read when the image has no infotext
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Print the plan, for `lbw run`, in place of the infotext
    #[arg(long)]
    pub plan: bool,
    /// Print infotext and plan as one line of JSON per image
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &InfoArgs, terminal: Terminal) -> CommandResult {
    let mut failed = Vec::new();
    for path in &args.images {
        match info(path, args.plan) {
            Ok(answer) => {
                if args.images.len() > 1 && !args.json {
                    terminal.line(path.display())?;
                }
                terminal.answer(&answer, args.json)?;
            }
            Err(error) => failed.push(error),
        }
    }
    Ok(Error::all(failed)?)
}
