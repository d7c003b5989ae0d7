//! Where the pictures of the plain commands go: one file named by the user, or numbered files in a folder. Nothing is ever
//! overwritten. And cells, whose names hold their pictures' ids.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::draw::{Job, Kept, Look, Store};
use super::error::{Error, Result};
use super::studio::{Picture, json};
use crate::diagnostic::code;
use crate::files;
use crate::image_io::{self, Existing, Rgb};
use crate::plan::Start;
use crate::say;

/// One file, or numbered files in a folder.
#[derive(Debug)]
pub enum Output {
    /// Named by the user.
    File(PathBuf),
    /// `NNNNN-SEED.png` from this number on.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The next number.
        next: u64,
    },
}

/// Where pictures go when nobody says.
const FOLDER: &str = "lbw-out";

impl Output {
    /// Checks that `output` (without one the folder `lbw-out`) can take `count` images, before any is drawn.
    pub fn new(output: Option<&Path>, count: usize) -> Result<Self> {
        Output::could_be(output, count)?;
        if let Some(file) = output.filter(|path| is_file_name(path)) {
            return Ok(Output::File(file.to_owned()));
        }
        let folder = output.unwrap_or(Path::new(FOLDER)).to_owned();
        std::fs::create_dir_all(&folder).map_err(|e| Error::writing(&folder, &e))?;
        let entries = std::fs::read_dir(&folder).map_err(|e| Error::reading(&folder, &e))?;
        let numbers = entries.filter_map(|e| number(&e.ok()?.path()));
        let next = numbers.max().map_or(0, |n| n + 1);
        Ok(Output::Folder { folder, next })
    }

    /// The same while nothing is to be drawn: makes no folder and keeps no file.
    pub fn could_be(output: Option<&Path>, count: usize) -> Result<()> {
        match output.filter(|path| is_file_name(path)) {
            Some(file) => file_could_be(file, count),
            None => {
                let mut above = output.unwrap_or(Path::new(FOLDER)).ancestors();
                let there = above.find(|path| path.as_os_str().is_empty() || path.exists());
                takes_files(there.unwrap_or(Path::new("")))
            }
        }
    }

    /// Writes the next picture, whole or not at all; says where.
    pub fn write(&mut self, seed: u64, picture: &Picture) -> Result<PathBuf> {
        loop {
            let file = self.next(seed);
            match picture.write(&file, Existing::Keep) {
                Ok(()) => return Ok(file),
                Err(image_io::Error::Exists { .. }) if matches!(self, Output::Folder { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next file. Another process may take the name meanwhile; then this is asked again.
    fn next(&mut self, seed: u64) -> PathBuf {
        match self {
            Output::File(path) => path.clone(),
            Output::Folder { folder, next } => {
                let path = folder.join(format!("{next:05}-{seed}.png"));
                *next += 1;
                path
            }
        }
    }
}

impl Store for Output {
    fn look(&mut self, _: &Job) -> Result<Look> {
        Ok(Look::Draw(None))
    }

    fn keep(&mut self, job: &Job, picture: &Picture) -> Result<Kept> {
        Ok(Kept { file: self.write(job.plan.settings().seed, picture)?, crc32: None })
    }
}

/// Whether `-o` names a file and not a folder.
fn is_file_name(path: &Path) -> bool {
    let is_written_as_folder = path.to_string_lossy().ends_with(std::path::is_separator);
    path.extension().is_some() && !is_written_as_folder && !path.is_dir()
}

fn file_could_be(path: &Path, count: usize) -> Result<()> {
    let name = path.display();
    if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        let message = say!(
            "-o {name}: lbw writes PNG; end the name in .png",
            "-o {name}: lbw が書くのは PNG です。名前を .png で終えてください"
        );
        return Err(Error::words(code::USAGE, message));
    }
    if count > 1 {
        let message = say!(
            "-o {name}: there are {count} images; name a folder for numbered files",
            "-o {name}: 画像は {count} 枚あります。番号付きファイルのフォルダーを指定してください"
        );
        return Err(Error::words(code::USAGE, message));
    }
    if path.exists() {
        let message = say!(
            "{name}: the file exists; nothing is overwritten",
            "{name}: ファイルがすでにあります。上書きはしません"
        );
        return Err(Error::file(code::WOULD_OVERWRITE, message));
    }
    takes_files(path.parent().unwrap_or(Path::new("")))
}

/// Whether files can be made in `folder`; nothing stands for the current one.
fn takes_files(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !folder.is_dir() {
        let name = folder.display();
        let message = match folder.exists() {
            true => say!("{name} is a file and not a folder", "{name} はフォルダーではなくファイルです"),
            false => say!("{name}: there is no such folder", "{name}: そのフォルダーはありません"),
        };
        return Err(Error::file(code::NO_FILE, message));
    }
    tempfile::tempfile_in(folder).map(drop).map_err(|error| Error::writing(folder, &error))
}

/// The number that a file of ours begins with.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (digits, _) = name.split_once('-')?;
    // What has more digits was not counted by lbw.
    let is_counted = (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| is_counted)
}

/// The cells of a grid as files: each distinct plan is drawn once, into `NAME-ID.png`, where ID is the picture's id. A file
/// that is there already, whole and with the id of a plan, is that plan's picture, so a command that was killed goes on where
/// it was.
#[derive(Debug)]
pub struct Cells {
    folder: PathBuf,
    /// The file of each id.
    files: HashMap<String, PathBuf>,
    /// Files that were read and are whole.
    whole: HashSet<PathBuf>,
}

impl Cells {
    /// Looks at what is in `folder`, which is made if it is not there.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| Error::writing(folder, &e))?;
        // Whoever prepared the folder of a study does not say where else pictures are written.
        if folder.is_symlink() {
            let folder = folder.display();
            let message = say!("{folder} is a link", "{folder} はリンクです");
            return Err(Error::file(code::OTHER_FOLDER, message).help(say!(
                "remove it, or choose another folder with -o",
                "取り除くか、-o で別のフォルダーを指定してください"
            )));
        }
        let files = files_by_id(folder).map_err(|e| Error::reading(folder, &e))?;
        Ok(Cells { folder: folder.to_owned(), files, whole: HashSet::new() })
    }
}

impl Store for Cells {
    fn has(&self, job: &Job) -> bool {
        self.files.get(&job.id).is_some_and(|file| file.exists())
    }

    fn look(&mut self, job: &Job) -> Result<Look> {
        let file = self.files.entry(job.id.clone());
        let file = file.or_insert_with(|| self.folder.join(cell_name(job))).clone();
        if self.whole.contains(&file) || is_cell_of(&file, job) {
            self.whole.insert(file.clone());
            return Ok(Look::There(file));
        }
        Ok(Look::Draw(Some(file)))
    }

    fn keep(&mut self, job: &Job, picture: &Picture) -> Result<Kept> {
        let file = self.files.get(&job.id).cloned().unwrap_or_else(|| self.folder.join(cell_name(job)));
        picture.write(&file, Existing::Replace)?;
        self.whole.insert(file.clone());
        Ok(Kept { file, crc32: None })
    }
}

/// Whether the whole picture of a job lies there: one that says so, and has its size. A name alone is easily given.
fn is_cell_of(file: &Path, job: &Job) -> bool {
    // Where a pipe lies there, nobody waits for it.
    let Some(text) = files::open(file).ok().and_then(|_| image_io::read_text(file).ok()) else { return false };
    // What is drawn into a part of a picture has the size of that.
    let has_size = matches!(job.plan.first.start, Start::Picture { .. }) || text.size == Some(job.plan.size());
    has_size && text.plan.as_deref() == Some(&json(&job.plan)) && read_cell(file).is_ok()
}

/// The picture of a cell. An error where it is absent or damaged.
pub fn read_cell(path: &Path) -> Result<RgbImage> {
    let Rgb { width, height, bytes } = image_io::read_picture(path)?;
    Ok(RgbImage::from_raw(width as u32, height as u32, bytes).unwrap_or_default())
}

/// The PNGs in `folder` whose name ends in an id.
fn files_by_id(folder: &Path) -> std::io::Result<HashMap<String, PathBuf>> {
    let mut found = HashMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let id =
            path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.rsplit_once('-')).map(|(_, id)| id.to_owned());
        let is_png = path.extension().is_some_and(|e| e == "png");
        if let Some(id) = id.filter(|id| is_png && id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())) {
            found.insert(id, path);
        }
    }
    Ok(found)
}

/// The file of a cell in its folder.
pub fn cell_name(job: &Job) -> String {
    file_name(&job.name, &job.id)
}

/// `NAME-ID.png`, the name cut to a sensible length.
fn file_name(name: &str, id: &str) -> String {
    const LENGTH: usize = 60;
    let kept = |c: char| if c.is_alphanumeric() || "._+=".contains(c) { c } else { '-' };
    let name: String = name.chars().take(LENGTH).map(kept).collect();
    format!("{}-{id}.png", name.trim_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_the_highest() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["00003-7.png", "00010-9.txt", "notes-1.png", "12-3.png", "18446744073709551615-1.png"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let mut output = Output::new(Some(dir.path()), 2).unwrap();
        assert_eq!(output.next(5), dir.path().join("00011-5.png"));
        assert_eq!(output.next(5), dir.path().join("00012-5.png"));
    }

    #[test]
    fn a_file_that_exists_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.png");
        std::fs::write(&path, "mine").unwrap();
        assert!(Output::new(Some(&path), 1).is_err());
        assert!(Output::new(Some(&dir.path().join("y.png")), 2).is_err());
        assert!(Output::new(Some(&dir.path().join("y.jpg")), 1).is_err());
    }

    #[test]
    fn names_are_fit_for_files() {
        let id = "0123456789abcdef";
        assert_eq!(file_name("OUT04 0,1/../x", id), format!("OUT04-0-1-..-x-{id}.png"));
        assert_eq!(file_name("../", id), format!("-{id}.png"));
    }

    #[test]
    fn files_are_found_by_their_id() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a-0123456789abcdef.png", "b-0123.png", "c-0123456789abcdef.txt", "plain.png"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = files_by_id(dir.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found["0123456789abcdef"], dir.path().join("a-0123456789abcdef.png"));
    }
}
