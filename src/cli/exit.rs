//! How commands end.

use std::process::ExitCode;

use crate::app;
use crate::diagnostic::{Diagnostic, Severity};

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

/// How a command ends that has told what it could and said `found`.
pub fn after_saying(found: &[Diagnostic]) -> CommandResult {
    match found.iter().any(|found| found.severity == Severity::Error) {
        true => Err(app::Error { kind: app::Error::refused(found.to_vec()).kind, findings: Vec::new() }.into()),
        false => Ok(()),
    }
}

/// The exit code of a command.
pub fn code(result: &CommandResult) -> ExitCode {
    match result {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::App(error)) => ExitCode::from(error.kind.number()),
    }
}
