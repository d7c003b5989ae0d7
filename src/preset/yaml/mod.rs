//! lbw's own preset files: a map of `layout`, `presets` and `elements`.
//!
//! A preset is a vector text, a map from blocks to weights (blocks not named are 0), or `{of: NAME, BLOCK: weight}`: another
//! preset with changes. Every preset becomes a vector text, so the rest of the program knows only those.

mod write;

pub use write::{entry, write};

use std::collections::HashMap;
use std::sync::Arc;

use super::webui::{lengths_help, said_twice, size_check};
use super::{Comment, Origin, Preset, PresetFile, PresetSet};
use crate::block::{Layout, block_list};
use crate::diagnostic::{Diagnostic, FINDINGS_LIMIT, Said, Source, Text, at_most, code, did_you_mean};
use crate::files::yaml::{self, Node, YamlError};
use crate::say;
use crate::syntax::{lora_tag, python};

/// Reads a preset file. `known` are the presets of earlier files, which `of:` may name.
pub fn parse(name: &str, text: &str, known: &PresetSet) -> (PresetFile, Vec<Diagnostic>) {
    let mut found = size_check(name, text);
    let source = Source::new(name, text);
    if !found.is_empty() {
        return (PresetFile::default(), found);
    }
    let mut reader = Reader { known, lines: key_lines(text), source, found: Vec::new(), file: PresetFile::default() };
    match yaml::read(text) {
        Ok(node) => reader.read(node),
        Err(error) => reader.found.push(bad_yaml(&reader.source, &error)),
    }
    reader.comments(text);
    found.append(&mut reader.found);
    (reader.file, at_most(found, FINDINGS_LIMIT))
}

fn bad_yaml(source: &Source, error: &YamlError) -> Diagnostic {
    let found = Diagnostic::new(code::BAD_YAML, say!("{error}", "YAML として読めません: {error}")).within(source);
    let found = match error.place() {
        Some(at) => found.at(at..at + 1),
        None => found.at(0..0),
    };
    found.help(say!(
        "a preset file is a map with `layout:`, `presets:` and `elements:`",
        "プリセットファイルは `layout:`、`presets:`、`elements:` を持つマップです"
    ))
}

/// For every key, the lines (from 1) and offsets where a line begins with it. Good enough to point at a definition.
fn key_lines(text: &str) -> HashMap<String, Vec<(usize, usize)>> {
    let mut lines: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
    let mut offset = 0;
    for (line, number) in text.split('\n').zip(1..) {
        let trimmed = line.trim_start();
        let quoted = trimmed.starts_with(['"', '\'']);
        if let Some((key, _)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with('#')) {
            let key = if quoted { key.trim().trim_matches(['"', '\'']) } else { key.trim() };
            let start = offset + (line.len() - trimmed.len()) + usize::from(quoted);
            lines.entry(key.to_owned()).or_default().push((number, start));
        }
        offset += line.len() + 1;
    }
    lines
}

struct Reader<'a> {
    known: &'a PresetSet,
    lines: HashMap<String, Vec<(usize, usize)>>,
    source: Source,
    found: Vec<Diagnostic>,
    file: PresetFile,
}

/// Presets that are made of each other, one after the other.
const LONGEST_CHAIN: usize = 100;

impl Reader<'_> {
    fn read(&mut self, node: Node) {
        let entries = match node {
            Node::Map(entries) => entries,
            Node::Nothing => return,
            _ => {
                return self.report(
                    Diagnostic::new(
                        code::BAD_YAML,
                        say!("a preset file is a map", "プリセットファイルはマップでなければなりません"),
                    ),
                    None,
                );
            }
        };
        let layout = entries.iter().find(|(key, _)| key == "layout").and_then(|(_, node)| self.layout(node));
        for (key, node) in entries {
            match (key.as_str(), node) {
                ("layout", _) | ("presets" | "elements", Node::Nothing) => {}
                ("presets", Node::Map(presets)) => self.presets(presets, layout),
                ("elements", Node::Map(elements)) => elements.into_iter().for_each(|e| self.element(e)),
                ("presets" | "elements", _) => {
                    self.report(
                        Diagnostic::new(
                            code::BAD_YAML,
                            say!("`{key}` must be a map", "`{key}` はマップでなければなりません"),
                        )
                        .help(say!(
                            "write `NAME: value` lines under it",
                            "その下に `NAME: value` の行を書いてください"
                        )),
                        Some(&key),
                    );
                }
                _ => {
                    let near = did_you_mean(&key, ["layout", "presets", "elements"]).unwrap_or("presets");
                    let found = Diagnostic::new(
                        code::BAD_YAML,
                        say!("`{key}` is not known here", "`{key}` はここでは使えません"),
                    );
                    self.report(found.help(say!("did you mean `{near}`?", "`{near}` ではありませんか")), Some(&key));
                }
            }
        }
    }

    /// Adds a finding that points at the line of `key`, if it is known.
    fn report(&mut self, found: Diagnostic, key: Option<&str>) {
        let found = found.within(&self.source);
        let place = key.and_then(|key| Some((self.lines.get(key)?.first()?.1, key.len())));
        self.found.push(match place {
            Some((start, len)) => found.at(start..start + len),
            // Its beginning tells at least which file it is.
            None => found.at(0..0),
        });
    }

    fn layout(&mut self, node: &Node) -> Option<Layout> {
        let name = if let Node::Text(name) = node { name.as_str() } else { "" };
        let layout = Layout::from_name(name);
        if layout.is_none() {
            let names = Layout::ALL.map(Layout::name).join(", ");
            let found =
                Diagnostic::new(code::BAD_PRESET, say!("there is no layout `{name}`", "layout `{name}` はありません"));
            self.report(found.help(say!("layouts are {names}", "layout は {names} のどれかです")), Some("layout"));
        }
        layout
    }

    fn origin(&self, key: &str) -> Origin {
        let line = self.lines.get(key).and_then(|lines| lines.last()).map_or(1, |(line, _)| *line);
        Origin { file: Arc::clone(&self.source.name), line }
    }

    fn element(&mut self, (name, node): (String, Node)) {
        match node {
            Node::Text(value) => {
                let preset = Preset { origin: self.origin(&name), name, value };
                let old = self.file.elements.insert(preset);
                self.redefined(old);
            }
            _ => {
                let found = Diagnostic::new(
                    code::BAD_PRESET,
                    say!("the rules of `{name}` must be a text", "`{name}` の規則は文字列でなければなりません"),
                );
                self.report(
                    found.help(say!(
                        "write `blocks:elements:ratio`, rules separated by commas",
                        "`blocks:elements:ratio` をコンマで区切って書いてください"
                    )),
                    Some(&name),
                );
            }
        }
    }

    fn redefined(&mut self, old: Option<Preset>) {
        if let Some(old) = old {
            let found = Diagnostic::new(code::PRESET_REDEFINED, said_twice(&old.name));
            self.report(found.help(say!("remove one of them", "どちらかを消してください")), Some(&old.name));
        }
    }

    fn presets(&mut self, presets: Vec<(String, Node)>, layout: Option<Layout>) {
        let own: HashMap<String, Node> = presets.iter().cloned().collect();
        let mut values = HashMap::new();
        for (name, _) in presets {
            let value = self.value(&name, &own, &mut values, layout);
            if let Some(value) = value {
                let preset = Preset { origin: self.origin(&name), name, value };
                let old = self.file.weights.insert(preset);
                self.redefined(old);
            }
        }
    }

    /// The vector text of the preset `name`: follows `of:` to the first preset that is known, then applies the changes.
    fn value(
        &mut self,
        name: &str,
        own: &HashMap<String, Node>,
        values: &mut HashMap<String, Option<String>>,
        layout: Option<Layout>,
    ) -> Option<String> {
        let mut chain = vec![name.to_owned()];
        let mut base = None;
        while let Some(last) = chain.last().filter(|last| !values.contains_key(*last)) {
            let next = match own.get(last).and_then(of) {
                Some(next) => next.to_owned(),
                None => break,
            };
            if chain.contains(&next) || chain.len() > LONGEST_CHAIN {
                let message = match chain.contains(&next) {
                    true => say!("`{name}` is made of itself", "`{name}` が自分自身をもとにしています"),
                    false => say!(
                        "`{name}` stands behind more than {LONGEST_CHAIN} others, each made of the next",
                        "`{name}` は {LONGEST_CHAIN} 個を超えるプリセットを順にもとにしています"
                    ),
                };
                let found = Diagnostic::new(code::BAD_PRESET, message);
                self.report(
                    found.help(say!(
                        "let `of:` name another preset than `{next}`",
                        "`of:` には `{next}` 以外のプリセットを書いてください"
                    )),
                    Some(name),
                );
                values.insert(name.to_owned(), None);
                return None;
            }
            if !own.contains_key(&next) {
                base = self.known.weights.get(&next).map(|p| p.value.clone());
                if base.is_none() {
                    let near =
                        self.known.weights.nearest(&next).or(did_you_mean(&next, own.keys().map(String::as_str)));
                    let found = Diagnostic::new(
                        code::UNKNOWN_PRESET,
                        say!("there is no preset `{next}`", "プリセット `{next}` はありません"),
                    );
                    let help = match near {
                        Some(near) => say!("did you mean `{near}`?", "`{near}` ではありませんか"),
                        None => say!(
                            "name a preset of this file or of an earlier one",
                            "このファイルか、先に読んだファイルのプリセットを書いてください"
                        ),
                    };
                    let last = last.clone();
                    self.report(found.help(help), Some(&last));
                    values.insert(last, None);
                }
                break;
            }
            chain.push(next);
        }
        for link in chain.into_iter().rev() {
            base = match values.get(&link) {
                Some(value) => value.clone(),
                None => {
                    let value = own.get(&link).and_then(|node| self.build(&link, node, base, layout));
                    values.insert(link, value.clone());
                    value
                }
            };
        }
        base
    }

    /// The vector text that `node` stands for, as changes of `base` if there is one.
    fn build(&mut self, name: &str, node: &Node, base: Option<String>, layout: Option<Layout>) -> Option<String> {
        match node {
            Node::Text(value) => {
                let problem = vector_problem(value);
                if let Some((message, help)) = problem {
                    self.report(
                        Diagnostic::new(
                            code::BAD_PRESET,
                            say!("`{name}` {message}", "`{name}` は{message}", with message),
                        )
                        .help(help),
                        Some(name),
                    );
                    return None;
                }
                Some(value.clone())
            }
            Node::Map(changes) => self.change(name, changes, base, layout),
            _ => {
                let found = Diagnostic::new(
                    code::BAD_PRESET,
                    say!(
                        "`{name}` is neither a vector nor a map of blocks",
                        "`{name}` はベクトルでもブロックのマップでもありません"
                    ),
                );
                self.report(
                    found.help(say!(
                        "write `1,0,…` or `{{BASE: 1, OUT00-OUT02: 1}}`",
                        "`1,0,…` か `{{BASE: 1, OUT00-OUT02: 1}}` と書いてください"
                    )),
                    Some(name),
                );
                None
            }
        }
    }

    fn change(
        &mut self,
        name: &str,
        changes: &[(String, Node)],
        base: Option<String>,
        layout: Option<Layout>,
    ) -> Option<String> {
        let mut entries: Vec<String> = match (&base, layout) {
            (Some(base), _) => base.split(',').map(str::to_owned).collect(),
            (None, Some(layout)) => vec!["0".to_owned(); layout.len()],
            (None, None) => {
                let found = Diagnostic::new(
                    code::BAD_PRESET,
                    say!("the blocks of `{name}` need a layout", "`{name}` のブロックには layout が必要です"),
                );
                self.report(
                    found.help(say!(
                        "write `layout: sdxl-12` at the top of the file",
                        "ファイルの先頭に `layout: sdxl-12` と書いてください"
                    )),
                    Some(name),
                );
                return None;
            }
        };
        let layout = Layout::from_len(entries.len())?;
        for (key, node) in changes.iter().filter(|(key, _)| key != "of") {
            let blocks = self.blocks(name, key, layout)?;
            let weight = match node {
                Node::Text(text) if lora_tag::weight(text).is_ok() && !text.contains(',') => python::strip(text),
                _ => {
                    let found = Diagnostic::new(
                        code::BAD_PRESET,
                        say!(
                            "the weight of {key} in `{name}` is not a number",
                            "`{name}` の {key} の重みは数値ではありません"
                        ),
                    );
                    self.report(
                        found.help(say!(
                            "write a number, or R, U, X, X+d, X-d",
                            "数値か R、U、X、X+d、X-d を書いてください"
                        )),
                        Some(name),
                    );
                    return None;
                }
            };
            blocks.into_iter().for_each(|at| weight.clone_into(&mut entries[at]));
        }
        Some(entries.join(","))
    }

    /// The entries of `layout` that the key `IN04` or `OUT00-OUT02` names.
    fn blocks(&mut self, name: &str, key: &str, layout: Layout) -> Option<Vec<usize>> {
        let names: Vec<_> = (0..layout.len()).filter_map(|at| Some(layout.block(at)?.name())).collect();
        let written: Vec<_> = key.split('-').map(|id| if id == "MID" { "M00" } else { id }).collect();
        let listed = block_list(layout.space(), &written.join("-")).map(|list| list.words);
        let range = written.len() > 1;
        let entries: Vec<_> =
            listed.iter().flatten().filter_map(|block| names.iter().position(|n| n == block)).collect();
        if written.len() <= 2 && !entries.is_empty() && (range || entries.len() == 1) {
            return Some(entries);
        }
        let wrong = listed.err().map_or(key.to_owned(), |unknown| unknown.name);
        let layout = layout.name();
        let message =
            say!("`{name}` names {wrong}, which {layout} has not", "`{name}` の {wrong} は {layout} にありません");
        let found = Diagnostic::new(code::UNKNOWN_BLOCK, message);
        let near = did_you_mean(&wrong, names.iter().copied());
        let all = names.join(",");
        let help = match near {
            Some(near) => say!("did you mean {near}?", "{near} ではありませんか"),
            None => say!("its blocks are {all}", "ブロックは {all} です"),
        };
        self.report(found.help(help), Some(name));
        None
    }

    /// Collects comments with what stands before them; one at the end of a line stands before its preset.
    fn comments(&mut self, text: &str) {
        let presets = self.file.weights.iter().chain(self.file.elements.iter());
        let mut lines: Vec<_> = presets.map(|preset| preset.origin.line).collect();
        lines.sort_unstable();
        for (line, number) in text.split('\n').zip(1..) {
            if let Some(comment) = comment(line) {
                let before = lines.partition_point(|line| *line < number);
                self.file.comments.push(Comment { text: comment.trim_end_matches('\r').to_owned(), before });
            }
        }
    }
}

/// The comment of a line: behind a `#` that begins the line or follows a space, outside of quotes.
fn comment(line: &str) -> Option<&str> {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return Some(&line[at + 1..]),
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (Some(open), _) if c == open && before != '\\' => quote = None,
            _ => {}
        }
        before = c;
    }
    None
}

/// The preset that `node` is a change of.
fn of(node: &Node) -> Option<&str> {
    let Node::Map(entries) = node else { return None };
    entries.iter().find_map(|(key, node)| match node {
        Node::Text(name) if key == "of" => Some(name.as_str()),
        _ => None,
    })
}

/// What is wrong with a vector text, after its name, and what to do.
fn vector_problem(value: &str) -> Option<(Text, Text)> {
    let entries = lora_tag::entries(value);
    let count = entries.len();
    if Layout::from_len(count).is_none() {
        return Some((say!("has {count} entries", " {count} 個です"), lengths_help()));
    }
    entries.into_iter().map(|range| &value[range]).find_map(|entry| {
        let error = lora_tag::weight(entry).err()?.said();
        let entry = python::strip(entry);
        let message = say!("has an entry `{entry}` that {error}", "項目 `{entry}` が読めません ({error})", with error);
        Some((message, say!("write a number, or R, U, X, X+d, X-d", "数値か R、U、X、X+d、X-d を書いてください")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::webui;
    use super::*;
    use crate::files::limits::TEXT;

    fn read(text: &str) -> (PresetFile, Vec<Diagnostic>) {
        parse("test.yaml", text, PresetSet::builtin())
    }

    fn value(text: &str, name: &str) -> String {
        let (file, found) = read(text);
        assert_eq!(found, [], "{text}");
        file.weights.get(name).unwrap().value.clone()
    }

    #[test]
    fn presets_are_vectors_maps_or_changes() {
        assert_eq!(value("presets: {A: '1,1,1,1,1,1,1,1,1,1,1,X'}", "A"), "1,1,1,1,1,1,1,1,1,1,1,X");
        assert_eq!(
            value("layout: sdxl-12\npresets:\n  A: {BASE: 1, OUT00-OUT01: 0.5, MID: R}", "A"),
            "1,0,0,0,0,R,0.5,0.5,0,0,0,0"
        );
        assert_eq!(
            value("presets:\n  A: {of: B, OUT01: 0.8}\n  B: {of: XLALL, BASE: 0}", "A"),
            "0,1,1,1,1,1,1,0.8,1,1,1,1"
        );
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, code, place) in [
            ("presets: [1]", "E0401", "presets"),
            ("a: {b: 1}", "E0401", "a"),
            ("presets:\n  A: 1,1,1", "E0402", "A"),
            ("presets:\n  A: 1,1,1,1,1,1,1,1,1,1,1,y", "E0402", "A"),
            ("presets:\n  A: {BASE: 1}", "E0402", "A"),
            ("layout: sdxl-13\npresets: {}", "E0402", "layout"),
            ("layout: sdxl-12\npresets:\n  A: {OUT06: 1}", "E0301", "A"),
            ("layout: sdxl-12\npresets:\n  A: {IN04: [1]}", "E0402", "A"),
            ("presets:\n  A: {of: XLAL}", "E0201", "A"),
            ("presets:\n  A: {of: B}\n  B: {of: A}", "E0402", "A"),
            ("elements:\n  E: 1\n  E: 2", "W0405", "E"),
        ] {
            let (_, found) = read(text);
            assert_eq!(found.first().map(|d| (d.code.id, d.pointed_at())), Some((code, Some(place))), "{text}");
            assert!(!found[0].help.is_empty(), "{text}");
        }
        assert_eq!(read("presets: {").1[0].code, "E0401");
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = format!("a: &a {}\n", "x".repeat(1000));
        for (name, of) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e")] {
            bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(",")));
        }
        assert_eq!(read(&bomb).1[0].code, "E0401");
        assert_eq!(read(&"[".repeat(100_000)).1[0].code, "E0401");
        assert_eq!(read(&" ".repeat(TEXT + 1)).1[0].code, "E0111");
    }

    #[test]
    fn files_convert_both_ways() {
        let text = "# mine\nA: 1,1,1,1,1,1,1,1,1,1,1,1\nyes:0,0,0,0,0,0,0,0,0,0,0,X+0.1\n# end\n";
        let (file, _) = webui::weights("x.txt", text);
        let (back, found) = read(&write(&file));
        assert_eq!(found, []);
        assert_eq!(webui::write_weights(&back).unwrap(), text);
        let text = "A:IN04-OUT05:NOT attn:1\nM00::0\n\n日本:::1\n\n";
        let (back, found) = read(&write(&webui::elements("x.txt", text).0));
        assert_eq!(found, []);
        assert_eq!(webui::write_elements(&back).unwrap(), text);
    }

    /// YAML's own limits: keys of 1,024 letters, and letters that are none.
    #[test]
    fn names_of_any_length_and_letters_come_back() {
        let long = "長い".repeat(2000);
        for name in ["x".repeat(1020), "x".repeat(1021), "y".repeat(5000), long, "a\u{7}\u{85}b\u{feff}".to_owned()] {
            let text = format!("{name}:IN04:attn:1\n");
            let (file, _) = webui::elements("x.txt", &text);
            assert_eq!(file.elements.iter().count(), 1, "{name}");
            let (back, found) = read(&write(&file));
            assert_eq!(found, [], "{name}");
            let pairs =
                |file: &PresetFile| file.elements.iter().map(|p| (p.name.clone(), p.value.clone())).collect::<Vec<_>>();
            assert_eq!(pairs(&back), pairs(&file), "{name}");
        }
    }

    #[test]
    fn a_preset_knows_its_line() {
        let (file, _) = read("# c\nlayout: sdxl-12\npresets:\n  A: {BASE: 1}\n  \"B b\": {IN04: 1}\n");
        assert_eq!(file.weights.get("B b").unwrap().origin.to_string(), "test.yaml:5");
    }
}
