//! One host's HTTP: requests with limits, answers that are what they should be or say what they are instead.

use std::io::ErrorKind;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::diagnostic::{Said, Text};
use crate::files::limits::{ANSWER, ANSWERED_LISTS};
use crate::say;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a question that draws nothing may take.
const QUESTION: Duration = Duration::from_secs(30);

/// Why there is no answer to work with.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nobody answers, or not to the end; another time they may.
    Away(Text),
    /// The host answers that it cannot now (500 and above, 429).
    Busy(Text),
    /// The host has no such route (404, 405).
    NoRoute(Text),
    /// The host refuses the request.
    Refused(Text),
    /// The answer is no JSON, or not the JSON that it should be.
    Wrong(Text),
}

impl Fault {
    /// Whether the same request may be answered another time.
    pub fn may_pass(&self) -> bool {
        matches!(self, Fault::Away(_) | Fault::Busy(_) | Fault::Wrong(_))
    }

    /// In words.
    pub fn text(&self) -> &Text {
        match self {
            Fault::Away(text)
            | Fault::Busy(text)
            | Fault::NoRoute(text)
            | Fault::Refused(text)
            | Fault::Wrong(text) => text,
        }
    }
}

/// A host's address, and how long it may take to draw.
#[derive(Debug, Clone)]
pub struct Client {
    /// Without user, password and a `/` at the end.
    base: String,
    authorization: Option<String>,
    agent: ureq::Agent,
    patience: Duration,
}

impl Client {
    /// A client of `url`; user and password may stand in it. Nothing is sent yet.
    pub fn new(url: &str, patience: Duration) -> Result<Self, Text> {
        let url = url.trim().trim_end_matches('/');
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let bad = || say!("`{url}` is no address", "`{url}` はアドレスではありません");
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        if !["http", "https"].contains(&scheme) {
            return Err(bad());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let is_plain = |c: char| c.is_ascii_graphic() && !"?#\"<>\\^`{|}".contains(c);
        let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        if let Some(port) = port.filter(|port| port.parse::<u16>().is_err()) {
            return Err(say!(
                "`{url}`: `{port}` is no port; they go from 1 to 65535",
                "`{url}`: `{port}` はポートではありません。1〜65535 です"
            ));
        }
        if host.is_empty() || !host.chars().chain(path.chars()).all(is_plain) {
            return Err(bad());
        }
        let authorization = user.map(|user| format!("Basic {}", STANDARD.encode(user)));
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .http_status_as_error(false)
            // A host draws itself: nobody is led elsewhere by it, nor by the environment.
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("lbw/", env!("CARGO_PKG_VERSION")))
            .build();
        let base = format!("{scheme}://{host}{path}");
        Ok(Client { base, authorization, agent: config.into(), patience })
    }

    /// The address, without a password.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks.
    pub fn get(&self, path: &str) -> Result<Value, Fault> {
        json(&self.fetched(path, ANSWERED_LISTS)?)
    }

    /// What lies at a path, as it is.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>, Fault> {
        self.fetched(path, ANSWER)
    }

    fn fetched(&self, path: &str, most: u64) -> Result<Vec<u8>, Fault> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        };
        answer(request.config().timeout_global(Some(QUESTION)).build().call(), most)
    }

    /// Asks for something that is done at once.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        json(&self.send(path, body, QUESTION)?)
    }

    /// Asks for something that is drawn meanwhile.
    pub fn draw(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        json(&self.send(path, body, self.patience)?)
    }

    fn send(&self, path: &str, body: &Value, patience: Duration) -> Result<Vec<u8>, Fault> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        let request = match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        };
        answer(request.config().timeout_global(Some(patience)).build().send(body.to_string()), ANSWER)
    }
}

type Answered = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn answer(answered: Answered, most: u64) -> Result<Vec<u8>, Fault> {
    let mut response = answered.map_err(away)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(most).read_to_vec().map_err(away)?;
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let why = reason(&body);
    let text = say!("status {status}: {why}", "ステータス {status}: {why}");
    Err(match status {
        401 | 403 => Fault::Refused(say!(
            "status {status}: it asks for a password; write `http://USER:PASSWORD@…`",
            "ステータス {status}: パスワードが必要です。`http://ユーザー:パスワード@…` と書いてください"
        )),
        404 | 405 => Fault::NoRoute(text),
        429 => Fault::Busy(text),
        500.. => Fault::Busy(text),
        _ => Fault::Refused(text),
    })
}

fn away(error: ureq::Error) -> Fault {
    match error {
        ureq::Error::Timeout(_) => Fault::Away(say!("it does not answer in time", "時間内に応答がありません")),
        ureq::Error::BodyExceedsLimit(_) => {
            let mib = ANSWER >> 20;
            Fault::Wrong(say!("its answer is longer than {mib} MiB", "応答が {mib} MiB を超えています"))
        }
        ureq::Error::HostNotFound => Fault::Away(no_name()),
        ureq::Error::ConnectionFailed => Fault::Away(nobody(&say!("no connection", "接続できません"))),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Fault::Refused(say!("this is no address", "アドレスではありません"))
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::TlsRequired => Fault::Away(no_tls(&error)),
        ureq::Error::Io(error) => match error.kind() {
            // rustls packs its errors so.
            ErrorKind::InvalidData => Fault::Away(no_tls(&error)),
            ErrorKind::ConnectionRefused => Fault::Away(nobody(&error.said())),
            // The system's words for names that nobody has.
            _ if error.to_string().contains("lookup") => Fault::Away(no_name()),
            _ => Fault::Away(error.said()),
        },
        error => Fault::Away(say!("{error}", "{error}")),
    }
}

fn nobody(why: &Text) -> Text {
    say!(
        "nobody listens there ({why}): is it running, with its API switched on (webui: --api), and is the port right?",
        "応答するプログラムがありません ({why})。起動しているか、API が有効か (webui は --api)、ポートが合っているかを確かめてください",
        with why
    )
}

fn no_name() -> Text {
    say!(
        "no machine of this name is known; is it spelled right?",
        "その名前のマシンは見つかりません。綴りを確かめてください"
    )
}

fn no_tls(error: &dyn std::error::Error) -> Text {
    say!(
        "no safe connection ({error}): a host that does not speak it is named with `http://`",
        "安全な接続ができません ({error})。https に対応しないホストは `http://` で指定してください"
    )
}

/// What a failure says about itself, in a line.
fn reason(body: &[u8]) -> String {
    const LENGTH: usize = 300;
    let text = String::from_utf8_lossy(body);
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let said = value.as_ref().and_then(|value| {
        let keys = ["errors", "detail", "message", "error"];
        let filled = |key: &&str| value.get(*key).filter(|v| !v.is_null() && *v != &Value::from(""));
        keys.iter().find_map(filled).map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned))
    });
    let said = match said {
        Some(said) => said,
        None if is_page(&text) => "HTML".to_owned(),
        None => text.into_owned(),
    };
    let line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(LENGTH).collect()
}

fn is_page(text: &str) -> bool {
    let start = text.trim_start().get(..15).unwrap_or(text).to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with('<')
}

fn json(bytes: &[u8]) -> Result<Value, Fault> {
    // A route that has nothing to say may say nothing.
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| match is_page(&String::from_utf8_lossy(bytes)) {
        true => Fault::Wrong(say!("it answers with a web page, not with JSON", "JSON ではなく Web ページが返りました")),
        false => Fault::Wrong(say!("its answer is no JSON: {error}", "応答が JSON ではありません: {error}")),
    })
}

/// Bytes that an answer holds as base64, also as a data URL.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let data = text.strip_prefix("data:").and_then(|rest| Some(rest.split_once(',')?.1)).unwrap_or(text);
    let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(data).ok()
}

/// Bytes as base64.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
