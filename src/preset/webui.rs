//! webui's `lbwpresets.txt` and `elempresets.txt`, read and written.

use std::sync::Arc;

use pest::Parser;

use super::{Comment, Origin, Preset, PresetFile, Presets};
use crate::block::Layout;
use crate::diagnostic::{Diagnostic, FINDINGS_LIMIT, Source, Text, at_most, code};
use crate::files::limits::TEXT;
use crate::say;
use crate::syntax::python;

/// What pest makes of the grammar, kept out of sight.
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "grammar/preset.pest"]
    pub(super) struct PresetGrammar;
}

use grammar::{PresetGrammar, Rule};

/// Reads `lbwpresets.txt`.
///
/// A line counts if it has a colon, no `#` anywhere and, name included, one comma less than a layout has entries. Values are
/// kept untrimmed and are not checked here; later lines override earlier ones in their place.
pub fn weights(name: &str, text: &str) -> (PresetFile, Vec<Diagnostic>) {
    let mut file = PresetFile::default();
    let mut found = size_check(name, text);
    if !found.is_empty() {
        return (file, found);
    }
    let source = Source::new(name, text);
    for (line, number) in python::split_lines(text).zip(1..) {
        let start = line.as_ptr() as usize - text.as_ptr() as usize;
        match weights_line(line) {
            Ok((preset, value)) => {
                let origin = Origin { file: Arc::clone(&source.name), line: number };
                if preset.is_empty() {
                    found.push(nameless(&source, start, line));
                }
                if preset.contains(',') {
                    found.push(comma_in_name(&source, start, preset));
                }
                let preset = Preset { name: preset.to_owned(), value: value.to_owned(), origin };
                found.extend(file.weights.insert(preset).map(|old| redefined(&source, start, &old)));
            }
            Err(ignored) => {
                found.extend(ignored.report(&source, start, line));
                // Whatever does not count is kept as a comment, as which it serves.
                let line = python::strip(line);
                if !line.is_empty() {
                    let text = line.strip_prefix('#').unwrap_or(line).to_owned();
                    file.comments.push(Comment { text, before: file.weights.len() });
                }
            }
        }
    }
    (file, at_most(found, FINDINGS_LIMIT))
}

/// Whether `line` of `lbwpresets.txt` counts, and its name and value.
pub fn weights_line(line: &str) -> Result<(&str, &str), Ignored> {
    if line.contains('#') {
        return Err(Ignored::Hash);
    }
    let mut tokens = PresetGrammar::parse(Rule::weights_line, line)
        .ok()
        .and_then(|mut line| line.next())
        .ok_or(Ignored::NoColon)?
        .into_inner();
    let (name, value) = tokens.next().zip(tokens.next()).ok_or(Ignored::NoColon)?;
    let entries = line.matches(',').count() + 1;
    match Layout::from_len(entries) {
        Some(_) => Ok((python::strip(name.as_str()), value.as_str())),
        None => Err(Ignored::Count(entries)),
    }
}

/// Why a line of `lbwpresets.txt` does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// It has a `#` anywhere.
    Hash,
    /// No colon ends a name.
    NoColon,
    /// Entries told by the commas of the line.
    Count(usize),
}

impl Ignored {
    /// A warning, unless the line is plainly meant as a comment.
    fn report(self, source: &Source, start: usize, line: &str) -> Option<Diagnostic> {
        let commas = line.matches(',').count();
        let (at, message, help) = match self {
            Ignored::Hash if python::strip(line).starts_with('#') || commas < 10 => return None,
            Ignored::Hash => (
                line.find('#')?,
                say!(
                    "a `#` anywhere makes the whole line a comment",
                    "どこかに `#` があると行全体がコメントになります"
                ),
                say!("remove the `#`", "`#` を消してください"),
            ),
            Ignored::Count(entries) if entries > 2 && line.contains(':') => (
                line.find(':')? + 1,
                say!("the line has {entries} entries and is ignored", "この行は {entries} 個なので無視されます"),
                lengths_help(),
            ),
            _ => {
                let meant = meant(line)?;
                let message = say!(
                    "the line is ignored: name and numbers are divided by `:`, numbers by `,`",
                    "この行は無視されます。名前と数値は `:` で、数値は `,` で区切ります"
                );
                (0, message, say!("write `{meant}`", "`{meant}` と書いてください"))
            }
        };
        let end = start + line.len();
        Some(Diagnostic::new(code::IGNORED_LINE, message).within(source).at(start + at..end).help(help))
    }
}

/// The line that was meant, where its signs are full-width or others than a preset has.
fn meant(line: &str) -> Option<String> {
    let half: String = line
        .chars()
        .map(|c| match c {
            '：' | '=' | '＝' => ':',
            '，' | '、' | ';' | '\t' => ',',
            '０'..='９' => char::from_u32(c as u32 - '０' as u32 + u32::from('0')).unwrap_or(c),
            '．' => '.',
            c => c,
        })
        .collect();
    // Without a colon the first word is the name, unless it is a number already.
    let without_colon = || {
        let line = python::strip(&half);
        let is_name = |name: &str| name.parse::<f64>().is_err() && !name.contains(',');
        line.split_once(python::is_space).filter(|(name, _)| is_name(name)).or(Some(("NAME", line)))
    };
    let (name, numbers) = half.split_once(':').or_else(without_colon)?;
    let name = python::strip(name);
    let entries: Vec<&str> = numbers.split([',', ' ']).map(python::strip).filter(|e| !e.is_empty()).collect();
    let is_number = |entry: &&str| python::float(entry).is_some() || entry.starts_with(['R', 'U', 'X']);
    let is_vector = Layout::from_len(entries.len()).is_some() && entries.iter().all(is_number);
    (is_vector && !name.starts_with('#')).then(|| format!("{name}:{}", entries.join(",")))
}

fn nameless(source: &Source, start: usize, line: &str) -> Diagnostic {
    let message = say!("the vector has no name: no prompt can ask for it", "名前がないので、プロンプトから使えません");
    let found = Diagnostic::new(code::IGNORED_LINE, message).within(source).at(start..start + line.len());
    found.help(say!("write its name before the `:`", "`:` の前に名前を書いてください"))
}

fn comma_in_name(source: &Source, start: usize, name: &str) -> Diagnostic {
    Diagnostic::new(
        code::COMMA_IN_NAME,
        say!(
            "the comma in `{name}` is counted with those of the vector",
            "`{name}` のコンマもベクトルのコンマとして数えられます"
        ),
    )
    .within(source)
    .at(start..start + name.len())
    .help(say!("rename the preset", "プリセットの名前を変えてください"))
}

fn redefined(source: &Source, start: usize, old: &Preset) -> Diagnostic {
    let line = old.origin.line;
    Diagnostic::new(code::PRESET_REDEFINED, said_twice(&old.name))
        .within(source)
        .label(start..start + old.name.len(), say!("this definition counts", "この定義が有効です"))
        .note(say!("the first one stands in line {line}", "最初の定義は {line} 行目です"))
        .help(say!("remove one of them", "どちらかを消してください"))
}

/// What to do about a vector of another length.
pub(super) fn lengths_help() -> Text {
    let lengths = Layout::lengths();
    say!("a vector has {lengths} entries", "ベクトルは {lengths} 個のどれかです", with lengths)
}

pub(super) fn said_twice(name: &str) -> Text {
    say!("`{name}` is defined a second time", "`{name}` が二度定義されています")
}

pub(super) fn size_check(name: &str, text: &str) -> Vec<Diagnostic> {
    let too_large = || {
        let mib = TEXT >> 20;
        let message = say!(
            "`{name}` is larger than {mib} MiB, too large for presets",
            "`{name}` は {mib} MiB を超えており、プリセットには大きすぎます"
        );
        Diagnostic::new(code::TOO_LARGE, message)
    };
    (text.len() > TEXT).then(too_large).into_iter().collect()
}

/// Reads `elempresets.txt`: chunks between blank lines, each a name, a colon and rules, which are kept as they are.
pub fn elements(name: &str, text: &str) -> (PresetFile, Vec<Diagnostic>) {
    let mut file = PresetFile::default();
    let mut found = size_check(name, text);
    if !found.is_empty() {
        return (file, found);
    }
    let source = Source::new(name, text);
    let tokens = PresetGrammar::parse(Rule::elements, text).ok().and_then(|mut t| t.next());
    let (mut line, mut counted) = (1, 0);
    for chunk in tokens.into_iter().flat_map(|t| t.into_inner()) {
        let Some((preset, value)) = chunk.as_str().split_once(':') else {
            found.extend(ignored_chunk(&source, chunk.as_span().start(), chunk.as_str()));
            continue;
        };
        let start = chunk.as_span().start() + (preset.len() - preset.trim_start_matches(python::is_space).len());
        line += text[counted..start].matches('\n').count();
        counted = start;
        let origin = Origin { file: Arc::clone(&source.name), line };
        let preset = Preset { name: python::strip(preset).to_owned(), value: value.to_owned(), origin };
        found.extend(file.elements.insert(preset).map(|old| redefined(&source, start, &old)));
    }
    (file, at_most(found, FINDINGS_LIMIT))
}

/// A chunk without a colon that looks like a preset all the same.
fn ignored_chunk(source: &Source, start: usize, chunk: &str) -> Option<Diagnostic> {
    if !chunk.contains('：') || python::strip(chunk).starts_with('#') {
        return None;
    }
    let half = python::strip(chunk).replace('：', ":").replace('，', ",");
    let message = say!("the preset is ignored: it has no `:`", "`:` がないので、このプリセットは無視されます");
    let found = Diagnostic::new(code::IGNORED_LINE, message).within(source).at(start..start + chunk.trim_end().len());
    Some(found.help(say!("write `{half}`", "`{half}` と書いてください")))
}

/// The rules of an element preset with their places in `text`.
pub(crate) fn rules(text: &str) -> Vec<std::ops::Range<usize>> {
    let tokens = PresetGrammar::parse(Rule::rules, text).ok().and_then(|mut t| t.next());
    let rules = tokens.into_iter().flat_map(|t| t.into_inner());
    rules.map(|rule| rule.as_span().start()..rule.as_span().end()).collect()
}

/// The text of a `lbwpresets.txt` with these presets, or the names that such a file cannot hold.
pub fn write_weights(file: &PresetFile) -> Result<String, Vec<String>> {
    let line = |preset: &Preset| format!("{}:{}\n", preset.name, preset.value);
    write(&file.weights, &file.comments, line, |preset| {
        let line = format!("{}:{}", preset.name, preset.value);
        let single = python::split_lines(&line).count() == 1;
        single && weights_line(&line) == Ok((preset.name.as_str(), preset.value.as_str()))
    })
}

/// The text of an `elempresets.txt` with these presets, or the names that such a file cannot hold. It has no comments.
pub fn write_elements(file: &PresetFile) -> Result<String, Vec<String>> {
    let chunk = |preset: &Preset| format!("{}:{}\n\n", preset.name, preset.value);
    write(&file.elements, &[], chunk, |preset| {
        let plain = python::strip(&preset.name) == preset.name && !preset.name.contains([':', '\n']);
        plain && !preset.value.contains("\n\n") && !preset.value.ends_with('\n')
    })
}

fn write(
    presets: &Presets,
    comments: &[Comment],
    one: impl Fn(&Preset) -> String,
    fits: impl Fn(&Preset) -> bool,
) -> Result<String, Vec<String>> {
    let misfits: Vec<_> = presets.iter().filter(|p| !fits(p)).map(|p| p.name.clone()).collect();
    if !misfits.is_empty() {
        return Err(misfits);
    }
    let mut text = String::new();
    let mut comments = comments.iter().peekable();
    for (index, preset) in presets.iter().enumerate() {
        while let Some(comment) = comments.next_if(|comment| comment.before <= index) {
            text.push_str(&format!("#{}\n", comment.text));
        }
        text.push_str(&one(preset));
    }
    comments.for_each(|comment| text.push_str(&format!("#{}\n", comment.text)));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_look_like_presets_are_spoken_about() {
        let text = "A:1,1,1,1,1,1,1,1,1,1,1,1 # mine\nB:1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n# A comment: fine\n\na,b:1,1,1,1,1,1,1,1,1,1,1";
        let (file, found) = weights("lbwpresets.txt", text);
        assert_eq!(file.weights.iter().count(), 1);
        let said: Vec<_> = found.iter().map(|d| (d.code.id, d.pointed_at().unwrap())).collect();
        assert_eq!(
            said,
            [("W0403", "# mine"), ("W0403", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), ("W0404", "a,b")],
            "{found:?}"
        );
    }

    #[test]
    fn files_are_written_as_they_were_read() {
        let text = "# of mine\nA: 1,1,1,1,1,1,1,1,1,1,1,1\nB:0,0,0,0,0,0,0,0,0,0,0,X\n#end\n";
        assert_eq!(write_weights(&weights("x", text).0).unwrap(), text);
        let text = "A:IN04:attn:1\nM00:ff:0\n\nB:::1\n\n";
        assert_eq!(write_elements(&elements("x", text).0).unwrap(), text);
    }

    #[test]
    fn huge_files_are_refused() {
        assert_eq!(weights("x", &"#".repeat(TEXT + 1)).1[0].code, "E0111");
    }
}
