//! What lbw writes for itself, and somebody else may have written: plans, manifests, jobs, and what is remembered.

use std::path::Path;
use std::sync::Arc;

use lbw::app::worker::{Wish, serve};
use lbw::app::{Caller, EngineSettings, Places, Session, batch};
use lbw::diagnostic::Language;
use lbw::files::{cached_sha256, sha256_of_file};
use lbw::plan::{Request, Settings, lower};
use lbw::preset::PresetSet;
use serde_json::Value;

use super::texts::texts;
use super::{Class, Told, bad, odd, peak, tried};

fn plan() -> String {
    let mut request = Request::new("a cat <lora:house:1:lbw=XLOUT>", "");
    // Were it drawn, it would be soon.
    request.settings = Settings { steps: 1, width: 32, height: 32, ..Settings::default() };
    let plan = lower(&request, PresetSet::builtin()).plan.unwrap();
    serde_json::to_string(&plan).unwrap()
}

/// The text with each of its members of these names replaced by something else.
fn replaced(good: &str) -> Vec<Class> {
    let values = ["null", "[]", "{}", "-1", "1e308", "18446744073709551615", "\"\\u0000\"", "true", "[[[[]]]]"];
    let value: Value = serde_json::from_str(good).unwrap();
    let names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    let classes = names.iter().flat_map(|name| {
        let value = &value;
        values.iter().map(move |new| {
            let mut value = value.clone();
            value[name] = serde_json::from_str(new).unwrap();
            odd(format!("`{name}` is {new}"), value.to_string())
        })
    });
    classes.collect()
}

#[test]
fn plans() {
    let good = plan();
    let mut classes = texts(&good);
    classes.extend(replaced(&good));
    tried("plans", good.as_bytes(), classes, |bytes| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        std::fs::write(&path, bytes).unwrap();
        let plans = lbw::app::plans(&path)?.unwrap_or_default();
        Ok(plans.iter().flat_map(lbw::plan::limits).map(|limit| limit.diagnostic()).collect())
    });
}

#[test]
fn manifests() {
    let header = r#"{"lbw_batch":1,"sources":["a.txt"],"seed_base":1,"edition":1}"#;
    let job = r#"{"id":"a","file":"a.png","source":"a.txt","line":1,"seed":1,"state":"planned"}"#;
    let good = format!("{header}\n{job}\n");
    let read = |bytes: &[u8]| -> Told {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.jsonl"), bytes).unwrap();
        let told = batch::verify(folder.path())?;
        // There is no picture in the folder.
        assert_eq!((told.bad.len() + told.lost, batch::state(folder.path())?.pictures), (told.pictures, told.pictures));
        Ok(Vec::new())
    };
    // A text that begins well is a manifest, whatever comes then; any other is none.
    let mut classes: Vec<Class> = texts(&good).into_iter().filter(|class| class.bytes.len() > 3).collect();
    classes.extend(texts(job).into_iter().map(|class| Class { is_refused: true, ..class }));
    classes.extend(replaced(header).into_iter().map(|class| {
        let bytes = [&class.bytes[..], b"\n", job.as_bytes()].concat();
        Class { bytes, ..class }
    }));
    classes.extend(replaced(job).into_iter().map(|class| {
        let bytes = [header.as_bytes(), b"\n", &class.bytes, b"\n", job.as_bytes()].concat();
        Class { bytes, ..class }
    }));
    classes.extend([
        bad("a manifest of a later program", good.replace("\"lbw_batch\":", "\"lbw_batch\":9")),
        bad("a seed base that was changed", good.replace("\"edition\":1", "\"edition\":1,\"crc32\":5")),
        odd("one picture 50,000 times", format!("{header}\n{}", format!("{job}\n").repeat(50_000))),
    ]);
    // What is not UTF-8 is read as far as it is: a line that is none is no job.
    for class in &mut classes {
        class.is_refused &= !class.bytes.starts_with(header.as_bytes());
    }
    tried("manifests", good.as_bytes(), classes, read);
}

/// Lines that other programs send to a worker: each is answered, with its tag, in the language of the worker.
#[test]
fn jobs_of_a_worker() {
    let good = format!(r#"{{"tag":1,"plan":{},"file":"a.png"}}"#, plan());
    let mut lines: Vec<Vec<u8>> = texts(&good).into_iter().map(|class| class.bytes).collect();
    lines.retain(|line| line.len() > 3);
    let value: Value = serde_json::from_str(&good).unwrap();
    let wrong = ["null", "[]", "-1", "1e308", "\"\\u0000\"", "true", "{}"];
    for (name, new) in ["plan", "file"].iter().flat_map(|name| wrong.map(|new| (name, new))) {
        let mut value = value.clone();
        value[name] = serde_json::from_str(new).unwrap();
        // Without a name the worker gives one.
        lines.extend((*name != "file" || new != "null").then(|| value.to_string().into_bytes()));
    }
    for name in ["../a.png", "/tmp/a.png", "a.txt", "a\\u0000.png"] {
        lines.push(good.replace("\"a.png\"", &format!("\"{name}\"")).into_bytes());
    }
    let is_line = |line: &&Vec<u8>| !line.trim_ascii().is_empty() && line.iter().all(|byte| !b"\r\n".contains(byte));
    let lines: Vec<Vec<u8>> = lines.iter().filter(is_line).filter(|line| **line != good.as_bytes()).cloned().collect();
    assert!(lines.len() >= 30, "{}", lines.len());
    let input = lines.join(&b"\n"[..]);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let session = Session::open(&Places { cache, ..Places::default() }, Caller::default()).unwrap();
    let session = Arc::new(session);
    let folder = tempfile::tempdir().unwrap();
    let [en, ja] = [Language::En, Language::Ja].map(|language| {
        let wish = Wish { folder: folder.path().to_owned(), init: Vec::new(), mask: Vec::new(), language };
        let mut events = Vec::new();
        let mut listen = |event| {
            events.push(event);
            true
        };
        let ended = serve(session.clone(), EngineSettings::default(), wish, &mut &input[..], &mut listen);
        assert!(ended.is_err(), "some jobs fail");
        events.into_iter().filter(|event| event["event"] == "failed").collect::<Vec<_>>()
    });
    assert_eq!((en.len(), ja.len()), (lines.len(), lines.len()));
    for (en, ja) in en.iter().zip(&ja) {
        assert!(en["findings"][0]["code"].as_str().is_some_and(|code| code.len() == 5), "{en}");
        assert_ne!(en["message"], ja["message"]);
        assert!(!en.to_string().contains('\u{1b}') && en.to_string().len() < 1 << 16);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is drawn");
}

/// What is remembered of a file is believed where it is a hash, and made again where it is not.
#[test]
fn hashes_that_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (file, cache) = (folder.path().join("a"), folder.path().join("cache"));
    std::fs::write(&file, "abc").unwrap();
    let hash = sha256_of_file(&file).unwrap();
    cached_sha256(&file, &cache).unwrap();
    let remembered = std::fs::read_dir(cache.join("sha256")).unwrap().next().unwrap().unwrap().path();
    // Nothing is told of it: the file is nobody's but the program's.
    for Class { name, bytes, .. } in texts(&hash) {
        std::fs::write(&remembered, bytes).unwrap();
        let (again, held) = peak(|| cached_sha256(&file, &cache).unwrap());
        assert!(again == hash && held < 4 << 20, "{name}: {again}, {held} bytes");
        assert_eq!(std::fs::read(&remembered).unwrap(), hash.as_bytes(), "{name}: it is put right");
    }
    std::fs::remove_file(&remembered).unwrap();
    std::fs::create_dir(&remembered).unwrap();
    assert_eq!(cached_sha256(&file, &cache).unwrap(), hash);
}
