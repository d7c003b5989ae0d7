//! `manifest.jsonl`: what a batch is to make and what of it is done, one line of JSON per job.
//!
//! The file is written anew when a run begins, and lines are added as jobs end; the last line of a job counts. Both happen
//! so that several workers can share it (`location`). A worker that is killed while it adds a line leaves half a line, which
//! nobody believes.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::job::{Job, State};
use super::location::{Location, MANIFEST as NAME, location};
use crate::diagnostic::{Said, Text};
use crate::say;

const FORMAT: u32 = 1;

/// Why a manifest is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum ManifestError {
    Io { path: PathBuf, source: std::io::Error },
    Absent { path: PathBuf },
    NotOurs { path: PathBuf },
    Damaged { path: PathBuf },
    OtherBatch { path: PathBuf, theirs: String },
    Location(std::io::Error),
}

impl Said for ManifestError {
    fn said(&self) -> Text {
        match self {
            ManifestError::Io { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("{path}: {source}", "{path}: {source}", with source)
            }
            ManifestError::Location(source) => source.said(),
            ManifestError::Absent { path } => {
                let path = path.display();
                say!(
                    "{path}: there is no {NAME} here, so this is not the folder of a batch",
                    "{path}: {NAME} がないので、バッチのフォルダーではありません"
                )
            }
            ManifestError::NotOurs { path } => {
                let path = path.display();
                say!(
                    "{path}: the first line is not that of a batch, or of a newer lbw; if the file is damaged, move it away together with the pictures and begin anew, or choose another folder with -o",
                    "{path}: 1 行目がバッチのものではないか、新しい lbw のものです。壊れている場合は、画像と一緒に別の場所へ移してやり直すか、-o で別のフォルダーを指定してください"
                )
            }
            ManifestError::Damaged { path } => {
                let path = path.display();
                say!(
                    "{path}: the first line has been changed since it was written, and with it all seeds might be; bring the file back, or choose another folder with -o",
                    "{path}: 1 行目が書かれたあとで変わっています。シードがすべて変わるおそれがあります。ファイルを元に戻すか、-o で別のフォルダーを指定してください"
                )
            }
            ManifestError::OtherBatch { path, theirs } => {
                let path = path.display();
                say!(
                    "{path}: this folder belongs to another batch ({theirs}); choose a folder of its own with -o",
                    "{path}: ほかのバッチ ({theirs}) のフォルダーです。-o で別のフォルダーを指定してください"
                )
            }
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    lbw_batch: u32,
    /// The prompt files, by name.
    sources: Vec<String>,
    /// What seeds that a line leaves open are drawn from: a second run draws the same.
    seed_base: u64,
    /// Drawn anew each time the file is: workers notice by it that their manifest was replaced.
    edition: u64,
    /// How many pictures were planned: of fewer the rest of the file is lost. Older manifests do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planned: Option<usize>,
    /// CRC-32 of this line without it: with another seed base every picture would be another one. Older manifests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crc32: Option<u32>,
}

impl Header {
    fn checksum(&self) -> u32 {
        crc32fast::hash(line(&Header { crc32: None, ..self.clone() }).as_bytes())
    }

    fn is_whole(&self) -> bool {
        self.crc32.is_none_or(|written| written == self.checksum())
    }
}

/// What is known of the jobs of a batch.
#[derive(Debug)]
pub struct Manifest {
    location: Rc<dyn Location>,
    header: Header,
    /// The jobs in the order of the prompt file.
    jobs: Vec<Job>,
    by_id: HashMap<(String, String), usize>,
    /// How many bytes of the file have been read.
    read: u64,
}

impl Manifest {
    /// The manifest in `folder`, which may be a bucket.
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        Manifest::of(location(folder).map_err(ManifestError::Location)?)
    }

    fn of(location: Rc<dyn Location>) -> Result<Self, ManifestError> {
        let path = location.path(NAME);
        let (bytes, read) = match location.read() {
            Ok(Some(lines)) => lines,
            Ok(None) => return Err(ManifestError::Absent { path: location.path("") }),
            Err(source) => return Err(ManifestError::Io { path, source }),
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let header: Option<Header> = lines.next().and_then(|line| serde_json::from_str(line).ok());
        let header = match header.filter(|header| header.lbw_batch == FORMAT) {
            None => return Err(ManifestError::NotOurs { path }),
            Some(header) if !header.is_whole() => return Err(ManifestError::Damaged { path }),
            Some(header) => header,
        };
        let mut manifest = Manifest {
            location,
            header,
            jobs: Vec::new(),
            by_id: HashMap::new(),
            // Half a line at the end is read again, it may have become a whole one.
            read,
        };
        manifest.take(lines);
        Ok(manifest)
    }

    /// Begins or goes on with a batch: `plan` gives its jobs from the base of the drawn seeds; what is already done of them
    /// stays done. `plan` may refuse, then nothing is written.
    pub fn plan<E: From<ManifestError>>(
        location: Rc<dyn Location>,
        sources: &[String],
        new_seed_base: u64,
        plan: impl FnOnce(u64, Option<&Manifest>) -> Result<Vec<Job>, E>,
    ) -> Result<Self, E> {
        let io = |source| ManifestError::Io { path: location.path(""), source };
        let _lock = location.lock().map_err(io)?;
        let old = match Manifest::of(location.clone()) {
            Ok(old) if old.header.sources != sources => {
                let theirs = old.header.sources.join(", ");
                return Err(ManifestError::OtherBatch { path: location.path(""), theirs }.into());
            }
            Ok(old) => Some(old),
            Err(ManifestError::Absent { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let seed_base = old.as_ref().map_or(new_seed_base, |old| old.header.seed_base);
        let mut jobs = plan(seed_base, old.as_ref())?;
        let was_made = |job: &&Job| matches!(job.state, State::Done | State::Former);
        for job in &mut jobs {
            if let Some(known) = old.as_ref().and_then(|old| old.job(&job.id, &job.file)).filter(was_made) {
                (job.state, job.crc32) = (State::Done, known.crc32);
                (job.host, job.version) = (known.host.clone(), known.version.clone());
            }
        }
        let wanted: HashSet<(&str, &str)> = jobs.iter().map(|j| (j.id.as_str(), j.file.as_str())).collect();
        let others = old.iter().flat_map(|old| &old.jobs).filter(was_made);
        let others = others.filter(|job| !wanted.contains(&(job.id.as_str(), job.file.as_str())));
        let former: Vec<Job> = others.map(|job| Job { state: State::Former, ..job.clone() }).collect();
        jobs.extend(former);
        let edition = RandomState::new().build_hasher().finish();
        let planned = Some(jobs.len());
        let sources = sources.to_vec();
        let mut header = Header { lbw_batch: FORMAT, sources, seed_base, edition, planned, crc32: None };
        header.crc32 = Some(header.checksum());
        let mut text = line(&header);
        jobs.iter().for_each(|job| text.push_str(&line(job)));
        location.replace(text.as_bytes()).map_err(io)?;
        Ok(Manifest::of(location)?)
    }

    /// How many of the planned pictures it has lost.
    pub fn lost(&self) -> usize {
        self.header.planned.map_or(0, |planned| planned.saturating_sub(self.jobs.len()))
    }

    /// Where the batch is kept.
    pub fn location(&self) -> &dyn Location {
        &*self.location
    }

    /// The jobs that the prompt files ask for.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.state != State::Former)
    }

    /// The names of the pictures this batch has made or is to make.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().map(|job| job.file.as_str())
    }

    /// The prompt files of the batch, by name.
    pub fn sources(&self) -> &[String] {
        &self.header.sources
    }

    /// What is known of the job that makes the picture `id` in `file`.
    pub fn job(&self, id: &str, file: &str) -> Option<&Job> {
        self.by_id.get(&(id.to_owned(), file.to_owned())).and_then(|i| self.jobs.get(*i))
    }

    /// Whether the picture of `job` is there, whole and as it was made.
    pub fn is_done(&self, id: &str, file: &str) -> bool {
        self.job(id, file).is_some_and(|job| {
            job.state == State::Done && job.crc32.is_some() && is_inside(&job.file) && self.location.is_as_made(job)
        })
    }

    /// Adds what became of a job.
    pub fn record(&mut self, job: &Job) -> Result<(), ManifestError> {
        self.location.add(job, &line(job)).map_err(|source| self.io(source))?;
        self.refresh()
    }

    /// Reads what other workers have added.
    pub fn refresh(&mut self) -> Result<(), ManifestError> {
        let added = self.location.added(line(&self.header).as_bytes(), self.read).map_err(|source| self.io(source))?;
        let Some(bytes) = added else {
            *self = Manifest::of(self.location.clone())?;
            return Ok(());
        };
        // A line that is still being written is read the next time.
        let whole = whole_lines(&bytes);
        self.read += whole as u64;
        self.take(String::from_utf8_lossy(&bytes[..whole]).lines());
        Ok(())
    }

    fn io(&self, source: std::io::Error) -> ManifestError {
        ManifestError::Io { path: self.location.path(NAME), source }
    }

    fn take<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        for job in lines.filter_map(|line| serde_json::from_str::<Job>(line).ok()) {
            match self.by_id.get(&(job.id.clone(), job.file.clone())) {
                Some(known) => self.jobs[*known] = job,
                None => {
                    self.by_id.insert((job.id.clone(), job.file.clone()), self.jobs.len());
                    self.jobs.push(job);
                }
            }
        }
    }
}

/// Whether a name stays in its folder. A manifest may be somebody else's.
pub fn is_inside(file: &str) -> bool {
    !file.is_empty() && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
}

fn line(value: &impl Serialize) -> String {
    // Plain data with text keys always has a JSON form.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// How many bytes belong to lines that have their end.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, state: State) -> Job {
        let file = format!("{id}.png");
        let (id, source) = (id.to_owned(), "a.txt".to_owned());
        Job { id, file, source, line: 1, seed: 1, state, crc32: None, error: None, host: None, version: None }
    }

    fn plan(folder: &Path, ids: &[&str]) -> Result<Manifest, ManifestError> {
        Manifest::plan(location(folder).unwrap(), &["a.txt".to_owned()], 7, |base, _| {
            assert_eq!(base, 7);
            Ok(ids.iter().map(|id| job(id, State::Planned)).collect())
        })
    }

    #[test]
    fn what_is_done_stays_done() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = plan(dir.path(), &["a", "b"]).unwrap();
        std::fs::write(dir.path().join("a.png"), "picture").unwrap();
        let crc32 = Some(crc32fast::hash(b"picture"));
        manifest.record(&Job { crc32, ..job("a", State::Done) }).unwrap();
        assert!(manifest.is_done("a", "a.png") && !manifest.is_done("b", "b.png"));

        let again = plan(dir.path(), &["c", "a"]).unwrap();
        let states = |m: &Manifest| m.jobs().map(|j| (j.id.clone(), j.state)).collect::<Vec<_>>();
        assert_eq!(states(&again), [("c".to_owned(), State::Planned), ("a".to_owned(), State::Done)]);
        assert!(again.is_done("a", "a.png"));
        std::fs::write(dir.path().join("a.png"), "damaged").unwrap();
        assert!(!again.is_done("a", "a.png"));
        // The old handle finds the new file.
        manifest.refresh().unwrap();
        assert_eq!(states(&manifest), states(&again));
    }

    #[test]
    fn what_is_no_line_of_it_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = plan(dir.path(), &["a"]).unwrap();
        let mut file = std::fs::OpenOptions::new().append(true).open(dir.path().join(NAME)).unwrap();
        std::io::Write::write_all(&mut file, &[vec![0; 40 << 20], b"\n\n  x\n".to_vec(), vec![0; 5]].concat()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap().jobs().count(), 1);
        std::fs::write(dir.path().join("a.png"), "picture").unwrap();
        let crc32 = Some(crc32fast::hash(b"picture"));
        manifest.record(&Job { crc32, ..job("a", State::Done) }).unwrap();
        let mut again = Manifest::read(dir.path()).unwrap();
        assert!(again.is_done("a", "a.png"));
        again.refresh().unwrap();
        assert!(again.is_done("a", "a.png") && again.jobs().count() == 1);
    }

    #[test]
    fn a_line_that_comes_back_finds_its_picture() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = plan(dir.path(), &["a"]).unwrap();
        std::fs::write(dir.path().join("a.png"), "picture").unwrap();
        let crc32 = Some(crc32fast::hash(b"picture"));
        manifest.record(&Job { crc32, ..job("a", State::Done) }).unwrap();
        let without = plan(dir.path(), &["b"]).unwrap();
        assert_eq!(without.jobs().count(), 1);
        assert!(without.files().any(|f| f == "a.png") && !without.is_done("a", "a.png"));
        assert!(plan(dir.path(), &["b"]).unwrap().files().any(|f| f == "a.png"));
        assert!(plan(dir.path(), &["a"]).unwrap().is_done("a", "a.png"));
    }

    #[test]
    fn half_a_line_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = plan(dir.path(), &["a", "b"]).unwrap();
        let path = dir.path().join(NAME);
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"id\":\"b\",\"file\":\"b.png\",\"sou");
        std::fs::write(&path, text).unwrap();
        manifest.record(&job("a", State::Failed)).unwrap();
        let states = |m: &Manifest| m.jobs().map(|j| j.state).collect::<Vec<_>>();
        assert_eq!(states(&Manifest::read(dir.path()).unwrap()), [State::Failed, State::Planned]);
        assert_eq!(states(&manifest), [State::Failed, State::Planned]);
    }

    #[test]
    fn folders_of_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Manifest::read(dir.path()), Err(ManifestError::Absent { .. })));
        plan(dir.path(), &["a"]).unwrap();
        let other = Manifest::plan(location(dir.path()).unwrap(), &["b.txt".to_owned()], 1, |_, _| {
            Ok::<_, ManifestError>(Vec::new())
        });
        assert!(matches!(other, Err(ManifestError::OtherBatch { .. })));
        std::fs::write(dir.path().join(NAME), "notes\n").unwrap();
        assert!(matches!(plan(dir.path(), &["a"]), Err(ManifestError::NotOurs { .. })));
    }

    #[test]
    fn another_seed_base_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        plan(dir.path(), &["a"]).unwrap();
        let path = dir.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"seed_base\":7", "\"seed_base\":6")).unwrap();
        assert!(matches!(plan(dir.path(), &["a"]), Err(ManifestError::Damaged { .. })));
        // Older manifests have no checksum.
        let (header, rest) = text.split_once('\n').unwrap();
        let mut header: serde_json::Value = serde_json::from_str(header).unwrap();
        header.as_object_mut().unwrap().remove("crc32").unwrap();
        std::fs::write(&path, format!("{header}\n{rest}")).unwrap();
        assert_eq!(plan(dir.path(), &["a"]).unwrap().jobs().count(), 1);
        std::fs::write(&path, &text[..text.find('\n').unwrap() / 2]).unwrap();
        assert!(matches!(plan(dir.path(), &["a"]), Err(ManifestError::NotOurs { .. })));
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_never_opened() {
        for outside in ["/dev/zero", "../x.png", "a/../../x.png", "..", "", "./a.png/.."] {
            assert!(!is_inside(outside), "{outside}");
        }
        assert!(is_inside("a.png") && is_inside("sub/a.png"));
        let dir = tempfile::tempdir().unwrap();
        let outside = Job { file: "/dev/zero".to_owned(), crc32: Some(0), ..job("a", State::Done) };
        let manifest =
            Manifest::plan(location(dir.path()).unwrap(), &[], 7, |_, _| Ok::<_, ManifestError>(vec![outside]))
                .unwrap();
        assert!(!manifest.is_done("a", "/dev/zero"));
    }
}
