//! Exit codes, computed in this one place.

use std::process::ExitCode;

use crate::app::{self, ErrorKind};

/// How a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// What the application says.
    App(app::Error),
    /// Whoever reads the output has enough: `… | head -1`.
    ClosedPipe,
}

/// What commands answer.
pub type CommandResult = Result<(), Failure>;

impl From<app::Error> for Failure {
    fn from(error: app::Error) -> Self {
        Failure::App(error)
    }
}

/// The exit code of a kind of error.
pub fn code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::SomeFailed => 1,
        ErrorKind::Words => 2,
        ErrorKind::File | ErrorKind::Device => 3,
        ErrorKind::Interrupted => 130,
    }
}

/// The exit code of a command.
pub fn code(result: &CommandResult) -> ExitCode {
    match result {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::App(error)) => ExitCode::from(code_of(error.kind)),
    }
}
