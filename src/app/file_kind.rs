//! What a file is by its name, and what can be done with such a file.

use std::path::Path;

use crate::diagnostic::Text;
use crate::say;

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A picture.
    Image,
    /// Prompts, as text, a table or JSON.
    Prompts,
    /// Presets.
    Presets,
    /// Tensors: a checkpoint, a LoRA, a VAE or an embedding.
    Tensors,
}

impl FileKind {
    /// What a file of this name is; nothing for names that a word of a prompt may have.
    pub fn of_name(path: &Path) -> Option<Self> {
        if path.as_os_str().to_string_lossy().contains(['\n', '<', ',']) {
            return None;
        }
        let extension = path.extension()?.to_string_lossy().to_lowercase();
        Some(match extension.as_str() {
            "png" | "jpg" | "jpeg" | "webp" | "gif" | "avif" | "bmp" | "tif" | "tiff" => FileKind::Image,
            "txt" if is_presets(path) => FileKind::Presets,
            "txt" | "csv" | "tsv" | "json" | "jsonl" | "ndjson" | "toml" => FileKind::Prompts,
            "yaml" | "yml" => FileKind::Presets,
            "safetensors" | "sft" | "ckpt" | "pt" | "pth" | "bin" | "gguf" => FileKind::Tensors,
            _ => return None,
        })
    }

    /// The commands that take the file `name`, each with what it does.
    pub fn uses(self, name: &str) -> Vec<Text> {
        match self {
            FileKind::Image => vec![
                say!("`lbw info {name}` shows how it was made", "`lbw info {name}` で作り方を表示します"),
                say!("`lbw run {name}` draws it again", "`lbw run {name}` で描き直します"),
                say!(
                    "`lbw img2img PROMPT --init {name}` draws over it",
                    "`lbw img2img プロンプト --init {name}` で上に描きます"
                ),
            ],
            FileKind::Prompts => vec![
                say!("`lbw batch {name}` draws its prompts", "`lbw batch {name}` で中のプロンプトを描きます"),
                say!("`lbw check {name}` checks them", "`lbw check {name}` で確かめます"),
            ],
            FileKind::Presets => vec![
                say!("`lbw check {name}` checks its presets", "`lbw check {name}` で中のプリセットを確かめます"),
                say!("`--presets {name}` uses them", "`--presets {name}` で使います"),
            ],
            FileKind::Tensors => vec![
                say!("`lbw lora inspect {name}` looks into a LoRA", "LoRA なら `lbw lora inspect {name}` で調べます"),
                say!("`--model {name}` draws with a checkpoint", "チェックポイントなら `--model {name}` で描きます"),
            ],
        }
    }
}

/// Whether webui's extension would call its presets so.
fn is_presets(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.contains("lbwpresets") || name.contains("elempresets")
}
