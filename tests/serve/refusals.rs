//! What is refused, and how it is told.

use serde_json::{Value, json};

use crate::client::{Server, base64, info, tiny};

/// A small picture.
pub fn png() -> String {
    let image = image::RgbImage::from_pixel(64, 64, image::Rgb([200, 40, 40]));
    base64(&lbw::image_io::encode_png(&image, "", None).unwrap())
}

#[test]
fn each_refusal_is_told_as_clients_know_it() {
    let server = Server::start(&[]);
    let picture = png();
    #[rustfmt::skip]
    let cases = [
        ("txt2img", json!({ "steps": "many" }), 422, ""),
        ("txt2img", json!({ "steps": 10.5 }), 422, ""),
        ("txt2img", json!({ "cfg_scale": "NaN" }), 422, ""),
        ("txt2img", json!({ "sampler_name": "Eulre a" }), 404, "Sampler not found"),
        ("txt2img", json!({ "sampler_name": null, "sampler_index": "none such" }), 404, "Sampler not found"),
        ("txt2img", json!({ "scheduler": "karas" }), 422, "Scheduler 'karas' not found"),
        ("txt2img", json!({ "script_name": "x/y" }), 422, "Script 'x/y' not found"),
        ("txt2img", json!({ "alwayson_scripts": { "ControlNet": { "args": [{ "model": "x" }] } } }), 422, "always on script ControlNet not found"),
        ("txt2img", json!({ "override_settings": { "no_such": 1 } }), 422, "there is no option `no_such`"),
        ("txt2img", json!({ "override_settings": { "sd_model_checkpoint": "other" } }), 422, "model 'other' not found"),
        ("txt2img", json!({ "override_settings": { "use_old_emphasis_implementation": true } }), 422, "lbw does not do use_old_emphasis_implementation = true"),
        ("txt2img", json!({ "restore_faces": true }), 422, "`restore_faces` is something lbw does not do"),
        ("txt2img", json!({ "prompt": "<lora:nothing:1>" }), 422, "there is no LoRA `nothing`"),
        ("txt2img", json!({ "prompt": "(x:1.2.3)" }), 422, "`1.2.3` is not a number"),
        ("img2img", json!({}), 404, "Init image not found"),
        ("img2img", json!({ "init_images": [] }), 404, "Init image not found"),
        ("img2img", json!({ "init_images": ["@@@"] }), 422, "Invalid encoded image"),
        ("img2img", json!({ "init_images": ["aGVsbG8="] }), 422, "Invalid encoded image"),
        ("img2img", json!({ "init_images": ["http://127.0.0.1/x.png"] }), 422, "Requests not allowed"),
        ("img2img", json!({ "init_images": [picture, picture] }), 422, "2 pictures in init_images; lbw draws over one"),
        ("img2img", json!({ "init_images": [picture], "resize_mode": 4 }), 422, ""),
    ];
    for (route, more, status, detail) in cases {
        let answer = server.post(&format!("/sdapi/v1/{route}"), &tiny(more.clone()));
        assert_eq!(answer.status, status, "{more}: {}", answer.text());
        let told = answer.json();
        match &told["detail"] {
            Value::Array(items) => assert!(items[0]["loc"][1].is_string() && items[0]["type"].is_string(), "{told}"),
            told_detail => {
                assert!(detail.is_empty() || *told_detail == detail, "{more}: {told}");
                let keys: Vec<_> =
                    told.as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value.is_string())).collect();
                assert_eq!(keys, [("error", true), ("detail", true), ("body", true), ("errors", true)]);
            }
        }
    }
    let many: String = (0..2000).map(|n| format!(", k{n}: v")).collect();
    let infotext = format!("a\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64{many}");
    for (path, body) in [
        ("/lbw/v1/read", json!({ "infotext": infotext })),
        ("/lbw/v1/batch", json!({ "name": "a.txt", "text": "a", "start": "true" })),
        ("/lbw/v1/batch", json!({ "name": "a.txt", "text": 5 })),
        ("/lbw/v1/batch", json!({ "name": "a.txt", "text": "a\u{0}b" })),
        ("/lbw/v1/batch", json!({ "name": "a.txt", "texts": "a" })),
        ("/lbw/v1/batch", json!([])),
        ("/sdapi/v1/txt2img", json!({ "subseed_strength": 1e39 })),
    ] {
        let answer = server.post(path, &body);
        assert_eq!(answer.status, 422, "{path} {body}: {}", answer.text());
    }
    let broken = server.send("POST", "/sdapi/v1/txt2img", &[], b"{\"prompt\": ");
    assert_eq!((broken.status, broken.json()["detail"].is_array()), (422, true));
    assert_eq!(server.get("/sdapi/v1/progress")["state"]["job_count"], 0, "nothing of this was drawn");
}

#[test]
fn routes_that_are_not_there() {
    let server = Server::start(&[]);
    for path in [
        "/sdapi/v1/interrogate",
        "/sdapi/v1/server-stop",
        "/sdapi/v1/sd-modules",
        "/controlnet/model_list",
        "/file=/etc/passwd",
        "/x",
    ] {
        let answer = server.send("GET", path, &[], b"");
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (404, Some("Not Found")), "{path}");
    }
    for path in ["/sdapi/v1/txt2img", "/sdapi/v1/interrupt", "/lbw/v1/check"] {
        let answer = server.send("GET", path, &[], b"");
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (405, Some("Method Not Allowed")), "{path}");
    }
    for path in ["//sdapi/v1/samplers", "/sdapi/v1/samplers/", "/sdapi//v1/samplers?x=1"] {
        assert!(server.get(path).is_array(), "{path}");
    }
    let below = Server::start(&["--subpath", "sd"]);
    assert!(below.get("/sd/sdapi/v1/samplers").is_array() && below.get("/sdapi/v1/samplers").is_array());
}

#[test]
fn what_is_switched_off_refuses_nothing() {
    let server = Server::start(&[]);
    let off = json!({
        "ControlNet": { "args": [] }, "ADetailer": { "args": [false] }, "x": { "args": [{ "enabled": false }] }, "y": { "args": ["", null, []] },
    });
    server.done("/sdapi/v1/txt2img", &tiny(json!({
        "alwayson_scripts": off, "hr_upscaler": "ESRGAN_4x", "refiner_checkpoint": "None", "styles": ["", null, "nothing"],
        "mask_blur": 4, "inpainting_fill": 1, "face_restoration_model": "x", "url": "http://x", "clip_skip": 5, "session_hash": {},
    })));
    let slip = info(&server.done("/sdapi/v1/txt2img", &tiny(json!({ "sampler": "Euler", "cfg_scal": 3 }))));
    let warnings = slip["lbw"]["warnings"].to_string();
    assert!(warnings.contains("there is no field `sampler`") && warnings.contains("`cfg_scal`"), "{warnings}");
    let lenient = Server::start(&["--lenient"]);
    let told =
        info(&lenient.done("/sdapi/v1/txt2img", &tiny(json!({ "restore_faces": true, "width": 69, "height": 67 }))));
    let warnings = told["lbw"]["warnings"].to_string();
    assert!(warnings.contains("restore_faces") && warnings.contains("69x67"), "{warnings}");
}

#[test]
fn options_are_set_all_or_none() {
    let server = Server::start(&[]);
    let before = server.get("/sdapi/v1/options");
    assert_eq!(server.post("/sdapi/v1/options", &before).text(), "null");
    let both = json!({ "show_progress_every_n_steps": 3, "no_such": 1 });
    assert_eq!(server.post("/sdapi/v1/options", &both).status, 422);
    assert_eq!(server.get("/sdapi/v1/options"), before);
    let absent = server.post("/sdapi/v1/options", &json!({ "sd_model_checkpoint": "other" }));
    assert_eq!((absent.status, &absent.json()["error"]), (422, &json!("RuntimeError")));
    server.done("/sdapi/v1/options", &json!({ "CLIP_stop_at_last_layers": 2, "outdir_samples": "/tmp/x" }));
    let told = info(&server.done("/sdapi/v1/txt2img", &tiny(json!({}))));
    assert_eq!(told["clip_skip"], 2);
    assert_eq!(server.get("/sdapi/v1/options")["outdir_samples"], before["outdir_samples"]);
}

#[test]
fn openai_is_told_in_its_own_words() {
    let server = Server::start(&[]);
    for (body, parameter) in [
        (json!({ "prompt": "x", "size": "big" }), json!("size")),
        (json!({ "prompt": "x", "size": "999999x999999" }), Value::Null),
        (json!({ "prompt": "<lora:nothing:1>" }), Value::Null),
        (json!({ "prompt": "x", "steps": "many" }), Value::Null),
        (json!([]), Value::Null),
    ] {
        let answer = server.post("/v1/images/generations", &body);
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["type"], &error["param"]),
            (400, &json!("invalid_request_error"), &parameter),
            "{body}"
        );
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    let odd = tiny(json!({ "model": "dall-e-3", "style": "vivid", "user": "me", "quality": "hd" }));
    let answer = server.done("/v1/images/generations", &odd);
    let warnings = answer["lbw"]["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().contains("dall-e-3"));
    assert!(warnings.len() == 2 && warnings[1].as_str().unwrap().contains("no field `quality`"), "{warnings:?}");
    let models = server.get("/v1/models");
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("shapes-xl")));
}

#[test]
fn what_does_not_fit_is_said_before_it_is_drawn() {
    let server = Server::start(&["--memory", "300m"]);
    let check = |side: u32| {
        server.post("/lbw/v1/check", &json!({ "prompt": "red house", "width": side, "height": side })).json()
    };
    let fits = check(128);
    assert_eq!((fits["ok"].as_bool(), fits["diagnostics"].as_array().unwrap().len()), (Some(true), 0), "{fits}");
    let large = check(1024);
    assert_eq!(
        (large["ok"].as_bool(), large["diagnostics"][0]["code"].as_str()),
        (Some(false), Some("E0719")),
        "{large}"
    );
    // What the page says is what the picture is refused for.
    let drawn = server.post("/sdapi/v1/txt2img", &json!({ "prompt": "red house", "width": 1024, "height": 1024 }));
    assert_eq!(drawn.status, 422, "{}", drawn.text());
}
