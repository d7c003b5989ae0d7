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

#[test]
fn what_would_be_drawn_is_told_as_plans() {
    let s = Sandbox::new();
    s.write("p.txt", "red circle <lora:house:1:1:lbw=XLOUT>\n--prompt \"blue star\" --steps 2 --seed 5 --n_iter 2\n");
    let request = json!({ "dry_run": true, "tag": 1, "request": { "prompt": "red circle", "seed": 7, "n_iter": 3 } });
    let file = json!({ "dry_run": true, "tag": 2, "files": ["p.txt"], "seed_base": 11 });
    let text = "--prompt \"blue star\" --steps 2 --seed 5 --n_iter 2\n";
    let piece = json!({ "dry_run": true, "tag": 3, "text": text, "name": "p.txt", "first_line": 2 });
    let events = worker(&s, 0, format!("{request}\n{file}\n{file}\n{piece}\n").as_bytes());
    assert!(s.names("out").is_empty());
    let planned =
        |tag: i32| -> Vec<&Value> { events.iter().filter(|e| e["tag"] == tag && e["event"] == "planned").collect() };
    let ends: Vec<_> = events.iter().filter(|e| e["event"] == "end").map(|e| e["pictures"].clone()).collect();
    assert_eq!(ends, [3, 3, 3, 2]);
    let seeds: Vec<_> = planned(1).iter().map(|e| e["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [7, 8, 9]);
    // Open seeds follow from the base; a piece says what the whole file does.
    let whole = planned(2);
    assert_eq!(whole[..3], whole[3..]);
    let places: Vec<_> =
        whole[..3].iter().map(|e| (e["source"].as_str().unwrap(), e["line"].as_u64().unwrap())).collect();
    assert_eq!(places, [("p.txt", 1), ("p.txt", 2), ("p.txt", 2)]);
    for (of_whole, of_piece) in whole[1..3].iter().zip(planned(3)) {
        assert_eq!((&of_whole["id"], &of_whole["line"]), (&of_piece["id"], &of_piece["line"]));
    }

    // A plan is drawn as the batch draws it.
    let job = json!({ "plan": whole[1]["plan"], "file": "a.png" });
    let drawn = worker(&s, 0, format!("{job}\n").as_bytes());
    assert_eq!(drawn.last().unwrap()["id"], whole[1]["id"]);
    let done = s.expect(0, &["batch", "p.txt", "-o", "batch"]);
    assert!(s.bytes("out/a.png") == s.bytes("batch/0002-5.png"), "{done:?}");
}

#[test]
fn wrong_lines_have_their_numbers_in_the_whole_file() {
    let s = Sandbox::new();
    let job = json!({ "dry_run": true, "text": "a cat\na <lora:hous:1>\n", "name": "p.txt", "first_line": 11 });
    let mut going_on = job.clone();
    going_on["keep_going"] = json!(true);
    let events = worker(&s, 1, format!("{job}\n{going_on}\n").as_bytes());
    let failed = events.iter().find(|e| e["event"] == "failed").unwrap();
    let finding = &failed["findings"][0];
    assert_eq!((&finding["source"], &finding["line"], &finding["column"]), (&json!("p.txt"), &json!(12), &json!(9)));
    assert_eq!(finding["help"], json!(["did you mean `house`?"]));
    let planned: Vec<_> = events.iter().filter(|e| e["event"] == "planned").map(|e| e["line"].clone()).collect();
    assert_eq!(planned, [11]);
}

#[test]
fn a_worker_that_cannot_begin_says_why() {
    let s = Sandbox::new();
    for flags in [["--model", "none.safetensors"], ["--lora-dir", "none"]] {
        let events = worker_in(&s, &flags, 3, b"");
        assert_eq!((&events[0]["event"], &events[0]["exit"]), (&json!("failed"), &json!(3)), "{events:?}");
    }
}

#[test]
fn an_analysis_is_told_as_it_goes() {
    let s = Sandbox::new();
    let request = json!({
        "prompt": "red circle <lora:house:1:1:lbw=XYZ>", "steps": 1, "width": 64, "height": 64, "seed": 1
    });
    let job = json!({ "request": request, "analyze": { "blocks": "IN04,OUT00", "folder": "study" } });
    let events = worker(&s, 0, format!("{job}\n").as_bytes());
    let pictures = events.iter().filter(|e| e["event"] == "picture").count();
    assert_eq!(pictures, 4, "base, whole, and one for each block: {events:?}");
    let analyzed = events.last().unwrap();
    let blocks: Vec<_> = analyzed["report"]["blocks"].as_array().unwrap().iter().map(|b| b["id"].clone()).collect();
    assert_eq!(blocks, ["IN04", "OUT00"]);
    assert!(s.names("out/study").contains(&"analysis.html".to_owned()));
}

/// A search draws in many turns, and is told as one piece of work.
#[test]
fn a_search_is_counted_from_its_first_picture_to_its_last() {
    let s = Sandbox::new();
    let request = json!({
        "prompt": "red house <lora:night:1>", "steps": 4, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler a"
    });
    let wish = json!({ "toward": ["base-colors"], "seeds": 1, "budget": 60, "folder": "found" });
    let events = worker(&s, 0, format!("{}\n", json!({ "request": request, "tune": wish })).as_bytes());
    let pictures = events.iter().filter(|e| e["event"] == "picture");
    let counted: Vec<(u64, u64)> =
        pictures.map(|e| (e["number"].as_u64().unwrap(), e["of"].as_u64().unwrap())).collect();
    assert!(counted.len() > 20 && counted.is_sorted_by(|p, q| p.0 < q.0), "{counted:?}");
    assert!(counted.iter().all(|(number, of)| number <= of), "{counted:?}");
    let (number, of) = counted.last().unwrap();
    assert!(of - number <= 1, "{counted:?}");
    // The blocks without attention are searched, too.
    let report = &events.last().unwrap()["report"];
    assert!(report["blocks"].as_array().unwrap().iter().any(|block| block["id"] == "OUT08"), "{report}");
}

/// Whoever has more machines draws the cells there, and puts them where the study looks for them.
#[test]
fn the_cells_of_a_study_may_be_drawn_by_others() {
    let s = Sandbox::new();
    let request = json!({ "prompt": "red circle <lora:house:1:1:lbw=XYZ>", "steps": 1, "width": 64, "height": 64 });
    let studies = [
        (json!({ "analyze": { "blocks": "IN04,OUT00", "folder": "study" } }), "study", "analyzed", 4),
        (json!({ "xyz": { "x": "Block ID=IN04,OUT00", "y": "values=0,1", "folder": "plot" } }), "plot", "plotted", 3),
    ];
    for (mut job, folder, end, pictures) in studies {
        (job["request"], job["dry_run"]) = (request.clone(), json!(true));
        let events = worker(&s, 0, format!("{job}\n").as_bytes());
        let planned: Vec<_> = events.iter().filter(|e| e["event"] == "planned").collect();
        let ids: std::collections::HashSet<_> = planned.iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), pictures, "{planned:?}");
        let mut jobs: Vec<_> = planned
            .iter()
            .map(|e| json!({ "plan": e["plan"], "file": format!("{folder}/cells/{}", e["cell"].as_str().unwrap()) }))
            .collect();
        job["dry_run"] = json!(false);
        job["request"]["seed"] = events.last().unwrap()["seed"].clone();
        jobs.push(job);
        let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
        let events = worker(&s, 0, lines.as_bytes());
        assert_eq!(events.last().unwrap()["event"], end);
        assert_eq!(events.iter().filter(|e| e["event"] == "picture").count(), 0, "nothing is drawn again");
    }
    assert!(s.names("out/plot").contains(&"grid.png".to_owned()));
}
