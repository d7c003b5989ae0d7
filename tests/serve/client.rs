//! A server in a folder of its own, and a client that speaks to it as plainly as can be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// A running server, ended when it is dropped.
pub struct Server {
    pub sandbox: Sandbox,
    pub address: String,
    child: Child,
}

impl Server {
    /// `lbw serve` on a free port.
    pub fn start(args: &[&str]) -> Self {
        Self::start_in(Sandbox::new(), args)
    }

    /// `lbw serve` on a port that another one has left.
    pub fn start_on(port: &str) -> Self {
        Self::start_at(Sandbox::new(), port, &[])
    }

    pub fn start_in(sandbox: Sandbox, args: &[&str]) -> Self {
        Self::start_at(sandbox, "0", args)
    }

    fn start_at(sandbox: Sandbox, port: &str, args: &[&str]) -> Self {
        let mut command = sandbox.lbw(&[&["serve", "--port", port, "--save-dir", "saved"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("the address is {line:?}")).to_owned();
        Server { sandbox, address, child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks politely, and gives the exit code.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> Option<i32> {
        Command::new("kill").arg(self.id().to_string()).status().unwrap();
        self.child.wait().unwrap().code()
    }

    pub fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    /// Sends a head and a body, and reads the answer.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.begin(method, path, headers, body);
        Answer::read(&mut stream)
    }

    /// Sends a request and leaves the answer where it is.
    pub fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        if headers.iter().all(|(name, _)| *name != "Host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("Connection: close\r\n\r\n");
        // A server that refuses a body may close before it has come.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
        stream
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &[], b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], body.to_string().as_bytes())
    }

    /// Posts, and expects what was asked for.
    #[track_caller]
    pub fn done(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert!(answer.status < 300, "{path} {body}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !is_so(self) {
            assert!(Instant::now() < end, "waited for {what} without end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether nothing is drawn and nothing waits: a job that was just sent is not drawn yet.
    pub fn is_idle(&self) -> bool {
        let progress = self.get("/sdapi/v1/progress?skip_current_image=true");
        progress["progress"] == 0 && progress["state"]["job_count"] == 0 && progress["textinfo"].is_null()
    }

    pub fn is_running(&self) -> bool {
        let state = &self.get("/sdapi/v1/progress?skip_current_image=true")["state"];
        state["job_count"].as_u64() > Some(0) && state["sampling_step"].as_u64() > Some(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request that is drawn in no time.
pub fn tiny(more: Value) -> Value {
    let mut request = json!({
        "prompt": "red circle", "width": 64, "height": 64, "steps": 2, "seed": 7, "sampler_name": "Euler a",
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// A request that is drawn until somebody ends it.
pub fn endless() -> Value {
    tiny(json!({ "steps": 1000, "n_iter": 50 }))
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut all = Vec::new();
        // A connection that is reset has said what it had to say.
        let _ = stream.read_to_end(&mut all);
        Self::parse(&all)
    }

    #[track_caller]
    pub fn parse(all: &[u8]) -> Self {
        let at = all.windows(4).position(|w| w == b"\r\n\r\n");
        let at = at.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(all)));
        let head = String::from_utf8(all[..at].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = all[at + 4..].to_vec();
        if head.to_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Answer { status, head, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |line: &&str| line.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name));
        self.head.lines().skip(1).find(is_it).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.text()))
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap().trim(), 16).unwrap_or(0);
        let end = (at + 2 + length).min(rest.len());
        body.extend_from_slice(&rest[at + 2..end]);
        rest = rest.get(end + 2..).unwrap_or_default();
        if length == 0 {
            break;
        }
    }
    body
}

/// The first picture of webui's answer.
#[track_caller]
pub fn picture(answer: &Value) -> Vec<u8> {
    use base64::Engine;
    let text = answer["images"][0].as_str().unwrap_or_else(|| panic!("no picture in {answer}"));
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The pixels of a PNG.
#[track_caller]
pub fn pixels(png: &[u8]) -> image::RgbImage {
    image::load_from_memory(png).unwrap().to_rgb8()
}

/// The `info` of webui's answer.
#[track_caller]
pub fn info(answer: &Value) -> Value {
    serde_json::from_str(answer["info"].as_str().unwrap()).unwrap()
}
