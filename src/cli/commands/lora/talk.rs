//! What the commands that write LoRAs say alike.

use crate::app::Error;
use crate::cli::exit::{CommandResult, Failure};
use crate::cli::terminal::{Terminal, escaped};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::lora::surgery::BlockError;
use crate::say;

/// A name, number or tag is wrong.
pub fn wrong(message: Text) -> Failure {
    Error::words(code::USAGE, message).into()
}

/// Something is not in the new file.
pub fn left_out(message: Text, terminal: Terminal) {
    terminal.say(&Diagnostic::new(code::LEFT_OUT, message));
}

/// Something is not what it seems.
pub fn inexact(message: Text, terminal: Terminal) {
    terminal.say(&Diagnostic::new(code::INEXACT, message));
}

/// Something is not as the rest.
pub fn apart(message: Text, terminal: Terminal) {
    terminal.say(&Diagnostic::new(code::SET_APART, message));
}

/// Prints a line of the result.
pub fn line(text: &Text, terminal: Terminal) -> CommandResult {
    terminal.line(escaped(terminal.words(text)))
}

/// Prints the measured error of each block and of all.
pub fn errors(blocks: &[BlockError], terminal: Terminal) -> CommandResult {
    if blocks.is_empty() {
        return Ok(());
    }
    let line = |text: &Text| terminal.line(escaped(terminal.words(text)));
    line(&say!("  measured error ‖Δ − Δ'‖ of what was cut or rounded", "  切り詰め・丸めによる実測誤差 ‖Δ − Δ'‖"))?;
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
        line(&say!(
            "    {name:<8} {modules:>4} modules  rank {ranks:<7} ‖Δ‖ {norm:<11.5} error {error:<11.4e} {percent:.3}%",
            "    {name:<8} {modules:>4} モジュール  ランク {ranks:<7} ‖Δ‖ {norm:<11.5} 誤差 {error:<11.4e} {percent:.3}%"
        ))?;
    }
    let (norm, error) = (f64::sqrt(norm), f64::sqrt(error));
    let percent = if norm > 0.0 { error / norm * 100.0 } else { 0.0 };
    line(&say!(
        "    all      ‖Δ‖ {norm:.5} error {error:.4e} {percent:.3}%",
        "    全体     ‖Δ‖ {norm:.5} 誤差 {error:.4e} {percent:.3}%"
    ))
}
