//! Findings about what stands between the tags: the writing of other programs, which webui draws as text.

use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;

use super::no_tag;
use crate::diagnostic::{Diagnostic, Source, Text, code};
use crate::plan::settings::table;
use crate::plan::{Request, Start};
use crate::say;
use crate::syntax::{Mapped, Prompt, python};

/// What is found by its form alone, and what is said of it.
struct Form {
    /// What no such place is without: most texts have none of it, and compiling a pattern takes longer than looking.
    needs: &'static [&'static str],
    pattern: &'static str,
    compiled: OnceLock<Option<Regex>>,
    say: fn(&str, &Source) -> Option<Diagnostic>,
}

/// Brackets with what is in them, a colon before the number of a group, a colon or bar in an edit, a comma.
const FULL_WIDTH: &str = r"[（［][^（）［］()\[\]\n]*[:：][^（）［］()\[\]\n]*[）］)\]]?|[（［]{2}|\([^()\[\]：]*：\s*[+-]?[\d.．]+\s*\)|\[[^\[\]：｜]*[：｜][^\[\]]*\]|，";

/// All forms. Of each the first place in a text is told, with how many more there are.
static FORMS: [Form; 9] = [
    form(&["__", "${"], r"__[\w/*.\-~!@$=()]*?[\p{L}\p{N}*][\w/*.\-~!@$=()]*?__|\$\{[^{}|]*\}", wildcard),
    form(&["{"], r"\$?\{[^{}|]*[^{}|\\]\|[^{}]*\}|\{[\d-]+\$\$[^{}]*\}", choice),
    form(&["{"], r"(?:^|[^${])(\{+[^{}|$]+\}+)", braces),
    form(
        &["ADD", "COUPLE(", "MASK(", "AREA(", "FEATHER(", "FILL(", "STYLE("],
        r"\b(?:ADDCOMM|ADDBASE|ADDCOL|ADDROW|ADDP)\b|\b(?:COUPLE|I?MASK|AREA|FEATHER|FILL|STYLE)\(",
        keyword,
    ),
    form(&["（", "）", "［", "］", "：", "｜", "，"], FULL_WIDTH, full_width),
    form(&["("], r"\([^()]*:\s*[+-]?\d+(?:[,，、;．]|\s*\.\s+|\s+\.\s*)\d+\s*\)", no_weight),
    form(&[":"], r"\([^()\[\]:]*[^()\[\]:\s]\s*:\s*\)", missing_weight),
    form(&["["], r"\[[^\[\]():]*:[^\[\]():]*:[^\[\]():]*\]", no_edit),
    form(&["--", "—", "–", "−"], r"(?:^|\s)((?:--|[—–−]{1,2})[A-Za-z][\w-]*)", option),
];

const fn form(
    needs: &'static [&'static str],
    pattern: &'static str,
    say: fn(&str, &Source) -> Option<Diagnostic>,
) -> Form {
    Form { needs, pattern, compiled: OnceLock::new(), say }
}

/// Everything in `text` that belongs to another program.
pub fn prose(text: &Mapped, source: &Source) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = FORMS.iter().filter_map(|form| one(form, text, source)).collect();
    found.extend(no_tag::no_tags(text, source));
    found
}

/// The first place of a form in `text`, with a word about the others.
fn one(form: &Form, text: &Mapped, source: &Source) -> Option<Diagnostic> {
    if !form.needs.iter().any(|needed| text.text().contains(needed)) {
        return None;
    }
    let pattern = form.compiled.get_or_init(|| Regex::new(form.pattern).ok()).as_ref()?;
    // Where a form depends on what stands before it, it is the first group.
    let mut places = pattern.captures_iter(text.text()).filter_map(|place| place.get(1).or(place.get(0)));
    let (first, said) = places.find_map(|place| Some((place.range(), (form.say)(place.as_str(), source)?)))?;
    let more = places.filter(|place| (form.say)(place.as_str(), source).is_some()).count();
    let said = said.within(source).at(text.span(first));
    Some(if more == 0 {
        said
    } else {
        said.note(say!("there are {more} more like it", "ほかに {more} か所あります"))
    })
}

fn wildcard(text: &str, _: &Source) -> Option<Diagnostic> {
    let message = say!(
        "wildcards are not expanded: `{text}` is drawn as text",
        "ワイルドカードは展開されません。`{text}` は文字として描かれます"
    );
    Some(
        Diagnostic::new(code::WILDCARD, message)
            .help(say!("write one of its lines in its place", "代わりにその中の一行を書いてください")),
    )
}

fn choice(text: &str, _: &Source) -> Option<Diagnostic> {
    let message = say!(
        "wildcards are not expanded: all of `{text}` is drawn",
        "ワイルドカードは展開されません。`{text}` がすべて描かれます"
    );
    let options = text.trim_start_matches('$').trim_matches(['{', '}']).rsplit("$$").next().unwrap_or_default();
    Some(Diagnostic::new(code::WILDCARD, message).help(say!(
        "write one of them, or `[{options}]` to take turns from step to step",
        "どれか一つを書くか、ステップごとに切り替えるなら `[{options}]` と書いてください"
    )))
}

fn braces(text: &str, _: &Source) -> Option<Diagnostic> {
    let message = say!(
        "`{text}` is NovelAI's emphasis; here the braces are drawn",
        "`{text}` は NovelAI の強調です。ここでは波括弧も描かれます"
    );
    let inner = text.trim_matches(['{', '}']);
    let depth = text.chars().take_while(|c| *c == '{').count().min(20);
    let weight = (1.05f64.powi(depth as i32) * 100.0).round() / 100.0;
    let meant = match inner {
        tag if tag.starts_with("lora:") || tag.starts_with("lyco:") => format!("<{tag}>"),
        weighted if weighted.contains(':') => format!("({weighted})"),
        plain => format!("({plain}:{weight})"),
    };
    Some(Diagnostic::new(code::CURLY_BRACES, message).help(say!("write `{meant}`", "`{meant}` と書いてください")))
}

fn keyword(text: &str, _: &Source) -> Option<Diagnostic> {
    let word = text.trim_end_matches('(');
    let message = say!(
        "`{word}` belongs to an extension that lbw does not have: it is drawn as a word",
        "`{word}` は lbw にない拡張機能の言葉なので、単語として描かれます"
    );
    Some(
        Diagnostic::new(code::EXTENSION_KEYWORD, message)
            .help(say!("remove it, or compose with `AND`", "消すか、`AND` で合成してください")),
    )
}

fn full_width(text: &str, _: &Source) -> Option<Diagnostic> {
    let sign = text.chars().find(|c| no_tag::half_width(*c).is_some())?;
    let half = no_tag::in_ascii(text);
    let message =
        say!("`{sign}` is a full-width sign and is drawn as text", "`{sign}` は全角の記号なので、文字として描かれます");
    Some(Diagnostic::new(code::FULL_WIDTH, message).help(say!("write `{half}`", "`{half}` と書いてください")))
}

fn no_weight(text: &str, _: &Source) -> Option<Diagnostic> {
    let (group, number) = text.rsplit_once(':')?;
    let number: String = number.chars().filter(|c| !c.is_whitespace() && *c != ')').collect();
    let point = number.replace([',', '，', '、', ';', '．'], ".");
    let message =
        say!("`{number}` is no weight: it is drawn as text", "`{number}` は重みではなく、文字として描かれます");
    Some(
        Diagnostic::new(code::NO_WEIGHT, message).help(say!(
            "decimals have a point: `{group}:{point})`",
            "小数点には「.」を使ってください: `{group}:{point})`"
        )),
    )
}

/// `(text:)`: what was to follow the colon is not there.
fn missing_weight(text: &str, _: &Source) -> Option<Diagnostic> {
    let group = text.trim_end_matches(')').trim_end().trim_end_matches(':');
    let message = say!(
        "no weight follows the colon of `{text}`: the colon is drawn",
        "`{text}` のコロンの後に重みがないので、コロンが文字として描かれます"
    );
    Some(
        Diagnostic::new(code::NO_WEIGHT, message)
            .help(say!("write `{group}:1.2)` or `{group})`", "`{group}:1.2)` か `{group})` と書いてください")),
    )
}

/// `[from:to:when]` whose last part is no number.
fn no_edit(text: &str, _: &Source) -> Option<Diagnostic> {
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    let (change, when) = inner.rsplit_once(':')?;
    if python::float(when.trim()).is_some() {
        return None;
    }
    let message = match when.trim() {
        "" => say!(
            "`{text}` does not say when it changes: all of it is drawn",
            "`{text}` はいつ切り替えるかを書いていないので、全体が文字として描かれます"
        ),
        when => say!(
            "`{when}` is no number: `{text}` changes nothing, and all of it is drawn",
            "`{when}` は数値ではありません。`{text}` は切り替わらず、全体が文字として描かれます"
        ),
    };
    Some(Diagnostic::new(code::NO_WEIGHT, message).help(say!(
        "write `[{change}:0.5]`: the share of the steps, or their number",
        "`[{change}:0.5]` のように、ステップの割合か番号を書いてください"
    )))
}

fn option(text: &str, _: &Source) -> Option<Diagnostic> {
    let name = text.trim_start_matches(['-', '—', '–', '−']);
    let known = table::find(name).or_else(|| table::find_size(name).and_then(|size| table::named(size.parts[0])));
    // Long dashes stand in ordinary sentences, too.
    if !text.starts_with("--") && known.is_none() {
        return None;
    }
    let message = say!(
        "`{text}` stands inside the prompt and is drawn as words",
        "`{text}` はプロンプトの中にあるので、単語として描かれます"
    );
    let found = Diagnostic::new(code::OPTION_IN_PROMPT, message);
    Some(match known {
        Some(setting) => {
            let flag = setting.flag_name();
            found.help(say!(
                "close the quotes before it and write `--{flag}`",
                "その前で引用符を閉じて `--{flag}` と書いてください"
            ))
        }
        None => found.help(say!("remove it", "消してください")),
    })
}

/// Whether the `|` at `at` looks like a choice between two words, as wildcards are written, and not like a divider or a face.
pub fn is_choice(at: usize, source: &Source) -> bool {
    let text = &source.text;
    let (Some(before), Some(after)) = (text.get(..at), text.get(at + 1..)) else { return false };
    let is_in_braces = before.rfind('{') > before.rfind('}') && after.contains('}');
    let is_word = |c: char| python::is_word(c) && c != '_';
    // Braces are told as wildcards.
    !is_in_braces && before.ends_with(|c| is_word(c) || c == ')') && after.starts_with(|c| is_word(c) || c == '(')
}

/// What is missing of a prompt, and the comments in it.
pub fn empty(prompt: &Prompt, request: &Request) -> Vec<Diagnostic> {
    let mut found = comments(request);
    let nothing = python::strip(prompt.body.text()).is_empty() && prompt.tags.is_empty();
    if nothing && request.start == Start::Noise {
        let source = &request.prompt;
        let message = say!("the prompt is empty", "プロンプトが空です");
        let said = Diagnostic::new(code::EMPTY_PROMPT, message).within(source).at(0..source.text.len());
        found.push(said.help(say!("write what is to be seen", "描きたいものを書いてください")));
    }
    found
}

/// The first `#` that hardly begins a comment: inside a line, or with a word right behind it.
fn comments(request: &Request) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for source in [&request.prompt, &request.negative_prompt] {
        if !request.options.comments || !source.text.contains('#') {
            continue;
        }
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let (from, line) = (start, line.trim_end());
            start += line.len();
            let Some(at) = line.find('#') else { continue };
            let is_meant = line[..at].trim().is_empty() && line[at + 1..].starts_with([' ', '#', '\t']);
            if !is_meant && line.len() > at + 1 {
                found.push(comment(source, from + at..from + line.len()));
                break;
            }
        }
    }
    found
}

fn comment(source: &Source, span: Range<usize>) -> Diagnostic {
    let what: Text = say!("not drawn", "描かれません");
    Diagnostic::new(code::COMMENT, say!("a comment from here to the end of the line", "ここから行末まではコメントです"))
        .within(source)
        .label(span, what)
        .help(say!("leave out the `#` if the text is meant", "文字のつもりなら `#` を消してください"))
}
