//! `lbw worker --stdio` as a program that drives it sees it.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, json_lines, told};

fn plan(s: &Sandbox, prompt: &str) -> Value {
    let size = ["--width", "64", "--height", "64", "--steps", "2", "--seed", "7"];
    s.json(&[&["plan", "--json", prompt], &size[..]].concat())
}

/// Sends `input` to a worker that is to end with this exit code; its events.
#[track_caller]
fn worker(s: &Sandbox, code: i32, input: &[u8]) -> Vec<Value> {
    worker_in(s, &[], code, input)
}

/// The same with these flags.
#[track_caller]
pub fn worker_in(s: &Sandbox, flags: &[&str], code: i32, input: &[u8]) -> Vec<Value> {
    let mut command = s.lbw(&[&["worker", "--stdio", "-o", "out"], flags].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    json_lines(&told(code, &command, output).0)
}

#[test]
fn each_plan_becomes_its_own_picture() {
    let s = Sandbox::new();
    let a = plan(&s, "red circle <lora:house:1:1:lbw=XLOUT>");
    let b = plan(&s, "red circle <lora:house:1:1:lbw=XLIN>");
    let c = plan(&s, "red circle");
    let input = format!(
        "{}\n{b}\n\n{}\n",
        json!({ "plan": a, "file": "sub/a.png", "tag": [1, "x"] }),
        json!({ "plan": c, "file": "c.png" })
    );
    let events = worker(&s, 0, input.as_bytes());
    let names: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    let job = ["started", "step", "step", "done"];
    assert_eq!(names, [&["ready"][..], &job, &job, &job].concat());
    assert!(events[1..5].iter().all(|e| e["tag"] == json!([1, "x"])));
    assert!(events[5..].iter().all(|e| e["tag"].is_null()));

    for (plan, done) in [(a, &events[4]), (b, &events[8]), (c, &events[12])] {
        let bytes = s.bytes(done["file"].as_str().unwrap());
        assert_eq!(done["crc32"], json!(crc32fast::hash(&bytes)));
        s.write("plan.json", plan.to_string());
        let told = s.json(&["run", "plan.json", "-o", "alone.png", "--json"]);
        assert_eq!(told["id"], done["id"]);
        assert!(bytes == s.bytes("alone.png"), "the picture is another one than when it is drawn alone");
        s.remove("alone.png");
    }
    assert_eq!(events[8]["file"], json!(format!("out/{}.png", events[8]["id"].as_str().unwrap())));
}

#[test]
fn a_wrong_job_does_not_stop_the_others() {
    let s = Sandbox::new();
    let good = plan(&s, "red circle");
    let changed = |key: &str, value: Value| {
        let mut plan = good.clone();
        plan[key] = value;
        plan
    };
    let mut huge = good.clone();
    huge["passes"][0]["settings"]["width"] = json!(1_000_000);
    let mut no_lora = plan(&s, "red circle <lora:house:1>");
    no_lora["passes"][0]["loras"][0]["name"] = json!("../nowhere");
    let wrong = [
        json!(5),
        json!({ "format": 999 }),
        changed("passes", json!("x")),
        huge,
        no_lora,
        json!({ "plan": good, "file": "../x.png" }),
        json!({ "plan": good, "file": "x.jpg" }),
    ];
    let mut input = b"not json\n\xff\n".to_vec();
    wrong.iter().for_each(|job| input.extend(format!("{job}\n").bytes()));
    input.extend(format!("{}\n", json!({ "plan": good, "file": "x.png" })).bytes());
    let events = worker(&s, 1, &input);
    let failed: Vec<_> = events.iter().filter(|e| e["event"] == "failed").collect();
    assert_eq!(failed.len(), wrong.len() + 2, "{events:?}");
    assert!(failed.iter().all(|e| e["exit"] == json!(2) && !e["message"].as_str().unwrap().is_empty()), "{failed:?}");
    assert_eq!(events.last().unwrap()["event"], "done");
    assert_eq!(s.names("out"), ["x.png"]);
}

#[test]
fn a_picture_that_cannot_be_written_is_told() {
    let s = Sandbox::new();
    let plan = plan(&s, "red circle");
    s.write("out/blocked", "a file");
    let input = format!("{}\n", json!({ "plan": plan, "file": "blocked/x.png" }));
    let events = worker(&s, 1, input.as_bytes());
    assert_eq!(events.last().unwrap()["exit"], json!(3), "{events:?}");
}
