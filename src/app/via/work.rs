//! One task at one host.

use std::time::{Duration, Instant};

use image::RgbImage;
use serde_json::{Value, json};

use super::comfy;
use super::host::{Host, Program};
use super::http::Fault;
use super::sdapi::{self, Asking};
use crate::say;

/// How often ComfyUI is asked whether a picture is there.
const POLL: Duration = Duration::from_millis(250);

/// A picture that a host is to draw.
#[derive(Debug)]
pub struct Task {
    /// The job's id.
    pub id: String,
    /// What is asked.
    pub asking: Asking,
    /// The size that it is to have.
    pub size: (u32, u32),
    /// The longest that it may take.
    pub patience: Duration,
}

/// A picture that a host has drawn.
#[derive(Debug)]
pub struct Drawn {
    pub image: RgbImage,
    /// As the host tells it; empty where it does not.
    pub infotext: String,
    /// Where and by whom.
    pub place: String,
}

/// Draws. Where the host was away, it is asked first whether it still is who it was.
pub fn draw(host: &Host, task: &Task, was_away: bool) -> Result<Drawn, Fault> {
    if was_away && is_another(host) {
        return Err(Fault::Refused(say!(
            "another program, version or checkpoint answers there now",
            "そこでは別のプログラム・版・チェックポイントが応答するようになりました"
        )));
    }
    let (bytes, infotext) = match host.program {
        Program::Comfy => (draw_nodes(host, task)?, String::new()),
        _ => sdapi::picture(&host.client.draw(task.asking.route, &task.asking.body)?)?,
    };
    let unreadable = |error: image::ImageError| {
        Fault::Wrong(say!("its picture cannot be read: {error}", "画像が読めません: {error}"))
    };
    let reader = || {
        let reader = image::ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format();
        reader.map_err(|error| unreadable(image::ImageError::IoError(error)))
    };
    // The size is known before anything is unpacked.
    let ((width, height), (wide, high)) = (reader()?.into_dimensions().map_err(unreadable)?, task.size);
    if (width, height) != (wide, high) {
        return Err(Fault::Wrong(say!(
            "its picture has {width}×{height} pixels and not {wide}×{high}",
            "画像が {wide}×{high} ではなく {width}×{height} です"
        )));
    }
    let image = reader()?.decode().map_err(unreadable)?.to_rgb8();
    Ok(Drawn { image, infotext, place: host.place() })
}

fn draw_nodes(host: &Host, task: &Task) -> Result<Vec<u8>, Fault> {
    let answer = host.client.post(task.asking.route, &task.asking.body)?;
    let id = answer["prompt_id"].as_str().ok_or_else(|| {
        let errors = &answer["node_errors"];
        Fault::Refused(say!("it takes no prompt: {errors}", "プロンプトが受け付けられません: {errors}"))
    })?;
    let since = Instant::now();
    loop {
        let history = host.client.get(&format!("/history/{id}"))?;
        match comfy::place(&history, id) {
            Some(Ok(place)) => return host.client.bytes(&place),
            Some(Err(why)) => return Err(Fault::Refused(why)),
            None if since.elapsed() > task.patience => {
                return Err(Fault::Away(say!("it does not answer in time", "時間内に応答がありません")));
            }
            None => std::thread::sleep(POLL),
        }
    }
}

/// How much of its picture a host has drawn, of 100.
pub fn share(host: &Host) -> Option<usize> {
    if !host.program.speaks_sdapi() {
        return None;
    }
    let progress = host.client.get("/sdapi/v1/progress?skip_current_image=true").ok()?;
    progress["progress"].as_f64().map(|share| (share.clamp(0.0, 1.0) * 100.0) as usize)
}

/// Tells a host to stop.
pub fn interrupt(host: &Host) {
    let route = if host.program == Program::Comfy { "/interrupt" } else { "/sdapi/v1/interrupt" };
    // Who does not know the route draws to the end.
    let _ = host.client.post(route, &json!({}));
}

/// Whether another program, version or checkpoint answers at a host's address. Who does not answer is not another.
pub fn is_another(host: &Host) -> bool {
    Host::meet(host.client.clone()).is_ok_and(|now| !now.draws_like(host, ""))
}

/// The body of a prompt of nodes.
pub fn nodes(graph: Value) -> Asking {
    Asking { route: "/prompt", body: json!({ "prompt": graph, "client_id": "lbw" }) }
}
