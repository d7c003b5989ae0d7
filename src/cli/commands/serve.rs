//! `lbw serve`: the server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::app::api::Rules;
use crate::app::{self, Caller, read_text};
use crate::cli::args::{EngineArgs, ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::{code, escaped};
use crate::say;
use crate::server::{Settings, Told, serve};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Where to listen
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDR")]
    pub host: IpAddr,
    /// Listen on all addresses, as webui's flag does
    #[arg(long, conflicts_with = "host")]
    pub listen: bool,
    /// The port; 0 is any free one. The address is the only line on standard output
    #[arg(long, default_value_t = 7860, value_name = "N")]
    pub port: u16,
    /// Who may ask: USER:PASS, several with commas. Other users see a command line; a file is safer
    #[arg(long, env = "LBW_API_AUTH", hide_env_values = true, value_name = "USER:PASS")]
    pub api_auth: Option<String>,
    /// A file with USER:PASS, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "api_auth")]
    pub api_auth_file: Option<PathBuf>,
    /// Sites whose pages may ask, several with commas; `*` only together with --api-auth
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub cors_allow_origins: Vec<String>,
    /// Further values of the header Host, for a server behind another one
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<String>,
    /// Listen beyond this machine without --api-auth
    #[arg(long)]
    pub insecure_no_auth: bool,
    /// Every route also below this path
    #[arg(long, value_name = "PATH")]
    pub subpath: Option<String>,
    /// No page, only the API
    #[arg(long, alias = "nowebui")]
    pub no_page: bool,
    /// Where `save_images` of a request writes
    #[arg(long, default_value = "lbw-out/serve", value_name = "DIR")]
    pub save_dir: PathBuf,
    /// Requests that may wait; the next one is answered 429
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub queue: usize,
    /// Checkpoints whose weights stay in memory
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub models_in_memory: usize,
    /// Pixels of a picture that may be asked for
    #[arg(long, default_value_t = 4_194_304, value_name = "N")]
    pub max_pixels: u64,
    /// Steps of a pass that may be asked for
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub max_steps: u32,
    /// Pictures of a request
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub max_images: u64,
    /// Cells of a plot
    #[arg(long, default_value_t = 400, value_name = "N")]
    pub max_cells: usize,
    /// The largest body, in MiB
    #[arg(long, default_value_t = 64, value_name = "MIB")]
    pub max_body: usize,
    /// What becomes of a request whose client went away
    #[arg(long, value_enum, default_value_t = Gone::Cancel)]
    pub on_disconnect: Gone,
    /// After this many seconds without an answer the client gets a sign of life; 0 is never
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub heartbeat: u64,
    /// What lbw does not do is left out with a warning, not refused
    #[arg(long)]
    pub lenient: bool,
    /// Write prompts to the log, too
    #[arg(long)]
    pub log_prompts: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

const EXAMPLES: &str = "\
Programs written for the API of AUTOMATIC1111's webui draw with lbw when they are given the address: SillyTavern, Open WebUI, Krita,
Blender, GIMP, webuiapi and others. The page is at the same address.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gone {
    Cancel,
    Finish,
}

pub fn run(args: &ServeArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.model.patch()?, is_default: true, strict: false };
    let ready = move |address: SocketAddr| {
        // Who started the server without a terminal reads the address nowhere else; a closed pipe is their business.
        let _ = terminal.line(format!("http://{address}/"));
    };
    let told = Told {
        ready: Box::new(ready),
        say: Arc::new(move |found| terminal.say(found)),
        log: Arc::new(move |line| terminal.talk(&escaped(line))),
    };
    Ok(serve(args.places.places(), caller, args.engine.settings()?, args.settings()?, told)?)
}

impl ServeArgs {
    fn settings(&self) -> app::Result<Settings> {
        let credentials = self.credentials()?;
        let origins: Vec<String> =
            self.cors_allow_origins.iter().map(|url| url.trim().trim_end_matches('/').to_owned()).collect();
        if credentials.is_empty() && origins.iter().any(|origin| origin == "*") {
            let message = say!(
                "--cors-allow-origins * lets every page draw; it needs --api-auth",
                "--cors-allow-origins * ではどのページからも描けてしまいます。--api-auth が要ります"
            );
            return Err(app::Error::words(code::NEEDS_AUTH, message));
        }
        Ok(Settings {
            host: if self.listen { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { self.host },
            port: self.port,
            credentials,
            origins,
            hosts: self.allow_host.iter().map(|name| name.trim().to_owned()).collect(),
            is_open: self.insecure_no_auth,
            subpath: self.subpath.clone(),
            page: !self.no_page,
            page_folder: std::env::var_os("LBW_WEB_DIR").map(PathBuf::from),
            save_folder: self.save_dir.clone(),
            queue: self.queue,
            models: self.models_in_memory.max(1),
            rules: Rules {
                max_pixels: self.max_pixels,
                max_steps: self.max_steps,
                max_images: self.max_images,
                max_cells: self.max_cells,
                lenient: self.lenient,
            },
            max_body: self.max_body.saturating_mul(1 << 20),
            finishes: self.on_disconnect == Gone::Finish,
            heartbeat: (self.heartbeat > 0).then(|| Duration::from_secs(self.heartbeat)),
            logs_prompts: self.log_prompts,
        })
    }

    fn credentials(&self) -> app::Result<Vec<(String, String)>> {
        let text = match (&self.api_auth, &self.api_auth_file) {
            (Some(text), _) => text.replace(',', "\n"),
            (None, Some(path)) => read_text(path)?,
            (None, None) => return Ok(Vec::new()),
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut credentials = Vec::new();
        for line in lines {
            let Some((user, password)) = line.split_once(':').filter(|(_, password)| !password.is_empty()) else {
                let message = say!("--api-auth: it has the form USER:PASS", "--api-auth は USER:PASS の形で書きます");
                return Err(app::Error::words(code::USAGE, message));
            };
            credentials.push((user.to_owned(), password.to_owned()));
        }
        if credentials.is_empty() {
            let message = say!("--api-auth: nobody is named", "--api-auth に利用者がありません");
            return Err(app::Error::words(code::USAGE, message));
        }
        Ok(credentials)
    }
}
