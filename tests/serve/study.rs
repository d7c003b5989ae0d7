//! Plots, analyses and batches.

use serde_json::{Value, json};

use crate::client::{Server, picture, pixels, tiny};

const MARKED: &str = "red house <lora:house:1:1:lbw=XYZ>";

fn script(args: Value) -> Value {
    tiny(json!({ "prompt": MARKED, "script_name": "LoRA Block Weight", "script_args": args, "steps": 1 }))
}

#[test]
fn the_script_draws_grids() {
    let server = Server::start(&["--max-cells", "6"]);
    let plot = |values: &str| {
        script(json!([
            "XYZ:1,1,1,1,1,1,1,1,1,1,1,1",
            true,
            1,
            "values",
            values,
            "Block ID",
            "OUT00,OUT01",
            "",
            "",
            "",
            ""
        ]))
    };
    let answer = server.done("/sdapi/v1/txt2img", &plot("0,1"));
    assert_eq!(answer["images"].as_array().unwrap().len(), 1);
    assert!(pixels(&picture(&answer)).width() > 128, "two columns");
    let refused = server.post("/sdapi/v1/txt2img", &plot("0,0.1,0.2,0.3"));
    assert_eq!(refused.status, 422, "more cells than may be drawn");
    let unmarked = json!({ "prompt": "red house" });
    let mut unmarked_plot = plot("0,1");
    unmarked_plot.as_object_mut().unwrap().extend(unmarked.as_object().unwrap().clone());
    assert_eq!(server.post("/sdapi/v1/txt2img", &unmarked_plot).status, 422);
    let analysis = |blocks: &str| {
        script(json!([null, true, 2, "", "", "", "", "", "", "0,1", blocks, 1, "white", 20, true, "", ""]))
    };
    let answer = server.done("/sdapi/v1/txt2img", &analysis("OUT00,OUT01"));
    assert_eq!(answer["images"].as_array().unwrap().len(), 1);
    assert_eq!(server.post("/sdapi/v1/txt2img", &analysis("12ALL")).status, 422);
    // By its always-on name the script draws no grids.
    let always =
        tiny(json!({ "alwayson_scripts": { "LoRA Block Weight": { "args": [null, true, 1, "values", "0,1"] } } }));
    assert_eq!(pixels(&picture(&server.done("/sdapi/v1/txt2img", &always))).dimensions(), (64, 64));
}

#[test]
fn an_analysis_tells_block_after_block_what_the_command_tells() {
    let server = Server::start(&[]);
    let request = tiny(json!({ "prompt": "red house <lora:house:1>", "steps": 4 }));
    // The mark is read as the commands read it.
    let request = {
        let mut marked = request;
        marked["prompt"] = MARKED.into();
        marked["foo"] = 1.into();
        marked
    };
    let wish = json!({ "request": request, "blocks": "IN04,OUT00,OUT01" });
    let analyze = || {
        let job = server.done("/lbw/v1/analyze", &wish);
        assert_eq!((&job["kind"], job["status"].as_str().is_some()), (&json!("analyze"), true));
        let place = format!("/lbw/v1/jobs/{}", job["id"].as_str().unwrap());
        server.until("the analysis", |s| !["queued", "running"].contains(&s.get(&place)["status"].as_str().unwrap()));
        let done = server.get(&place);
        assert_eq!(done["status"], "done", "{done}");
        (job, done["result"]["report"].clone())
    };
    let (job, report) = analyze();
    let told = job["diagnostics"].as_array().unwrap();
    assert!(told.iter().any(|found| found["message"].as_str().unwrap().contains("there is no field `foo`")), "{job}");
    let settings = ["--width", "64", "--height", "64", "--steps", "4", "--seed", "7", "--sampler", "Euler a"];
    let args = ["analyze", MARKED, "--blocks", "IN04,OUT00,OUT01", "--json", "-o", "analysis"];
    let expected = server.sandbox.json(&[&args[..], &settings].concat());
    for key in ["prompt", "seed", "effect", "errors", "ranking", "guilty"] {
        assert_eq!(rounded(&report[key]), rounded(&expected[key]), "{key}");
    }
    let block = &report["blocks"][0];
    assert_eq!(block["sentence"], expected["blocks"][0]["sentence"]);
    let url = block["pictures"][0]["changed"].as_str().unwrap();
    assert_eq!(pixels(&server.send("GET", url, &[], b"").body).dimensions(), (64, 64));
    // What was told on the way is what the report says.
    let path = format!("/lbw/v1/events?job={}", job["id"].as_str().unwrap());
    let events = events(&server, &path, 3);
    for (event, block) in events.iter().zip(report["blocks"].as_array().unwrap()) {
        assert_eq!((&event["block"], rounded(&event["percent"])), (&block["id"], rounded(&block["percent"])));
        assert_eq!(rounded(&event["guilt"]), rounded(&block["guilt"]));
    }
    // Asked for again, it is there.
    let (_, again) = analyze();
    assert!(report["work"]["drawn"] != 0 && again["work"]["drawn"] == 0, "{}", again["work"]);
    assert_eq!(again["ranking"], report["ranking"]);
}

#[test]
fn weights_are_searched_for_and_blocks_are_mapped_as_the_commands_do() {
    let server = Server::start(&[]);
    let request = tiny(json!({ "prompt": "red house <lora:house:1>", "steps": 6 }));
    let run = |path: &str, fields: Value| {
        let mut body = json!({ "request": request });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let job = server.done(path, &body);
        let place = format!("/lbw/v1/jobs/{}", job["id"].as_str().unwrap());
        server.until("the study", |s| !["queued", "running"].contains(&s.get(&place)["status"].as_str().unwrap()));
        let done = server.get(&place);
        assert_eq!(done["status"], "done", "{done}");
        done["result"].clone()
    };
    let settings = ["--width", "64", "--height", "64", "--steps", "6", "--seed", "7", "--sampler", "Euler a"];
    let of_command = |args: &[&str]| server.sandbox.json(&[args, &settings].concat());
    let found =
        run("/lbw/v1/tune", json!({ "toward": ["base-colors"], "prompts": ["blue star"], "seeds": 1, "budget": 60 }));
    let args = [
        "tune",
        "red house <lora:house:1>",
        "blue star",
        "--toward",
        "base-colors",
        "--seeds",
        "1",
        "--budget",
        "60",
        "--json",
    ];
    let expected = of_command(&args);
    for key in ["search", "verification", "blocks", "guilty", "trials", "suggested", "sentence", "pictures"] {
        assert_eq!(rounded(&found["report"][key]), rounded(&expected[key]), "{key}");
    }
    assert!(found["page"].as_str().unwrap().contains("lbw tune") && found["table"].as_str().unwrap().contains("IN04"));
    let atlas = run("/lbw/v1/atlas", json!({ "seeds": 1 }));
    let expected = of_command(&["atlas", "red house <lora:house:1>", "--seeds", "1", "--json"]);
    for key in ["scenes", "parts", "attributes", "whole", "idle", "loras"] {
        assert_eq!(rounded(&atlas["report"][key]), rounded(&expected[key]), "{key}");
    }
    let picture = atlas["report"]["blocks"][0]["picture"].as_str().unwrap();
    assert_eq!(pixels(&server.send("GET", picture, &[], b"").body).dimensions(), (64, 64));
    for (path, fields, said) in [
        ("/lbw/v1/tune", json!({ "toward": "base-colour" }), "no goal"),
        ("/lbw/v1/tune", json!({ "toward": "/etc/passwd.png" }), "over the network"),
        ("/lbw/v1/tune", json!({ "toward": "base-colors", "budget": 100_000 }), "100000"),
        ("/lbw/v1/tune", json!({ "toward": "base-colors", "prompts": vec!["a"; 1000] }), "1000"),
        ("/lbw/v1/tune", json!({ "towards": "base-colors" }), "towards"),
        ("/lbw/v1/atlas", json!({ "seeds": 1000 }), "70000"),
        ("/lbw/v1/atlas", json!({ "request": "red house" }), ""),
        ("/lbw/v1/atlas", json!({ "request": null }), ""),
        ("/lbw/v1/atlas", json!({ "seeds": 0 }), "at least one seed"),
        ("/lbw/v1/atlas", json!({ "lora": "nope" }), "no tag of the LoRA `nope`"),
        ("/lbw/v1/tune", json!({ "toward": "base-colors", "fix": ["FOO=1"] }), "FOO"),
        ("/lbw/v1/tune", json!({ "toward": "base-colors", "fix": "OUT04=1e38" }), "-100"),
        ("/lbw/v1/tune", json!({ "toward": 5 }), "`toward`: neither a text nor a list"),
        ("/lbw/v1/tune", json!({ "toward": "base-colors", "folder": "x" }), "`folder`"),
        ("/lbw/v1/analyze", json!({ "range": [0.5, 1] }), "`range`"),
        ("/lbw/v1/analyze", json!({ "range": "x" }), "--range x"),
        ("/lbw/v1/analyze", json!({ "seeds": "3" }), "`seeds`"),
        ("/lbw/v1/analyze", json!({ "threshold": -1 }), "`threshold`"),
        ("/lbw/v1/analyze", json!({ "foo": 1 }), "foo"),
        ("/lbw/v1/analyze", json!({ "request": { "prompt": "x <lora:nope:1>" } }), "nope"),
        ("/lbw/v1/jobs", json!({ "kind": 5 }), "no kind `5`"),
        ("/lbw/v1/jobs", json!({ "foo": 5 }), "`foo`"),
        ("/lbw/v1/read", json!({ "infotext": 5 }), "`infotext`"),
    ] {
        let mut body = json!({ "request": request });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = server.post(path, &body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!((400..500).contains(&answer.status) && text.contains(said), "{fields}: {} {text}", answer.status);
    }
}

/// The first events about blocks.
fn events(server: &Server, path: &str, count: usize) -> Vec<Value> {
    use std::io::{BufRead, BufReader};
    let stream = server.begin("GET", path, &[("Last-Event-ID", "0")], b"");
    let data = BufReader::new(stream).lines().map(Result::unwrap);
    let data = data.filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    data.filter(|event| event["event"] == "block" && !event["block"].is_null()).take(count).collect()
}

/// Whole numbers lose their point on the way.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(format!("{:.9}", number.as_f64().unwrap())),
        Value::Array(items) => items.iter().map(rounded).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), rounded(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_prompt_file_is_checked_line_by_line_drawn_and_goes_on() {
    let server = Server::start(&[]);
    let line = "--width 64 --height 64 --steps 1 --seed 5";
    let wrong = format!("--prompt \"red circle\" {line}\n--prompt \"x <lora:nothing:1>\" {line}\n");
    let checked = server.done("/lbw/v1/batch", &json!({ "name": "p.txt", "text": wrong, "start": true }));
    assert_eq!(checked["ok"], false);
    assert!(
        checked["diagnostics"].as_array().unwrap().iter().any(|d| d["line"] == 2 && d["code"] == "E0218"),
        "{checked}"
    );
    assert_eq!((&checked["lines"], &checked["wrong"]), (&json!(2), &json!(1)));
    let text = format!("--prompt \"red circle\" {line}\n--prompt \"blue star <lora:house:1:1:lbw=XLOUT>\" {line}\n");
    let body = json!({ "name": "p.txt", "text": text });
    let checked = server.done("/lbw/v1/batch", &body);
    assert_eq!((&checked["ok"], &checked["pictures"]), (&json!(true), &json!(2)), "{checked}");
    assert!(!server.sandbox.path("saved").exists(), "a check writes nothing");
    let start = json!({ "name": "p.txt", "text": text, "start": true });
    for were_there in [0, 2] {
        let job = server.done("/lbw/v1/batch", &start);
        let place = format!("/lbw/v1/jobs/{}", job["id"].as_str().unwrap());
        server.until("the batch", |s| !["queued", "running"].contains(&s.get(&place)["status"].as_str().unwrap()));
        let done = server.get(&place);
        assert_eq!(done["result"]["were_there"], were_there, "{done}");
        assert_eq!(done["images"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_prompt_file_reads_no_file_of_ours() {
    let server = Server::start(&[]);
    server.sandbox.write("secret.png", "x");
    let secret = server.sandbox.path("secret.png").display().to_string();
    for option in [format!("--init \"{secret}\""), format!("--sd_model \"{secret}\""), format!("--sd_vae \"{secret}\"")]
    {
        let text = format!("--prompt \"x\" {option}\n");
        let checked = server.post("/lbw/v1/batch", &json!({ "name": "p.txt", "text": text })).json();
        assert_ne!(checked["ok"], true, "{option}: {checked}");
        let json = json!({ "prompt": "x", "init": secret, "model": secret }).to_string();
        let checked = server.post("/lbw/v1/batch", &json!({ "name": "p.jsonl", "text": json })).json();
        assert_ne!(checked["ok"], true, "{checked}");
    }
}
