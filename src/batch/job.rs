//! One image of a batch, and how far it is.

use serde::{Deserialize, Serialize};

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not begun, or begun by a worker that ended before it was done.
    Planned,
    /// The picture is there, whole.
    Done,
    /// Tried, with [`Job::error`].
    Failed,
    /// Done once, and no longer asked for. Its picture is left alone and counts again when the line comes back.
    Former,
}

/// One image of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The identity of the picture: its plan and the hashes of its files.
    pub id: String,
    /// Where the picture goes, relative to the output folder.
    pub file: String,
    /// The prompt file and its line.
    pub source: String,
    /// Counted from 1.
    pub line: usize,
    /// The seed of the picture, whether it was written or drawn.
    pub seed: u64,
    /// The last that was noted.
    pub state: State,
    /// CRC-32 of the finished file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
    /// Why a failed job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who drew it, where it was another host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What an object store calls this version of the finished file: whether it is still that is told without reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
