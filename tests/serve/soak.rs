//! A server that runs for a long time.

use serde_json::json;

use crate::client::{Server, tiny};

/// Bytes that the process has in memory.
#[cfg(target_os = "linux")]
fn resident(server: &Server) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.id())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Jobs of every kind of client, after which the server is as large as after the first ones. `LBW_SOAK` is how many; by hand
/// there are 2,000.
#[test]
#[cfg(target_os = "linux")]
fn many_jobs_do_not_make_it_larger() {
    const GROWTH: usize = 20 << 20;
    // So many jobs fill what is kept of those that are over.
    const FIRST: usize = 100;
    let jobs = std::env::var("LBW_SOAK").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(300);
    let server = Server::start(&[]);
    let prompts = ["red circle <lora:house:1:1:lbw=XLOUT>", "blue star <lora:night:0.5>", "x", "(a:1.3) AND b"];
    let (mut first, mut last) = (0, usize::MAX);
    for n in 0..jobs {
        let request = tiny(json!({ "prompt": prompts[n % 4], "width": 32, "height": 32, "steps": 1, "seed": n }));
        match n % 3 {
            0 => drop(server.done("/sdapi/v1/txt2img", &request)),
            1 => drop(server.done("/v1/images/generations", &request)),
            _ => {
                server.done("/lbw/v1/jobs", &json!({ "request": request }));
                server.until("the job", Server::is_idle);
            }
        }
        if n <= FIRST {
            first = first.max(resident(&server));
        }
        // What is held for a moment is no growth.
        if n + FIRST / 2 >= jobs {
            last = last.min(resident(&server));
        }
    }
    let grown = last.saturating_sub(first);
    assert!(grown < GROWTH, "{jobs} jobs: {} MiB more", grown >> 20);
    assert_eq!(server.get("/lbw/v1/jobs")["jobs"].as_array().unwrap().len(), 64);
}
