//! A folder in which programs run as a user runs them, with nothing of the machine's own settings.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub const LBW: &str = env!("CARGO_BIN_EXE_lbw");

/// A file or folder of the repository.
pub fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The cache of all tests: the embedded model is written there once.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// A folder of its own for each test, removed at the end.
pub struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub fn new() -> Self {
        Sandbox(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders it lies in.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.folder(Path::new(name).parent().unwrap().to_str().unwrap());
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Makes a folder, and the folders it lies in.
    pub fn folder(&self, name: &str) {
        std::fs::create_dir_all(self.path(name)).unwrap();
    }

    #[track_caller]
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    #[track_caller]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    #[track_caller]
    pub fn picture(&self, name: &str) -> image::RgbImage {
        image::open(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}")).to_rgb8()
    }

    #[track_caller]
    pub fn assert_same_picture(&self, a: &str, b: &str) {
        let (p, q) = (self.picture(a), self.picture(b));
        assert_eq!(p.dimensions(), q.dimensions(), "{a} and {b}");
        let differing = p.pixels().zip(q.pixels()).filter(|(p, q)| p != q).count();
        assert_eq!(differing, 0, "so many pixels of {a} and {b} differ");
    }

    /// The names of all that lies in a folder, hidden files too; none where there is no such folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// All files under a folder and the folders in it, with their bytes; of folders only the names. What is renamed or removed
    /// meanwhile by a program that still runs is not there.
    #[track_caller]
    pub fn tree(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for name in self.names(folder) {
            let path = format!("{folder}/{name}");
            if self.path(&path).is_dir() {
                found.insert(name.clone(), Vec::new());
                found.extend(self.tree(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
                continue;
            }
            match std::fs::read(self.path(&path)) {
                Ok(bytes) => drop(found.insert(name, bytes)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => panic!("{path}: {e}"),
            }
        }
        found
    }

    /// A program in this folder, speaking English, that sees neither the user's home nor the variables that lbw reads; but
    /// `LBW_KERNELS` stays, by which all tests can be run with other instructions.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let read = ["LBW_", "LC_", "LANG", "XDG_", "NO_COLOR", "SLURM_ARRAY_TASK", "JOB_COMPLETION_INDEX"];
        let is_read = |name: &str| name != "LBW_KERNELS" && read.iter().any(|start| name.starts_with(start));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_read)) {
            command.env_remove(name);
        }
        command
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("LBW_CACHE_DIR", cache())
            .env("LBW_LANG", "en");
        command
    }

    /// `lbw` with these arguments.
    pub fn lbw(&self, args: &[&str]) -> Command {
        let mut command = self.command(LBW);
        command.args(args);
        command
    }

    /// Runs `lbw` and expects this exit code; gives standard output and standard error.
    #[track_caller]
    pub fn expect(&self, code: i32, args: &[&str]) -> (String, String) {
        expect(code, &mut self.lbw(args))
    }

    /// What `lbw` prints with these arguments, read as JSON.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        json(&self.expect(0, args).0)
    }
}

/// Runs a command and expects this exit code; gives standard output and standard error.
#[track_caller]
pub fn expect(code: i32, command: &mut Command) -> (String, String) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    told(code, command, output)
}

/// Standard output and standard error of a command that has ended, which is to be with this exit code and without a panic.
#[track_caller]
pub fn told(code: i32, command: &Command, output: Output) -> (String, String) {
    let Output { status, stdout, stderr } = output;
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|e| panic!("{args:?} printed no UTF-8: {e}"));
    let (out, err) = (text(stdout), text(stderr));
    let is_well = status.code() == Some(code) && !err.contains("panicked");
    assert!(is_well, "{args:?}\nended with {status}, not {code}\n--- stdout\n{out}\n--- stderr\n{err}");
    (out, err)
}

#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

/// Each line of a text, read as JSON.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}
