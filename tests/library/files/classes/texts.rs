//! Texts that people write: presets, styles, prompt files, webui's options.

use std::path::Path;

use lbw::app::{Caller, Places, Reading, Session, prompt_files, read_presets};
use lbw::files::limits::{PROMPT, TEXT};
use lbw::plan::{Request, Settings};
use lbw::preset::PresetSet;

use super::{Class, Told, bad, odd, tried};

/// What a text may be, whatever is to be in it.
pub fn texts(good: &str) -> Vec<Class> {
    let bytes = good.as_bytes();
    let utf16: Vec<u8> = "\u{feff}a: 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let unknown = |text: String| odd(text.chars().take(12).collect::<String>(), text);
    vec![
        odd("nothing", []),
        odd("a mark of UTF-8 alone", *b"\xef\xbb\xbf"),
        odd("a mark of UTF-16 alone", *b"\xff\xfe"),
        bad("UTF-16 that is cut", &utf16[..utf16.len() - 1]),
        bad("half a pair of UTF-16", *b"\xff\xfea\0\0\xd8b\0"),
        bad("half a letter", [bytes, b"\xe3\x81"].concat()),
        bad("Latin-1", [bytes, b"caf\xe9 \xfc\xdf"].concat()),
        bad("more than any text has", vec![b'#'; TEXT + 1]),
        bad("a picture", *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\xff\xfe"),
        bad("something packed", *b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xfe\xfd"),
        odd("zeros", [0; 4096]),
        odd("a zero in it", [&bytes[..bytes.len() / 2], b"\0", &bytes[bytes.len() / 2..]].concat()),
        odd("words to a terminal", [b"\x1b]0;x\x07\x1b[2J\x08", bytes].concat()),
        odd("letters that turn the others around", ["\u{202e}\u{2066}".as_bytes(), bytes].concat()),
        odd("ends of lines that are none", [bytes, "\u{85}\u{2028}\u{2029}\x0b\x0c\r".as_bytes(), bytes].concat()),
        odd("its first half", &bytes[..good.floor_char_boundary(bytes.len() / 2)]),
        odd("twice", bytes.repeat(2)),
        odd("a hundred thousand lines of nothing", vec![b'\n'; 100_000]),
        odd("a line of 100,000 letters", vec![b'a'; 100_000]),
        odd("a letter of 20,000 marks", format!("e{}", "\u{301}".repeat(20_000))),
        odd("numbers beyond numbers", "1e999999,-0,nan,inf,0x7fffffffffffffffffff,1_000\n".repeat(100)),
        odd("a number of 20,000 digits", format!("{good}\nx: {}", "9".repeat(20_000))),
        unknown("[".repeat(20_000)),
        unknown("{\"a\":".repeat(20_000)),
        unknown("(".repeat(20_000)),
        unknown("\"".repeat(20_001)),
        unknown("- ".repeat(20_000)),
        unknown("&a [*a,*a]\n".repeat(2000)),
        unknown(",".repeat(20_000)),
        unknown("\t".repeat(20_000)),
        unknown("name: x\n".repeat(5000)),
        unknown("\\".repeat(20_001)),
    ]
}

/// Writes `bytes` into a file of this name and reads it there.
fn in_file(name: &str, bytes: &[u8], read: impl Fn(&Path) -> Told) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path)
}

fn presets(name: &str, bytes: &[u8]) -> Told {
    in_file(name, bytes, |path| Ok(read_presets(path, false, PresetSet::builtin())?.1))
}

#[test]
fn preset_files() {
    let yaml = "layout: sdxl-12\npresets:\n  MINE: 1,0,0,0,1,1,1,1,1,1,1,1\n";
    tried("YAML presets", yaml.as_bytes(), texts(yaml), |bytes| presets("p.yaml", bytes));
    let weights = "MINE:1,0,0,0,1,1,1,1,1,1,1,1\n";
    tried("webui's presets", weights.as_bytes(), texts(weights), |bytes| presets("lbwpresets.txt", bytes));
    let elements = "MINE:IN05-OUT05:attn:0\n";
    tried("webui's element presets", elements.as_bytes(), texts(elements), |bytes| presets("elempresets.txt", bytes));
}

/// As much as a prompt may have of everything that its language gives a meaning to, and more than that.
#[test]
fn prompts() {
    let units = [
        "(",
        "]",
        "|",
        "\\",
        "#\n",
        "AND ",
        "a AND b:9 ",
        "(a:1.2)",
        "(a:1.2.3)",
        "[a|b]",
        "[[a:b:",
        "<lora:a:1:lbw=XLMID>",
        "<a:b>",
        "<lora:",
    ];
    let full = |unit: &&str| odd(format!("{unit:?}, the most of it"), unit.repeat(PROMPT / unit.len()));
    let long = |unit: &&str| bad(format!("{unit:?}, too much of it"), unit.repeat(TEXT / unit.len()));
    let named: String = (0..20_000).map(|n| format!("<lora:{n}:1>")).collect();
    let edited: String = (0..10_000).map(|n| format!("[a{n}|b:{n}]")).collect();
    let classes = units.iter().map(full).chain(["(", "[a|b]", "<lora:a:1>"].iter().map(long)).chain([
        bad("20,000 LoRAs that there are not", &named[..PROMPT]),
        odd("10,000 edits", &edited[..edited.len().min(PROMPT)]),
        odd("a letter of as many marks", format!("e{}", "\u{301}".repeat(PROMPT / 2 - 1))),
        odd("brackets around brackets", ["(".repeat(PROMPT / 2), ")".repeat(PROMPT / 2)].concat()),
    ]);
    let session = session(Places::default()).unwrap();
    tried("prompts", b"a (cat:1.2), [dog|bird]", classes, |bytes| {
        let text = std::str::from_utf8(bytes).unwrap();
        let request = Request { settings: Settings { steps: 7, ..Settings::default() }, ..Request::new(text, "") };
        Ok(session.lower(&request, PresetSet::builtin()).1)
    });
}

#[test]
fn prompt_files_in_every_form() {
    for (name, good) in [
        ("a.txt", "a cat\n--prompt \"a dog\" --steps 3\n"),
        ("a.jsonl", "{\"prompt\": \"a cat\", \"steps\": 3}\n{\"prompt\": \"a dog\"}\n"),
        ("a.json", "[{\"prompt\": \"a cat\", \"steps\": 3}]"),
        ("a.csv", "prompt,steps\na cat,3\n"),
        ("a.tsv", "prompt\tsteps\na cat\t3\n"),
        ("a.toml", "[prompt]\n[[prompt.subset]]\nprompt = \"a cat\"\n"),
    ] {
        tried(name, good.as_bytes(), texts(good), |bytes| {
            in_file(name, bytes, |path| {
                let sources = prompt_files(&[path.to_owned()], Reading::default())?;
                Ok(sources.found.into_iter().map(|found| found.diagnostic).collect())
            })
        });
    }
}

fn session(places: Places) -> lbw::app::Result<Session> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    Session::open(&Places { cache, ..places }, Caller::default())
}

#[test]
fn styles_files() {
    let good = "name,prompt,negative_prompt\nbright,\"{prompt}, light\",dark\n";
    let mut classes = texts(good);
    let many: String = (0..300_000).map(|n| format!("{n},a,b\n")).collect();
    let doubled = "{prompt}".repeat(200_000);
    classes.extend([
        odd("300,000 styles", format!("name,prompt,negative_prompt\n{many}")),
        odd("one name 100,000 times", format!("name,prompt,negative_prompt\n{}", "x,{prompt},\n".repeat(100_000))),
        odd("a prompt 200,000 times", format!("name,prompt,negative_prompt\nx,{doubled},\n")),
    ]);
    tried("styles", good.as_bytes(), classes, |bytes| {
        in_file("styles.csv", bytes, |path| {
            session(Places { styles: vec![path.to_owned()], ..Places::default() })?.all_styles()?;
            Ok(Vec::new())
        })
    });
}

#[test]
fn options_of_a_webui() {
    let good = r#"{"CLIP_stop_at_last_layers": 2, "samples_format": "png"}"#;
    let mut classes = texts(good);
    classes.extend([
        bad("a list", *b"[1, 2]"),
        bad("a number", *b"17"),
        odd("a name twice", *br#"{"eta_noise_seed_delta": 1, "eta_noise_seed_delta": "x"}"#),
        odd("a number too large", *br#"{"CLIP_stop_at_last_layers": 1e308}"#),
        odd("lists in lists", format!("{{\"a\": {}1{}}}", "[".repeat(100), "]".repeat(100))),
        odd("half a pair", *br#"{"sd_vae": "\ud800"}"#),
        odd(
            "20,000 options",
            format!("{{{}\"z\": 1}}", (0..20_000).map(|n| format!("\"o{n}\": {n},")).collect::<String>()),
        ),
    ]);
    tried("config.json", good.as_bytes(), classes, |bytes| {
        in_file("config.json", bytes, |path| {
            let webui = path.parent().map(Path::to_owned);
            Ok(session(Places { webui, ..Places::default() })?.found)
        })
    });
}
