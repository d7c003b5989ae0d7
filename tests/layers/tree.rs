//! The modules of a crate and what each of its names stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::paths::{How, Named, Parts, parts};
use crate::source::tokens;

/// A path through modules, from the root of the crate.
pub type Place = Vec<String>;

pub struct File {
    /// From the root of the repository, with `/`.
    pub name: String,
    pub place: Place,
    pub text: String,
    pub parts: Parts,
}

/// What a path names.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Something in the crate, by its full path.
    Here(Place),
    /// Something in another crate, by its full path.
    Elsewhere(Place),
}

pub struct Tree {
    pub files: Vec<File>,
    /// The index of the file in which a module stands; modules inside a file too.
    modules: BTreeMap<Place, usize>,
    /// The file of each macro that the whole crate sees.
    macros: BTreeMap<String, usize>,
}

impl Tree {
    /// Reads the crate whose root module is `root`, a file of the repository, and follows its modules.
    pub fn read(repository: &Path, root: &str) -> Tree {
        let mut tree = Tree { files: Vec::new(), modules: BTreeMap::new(), macros: BTreeMap::new() };
        let mut ahead = vec![(PathBuf::from(root), Place::new())];
        while let Some((path, place)) = ahead.pop() {
            let whole = repository.join(&path);
            let text = std::fs::read_to_string(&whole).unwrap_or_else(|e| panic!("{}: {e}", whole.display()));
            let file = File::new(path.to_str().unwrap().replace('\\', "/"), place, text);
            for (name, inside, attribute) in &file.parts.children {
                let child = [&file.place[..], inside, std::slice::from_ref(name)].concat();
                ahead.push((
                    child_path(repository, &path, place_of_children(root, &path), inside, name, attribute),
                    child,
                ));
            }
            tree.add(file);
        }
        tree
    }

    fn add(&mut self, file: File) {
        let at = self.files.len();
        self.modules.insert(file.place.clone(), at);
        for named in &file.parts.named {
            (0..=named.inside.len()).for_each(|n| {
                self.modules.insert([&file.place[..], &named.inside[..n]].concat(), at);
            });
        }
        self.macros.extend(file.parts.macros.iter().map(|name| (name.clone(), at)));
        self.files.push(file);
    }

    /// What `named` in `file` stands for. A single word that is no `use` stands for nothing here.
    pub fn target(&self, file: &File, named: &Named) -> Target {
        self.resolve(&[&file.place[..], &named.inside].concat(), &named.segments, &mut BTreeSet::new())
    }

    fn resolve(&self, place: &[String], segments: &[String], seen: &mut BTreeSet<(Place, Place)>) -> Target {
        let (first, rest) = segments.split_first().unwrap();
        let here = |place: &[String], rest: &[String]| Target::Here([place, rest].concat());
        if !seen.insert((place.to_vec(), segments.to_vec())) {
            return Target::Elsewhere(segments.to_vec());
        }
        match first.as_str() {
            "crate" | "lbw" => here(&[], rest),
            "self" => here(place, rest),
            "super" => {
                let above = &place[..place.len().saturating_sub(1)];
                match rest.first().is_some_and(|next| next == "super") {
                    true => self.resolve(above, rest, seen),
                    false => here(above, rest),
                }
            }
            _ if self.modules.contains_key(&[place, std::slice::from_ref(first)].concat()) => here(place, segments),
            name => match self.imported(place, name, seen) {
                Some(Target::Here(place)) => here(&place, rest),
                Some(Target::Elsewhere(path)) => Target::Elsewhere([&path, rest].concat()),
                None => Target::Elsewhere(segments.to_vec()),
            },
        }
    }

    /// What `use` brings under this name into a module.
    fn imported(&self, place: &[String], name: &str, seen: &mut BTreeSet<(Place, Place)>) -> Option<Target> {
        let uses = || self.named_in(place).filter(|n| n.segments != [name]);
        let is_it = |n: &&Named| matches!(&n.how, How::Use { name: n, .. } if n == name);
        if let Some(named) = uses().find(is_it) {
            return Some(self.resolve(place, &named.segments, seen));
        }
        uses().filter(|n| matches!(n.how, How::All { .. })).find_map(|n| {
            let Target::Here(from) = self.resolve(place, &n.segments, seen) else { return None };
            let child = [&from[..], &[name.to_owned()]].concat();
            let is_there = self.modules.contains_key(&child) || self.defines(&from, name);
            if is_there { Some(Target::Here(child)) } else { self.imported(&from, name, seen) }
        })
    }

    fn named_in(&self, place: &[String]) -> impl Iterator<Item = &Named> {
        let file = self.modules.get(place).map(|at| &self.files[*at]);
        file.into_iter().flat_map(move |file| {
            file.parts
                .named
                .iter()
                .filter(move |n| place.strip_prefix(&file.place[..]).is_some_and(|inside| inside == n.inside))
        })
    }

    fn defines(&self, place: &[String], name: &str) -> bool {
        self.modules.get(place).is_some_and(|at| {
            let file = &self.files[*at];
            let inside = place[file.place.len()..].to_vec();
            file.parts.items.contains(&(inside, name.to_owned()))
        })
    }

    /// The file in which something of the crate is written: what a module only gives on counts for where it comes from.
    pub fn definition(&self, target: &[String]) -> usize {
        self.define(target, &mut BTreeSet::new())
    }

    fn define(&self, target: &[String], seen: &mut BTreeSet<Place>) -> usize {
        let depth = (0..=target.len()).rev().find(|n| self.modules.contains_key(&target[..*n])).unwrap_or(0);
        let (place, rest) = target.split_at(depth);
        let own = self.modules[place];
        let Some(name) = rest.first() else { return own };
        if let Some(at) = self.macros.get(name).filter(|_| place.is_empty()) {
            return *at;
        }
        if self.defines(place, name) || !seen.insert(target.to_vec()) {
            return own;
        }
        match self.imported(place, name, &mut BTreeSet::new()) {
            Some(Target::Here(from)) => self.define(&from, seen),
            _ => own,
        }
    }

    /// The room in which something of the crate stands: the first word of its path.
    pub fn room<'a>(&'a self, target: &'a [String]) -> Option<&'a str> {
        let first = target.first()?;
        match self.macros.get(first) {
            Some(at) => self.files[*at].place.first().map(String::as_str),
            None => Some(first),
        }
    }
}

impl File {
    fn new(name: String, place: Place, text: String) -> File {
        let parts = parts(&tokens(&text));
        File { name, place, text, parts }
    }
}

/// Whether the modules of a file stand beside it, as those of `mod.rs` and of a root, or in a folder of its name.
fn place_of_children(root: &str, path: &Path) -> PathBuf {
    let folder = path.parent().unwrap().to_owned();
    match path == Path::new(root) || path.ends_with("mod.rs") {
        true => folder,
        false => folder.join(path.file_stem().unwrap()),
    }
}

fn child_path(
    repository: &Path,
    parent: &Path,
    children: PathBuf,
    inside: &[String],
    name: &str,
    attribute: &Option<String>,
) -> PathBuf {
    if let Some(path) = attribute {
        return tidy(&parent.parent().unwrap().join(path));
    }
    let folder = inside.iter().fold(children, |folder, name| folder.join(name));
    let (file, own_folder) = (folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs"));
    if repository.join(&file).exists() { file } else { own_folder }
}

/// The path without `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(tidy.pop()),
            part => tidy.push(part),
        }
    }
    tidy
}

/// Every Rust file under a folder of the repository, from its root, with `/`.
pub fn rust_files(repository: &Path, folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository.join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut files = BTreeSet::new();
    for entry in entries.map(Result::unwrap) {
        let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        match entry.path().is_dir() {
            true => files.extend(rust_files(repository, &name)),
            false => files.extend(name.ends_with(".rs").then_some(name)),
        }
    }
    files
}

/// A crate of files that are given, for the tests of the rules.
#[cfg(test)]
pub fn sample(files: &[(&str, &str, &str)]) -> Tree {
    let mut tree = Tree { files: Vec::new(), modules: BTreeMap::new(), macros: BTreeMap::new() };
    for (name, place, text) in files {
        let place = place.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        tree.add(File::new((*name).to_owned(), place, (*text).to_owned()));
    }
    tree
}

#[test]
fn names_lead_to_where_they_are_written() {
    let tree = sample(&[
        ("lib.rs", "", "mod a; mod b;"),
        (
            "a/mod.rs",
            "a",
            "mod one; mod two; pub use one::*; pub use two::Two as Three; use super::b; struct Own; b::f();",
        ),
        ("a/one.rs", "a::one", "pub struct One; use super::{Own, two}; two::g();"),
        ("a/two.rs", "a::two", "pub struct Two;"),
        (
            "b.rs",
            "b",
            "use crate::a::{One, Three, Own}; #[macro_export] macro_rules! say {} mod tests { use super::*; One::new(); }",
        ),
    ]);
    let found = |name: &str| -> Vec<(String, String)> {
        let file = tree.files.iter().find(|file| file.name == name).unwrap();
        let named = file.parts.named.iter().filter_map(|n| match tree.target(file, n) {
            Target::Here(place) => Some((n.segments.join("::"), tree.files[tree.definition(&place)].name.clone())),
            Target::Elsewhere(_) => None,
        });
        named.collect()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        found("b.rs"),
        [
            pair("crate::a::One", "a/one.rs"),
            pair("crate::a::Three", "a/two.rs"),
            pair("crate::a::Own", "a/mod.rs"),
            pair("super", "b.rs"),
            pair("One::new", "a/one.rs"),
        ]
    );
    assert_eq!(
        found("a/one.rs"),
        [pair("super::Own", "a/mod.rs"), pair("super::two", "a/two.rs"), pair("two::g", "a/two.rs")]
    );
    assert!(found("a/mod.rs").contains(&pair("b::f", "b.rs")));
    assert_eq!(tree.room(&["say".to_owned()]), Some("b"));
}
