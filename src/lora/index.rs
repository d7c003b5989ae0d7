//! The LoRA files in the user's folders, found by the names that prompts use.
//!
//! A name is only ever compared with what the folders were found to hold; it is never made into a path. So `..`, absolute
//! paths and the like are just names that nothing has.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::checkpoint::TensorFile;
use crate::diagnostic::{Said, Text};
use crate::files;
use crate::files::limits::SEARCHED;
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
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },

    /// More than [`SEARCHED`](crate::files::limits::SEARCHED) lie below the folders.
    TooMany {
        path: PathBuf,
    },

    NotFound {
        name: String,
        similar: Vec<String>,
        unreadable: Vec<PathBuf>,
    },

    Ambiguous {
        name: String,
        candidates: Vec<String>,
    },
}

impl Said for IndexError {
    fn said(&self) -> Text {
        match self {
            IndexError::Folder { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("cannot list {path}: {source}", "フォルダー {path} の中を調べられません: {source}", with source)
            }
            IndexError::TooMany { path } => {
                let (path, limit) = (path.display(), SEARCHED);
                say!(
                    "there are more than {limit} files and folders below the folders that are searched, {path} among them; is it a link to somewhere else?",
                    "探すフォルダーの下に {limit} 個を超えるファイルやフォルダーがあります ({path} など)。よそへのリンクではありませんか"
                )
            }
            IndexError::NotFound { name, similar, unreadable } => {
                let (name, hint, folders) = (name.escape_debug(), did_you_mean(similar), unreadable_text(unreadable));
                say!(
                    "there is no LoRA called `{name}`{hint}{folders}",
                    "LoRA `{name}` はありません{hint}{folders}",
                    with hint, folders
                )
            }
            IndexError::Ambiguous { name, candidates } => {
                let (name, candidates) = (name.escape_debug(), list(candidates));
                say!(
                    "`{name}` may be any of {candidates}; write one of these instead",
                    "`{name}` に当たるものがいくつもあります。{candidates} のどれかを書いてください"
                )
            }
        }
    }
}

fn did_you_mean(similar: &[String]) -> Text {
    let names = list(similar);
    if names.is_empty() { Text::default() } else { say!("; is it {names}?", "。{names} ではありませんか") }
}

fn unreadable_text(folders: &[PathBuf]) -> Text {
    let Some(first) = folders.first() else { return Text::default() };
    let (count, first) = (folders.len(), first.display());
    say!(
        "; {count} folders cannot be read, {first} for one",
        "。読めないフォルダーが {count} 個あります (たとえば {first})"
    )
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
    /// A `.pt`, `.pth`, `.bin` or `.ckpt` file, which a safetensors file of the same name goes before.
    pub is_pickle: bool,
}

impl IndexEntry {
    /// Whether a prompt that says `name` may mean the file: by its name, with or without extension.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.sub_path.rsplit('/').next() == Some(name)
    }
}

/// All LoRA files of some folders.
#[derive(Clone, Debug, Default)]
pub struct LoraIndex {
    /// In the order of their sub-paths, folder by folder.
    entries: Vec<IndexEntry>,
    unreadable: Vec<PathBuf>,
    aliases: OnceLock<Vec<Option<String>>>,
}

impl LoraIndex {
    /// Searches `folders` and everything below them. Folders that do not exist hold nothing.
    pub fn scan(folders: &[PathBuf]) -> Result<Self, IndexError> {
        Self::scan_with(folders, &[])
    }

    /// [`LoraIndex::scan`], with files of these endings too.
    pub fn scan_with(folders: &[PathBuf], others: &'static [&'static str]) -> Result<Self, IndexError> {
        let mut scan = Scan { others, ..Scan::default() };
        for folder in folders {
            scan.folder(folder, "", 0)?;
        }
        Ok(LoraIndex { entries: scan.entries, unreadable: scan.unreadable, aliases: OnceLock::new() })
    }

    /// In the order of their sub-paths, folder by folder.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Folders below those given that cannot be read, such as a disk's `lost+found`.
    pub fn unreadable(&self) -> &[PathBuf] {
        &self.unreadable
    }

    /// Whether there is a file that `name` may mean, or several.
    pub fn has(&self, name: &str) -> bool {
        !matches!(self.resolve(name), Err(IndexError::NotFound { .. }))
    }

    /// The file that a prompt means by `name`: a file name with or without extension, a path below the LoRA folder, the
    /// `ss_output_name` that only one file was trained under, or a whole path. Letters may be composed or not, as macOS and
    /// other systems differ in it.
    pub fn resolve(&self, name: &str) -> Result<&Path, IndexError> {
        let composed: String = name.nfc().collect();
        let sub_path = composed.replace('\\', "/");
        let by_path = |e: &&IndexEntry| e.sub_path == sub_path || without_extension(&e.sub_path) == sub_path;
        let ways: [&dyn Fn(&&IndexEntry) -> bool; 4] = [
            &|e| e.is_called(&composed),
            &by_path,
            // What an ambiguous name lists where the paths below the folders are the same.
            &|e| e.path.to_str().is_some_and(|path| path == name),
            &|e| self.alias(e).is_some_and(|alias| alias == composed),
        ];
        for way in ways {
            let files: Vec<_> = self.entries.iter().filter(way).collect();
            let (pickles, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|e| e.is_pickle);
            if let Some(files) = [files, pickles].into_iter().find(|files| !files.is_empty()) {
                return one(name, &files);
            }
        }
        let unreadable = self.unreadable.clone();
        Err(IndexError::NotFound { name: name.to_owned(), similar: self.similar(name), unreadable })
    }

    /// The output name that `entry` was trained under. As in webui `none` and `addams` are never aliases.
    fn alias(&self, entry: &IndexEntry) -> Option<&str> {
        let at = self.entries.iter().position(|e| std::ptr::eq(e, entry))?;
        let alias = self.aliases().get(at)?.as_deref()?;
        let reserved = ["none", "addams"].contains(&alias.to_lowercase().as_str());
        (!reserved).then_some(alias)
    }

    /// The `ss_output_name` of every entry; files that cannot be read have none.
    fn aliases(&self) -> &[Option<String>] {
        self.aliases.get_or_init(|| {
            let alias = |entry: &IndexEntry| {
                let file = TensorFile::open(&entry.path).ok().filter(|_| !entry.is_pickle)?;
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

/// The one of `files`; of files with the same contents the first.
fn one<'e>(name: &str, files: &[&'e IndexEntry]) -> Result<&'e Path, IndexError> {
    let mut different: Vec<&IndexEntry> = Vec::new();
    for file in files {
        if !different.iter().any(|other| same_contents(&other.path, &file.path)) {
            different.push(file);
        }
    }
    if let [file] = different[..] {
        return Ok(&file.path);
    }
    let told_apart = |file: &IndexEntry| different.iter().filter(|e| e.sub_path == file.sub_path).count() == 1;
    let shown = |file: &&IndexEntry| match told_apart(file) {
        true => file.sub_path.clone(),
        false => file.path.display().to_string(),
    };
    Err(IndexError::Ambiguous { name: name.to_owned(), candidates: different.iter().map(shown).collect() })
}

/// Whether two files are one: links to the same, or copies.
fn same_contents(a: &Path, b: &Path) -> bool {
    let same_file = || Some(a.canonicalize().ok()? == b.canonicalize().ok()?);
    let same_length = || Some(std::fs::metadata(a).ok()?.len() == std::fs::metadata(b).ok()?.len());
    if same_file() == Some(true) {
        return true;
    }
    same_length() == Some(true) && equal_bytes(a, b).unwrap_or(false)
}

fn equal_bytes(a: &Path, b: &Path) -> std::io::Result<bool> {
    let [mut a, mut b] = [files::open(a)?, files::open(b)?].map(|f| BufReader::with_capacity(1 << 16, f));
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let length = left.len().min(right.len());
        if length == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        if left[..length] != right[..length] {
            return Ok(false);
        }
        a.consume(length);
        b.consume(length);
    }
}

fn without_extension(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

#[derive(Default)]
struct Scan {
    entries: Vec<IndexEntry>,
    unreadable: Vec<PathBuf>,
    /// Endings that are looked for besides those of LoRAs.
    others: &'static [&'static str],
    /// Real paths of the folders that were seen, so that overlapping ones and loops count once.
    seen: HashSet<PathBuf>,
    /// How many files and folders there were.
    found: usize,
}

impl Scan {
    /// Adds what is in `folder`, which lies at `sub_path` below the LoRA folder.
    fn folder(&mut self, folder: &Path, sub_path: &str, depth: usize) -> Result<(), IndexError> {
        let listed = folder.canonicalize().and_then(|real| {
            if depth > MAX_DEPTH || !self.seen.insert(real) {
                return Ok(Vec::new());
            }
            std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()
        });
        let mut children = match listed {
            Ok(children) => children,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            // What lies beside a folder that cannot be read is found all the same.
            Err(_) if depth > 0 => {
                self.unreadable.push(folder.to_owned());
                return Ok(());
            }
            Err(source) => return Err(IndexError::Folder { path: folder.to_owned(), source }),
        };
        self.found += children.len();
        if self.found > SEARCHED {
            return Err(IndexError::TooMany { path: folder.to_owned() });
        }
        children.sort_by_key(std::fs::DirEntry::file_name);
        for child in children {
            let (path, name) = (child.path(), child.file_name().to_string_lossy().nfc().collect::<String>());
            let sub_path = if sub_path.is_empty() { name.clone() } else { format!("{sub_path}/{name}") };
            // Only links have to be followed to know.
            let is_folder = child.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && path.is_dir());
            if is_folder {
                self.folder(&path, &sub_path, depth + 1)?;
            } else if let Some(is_pickle) = kind_of_file(&path, self.others) {
                let name = without_extension(&name).to_owned();
                self.entries.push(IndexEntry { path, name, sub_path, is_pickle });
            }
        }
        Ok(())
    }
}

/// Whether a file that webui would list is a pickle; `None` for other files, and for what macOS keeps beside one.
fn kind_of_file(path: &Path, others: &[&str]) -> Option<bool> {
    if path.file_name()?.to_string_lossy().starts_with("._") {
        return None;
    }
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "safetensors" | "sft" | "gguf" => Some(false),
        "pt" | "pth" | "ckpt" | "bin" => Some(true),
        other => others.contains(&other).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, sub_path: &str, output_name: Option<&str>) {
        let path = folder.join(sub_path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let metadata = output_name.map_or(String::new(), |name| format!(r#","ss_output_name":"{name}""#));
        let header = format!(r#"{{"__metadata__":{{"place":"{sub_path}"{metadata}}}}}"#);
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
        assert!(index.has("flat.safetensors") && !index.has("Flat"));
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
        assert_eq!(index.resolve("old").unwrap().file_name().unwrap(), "old.pt");
        let Err(IndexError::NotFound { similar, .. }) = index.resolve("ink") else { panic!() };
        assert_eq!(similar, ["Ink"]);
    }

    #[test]
    fn a_folder_that_leads_everywhere_is_not_searched_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.safetensors", None);
        let mut scan = Scan { found: SEARCHED, ..Scan::default() };
        assert!(matches!(scan.folder(folder.path(), "", 0), Err(IndexError::TooMany { .. })));
        let mut scan = Scan { found: SEARCHED - 1, ..Scan::default() };
        assert!(scan.folder(folder.path(), "", 0).is_ok());
        assert_eq!(scan.entries.len(), 1);
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
    fn copies_are_one_and_others_of_a_name_are_told_apart() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for folder in &folders {
            write(folder.path(), "same.safetensors", None);
            write(folder.path(), "other.safetensors", Some(&folder.path().display().to_string()));
            write(folder.path(), "both.safetensors", None);
            std::fs::write(folder.path().join("both.pt"), folder.path().display().to_string()).unwrap();
        }
        // が as macOS stores it.
        write(folders[0].path(), "sub/か\u{3099}.safetensors", None);
        let index = LoraIndex::scan(&folders.each_ref().map(|folder| folder.path().to_owned())).unwrap();
        assert_eq!(index.resolve("same").unwrap(), folders[0].path().join("same.safetensors"));
        assert_eq!(index.resolve("both").unwrap(), folders[0].path().join("both.safetensors"));
        assert!(index.resolve("が").is_ok() && index.resolve("sub/が.safetensors").is_ok());
        let Err(IndexError::Ambiguous { candidates, .. }) = index.resolve("other") else { panic!() };
        assert_eq!(candidates.len(), 2);
        for (candidate, folder) in candidates.iter().zip(&folders) {
            assert_eq!(index.resolve(candidate).unwrap(), folder.path().join("other.safetensors"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_names_too_and_a_folder_that_cannot_be_read_hides_nothing() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(folder.path(), "styles/real.safetensors", None);
        symlink("styles/real.safetensors", path("alias.safetensors")).unwrap();
        symlink(folder.path(), path("loop")).unwrap();
        symlink("gone", path("gone.safetensors")).unwrap();
        std::fs::create_dir(path("lost+found")).unwrap();
        std::fs::set_permissions(path("lost+found"), std::fs::Permissions::from_mode(0o0)).unwrap();
        let index = LoraIndex::scan(&[folder.path().to_owned()]).unwrap();
        assert!(index.resolve("alias").is_ok() && index.resolve("real").is_ok());
        // Who may read everything finds an empty folder.
        assert!(index.unreadable().is_empty() || index.unreadable() == [path("lost+found")]);
        std::fs::set_permissions(path("lost+found"), std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn messages_escape_control_characters() {
        let message = LoraIndex::default().resolve("a\u{1b}[31m").unwrap_err().to_string();
        assert!(!message.contains('\u{1b}'), "{message}");
    }
}
