//! The LoRA files in the user's folders, found by the names that prompts use.
//!
//! A name is only ever compared with what the folders were found to hold; it is never made into a path. So `..`, absolute
//! paths and the like are just names that nothing has.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use thiserror::Error;

use crate::checkpoint::SafetensorsFile;
use crate::diagnostic::{Said, Text};
use crate::say;

/// How deep folders are searched; deeper ones are taken for a loop.
const MAX_DEPTH: usize = 32;
/// Longer names are not compared for likeness.
const MAX_LIKENESS_LEN: usize = 200;

/// Why a name gives no file. Names are escaped: they may hold control characters.
#[derive(Debug, Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum IndexError {
    Folder { path: PathBuf, source: std::io::Error },

    NotFound { name: String, similar: Vec<String> },

    Ambiguous { name: String, candidates: Vec<String> },

    Pickle { path: PathBuf },
}

impl Said for IndexError {
    fn said(&self) -> Text {
        match self {
            IndexError::Folder { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("cannot list {path}: {source}", "フォルダー {path} の中を調べられません: {source}", with source)
            }
            IndexError::NotFound { name, similar } => {
                let (name, hint) = (name.escape_debug(), did_you_mean(similar));
                say!("there is no LoRA called `{name}`{hint}", "LoRA `{name}` はありません{hint}", with hint)
            }
            IndexError::Ambiguous { name, candidates } => {
                let (name, candidates) = (name.escape_debug(), list(candidates));
                say!(
                    "`{name}` may be any of {candidates}; write one of these instead",
                    "`{name}` に当たるものがいくつもあります。{candidates} のどれかを書いてください"
                )
            }
            IndexError::Pickle { path } => {
                let path = path.display();
                say!(
                    "{path} is a pickle file, which can run any program when it is opened; convert it to .safetensors",
                    "{path} は pickle ファイルで、開くだけで任意のプログラムが動きえます。.safetensors に変換してください"
                )
            }
        }
    }
}

fn did_you_mean(similar: &[String]) -> Text {
    let names = list(similar);
    if names.is_empty() { Text::default() } else { say!("; is it {names}?", "。{names} ではありませんか") }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{}`", name.escape_debug())).collect::<Vec<_>>().join(", ")
}

/// A file of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Where it is.
    pub path: PathBuf,
    /// The file name without its extension: the name prompts use.
    pub name: String,
    /// The path below the LoRA folder, with `/` and the extension.
    pub sub_path: String,
    /// A `.pt`, `.bin` or `.ckpt` file, which is known so that it can be refused.
    pub is_pickle: bool,
}

/// All LoRA files of some folders.
#[derive(Clone, Debug, Default)]
pub struct LoraIndex {
    /// In the order of their sub-paths, folder by folder.
    entries: Vec<IndexEntry>,
    aliases: OnceLock<Vec<Option<String>>>,
}

impl LoraIndex {
    /// Searches `folders` and everything below them. Folders that do not exist hold nothing.
    pub fn scan(folders: &[PathBuf]) -> Result<Self, IndexError> {
        let mut scan = Scan::default();
        for folder in folders {
            scan.folder(folder, "", 0)?;
        }
        Ok(LoraIndex { entries: scan.entries, aliases: OnceLock::new() })
    }

    /// In the order of their sub-paths, folder by folder.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The file that a prompt means by `name`: a file name without extension, a path below the LoRA folder, or the
    /// `ss_output_name` that only one file was trained under.
    pub fn resolve(&self, name: &str) -> Result<&Path, IndexError> {
        let by_name: Vec<_> = self.entries.iter().filter(|e| e.name == name).collect();
        let (pickles, files): (Vec<_>, Vec<_>) = by_name.into_iter().partition(|e| e.is_pickle);
        if !files.is_empty() {
            return one(name, &files);
        }
        let sub_path = name.replace('\\', "/");
        let by_path = |e: &&IndexEntry| e.sub_path == sub_path || without_extension(&e.sub_path) == sub_path;
        let files: Vec<_> = self.entries.iter().filter(by_path).filter(|e| !e.is_pickle).collect();
        if !files.is_empty() {
            return one(name, &files);
        }
        let files: Vec<_> = self.with_alias(name).collect();
        if !files.is_empty() {
            return one(name, &files);
        }
        if let Some(pickle) = pickles.first().copied().or_else(|| self.entries.iter().find(by_path)) {
            return Err(IndexError::Pickle { path: pickle.path.clone() });
        }
        Err(IndexError::NotFound { name: name.to_owned(), similar: self.similar(name) })
    }

    /// Files trained under the output name `name`. As in webui `none` and `addams` are never aliases.
    fn with_alias(&self, name: &str) -> impl Iterator<Item = &IndexEntry> {
        let reserved = ["none", "addams"].contains(&name.to_lowercase().as_str());
        let aliases = if reserved { &[] } else { self.aliases() };
        let matches = move |(_, alias): &(_, &Option<String>)| alias.as_deref() == Some(name);
        self.entries.iter().zip(aliases).filter(matches).map(|(entry, _)| entry)
    }

    /// The `ss_output_name` of every entry; files that cannot be read have none.
    fn aliases(&self) -> &[Option<String>] {
        self.aliases.get_or_init(|| {
            let alias = |entry: &IndexEntry| {
                let file = SafetensorsFile::open(&entry.path).ok().filter(|_| !entry.is_pickle)?;
                file.metadata().get("ss_output_name").cloned()
            };
            self.entries.iter().map(alias).collect()
        })
    }

    /// The names most like `name`, best first.
    fn similar(&self, name: &str) -> Vec<String> {
        if name.chars().count() > MAX_LIKENESS_LEN {
            return Vec::new();
        }
        let lower = name.to_lowercase();
        let aliases = self.aliases().iter().flatten();
        let names: HashSet<&String> = self.entries.iter().map(|e| &e.name).chain(aliases).collect();
        let likeness = |candidate: &&String| strsim::jaro_winkler(&candidate.to_lowercase(), &lower);
        let mut scored: Vec<_> =
            names.into_iter().map(|n| (likeness(&n), n)).filter(|(score, _)| *score > 0.8).collect();
        scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
        scored.into_iter().take(3).map(|(_, n)| n.clone()).collect()
    }
}

fn one<'e>(name: &str, files: &[&'e IndexEntry]) -> Result<&'e Path, IndexError> {
    match files {
        [file] => Ok(&file.path),
        _ => {
            let candidates = files.iter().map(|file| file.sub_path.clone()).collect();
            Err(IndexError::Ambiguous { name: name.to_owned(), candidates })
        }
    }
}

fn without_extension(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

#[derive(Default)]
struct Scan {
    entries: Vec<IndexEntry>,
    /// Real paths of what was seen, so that overlapping folders and links count once.
    seen: HashSet<PathBuf>,
}

impl Scan {
    /// Adds what is in `folder`, which lies at `sub_path` below the LoRA folder.
    fn folder(&mut self, folder: &Path, sub_path: &str, depth: usize) -> Result<(), IndexError> {
        let list = |source| IndexError::Folder { path: folder.to_owned(), source };
        let real = match folder.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(list(error)),
        };
        if depth > MAX_DEPTH || !self.seen.insert(real) {
            return Ok(());
        }
        let mut children: Vec<_> = std::fs::read_dir(folder).and_then(Iterator::collect).map_err(list)?;
        children.sort_by_key(std::fs::DirEntry::file_name);
        for child in children {
            let (path, name) = (child.path(), child.file_name().to_string_lossy().into_owned());
            let sub_path = if sub_path.is_empty() { name.clone() } else { format!("{sub_path}/{name}") };
            if path.is_dir() {
                self.folder(&path, &sub_path, depth + 1)?;
            } else if let Some(is_pickle) = kind_of_file(&path) {
                let real = path.canonicalize().unwrap_or_else(|_| path.clone());
                if self.seen.insert(real) {
                    let name = without_extension(&name).to_owned();
                    self.entries.push(IndexEntry { path, name, sub_path, is_pickle });
                }
            }
        }
        Ok(())
    }
}

/// Whether a file that webui would list is a pickle; `None` for other files.
fn kind_of_file(path: &Path) -> Option<bool> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "safetensors" => Some(false),
        "pt" | "ckpt" | "bin" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, sub_path: &str, output_name: Option<&str>) {
        let path = folder.join(sub_path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let metadata = output_name.map_or(String::new(), |name| format!(r#""ss_output_name":"{name}""#));
        let header = format!(r#"{{"__metadata__":{{{metadata}}}}}"#);
        std::fs::write(path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()).unwrap();
    }

    fn index() -> (tempfile::TempDir, LoraIndex) {
        let folder = tempfile::tempdir().unwrap();
        for (sub_path, output_name) in [
            ("flat.safetensors", Some("flat style")),
            ("Ink.safetensors", Some("twice")),
            ("more/line.safetensors", Some("twice")),
            ("more/flat2.safetensors", Some("none")),
            ("a/same.safetensors", None),
            ("b/same.safetensors", Some("flat")),
            ("old.pt", None),
            ("notes.txt", None),
        ] {
            write(folder.path(), sub_path, output_name);
        }
        let index = LoraIndex::scan(&[folder.path().to_owned(), folder.path().join("more"), "missing".into()]).unwrap();
        (folder, index)
    }

    #[test]
    fn names_resolve_by_stem_sub_path_and_alias() {
        let (folder, index) = index();
        assert_eq!(index.entries().len(), 7);
        for (name, file) in [
            ("flat", "flat.safetensors"),
            ("line", "more/line.safetensors"),
            ("more/line", "more/line.safetensors"),
            ("more\\line.safetensors", "more/line.safetensors"),
            ("a/same", "a/same.safetensors"),
            ("flat style", "flat.safetensors"),
        ] {
            assert_eq!(index.resolve(name).unwrap(), folder.path().join(file), "{name}");
        }
    }

    #[test]
    fn names_that_are_not_there_are_errors() {
        let (_folder, index) = index();
        for name in ["", "..", "../flat", "/etc/passwd", "flat\0", "none", "NONE", "notes"] {
            assert!(matches!(index.resolve(name), Err(IndexError::NotFound { .. })), "{name:?}");
        }
        assert!(matches!(index.resolve("old"), Err(IndexError::Pickle { .. })));
        let Err(IndexError::NotFound { similar, .. }) = index.resolve("ink") else { panic!() };
        assert_eq!(similar, ["Ink"]);
    }

    #[test]
    fn ambiguous_names_list_what_to_write() {
        let (_folder, index) = index();
        for (name, expected) in [
            ("same", ["a/same.safetensors", "b/same.safetensors"]),
            ("twice", ["Ink.safetensors", "more/line.safetensors"]),
        ] {
            let Err(IndexError::Ambiguous { candidates, .. }) = index.resolve(name) else { panic!("{name}") };
            assert_eq!(candidates, expected);
            for candidate in candidates {
                index.resolve(&candidate).unwrap();
            }
        }
    }

    #[test]
    fn messages_escape_control_characters() {
        let message = LoraIndex::default().resolve("a\u{1b}[31m").unwrap_err().to_string();
        assert!(!message.contains('\u{1b}'), "{message}");
    }
}
