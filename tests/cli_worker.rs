//! `lbw worker --stdio` as a program that drives it sees it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn lbw(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbw"));
    command
        .args(args)
        .current_dir(folder)
        .env("LBW_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        .env_remove("LBW_WEBUI_DIR")
        .env("LBW_LANG", "en");
    command
}

fn plan(folder: &Path, prompt: &str) -> Value {
    let size = ["--width", "64", "--height", "64", "--steps", "2", "--seed", "7"];
    let output = lbw(folder, &["plan", "--json", prompt]).args(size).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Sends `input` to a worker; its exit code and events.
fn worker(folder: &Path, input: &[u8]) -> (Option<i32>, Vec<Value>) {
    let mut child = lbw(folder, &["worker", "--stdio", "-o", "out"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn each_plan_becomes_its_own_picture() {
    let dir = tempfile::tempdir().unwrap();
    let a = plan(dir.path(), "red circle <lora:house:1:1:lbw=XLOUT>");
    let b = plan(dir.path(), "red circle <lora:house:1:1:lbw=XLIN>");
    let c = plan(dir.path(), "red circle");
    let input = format!(
        "{}\n{b}\n\n{}\n",
        json!({ "plan": a, "file": "sub/a.png", "tag": [1, "x"] }),
        json!({ "plan": c, "file": "c.png" })
    );
    let (code, events) = worker(dir.path(), input.as_bytes());
    assert_eq!(code, Some(0), "{events:?}");
    let names: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    let job = ["started", "step", "step", "done"];
    assert_eq!(names, [&["ready"][..], &job, &job, &job].concat());
    assert!(events[1..5].iter().all(|e| e["tag"] == json!([1, "x"])));
    assert!(events[5..].iter().all(|e| e["tag"].is_null()));

    for (plan, done) in [(a, &events[4]), (b, &events[8]), (c, &events[12])] {
        let bytes = std::fs::read(dir.path().join(done["file"].as_str().unwrap())).unwrap();
        assert_eq!(done["crc32"], json!(crc32fast::hash(&bytes)));
        let alone = dir.path().join("plan.json");
        std::fs::write(&alone, plan.to_string()).unwrap();
        let picture = dir.path().join("alone.png");
        let _ = std::fs::remove_file(&picture);
        let output = lbw(dir.path(), &["run", "plan.json", "-o", "alone.png", "--json"]).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["id"], done["id"]);
        assert!(bytes == std::fs::read(&picture).unwrap(), "the picture is another one than when it is drawn alone");
    }
    assert_eq!(events[8]["file"], json!(format!("out/{}.png", events[8]["id"].as_str().unwrap())));
}

#[test]
fn a_wrong_job_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let good = plan(dir.path(), "red circle");
    let changed = |key: &str, value: Value| {
        let mut plan = good.clone();
        plan[key] = value;
        plan
    };
    let mut huge = good.clone();
    huge["settings"]["width"] = json!(1_000_000);
    let mut no_lora = plan(dir.path(), "red circle <lora:house:1>");
    no_lora["loras"][0]["name"] = json!("../nowhere");
    let wrong = [
        json!(5),
        json!({ "format": 999 }),
        changed("loras", json!("x")),
        huge,
        no_lora,
        json!({ "plan": good, "file": "../x.png" }),
        json!({ "plan": good, "file": "x.jpg" }),
    ];
    let mut input = b"not json\n\xff\n".to_vec();
    wrong.iter().for_each(|job| input.extend(format!("{job}\n").bytes()));
    input.extend(format!("{}\n", json!({ "plan": good, "file": "x.png" })).bytes());
    let (code, events) = worker(dir.path(), &input);
    assert_eq!(code, Some(1), "{events:?}");
    let failed: Vec<_> = events.iter().filter(|e| e["event"] == "failed").collect();
    assert_eq!(failed.len(), wrong.len() + 2, "{events:?}");
    assert!(failed.iter().all(|e| e["exit"] == json!(2) && !e["message"].as_str().unwrap().is_empty()), "{failed:?}");
    assert_eq!(events.last().unwrap()["event"], "done");
    let there: Vec<_> = std::fs::read_dir(dir.path().join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, ["x.png"]);
}

#[test]
fn a_picture_that_cannot_be_written_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), "red circle");
    std::fs::create_dir(dir.path().join("out")).unwrap();
    std::fs::write(dir.path().join("out/blocked"), "a file").unwrap();
    let input = format!("{}\n", json!({ "plan": plan, "file": "blocked/x.png" }));
    let (code, events) = worker(dir.path(), input.as_bytes());
    assert_eq!((code, &events.last().unwrap()["exit"]), (Some(1), &json!(3)), "{events:?}");
}
