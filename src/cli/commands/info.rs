//! `lbw info`: infotext and plan of images.

use std::path::PathBuf;

use clap::Args;

use crate::app::{Caller, Error, Session, audit, info};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Images (PNG, JPEG, WebP, GIF, AVIF); a .txt beside an image is read when the image has no infotext
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Print the plan, for `lbw run`, in place of the infotext
    #[arg(long)]
    pub plan: bool,
    /// Show what the block weights of the picture did in the program that drew it, block by block
    #[arg(long, conflicts_with = "plan")]
    pub audit: bool,
    /// Print infotext and plan (with --audit, the audit) as one line of JSON per image
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub places: PlaceArgs,
}

pub fn run(args: &InfoArgs, terminal: Terminal) -> CommandResult {
    let session = args.audit.then(|| Session::open(&args.places.places(), Caller::default())).transpose()?;
    let mut failed = Vec::new();
    for path in &args.images {
        let told = match &session {
            Some(session) => audit(path, session),
            None => info(path, args.plan),
        };
        match told {
            Ok(answer) => {
                if args.images.len() > 1 && !args.json && !args.audit {
                    terminal.line(path.display())?;
                }
                terminal.answer(&answer, args.json)?;
            }
            Err(error) => failed.push(error),
        }
    }
    Ok(Error::all(failed)?)
}
