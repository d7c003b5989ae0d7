//! What is drawn, and what is told about it.

use serde_json::{Value, json};

use crate::client::{Server, base64, info, picture, pixels, tiny};

const TAG: &str = "<lora:house:1:1:lbw=XLOUT>";
const PROMPT: &str = "red circle <lora:house:1:1:lbw=XLOUT>";

/// What the command line draws of the same.
fn of_the_command(server: &Server, prompt: &str, name: &str) -> Vec<u8> {
    let settings = ["--width", "64", "--height", "64", "--steps", "2", "--seed", "7", "--sampler", "Euler a"];
    server.sandbox.expect(0, &[&["txt2img", prompt, "-o", name], &settings[..]].concat());
    server.sandbox.bytes(name)
}

#[test]
fn every_route_draws_what_the_command_draws() {
    let server = Server::start(&[]);
    let expected = of_the_command(&server, PROMPT, "a.png");
    let request = tiny(json!({ "prompt": PROMPT }));

    let answer = server.done("/sdapi/v1/txt2img", &request);
    assert!(picture(&answer) == expected, "another file than the command's");
    let info = info(&answer);
    assert_eq!((&info["seed"], &info["sampler_name"]), (&json!(7), &json!("Euler a")));
    assert!(info["infotexts"][0].as_str().unwrap().contains(TAG), "{info}");

    let job = server.done("/lbw/v1/jobs", &json!({ "kind": "txt2img", "request": request }));
    let place = format!("/lbw/v1/jobs/{}", job["id"].as_str().unwrap());
    server.until("the job", |server| server.get(&place)["status"] == "done");
    let image = server.get(&place)["images"][0].as_str().unwrap().to_owned();
    assert!(server.send("GET", &image, &[], b"").body == expected);

    let mut openai = request.clone();
    openai["size"] = "64x64".into();
    let answer = server.done("/v1/images/generations", &openai);
    assert_eq!(answer["data"][0]["b64_json"], base64(&expected));

    let plain = of_the_command(&server, "red circle", "b.png");
    assert!(pixels(&plain) != pixels(&expected), "block weights do nothing");
    let mut off = request.clone();
    off["alwayson_scripts"] = json!({ "lora block weight": { "args": [null, false] } });
    let without = of_the_command(&server, "red circle <lora:house:1:1>", "c.png");
    let drawn = server.done("/sdapi/v1/txt2img", &off);
    assert!(pixels(&picture(&drawn)) == pixels(&without), "a script that is off still acts");
    off["disable_extra_networks"] = true.into();
    assert!(pixels(&picture(&server.done("/sdapi/v1/txt2img", &off))) == pixels(&plain));
}

#[test]
fn img2img_draws_over_a_picture() {
    let server = Server::start(&[]);
    let over = of_the_command(&server, "blue star", "over.png");
    let settings = ["--steps", "2", "--seed", "7", "--sampler", "Euler a", "--denoising-strength", "0.5"];
    server.sandbox.expect(0, &[&["img2img", PROMPT, "--init", "over.png", "-o", "d.png"], &settings[..]].concat());
    let request = tiny(json!({ "prompt": PROMPT, "init_images": [base64(&over)], "denoising_strength": 0.5 }));
    let answer = server.done("/sdapi/v1/img2img", &request);
    assert!(picture(&answer) == server.sandbox.bytes("d.png"));
    assert!(answer["parameters"]["init_images"].is_null());
    let boundary = "0123456789";
    let part = |name: &str, value: &[u8]| {
        [format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(), value, b"\r\n"]
            .concat()
    };
    let fields = [("prompt", PROMPT), ("size", "64x64"), ("steps", "2"), ("seed", "7"), ("denoising_strength", "0.5")];
    let mut form = part("image", &over);
    fields.iter().for_each(|(name, value)| form.extend(part(name, value.as_bytes())));
    form.extend(part("sampler_name", b"Euler a"));
    form.extend(format!("--{boundary}--\r\n").bytes());
    let media = format!("multipart/form-data; boundary={boundary}");
    let answer = server.send("POST", "/v1/images/edits", &[("Content-Type", &media)], &form);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["data"][0]["b64_json"], base64(&server.sandbox.bytes("d.png")));
}

#[test]
fn a_prompt_is_a_prompt_and_an_infotext_fills_gaps() {
    let server = Server::start(&[]);
    let text = "yellow star\nNegative prompt: blur\nSteps: 3, Sampler: Euler, CFG scale: 4, Seed: 99, Size: 64x64, Model: other";
    let told = info(&server.done("/sdapi/v1/txt2img", &tiny(json!({ "prompt": text }))));
    assert_eq!((told["prompt"].as_str(), &told["steps"]), (Some(text), &json!(2)));
    let told = info(&server.done("/sdapi/v1/txt2img", &json!({ "infotext": text, "seed": 5 })));
    for (name, value) in
        [("prompt", json!("yellow star")), ("seed", json!(5)), ("steps", json!(3)), ("cfg_scale", json!(4))]
    {
        assert_eq!(told[name], value, "{name}");
    }
}

#[test]
fn whole_numbers_and_formats() {
    let server = Server::start(&[]);
    let answer = server.done("/sdapi/v1/txt2img", &tiny(json!({ "cfg_scale": "7.0", "subseed_strength": 0.0 })));
    assert_eq!(info(&answer)["denoising_strength"], json!(0.75), "a number, though nothing uses it");
    let text = server.post("/sdapi/v1/txt2img", &tiny(json!({ "cfg_scale": "7.0" }))).text();
    assert!(text.contains("\"cfg_scale\":7,") && !text.contains("\"cfg_scale\":7.0"), "{answer}");
    for (format, start) in [("jpg", &b"\xff\xd8"[..]), ("webp", b"RIFF"), ("png", b"\x89PNG")] {
        let request = tiny(json!({ "override_settings": { "samples_format": format } }));
        let image = picture(&server.done("/sdapi/v1/txt2img", &request));
        assert!(image.starts_with(start), "{format}");
        let told = server.done("/sdapi/v1/png-info", &json!({ "image": base64(&image) }));
        assert!(told["info"].as_str().unwrap().contains("Steps: 2"), "{format}: {told}");
        assert_eq!(told["parameters"]["Seed"], "7");
    }
    let options: Value = server.get("/sdapi/v1/options");
    assert_eq!(options["samples_format"], "png", "an override stays for its request alone");
    let stays =
        json!({ "override_settings": { "samples_format": "jpg" }, "override_settings_restore_afterwards": false });
    server.done("/sdapi/v1/txt2img", &tiny(stays));
    assert_eq!(server.get("/sdapi/v1/options")["samples_format"], "jpg");
}

#[test]
fn presets_come_with_the_request() {
    let server = Server::start(&[]);
    let request = |prompt: &str, args: Value| {
        tiny(json!({ "prompt": prompt, "alwayson_scripts": { "LoRA Block Weight": { "args": args } } }))
    };
    let own = request("x <lora:house:1:1:lbw=MINE>", json!(["MINE:1,0,0,0,0,0,1,1,1,0,0,0", true, 0]));
    let same = request("x <lora:house:1:1:lbw=1,0,0,0,0,0,1,1,1,0,0,0>", json!([]));
    let drawn = [own.clone(), same].map(|request| pixels(&picture(&server.done("/sdapi/v1/txt2img", &request))));
    assert!(drawn[0] == drawn[1]);
    let mut without = own;
    without.as_object_mut().unwrap().remove("alwayson_scripts");
    let refused = server.post("/sdapi/v1/txt2img", &without);
    assert_eq!(refused.status, 422, "presets of one request are not there for the next");
    assert!(refused.json()["detail"].as_str().unwrap().contains("MINE"));
}

#[test]
fn checks_say_where() {
    let server = Server::start(&[]);
    let prompt = "🏠 日本 (x:1.2.3) <lora:house:1:lbw=XLUOT>";
    let checked = server.done("/lbw/v1/check", &json!({ "prompt": prompt }));
    assert_eq!(checked["ok"], false);
    let units: Vec<u16> = prompt.encode_utf16().collect();
    let said: Vec<String> = checked["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|found| {
            let (start, end) = (found["start"].as_u64()? as usize, found["end"].as_u64()? as usize);
            Some(format!(
                "{} {} {}",
                found["code"].as_str()?,
                found["from"].as_str()?,
                String::from_utf16(&units[start..end]).ok()?
            ))
        })
        .collect();
    assert!(
        said.contains(&"E0101 prompt 1.2.3".to_owned()) && said.contains(&"E0201 prompt XLUOT".to_owned()),
        "{said:?}"
    );
    let body = json!({ "prompt": prompt }).to_string();
    let ja = server.send("POST", "/lbw/v1/check", &[("Accept-Language", "ja,en;q=0.5")], body.as_bytes()).json();
    assert!(ja["diagnostics"][0]["message"].as_str().unwrap().chars().any(|c| ('\u{3040}'..'\u{30ff}').contains(&c)));
    let good = server.done("/lbw/v1/check", &json!({ "prompt": PROMPT, "seed": 3 }));
    assert_eq!((&good["ok"], &good["plan"]["passes"][0]["settings"]["seed"]), (&json!(true), &json!(3)));
    assert_eq!(server.done("/lbw/v1/plan", &json!({ "prompt": PROMPT, "seed": 3 })), good["plan"]);
}

#[test]
fn what_the_page_completes_with() {
    let server = Server::start(&[]);
    let presets = server.get("/lbw/v1/presets");
    let of = |kind: &str, name: &str| {
        presets[kind].as_array().unwrap().iter().find(|preset| preset["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!(of("weights", "XLMID"), "1,0,0,0,0,1,0,0,0,0,0,0");
    assert_eq!(of("elements", "ATTNDEEPON"), "IN05-OUT05:attn:1");
    let checked = server.done("/lbw/v1/check", &json!({ "prompt": PROMPT }));
    let blocks = checked["modules"]["house"].as_object().unwrap();
    assert!(blocks["OUT00"].as_u64() > Some(0) && blocks["BASE"].as_u64() > Some(0), "{blocks:?}");
    let infotext = info(&server.done("/sdapi/v1/txt2img", &tiny(json!({ "prompt": PROMPT }))))["infotexts"][0].clone();
    let read = server.done("/lbw/v1/read", &json!({ "infotext": infotext }));
    let request = &read["request"];
    for (name, value) in
        [("prompt", json!(PROMPT)), ("seed", json!(7)), ("sampler_name", json!("Euler a")), ("width", json!(64))]
    {
        assert_eq!(request[name], value, "{name}");
    }
}

#[test]
fn every_route_that_is_described_is_there() {
    let server = Server::start(&[]);
    let document = server.get("/openapi.json");
    for (path, item) in document["paths"].as_object().unwrap() {
        // It never ends.
        let methods = item.as_object().unwrap().keys().filter(|_| path != "/lbw/v1/events");
        for method in methods {
            let asked = server.send(&method.to_uppercase(), &path.replace(['{', '}'], "x"), &[], b"{");
            let is_absent = asked.status == 404 && asked.json()["detail"] == "Not Found" && !path.contains('{');
            assert!(!is_absent && asked.status != 405, "{method} {path}: {}", asked.status);
        }
    }
    assert!(server.send("GET", "/docs", &[], b"").text().contains("/lbw/v1/jobs"));
}

#[test]
fn a_part_of_a_picture_is_drawn_over() {
    let server = Server::start(&[]);
    let over = of_the_command(&server, "blue star", "over.png");
    let mask = image::GrayImage::from_fn(64, 64, |x, _| image::Luma([if x < 24 { 255 } else { 0 }]));
    mask.save(server.sandbox.path("mask.png")).unwrap();
    image::GrayImage::new(32, 64).save(server.sandbox.path("small.png")).unwrap();
    let mask = base64(&server.sandbox.bytes("mask.png"));
    let settings = ["--steps", "2", "--seed", "7", "--sampler", "Euler a", "--init", "over.png", "--mask", "mask.png"];
    let command = |name: &str, own: &[&str]| {
        server.sandbox.expect(0, &[&["img2img", PROMPT, "-o", name], &settings[..], own].concat());
        server.sandbox.bytes(name)
    };
    let drawn = |fields: Value| {
        let mut request = tiny(json!({ "prompt": PROMPT, "init_images": [base64(&over)], "mask": mask }));
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = server.done("/sdapi/v1/img2img", &request);
        assert!(answer["parameters"]["mask"].is_null());
        picture(&answer)
    };
    // webui's API has defaults of its own.
    let own = ["--only-masked", "--only-masked-padding", "0", "--masked-content", "fill"];
    assert!(drawn(json!({})) == command("a.png", &own));
    let whole = json!({
        "inpaint_full_res": false, "inpainting_fill": 2, "inpainting_mask_invert": 1, "mask_blur": 3, "mask_blur_x": 9, "resize_mode": 1,
    });
    let own = ["--masked-content", "latent noise", "--mask-invert", "--mask-blur", "3", "--resize-mode", "crop"];
    assert!(drawn(whole) == command("b.png", &own));
    let small = base64(&server.sandbox.bytes("small.png"));
    let refused = |fields: Value, says: &str| {
        let mut request = tiny(json!({ "prompt": PROMPT, "init_images": [base64(&over)], "mask": mask }));
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = server.post("/sdapi/v1/img2img", &request);
        assert!(answer.status == 422 && answer.text().contains(says), "{}", answer.text());
    };
    refused(json!({ "mask": small }), "one size");
    refused(json!({ "mask": "over.png" }), "Invalid encoded image");
    refused(json!({ "mask_round": false }), "mask_round");
}

/// A tile, and a checkpoint that takes over: as the command draws them, and said in the infotext.
#[test]
fn tiles_and_a_second_checkpoint() {
    let sandbox = crate::sandbox::Sandbox::new();
    let model = |name: &str| sandbox.path(&format!("webui/models/Stable-diffusion/{name}.safetensors"));
    let own = crate::sandbox::repository("fixtures/embedded/shapes-xl.safetensors");
    sandbox.folder("webui/models/Stable-diffusion");
    let mut tensors = candle_core::safetensors::load(&own, &candle_core::Device::Cpu).unwrap();
    let last = tensors.get_mut("model.diffusion_model.out.2.weight").unwrap();
    *last = (&*last * 0.8).unwrap();
    std::fs::copy(own, model("first")).unwrap();
    candle_core::safetensors::save(&tensors, model("second")).unwrap();
    let places = ["--webui-dir", "webui", "--model", "first"];
    let server = Server::start_in(sandbox, &places);
    let command = |name: &str, own: &[&str]| {
        let settings = ["--size", "64x64", "--steps", "2", "--seed", "7", "--sampler", "Euler a", "-o", name];
        server.sandbox.expect(0, &[&["txt2img", "red circle"], &places[..], &settings, own].concat());
        server.sandbox.bytes(name)
    };
    let drawn = |fields: Value, says: &str| {
        let mut request = tiny(json!({ "prompt": "red circle" }));
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = server.done("/sdapi/v1/txt2img", &request);
        let told = info(&answer)["infotexts"][0].as_str().unwrap().to_owned();
        assert!(told.contains(says), "{told}");
        picture(&answer)
    };
    let plain = command("plain.png", &[]);
    let tile = command("tile.png", &["--tiling"]);
    let refined = command("refined.png", &["--refiner", "second", "--refiner-switch-at", "0.5"]);
    assert!(pixels(&tile) != pixels(&plain) && pixels(&refined) != pixels(&plain));
    assert!(drawn(json!({ "tiling": true }), "Tiling: True") == tile);
    let second = json!({ "refiner_checkpoint": "second", "refiner_switch_at": 0.5 });
    assert!(drawn(second, "Refiner: second [") == refined);
    assert!(drawn(json!({}), "Model: first") == plain, "a request leaves something behind");
    let model = |name: &str| server.sandbox.path(&format!("webui/models/Stable-diffusion/{name}.safetensors"));
    // A checkpoint that is cut short is told, and drawn with when it is whole again.
    let whole = std::fs::read(model("first")).unwrap();
    std::fs::OpenOptions::new().write(true).open(model("first")).unwrap().set_len(5_000_000).unwrap();
    let cut = server.post("/sdapi/v1/txt2img", &tiny(json!({ "prompt": "red circle" })));
    assert!(cut.status != 200 && cut.text().contains("first.safetensors"), "{}", cut.text());
    server.done("/sdapi/v1/unload-checkpoint", &json!({}));
    let loaded = server.post("/sdapi/v1/reload-checkpoint", &json!({}));
    assert!(loaded.status == 500 && loaded.text().contains("first.safetensors"), "{}", loaded.text());
    std::fs::write(model("new"), whole).unwrap();
    std::fs::rename(model("new"), model("first")).unwrap();
    server.done("/sdapi/v1/reload-checkpoint", &json!({}));
    assert!(drawn(json!({}), "Model: first") == plain);
}
