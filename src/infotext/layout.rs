//! Where the prompts and the parameters of a text stand, also where webui would lose them: broken over lines, followed by other lines, or
//! all in one line.

use std::sync::LazyLock;

use regex::Regex;

use super::heading::{Heading, Part, is_headed_negative, negative_inside};
use super::parse::{FEWEST_PAIRS, pairs};
use super::paste::{Known, known_field};
use crate::files::limits::{INFOTEXT, INFOTEXT_LINES};
use crate::plan::settings::table;
use crate::syntax::python;

/// Where parameters begin inside a line.
static INSIDE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:(?-u:\b)|[a-z])(Steps: ?[0-9]+ ?,)").ok());
/// Lines that webui's page and its kin show below an infotext, and that are copied with it.
static TAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let lines = r"Time taken|Torch active|Sys VRAM|A: [0-9.]+ [GM]B|Template|Negative Template|Used embeddings|Used custom|Saved|Score";
    Regex::new(&format!(r"^(?:{lines})(?-u:\b)")).ok()
});

/// A text by its parts, which are slices of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout<'t> {
    /// Lines of the prompts, with their headings.
    pub prompts: Vec<&'t str>,
    /// Lines of `key: value` pairs, most often one.
    pub parameters: Vec<&'t str>,
    /// Lines behind the parameters that are left aside.
    pub tail: Vec<&'t str>,
    /// Whether webui would read something else.
    pub is_mended: bool,
}

/// Whether nobody pasted this: it is not looked into.
pub fn is_too_long(text: &str) -> bool {
    text.len() > INFOTEXT || text.bytes().filter(|byte| *byte == b'\n').count() > INFOTEXT_LINES
}

impl<'t> Layout<'t> {
    /// The parts of one text.
    pub fn of(text: &'t str) -> Self {
        if is_too_long(text) {
            return Layout { prompts: vec![text], ..Layout::default() };
        }
        let lines: Vec<&str> = python::strip(text).split('\n').collect();
        let Some((last, before)) = lines.split_last() else { return Layout::default() };
        let as_webui = || Layout { prompts: before.to_vec(), parameters: vec![last], ..Layout::default() };
        if begins(last) && pairs(last).len() >= FEWEST_PAIRS {
            return as_webui();
        }
        if let Some(at) = lines.iter().rposition(|line| begins(line)) {
            let end = at + length(&lines[at..]);
            let parameters = lines[at..end].to_vec();
            if parameters.iter().map(|line| pairs(line).len()).sum::<usize>() >= FEWEST_PAIRS {
                return Layout {
                    prompts: lines[..at].to_vec(),
                    parameters,
                    tail: lines[end..].to_vec(),
                    is_mended: true,
                };
            }
        }
        if is_parameters(last) && inside(last).is_none() {
            return as_webui();
        }
        if let Some(at) = lines.iter().rposition(|line| inside(line).is_some()) {
            let line = lines[at];
            let split = inside(line).unwrap_or(line.len());
            let mut prompts = lines[..at].to_vec();
            prompts.extend(at_negative(line[..split].trim_end_matches([' ', ','])));
            let end = at + length(&lines[at..]);
            let parameters = std::iter::once(&line[split..]).chain(lines[at + 1..end].iter().copied()).collect();
            return Layout { prompts, parameters, tail: lines[end..].to_vec(), is_mended: true };
        }
        let is_divided = lines.iter().any(|line| is_headed_negative(line));
        if is_divided && pairs(last).len() >= FEWEST_PAIRS {
            return as_webui();
        }
        if !is_divided && lines.iter().any(|line| negative_inside(line).is_some()) {
            let prompts = lines.into_iter().flat_map(at_negative).collect();
            return Layout { prompts, is_mended: true, ..Layout::default() };
        }
        Layout { prompts: lines, ..Layout::default() }
    }

    /// Whether another program wrote the text, and nobody typed it as a prompt.
    pub fn is_infotext(&self) -> bool {
        !self.parameters.is_empty() || self.headed().any(|(_, heading)| heading.is_some())
    }

    /// The lines of the prompts with their headings. One of the prompt itself counts where it is the first thing said or a negative
    /// prompt stands before; elsewhere its word is a part of the prompt.
    pub fn headed(&self) -> impl Iterator<Item = (&'t str, Option<Heading<'t>>)> {
        let first = self.prompts.iter().position(|line| !line.trim().is_empty());
        let mut after_negative = false;
        self.prompts.iter().enumerate().map(move |(at, line)| {
            let heading = Heading::of(line);
            let heading = heading.filter(|found| found.part == Part::Negative || after_negative || Some(at) == first);
            after_negative |= heading.is_some_and(|found| found.part == Part::Negative);
            (*line, heading)
        })
    }
}

/// Whether `text` was made by a program rather than typed: a line is headed as a prompt (`Negative prompt:`), or there are parameters
/// with `Steps` among them. Ordinary prompts with colons (`time: 12:30, where: here, who: me`) are not taken for one, though webui would.
pub fn looks_like_infotext(text: &str) -> bool {
    Layout::of(text).is_infotext()
}

/// Whether a line begins as webui writes parameters.
pub fn begins(line: &str) -> bool {
    let steps =
        python::strip(line).strip_prefix("Steps:").map(|rest| rest.split(',').next().unwrap_or_default().trim());
    steps.is_some_and(|steps| !steps.is_empty() && steps.len() <= 20 && !steps.contains(' '))
}

/// Colon and comma of full width, and the comma of Japanese.
const WIDE: [char; 3] = ['：', '，', '、'];

/// The text with the signs of parameters in one width, where a keyboard for Japanese or Chinese wrote them in the other. It is as long as
/// before. `None` if no parameters are written so.
pub(super) fn narrow(text: &str) -> Option<String> {
    if !text.contains(WIDE) {
        return None;
    }
    let mut is_other = false;
    let lines = text.split('\n').map(|line| {
        let is_read = |line: &str| begins(line) && pairs(line).len() >= FEWEST_PAIRS;
        let narrow = line.replace('：', ":  ").replace(['，', '、'], ",  ");
        let is_meant = line.contains(WIDE) && is_read(&narrow) && !is_read(line);
        is_other |= is_meant;
        if is_meant { narrow } else { line.to_owned() }
    });
    let lines: Vec<String> = lines.collect();
    is_other.then(|| lines.join("\n"))
}

/// The text without what pages and chats put around the lines of an infotext: `>` of quotations, marks of lists, fences of code, `<br>`,
/// and line ends that are written as letters. It is as long as before, so that places stay. `None` if there is no such thing, or no
/// infotext in it.
pub fn without_markup(text: &str) -> Option<String> {
    // Most prompts are one plain line.
    if !["\n", "\\n", "<br", "<BR"].iter().any(|sign| text.contains(sign)) {
        return None;
    }
    let blank = |text: &str| " ".repeat(text.len());
    let mut plain = text.to_owned();
    if ["\\nNegative prompt:", "\\nSteps: "].iter().any(|end| text.contains(end)) {
        plain = plain.replace("\\n", " \n");
    }
    for end in ["<br>", "<br/>", "<br />", "<BR>"] {
        plain = plain.replace(end, &blank(end));
    }
    let filled = || plain.split('\n').filter(|line| !line.trim().is_empty() && !line.starts_with("```"));
    let mark = ["> ", ">", "- ", "* ", "• "]
        .into_iter()
        .find(|mark| filled().count() > 1 && filled().all(|line| line.trim_start().starts_with(mark)));
    let mut bare = String::with_capacity(plain.len());
    for (number, line) in plain.split('\n').enumerate() {
        if number > 0 {
            bare.push('\n');
        }
        match mark.and_then(|mark| Some((line.find(mark)?, mark))) {
            _ if line.starts_with("```") => bare += &blank(line),
            Some((at, mark)) if line[..at].trim().is_empty() => {
                bare.extend([&line[..at], &blank(mark), &line[at + mark.len()..]]);
            }
            _ => bare += line,
        }
    }
    let plain = bare;
    (plain != text && Layout::of(&plain).is_infotext()).then_some(plain)
}

/// Whether a line ends an infotext, be it all of it.
pub fn ends(line: &str) -> bool {
    begins(line) || inside(line).is_some() || narrow(line).is_some()
}

/// Whether an infotext ends somewhere in a text of many lines.
pub fn ends_in(text: &str) -> bool {
    let mut before = None;
    text.lines().map(str::trim).any(|line| {
        // Parameters have other fields beside the steps, in their line or in the next one.
        let is_end = (begins(line) && line.contains(", ")) || inside(line).is_some() || narrow(line).is_some();
        let is_second = before.replace(line).is_some_and(begins) && is_fields(line);
        is_end || is_second
    })
}

/// How many of the lines belong to the parameters that begin in the first one.
pub fn length(lines: &[&str]) -> usize {
    let goes_on = |pair: &&[&str]| {
        let (line, next) = (python::strip(pair[0]), python::strip(pair[1]));
        !next.is_empty()
            && !TAIL.as_ref().is_some_and(|tail| tail.is_match(next))
            && (line.ends_with(',') || is_fields(next))
    };
    1 + lines.windows(2).take_while(goes_on).count()
}

/// Whether a line is copied from below an infotext.
pub fn is_tail(line: &str) -> bool {
    TAIL.as_ref().is_some_and(|tail| tail.is_match(python::strip(line)))
}

/// Whether a line that is copied from below an infotext says what was measured, which nobody writes as a prompt.
pub fn is_measure(line: &str) -> bool {
    let line = python::strip(line);
    ["Time taken", "Torch active", "Sys VRAM", "A: "].iter().any(|start| line.starts_with(start)) && is_tail(line)
}

/// Whether webui takes a line for parameters, and lbw with it: there are steps among them.
fn is_parameters(line: &str) -> bool {
    let pairs = pairs(line);
    pairs.len() >= FEWEST_PAIRS && pairs.iter().any(|(key, _)| *key == "Steps")
}

/// Whether a line has nothing but fields, the first of them known.
fn is_fields(line: &str) -> bool {
    let pairs = pairs(line);
    pairs.first().is_some_and(|(key, _)| line.starts_with(key) && is_known(key))
}

/// Whether lbw or webui has a field of this name.
pub(super) fn is_known(key: &str) -> bool {
    table::of_infotext(key).is_some()
        || table::SIZES.iter().any(|size| size.name == key)
        || known_field(key) != Known::No
}

/// Where the parameters begin inside a line that begins with something else.
fn inside(line: &str) -> Option<usize> {
    let at = INSIDE.as_ref()?.captures(line)?.get(1)?.start();
    let before = python::strip(&line[..at]);
    let starts_with_fields = || pairs(line).first().is_some_and(|(key, _)| before.starts_with(key) && is_known(key));
    (!before.is_empty() && pairs(&line[at..]).len() >= FEWEST_PAIRS && !starts_with_fields()).then_some(at)
}

/// A line divided where a negative prompt begins inside it.
fn at_negative(line: &str) -> Vec<&str> {
    match negative_inside(line) {
        Some(at) => vec![line[..at].trim_end_matches([' ', ',']), &line[at..]],
        None => vec![line],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: &str = "Steps: 5, Sampler: Euler a, Seed: 3, Size: 64x64";

    #[test]
    fn texts_that_webui_reads_are_left_alone() {
        for text in ["a cat", "a\nb: c, d: e", "time: 12:30, where: here, who: me", "a\nNegative prompt: b"] {
            let layout = Layout::of(text);
            assert!(!layout.is_mended && layout.parameters.is_empty() && layout.tail.is_empty(), "{text}");
        }
        let text = format!("a\nNegative prompt: b\n{PARAMETERS}");
        let layout = Layout::of(&text);
        assert_eq!(
            (layout.prompts, layout.parameters, layout.is_mended),
            (vec!["a", "Negative prompt: b"], vec![PARAMETERS], false)
        );
        let other = "Sampler: Euler, Steps: 5, Seed: 3";
        assert_eq!(Layout::of(other).parameters, [other]);
    }

    #[test]
    fn parameters_are_gathered() {
        let text = "a\nSteps: 5, Sampler: Euler a,\nSeed: 3, Size: 64x64,\nModel: x, Version: v1";
        let layout = Layout::of(text);
        assert_eq!((layout.prompts, layout.parameters.len(), layout.tail.len()), (vec!["a"], 3, 0));
        let text =
            format!("a\nNegative prompt: b\n{PARAMETERS}\nTime taken: 3.2 sec.\nA: 2.41 GB, R: 3 GB, Sys: 4/8 GB");
        let layout = Layout::of(&text);
        assert_eq!((layout.prompts.len(), layout.parameters.len(), layout.tail.len()), (2, 1, 2));
        for (text, prompts) in [
            ("a car Negative prompt: ", vec!["a car", "Negative prompt:"]),
            ("a car, Negative prompt: bad ", vec!["a car", "Negative prompt: bad"]),
            ("a car, red ", vec!["a car, red"]),
        ] {
            let text = format!("{text}{PARAMETERS}");
            let layout = Layout::of(&text);
            assert_eq!((layout.prompts, layout.parameters), (prompts, vec![PARAMETERS]), "{text}");
        }
        assert_eq!(Layout::of("a car Negative prompt: bad").prompts, ["a car", "Negative prompt: bad"]);
    }
}
