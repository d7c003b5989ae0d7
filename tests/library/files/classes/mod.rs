//! Classes of hostile files, made here and tried with every reader: none makes it panic, run away or take memory that the file does not
//! justify, and what is refused is told with a code, in both languages, without letters that speak to a terminal.

mod pictures;
mod records;
mod tensors;
mod texts;

use lbw::app;
use lbw::diagnostic::{Diagnostic, Language, Severity, Style};

use super::memory::peak;

/// What a reader makes of a file.
type Told = app::Result<Vec<Diagnostic>>;

/// A file of a class.
pub struct Class {
    name: String,
    bytes: Vec<u8>,
    /// Whether an error must be told of it.
    is_refused: bool,
}

/// A file that must be refused.
pub fn bad(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Class {
    Class { name: name.into(), bytes: bytes.into(), is_refused: true }
}

/// A file that is odd, and may be read.
pub fn odd(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Class {
    Class { is_refused: false, ..bad(name, bytes) }
}

/// What each reader has at least.
const CLASSES: usize = 20;
/// What a file may take beside its length.
const MEMORY: usize = 64 << 20;
/// What a byte of it may become: a short line is a style, an option, a job.
const JUSTIFIED: usize = 32;

/// Tries all of them; what is wrong is told for all at once.
pub fn tried(reader: &str, good: &[u8], classes: impl IntoIterator<Item = Class>, read: impl Fn(&[u8]) -> Told) {
    let findings = |told: Told| told.unwrap_or_else(|error| error.findings);
    let said = findings(read(good));
    assert!(!said.iter().any(|found| found.severity == Severity::Error), "{reader}: {said:?}");
    let (mut count, mut wrong) = (0, Vec::new());
    for Class { name, bytes, is_refused } in classes {
        count += 1;
        let (told, held) = peak(|| read(&bytes));
        let found = findings(told);
        if is_refused && !found.iter().any(|found| found.severity >= Severity::Warning) {
            wrong.push(format!("{name}: nothing is told"));
        }
        if held > MEMORY + JUSTIFIED * bytes.len() {
            wrong.push(format!("{name}: {} MiB for a file of {} bytes", held >> 20, bytes.len()));
        }
        wrong.extend(found.iter().filter_map(spoken).map(|why| format!("{name}: {why}")));
    }
    assert!(count >= CLASSES, "{reader}: {count} classes");
    assert!(wrong.is_empty(), "{reader}:\n{}", wrong.join("\n"));
}

/// What is wrong with how something is said.
fn spoken(found: &Diagnostic) -> Option<String> {
    let [en, ja] = [Language::En, Language::Ja].map(|language| found.message.in_language(language));
    let drawn = Language::ALL.map(|language| found.render(Style::Plain, language));
    let speaks_to_terminals = drawn.iter().any(|text| text.chars().any(|c| c.is_control() && c != '\n'));
    match () {
        _ if found.code.id.len() != 5 => Some("no code".to_owned()),
        _ if en.is_empty() || en == ja => Some(format!("not in both languages: {en}")),
        _ if speaks_to_terminals => Some(format!("control characters: {drawn:?}")),
        _ if drawn.iter().any(|text| text.len() > 1 << 16) => Some("more than anybody reads".to_owned()),
        _ => None,
    }
}

/// What can be done to a file of any format. A text of its first 64 bytes is the place of most lengths, counts and kinds.
pub fn mangled(good: &[u8]) -> Vec<Class> {
    let (length, half) = (good.len(), good.len() / 2);
    let mut classes = vec![
        bad("nothing", []),
        bad("its first byte", &good[..1]),
        bad("its first seven bytes", &good[..7]),
        bad("its first half", &good[..half]),
        bad("all but the last byte", &good[..length - 1]),
        bad("a byte before it", [&[0], good].concat()),
        bad("a mark of UTF-8 before it", [b"\xef\xbb\xbf", good].concat()),
        bad("backwards", good.iter().rev().copied().collect::<Vec<_>>()),
        bad("nothing but zeros", vec![0; length]),
        bad("nothing but ones", vec![0xff; length]),
        bad("its beginning and a megabyte of zeros", [&good[..16], &vec![0; 1 << 20]].concat()),
        odd("a megabyte behind it", [good, &vec![0xa5; 1 << 20]].concat()),
        odd("twice", good.repeat(2)),
        odd("without its middle", [&good[..half - half / 4], &good[half + half / 4..]].concat()),
        odd("its middle zeroed", [&good[..half - half / 4], &vec![0; half / 4 * 2], &good[half + half / 4..]].concat()),
    ];
    for at in (0..64.min(length - 8)).step_by(4) {
        for (what, word) in [("largest", [0xff; 4]), ("signed", [0xff, 0xff, 0xff, 0x7f]), ("zero", [0; 4])] {
            let mut file = good.to_vec();
            file[at..at + 4].copy_from_slice(&word);
            classes.push(odd(format!("the {what} number at {at}"), file));
        }
    }
    classes
}
