//! Why a dialect cannot read a value.

use crate::diagnostic::{Said, Text};
use crate::say;

/// Why a dialect cannot read a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub enum DialectError {
    Entry(String),
    Length(usize),
    Preset(String),
    Item(String),
    Several(String),
    Flux,
}

impl Said for DialectError {
    fn said(&self) -> Text {
        match self {
            DialectError::Entry(entry) => {
                say!(
                    "the entry `{entry}` is not a weight in this dialect",
                    "項目 `{entry}` はこの方言の重みではありません"
                )
            }
            DialectError::Length(count) => say!(
                "a weight vector of {count} entries does not exist in this dialect",
                "この方言に {count} 個の重みベクトルはありません"
            ),
            DialectError::Preset(name) => say!("there is no preset `{name}`", "プリセット `{name}` はありません"),
            DialectError::Item(item) => {
                say!("`{item}` is not an item of this notation", "`{item}` はこの書き方の項目ではありません")
            }
            DialectError::Several(entry) => say!(
                "the entry `{entry}` gives one block several weights",
                "項目 `{entry}` は一つのブロックに重みを複数与えています"
            ),
            DialectError::Flux => say!("this dialect is for UNet models", "この方言は UNet のモデルのためのものです"),
        }
    }
}
