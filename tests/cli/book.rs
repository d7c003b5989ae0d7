//! The book in `docs`: every command in it runs as it stands there, every page is in its table of contents, and its reference is what
//! the program's tables say.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lbw::diagnostic::Language;
use lbw::diagnostic::code;
use lbw::plan::Wanted;
use lbw::plan::settings::{Group, Setting, table};
use serde_json::Value;

use crate::sandbox::{LBW, Sandbox, expect, repository};

/// So that commands take seconds: what is always meant, where a page does not say otherwise.
const QUICK: &str = "[settings]\nsteps = 2\nwidth = 64\nheight = 64\n";
/// Where `lbw serve` listens in the book.
const PORT: &str = "127.0.0.1:7860";

/// A fenced block: what stands behind its first fence, and its lines.
struct Block {
    info: String,
    lines: Vec<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut all, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(info) => {
                if !open {
                    all.push(Block { info: info.to_owned(), lines: Vec::new() });
                }
                open = !open;
            }
            None if open => all.last_mut().unwrap().lines.push(line.to_owned()),
            None => {}
        }
    }
    assert!(!open, "a fence is not closed");
    all
}

/// A server that a page started; it ends with the page.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(s: &Sandbox, words: &[&str]) -> (Server, String) {
    let mut command = s.lbw(&[words, &["--port", "0"]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    (Server(child), address)
}

/// Runs the commands of an English page, which are those of the Japanese one, in a folder with the files that it shows.
fn run(page: &str) {
    let s = Sandbox::new();
    s.write("config.toml", QUICK);
    let (mut server, mut address) = (None, PORT.to_owned());
    let mut commands = 0;
    for block in blocks(&std::fs::read_to_string(repository("docs").join(page)).unwrap()) {
        let mut words = block.info.split(' ');
        match (words.next(), words.next()) {
            (Some("console"), _) => {}
            (Some(_), Some(name)) => {
                s.write(name, block.lines.join("\n") + "\n");
                continue;
            }
            _ => continue,
        }
        for line in block.lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
            commands += 1;
            let words: Vec<&str> = line.split(' ').collect();
            if words.starts_with(&["lbw", "serve"]) {
                let (started, at) = serve(&s, &words[1..]);
                (server, address) = (Some(started), at);
                continue;
            }
            // A shell as the reader's, in which `lbw` is this program.
            let mut shell: Command = s.command("sh");
            let path = std::env::join_paths(
                [PathBuf::from(LBW).parent().unwrap().to_owned()]
                    .into_iter()
                    .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
            );
            let line = line.replace(PORT, &address);
            shell.args(["-c", &line]).env("PATH", path.unwrap()).env("LBW_CONFIG", s.path("config.toml"));
            let (out, _) = expect(0, &mut shell);
            assert!(!out.contains("\"error\""), "{line}: {out}");
        }
    }
    drop(server);
    assert!(commands > 1, "{page} has no commands");
}

macro_rules! pages {
    ($($name:ident $page:literal)*) => {
        $(#[test] fn $name() { run(concat!($page, ".md")); })*
        const PAGES: &[&str] = &[$(concat!($page, ".md")),*];
    };
}

pages! {
    en_first_picture "en/first-picture"
    en_story "en/story"
    en_files "en/files"
    en_batch "en/batch"
    en_server "en/server"
    en_clusters "en/clusters"
}

#[test]
fn every_page_is_in_the_book_and_both_languages_have_the_same_commands() {
    let docs = repository("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let linked: Vec<&str> = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for page in &linked {
        assert!(docs.join(page).is_file(), "{page} is in SUMMARY.md and is not there");
    }
    for language in ["en", "ja"] {
        for page in std::fs::read_dir(docs.join(language)).unwrap() {
            let page = format!("{language}/{}", page.unwrap().file_name().to_str().unwrap());
            assert!(linked.contains(&page.as_str()) && PAGES.contains(&page.replace("ja/", "en/").as_str()), "{page}");
        }
    }
    let commands = |page: &str| -> Vec<String> {
        let blocks = blocks(&std::fs::read_to_string(docs.join(page)).unwrap());
        blocks.into_iter().flat_map(|block| block.lines).filter(|line| line.starts_with("$ ")).collect()
    };
    for page in PAGES {
        assert_eq!(commands(page), commands(&page.replace("en/", "ja/")), "{page}");
    }
}

/// Compares with what is there; with `LBW_WRITE_DOCS` it is written instead.
fn is_written(page: &str, text: &str) {
    let path = repository("docs").join(page);
    if std::env::var_os("LBW_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "{page} is not what the program says: LBW_WRITE_DOCS=1 cargo test --test cli book writes it"
    );
}

/// A cell of a table in Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

fn code_of(names: &[&str]) -> String {
    names.iter().filter(|name| !name.is_empty()).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_reference_of_diagnostics_is_that_of_the_program() {
    for (language, page, title, intro) in [
        (
            Language::En,
            "reference/diagnostics.md",
            "Diagnostics",
            "`lbw explain CODE` prints these texts. An `E` draws nothing; a `W` is drawn and told, and refused with `--strict`; an `N` is worth knowing.",
        ),
        (
            Language::Ja,
            "reference/diagnostics.ja.md",
            "診断の一覧",
            "`lbw explain コード` で同じ説明を表示します。`E` では何も描きません。`W` は描いたうえで知らせ、`--strict` では描きません。`N` は参考です。",
        ),
    ] {
        let mut text = format!("# {title}\n\n{intro}\n");
        for code in code::ALL {
            write!(text, "\n## {}: {}\n\n{}\n", code.id, cell(code.title(language)), code.explanation(language))
                .unwrap();
        }
        is_written(page, &text);
    }
}

#[test]
fn the_reference_of_settings_is_that_of_the_program() {
    let group = |group: Group, language: Language| match (group, language) {
        (Group::Main, Language::En) => "Prompts and what everybody sets",
        (Group::Main, Language::Ja) => "プロンプトと基本の設定",
        (Group::Hires, Language::En) => "The second pass",
        (Group::Hires, Language::Ja) => "第 2 パス",
        (Group::Picture, Language::En) => "Drawing over a picture",
        (Group::Picture, Language::Ja) => "画像の上に描く",
        (Group::Rare, Language::En) => "What webui keeps in its settings",
        (Group::Rare, Language::Ja) => "webui の設定画面にあるもの",
        (Group::Files, Language::En) => "Files",
        (Group::Files, Language::Ja) => "ファイル",
    };
    let default = Wanted::default();
    let row = |setting: &Setting, language: Language| {
        let flag = setting.flag_name();
        let short = setting.short.map(|short| format!("-{short}")).unwrap_or_default();
        let flags = code_of(&[&format!("--{flag}"), &short]);
        let value = match (setting.get)(&default) {
            Value::Null => String::new(),
            Value::String(text) if text.is_empty() => String::new(),
            Value::Array(list) if list.is_empty() => String::new(),
            value => format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        };
        let names = code_of(&[&[setting.name][..], setting.api].concat());
        let (infotext, option) = (code_of(setting.infotext), code_of(setting.option.as_slice()));
        let help = setting.help();
        format!("| {flags} | {infotext} | {names} | {option} | {value} | {} |\n", cell(help.in_language(language)))
    };
    for (language, page, title, intro, head) in [
        (
            Language::En,
            "reference/settings.md",
            "Settings",
            "Every setting with its names: the flag, what infotext calls it, what prompt files, tables, JSON and webui's API call it, and the option of \
             webui's `config.json`. Any of these names is understood in prompt files and requests. Other spellings of flags (webui's \
             underscores, `-W`, `--cfg`) are understood as well.",
            "| flag | infotext | files, JSON, API | webui's option | default | |",
        ),
        (
            Language::Ja,
            "reference/settings.ja.md",
            "設定の一覧",
            "すべての設定と名前です。フラグ、infotext の項目、プロンプトファイル・表・JSON・webui の API での名前、webui の `config.json` のオプションを\
             並べています。プロンプトファイルとリクエストでは、どの名前でも読めます。フラグは別の綴り (webui のアンダースコア、`-W`、`--cfg` など) でも読めます。",
            "| フラグ | infotext | ファイル・JSON・API | webui のオプション | 既定値 | |",
        ),
    ] {
        let mut text = format!("# {title}\n\n{intro}\n");
        for of in [Group::Main, Group::Hires, Group::Picture, Group::Rare, Group::Files] {
            write!(text, "\n## {}\n\n{head}\n|---|---|---|---|---|---|\n", group(of, language)).unwrap();
            text.extend(table::all().filter(|setting| setting.group == of).map(|setting| row(setting, language)));
        }
        is_written(page, &text);
    }
}
