//! Why something asked of the application did not happen.

use std::path::Path;

use crate::batch::ManifestError;
use crate::diagnostic::{Code, Diagnostic, Said, Severity, Text, code};
use crate::engine::EngineError;
use crate::image_io;
use crate::lora::surgery::SurgeryError;
use crate::lora::{IndexError, LoraError};
use crate::say;
use crate::upscale::UpscaleError;

/// What has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Some pictures; the others are there.
    SomeFailed,
    /// A prompt, a setting, a preset, a name.
    Words,
    /// A file or folder: absent, unreadable, damaged, or the disk is full.
    File,
    /// A device that is not there.
    Device,
    /// Nothing: it was stopped by whoever asked.
    Interrupted,
}

impl ErrorKind {
    /// The number that programs know the kind by: the exit code of a command, `exit` in a worker's events.
    pub fn number(self) -> u8 {
        match self {
            ErrorKind::SomeFailed => 1,
            ErrorKind::Words => 2,
            ErrorKind::File | ErrorKind::Device => 3,
            ErrorKind::Interrupted => 130,
        }
    }
}

/// Why something did not happen, with everything that is to be said about it.
#[derive(Debug, Clone)]
pub struct Error {
    /// What has to be mended.
    pub kind: ErrorKind,
    /// All that was found, at least one error among it.
    pub findings: Vec<Diagnostic>,
}

/// What the application answers.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// One finding.
    pub fn new(kind: ErrorKind, code: Code, message: Text) -> Self {
        Error { kind, findings: vec![Diagnostic::new(code, message)] }
    }

    /// The words are wrong.
    pub fn words(code: Code, message: Text) -> Self {
        Error::new(ErrorKind::Words, code, message)
    }

    /// A file is.
    pub fn file(code: Code, message: Text) -> Self {
        Error::new(ErrorKind::File, code, message)
    }

    /// What was found while words were read refuses them: the words are wrong, or nothing but files that they name.
    pub fn refused(findings: Vec<Diagnostic>) -> Self {
        let mut errors = findings.iter().filter(|found| found.severity == Severity::Error).peekable();
        let of_files = [code::NO_FILE, code::NO_MODEL, code::NO_VAE, code::UNUSABLE_FILE, code::NO_MEMORY];
        let is_of_files = errors.peek().is_some() && errors.all(|found| of_files.contains(&found.code));
        Error { kind: if is_of_files { ErrorKind::File } else { ErrorKind::Words }, findings }
    }

    /// The system cannot read or list something.
    pub fn reading(path: &Path, error: &std::io::Error) -> Self {
        let (path, why) = (path.display(), error.said());
        Error::file(code::NO_FILE, say!("{path}: {why}", "{path}: {why}", with why))
    }

    /// The system cannot write something.
    pub fn writing(path: &Path, error: &std::io::Error) -> Self {
        let (path, why) = (path.display(), error.said());
        Error::file(code::NOT_WRITTEN, say!("{path}: {why}", "{path}: {why}", with why))
    }

    /// The same with advice.
    pub fn help(mut self, help: Text) -> Self {
        if let Some(last) = self.findings.pop() {
            self.findings.push(last.help(help));
        }
        self
    }

    /// The same with what was found before it went wrong.
    pub fn after(mut self, found: Vec<Diagnostic>) -> Self {
        self.findings = found.into_iter().chain(self.findings).collect();
        self
    }

    /// All of these together, of the worst kind among them; nothing where there are none.
    pub fn all(errors: Vec<Error>) -> Result<()> {
        match errors.iter().map(|error| error.kind).max() {
            None => Ok(()),
            Some(kind) => Err(Error { kind, findings: errors.into_iter().flat_map(|error| error.findings).collect() }),
        }
    }

    /// The worst of what is said, in one sentence.
    pub fn message(&self) -> Text {
        let worst = self.findings.iter().max_by_key(|found| found.severity);
        worst.map_or_else(Text::default, |found| found.message.clone())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}

/// Whether nothing may be drawn: an error, or with `strict` a warning.
pub fn refuses(found: &[Diagnostic], strict: bool) -> bool {
    let least = if strict { Severity::Warning } else { Severity::Error };
    found.iter().any(|d| d.severity >= least)
}

impl From<crate::checkpoint::FileError> for Error {
    fn from(error: crate::checkpoint::FileError) -> Self {
        Error::file(code::UNUSABLE_FILE, error.said())
    }
}

impl From<LoraError> for Error {
    fn from(error: LoraError) -> Self {
        Error::file(code::UNUSABLE_FILE, error.said())
    }
}

impl From<SurgeryError> for Error {
    fn from(error: SurgeryError) -> Self {
        match &error {
            SurgeryError::UnknownGroup { .. } | SurgeryError::Overlap { .. } => Error::words(code::USAGE, error.said()),
            SurgeryError::NeedsCheckpoint { .. } | SurgeryError::NotFinite { .. } => {
                Error::words(code::CANNOT_BAKE, error.said())
            }
            SurgeryError::Exists { .. } => Error::file(code::WOULD_OVERWRITE, error.said()),
            SurgeryError::Write { .. } => Error::file(code::NOT_WRITTEN, error.said()),
            _ => Error::file(code::UNUSABLE_FILE, error.said()),
        }
    }
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Folder { path, source } => Error::reading(&path, &source),
            IndexError::TooMany { .. } => Error::file(code::UNUSABLE_FILE, error.said()),
            error => Error::words(code::UNKNOWN_LORA, error.said()),
        }
    }
}

impl From<crate::checkpoint::CheckpointError> for Error {
    fn from(error: crate::checkpoint::CheckpointError) -> Self {
        Error::file(code::UNUSABLE_FILE, error.said())
    }
}

impl From<crate::engine::embedded::EmbeddedError> for Error {
    fn from(error: crate::engine::embedded::EmbeddedError) -> Self {
        let code = match error {
            crate::engine::embedded::EmbeddedError::Absent => code::NO_MODEL,
            _ => code::NOT_WRITTEN,
        };
        Error::file(code, error.said())
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Error::file(code::PICTURE_FAILED, error.said())
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::LoraName(error) => error.into(),
            EngineError::Lora(error) => error.into(),
            EngineError::Checkpoint(error) => error.into(),
            EngineError::Limit(error) => Error::refused(vec![error.diagnostic()]),
            EngineError::Memory(short) => {
                Error::new(ErrorKind::Device, code::NO_MEMORY, error.said()).help(short.help())
            }
            EngineError::Family { .. } => Error::words(code::BAD_PLAN, error.said()),
            EngineError::Stopped => Error::new(ErrorKind::Interrupted, code::INTERRUPTED, error.said()),
            EngineError::Operators(_) => Error::new(ErrorKind::Device, code::NO_DEVICE, error.said()),
            EngineError::Upscale(error) => error.into(),
            EngineError::NoRefiner(_) => Error::words(code::NO_MODEL, error.said()),
            EngineError::OtherRefiner { .. } => Error::file(code::UNUSABLE_FILE, error.said()),
            EngineError::NoEncoder => Error::file(code::UNUSABLE_FILE, error.said()),
            EngineError::InitImage(_) => Error::file(code::NO_PICTURE, error.said()),
            error => Error::file(code::PICTURE_FAILED, error.said()),
        }
    }
}

impl From<UpscaleError> for Error {
    fn from(error: UpscaleError) -> Self {
        match &error {
            UpscaleError::Name(_) => Error::words(code::NO_UPSCALER, error.said()),
            UpscaleError::File(_) => Error::file(code::UNUSABLE_FILE, error.said()),
            UpscaleError::TooLarge { .. }
            | UpscaleError::Empty { .. }
            | UpscaleError::Scale(_)
            | UpscaleError::Overlap { .. } => Error::words(code::OUT_OF_LIMITS, error.said()),
            UpscaleError::Interrupted => Error::new(ErrorKind::Interrupted, code::INTERRUPTED, error.said()),
            UpscaleError::NotNumbers | UpscaleError::Compute(_) => Error::file(code::PICTURE_FAILED, error.said()),
        }
    }
}

impl From<image_io::Error> for Error {
    fn from(error: image_io::Error) -> Self {
        let code = match &error {
            image_io::Error::Write { .. } | image_io::Error::Encode(_) => code::NOT_WRITTEN,
            image_io::Error::Exists { .. } => code::WOULD_OVERWRITE,
            image_io::Error::Read { .. } => code::NO_FILE,
            _ => code::UNUSABLE_FILE,
        };
        Error::file(code, error.said())
    }
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        match &error {
            ManifestError::OtherBatch { .. } => Error::words(code::OTHER_FOLDER, error.said()),
            ManifestError::NotOurs { .. } | ManifestError::Damaged { .. } | ManifestError::Absent { .. } => {
                Error::file(code::OTHER_FOLDER, error.said())
            }
            ManifestError::Io { .. } => Error::file(code::NOT_WRITTEN, error.said()),
            ManifestError::Location(_) => Error::words(code::USAGE, error.said()),
        }
    }
}

impl From<crate::batch::NameError> for Error {
    fn from(error: crate::batch::NameError) -> Self {
        Error::words(code::USAGE, error.said())
    }
}

impl From<crate::study::grid::GridError> for Error {
    fn from(error: crate::study::grid::GridError) -> Self {
        Error::words(code::STUDY, error.said())
    }
}

impl From<crate::study::xyz::Error> for Error {
    fn from(error: crate::study::xyz::Error) -> Self {
        Error::words(code::STUDY, error.said())
    }
}

impl From<crate::study::xyz_weights::Error> for Error {
    fn from(error: crate::study::xyz_weights::Error) -> Self {
        Error::words(code::STUDY, error.said())
    }
}

impl From<crate::study::analyzer::Error> for Error {
    fn from(error: crate::study::analyzer::Error) -> Self {
        Error::words(code::STUDY, error.said())
    }
}

impl From<crate::study::analyzer_prompt::Error> for Error {
    fn from(error: crate::study::analyzer_prompt::Error) -> Self {
        Error::words(code::STUDY, error.said())
    }
}
