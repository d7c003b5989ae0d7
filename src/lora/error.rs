//! What can be wrong with a LoRA file.

use std::path::PathBuf;

use thiserror::Error;

use crate::checkpoint::FileError;
use crate::diagnostic::{Said, Text};
use crate::say;

/// A LoRA file that cannot be used, and what to do about it.
#[derive(Debug, Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum LoraError {
    #[error(transparent)]
    File(#[from] FileError),

    /// Modules whose tensors disagree with each other or with the model.
    Misfits {
        path: PathBuf,
        misfits: Vec<Text>,
        made_for: Option<&'static str>,
        family: &'static str,
    },

    /// A module was matched, but its tensors are those of no kind; webui then loads nothing of the file.
    UnknownKind {
        path: PathBuf,
        module: String,
        parts: Vec<String>,
    },

    /// Two tensors that differ for the same part of the same module, such as a plain union of two files leaves.
    TwoNames {
        path: PathBuf,
        first: String,
        second: String,
    },

    NoModules {
        path: PathBuf,
        tensors: usize,
        example: String,
        made_for: Option<&'static str>,
        family: &'static str,
    },
}

impl Said for LoraError {
    fn said(&self) -> Text {
        match self {
            LoraError::File(error) => error.said(),
            LoraError::Misfits { path, misfits, made_for, family } => {
                let (path, misfits, advice) = (path.display(), shown(misfits), made_for_text(*made_for, family));
                say!("{path}: {misfits}{advice}", "{path}: {misfits}{advice}", with misfits, advice)
            }
            LoraError::UnknownKind { path, module, parts } => {
                let (path, hint, parts) = (path.display(), hint(parts), parts_text(parts));
                say!(
                    "{path}: `{module}` has the tensors {parts}, which are of no known kind of network{hint}",
                    "{path}: `{module}` のテンソル {parts} は、知られているどの種類のネットワークのものでもありません{hint}",
                    with parts, hint
                )
            }
            LoraError::TwoNames { path, first, second } => {
                let path = path.display();
                say!(
                    "{path}: `{first}` and `{second}` are two names for the same part of a module, and their numbers differ; merge the two LoRAs with a tool that adds them up, or name both in the prompt",
                    "{path}: `{first}` と `{second}` は同じモジュールの同じ部分の別名ですが、数値が違います。足し合わせるツールで二つの LoRA をマージするか、両方をプロンプトに書いてください"
                )
            }
            LoraError::NoModules { path, tensors: 0, .. } => {
                let path = path.display();
                say!("{path}: there are no tensors in it", "{path}: テンソルが一つもありません")
            }
            LoraError::NoModules { path, tensors, example, made_for, family } => {
                let (path, advice, what) = (path.display(), made_for_text(*made_for, family), no_lora(example));
                say!(
                    "{path}: none of its {tensors} tensors belongs to this {family} model (`{example}` for one){advice}{what}",
                    "{path}: {tensors} 個のテンソルのどれも、この {family} のモデルのものではありません (たとえば `{example}`){advice}{what}",
                    with advice, what
                )
            }
        }
    }
}

fn shown(misfits: &[Text]) -> Text {
    const SHOWN: usize = 3;
    let more = misfits.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| say!("and {more} more", "ほかに {more} 件"));
    Text::join(misfits.iter().take(SHOWN).cloned().chain(more), "; ")
}

fn parts_text(parts: &[String]) -> Text {
    const SHOWN: usize = 6;
    let more = parts.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| say!("{more} more", "ほか {more} 個"));
    Text::join(parts.iter().take(SHOWN).map(|part| Text::same(format!("`{part}`"))).chain(more), ", ")
}

/// What a file is whose tensors are no LoRA's.
fn no_lora(example: &str) -> Text {
    let is_embedding = ["clip_g", "clip_l", "emb_params"].contains(&example) || example.starts_with("string_to_param");
    match is_embedding {
        true => say!(
            "; it is a textual-inversion embedding: put it into the embeddings folder and write its name in the prompt",
            "。textual inversion の embedding です。embeddings フォルダーに置き、名前をプロンプトに書いてください"
        ),
        false => Text::default(),
    }
}

/// What such tensors are, where other tools write them.
fn hint(parts: &[String]) -> Text {
    let has = |start: &str| parts.iter().any(|part| part.starts_with(start));
    if has("lora_A.0") {
        say!(
            "; it is a DyLoRA as it was trained: extract a LoRA from it (kohya's extract_lora_from_dylora.py)",
            "。学習したままの DyLoRA です。(kohya の extract_lora_from_dylora.py で) LoRA を取り出してください"
        )
    } else if has("oft_R") {
        say!(
            "; it is OneTrainer's OFTv2, which lbw does not apply: export it as a LoRA",
            "。OneTrainer の OFTv2 で、lbw では使えません。LoRA として書き出してください"
        )
    } else {
        Text::default()
    }
}

fn made_for_text(made_for: Option<&'static str>, family: &'static str) -> Text {
    match made_for {
        Some(made_for) if made_for != family => {
            say!("; the file looks made for {made_for}", "。{made_for} 用のファイルのようです")
        }
        _ => Text::default(),
    }
}
