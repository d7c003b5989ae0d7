//! What must not be possible: a test for each row of the list of threats.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Server, base64, tiny};
use crate::refusals::png;
use crate::sandbox::Sandbox;

#[test]
fn no_route_gives_a_file() {
    let server = Server::start(&[]);
    server.sandbox.write("secret.txt", "secret-4711");
    let secret = server.sandbox.path("secret.txt").display().to_string();
    for path in [
        format!("/file={secret}"),
        format!("/..{secret}"),
        format!("/%2e%2e{secret}"),
        format!("/assets/..%2f..%2f..%2f..{secret}"),
        format!("/assets/{secret}"),
        format!("/lbw/v1/jobs/..%2f..{secret}"),
        format!("/lbw/v1/jobs/x/images/..%2f..%2f..{secret}"),
        "/assets/..\\..\\secret.txt".to_owned(),
    ] {
        let answer = server.send("GET", &path, &[], b"");
        assert!((400..410).contains(&answer.status) && !answer.text().contains("4711"), "{path}: {}", answer.status);
    }
}

#[test]
fn names_of_models_are_no_paths() {
    let server = Server::start(&[]);
    let model = std::fs::read_dir(crate::sandbox::cache()).unwrap().flatten().find_map(|entry| {
        let file = entry.path().join("shapes-xl.safetensors");
        file.is_file().then(|| file.display().to_string())
    });
    let model = model.unwrap();
    for name in [model.as_str(), "/etc/passwd", "../../x"] {
        let asked = server.post("/sdapi/v1/options", &json!({ "sd_model_checkpoint": name }));
        assert_eq!(asked.status, 422, "{name}");
        for option in ["sd_model_checkpoint", "sd_vae"] {
            let request = tiny(json!({ "override_settings": { option: name } }));
            assert_eq!(server.post("/sdapi/v1/txt2img", &request).status, 422, "{option} {name}");
        }
        let lora = format!("x <lora:{}:1>", name.replace(':', ""));
        assert_eq!(server.post("/sdapi/v1/txt2img", &tiny(json!({ "prompt": lora }))).status, 422);
    }
}

#[test]
fn nothing_is_fetched() {
    let server = Server::start(&[]);
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let port = canary.local_addr().unwrap().port();
    for url in [
        format!("http://127.0.0.1:{port}/x.png"),
        format!("HTTP://user@127.0.0.1:{port}/x"),
        "file:///etc/passwd".to_owned(),
    ] {
        for (path, body) in [
            ("/sdapi/v1/img2img", tiny(json!({ "init_images": [url] }))),
            ("/sdapi/v1/png-info", json!({ "image": url })),
            ("/sdapi/v1/extra-single-image", json!({ "image": url, "upscaler_1": "Lanczos" })),
        ] {
            assert_eq!(server.post(path, &body).status, 422, "{path} {url}");
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(canary.accept().is_err(), "the server went there");
}

#[test]
fn nothing_is_written_where_clients_say() {
    let server = Server::start(&[]);
    let before = server.get("/sdapi/v1/options");
    let moved = json!({ "outdir_txt2img_samples": "/tmp/elsewhere", "samples_filename_pattern": "../../x", "temp_dir": "/tmp/y" });
    server.done("/sdapi/v1/options", &moved);
    let mut request = tiny(json!({ "save_images": true, "override_settings": moved }));
    request["force_task_id"] = "../../../x".into();
    let answer = server.done("/sdapi/v1/txt2img", &request);
    assert_eq!(server.get("/sdapi/v1/options"), before);
    assert!(answer["info"].as_str().unwrap().contains("`outdir_txt2img_samples` has no effect"), "{answer}");
    let names = server.sandbox.names(".");
    assert_eq!(names, ["saved"], "one folder is written");
}

#[test]
fn lists_tell_no_secrets() {
    let server = Server::start(&["--api-auth", "kit:s3cret-word"]);
    let key = format!("Basic {}", base64(b"kit:s3cret-word"));
    let get = |path: &str| server.send("GET", path, &[("Authorization", &key)], b"").text();
    let all: String = ["cmd-flags", "options", "sd-models", "loras", "sd-vae", "memory"]
        .iter()
        .map(|p| get(&format!("/sdapi/v1/{p}")))
        .collect();
    let all = all + &get("/config") + &get("/lbw/v1/status") + &get("/openapi.json");
    assert!(!all.contains("s3cret-word"));
    for folder in [crate::sandbox::cache(), server.sandbox.path("")] {
        assert!(!all.contains(folder.to_str().unwrap().trim_end_matches('/')), "{}", folder.display());
    }
}

#[test]
fn other_sites_neither_read_nor_act() {
    let server = Server::start(&["--cors-allow-origins", "https://friend.example/"]);
    let send =
        |method: &str, headers: &[(&str, &str)]| server.send(method, "/sdapi/v1/options", headers, b"{\"n_rows\": 7}");
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", "https://friend.example.evil"] {
        for media in ["text/plain", "application/json"] {
            for method in ["GET", "POST"] {
                let answer = send(method, &[("Origin", origin), ("Content-Type", media)]);
                assert_eq!(answer.status, 403, "{origin} {method}");
                assert!(answer.header("access-control-allow-origin").is_none());
            }
        }
    }
    assert_eq!(send("POST", &[("Sec-Fetch-Site", "cross-site")]).status, 403);
    assert_eq!(server.send("GET", "/", &[("Sec-Fetch-Site", "cross-site")], b"").status, 200);
    assert_eq!(server.get("/sdapi/v1/options")["n_rows"], -1);
    let own = format!("http://{}", server.address);
    assert_eq!(send("POST", &[("Origin", &own)]).status, 200);
    let friend = ("Origin", "https://friend.example");
    let asked = send(
        "OPTIONS",
        &[friend, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-y")],
    );
    assert_eq!((asked.status, asked.header("access-control-allow-headers")), (204, Some("x-y")));
    let answer = send("GET", &[friend]);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("https://friend.example")));
    assert!(answer.head.to_lowercase().contains("vary: origin"));
}

#[test]
fn foreign_names_do_not_lead_here() {
    let server = Server::start(&["--allow-host", "studio.example"]);
    let get = |host: &str| server.send("GET", "/sdapi/v1/options", &[("Host", host)], b"").status;
    let port = server.port();
    for host in
        [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}"), "studio.example".to_owned()]
    {
        assert_eq!(get(&host), 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:1", "localhost"] {
        assert_eq!(get(host), 403, "{host}");
    }
    assert_eq!(get(""), 400);
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut stream).status, 400);
}

#[test]
fn the_default_is_this_machine_alone() {
    let server = Server::start(&[]);
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    let sandbox = Sandbox::new();
    for flags in [&["--host", "0.0.0.0"][..], &["--listen"], &["--cors-allow-origins", "*"], &["--api-auth", "nobody"]]
    {
        let (out, err) = sandbox.expect(2, &[&["serve", "--port", "0"], flags].concat());
        assert!(out.is_empty() && err.contains("api-auth"), "{flags:?}: {err}");
    }
    let (_, err) = sandbox.expect(3, &["serve", "--port", server.port()]);
    assert!(err.contains("E1205"), "{err}");
}

#[test]
fn credentials_guard_everything_but_the_ping() {
    let server = Server::start(&["--api-auth", "kit:s3cret,you:p:w"]);
    let status = |path: &str, key: &str| server.send("GET", path, &[("Authorization", key)], b"").status;
    let basic = |text: &str| format!("Basic {}", base64(text.as_bytes()));
    for path in ["/", "/sdapi/v1/options", "/v1/models", "/lbw/v1/jobs", "/internal/pending-tasks", "/docs", "/nothing"]
    {
        let without = server.send("GET", path, &[], b"");
        assert_eq!(without.status, 401, "{path}");
        assert_eq!(without.header("www-authenticate"), Some("Basic realm=\"lbw\""));
    }
    for path in ["/internal/ping", "/healthz"] {
        assert_eq!(server.send("GET", path, &[], b"").status, 200);
    }
    for key in [basic("kit:s3cret"), basic("you:p:w"), "Bearer s3cret".to_owned(), "bearer p:w".to_owned()] {
        assert_eq!(status("/sdapi/v1/options", &key), 200, "{key}");
    }
    let long = basic(&"a:b".repeat(3000));
    for key in [
        &basic("kit:"),
        &basic("kit:s3cre"),
        &basic("x:s3cret"),
        &basic("kit"),
        "Basic !!!",
        "Bearer",
        "Digest s3cret",
        "",
        &long,
    ] {
        assert_eq!(status("/sdapi/v1/options", key), 401, "{key:.40}");
    }
    // Where nobody asks for credentials, what clients send does no harm.
    let open = Server::start(&[]);
    for key in ["Basic ", "Basic dW5kZWZpbmVk", "Bearer x", ""] {
        assert_eq!(open.send("GET", "/sdapi/v1/options", &[("Authorization", key)], b"").status, 200, "{key}");
    }
}

#[test]
fn requests_have_limits() {
    let server = Server::start(&["--max-images", "4"]);
    for more in [
        json!({ "width": 100_000 }),
        json!({ "height": 1u64 << 31 }),
        json!({ "width": 0 }),
        json!({ "width": -64 }),
        json!({ "width": 4096, "height": 4096 }),
        json!({ "steps": 1001 }),
        json!({ "steps": 0 }),
        json!({ "steps": 1e300 }),
        json!({ "n_iter": 5 }),
        json!({ "n_iter": 2, "batch_size": 3 }),
        json!({ "batch_size": 1u64 << 40 }),
        json!({ "n_iter": 0 }),
        json!({ "batch_size": -1 }),
        json!({ "enable_hr": true, "hr_scale": 1e6 }),
        json!({ "enable_hr": true, "hr_resize_x": 100_000, "hr_resize_y": 64 }),
        json!({ "enable_hr": true, "hr_second_pass_steps": 1_000_000 }),
        json!({ "prompt": "a AND ".repeat(32) + "b" }),
        json!({ "prompt": "x".repeat((256 << 10) + 1) }),
        json!({ "denoising_strength": 2, "enable_hr": true }),
    ] {
        let answer = server.post("/sdapi/v1/txt2img", &tiny(more.clone()));
        assert_eq!(answer.status, 422, "{:.80}: {}", more.to_string(), answer.text());
    }
    for text in ["NaN", "Infinity", "1e999"] {
        let body = format!("{{\"prompt\": \"x\", \"cfg_scale\": {text}}}");
        assert_eq!(server.send("POST", "/sdapi/v1/txt2img", &[], body.as_bytes()).status, 422, "{text}");
    }
    let large = json!({ "image": png(), "upscaler_1": "Lanczos", "upscaling_resize": 1000 });
    assert_eq!(server.post("/sdapi/v1/extra-single-image", &large).status, 422);
    let batch = |fields: Value| server.post("/sdapi/v1/extra-batch-images", &fields);
    assert_eq!(batch(json!({ "upscaler_1": "Lanczos" })).status, 422);
    let told =
        batch(json!({ "imageList": [{ "data": png(), "name": "a" }], "upscaler_1": "Nearest", "resize_mod": 1 }));
    assert!(told.status == 200 && told.text().contains("there is no field `resize_mod`"), "{:.300}", told.text());
}

/// A PNG that says it has so many pixels, and has none.
fn bomb(side: u32) -> String {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        png.extend((data.len() as u32).to_be_bytes());
        let checked = [&kind[..], data].concat();
        png.extend(&checked);
        png.extend(crc32fast::hash(&checked).to_be_bytes());
    };
    let side = side.to_be_bytes();
    chunk(b"IHDR", &[&side[..], &side, &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]);
    chunk(b"IEND", b"");
    base64(&png)
}

#[test]
fn huge_pictures_are_not_unpacked() {
    let server = Server::start(&[]);
    for side in [30_000, 16_000] {
        let request = tiny(json!({ "init_images": [bomb(side)] }));
        assert_eq!(server.post("/sdapi/v1/img2img", &request).status, 422, "{side}");
        let extra = json!({ "image": bomb(side), "upscaler_1": "Lanczos" });
        assert_eq!(server.post("/sdapi/v1/extra-single-image", &extra).status, 422, "{side}");
    }
    assert_eq!(server.post("/sdapi/v1/png-info", &json!({ "image": bomb(30_000) })).status, 422);
}

#[test]
fn bodies_have_an_end() {
    let server = Server::start(&["--max-body", "1"]);
    let host = server.address.clone();
    let mut stream = server.connect();
    let head = format!("POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1073741824\r\n\r\n{{");
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 64];
    let read = stream.read(&mut start).unwrap();
    assert!(start[..read].starts_with(b"HTTP/1.1 413"), "refused before it is read");
    let mut stream = server.connect();
    let head = format!("POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let piece = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
    let sent = (0..64).take_while(|_| stream.write_all(&piece).is_ok()).count();
    let mut start = [0; 64];
    let read = stream.read(&mut start).unwrap_or(0);
    assert!(sent < 64 || start[..read].starts_with(b"HTTP/1.1 413"), "{sent} MiB were read");
    let deep = format!("{{\"script_args\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(server.send("POST", "/sdapi/v1/txt2img", &[], deep.as_bytes()).status, 422);
    assert_eq!(server.get("/internal/ping"), json!({}));
}

#[test]
fn sixty_four_slow_clients_hold_nobody_up() {
    let server = Server::start(&[]);
    let held: Vec<_> = (0..64)
        .map(|n| {
            let mut stream = server.connect();
            let text = if n % 2 == 0 { "POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: " } else { "" };
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(server.get("/internal/ping"), json!({}));
    server.done("/sdapi/v1/txt2img", &tiny(json!({})));
    drop(held);
}

#[test]
fn long_prompts_do_not_end_the_server() {
    let server = Server::start(&[]);
    for prompt in [
        "word ".repeat(50_000),
        "[a:b:0.5]".repeat(2_000),
        "(".repeat(5_000) + &")".repeat(5_000),
        "<lora:".repeat(10_000),
    ] {
        let checked = server.post("/lbw/v1/check", &json!({ "prompt": prompt, "steps": 1 }));
        assert!(checked.status == 200 || checked.status == 422, "{:.20}: {}", prompt, checked.status);
        assert_eq!(server.get("/internal/ping"), json!({}));
    }
}

#[test]
fn ids_and_prompts_never_become_headers() {
    let server = Server::start(&[]);
    let request = tiny(json!({ "force_task_id": "x\r\nSet-Cookie: a=b", "prompt": "a\r\nX-Evil: 1" }));
    for (path, body) in [("/sdapi/v1/txt2img", request.clone()), ("/lbw/v1/jobs", json!({ "request": request }))] {
        let head = server.post(path, &body).head.to_lowercase();
        assert!(!head.contains("set-cookie") && !head.contains("x-evil"), "{head}");
    }
}

#[test]
fn listeners_are_counted() {
    let server = Server::start(&[]);
    // The connection, once it has its answer.
    let listen = || {
        let mut stream = server.begin("GET", "/lbw/v1/events", &[], b"");
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        (stream, start.ends_with(b"200"))
    };
    let held: Vec<_> = (0..32).map(|_| listen()).collect();
    assert!(held.iter().all(|(_, is_heard)| *is_heard));
    assert!(!listen().1, "there is room for 32");
    drop(held);
    server.until("a place", |_| listen().1);
}

#[test]
fn the_log_keeps_prompts_to_itself() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.lbw(&["serve", "--port", "0"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let body = json!({ "prompt": "my secret wish" }).to_string();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /lbw/v1/check HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200);
    child.kill().unwrap();
    let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(log.contains("POST /lbw/v1/check 200") && !log.contains("secret"), "{log}");
}

#[test]
fn hostile_json_ends_nothing() {
    let server = Server::start(&[]);
    let bodies: [&[u8]; 8] = [
        b"",
        b"null",
        b"\"\"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"{\"prompt\": \"\\ud800\"}",
        b"{\"seed\": 123456789012345678901234567890}",
    ];
    for path in [
        "/sdapi/v1/txt2img",
        "/sdapi/v1/options",
        "/v1/images/generations",
        "/lbw/v1/check",
        "/lbw/v1/jobs",
        "/lbw/v1/batch",
        "/lbw/v1/analyze",
        "/lbw/v1/tune",
        "/lbw/v1/atlas",
        "/sdapi/v1/png-info",
    ] {
        for body in bodies {
            let answer = server.send("POST", path, &[], body);
            assert!(
                (400..500).contains(&answer.status) || answer.status == 200 || answer.status == 202,
                "{path}: {}",
                answer.status
            );
        }
    }
    let types = [json!(null), json!(true), json!(-1), json!(1e300), json!("x"), json!([]), json!({}), json!([[[]]])];
    for field in lbw::app::api::FIELDS {
        for value in &types {
            let body: Value = tiny(json!({ field.name: value }));
            let status = server.post("/lbw/v1/check", &body).status;
            assert!([200, 404, 422].contains(&status), "{} {value}: {status}", field.name);
        }
    }
}
