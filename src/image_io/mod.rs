//! Images in and out: PNG files with the text that tells how they were made.
//!
//! A written PNG carries webui's `parameters` and, under the keyword `lbw`, the plan as JSON. It appears whole or not at
//! all, and never replaces another file unless that is asked for. Reading also understands what webui and its
//! relatives write: PNG text anywhere in the file, EXIF in JPEG, WebP, AVIF and PNG, comments of JPEG and GIF, text hidden in
//! pixels, and a `.txt` beside the image.

mod avif;
mod budget;
mod chunks;
mod comments;
mod exif_comment;
mod picture;
mod read;
mod stealth;
#[cfg(test)]
mod tests;
mod write;

pub use crate::files::Existing;
pub use crate::picture::Rgb;
pub use picture::{picture_of_bytes, picture_of_bytes_with_alpha, picture_size, read_picture, read_picture_with_alpha};
pub use read::{ImageText, is_picture, read_text, text_of_bytes};
pub use write::{Format, encode, encode_png, write_file, write_png};

use std::path::PathBuf;

use crate::diagnostic::{Said, Text};
use crate::files::limits::{PICTURE_PIXELS, PICTURE_SIDE};
use crate::say;

/// PNG keyword of webui's infotext.
const PARAMETERS: &str = "parameters";
/// PNG keyword of the plan.
const PLAN: &str = "lbw";
/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Error {
    Read { path: PathBuf, source: std::io::Error },
    Write { path: PathBuf, source: std::io::Error },
    Exists { path: PathBuf },
    Damaged { path: PathBuf, what: Text },
    UnknownFormat { path: PathBuf },
    NoPicture { path: PathBuf },
    TooLarge { path: PathBuf, width: u32, height: u32 },
    TooLong { path: PathBuf, limit: u64 },
    Encode(#[from] png::EncodingError),
    Other(Text),
}

impl Said for Error {
    fn said(&self) -> Text {
        match self {
            Error::Read { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("cannot read {path}: {source}", "{path} が読めません: {source}", with source)
            }
            Error::Write { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("cannot write {path}: {source}", "{path} に書き込めません: {source}", with source)
            }
            Error::Exists { path } => {
                let path = path.display();
                say!("{path} exists already; it is not overwritten", "{path} はすでにあるので、上書きしません")
            }
            Error::Damaged { path, what } => {
                let path = path.display();
                say!("{path} is damaged: {what}", "{path} は壊れています: {what}", with what)
            }
            Error::UnknownFormat { path } => {
                let path = path.display();
                say!(
                    "{path} is not a PNG, JPEG, WebP, GIF, AVIF or text file",
                    "{path} は PNG、JPEG、WebP、GIF、AVIF、テキストのどのファイルでもありません"
                )
            }
            Error::NoPicture { path } => {
                let path = path.display();
                say!(
                    "{path} is not a PNG, JPEG or WebP picture; save it as one of these",
                    "{path} は PNG、JPEG、WebP のどの画像でもありません。このどれかで保存してください"
                )
            }
            Error::TooLarge { path, width, height } => {
                let (path, side, megapixels) = (path.display(), PICTURE_SIDE, PICTURE_PIXELS >> 20);
                say!(
                    "{path} has {width}x{height} pixels; sides up to {side} and {megapixels} megapixels are read",
                    "{path} は {width}x{height} 画素あります。読めるのは一辺 {side}、{megapixels} メガ画素までです"
                )
            }
            Error::TooLong { path, limit } => {
                let path = path.display();
                let mib = limit >> 20;
                say!(
                    "the texts of {path} are longer than {mib} MiB, which no picture's are",
                    "{path} のテキストが {mib} MiB を超えています。画像のものとしてはありえない長さです"
                )
            }
            Error::Other(what) => what.clone(),
            Error::Encode(error) => {
                say!("the image cannot be encoded: {error}", "画像をエンコードできません: {error}")
            }
        }
    }
}
