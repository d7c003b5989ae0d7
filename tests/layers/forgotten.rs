//! A file that nothing declares is not compiled, and a golden value that nothing reads proves nothing: neither is told by cargo.

use std::collections::BTreeSet;
use std::path::Path;

use crate::source::{Kind, Token, tokens};
use crate::tree::{Tree, rust_files};

/// Folders of golden values whose tests are not written yet.
const UNREAD: [&str; 0] = [];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a program whose root is `root`.
fn files_of(root: &str) -> BTreeSet<String> {
    Tree::read(repository(), root).files.into_iter().map(|file| file.name).collect()
}

/// Cargo finds `FOLDER/*.rs` and `FOLDER/*/main.rs` by itself.
fn programs(folder: &str) -> impl Iterator<Item = String> {
    let is_root = |name: &String| match name.split('/').collect::<Vec<_>>()[..] {
        [_, _] => true,
        [_, _, file] => file == "main.rs",
        _ => false,
    };
    rust_files(repository(), folder).into_iter().filter(is_root)
}

#[test]
fn every_file_is_a_module_of_a_program() {
    let cargo = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    assert!(!cargo.contains("autotests") && !cargo.contains("[[test]]"), "cargo is to find the tests by itself");
    let declared: BTreeSet<String> = programs("tests").flat_map(|root| files_of(&root)).collect();
    let forgotten: Vec<_> = rust_files(repository(), "tests").difference(&declared).cloned().collect();
    assert!(forgotten.is_empty(), "no program has these as its modules: {forgotten:#?}");
    let declared: BTreeSet<String> = ["src/lib.rs", "src/main.rs"].into_iter().flat_map(files_of).collect();
    let forgotten: Vec<_> = rust_files(repository(), "src").difference(&declared).cloned().collect();
    assert!(forgotten.is_empty(), "not in the library: {forgotten:#?}");
    assert!(declared.len() > 50, "the modules are followed");
}

#[test]
fn every_folder_of_golden_values_is_read() {
    let texts: Vec<String> = rust_files(repository(), "tests").iter().flat_map(|file| names(file)).collect();
    let is_read = |folder: &str| texts.iter().any(|text| text.split('/').any(|part| part == folder));
    let mut unread = folders("fixtures/vectors");
    assert!(unread.len() >= 10, "{unread:?}");
    unread.retain(|path| !is_read(path.rsplit('/').next().unwrap()));
    assert_eq!(unread, UNREAD, "no test names these folders, or UNREAD in {} is too long", file!());
}

/// The strings of a test file; but not those that only tell which entries a folder has.
fn names(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join(file)).unwrap();
    let tokens = tokens(&text);
    let mut names = Vec::new();
    let mut rest = &tokens[..];
    while let [token, after @ ..] = rest {
        rest = if token.is_word("assert_known_files") { behind_list(after) } else { after };
        names.extend((token.kind == Kind::Text).then(|| token.text.to_owned()));
    }
    names
}

fn behind_list<'a, 'b>(tokens: &'a [Token<'b>]) -> &'a [Token<'b>] {
    tokens.iter().position(|t| t.is_sign(";") || t.is_sign("{")).map_or(tokens, |end| &tokens[end..])
}

fn folders(under: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(repository().join(under)).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            let name = format!("{under}/{}", entry.file_name().to_str().unwrap());
            found.extend(folders(&name));
            found.push(name);
        }
    }
    found.sort();
    found
}
