//! Exit codes, and how errors become one.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    SomeFailed = 1,
    /// A prompt, flag, preset, plan or name is wrong.
    Text = 2,
    /// A file or device is absent, unreadable, damaged or full.
    File = 3,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A command's failure: what to print and what to exit with.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

pub type CommandResult = Result<Exit, Failure>;

impl Failure {
    pub fn text(message: impl Into<String>) -> Self {
        Failure { exit: Exit::Text, message: message.into() }
    }

    pub fn file(message: impl Into<String>) -> Self {
        Failure { exit: Exit::File, message: message.into() }
    }
}
