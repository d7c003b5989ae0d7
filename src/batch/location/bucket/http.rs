//! Requests to an object store by the client that lbw has anyway, and its TLS. Each waits on a thread of its own.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use ureq::http::Request;

use crate::files::limits;

/// How long a connection may take, the beginning of an answer, and all of it.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(300);

/// Makes clients.
#[derive(Debug)]
pub(super) struct Connector;

#[derive(Debug)]
struct Service(ureq::Agent);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_global(Some(WHOLE))
            // What an answer means the store's client says.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("lbw/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(HttpClient::new(Service(config.into())))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let agent = self.0.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let answer = match body.is_empty() {
                true => agent.run(Request::from_parts(parts, ())),
                false => agent.run(Request::from_parts(parts, &*body)),
            };
            let (parts, body) = answer.map_err(failed)?.into_parts();
            let mut bytes = Vec::new();
            // No file of a batch is larger than the manifest may be.
            let mut body = body.into_with_config().limit(limits::MANIFEST as u64 + 1).reader();
            body.read_to_end(&mut bytes).map_err(|error| failed(error.into()))?;
            Ok(HttpResponse::from_parts(parts, bytes.into()))
        });
        asked.await.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?
    }
}

/// What may be asked again is told from what may not.
fn failed(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
