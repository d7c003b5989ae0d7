//! Why an operation was not done. Nothing is written then.

use std::path::PathBuf;

use super::super::error::LoraError;
use crate::checkpoint::FileError;
use crate::diagnostic::{Said, Text};
use crate::say;

/// Why an operation on LoRA files was not done. Nothing is written then.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum SurgeryError {
    #[error(transparent)]
    Lora(#[from] LoraError),
    Exists {
        path: PathBuf,
    },
    Write {
        path: PathBuf,
        source: std::io::Error,
    },

    UnknownBlocks {
        path: PathBuf,
        example: String,
    },
    UnknownGroup {
        name: String,
        known: String,
    },
    Overlap {
        block: String,
        first: String,
        second: String,
    },
    Empty {
        path: PathBuf,
    },

    NotAPart {
        path: PathBuf,
    },
    TwoOriginals {
        first: String,
        second: String,
    },
    MissingPart {
        of: String,
        part: String,
    },
    TwiceThere {
        tensor: String,
        first: PathBuf,
        second: PathBuf,
    },

    NeedsCheckpoint {
        path: PathBuf,
        module: String,
        kind: String,
    },
    NotFinite {
        path: PathBuf,
        module: String,
        factor: f64,
    },
    Overflow {
        module: String,
    },
    DifferenceNotFinite {
        tensor: String,
    },
    NothingInCommon {
        tuned: PathBuf,
        base: PathBuf,
    },
    NoDifference {
        tuned: PathBuf,
        base: PathBuf,
    },
}

impl Said for SurgeryError {
    fn said(&self) -> Text {
        match self {
            SurgeryError::Lora(error) => error.said(),
            SurgeryError::Exists { path } => {
                let path = path.display();
                say!("{path} exists already; it is not overwritten", "{path} はすでにあります。上書きしません")
            }
            SurgeryError::Write { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("cannot write {path}: {source}", "{path} に書き込めません: {source}", with source)
            }
            SurgeryError::NotAPart { path } => {
                let path = path.display();
                say!(
                    "{path} was not made by `lbw lora split`",
                    "{path} は `lbw lora split` で作ったファイルではありません"
                )
            }
            SurgeryError::TwoOriginals { first, second } => say!(
                "there are parts of two LoRAs, `{first}` and `{second}`; name the files of one",
                "2 つの LoRA (`{first}` と `{second}`) の部分があります。1 つの LoRA のファイルだけを指定してください"
            ),
            SurgeryError::MissingPart { of, part } => {
                say!("the part {part} of `{of}` is missing", "`{of}` の部分 {part} がありません")
            }
            SurgeryError::TwiceThere { tensor, first, second } => {
                let (first, second) = (first.display(), second.display());
                say!(
                    "the tensor `{tensor}` is in two files, {first} and {second}",
                    "テンソル `{tensor}` が {first} と {second} の両方にあります"
                )
            }
            SurgeryError::UnknownBlocks { .. }
            | SurgeryError::UnknownGroup { .. }
            | SurgeryError::Overlap { .. }
            | SurgeryError::Empty { .. } => self.about_blocks(),
            _ => self.about_numbers(),
        }
    }
}

impl SurgeryError {
    fn about_blocks(&self) -> Text {
        match self {
            SurgeryError::UnknownBlocks { path, example } => {
                let (path, example) = (path.display(), example.escape_debug());
                say!(
                    "{path}: the blocks of this file's model are not known (`{example}` for one); known are those of SD1, SD2, SDXL, \
                     Flux, SD3, Anima and Z-Image",
                    "{path}: このファイルのモデルのブロックはわかりません (たとえば `{example}`)。わかるのは SD1、SD2、SDXL、Flux、SD3、Anima、Z-Image です"
                )
            }
            SurgeryError::UnknownGroup { name, known } => {
                let name = name.escape_debug();
                say!(
                    "there is no block or group `{name}`; there are {known}",
                    "`{name}` というブロックやグループはありません。あるのは {known} です"
                )
            }
            SurgeryError::Overlap { block, first, second } => say!(
                "block {block} is in `{first}` and in `{second}`; a module can be in one file only",
                "ブロック {block} が `{first}` と `{second}` の両方にあります。モジュールは 1 つのファイルにしか入れられません"
            ),
            SurgeryError::Empty { path } => {
                let path = path.display();
                say!("{path} has no tensors to split", "{path} には分けるテンソルがありません")
            }
            _ => Text::default(),
        }
    }

    fn about_numbers(&self) -> Text {
        match self {
            SurgeryError::NeedsCheckpoint { path, module, kind } => {
                let path = path.display();
                say!(
                    "`{module}` of {path} is {kind}, whose difference depends on the checkpoint's own weight; name the checkpoint with \
                     --model",
                    "{path} の `{module}` は {kind} で、差分がチェックポイントの重みによって変わります。--model でチェックポイントを指定してください"
                )
            }
            SurgeryError::NotFinite { path, module, factor } => {
                let path = path.display();
                say!(
                    "the factor of `{module}` of {path} is {factor}, which is not a finite number",
                    "{path} の `{module}` の係数が {factor} で、有限の数値ではありません"
                )
            }
            SurgeryError::Overflow { module } => say!(
                "the new value of `{module}` is not a finite number in the precision of the new file",
                "`{module}` の新しい値は、新しいファイルの精度では有限の数値になりません"
            ),
            SurgeryError::DifferenceNotFinite { tensor } => say!(
                "the difference of `{tensor}` is not a finite number",
                "`{tensor}` の差分が有限の数値ではありません"
            ),
            SurgeryError::NothingInCommon { tuned, base } => {
                let (tuned, base) = (tuned.display(), base.display());
                say!(
                    "{tuned} and {base} have no weight of the same name and shape",
                    "{tuned} と {base} には、名前と形が同じ重みがありません"
                )
            }
            SurgeryError::NoDifference { tuned, base } => {
                let (tuned, base) = (tuned.display(), base.display());
                say!(
                    "{tuned} and {base} do not differ in any weight that a LoRA can hold",
                    "{tuned} と {base} は、LoRA に入れられるどの重みも同じです"
                )
            }
            _ => Text::default(),
        }
    }
}

impl From<FileError> for SurgeryError {
    fn from(error: FileError) -> Self {
        SurgeryError::Lora(error.into())
    }
}

impl From<candle_core::Error> for SurgeryError {
    fn from(error: candle_core::Error) -> Self {
        FileError::from(error).into()
    }
}
