//! What a file names: its modules, its `use` items, and every other path in it.

use std::collections::BTreeSet;

use crate::source::{Kind, Token};

/// A path as it stands in a file: `super::weights::Ledger`.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    pub line: usize,
    /// The modules inside the file in which it stands, such as `tests`.
    pub inside: Vec<String>,
    pub segments: Vec<String>,
    pub how: How,
}

#[derive(Debug, Clone, PartialEq)]
pub enum How {
    /// In an expression or a type.
    Path,
    /// By `use`, under this name; `pub use` gives it on.
    Use { name: String, is_public: bool },
    /// By `use …::*`.
    All { is_public: bool },
}

/// A file, taken apart.
#[derive(Debug, Default)]
pub struct Parts {
    pub named: Vec<Named>,
    /// Modules with a file of their own: name, the modules inside this file in which they stand, and `#[path]`.
    pub children: Vec<(String, Vec<String>, Option<String>)>,
    /// What the modules of this file define, each with the modules inside the file in which it stands.
    pub items: BTreeSet<(Vec<String>, String)>,
    /// Macros that the whole crate sees.
    pub macros: Vec<String>,
    /// Macros that are called by their name alone.
    pub calls: Vec<Call>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub line: usize,
    pub inside: Vec<String>,
    pub name: String,
}

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

pub fn parts(tokens: &[Token]) -> Parts {
    let mut parts = Parts::default();
    // The modules inside the file that are open, each with the depth of braces in which it stands.
    let (mut open, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let inside = || open.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let word = |ahead: usize| tokens.get(at + ahead).filter(|t| t.kind == Kind::Word).map(|t| t.text.to_owned());
        let sign = |ahead: usize, sign: &str| tokens.get(at + ahead).is_some_and(|t| t.is_sign(sign));
        let is_item_place = depth == open.last().map_or(0, |(_, depth)| depth + 1);
        let mut step = 1;
        match (token.kind, token.text) {
            (Kind::Sign, "{") => depth += 1,
            (Kind::Sign, "}") => {
                depth = depth.saturating_sub(1);
                open.pop_if(|(_, opened)| *opened == depth);
            }
            (Kind::Word, "pub") if sign(1, "(") => {
                step = tokens[at..].iter().position(|t| t.is_sign(")")).map_or(1, |end| end + 1);
            }
            (Kind::Word, "mod") if word(1).is_some() && sign(2, ";") => {
                parts.children.extend(word(1).map(|name| (name, inside(), path_attribute(&tokens[..at]))));
            }
            (Kind::Word, "mod") if word(1).is_some() && sign(2, "{") => {
                parts.items.extend(word(1).map(|name| (inside(), name)));
                open.extend(word(1).map(|name| (name, depth)));
                (step, depth) = (3, depth + 1);
            }
            (Kind::Word, "use") if !sign(1, "<") => {
                let is_public = is_public(&tokens[..at]);
                let mut tree = UseTree { tokens, at: at + 1, inside: inside(), is_public, found: &mut parts.named };
                tree.branch(&[]);
                step = tree.at - at;
            }
            (Kind::Word, "macro_rules") => {
                let is_exported = tokens[..at].iter().rev().take(4).any(|t| t.is_word("macro_export"));
                parts.macros.extend(word(2).filter(|_| is_exported));
                parts.items.extend(word(2).map(|name| (inside(), name)));
            }
            (Kind::Word, item) if ITEMS.contains(&item) && is_item_place => {
                parts.items.extend(word(1).map(|name| (inside(), name)));
            }
            (Kind::Word, name) if sign(1, "!") && !sign(2, "=") => {
                parts.calls.push(Call { line: token.line, inside: inside(), name: name.to_owned() });
            }
            (Kind::Word, _) => {
                let segments = path(&tokens[at..]);
                step = 3 * segments.len() - 2;
                if segments.len() > 1 {
                    parts.named.push(Named { line: token.line, inside: inside(), segments, how: How::Path });
                }
            }
            _ => {}
        }
        at += step;
    }
    parts
}

/// The words at the beginning that `::` joins.
fn path(tokens: &[Token]) -> Vec<String> {
    let mut segments = vec![tokens[0].text.to_owned()];
    let mut rest = &tokens[1..];
    while let [a, b, word, after @ ..] = rest
        && a.is_sign(":")
        && b.is_sign(":")
        && word.kind == Kind::Word
    {
        segments.push(word.text.to_owned());
        rest = after;
    }
    segments
}

/// Whether `pub` or `pub(…)` ends what stands before.
fn is_public(before: &[Token]) -> bool {
    let scope = before.last().filter(|t| t.is_sign(")")).and_then(|_| before.iter().rposition(|t| t.is_sign("(")));
    before[..scope.unwrap_or(before.len())].last().is_some_and(|t| t.is_word("pub"))
}

/// The file that `#[path = "…"]` names just before.
fn path_attribute(before: &[Token]) -> Option<String> {
    let attribute = before.rsplit(|t| t.is_sign("#")).next().filter(|_| before.iter().any(|t| t.is_sign("#")))?;
    match attribute {
        [open, path, equals, text, close, rest @ ..]
            if open.is_sign("[") && path.is_word("path") && equals.is_sign("=") && close.is_sign("]") =>
        {
            rest.iter().all(|t| t.is_word("pub")).then(|| text.text.to_owned())
        }
        _ => None,
    }
}

/// Reads `a::{b, c::*, d as e};`.
struct UseTree<'a, 'b> {
    tokens: &'a [Token<'a>],
    at: usize,
    inside: Vec<String>,
    is_public: bool,
    found: &'b mut Vec<Named>,
}

impl UseTree<'_, '_> {
    /// One branch behind `stem`, up to the comma, brace or semicolon that ends it.
    fn branch(&mut self, stem: &[String]) {
        let mut segments = stem.to_vec();
        while let Some(token) = self.tokens.get(self.at) {
            match (token.kind, token.text) {
                (Kind::Sign, ":" | "$") => self.at += 1,
                (Kind::Sign, "*") => {
                    self.at += 1;
                    return self.push(token.line, segments, How::All { is_public: self.is_public });
                }
                (Kind::Sign, "{") => return self.group(&segments),
                (Kind::Word, "as") => {
                    let name = self.tokens.get(self.at + 1).map_or("", |t| t.text).to_owned();
                    self.at += 2;
                    return self.push(token.line, segments, How::Use { name, is_public: self.is_public });
                }
                (Kind::Word, word) => {
                    self.at += 1;
                    // `a::{self}` is `a`.
                    if word != "self" || segments.is_empty() {
                        segments.push(word.to_owned());
                    }
                    let goes_on = self.tokens.get(self.at).is_some_and(|t| t.is_sign(":") || t.is_word("as"));
                    if !goes_on {
                        let name = segments.last().cloned().unwrap_or_default();
                        return self.push(token.line, segments, How::Use { name, is_public: self.is_public });
                    }
                }
                _ => return,
            }
        }
    }

    fn group(&mut self, stem: &[String]) {
        while self.tokens.get(self.at).is_some_and(|t| !t.is_sign("}")) {
            self.at += 1;
            if !self.tokens.get(self.at).is_some_and(|t| t.is_sign("}")) {
                self.branch(stem);
            }
        }
        self.at += 1;
    }

    fn push(&mut self, line: usize, segments: Vec<String>, how: How) {
        self.found.push(Named { line, inside: self.inside.clone(), segments, how });
    }
}

#[test]
fn every_path_is_found() {
    let source = "pub use a::{b, c::{self, d as e}, f::*,};\n pub(crate) use super::g;\n#[path = \"x/y.rs\"]\nmod h;\n\
        pub(in crate::no) fn k() -> l::M<n::O> { $crate::p!(); x.q::<r::S>(); }\nmod t { use super::*; mod u; struct V; }";
    let parts = parts(&crate::source::tokens(source));
    let found: Vec<String> = parts.named.iter().map(|n| format!("{}:{}", n.line, n.segments.join("::"))).collect();
    assert_eq!(
        found,
        [
            "1:a::b",
            "1:a::c",
            "1:a::c::d",
            "1:a::f",
            "2:super::g",
            "5:l::M",
            "5:n::O",
            "5:crate::p",
            "5:r::S",
            "6:super"
        ]
    );
    let how = |at: usize| parts.named[at].how.clone();
    assert_eq!(how(2), How::Use { name: "e".into(), is_public: true });
    assert_eq!(how(3), How::All { is_public: true });
    assert_eq!(how(4), How::Use { name: "g".into(), is_public: true });
    assert_eq!((how(9), &parts.named[9].inside[..]), (How::All { is_public: false }, &["t".to_owned()][..]));
    assert_eq!(parts.children, [("h".into(), vec![], Some("x/y.rs".into())), ("u".into(), vec!["t".into()], None)]);
    let items: Vec<_> = parts.items.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(items, ["k", "t", "V"]);
}
