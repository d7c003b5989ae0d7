//! The cells of a grid as files: each distinct plan is drawn once, into `NAME-ID.png`, where ID is the picture's job id.
//!
//! A file that is there already, whole and with the id of a plan, is that plan's picture, so a command that was killed
//! goes on where it was. Files are whole or absent at any moment.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::exit::Failure;
use super::painter::Painter;
use super::progress::Progress;
use super::report;
use crate::engine::Event;
use crate::image_io::Existing;
use crate::plan::Plan;

/// A picture that is wanted.
pub struct Job {
    /// What its file's name begins with. Characters that file systems do not like are replaced.
    pub name: String,
    pub plan: Plan,
}

/// The pictures of all jobs.
#[derive(Debug, Default)]
pub struct Cells {
    /// The file of each job, in the order of the jobs. Jobs with one plan share a file.
    pub paths: Vec<PathBuf>,
    /// The id of each job's picture.
    pub ids: Vec<String>,
    /// Pictures drawn now; the others were there.
    pub drawn: usize,
}

/// Draws `jobs` into `folder`, which is made if it is not there. `observe` sees what happens meanwhile; without `quiet`
/// the progress is shown.
pub fn draw(
    painter: &mut Painter,
    jobs: &[Job],
    folder: &Path,
    quiet: bool,
    observe: &mut dyn FnMut(&Event<'_>),
) -> Result<Cells, Failure> {
    let failed = |e: std::io::Error| Failure::file(format!("{}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut there = files_by_id(folder).map_err(failed)?;
    let mut cells = Cells::default();
    for job in jobs {
        let id = painter.job_id(&job.plan)?;
        cells.paths.push(there.get(&id).cloned().unwrap_or_else(|| folder.join(file_name(&job.name, &id))));
        there.entry(id.clone()).or_insert_with(|| cells.paths[cells.paths.len() - 1].clone());
        cells.ids.push(id);
    }
    let mut seen = HashSet::new();
    let is_missing = |path: &PathBuf| seen.insert(path.clone()) && read(path).is_err();
    let missing: Vec<usize> = cells.paths.iter().map(is_missing).zip(0..).filter_map(|(m, n)| m.then_some(n)).collect();
    for (count, number) in missing.iter().enumerate() {
        if !quiet {
            report::note(&format!("picture {} of {}: {}", count + 1, missing.len(), jobs[*number].name));
        }
        let mut progress = Progress::new(quiet);
        let picture = painter.paint(&jobs[*number].plan, &mut |event| {
            progress.on(&event);
            observe(&event);
        });
        progress.finish();
        let written = picture?.write(&cells.paths[*number], Existing::Replace);
        written.map_err(|e| Failure::file(e.to_string()))?;
        cells.drawn += 1;
    }
    Ok(cells)
}

/// The picture of a cell. An error where it is absent or damaged.
pub fn read(path: &Path) -> Result<RgbImage, Failure> {
    let image = image::open(path).map_err(|e| Failure::file(format!("{}: {e}", path.display())))?;
    Ok(image.to_rgb8())
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
