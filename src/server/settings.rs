//! How the server was asked to run.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::app::api::Rules;

/// How the server was asked to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub host: IpAddr,
    /// 0 is any free port.
    pub port: u16,
    /// Users and their passwords; none where everybody may ask.
    pub credentials: Vec<(String, String)>,
    /// Other sites whose pages may ask, without a final `/`; `*` is every site.
    pub origins: Vec<String>,
    /// Further values of `Host`.
    pub hosts: Vec<String>,
    /// Listen beyond this machine without credentials.
    pub is_open: bool,
    /// Every route also below this path.
    pub subpath: Option<String>,
    /// Whether there is a page.
    pub page: bool,
    /// A folder that is served instead of the page in the program, for its development.
    pub page_folder: Option<PathBuf>,
    /// Where `save_images` writes.
    pub save_folder: PathBuf,
    /// Requests that may wait.
    pub queue: usize,
    /// Checkpoints whose weights stay in memory.
    pub models: usize,
    /// What a request may ask for.
    pub rules: Rules,
    /// Bytes of a body.
    pub max_body: usize,
    /// Whether a request whose client went away is drawn to its end.
    pub finishes: bool,
    /// After this time without an answer the client gets a sign of life; `None` is never.
    pub heartbeat: Option<Duration>,
    /// Whether prompts are written to the log.
    pub logs_prompts: bool,
}
