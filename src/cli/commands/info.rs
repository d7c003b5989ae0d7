//! `lbw info`: infotext and plan of images.

use std::path::PathBuf;

use clap::Args;

use crate::app::{Caller, Error, Session, audit, info};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::{CommandResult, after_saying};
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct InfoArgs {
    #[arg(
        required = true, value_name = "IMAGE",
        help = tell(
            "Images (PNG, JPEG, WebP, GIF, AVIF); a .txt beside an image is read when the image has no infotext",
            "画像 (PNG・JPEG・WebP・GIF・AVIF)。infotext がなければ隣の .txt を読みます"
        ),
    )]
    pub images: Vec<PathBuf>,
    #[arg(
        long,
        help = tell("Print the plan, for `lbw run`, in place of the infotext", "infotext の代わりに、`lbw run` で使う計画を出力します"),
    )]
    pub plan: bool,
    #[arg(
        long, conflicts_with = "plan",
        help = tell(
            "Show what the block weights of the picture did in the program that drew it, block by block",
            "画像の階層別の重みが、描いたプログラムで実際に何をしたかをブロックごとに示します"
        ),
    )]
    pub audit: bool,
    #[arg(
        long,
        help = tell(
            "Print infotext and plan (with --audit, the audit) as one line of JSON per image",
            "画像ごとに infotext と計画 (--audit では監査の結果) を JSON の 1 行で出力します"
        ),
    )]
    pub json: bool,
    #[command(flatten)]
    pub places: PlaceArgs,
}

pub fn run(args: &InfoArgs, terminal: Terminal) -> CommandResult {
    let session = args.audit.then(|| Session::open(&args.places.places(), Caller::default())).transpose()?;
    let mut failed = Vec::new();
    let mut said = Vec::new();
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
                said.extend(answer.found);
            }
            Err(error) => failed.push(error),
        }
    }
    Error::all(failed)?;
    after_saying(&said)
}
