//! Lists of what there is to name: files of every kind, samplers, styles, presets.

use std::path::Path;

use serde_json::{Value, json};

use super::error::Result;
use super::session::Session;
use crate::checkpoint::TensorFile;
use crate::diagnostic::{Said, Text};
use crate::lora::Inspection;
use crate::model::Architecture;
use crate::plan::{LatentUpscaler, Sampler, ScheduleType};
use crate::preset::Preset;
use crate::say;

/// What there are lists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are their names")]
pub enum Things {
    Loras,
    Models,
    Vaes,
    Embeddings,
    Samplers,
    Schedules,
    Upscalers,
    Styles,
    Presets,
}

/// A list: a table for people, and a value of each row for programs.
#[derive(Debug, Default)]
pub struct List {
    heads: Vec<Text>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    cells: Vec<Text>,
    value: Value,
}

impl Things {
    /// All of them, by the names of their commands.
    pub const ALL: [(&'static str, Things); 9] = [
        ("loras", Things::Loras),
        ("models", Things::Models),
        ("vaes", Things::Vaes),
        ("embeddings", Things::Embeddings),
        ("samplers", Things::Samplers),
        ("schedules", Things::Schedules),
        ("upscalers", Things::Upscalers),
        ("styles", Things::Styles),
        ("presets", Things::Presets),
    ];

    /// What its list is of.
    pub fn about(self) -> Text {
        match self {
            Things::Loras => say!(
                "LoRA files: kind, what they are made for, rank, size, folder, trigger words",
                "LoRA のファイル: 種類・対象・ランク・大きさ・フォルダー・トリガーワード"
            ),
            Things::Models => say!("Checkpoints that --model can name", "--model で選べるチェックポイント"),
            Things::Vaes => say!("VAEs that --vae can name", "--vae で選べる VAE"),
            Things::Embeddings => say!("Textual-inversion embeddings", "埋め込み (textual inversion)"),
            Things::Samplers => say!("Samplers", "サンプラー"),
            Things::Schedules => say!("Schedule types", "スケジュールの種類"),
            Things::Upscalers => say!("Upscalers of latents and of pictures", "潜在と画像のアップスケーラー"),
            Things::Styles => say!("Styles that --style can name", "--style で選べるスタイル"),
            Things::Presets => say!("Weight and element presets", "重みと要素のプリセット"),
        }
    }

    /// What the values of a setting are, where there is a list of them.
    pub fn of_setting(name: &str) -> Option<Self> {
        Some(match name {
            "sampler" | "hires_sampler" => Things::Samplers,
            "schedule_type" | "hires_schedule_type" => Things::Schedules,
            "hires_upscaler" => Things::Upscalers,
            "model" => Things::Models,
            "vae" => Things::Vaes,
            "styles" => Things::Styles,
            _ => return None,
        })
    }
}

/// The things of one kind that a session finds.
pub fn list(session: &Session, things: Things) -> Result<List> {
    match things {
        Things::Loras => Ok(loras(session)),
        Things::Models => models(session),
        Things::Vaes => Ok(vaes(session)),
        Things::Embeddings => Ok(embeddings(session)),
        Things::Samplers => Ok(samplers()),
        Things::Schedules => Ok(schedules()),
        Things::Upscalers => Ok(upscalers(session)),
        Things::Styles => styles(session),
        Things::Presets => Ok(presets(session)),
    }
}

impl List {
    fn new(heads: impl IntoIterator<Item = Text>) -> Self {
        List { heads: heads.into_iter().collect(), rows: Vec::new() }
    }

    fn add(&mut self, name: &str, cells: impl IntoIterator<Item = Text>, value: Value) {
        let cells = std::iter::once(Text::same(name)).chain(cells).collect();
        self.rows.push(Row { name: name.to_owned(), cells, value });
    }

    /// The names alone, as they are written in prompts and behind flags.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.name.as_str())
    }

    /// The rows for programs.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.rows.iter().map(|row| &row.value)
    }

    /// The table for people; a word where there is nothing.
    pub fn table(&self) -> Text {
        if self.rows.is_empty() {
            return say!("there are none\n", "ありません\n");
        }
        let rows = std::iter::once(self.heads.as_slice()).chain(self.rows.iter().map(|row| row.cells.as_slice()));
        Text::table(rows)
    }
}

/// The folder below which a file was found, and its size.
fn place(path: &Path) -> (Text, Text) {
    let folder = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    (Text::same(folder), Text::same(size(bytes(path))))
}

/// The size of a file.
pub(super) fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map(|data| data.len()).unwrap_or_default()
}

/// As file managers show it.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

fn loras(session: &Session) -> List {
    let mut list = List::new([
        say!("name", "名前"),
        say!("kind", "種類"),
        say!("for", "対象"),
        say!("rank", "ランク"),
        say!("size", "大きさ"),
        say!("folder", "フォルダー"),
        say!("trigger words", "トリガーワード"),
    ]);
    for entry in session.loras.entries() {
        let (folder, file_size) = place(&entry.path);
        let file = json!({ "name": entry.name, "path": entry.path.to_string_lossy(), "bytes": bytes(&entry.path) });
        let found = match Inspection::of_file(&entry.path, None) {
            Ok(found) => found,
            Err(error) => {
                let why = error.said();
                let unreadable = say!("unreadable: {why}", "読めません: {why}", with why);
                let cells = [unreadable, Text::same("?"), Text::same("?"), file_size, folder, Text::default()];
                list.add(&entry.name, cells, with(file, json!({ "error": &*error.said() })));
                continue;
            }
        };
        let kinds = found.kinds.keys().map(ToString::to_string).collect::<Vec<_>>();
        let ranks = match (found.ranks.keys().next(), found.ranks.keys().next_back()) {
            (Some(least), Some(most)) if least != most => format!("{least}–{most}"),
            (Some(rank), _) => rank.to_string(),
            _ => "-".to_owned(),
        };
        let words = trigger_words(&found.metadata);
        let made_for = found.made_for.unwrap_or("?");
        let cells = [kinds.join(", "), made_for.to_owned(), ranks].map(Text::same);
        let rest = [file_size, folder, Text::same(words.join(", "))];
        let value = json!({
            "kinds": kinds, "made_for": found.made_for, "ranks": found.ranks.keys().collect::<Vec<_>>(),
            "trigger_words": words,
        });
        list.add(&entry.name, cells.into_iter().chain(rest), with(file, value));
    }
    list
}

/// All fields of both objects.
fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}

/// What a LoRA answers to: what its author says, or the words that most pictures it was trained with have in common.
fn trigger_words(metadata: &std::collections::BTreeMap<String, String>) -> Vec<String> {
    const SHOWN: usize = 3;
    const LONGEST: usize = 60;
    if let Some(phrase) = metadata.get("modelspec.trigger_phrase").filter(|phrase| !phrase.trim().is_empty()) {
        let words = phrase.split(',').map(|word| word.trim().chars().take(LONGEST).collect::<String>());
        return words.filter(|word| !word.is_empty()).take(SHOWN).collect();
    }
    let Some(Ok(Value::Object(folders))) = metadata.get("ss_tag_frequency").map(|json| serde_json::from_str(json))
    else {
        return Vec::new();
    };
    let mut counts: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
    for (tag, count) in folders.values().filter_map(Value::as_object).flatten() {
        *counts.entry(tag.trim().chars().take(LONGEST).collect()).or_default() += count.as_u64().unwrap_or_default();
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(tag, _)| !tag.is_empty()).collect();
    counts.sort_by(|(a, p), (b, q)| q.cmp(p).then_with(|| a.cmp(b)));
    counts.into_iter().take(SHOWN).map(|(tag, _)| tag).collect()
}

fn models(session: &Session) -> Result<List> {
    let mut list =
        List::new([say!("name", "名前"), say!("for", "系列"), say!("size", "大きさ"), say!("folder", "フォルダー")]);
    for (path, _) in session.checkpoints()? {
        let family = TensorFile::open(&path).ok().and_then(|file| Some(Architecture::of(&file)?.family.label()));
        add_file(&mut list, &path, [Text::same(family.unwrap_or("?"))], json!({ "family": family }));
    }
    Ok(list)
}

fn vaes(session: &Session) -> List {
    let mut list = List::new([say!("name", "名前"), say!("size", "大きさ"), say!("folder", "フォルダー")]);
    for (path, _) in session.catalogue.vaes() {
        add_file(&mut list, &path, [], json!({}));
    }
    list
}

fn embeddings(session: &Session) -> List {
    let mut list =
        List::new([say!("name", "名前"), say!("for", "対象"), say!("size", "大きさ"), say!("folder", "フォルダー")]);
    for file in session.embeddings.files() {
        let made_for = match &file.widths {
            Ok(widths) if widths.0.len() > 1 => Text::same("SDXL"),
            Ok(_) => Text::same("SD1"),
            Err(why) => why.said(),
        };
        let value = json!({ "usable": file.widths.is_ok() });
        add_file(&mut list, &file.path, [made_for], value);
    }
    list
}

/// A file by its stem, with what is known of it between its name and its place.
fn add_file<const N: usize>(list: &mut List, path: &Path, about: [Text; N], value: Value) {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let (folder, size) = place(path);
    let file = json!({ "name": name, "path": path.to_string_lossy(), "bytes": bytes(path) });
    list.add(&name, about.into_iter().chain([size, folder]), with(file, value));
}

fn samplers() -> List {
    let mut list = List::new([say!("name", "名前"), say!("schedule type by itself", "既定のスケジュール")]);
    for sampler in Sampler::ALL {
        let schedule = sampler.default_schedule().map(ScheduleType::label);
        let value = json!({ "name": sampler.label(), "schedule_type": schedule });
        list.add(sampler.label(), [Text::same(schedule.unwrap_or("-"))], value);
    }
    list
}

fn schedules() -> List {
    let mut list = List::new([say!("name", "名前")]);
    for schedule in ScheduleType::ALL {
        list.add(schedule.label(), [], json!({ "name": schedule.label() }));
    }
    list
}

fn upscalers(session: &Session) -> List {
    let mut list = List::new([say!("name", "名前"), say!("enlarges", "拡大するもの")]);
    let latent = LatentUpscaler::ALL.into_iter().map(|upscaler| (upscaler.label(), "latents"));
    let pictures = session.upscalers.names().into_iter().map(|name| (name, "pictures"));
    for (name, what) in latent.chain(pictures) {
        let said = if what == "latents" { say!("latents", "潜在") } else { say!("pictures", "画像") };
        list.add(name, [said], json!({ "name": name, "enlarges": what }));
    }
    list
}

fn styles(session: &Session) -> Result<List> {
    let mut list = List::new([
        say!("name", "名前"),
        say!("prompt", "プロンプト"),
        say!("negative prompt", "ネガティブプロンプト"),
    ]);
    for style in session.all_styles()?.iter() {
        let cells = [&style.prompt, &style.negative_prompt].map(|text| Text::same(shortened(text)));
        let value = json!({ "name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt });
        list.add(&style.name, cells, value);
    }
    Ok(list)
}

fn presets(session: &Session) -> List {
    let mut list =
        List::new([say!("name", "名前"), say!("kind", "種類"), say!("value", "値"), say!("defined in", "定義")]);
    let presets = &session.presets;
    let weights = presets.weights.iter().map(|preset| ("weights", say!("weights", "重み"), preset));
    let elements = presets.elements.iter().map(|preset| ("elements", say!("elements", "要素"), preset));
    for (kind, kind_said, preset) in weights.chain(elements) {
        let Preset { name, value, origin } = preset;
        let cells = [kind_said, Text::same(shortened(value)), Text::same(origin)];
        let value = json!({ "kind": kind, "name": name, "value": value, "file": &*origin.file, "line": origin.line });
        list.add(name, cells, value);
    }
    list
}

/// A text in one line of a table.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let line = text.replace('\n', " / ");
    let short: String = line.chars().take(SHOWN).collect();
    if short.len() < line.len() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigger_words_are_the_authors_or_the_most_frequent() {
        let words = |pairs: &[(&str, &str)]| {
            let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            trigger_words(&metadata.collect())
        };
        assert_eq!(words(&[("modelspec.trigger_phrase", "my style, by me")]), ["my style", "by me"]);
        let frequency = r#"{"5_a": {"red": 3, "blue": 9, "me": 9}, "2_b": {"red": 8, "rare": 1}}"#;
        assert_eq!(words(&[("ss_tag_frequency", frequency)]), ["red", "blue", "me"]);
        assert_eq!(words(&[("ss_tag_frequency", "{")]), [""; 0]);
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([0, 1023, 1024, 1536 << 20].map(size), ["0 B", "1023 B", "1.0 KiB", "1.5 GiB"]);
    }
}
