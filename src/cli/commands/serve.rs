//! `lbw serve`: the server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::app::api::Rules;
use crate::app::{self, Caller, read_text};
use crate::cli::args::{EngineArgs, ModelArgs, PlaceArgs};
use crate::cli::desktop;
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::{code, escaped};
use crate::say;
use crate::server::{Settings, Told, serve};

#[derive(Debug, Args)]
#[command(after_help = tell(EXAMPLES, EXAMPLES_JA))]
pub struct ServeArgs {
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDR", help = tell("Where to listen", "待ち受けるアドレス"))]
    pub host: IpAddr,
    #[arg(long, conflicts_with = "host", help = tell("Listen on all addresses, as webui's flag does", "webui の同名のフラグのように、すべてのアドレスで待ち受けます"))]
    pub listen: bool,
    #[arg(long, default_value_t = 7860, value_name = "N", help = tell("The port; 0 is any free one. The address is the only line on standard output", "ポート。0 なら空いているもの。標準出力にはアドレスだけを一行出します"))]
    pub port: u16,
    #[arg(long, env = "LBW_API_AUTH", hide_env_values = true, value_name = "USER:PASS", help = tell("Who may ask: USER:PASS, several with commas. Other users see a command line; a file is safer", "利用できる人: USER:PASS をコンマ区切りで。コマンド行はほかの利用者に見えるので、ファイルのほうが安全です"))]
    pub api_auth: Option<String>,
    #[arg(long, value_name = "FILE", conflicts_with = "api_auth", help = tell("A file with USER:PASS, one a line", "USER:PASS を一行に一つ書いたファイル"))]
    pub api_auth_file: Option<PathBuf>,
    #[arg(long, value_name = "URL", value_delimiter = ',', help = tell("Sites whose pages may ask, several with commas; `*` only together with --api-auth", "要求してよいページのサイト、コンマ区切り。`*` は --api-auth と一緒のときだけ使えます"))]
    pub cors_allow_origins: Vec<String>,
    #[arg(long, value_name = "NAME", value_delimiter = ',', help = tell("Further values of the header Host, for a server behind another one", "ほかのサーバーの後ろに置くとき、認める Host ヘッダーの値"))]
    pub allow_host: Vec<String>,
    #[arg(long, help = tell("Listen beyond this machine without --api-auth", "--api-auth なしでもこのマシンの外に応えます"))]
    pub insecure_no_auth: bool,
    #[arg(long, value_name = "PATH", help = tell("Every route also below this path", "すべての経路をこのパスの下にも置きます"))]
    pub subpath: Option<String>,
    #[arg(long, alias = "nowebui", help = tell("No page, only the API", "ページは出さず、API だけにします"))]
    pub no_page: bool,
    #[arg(long, conflicts_with = "no_page", help = tell("Open the page in the browser; `lbw` alone does so on a desktop", "ページをブラウザーで開きます。デスクトップでは `lbw` だけでも同じです"))]
    pub open: bool,
    #[arg(long, default_value = "lbw-out/serve", value_name = "DIR", help = tell("Where `save_images` of a request writes", "要求の `save_images` が書き込む場所"))]
    pub save_dir: PathBuf,
    #[arg(long, default_value_t = 64, value_name = "N", help = tell("Requests that may wait; the next one is answered 429", "待たせてよい要求の数。それを超えると 429 を返します"))]
    pub queue: usize,
    #[arg(long, default_value_t = 1, value_name = "N", help = tell("Checkpoints whose weights stay in memory", "重みをメモリーに残すチェックポイントの数"))]
    pub models_in_memory: usize,
    #[arg(long, default_value_t = 4_194_304, value_name = "N", help = tell("Pixels of a picture that may be asked for", "一枚の画像に許す画素数"))]
    pub max_pixels: u64,
    #[arg(long, default_value_t = 1000, value_name = "N", help = tell("Steps of a pass that may be asked for", "一回の描画に許すステップ数"))]
    pub max_steps: u32,
    #[arg(long, default_value_t = 100, value_name = "N", help = tell("Pictures of a request", "一つの要求で描く画像の数"))]
    pub max_images: u64,
    #[arg(long, default_value_t = 400, value_name = "N", help = tell("Cells of a plot", "プロットのマスの数"))]
    pub max_cells: usize,
    #[arg(long, default_value_t = 64, value_name = "MIB", help = tell("The largest body, in MiB", "本文の大きさの上限 (MiB)"))]
    pub max_body: usize,
    #[arg(long, value_enum, default_value_t = Gone::Cancel, help = tell("What becomes of a request whose client went away", "相手がいなくなった要求をどうするか"))]
    pub on_disconnect: Gone,
    #[arg(long, default_value_t = 30, value_name = "SECONDS", help = tell("After this many seconds without an answer the client gets a sign of life; 0 is never", "答えがまだないとき、この秒数ごとに生きているしるしを送ります。0 なら送りません"))]
    pub heartbeat: u64,
    #[arg(long, help = tell("What lbw does not do is left out with a warning, not refused", "lbw にできないことを、断らずに警告して除きます"))]
    pub lenient: bool,
    #[arg(long, help = tell("Write prompts to the log, too", "ログにプロンプトも書きます"))]
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

const EXAMPLES_JA: &str = "\
AUTOMATIC1111 の webui の API 向けに書かれたプログラム (SillyTavern、Open WebUI、Krita、Blender、GIMP、webuiapi など) は、アドレスを渡すだけで lbw で描けます。
ページも同じアドレスにあります。";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gone {
    Cancel,
    Finish,
}

pub fn run(args: &ServeArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.model.patch()?, is_default: true, strict: false };
    let page = args.open.then(|| args.subpath.as_deref().unwrap_or_default().trim_matches('/').to_owned());
    let ready = move |address: SocketAddr| {
        // Who started the server without a terminal reads the address nowhere else; a closed pipe is their business.
        let _ = terminal.line(format!("http://{address}/"));
        if let Some(path) = page {
            desktop::open(address, &path).iter().for_each(|found| terminal.say(found));
        }
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
