//! `--via`: other hosts draw. Two real `lbw serve`, one of which dies; and answers of webui, Forge and ComfyUI, made by hand after
//! their documentation and sources.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Server, base64};
use crate::sandbox::{Sandbox, repository};

const TINY: [&str; 8] = ["--width", "64", "--height", "64", "--steps", "1", "--sampler", "Euler a"];

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// Files of one kind, without their names: those hold ids, which are other ones there.
fn contents(sandbox: &Sandbox, folder: &str) -> Vec<Vec<u8>> {
    let pictures = sandbox.tree(folder).into_iter().filter(|(name, _)| name.ends_with(".png"));
    let mut all: Vec<_> = pictures.map(|(_, bytes)| bytes).collect();
    all.sort();
    all
}

fn pictures_in(sandbox: &Sandbox, folder: &str) -> usize {
    sandbox.names(folder).iter().filter(|name| name.ends_with(".png")).count()
}

/// Waits until so many pictures are there, while the program runs.
fn wait_for(sandbox: &Sandbox, child: &mut Child, folder: &str, count: usize) {
    let end = Instant::now() + Duration::from_secs(300);
    while pictures_in(sandbox, folder) < count {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        assert!(Instant::now() < end, "waited without end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_batch_through_two_hosts_one_of_which_dies_twice_is_the_local_batch() {
    let sandbox = Sandbox::new();
    let tags = ["", " <lora:house:0.8:1:lbw=XLOUT>", " <lora:night:1:0@0,1@1>"];
    let lines: Vec<String> = (0..24).map(|n| format!("--prompt \"red circle{}\" --seed {n}", tags[n % 3])).collect();
    sandbox.write("prompts.txt", lines.join("\n"));
    sandbox.expect(0, &[&["batch", "prompts.txt", "-o", "here"], &TINY[..]].concat());

    let one = Server::start(&[]);
    let mut two = Server::start(&[]);
    let port = two.port().to_owned();
    let (first, second) = (url(&one), url(&two));
    let args = [&["batch", "prompts.txt", "-o", "there", "--via", &first, "--via", &second], &TINY[..]].concat();
    let mut child = sandbox.lbw(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for count in [5, 13] {
        wait_for(&sandbox, &mut child, "there", count);
        two.kill();
        two = Server::start_on(&port);
    }
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    assert!(err.contains("N1314") && err.contains(&first), "{err}");

    let pictures = |folder: &str| -> Vec<(String, Vec<u8>)> {
        sandbox.tree(folder).into_iter().filter(|(name, _)| name.ends_with(".png")).collect()
    };
    let (here, there) = (pictures("here"), pictures("there"));
    assert_eq!(here.len(), 24);
    assert!(here == there, "every picture once, byte for byte");
    let done = |folder: &str| -> Vec<Value> {
        let text = sandbox.text(&format!("{folder}/manifest.jsonl"));
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["state"] == "done").collect()
    };
    let (local, remote) = (done("here"), done("there"));
    assert_eq!((local.len(), remote.len()), (24, 24), "each is recorded once");
    for host in [&first, &second] {
        let drawn =
            remote.iter().filter(|job| job["host"].as_str().unwrap().starts_with(&format!("{host} (lbw "))).count();
        assert!(drawn > 0, "{host} drew nothing");
    }
    assert!(local.iter().all(|job| job.get("host").is_none()));
    let ids = |jobs: &[Value]| jobs.iter().map(|job| job["id"].clone()).collect::<Vec<_>>();
    assert!(ids(&local).iter().all(|id| !ids(&remote).contains(id)), "pictures of others have ids of their own");

    // What is done stays done.
    let (_, err) = sandbox.expect(0, &args);
    assert!(err.contains("24 were there"), "{err}");
}

#[test]
fn plots_and_analyses_through_two_hosts_are_the_local_ones() {
    let sandbox = Sandbox::new();
    let servers = [Server::start(&[]), Server::start(&[])];
    let [first, second] = servers.each_ref().map(url);
    let via = ["--via", first.as_str(), "--via", second.as_str()];
    let prompt = "red circle <lora:house:1:1:lbw=XYZ>";
    let plot = ["xyz", prompt, "--x", "values=0,0.5,1", "--y", "Block ID=OUT00,OUT01", "--seed", "3"];
    sandbox.expect(0, &[&plot[..], &["-o", "plot"], &TINY[..]].concat());
    sandbox.expect(0, &[&plot[..], &["-o", "plot-there"], &TINY[..], &via].concat());
    assert_eq!(pictures_in(&sandbox, "plot"), pictures_in(&sandbox, "plot-there"));
    assert!(contents(&sandbox, "plot") == contents(&sandbox, "plot-there"));

    let analysis = ["analyze", prompt, "--blocks", "IN04,OUT00,OUT01", "--seed", "3"];
    let local = [&analysis[..], &["-o", "analysis", "--json"], &TINY[..]].concat();
    let remote = [&analysis[..], &["-o", "analysis-there", "--json"], &TINY[..], &via].concat();
    let (local, remote) = (sandbox.json(&local), sandbox.json(&remote));
    for key in ["prompt", "seed", "effect", "errors", "ranking", "guilty"] {
        assert_eq!(local[key], remote[key], "{key}");
    }
    assert!(contents(&sandbox, "analysis") == contents(&sandbox, "analysis-there"));
}

#[test]
fn a_prompt_is_drawn_elsewhere_as_here() {
    let sandbox = Sandbox::new();
    let server = Server::start(&[]);
    let address = url(&server);
    let prompt = ["txt2img", "red circle <lora:house:1:lbw=XLALL@0,XLOUT@1>", "--seed", "5"];
    sandbox.expect(0, &[&prompt[..], &["-o", "here.png"], &TINY[..]].concat());
    let there = [&prompt[..], &["-o", "there.png", "--via", &address], &TINY[..]].concat();
    sandbox.expect(0, &there);
    assert!(sandbox.bytes("here.png") == sandbox.bytes("there.png"));
    // A LoRA that is not there is told before anything is drawn.
    let unknown = [&["txt2img", "x <lora:nobody:1>", "--via", &address], &TINY[..]].concat();
    let (_, err) = sandbox.expect(2, &unknown);
    assert!(err.contains("nobody"), "{err}");
    // A plan for a server is checked as every request is.
    let plan = sandbox.json(&[&["plan", "red circle", "--seed", "1", "--json"], &TINY[..]].concat());
    let mut large = plan.clone();
    large["passes"][0]["settings"]["width"] = json!(65_536);
    assert_eq!(server.post("/sdapi/v1/txt2img", &json!({ "lbw_plan": large })).status, 422);
    assert_eq!(server.post("/sdapi/v1/txt2img", &json!({ "lbw_plan": { "format": 2 } })).status, 422);
    server.done("/sdapi/v1/txt2img", &json!({ "lbw_plan": plan }));
}

type Answer = (u16, &'static str, Vec<u8>);

/// A host made by hand; remembers what it was asked to do.
struct Fake {
    address: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Fake {
    fn new(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (known, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, answer) = (known.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &known, &*answer));
            }
        });
        Fake { address, asked }
    }

    /// What was posted to a route.
    fn posted(&self, route: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(path, body)| path == route && !body.is_null()).map(|(_, body)| body.clone()).collect()
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<(String, Value)>>, answer: &dyn Fn(&str, &Value) -> Answer) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        match header.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap()
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    asked.lock().unwrap().push((path.clone(), body.clone()));
    let (status, kind, bytes) = answer(&path, &body);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    );
    // Who has lost patience is gone.
    let _ = reader.into_inner().write_all(&[head.as_bytes(), &bytes].concat());
}

fn told(value: &Value) -> Answer {
    (200, "application/json", value.to_string().into_bytes())
}

fn absent() -> Answer {
    (404, "application/json", br#"{"detail":"Not Found"}"#.to_vec())
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([10, 200, 30]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// What webui 1.10.1 answers, after its `modules/api/api.py` and `models.py`; `extra` overrides single routes.
fn webui(path: &str, body: &Value, extensions: &[&str]) -> Answer {
    let scripts: Vec<&str> =
        ["prompt matrix", "x/y/z plot", "extra options"].into_iter().chain(extensions.iter().copied()).collect();
    match path {
        "/sdapi/v1/sd-models" => told(&json!([{
            "title": "sd_xl_base_1.0.safetensors [31e35c80fc]", "model_name": "sd_xl_base_1.0", "hash": "31e35c80fc",
            "sha256": "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b",
            "filename": "/srv/webui/models/Stable-diffusion/sd_xl_base_1.0.safetensors", "config": null,
        }])),
        "/sdapi/v1/options" => told(&json!({
            "samples_format": "png", "sd_model_checkpoint": "sd_xl_base_1.0.safetensors [31e35c80fc]", "sd_vae": "Automatic",
        })),
        "/sdapi/v1/scripts" => told(&json!({ "txt2img": scripts, "img2img": scripts })),
        "/sdapi/v1/loras" => told(&json!([
            { "name": "house", "alias": "house", "path": "/srv/webui/models/Lora/house.safetensors", "metadata": {} },
        ])),
        "/sdapi/v1/samplers" => told(&json!([
            { "name": "DPM++ 2M", "aliases": ["k_dpmpp_2m"], "options": { "scheduler": "karras" } },
            { "name": "Euler a", "aliases": ["k_euler_a", "k_euler_ancestral"], "options": { "uses_ensd": "True" } },
        ])),
        "/sdapi/v1/schedulers" => told(&json!([
            { "name": "automatic", "label": "Automatic", "aliases": null, "default_rho": -1.0, "need_inner_model": false },
            { "name": "karras", "label": "Karras", "aliases": null, "default_rho": 7.0, "need_inner_model": false },
        ])),
        "/sdapi/v1/upscalers" => told(&json!([
            { "name": "None", "model_name": null, "model_path": null, "model_url": null, "scale": 4 },
        ])),
        "/sdapi/v1/latent-upscale-modes" => told(&json!([{ "name": "Latent" }])),
        "/sdapi/v1/progress?skip_current_image=true" => {
            told(&json!({ "progress": 0.5, "eta_relative": 1.0, "state": {} }))
        }
        "/sdapi/v1/refresh-loras" => told(&Value::Null),
        "/internal/sysinfo" => told(&json!({ "Platform": "Linux", "Python": "3.10.6", "Version": "v1.10.1" })),
        "/sdapi/v1/txt2img" => {
            let (width, height) = (body["width"].as_u64().unwrap(), body["height"].as_u64().unwrap());
            let infotext = "red circle\nSteps: 1, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 5, Size: 64x64, \
                            Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Version: v1.10.1";
            let info = json!({ "infotexts": [infotext], "index_of_first_image": 0 }).to_string();
            told(&json!({ "images": [base64(&png(width as u32, height as u32))], "parameters": {}, "info": info }))
        }
        _ => absent(),
    }
}

fn loras() -> String {
    repository("fixtures/embedded").to_string_lossy().into_owned()
}

#[test]
fn webui_with_the_extension_gets_its_tags() {
    let sandbox = Sandbox::new();
    let host = Fake::new(|path, body| webui(path, body, &["lora block weight"]));
    sandbox.write("a.txt", "--prompt \"red circle <lora:house:0.8:1:lbw=XLOUT1>\" --seed 5\n");
    let args = ["batch", "a.txt", "-o", "there", "--via", &host.address];
    sandbox.expect(0, &[&args, &TINY[..]].concat());
    let [asked] = host.posted("/sdapi/v1/txt2img").try_into().unwrap();
    let prompt = asked["prompt"].as_str().unwrap();
    let vector = prompt.split("lbw=").nth(1).and_then(|rest| rest.split(['>', ':']).next()).unwrap();
    assert!(prompt.starts_with("red circle <lora:house:0.8:1:lbw="), "{prompt}");
    assert_eq!(vector.split(',').count(), 26, "numbers need no preset: {prompt}");
    assert_eq!((&asked["steps"], &asked["seed"], &asked["sampler_name"]), (&json!(1), &json!(5), &json!("Euler a")));
    assert_eq!((&asked["width"], &asked["height"], &asked["batch_size"]), (&json!(64), &json!(64), &json!(1)));
    let args = asked["alwayson_scripts"]["LoRA Block Weight"]["args"].as_array().unwrap();
    assert_eq!((args.len(), &args[1], &args[2]), (18, &json!(true), &json!(0)));
    let manifest = sandbox.text("there/manifest.jsonl");
    assert!(manifest.contains("(webui v1.10.1)"), "{manifest}");
    let file = sandbox.names("there").into_iter().find(|name| name.ends_with(".png")).unwrap();
    let (info, _) = sandbox.expect(0, &["info", &format!("there/{file}")]);
    assert!(info.contains("Version: v1.10.1"), "the host's own infotext: {info}");
}

#[test]
fn a_host_without_block_weights_gets_parts() {
    let sandbox = Sandbox::new();
    sandbox.folder("host");
    let host = Fake::new(|path, body| match path {
        "/internal/sysinfo" => told(&json!({ "Version": "f2.0.1v1.10.1-previous-659" })),
        _ => webui(path, body, &[]),
    });
    let prompt = ["txt2img", "red circle <lora:house:1:lbw=XLOUT>, blue", "--seed", "5", "--via", &host.address];
    let (_, err) = sandbox.expect(2, &[&prompt[..], &TINY[..]].concat());
    assert!(err.contains("E1317") && err.contains("--via-lora-dir"), "{err}");
    assert!(host.posted("/sdapi/v1/txt2img").is_empty(), "nothing is drawn");
    let loras = loras();
    let with_parts = ["--via-lora-dir", "host", "--lora-dir", &loras, "-o", "a.png"];
    sandbox.expect(0, &[&prompt[..], &with_parts[..], &TINY[..]].concat());
    let [asked] = host.posted("/sdapi/v1/txt2img").try_into().unwrap();
    let prompt = asked["prompt"].as_str().unwrap();
    assert!(prompt.starts_with("red circle <lora:house_BASE:1>") && prompt.ends_with(", blue"), "{prompt}");
    assert!(prompt.contains("<lora:house_OUT05:1>") && !prompt.contains("house_IN04"), "{prompt}");
    assert!(asked.get("alwayson_scripts").is_none());
    assert!(sandbox.names("host").contains(&"house_IN04.safetensors".to_owned()), "{:?}", sandbox.names("host"));
    // What its tags cannot say is said.
    let late = ["txt2img", "x <lora:house:1:start=3>", "--via", &host.address];
    let (_, err) = sandbox.expect(2, &[&late, &TINY[..]].concat());
    assert!(err.contains("E1317") && err.contains("step window"), "{err}");
    let other = ["txt2img", "x", "--via", &host.address, "--schedule-type", "Exponential", "--model", "pony"];
    let (_, err) = sandbox.expect(2, &[&other, &TINY[..]].concat());
    assert!(err.contains("`Exponential`") && err.contains("`pony`"), "{err}");
}

/// stable-diffusion.cpp's server, as it answered lbw on 2026-11-26: it looks into its LoRA folder when it is asked for the list, takes a
/// LoRA by its path and nothing else, and an unknown schedule in silence.
#[test]
fn stable_diffusion_cpp_is_asked_in_its_own_words() {
    let sandbox = Sandbox::new();
    sandbox.folder("host");
    let (folder, listed) = (sandbox.path("host"), Mutex::new(Vec::<String>::new()));
    let host = Fake::new(move |path, body| match path {
        "/sdapi/v1/sd-models" => told(
            &json!([{ "config": null, "filename": "sd1.safetensors", "hash": "8888888888", "model_name": "sd1", "title": "sd1" }]),
        ),
        "/sdapi/v1/options" => told(&json!({ "samples_format": "png", "sd_model_checkpoint": "sd1" })),
        "/sdcpp/v1/capabilities" => told(&json!({ "current_mode": "img_gen" })),
        "/sdapi/v1/samplers" => told(&json!(
            ["default", "euler", "euler_a", "dpm++2m"]
                .map(|name| json!({ "aliases": [name], "name": name, "options": {} }))
        )),
        "/sdapi/v1/schedulers" => {
            told(&json!(["default", "karras"].map(|name| json!({ "label": name, "name": name }))))
        }
        "/sdapi/v1/loras" => {
            let names =
                std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut listed = listed.lock().unwrap();
            *listed = names.collect();
            let stem = |file: &String| file.trim_end_matches(".safetensors").to_owned();
            told(&listed.iter().map(|file| json!({ "name": stem(file), "path": file })).collect())
        }
        "/sdapi/v1/txt2img" => {
            let unknown = body["lora"].as_array().unwrap().iter().find(|lora| {
                let path = lora["path"].as_str().unwrap();
                !listed.lock().unwrap().iter().any(|file| file == path)
            });
            match unknown {
                Some(lora) => {
                    let error = json!({ "error": format!("invalid lora path: {}", lora["path"].as_str().unwrap()) });
                    (400, "application/json", error.to_string().into_bytes())
                }
                None => told(&json!({ "images": [base64(&png(64, 64))], "parameters": body, "info": "" })),
            }
        }
        _ => absent(),
    });
    let loras = loras();
    let draw = |name: &str, prompt: &str| {
        let own =
            ["--via-lora-dir", "host", "--lora-dir", &loras, "--schedule-type", "Karras", "--sampler", "DPM++ 2M"];
        let args =
            [&["txt2img", prompt, "--via", &host.address, "-o", name, "--seed", "5"][..], &TINY[..6], &own].concat();
        sandbox.expect(0, &args);
        host.posted("/sdapi/v1/txt2img").pop().unwrap()
    };
    let asked = draw("parts.png", "a cat <lora:house:1:1:lbw=1,0,0,0,0,0,0,0.5,0,0,0,0>");
    let part =
        |name: &str, strength: f64| json!({ "path": format!("house_{name}.safetensors"), "multiplier": strength });
    assert_eq!(asked["lora"], json!([part("BASE", 1.0), part("OUT01", 0.5)]));
    assert_eq!((&asked["sampler_name"], &asked["scheduler"]), (&json!("dpm++2m"), &json!("karras")));
    // The whole file, put there now, and then found there.
    for name in ["new.png", "known.png"] {
        let asked = draw(name, "a cat <lora:house:0.75>");
        assert_eq!(asked["lora"], json!([{ "path": "house.safetensors", "multiplier": 0.75 }]));
    }
}

#[test]
fn wrong_hosts_are_refused_in_words() {
    let sandbox = Sandbox::new();
    let html = || (200, "text/html", b"<!doctype html><title>Router</title>".to_vec());
    let draw = |address: &str, code: i32| {
        sandbox
            .expect(
                code,
                &[&["txt2img", "x", "--seed", "1", "--via-timeout", "1", "--via", address], &TINY[..]].concat(),
            )
            .1
    };
    let router = Fake::new(move |_, _| html());
    let err = draw(&router.address, 3);
    assert!(err.contains("E1315") && err.contains("neither webui's API"), "{err}");
    let nothing = Fake::new(|_, _| absent());
    assert!(draw(&nothing.address, 3).contains("E1315"));
    assert!(draw("http://127.0.0.1:9", 3).contains("E1316"));
    assert!(draw("file:///etc/passwd", 2).contains("is no address"));
    // Nobody is led elsewhere.
    let leading = Fake::new(|_, _| (302, "text/html", Vec::new()));
    assert!(draw(&leading.address, 3).contains("302"));
    let drawing = |answer: fn(&Value) -> Answer| {
        Fake::new(move |path, body| match path {
            "/sdapi/v1/txt2img" => answer(body),
            _ => webui(path, body, &[]),
        })
    };
    let host = drawing(|_| {
        (500, "application/json", br#"{"error":"OutOfMemoryError","errors":"CUDA out of memory"}"#.to_vec())
    });
    let err = draw(&host.address, 3);
    assert!(err.contains("CUDA out of memory") && err.contains("W1319") && err.contains("E1320"), "{err}");
    assert_eq!(host.posted("/sdapi/v1/txt2img").len(), 4, "it is tried again");
    let host = drawing(|_| told(&json!({ "images": [base64(&png(32, 48))], "info": "{}" })));
    assert!(draw(&host.address, 3).contains("32×48 pixels and not 64×64"));
    let host = drawing(|_| told(&json!({ "images": [], "info": "{}" })));
    assert!(draw(&host.address, 3).contains("without a picture"));
    let host = drawing(|_| (200, "text/html", b"<html>".to_vec()));
    assert!(draw(&host.address, 3).contains("a web page"));
    let host = drawing(|_| {
        std::thread::sleep(Duration::from_secs(4));
        absent()
    });
    assert!(draw(&host.address, 3).contains("does not answer in time"));
    assert!(sandbox.names("lbw-out").is_empty());
}

#[test]
fn hosts_that_differ_do_not_share() {
    let sandbox = Sandbox::new();
    let one = Fake::new(|path, body| webui(path, body, &[]));
    let two = Fake::new(|path, body| match path {
        "/internal/sysinfo" => told(&json!({ "Version": "v1.9.4" })),
        _ => webui(path, body, &[]),
    });
    let args = ["txt2img", "x", "--via", &one.address, "--via", &two.address];
    let (_, err) = sandbox.expect(2, &[&args, &TINY[..]].concat());
    assert!(err.contains("E1318") && err.contains("v1.9.4"), "{err}");
}

/// What ComfyUI answers, after its `server.py` and `nodes.py`: a queued prompt, a history that fills, and the picture.
#[test]
fn comfyui_gets_a_graph() {
    let sandbox = Sandbox::new();
    let seen = Mutex::new(0);
    let host = Fake::new(move |path, _| match path {
        "/system_stats" => told(&json!({ "system": { "os": "posix", "comfyui_version": "0.3.40" }, "devices": [] })),
        "/object_info/KSampler" => told(&json!({ "KSampler": { "input": { "required": {
            "seed": ["INT", { "default": 0 }], "sampler_name": [["euler", "euler_ancestral", "dpmpp_2m"], {}],
            "scheduler": [["simple", "normal", "karras"], {}],
        } } } })),
        "/object_info/CheckpointLoaderSimple" => told(&json!({ "CheckpointLoaderSimple": { "input": { "required": {
            "ckpt_name": ["COMBO", { "options": ["sdxl.safetensors"] }],
        } } } })),
        "/object_info/LoraLoader" => told(&json!({ "LoraLoader": { "input": { "required": {
            "lora_name": [["house.safetensors"], {}],
        } } } })),
        "/prompt" => told(&json!({ "prompt_id": "5b1e", "number": 1, "node_errors": {} })),
        "/history/5b1e" => {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            match *seen {
                1 => told(&json!({})),
                _ => told(&json!({ "5b1e": {
                    "outputs": { "9": { "images": [{ "filename": "lbw_00001_.png", "subfolder": "", "type": "output" }] } },
                    "status": { "status_str": "success", "completed": true, "messages": [] },
                } })),
            }
        }
        "/view?filename=lbw_00001_.png&subfolder=&type=output" => (200, "image/png", png(64, 64)),
        _ => (404, "text/plain", b"404: Not Found".to_vec()),
    });
    let prompt = ["txt2img", "a (red:1.2) circle <lora:house:0.5:0.8>", "--seed", "5", "--via", &host.address];
    let (_, err) = sandbox.expect(0, &[&prompt[..], &["-o", "a.png"], &TINY[..]].concat());
    assert!(err.contains("ComfyUI 0.3.40") && err.contains("emphasis of its own"), "{err}");
    assert_eq!(sandbox.picture("a.png").get_pixel(3, 3).0, [10, 200, 30]);
    let [asked] = host.posted("/prompt").try_into().unwrap();
    let nodes: Vec<&Value> = asked["prompt"].as_object().unwrap().values().collect();
    let inputs = |class: &str| &nodes.iter().find(|node| node["class_type"] == class).unwrap()["inputs"];
    assert_eq!(inputs("CheckpointLoaderSimple")["ckpt_name"], "sdxl.safetensors");
    let lora = inputs("LoraLoader");
    assert_eq!(
        (&lora["lora_name"], &lora["strength_clip"], &lora["strength_model"]),
        (&json!("house.safetensors"), &json!(0.5), &json!(0.8))
    );
    let sampler = inputs("KSampler");
    assert_eq!(
        (&sampler["sampler_name"], &sampler["seed"], &sampler["steps"]),
        (&json!("euler_ancestral"), &json!(5), &json!(1))
    );
    assert_eq!(inputs("CLIPTextEncode")["text"], "a (red:1.2) circle");
    // What the graph has no node for is said.
    let other = ["txt2img", "a AND b", "--hires-upscale", "2", "--via", &host.address];
    let (_, err) = sandbox.expect(2, &[&other, &TINY[..]].concat());
    assert!(err.contains("E1317") && err.contains("second pass") && err.contains("[from:to:when]"), "{err}");
    let weights = ["txt2img", "x <lora:house:1:lbw=XLOUT>", "--via", &host.address];
    assert!(sandbox.expect(2, &[&weights, &TINY[..]].concat()).1.contains("--via-lora-dir"));
}
