//! One job at a time: order, progress, interruption, clients that go away, events.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use serde_json::{Value, json};

use crate::client::{Answer, Server, endless, info, tiny};

#[test]
fn requests_wait_in_order_and_the_queue_has_an_end() {
    let server = Server::start(&["--queue", "2"]);
    let waiting = |name: &str, seed: u64| tiny(json!({ "force_task_id": name, "seed": seed }));
    thread::scope(|scope| {
        let first = scope.spawn(|| server.post("/sdapi/v1/txt2img", &endless()));
        server.until("the first job", Server::is_running);
        let second = scope.spawn(|| server.post("/sdapi/v1/txt2img", &waiting("second", 21)));
        server.until("the second job", |s| s.get("/internal/pending-tasks")["size"] == 1);
        let third = scope.spawn(|| server.post("/sdapi/v1/txt2img", &waiting("third", 22)));
        server.until("the third job", |s| s.get("/internal/pending-tasks")["size"] == 2);
        assert_eq!(server.get("/internal/pending-tasks")["tasks"], json!(["second", "third"]));
        let told = server.done("/internal/progress", &json!({ "id_task": "third" }));
        assert_eq!((&told["queued"], &told["textinfo"]), (&json!(true), &json!("In queue: 2/2")));
        let refused = server.post("/sdapi/v1/txt2img", &tiny(json!({})));
        assert_eq!(refused.status, 429);
        assert!(refused.header("retry-after").is_some() && refused.json()["detail"].is_string());
        server.done("/sdapi/v1/interrupt", &json!({}));
        let first = first.join().unwrap();
        assert_eq!(first.status, 200, "{}", first.text());
        assert!(first.json()["images"].as_array().unwrap().len() < 50);
        for (answer, seed) in [(second, 21), (third, 22)] {
            assert_eq!(info(&answer.join().unwrap().json())["seed"], seed);
        }
    });
    server.until("the end", Server::is_idle);
}

#[test]
fn twenty_requests_at_once_do_not_all_find_the_last_place() {
    let server = Server::start(&["--queue", "3"]);
    thread::scope(|scope| {
        let first = scope.spawn(|| server.post("/sdapi/v1/txt2img", &endless()).status);
        server.until("the first job", Server::is_running);
        let rest: Vec<_> =
            (0..20).map(|_| scope.spawn(|| server.post("/sdapi/v1/txt2img", &tiny(json!({}))).status)).collect();
        server.until("the refusals", |_| rest.iter().filter(|thread| thread.is_finished()).count() == 17);
        server.done("/sdapi/v1/interrupt", &json!({}));
        let statuses: Vec<u16> = rest.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 17, "{statuses:?}");
        assert_eq!(first.join().unwrap(), 200);
    });
}

#[test]
fn an_interrupt_ends_the_request_that_runs_and_no_other() {
    let server = Server::start(&[]);
    server.done("/sdapi/v1/interrupt", &json!({}));
    let both = server.done("/sdapi/v1/txt2img", &tiny(json!({ "n_iter": 2 })));
    assert_eq!(both["images"].as_array().unwrap().len(), 2, "an interrupt when idle does nothing");
    thread::scope(|scope| {
        let skipped = scope.spawn(|| server.done("/sdapi/v1/txt2img", &tiny(json!({ "steps": 1000, "n_iter": 2 }))));
        server.until("the first picture", Server::is_running);
        server.done("/sdapi/v1/skip", &json!({}));
        server.until("the second picture", |s| {
            let state = &s.get("/sdapi/v1/progress")["state"];
            state["job_no"] == 1 && state["sampling_step"].as_u64() > Some(0)
        });
        server.done("/sdapi/v1/skip", &json!({}));
        let answer = skipped.join().unwrap();
        assert_eq!(answer["images"].as_array().unwrap().len(), 2);
        assert_eq!(info(&answer)["all_seeds"], json!([7, 8]));
    });
}

#[test]
fn a_client_that_goes_away_takes_its_job_along() {
    let server = Server::start(&["--heartbeat", "1"]);
    let post = |body: &Value| server.begin("POST", "/sdapi/v1/txt2img", &[], body.to_string().as_bytes());
    let running = post(&endless());
    server.until("the job", Server::is_running);
    let waiting = post(&endless());
    server.until("the waiting job", |s| s.get("/internal/pending-tasks")["size"] == 1);
    drop(waiting);
    server.until("the queue to be empty", |s| s.get("/internal/pending-tasks")["size"] == 0);
    assert!(server.is_running(), "the other job goes on");
    drop(running);
    server.until("the end", Server::is_idle);
    // Also when the answer has begun.
    let mut beating = post(&endless());
    let mut start = [0; 4096];
    let read = beating.read(&mut start).unwrap();
    assert!(start[..read].starts_with(b"HTTP/1.1 200"));
    assert!(!server.is_idle());
    drop(beating);
    server.until("the end", Server::is_idle);
}

#[test]
fn a_long_answer_begins_with_spaces() {
    let server = Server::start(&["--heartbeat", "1"]);
    let mut stream = server.begin("POST", "/sdapi/v1/txt2img", &[], endless().to_string().as_bytes());
    let mut start = vec![0; 65536];
    let read = stream.read(&mut start).unwrap();
    server.until("the job", Server::is_running);
    server.done("/sdapi/v1/interrupt", &json!({}));
    let mut all = start[..read].to_vec();
    stream.read_to_end(&mut all).unwrap();
    let answer = Answer::parse(&all);
    assert!(answer.body.starts_with(b" "));
    assert_eq!(answer.json()["images"].as_array().unwrap().len(), 1);
}

#[test]
fn events_tell_all_and_are_told_again() {
    let server = Server::start(&[]);
    let stream = server.begin("GET", "/lbw/v1/events", &[], b"");
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("retry: ")));
    let request = tiny(json!({ "steps": 3, "override_settings": { "show_progress_every_n_steps": 1 } }));
    let job = server.done("/lbw/v1/jobs", &json!({ "request": request }))["id"].as_str().unwrap().to_owned();
    let (mut seen, mut first) = (Vec::new(), None);
    while seen.last().is_none_or(|event: &Value| event["event"] != "done") {
        let line = lines.next().unwrap();
        if let Some(id) = line.strip_prefix("id: ") {
            first.get_or_insert(id.to_owned());
        }
        seen.extend(line.strip_prefix("data: ").map(|data| serde_json::from_str::<Value>(data).unwrap()));
    }
    let names: Vec<&str> = seen.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let plain: Vec<&str> = names.iter().copied().filter(|name| *name != "merged").collect();
    assert_eq!(plain, ["queued", "started", "step", "preview", "step", "preview", "step", "done"]);
    assert!(seen.iter().all(|event| event["job"] == job));
    // Who comes late for a preview gets the picture.
    let get = |what: &str| server.send("GET", &format!("/lbw/v1/jobs/{job}/{what}"), &[], b"");
    assert_eq!((get("preview?n=0").status, get("preview?n=0").body), (200, get("images/0.png").body));
    // Who comes back gets what came meanwhile.
    let first = first.unwrap();
    let path = format!("/lbw/v1/events?job={job}");
    let again = server.begin("GET", &path, &[("Last-Event-ID", &first)], b"");
    let data = BufReader::new(again).lines().map(Result::unwrap).filter(|line| line.starts_with("data: "));
    assert_eq!(data.take(seen.len() - 1).count(), seen.len() - 1);
}

#[test]
fn one_job_is_cancelled_and_the_others_are_not() {
    let server = Server::start(&[]);
    let submit =
        |request: Value| server.done("/lbw/v1/jobs", &json!({ "request": request }))["id"].as_str().unwrap().to_owned();
    let [first, second, third] = [submit(endless()), submit(endless()), submit(tiny(json!({})))];
    server.until("the first job", Server::is_running);
    for id in [&second, &first] {
        let cancelled = server.send("DELETE", &format!("/lbw/v1/jobs/{id}"), &[], b"");
        assert_eq!(cancelled.status, 200);
    }
    let status = |id: &str| server.get(&format!("/lbw/v1/jobs/{id}"))["status"].as_str().unwrap().to_owned();
    server.until("the third job", |_| status(&third) == "done");
    assert_eq!([status(&first), status(&second)], ["cancelled", "cancelled"]);
    assert_eq!(server.send("GET", "/lbw/v1/jobs/nothing", &[], b"").status, 404);
    assert_eq!(server.send("DELETE", "/lbw/v1/jobs/nothing", &[], b"").status, 404);
}

#[test]
#[cfg(unix)]
fn the_end_is_orderly() {
    let mut server = Server::start(&[]);
    let running = server.begin("POST", "/sdapi/v1/txt2img", &[], endless().to_string().as_bytes());
    server.until("the job", Server::is_running);
    let waiting = server.begin("POST", "/sdapi/v1/txt2img", &[], endless().to_string().as_bytes());
    server.until("the waiting job", |s| s.get("/internal/pending-tasks")["size"] == 1);
    assert_eq!(server.terminate(), Some(0));
    let [mut running, mut waiting] = [running, waiting];
    assert_eq!(Answer::read(&mut running).status, 200);
    assert_eq!(Answer::read(&mut waiting).status, 503);
}
