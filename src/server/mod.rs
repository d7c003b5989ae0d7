//! `lbw serve`: an HTTP server for clients of webui's API, with a page of its own. What it does is done by
//! [`app`](crate::app).

mod answer;
mod ask;
mod body;
mod clock;
mod guard;
mod jobs;
mod lbw;
mod listen;
mod lock;
mod openai;
mod openapi;
mod page;
mod painter;
mod pictures;
mod sdapi;
mod settings;
mod state;
mod stream;
mod study;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::compression::{CompressionLayer, Predicate};

pub use settings::Settings;

use self::lbw::routes as own_routes;
use crate::app::{Caller, EngineSettings, Error, Places};
use crate::diagnostic::{Diagnostic, Said, code};
use crate::say;
use answer::Failure;
use guard::Guard;
use listen::{Site, listen};
use painter::Painter;
use state::{Log, Server};

/// Threads for connections; they only wait.
const THREADS: usize = 2;
/// Threads for what takes long: pictures are unpacked and requests lowered there, each in as much memory as is allowed.
const APART: usize = 4;
/// At the end this much time is left for what is being answered.
const FAREWELL: Duration = Duration::from_secs(4);

/// How the server speaks to whoever started it.
pub struct Told {
    /// The address, once it can be asked.
    pub ready: Box<dyn FnOnce(SocketAddr) + Send>,
    /// Something to be said.
    pub say: Arc<dyn Fn(&Diagnostic) + Send + Sync>,
    /// A line for each answer.
    pub log: Log,
}

/// Serves until it is told to end.
pub fn serve(
    places: Places,
    caller: Caller,
    engine: EngineSettings,
    settings: Settings,
    told: Told,
) -> Result<(), Error> {
    if !settings.host.is_loopback() && settings.credentials.is_empty() && !settings.is_open {
        let host = settings.host;
        let message = say!(
            "listening on {host} would let everybody in who reaches it",
            "{host} で待ち受けると、そこに届く誰もが使えてしまいます"
        );
        return Err(Error::words(code::NEEDS_AUTH, message).help(say!(
            "give --api-auth USER:PASS, or --insecure-no-auth",
            "--api-auth 利用者:パスワード か --insecure-no-auth を付けてください"
        )));
    }
    let server = Arc::new(Server::new(places, caller, settings, engine.clone(), told.log.clone())?);
    server.found().iter().for_each(|found| (told.say)(found));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(APART)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| cannot_listen("tokio", &error))?;
    let painter = Painter::new(server.clone(), engine);
    let painter = std::thread::Builder::new().name("engine".to_owned()).spawn(|| painter.run());
    painter.map_err(|error| cannot_listen("engine", &error))?;
    let served = runtime.block_on(run(server.clone(), told));
    runtime.shutdown_timeout(Duration::from_millis(100));
    server.forget();
    served
}

async fn run(server: Arc<Server>, told: Told) -> Result<(), Error> {
    let wanted = SocketAddr::new(server.settings.host, server.settings.port);
    let listener = TcpListener::bind(wanted).await.map_err(|error| cannot_listen(wanted, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(wanted, &error))?;
    let site = Site {
        router: router(server.clone()),
        guard: Arc::new(Guard::new(&server.settings, address)),
        subpath: server.settings.subpath.as_deref().map(Arc::from),
        log: told.log,
    };
    let (end, ended) = watch::channel(false);
    let mut listening = tokio::spawn(listen(listener, site, ended));
    (told.ready)(address);
    asked_to_end().await;
    server.jobs.close();
    end.send_replace(true);
    let _ = tokio::time::timeout(FAREWELL, &mut listening).await;
    Ok(())
}

fn cannot_listen(what: impl std::fmt::Display, error: &std::io::Error) -> Error {
    let why = error.said();
    Error::file(code::CANNOT_LISTEN, say!("{what}: {why}", "{what}: {why}", with why))
}

/// Ctrl-C, or what the system sends to end a program.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn router(server: Arc<Server>) -> Router {
    let page = match server.settings.page {
        true => Router::new().route("/", get(page::get)).route("/assets/{*name}", get(page::get)),
        false => Router::new(),
    };
    page.merge(sdapi::routes())
        .merge(own_routes())
        .merge(openai::routes(&server))
        .route("/openapi.json", get(openapi::json))
        .route("/docs", get(openapi::docs))
        .fallback(|| async { Failure::new(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async { Failure::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed") })
        .layer(CompressionLayer::new().compress_when(Worth))
        .with_state(server)
}

/// Answers that are worth being made smaller: long ones, and none that come piece by piece.
#[derive(Clone, Copy)]
struct Worth;

impl Predicate for Worth {
    fn should_compress<B: axum::body::HttpBody>(&self, response: &axum::http::Response<B>) -> bool {
        const LEAST: u64 = 1024;
        let media = response.headers().get(axum::http::header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let is_picture = media.is_some_and(|media| media.starts_with("image/") && !media.contains("svg"));
        !is_picture && response.body().size_hint().exact().is_some_and(|length| length > LEAST)
    }
}
