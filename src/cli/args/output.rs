//! Where results go.

use std::path::PathBuf;

use clap::Args;

/// Where results go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// A PNG file, or a folder for numbered files [default: lbw-out/NNNNN-SEED.png]; nothing is overwritten
    #[arg(short, long, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,
    /// Print one line of JSON per image and no progress
    #[arg(long)]
    pub json: bool,
}
