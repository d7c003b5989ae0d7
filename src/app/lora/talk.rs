//! What the operations on LoRAs say alike.

use std::path::Path;

use crate::app::error::Error;
use crate::diagnostic::{Diagnostic, Text, code};
use crate::lora::surgery::BlockError;
use crate::plan::check;
use crate::say;

/// A name, number or tag is wrong.
pub fn wrong(message: Text) -> Error {
    Error::words(code::USAGE, message)
}

/// Something is not in the new file.
pub fn left_out(message: Text) -> Diagnostic {
    Diagnostic::new(code::LEFT_OUT, message)
}

/// Tensors of the file at `path` that have no effect beside others of their module, if there are any.
pub fn without_effect(path: &Path, tensors: &[String]) -> Option<Diagnostic> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    tensors.first().map(|example| check::left_out_parts(&name, tensors.len(), example))
}

/// Something is not what it seems.
pub fn inexact(message: Text) -> Diagnostic {
    Diagnostic::new(code::INEXACT, message)
}

/// Something is not as the rest.
pub fn apart(message: Text) -> Diagnostic {
    Diagnostic::new(code::SET_APART, message)
}

/// The measured error of each block and of all, in lines; nothing where nothing was measured.
pub fn errors(blocks: &[BlockError]) -> Text {
    if blocks.is_empty() {
        return Text::default();
    }
    let head =
        say!("  measured error ‖Δ − Δ'‖ of what was cut or rounded\n", "  切り詰め・丸めによる実測誤差 ‖Δ − Δ'‖\n");
    let mut lines = vec![head];
    let (mut norm, mut error) = (0.0, 0.0);
    for block in blocks {
        norm += block.norm * block.norm;
        error += block.error * block.error;
        let ranks = match block.ranks {
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least}–{most}"),
        };
        let (name, modules, percent) = (block.block, block.modules, block.relative() * 100.0);
        let (norm, error) = (block.norm, block.error);
        lines.push(say!(
            "    {name:<8} {modules:>4} modules  rank {ranks:<7} ‖Δ‖ {norm:<11.5} error {error:<11.4e} {percent:.3}%\n",
            "    {name:<8} {modules:>4} モジュール  ランク {ranks:<7} ‖Δ‖ {norm:<11.5} 誤差 {error:<11.4e} {percent:.3}%\n"
        ));
    }
    let (norm, error) = (f64::sqrt(norm), f64::sqrt(error));
    let percent = if norm > 0.0 { error / norm * 100.0 } else { 0.0 };
    lines.push(say!(
        "    all      ‖Δ‖ {norm:.5} error {error:.4e} {percent:.3}%\n",
        "    全体     ‖Δ‖ {norm:.5} 誤差 {error:.4e} {percent:.3}%\n"
    ));
    Text::join(lines, "")
}
