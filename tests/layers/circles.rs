//! Circles of files: files of which each leads to each other one by what it names.

use std::collections::BTreeSet;

use crate::paths::How;
use crate::tree::{Target, Tree};

/// For each file the files whose code it names. Left out are tests inside a file, what a module gives on from the modules in it,
/// and what a module takes from the module it is in: a part may use the whole it belongs to.
pub fn arrows(tree: &Tree) -> Vec<BTreeSet<usize>> {
    let arrows = tree.files.iter().enumerate().map(|(own, file)| {
        let code = file.parts.named.iter().filter(|n| !is_test(&file.place) && !n.inside.iter().any(|m| m == "tests"));
        let targets = code.filter_map(|named| match tree.target(file, named) {
            Target::Here(place) => Some((tree.definition(&place), &named.how)),
            Target::Elsewhere(_) => None,
        });
        let is_counted = |(to, how): &(usize, &How)| {
            let other = &tree.files[*to].place;
            let gives_on = matches!(how, How::Use { is_public: true, .. } | How::All { is_public: true });
            let is_given_on = gives_on && other.starts_with(&file.place);
            *to != own && !is_given_on && !file.place.starts_with(other)
        };
        targets.filter(is_counted).map(|(to, _)| to).collect()
    });
    arrows.collect()
}

fn is_test(place: &[String]) -> bool {
    place.last().is_some_and(|name| name == "tests")
}

/// The strongly connected components of more than one file, by Tarjan's algorithm ("Depth-first search and linear graph algorithms",
/// 1972).
pub fn circles(arrows: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let unseen = usize::MAX;
    let mut search =
        Search { arrows, order: vec![unseen; arrows.len()], low: vec![0; arrows.len()], ..Search::default() };
    (0..arrows.len()).for_each(|file| {
        if search.order[file] == unseen {
            search.visit(file);
        }
    });
    search.found.retain(|circle| circle.len() > 1);
    search.found
}

#[derive(Default)]
struct Search<'a> {
    arrows: &'a [BTreeSet<usize>],
    order: Vec<usize>,
    low: Vec<usize>,
    next: usize,
    open: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, file: usize) {
        (self.order[file], self.low[file]) = (self.next, self.next);
        self.next += 1;
        self.open.push(file);
        for &to in &self.arrows[file] {
            if self.order[to] == usize::MAX {
                self.visit(to);
                self.low[file] = self.low[file].min(self.low[to]);
            } else if self.open.contains(&to) {
                self.low[file] = self.low[file].min(self.order[to]);
            }
        }
        if self.low[file] == self.order[file] {
            let at = self.open.iter().position(|open| *open == file).unwrap();
            let mut circle = self.open.split_off(at);
            circle.sort();
            self.found.push(circle);
        }
    }
}

#[test]
fn circles_of_known_graphs() {
    let graph = |arrows: &[&[usize]]| arrows.iter().map(|to| to.iter().copied().collect()).collect::<Vec<_>>();
    assert_eq!(circles(&graph(&[&[1], &[2], &[]])), [] as [Vec<usize>; 0]);
    assert_eq!(circles(&graph(&[&[1, 4], &[2], &[0, 3], &[4], &[3]])), [vec![3, 4], vec![0, 1, 2]]);
}

#[test]
fn a_part_may_use_its_whole() {
    let files = |third: &'static str| {
        crate::tree::sample(&[
            ("a/mod.rs", "a", "mod b; mod c; pub use b::B; use c::C; struct A;"),
            ("a/b.rs", "a::b", "use super::A; struct B;"),
            ("a/c.rs", "a::c", third),
        ])
    };
    assert_eq!(circles(&arrows(&files("use super::{A, B}; struct C;"))), [] as [Vec<usize>; 0]);
    let tree = crate::tree::sample(&[
        ("a.rs", "a", "use crate::b::B; struct A;"),
        ("b.rs", "b", "struct B; fn f() { crate::c::g(); } mod tests { use crate::c::C; }"),
        ("c.rs", "c", "struct C; fn g() -> crate::a::A {}"),
    ]);
    assert_eq!(circles(&arrows(&tree)), [vec![0, 1, 2]]);
}
