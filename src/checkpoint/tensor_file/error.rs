//! Why a file is not read.

use std::path::{Path, PathBuf};

use super::source::ReadError;
use crate::diagnostic::{Said, Text};
use crate::say;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum FileError {
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    Pickle {
        path: PathBuf,
        problem: PickleProblem,
    },
    Gguf {
        path: PathBuf,
        problem: GgufProblem,
    },
    Damaged {
        path: PathBuf,
        reason: Reason,
    },
    Dtype {
        path: PathBuf,
        tensor: String,
        dtype: String,
    },
    NotFinite {
        path: PathBuf,
        tensor: String,
        index: usize,
    },
    NoTensor {
        path: PathBuf,
        tensor: String,
    },
    /// Somebody has written to the file, or cut it short, since it was opened.
    Changed {
        path: PathBuf,
    },
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl FileError {
    fn path(&self) -> Option<&Path> {
        match self {
            FileError::Io { path, .. }
            | FileError::Pickle { path, .. }
            | FileError::Gguf { path, .. }
            | FileError::Damaged { path, .. }
            | FileError::Dtype { path, .. }
            | FileError::NotFinite { path, .. }
            | FileError::NoTensor { path, .. }
            | FileError::Changed { path } => Some(path),
            FileError::Candle(_) => None,
        }
    }

    /// What is wrong, without the file's path before it.
    pub fn reason(&self) -> Text {
        match self {
            FileError::Io { path, source } => match path.read_link() {
                Ok(target) if source.kind() == std::io::ErrorKind::NotFound => {
                    let target = target.display();
                    say!(
                        "it is a link to {target}, and that is not there; bring the file back or make the link anew",
                        "{target} へのリンクですが、リンク先がありません。ファイルを戻すか、リンクを作り直してください"
                    )
                }
                _ => source.said(),
            },
            FileError::Pickle { problem, .. } => {
                let problem = problem.said();
                say!(
                    "this is a pickle file (.ckpt/.pt) that is not read: {problem}",
                    "pickle ファイル (.ckpt/.pt) ですが、読めません: {problem}",
                    with problem
                )
            }
            FileError::Gguf { problem, .. } => {
                let problem = problem.said();
                say!(
                    "this GGUF file is not read: {problem}",
                    "この GGUF ファイルは読めません: {problem}",
                    with problem
                )
            }
            FileError::Damaged { reason, .. } => {
                let reason = reason.said();
                say!(
                    "not a safetensors file, or damaged: {reason}",
                    "safetensors ファイルではないか、壊れています: {reason}",
                    with reason
                )
            }
            FileError::Dtype { tensor, dtype, .. } => say!(
                "tensor `{tensor}` has type {dtype}, which is not supported",
                "テンソル `{tensor}` の型 {dtype} は使えません"
            ),
            FileError::NotFinite { tensor, index, .. } => say!(
                "tensor `{tensor}` holds a NaN or an infinity at element {index}",
                "テンソル `{tensor}` の要素 {index} が NaN か無限大です"
            ),
            FileError::NoTensor { tensor, .. } => {
                say!("there is no tensor `{tensor}`", "テンソル `{tensor}` がありません")
            }
            FileError::Changed { .. } => say!(
                "the file has been changed or cut short since it was opened; start again when it is whole",
                "開いたあとで書き換えられたか、途中で切られました。ファイルがそろってからやり直してください"
            ),
            FileError::Candle(error) => error.said(),
        }
    }
}

impl ReadError {
    /// The error of the file at `path`.
    pub(super) fn of(self, path: PathBuf) -> FileError {
        match self {
            ReadError::Changed => FileError::Changed { path },
            ReadError::Io(source) => FileError::Io { path, source },
        }
    }
}

impl Said for FileError {
    fn said(&self) -> Text {
        let reason = self.reason();
        match self.path() {
            None => reason,
            Some(path) => {
                let path = path.display();
                say!("{path}: {reason}", "{path}: {reason}", with reason)
            }
        }
    }
}

/// What a pickle file holds that is not read. Nothing in it has been run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PickleProblem {
    /// A name that nothing of a tensor is called by.
    Forbidden(String),
    /// Another object of Python's.
    NoTensors,
    /// Its end is missing.
    CutShort,
    /// Parts of the archive are compressed.
    Compressed,
    /// Numbers of a big-endian machine.
    BigEndian,
    /// A limit, in words.
    TooMuch(Text),
    /// Anything else, in words.
    Damaged(Text),
}

impl Said for PickleProblem {
    fn said(&self) -> Text {
        match self {
            PickleProblem::Forbidden(name) => say!(
                "it asks for `{name}`, which tensors do not need and which may run a program; get the model as .safetensors, or convert it where you trust it",
                "テンソルには要らず、プログラムを動かしうる `{name}` を求めています。.safetensors 版を入手するか、信頼できる場所で変換してください"
            ),
            PickleProblem::NoTensors => say!(
                "there is no tensor in it; save the model's state_dict, or convert it to .safetensors",
                "中にテンソルがありません。モデルの state_dict を保存するか、.safetensors に変換してください"
            ),
            PickleProblem::CutShort => {
                say!("it is cut short; download it again", "途中で切れています。ダウンロードし直してください")
            }
            PickleProblem::Compressed => say!(
                "its parts are compressed, which torch never does; unpack it and pack it without compression, or convert it to .safetensors",
                "中身が圧縮されています (torch は圧縮しません)。展開して無圧縮でまとめ直すか、.safetensors に変換してください"
            ),
            PickleProblem::BigEndian => say!(
                "its numbers are big-endian; convert it to .safetensors where it was made",
                "数値がビッグエンディアンです。作られた環境で .safetensors に変換してください"
            ),
            PickleProblem::TooMuch(what) => say!(
                "it holds more than a model does ({what}); convert it to .safetensors",
                "モデルにしては大きすぎます ({what})。.safetensors に変換してください",
                with what
            ),
            PickleProblem::Damaged(why) => say!(
                "it is damaged: {why}; download it again or convert it to .safetensors",
                "壊れています: {why}。ダウンロードし直すか、.safetensors に変換してください",
                with why
            ),
        }
    }
}

/// What is wrong with a GGUF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GgufProblem {
    /// Its end is missing.
    CutShort,
    /// A version of the format that is not known.
    Version(u32),
    /// Anything else, in words.
    Damaged(Text),
}

impl Said for GgufProblem {
    fn said(&self) -> Text {
        match self {
            GgufProblem::CutShort => {
                say!("it is cut short; download it again", "途中で切れています。ダウンロードし直してください")
            }
            GgufProblem::Version(version) => say!(
                "it is of GGUF version {version}, and 2 and 3 are known; convert the model again",
                "GGUF のバージョン {version} です (読めるのは 2 と 3)。モデルを変換し直してください"
            ),
            GgufProblem::Damaged(why) => say!(
                "it is damaged: {why}; download it again",
                "壊れています: {why}。ダウンロードし直してください",
                with why
            ),
        }
    }
}

/// What a file is whose safetensors header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No bytes.
    Empty,
    /// The few lines that Git keeps in place of a large file.
    LfsPointer,
    /// HTML.
    WebPage,
    /// Another text; its beginning.
    Answer(String),
    /// Nothing but zeros.
    Zeros,
    /// A pipe, socket or device.
    Special,
    /// A torrent, which only names the file.
    Torrent,
    /// An archive whose files have this extension.
    Archive(&'static str),
    /// A picture whose files have this extension.
    Picture(&'static str),
    /// A program whose files have this extension.
    Program(&'static str),
    /// A file of another kind, by its name or extension.
    Foreign(&'static str),
    /// What macOS keeps beside a file on disks of other systems.
    AppleDouble,
    /// So many bytes, and the header describes more.
    CutShort(usize),
    /// So many bytes more than the header describes.
    TooLong(usize),
    /// Metadata with something else than texts in it.
    Metadata(Text),
    /// Anything else, in words.
    Other(Text),
}

impl Said for Reason {
    fn said(&self) -> Text {
        match self {
            Reason::Empty => say!("it is empty; download it again", "空です。ダウンロードし直してください"),
            Reason::LfsPointer => say!(
                "it is a Git LFS pointer; fetch the file itself with `git lfs pull`",
                "Git LFS のポインターです。`git lfs pull` でファイルそのものを取得してください"
            ),
            Reason::WebPage => say!(
                "it is a web page that was saved in place of the file; download it again, logged in where the site asks for it",
                "ファイルの代わりに保存されたウェブページです。(必要ならログインして) ダウンロードし直してください"
            ),
            Reason::Answer(text) => say!(
                "it is a server's answer (a web page, XML or JSON) that was saved in place of the file, “{text}”; download it again, logged in where the site asks for it",
                "ファイルの代わりに保存されたサーバーの返答 (ウェブページ、XML、JSON など) です (「{text}」)。(必要ならログインして) ダウンロードし直してください"
            ),
            Reason::Zeros => say!(
                "its bytes are all zero: the download reserved the space and never filled it; download it again",
                "中身がすべて 0 です。場所だけ確保されてダウンロードが終わっていません。ダウンロードし直してください"
            ),
            Reason::Archive(kind) => say!(
                "it is a {kind} archive; unpack it and use the file inside",
                "{kind} のアーカイブです。展開して中のファイルを使ってください"
            ),
            Reason::Picture(kind) => say!(
                "it is a {kind} picture; get the model's own file",
                "{kind} の画像です。モデルそのもののファイルを入手してください"
            ),
            Reason::Special => say!(
                "it is a pipe, socket or device; a model is read from a file, here and there in it",
                "パイプ・ソケット・デバイスです。モデルはところどころを読むので、ファイルでなければなりません"
            ),
            Reason::Torrent => say!(
                "it is a torrent, which only names the file; open it with a torrent program and use what that downloads",
                "ファイルのありかを書いた torrent です。torrent ソフトで開き、ダウンロードされたファイルを使ってください"
            ),
            Reason::Program(kind) => say!(
                "it is a program (.{kind}), not a model; do not run it, and get the model's own file",
                "モデルではなくプログラム (.{kind}) です。実行せずに、モデルそのもののファイルを入手してください"
            ),
            Reason::Foreign(kind) => say!(
                "it is a file of another kind ({kind}); get the model's own file, best as .safetensors",
                "別の種類のファイル ({kind}) です。モデルそのもののファイル (できれば .safetensors) を入手してください"
            ),
            Reason::AppleDouble => say!(
                "it is what macOS keeps beside a file on foreign disks (AppleDouble); the file itself has the same name without `._`",
                "macOS がほかのディスクでファイルの横に作るもの (AppleDouble) です。ファイルそのものは `._` の付かない名前です"
            ),
            Reason::CutShort(length) => say!(
                "its header does not describe its {length} bytes; it was cut short; download it again",
                "ヘッダーが全 {length} バイトと合いません。途中で切れています。ダウンロードし直してください"
            ),
            Reason::TooLong(more) => say!(
                "it has {more} bytes more than its header describes; download it again",
                "ヘッダーの記述より {more} バイト長くなっています。ダウンロードし直してください"
            ),
            Reason::Metadata(found) => say!(
                "its metadata (`__metadata__`) holds {found} where only texts are allowed, which a metadata editor may have written; save it again with one that writes texts",
                "メタデータ (`__metadata__`) には文字列しか置けませんが、{found}があります。文字列で書くエディターで保存し直してください",
                with found
            ),
            Reason::Other(why) => why.clone(),
        }
    }
}
