//! `lbw img2img`: a prompt drawn over a picture.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::{EngineArgs, FileArgs, OutputArgs, PromptArgs};
use super::exit::{CommandResult, Failure};
use super::txt2img;
use crate::engine::InitImage;
use crate::image_io::read_picture;
use crate::plan::{Img2Img, ResizeMode};

#[derive(Debug, Args)]
pub struct Img2imgArgs {
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub over: OverArgs,
    /// Stop at the plan: check everything, draw nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// How the picture is drawn over.
#[derive(Debug, Args)]
#[command(next_help_heading = "Picture")]
pub struct OverArgs {
    /// The picture to draw over: PNG, JPEG or WebP
    #[arg(long, value_name = "IMAGE")]
    pub init: PathBuf,
    /// How the picture of --init is brought to the image's size, which is the picture's own unless one is given
    #[arg(long, value_enum, default_value_t = ResizeModeArg::Just)]
    pub resize_mode: ResizeModeArg,
    /// Run as many steps as --steps says, not only the share that the denoising strength leaves
    #[arg(long)]
    pub fix_steps: bool,
    /// webui's "noise multiplier for img2img"
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub noise_multiplier: f64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ResizeModeArg {
    /// Stretch
    Just,
    /// Scale and cut off what stands over
    Crop,
    /// Scale and fill with the edges
    Fill,
}

/// The picture of `lbw img2img`, as the prompts' settings need it.
#[derive(Debug, Clone)]
pub struct Over {
    /// The denoising strength is webui's default; a pasted one or a flag replaces it.
    pub img2img: Img2Img,
    /// Pixels of the picture, multiples of 8.
    pub size: (u32, u32),
}

/// webui's default.
const DENOISING_STRENGTH: f64 = 0.75;

pub fn run(args: &Img2imgArgs) -> CommandResult {
    if args.prompt.hires.asks() {
        return Err(Failure::text("the hires flags belong to txt2img; img2img has one pass"));
    }
    let picture = read_picture(&args.over.init).map_err(|e| Failure::file(e.to_string()))?;
    let side = |length: usize| (u32::try_from(length).unwrap_or(u32::MAX) / 8 * 8).max(8);
    let size = (side(picture.width), side(picture.height));
    let img2img = Img2Img {
        image: InitImage::new(picture).id().to_owned(),
        denoising_strength: DENOISING_STRENGTH,
        fix_steps: args.over.fix_steps,
        resize_mode: match args.over.resize_mode {
            ResizeModeArg::Just => ResizeMode::Just,
            ResizeModeArg::Crop => ResizeMode::Crop,
            ResizeModeArg::Fill => ResizeMode::Fill,
        },
        noise_multiplier: args.over.noise_multiplier,
    };
    let prompt = PromptArgs { over: Some(Over { img2img, size }), ..args.prompt.clone() };
    let engine = EngineArgs { init: vec![args.over.init.clone()], ..args.engine.clone() };
    txt2img::draw(&prompt, &args.files, &engine, &args.output, args.dry_run)
}
