//! The table, held against the code.

use std::collections::BTreeSet;
use std::path::Path;

use crate::circles::{arrows, circles};
use crate::paths::Named;
use crate::source::tokens;
use crate::table::{self, CIRCLES, KEPT, PRINTING, ROOMS, STATE, UNMENDED};
use crate::tree::{File, Target, Tree};

fn library() -> Tree {
    Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")), "src/lib.rs")
}

/// What breaks a rule: the rule, the file, and a sentence with the line.
type Broken = Vec<(String, String, String)>;

/// Fails for what is broken and is not in `UNMENDED`, and for what is in it under one of these rules and is mended.
#[track_caller]
fn assert_kept(broken: Broken, is_of_rule: impl Fn(&str) -> bool) {
    let is_known = |rule: &str, file: &str| UNMENDED.iter().any(|row| row.0 == rule && file.starts_with(row.1));
    let new: BTreeSet<_> =
        broken.iter().filter(|(rule, file, _)| !is_known(rule, file)).map(|(.., said)| said).collect();
    let new: Vec<_> = new.into_iter().map(String::as_str).collect();
    assert!(new.is_empty(), "against tests/layers/table.rs:\n{}", new.join("\n"));
    let is_there = |row: &&(&str, &str)| broken.iter().any(|(rule, file, _)| rule == row.0 && file.starts_with(row.1));
    let mended: Vec<_> = UNMENDED.iter().filter(|(rule, _)| is_of_rule(rule)).filter(|row| !is_there(row)).collect();
    assert!(mended.is_empty(), "mended: take these rows out of UNMENDED in tests/layers/table.rs:\n{mended:#?}");
}

fn room(file: &File) -> &str {
    file.place.first().map_or("lib", String::as_str)
}

/// Whether a name stands in the tests of its file.
fn is_test(file: &File, inside: &[String]) -> bool {
    file.place.iter().chain(inside).any(|module| module == "tests")
}

#[test]
fn rooms_name_only_those_the_table_allows() {
    let tree = library();
    let mut broken = Broken::new();
    for file in tree.files.iter().filter(|file| !file.place.is_empty()) {
        let may = ROOMS.iter().find(|(name, _)| *name == room(file));
        let (_, may) = may.unwrap_or_else(|| panic!("{}: the room `{}` has no row", file.name, room(file)));
        for named in &file.parts.named {
            let Target::Here(place) = tree.target(file, named) else { continue };
            let Some(to) = tree.room(&place).filter(|to| *to != room(file) && !may.contains(to)) else { continue };
            let rule = format!("{} → {to}", room(file));
            broken.push((rule.clone(), file.name.clone(), format!("{}:{}: {rule}", file.name, named.line)));
        }
    }
    assert_kept(broken, |rule| rule.contains('→'));
}

#[test]
fn the_table_has_every_room_once_from_the_ground_up() {
    let tree = library();
    let rooms: BTreeSet<&str> = tree.files.iter().filter(|file| !file.place.is_empty()).map(room).collect();
    for (at, (name, may)) in ROOMS.iter().enumerate() {
        let is_below = |other: &&&str| ROOMS[..at].iter().any(|(below, _)| *below == **other);
        let above: Vec<_> = may.iter().filter(|other| !is_below(other)).collect();
        assert!(above.is_empty(), "`{name}` may not name {above:?}: they do not stand above it in the table");
        assert!(!ROOMS[..at].iter().any(|(other, _)| other == name), "`{name}` stands twice");
        assert_ne!(rooms.contains(name), table::COMING.contains(name), "`{name}`: there is a room, or it is coming");
    }
}

#[test]
fn crates_are_used_where_they_belong() {
    let tree = library();
    let mut broken = Broken::new();
    for file in &tree.files {
        for named in file.parts.named.iter().filter(|named| !is_test(file, &named.inside)) {
            let Some((what, _)) = kept(&tree, file, named).filter(|(_, rooms)| !rooms.contains(&room(file))) else {
                continue;
            };
            broken.push(((*what).to_owned(), file.name.clone(), format!("{}:{}: {what}", file.name, named.line)));
        }
    }
    assert_kept(broken, |rule| KEPT.iter().any(|(what, _)| *what == rule));
}

fn kept<'a>(tree: &Tree, file: &File, named: &Named) -> Option<&'a (&'a str, &'a [&'a str])> {
    let Target::Elsewhere(path) = tree.target(file, named) else { return None };
    KEPT.iter()
        .find(|(what, _)| what.split("::").zip(&path).filter(|(a, b)| a == b).count() == what.split("::").count())
}

#[test]
fn only_front_ends_print() {
    let mut broken = Broken::new();
    for file in library().files {
        for call in file.parts.calls.iter().filter(|call| !is_test(&file, &call.inside)) {
            if PRINTING.contains(&call.name.as_str()) && !table::FRONT_ENDS.contains(&room(&file)) {
                broken.push((
                    call.name.clone(),
                    file.name.clone(),
                    format!("{}:{}: {}!", file.name, call.line, call.name),
                ));
            }
        }
    }
    assert_kept(broken, |rule| PRINTING.contains(&rule));
}

/// Two programs, or two sessions in one, must not meet in a variable.
#[test]
fn the_application_has_no_state_of_its_own() {
    let broken = library().files.iter().filter(|file| room(file) == "app").flat_map(statics).collect();
    assert_kept(broken, |rule| rule == "static");
}

fn statics(file: &File) -> Broken {
    let tokens = tokens(&file.text);
    let begins = |at: &usize| tokens[*at].is_word("static") || tokens[*at].is_word("thread_local");
    let is_state = |at: &usize| {
        let declared = tokens[*at..].iter().take_while(|t| !t.is_sign("=") && !t.is_sign(";"));
        tokens[*at].is_word("thread_local") || declared.into_iter().any(|t| STATE.iter().any(|s| t.text.starts_with(s)))
    };
    let found = (0..tokens.len()).filter(begins).filter(is_state).map(|at| {
        (
            "static".to_owned(),
            file.name.clone(),
            format!("{}:{}: a variable of the program", file.name, tokens[at].line),
        )
    });
    found.collect()
}

#[test]
fn files_do_not_run_in_circles() {
    let tree = library();
    let arrows = arrows(&tree);
    let found: Vec<Vec<&str>> = circles(&arrows)
        .into_iter()
        .filter(|circle| circle.len() > 2)
        .map(|circle| circle.into_iter().map(|file| tree.files[file].name.as_str()).collect())
        .collect();
    let is_known = |circle: &&Vec<&str>| !CIRCLES.iter().any(|known| circle.iter().all(|file| known.contains(file)));
    let new: Vec<_> = found.iter().filter(is_known).collect();
    assert!(new.is_empty(), "files that name each other in a circle:\n{new:#?}");
    for known in CIRCLES {
        let gone: Vec<_> = known.iter().filter(|file| !found.iter().any(|circle| circle.contains(file))).collect();
        assert!(
            gone.is_empty(),
            "no longer in a circle: take them out of CIRCLES in tests/layers/table.rs:\n{gone:#?}"
        );
    }
}

#[test]
fn state_is_told_from_constants() {
    let of = |text: &str| {
        let tree = crate::tree::sample(&[("app/mod.rs", "app", text)]);
        statics(&tree.files[0]).len()
    };
    assert_eq!(
        of("static A: OnceLock<u8> = OnceLock::new(); static B: AtomicU8 = x; static mut C: u8 = 1; thread_local! {}"),
        4
    );
    assert_eq!(of("static A: &[u8] = &[1]; static B: LazyLock<Regex> = y; fn f(x: &'static Mutex<u8>) {}"), 0);
}
