//! Server-sent events: what happens to jobs, as it happens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::sync::mpsc;

use crate::server::answer::Failure;
use crate::server::state::Server;
use crate::server::stream::stream;

/// Somebody who only listens hears something at least this often, so that nothing between us takes the connection for dead.
const COMMENT: Duration = Duration::from_secs(15);

/// `GET /lbw/v1/events[?job=ID]`
pub async fn events(
    State(server): State<Arc<Server>>,
    Query(parameters): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Ok(place) = server.listeners.clone().try_acquire_owned() else {
        let many = Failure::new(StatusCode::TOO_MANY_REQUESTS, "too many listen already");
        return Err(Failure { retry: Some(5), ..many });
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let seen = last.unwrap_or_else(|| server.jobs.events.last());
    let (send, response) = stream("text/event-stream", place);
    tokio::spawn(tell(server, seen, parameters.get("job").cloned(), send));
    Ok(response)
}

/// Writes events until nobody listens.
async fn tell(server: Arc<Server>, mut seen: u64, job: Option<String>, send: mpsc::Sender<Bytes>) {
    let mut news = server.jobs.events.listen();
    let mut text = ": lbw\nretry: 2000\n\n".to_owned();
    loop {
        let last = *news.borrow_and_update();
        for event in server.jobs.events.behind(seen, job.as_deref()) {
            text.push_str(&format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.name, event.data));
        }
        seen = last.max(seen);
        if !text.is_empty() && send.send(Bytes::from(std::mem::take(&mut text))).await.is_err() {
            return;
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = send.closed() => return,
            () = tokio::time::sleep(COMMENT) => text.push_str(": still here\n\n"),
        }
        if server.jobs.is_ending() {
            return;
        }
    }
}
