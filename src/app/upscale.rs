//! Finished pictures made larger: webui's "Extras". Each picture is written once, under a name that holds what it was made of, so
//! that a command that was stopped goes on where it was.

use candle_core::Device;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::catalogue::Catalogue;
use super::error::{Error, ErrorKind, Result};
use super::source::is_image;
use crate::diagnostic::{Diagnostic, Said, code};
use crate::files::{cached_sha256, hex};
use crate::image_io::{Existing, encode_png, read_picture, read_text, write_file};
use crate::infotext::postprocessed;
use crate::model::OperatorChoice;
use crate::picture::Rgb;
use crate::say;
use crate::upscale::{Extras, Named, Progress, Tiling, UpscaleError, UpscalerIndex, Upscalers};

pub use crate::plan::settings::sides;
pub use crate::upscale::Size;

/// How pictures are made larger.
#[derive(Debug, Clone)]
pub struct Enlarging {
    /// An upscaler's name.
    pub upscaler: String,
    /// Another one, and its share from 0 to 1.
    pub second: Option<(String, f32)>,
    /// How large they shall be.
    pub size: Size,
    /// How they are cut for networks; where nothing is said, as webui's configuration has it.
    pub tile: Option<usize>,
    /// The same.
    pub overlap: Option<usize>,
    /// Where.
    pub device: Device,
    /// Which operators compute.
    pub operators: OperatorChoice,
}

/// Upscalers that are open, ready for pictures.
pub struct Enlarger {
    extras: Extras,
    /// What infotext says about it.
    fields: Vec<(&'static str, String)>,
    /// What of it changes pictures.
    key: String,
}

impl Enlarger {
    /// Opens the upscalers: what is wrong with them is told before the first picture.
    pub fn open(wish: &Enlarging, catalogue: &Catalogue) -> Result<Self> {
        let share = wish.second.as_ref().map_or(0.0, |(_, share)| *share);
        if !(0.0..=1.0).contains(&share) {
            let message = say!(
                "the share of the second upscaler is {share}; it must be from 0 to 1",
                "2 番目のアップスケーラーの割合が {share} です。0〜1 にしてください"
            );
            return Err(Error::words(code::OUT_OF_LIMITS, message));
        }
        let index = UpscalerIndex::scan(&catalogue.upscalers());
        let operators = wish.operators.open(&wish.device).map_err(crate::engine::EngineError::from)?;
        let mut upscalers = Upscalers::new(index, operators.exact());
        let tiling = tiling(wish, catalogue)?;
        let named = |upscalers: &Upscalers, name: &str| {
            let named = upscalers.index().resolve(name);
            named.map_err(|error| super::settings::no_upscaler(&error, upscalers.index(), &[]))
        };
        let (mut key, mut names) = (format!("{:?} {tiling:?} {share}", wish.size), Vec::new());
        for name in [Some(&wish.upscaler), wish.second.as_ref().map(|(name, _)| name)].into_iter().flatten() {
            let named = named(&upscalers, name)?;
            key += match &named {
                Named::File { path, .. } => {
                    cached_sha256(path, &catalogue.cache).map_err(|e| Error::reading(path, &e))?
                }
                plain => plain.name().to_owned(),
            }
            .as_str();
            names.push(named.name().to_owned());
        }
        let first = upscalers.get(&wish.upscaler, tiling)?;
        let second = match &wish.second {
            Some((name, share)) => Some((upscalers.get(name, tiling)?, *share)),
            None => None,
        };
        let extras = Extras { size: wish.size, first, second };
        Ok(Enlarger { fields: fields(wish.size, &names), extras, key })
    }

    /// The enlarged picture; `watch` is asked after each tile whether to go on.
    pub fn run(&self, picture: &Rgb, watch: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Rgb> {
        Ok(self.extras.run(picture, watch)?)
    }

    /// The infotext of the enlarged picture of one with this text.
    pub fn infotext(&self, before: Option<&str>, picture: &Rgb) -> String {
        let is_limited = self.extras.size.is_limited(picture);
        let fields = self.fields.iter().filter(|(key, _)| *key != LONGEST || is_limited);
        postprocessed(before.unwrap_or_default(), fields.map(|(key, value)| (*key, value.as_str())))
    }

    /// What tells the enlarged picture of `picture` from every other.
    pub fn id(&self, picture: &Rgb) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.key);
        [picture.width, picture.height].into_iter().for_each(|side| hash.update((side as u64).to_le_bytes()));
        hash.update(&picture.bytes);
        hex(&hash.finalize()[..8])
    }
}

const LONGEST: &str = "Max side length";

/// webui's fields, in its order.
fn fields(size: Size, upscalers: &[String]) -> Vec<(&'static str, String)> {
    let mut fields = match size {
        Size::By { scale, longest } => {
            let longest = longest.filter(|n| *n > 0).map(|n| (LONGEST, n.to_string()));
            [Some(("Postprocess upscale by", scale.to_string())), longest].into_iter().flatten().collect::<Vec<_>>()
        }
        Size::To { width, height, crop } => {
            let size = format!("{width}x{height}");
            let cut = crop.then(|| ("Postprocess crop to", size.clone()));
            [Some(("Postprocess upscale to", size)), cut].into_iter().flatten().collect()
        }
    };
    let keys = ["Postprocess upscaler", "Postprocess upscaler 2"];
    fields.extend(keys.into_iter().zip(upscalers.iter().cloned()));
    fields
}

fn tiling(wish: &Enlarging, catalogue: &Catalogue) -> Result<Tiling> {
    let Tiling { tile, overlap } = Tiling::default();
    let configured = |name: &str| catalogue.config.patch.get(name).and_then(|v| v.as_u64()).map(|n| n as usize);
    let tiling = Tiling {
        tile: wish.tile.or(configured("esrgan_tile")).unwrap_or(tile),
        overlap: wish.overlap.or(configured("esrgan_tile_overlap")).unwrap_or(overlap),
    };
    match tiling {
        Tiling { tile: 1.., overlap } if overlap >= tiling.tile => {
            Err(UpscaleError::Overlap { tile: tiling.tile, overlap }.into())
        }
        tiling => Ok(tiling),
    }
}

/// What happens to the pictures, `number` of `of`.
#[allow(missing_docs, reason = "the variants tell what their fields are")]
pub enum Step<'a> {
    /// One is enlarged now.
    Begin { from: &'a Path, number: usize, of: usize },
    /// A network has done `part` of `parts` tiles.
    Tile { part: usize, parts: usize },
    /// One is there now; `was_there` before already.
    Done { from: &'a Path, file: &'a Path, parameters: &'a str, was_there: bool },
    /// One could not be read, enlarged or written.
    Failed { from: &'a Path, error: &'a Error },
}

/// Enlarges the pictures of `paths`, files and folders of them, into `output`: a PNG for one picture, or a folder.
pub fn enlarge(
    paths: &[PathBuf],
    enlarger: &Enlarger,
    output: &Path,
    step: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let pictures = pictures(paths)?;
    let is_file = output.extension().is_some() && !output.is_dir();
    if is_file {
        // The same refusals as for every picture that is drawn.
        super::Output::new(Some(output), pictures.len())?;
    } else {
        std::fs::create_dir_all(output).map_err(|e| Error::writing(output, &e))?;
    }
    let (of, mut failed) = (pictures.len(), 0);
    for (number, from) in pictures.iter().enumerate() {
        let stop = || Error::new(ErrorKind::Interrupted, code::INTERRUPTED, UpscaleError::Interrupted.said());
        if step(Step::Begin { from, number: number + 1, of }).is_break() {
            return Err(stop());
        }
        let done = one(from, enlarger, output, is_file, step);
        let flow = match &done {
            Ok((file, parameters, was_there)) => step(Step::Done { from, file, parameters, was_there: *was_there }),
            Err(error) if error.kind == ErrorKind::Interrupted => return Err(stop()),
            Err(error) if of == 1 => return Err(error.clone()),
            Err(error) => {
                failed += 1;
                step(Step::Failed { from, error })
            }
        };
        if flow.is_break() && number + 1 < of {
            return Err(stop());
        }
    }
    super::some_failed(&super::Outcome { failed, ..super::Outcome::default() }, of)
}

fn one(
    from: &Path,
    enlarger: &Enlarger,
    output: &Path,
    is_file: bool,
    step: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> Result<(PathBuf, String, bool)> {
    let picture = read_picture(from)?;
    let text = read_text(from).unwrap_or_default();
    let parameters = enlarger.infotext(text.parameters.as_deref(), &picture);
    let file = match is_file {
        true => output.to_owned(),
        false => {
            let stem = from.file_stem().unwrap_or_default().to_string_lossy();
            output.join(format!("{stem}-{}.png", enlarger.id(&picture)))
        }
    };
    if !is_file && super::read_cell(&file).is_ok() {
        return Ok((file, parameters, true));
    }
    let large =
        enlarger.run(&picture, &mut |Progress { tile, tiles, .. }| step(Step::Tile { part: tile, parts: tiles }))?;
    let image = image::RgbImage::from_raw(large.width as u32, large.height as u32, large.bytes)
        .ok_or_else(|| candle_core::Error::Msg("the enlarged picture has the wrong size".to_owned()))?;
    let existing = if is_file { Existing::Keep } else { Existing::Replace };
    write_file(&file, &encode_png(&image, &parameters, text.plan.as_deref())?, existing)?;
    Ok((file, parameters, false))
}

/// The pictures in files and folders, in their order.
fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for path in paths {
        if !path.is_dir() {
            pictures.push(path.clone());
            continue;
        }
        let failed = |e: std::io::Error| Error::reading(path, &e);
        let entries = std::fs::read_dir(path).map_err(failed)?;
        let mut inside = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
        inside.retain(|path| is_image(path));
        inside.sort();
        pictures.extend(inside);
    }
    match pictures.is_empty() {
        true => {
            let message = say!("there is no picture to enlarge", "拡大する画像がありません");
            Err(Error::file(code::NO_FILE, message))
        }
        false => Ok(pictures),
    }
}

/// What is to be said about a picture that failed.
pub fn failure(from: &Path, error: &Error) -> Diagnostic {
    let (name, why) = (from.display(), error.message());
    Diagnostic::new(code::PICTURE_FAILED, say!("{name}: {why}", "{name}: {why}", with why))
}
