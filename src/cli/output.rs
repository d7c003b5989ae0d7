//! Where images go: one file named by the user, or numbered files in a folder. Nothing is ever overwritten.

use std::path::{Path, PathBuf};

use super::exit::Failure;

/// Where the images of one command go.
pub enum Output {
    File(PathBuf),
    Folder { folder: PathBuf, next: u64 },
}

impl Output {
    /// Checks that `output` can take `count` images, before any is drawn.
    pub fn new(output: Option<&Path>, count: usize) -> Result<Self, Failure> {
        match output.filter(|path| path.extension().is_some() && !path.is_dir()) {
            Some(path) => {
                if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
                    return Err(Failure::text(format!("-o {}: lbw writes PNG; end the name in .png", path.display())));
                }
                if count > 1 {
                    return Err(Failure::text(format!(
                        "-o {}: there are {count} images; name a folder for numbered files",
                        path.display()
                    )));
                }
                if path.exists() {
                    return Err(Failure::file(format!("{}: the file exists; nothing is overwritten", path.display())));
                }
                let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
                if let Some(parent) = parent.filter(|p| !p.is_dir()) {
                    return Err(Failure::file(format!("{}: there is no such folder", parent.display())));
                }
                Ok(Output::File(path.to_owned()))
            }
            None => {
                let folder = output.unwrap_or(Path::new("lbw-out")).to_owned();
                let failed = |e: std::io::Error| Failure::file(format!("{}: {e}", folder.display()));
                std::fs::create_dir_all(&folder).map_err(failed)?;
                let numbers = std::fs::read_dir(&folder).map_err(failed)?.filter_map(|e| number(&e.ok()?.path()));
                let next = numbers.max().map_or(0, |n| n + 1);
                Ok(Output::Folder { folder, next })
            }
        }
    }

    /// The next file. Another process may take the name meanwhile; then this is asked again.
    pub fn next(&mut self, seed: u64) -> PathBuf {
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

/// The number that a file of ours begins with.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (digits, _) = name.split_once('-')?;
    digits.parse().ok().filter(|_| digits.len() >= 5 && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_the_highest() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["00003-7.png", "00010-9.txt", "notes-1.png", "12-3.png"] {
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
}
