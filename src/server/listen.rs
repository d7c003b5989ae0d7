//! Connections: so many at once, none of them held by a client that never ends its request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Uri};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::guard::{Allowed, Guard};
use super::state::Log;

/// Connections at once.
const CONNECTIONS: usize = 256;
/// How long a head may take to come.
const HEAD: Duration = Duration::from_secs(10);
/// Where the system is out of connections, it gets some time.
const PAUSE: Duration = Duration::from_millis(50);

/// All that a connection needs.
#[derive(Clone)]
pub struct Site {
    pub router: Router,
    pub guard: Arc<Guard>,
    /// Every route also below this path.
    pub subpath: Option<Arc<str>>,
    pub log: Log,
}

/// Takes connections until `end` says so; those that are open may finish what they are at.
pub async fn listen(listener: TcpListener, site: Site, mut end: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let (open, mut closed) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let place = tokio::select! {
            place = room.clone().acquire_owned() => place,
            _ = end.wait_for(|end| *end) => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = end.wait_for(|end| *end) => break,
        };
        match stream {
            Ok((stream, _)) => {
                let (site, end, open) = (site.clone(), end.clone(), open.clone());
                tokio::spawn(async move {
                    serve(stream, site, end).await;
                    drop((place, open));
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(open);
    // Nothing is ever sent: the channel ends with the last connection.
    let _ = closed.recv().await;
}

async fn serve(stream: TcpStream, site: Site, mut end: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(answer(&site, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).half_close(false).max_buf_size(64 << 10);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut is_ending = false;
    loop {
        tokio::select! {
            // A client that went away is no error of ours.
            _ = connection.as_mut() => return,
            _ = end.wait_for(|end| *end), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(site: &Site, mut request: Request<Incoming>) -> Response {
    let began = Instant::now();
    let path = tidy(request.uri().path(), site.subpath.as_deref());
    let method = request.method().clone();
    let response = match site.guard.check(&request, &path).await {
        Err(refused) => Allowed::none().on(refused),
        Ok(allowed) => {
            set_path(&mut request, &path);
            let router = TowerToHyperService::new(site.router.clone());
            let response = hyper::service::Service::call(&router, request.map(Body::new)).await;
            let mut response = allowed.on(response.unwrap_or_else(|never: Infallible| match never {}));
            if path.starts_with("/sdapi")
                && let Ok(seconds) = HeaderValue::from_str(&format!("{:.4}", began.elapsed().as_secs_f64()))
            {
                response.headers_mut().insert("x-process-time", seconds);
            }
            response
        }
    };
    let milliseconds = began.elapsed().as_millis();
    (site.log)(&format!("{method} {path} {} {milliseconds} ms", response.status().as_u16()));
    response
}

/// A path in which runs of `/` are one, without a `/` at the end and without the subpath.
fn tidy(path: &str, subpath: Option<&str>) -> String {
    let words = |path: &str| path.split('/').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (mut words, below) = (words(path), words(subpath.unwrap_or_default()));
    if !below.is_empty() && words.starts_with(&below) {
        words.drain(..below.len());
    }
    format!("/{}", words.join("/"))
}

fn set_path(request: &mut Request<Incoming>, path: &str) {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    // A path of parts of a path is one.
    if let Ok(uri) = format!("{path}{query}").parse::<Uri>() {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn paths_are_tidied() {
        for (path, tidied) in [
            ("/", "/"),
            ("//sdapi/v1/sd-models", "/sdapi/v1/sd-models"),
            ("/sdapi/v1/sd-models/", "/sdapi/v1/sd-models"),
            ("///", "/"),
            ("/a/sdapi", "/sdapi"),
            ("/a", "/"),
            ("/ab/c", "/ab/c"),
            ("*", "/*"),
        ] {
            assert_eq!(tidy(path, Some("/a/")), tidied, "{path}");
        }
    }
}
