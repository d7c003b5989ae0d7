//! From a body to a job: the same for every route that draws.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;

use super::answer::Failure;
use super::jobs::{Job, NoRoom, Work};
use super::pictures::{mask, picture};
use super::state::Server;
use crate::app::api::{Drawing, Fields, Over, Route};
use crate::diagnostic::Language;

/// Work that takes long, beside the threads that answer others.
pub async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be answered")))
}

/// Reads and lowers a request.
pub async fn read(server: &Arc<Server>, route: Route, body: Value, language: Language) -> Result<Drawing, Failure> {
    let server = server.clone();
    apart(move || {
        let mut fields = fields(&server, route, &body)?;
        let over = match route {
            Route::Txt2img => None,
            Route::Img2img => Some(over(&mut fields)?),
        };
        server.read(fields, over).map_err(|refusal| Failure::refused(&refusal, language))
    })
    .await
}

/// The fields of a request.
pub fn fields(server: &Server, route: Route, body: &Value) -> Result<Fields, Failure> {
    Fields::read(route, body, server.side()).map_err(|wrong| Failure::fields(&wrong))
}

/// What is drawn over. It is no longer among the fields, unless it is to come back with the answer.
pub fn over(fields: &mut Fields) -> Result<Over, Failure> {
    let images = fields.values["init_images"].as_array().cloned().unwrap_or_default();
    let Some(first) = images.first().filter(|image| !image.is_null()) else {
        return Err(Failure::new(StatusCode::NOT_FOUND, "Init image not found"));
    };
    if images.len() > 1 {
        return Err(Failure::wrong(format!("{} pictures in init_images; lbw draws over one", images.len())));
    }
    let sent = Some(&fields.values["mask"]).filter(|mask| mask.as_str().is_some_and(|mask| !mask.is_empty()));
    let over = Over { picture: picture("init_images", first)?, mask: sent.map(|sent| mask("mask", sent)).transpose()? };
    for name in ["init_images", "mask"] {
        if !fields.is_on("include_init_images") {
            fields.values.insert(name.to_owned(), Value::Null);
        }
        fields.given.remove(name);
    }
    Ok(over)
}

/// Puts a drawing into the queue; its options stay from now on, if they are to.
pub fn begin(server: &Server, drawing: Drawing) -> Result<Arc<Job>, Failure> {
    let stays = drawing.stays.clone();
    let kind = if drawing.fields.route == Route::Txt2img { "txt2img" } else { "img2img" };
    let task = drawing.fields.text("force_task_id").map(str::to_owned);
    let request = Value::Object(drawing.fields.given.clone());
    if server.settings.logs_prompts {
        (server.log)(&format!("{kind}: {}", drawing.asked.request.prompt.text));
    }
    let job = server.jobs.submit(kind, task, request, Work::Draw(Box::new(drawing))).map_err(no_room)?;
    if let Some(options) = stays {
        server.put_options(options);
    }
    Ok(job)
}

/// What a client is told for whom there is no room.
pub fn no_room(why: NoRoom) -> Failure {
    match why {
        NoRoom::Full => {
            let full = Failure::new(StatusCode::TOO_MANY_REQUESTS, "the queue is full");
            Failure { retry: Some(5), ..full }
        }
        NoRoom::Ending => Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down"),
    }
}

/// A job somebody waits for: whoever goes away takes it along.
pub struct Waiting {
    pub job: Arc<Job>,
    server: Arc<Server>,
    stays: bool,
}

impl Waiting {
    /// Waits for `job`, which goes on without anybody if it `stays`.
    pub fn new(server: &Arc<Server>, job: Arc<Job>, stays: bool) -> Self {
        Waiting { job, server: server.clone(), stays: stays || server.settings.finishes }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let is_over = self.job.state(|state| state.status.is_over());
        if !is_over && !self.stays {
            self.server.jobs.cancel(&self.job);
        }
    }
}
