//! Who may ask: hosts, origins, credentials; and what stands on every answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::answer::{self, Failure};
use super::openai;
use super::settings::Settings;

/// A wrong password costs this time, and so many are looked at together.
const WRONG: Duration = Duration::from_millis(250);
const GUESSES: usize = 10;

/// What answers without credentials.
const OPEN: [&str; 3] = ["/internal/ping", "/healthz", "/lbw/v1/health"];

/// The rules of one server.
pub struct Guard {
    address: SocketAddr,
    hosts: Vec<String>,
    origins: Vec<String>,
    credentials: Vec<(String, String)>,
    guesses: Semaphore,
}

/// The origin of a request that may ask, where it is another site's.
pub struct Allowed(Option<HeaderValue>);

impl Guard {
    pub fn new(settings: &Settings, address: SocketAddr) -> Self {
        Guard {
            address,
            hosts: settings.hosts.clone(),
            origins: settings.origins.clone(),
            credentials: settings.credentials.clone(),
            guesses: Semaphore::new(GUESSES),
        }
    }

    /// Whether a request may be answered; `path` is already tidy. An answer is given here where it may not, or where it only
    /// asks whether it may.
    pub async fn check(&self, request: &Request<hyper::body::Incoming>, path: &str) -> Result<Allowed, Response> {
        let headers = request.headers();
        let host = self.host(headers).map_err(IntoResponse::into_response)?;
        let allowed = self.origin(headers, host, request.method(), path).map_err(IntoResponse::into_response)?;
        let is_preflight =
            *request.method() == Method::OPTIONS && headers.contains_key("access-control-request-method");
        if allowed.0.is_some() && is_preflight {
            return Err(allowed.on(preflight(headers)));
        }
        if !self.credentials.is_empty() && !OPEN.contains(&path) && !self.knows(headers) {
            return Err(allowed.on(self.unauthorized(path).await));
        }
        Ok(allowed)
    }

    /// The host that was asked for, which must be ours: a foreign name that leads here is another site's trick.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Failure> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
        let (Some(host), None) = (host, hosts.next()) else {
            return Err(Failure::new(StatusCode::BAD_REQUEST, "one Host header is needed"));
        };
        let (name, port) = split(host);
        let is_named =
            self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name));
        let is_ours = port.unwrap_or(80) == self.address.port();
        let ip: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let is_local = name.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
        let fits = match self.address.ip().is_loopback() {
            true => is_ours && (is_local || ip == Some(self.address.ip())),
            // A port may be mapped to another one; a name may not.
            false => ip.is_some() || is_local,
        };
        if is_named || fits {
            return Ok(host);
        }
        Err(Failure::new(StatusCode::FORBIDDEN, "this Host is not ours; --allow-host NAME allows it"))
    }

    /// The origin of the page that asks, if it is another site's and may ask.
    fn origin(&self, headers: &HeaderMap, host: &str, method: &Method, path: &str) -> Result<Allowed, Failure> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
            let is_visit = matches!(*method, Method::GET | Method::HEAD) && path == "/";
            if site == Some("cross-site") && !is_visit {
                return Err(foreign());
            }
            return Ok(Allowed(None));
        };
        let text = origin.to_str().map_err(|_| foreign())?;
        let own = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        if own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
            return Ok(Allowed(None));
        }
        let is_site = own.is_some();
        let is_allowed = self.origins.iter().any(|known| (known == "*" && is_site) || known.eq_ignore_ascii_case(text));
        if is_allowed { Ok(Allowed(Some(origin.clone()))) } else { Err(foreign()) }
    }

    /// Whether the credentials are among ours. All of ours are compared, so that the time does not tell which one was near.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let same = |a: &str, b: &[u8]| a.as_bytes().ct_eq(b);
        let mut known = subtle::Choice::from(0);
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(rest.trim()).unwrap_or_default();
            let at = decoded.iter().position(|byte| *byte == b':');
            let Some((user, password)) = at.map(|at| (&decoded[..at], &decoded[at + 1..])) else { return false };
            for (name, word) in &self.credentials {
                known |= same(name, user) & same(word, password);
            }
        } else if scheme.eq_ignore_ascii_case("bearer") {
            for (_, word) in &self.credentials {
                known |= same(word, rest.trim().as_bytes());
            }
        }
        known.into()
    }

    async fn unauthorized(&self, path: &str) -> Response {
        let Ok(_guess) = self.guesses.try_acquire() else {
            let many = Failure::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong credentials at once");
            return Failure { retry: Some(1), ..many }.into_response();
        };
        tokio::time::sleep(WRONG).await;
        let (status, why) = (StatusCode::UNAUTHORIZED, "Incorrect username or password");
        let mut response = match path.starts_with("/v1/") {
            true => answer::with_status(status, openai::body(why, status, None)),
            false => Failure::new(status, why).into_response(),
        };
        let basic = HeaderValue::from_static("Basic realm=\"lbw\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        response
    }
}

fn foreign() -> Failure {
    Failure::new(StatusCode::FORBIDDEN, "pages of other sites may not ask; --cors-allow-origins URL allows one of them")
}

/// A host and its port.
fn split(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (name, port.parse().ok()),
        _ => (host, None),
    }
}

fn preflight(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert("access-control-allow-methods", HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS"));
    if let Some(asked) = headers.get("access-control-request-headers") {
        answer.insert("access-control-allow-headers", asked.clone());
    }
    answer.insert("access-control-max-age", HeaderValue::from_static("600"));
    response
}

impl Allowed {
    /// The answer with what browsers want to read about it.
    pub fn on(&self, mut response: Response<Body>) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        match &self.0 {
            Some(origin) => {
                headers.insert("access-control-allow-origin", origin.clone());
                headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
            }
            None => {
                headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
            }
        }
        response
    }

    /// Of a request that is refused.
    pub fn none() -> Self {
        Allowed(None)
    }
}
