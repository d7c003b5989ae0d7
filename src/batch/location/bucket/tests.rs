//! Workers in a bucket in memory.

use std::rc::Rc;

use object_store::memory::InMemory;

use super::*;
use crate::batch::{Manifest, ManifestError};

/// Nobody is taken for dead, and everybody is looked at.
const CALM: Pace = Pace { lease: Duration::from_secs(3600), beat: Duration::from_millis(5), look: Duration::ZERO };

fn worker(store: &Arc<InMemory>, pace: Pace) -> Rc<Bucket> {
    Rc::new(Bucket::new(store.clone(), "s3://bucket/night", "night", pace).unwrap())
}

fn job(id: &str) -> Job {
    let (file, id, source) = (format!("{id}.png"), id.to_owned(), "a.txt".to_owned());
    let state = State::Planned;
    Job { id, file, source, line: 1, seed: 1, state, crc32: None, error: None, host: None, version: None }
}

fn plan(location: &Rc<Bucket>, ids: &[&str]) -> Result<Manifest, ManifestError> {
    let jobs = ids.iter().map(|id| job(id)).collect();
    Manifest::plan(location.clone(), &["a.txt".to_owned()], 7, |_, _| Ok::<_, ManifestError>(jobs))
}

fn draw(location: &Rc<Bucket>, manifest: &mut Manifest, id: &str) {
    let held = location.claim(id, &format!("{id}.png")).unwrap().unwrap();
    let version = held.write(&format!("{id}.png"), b"picture").unwrap();
    let crc32 = Some(crc32fast::hash(b"picture"));
    manifest.record(&Job { state: State::Done, crc32, version, ..job(id) }).unwrap();
}

fn names(location: &Bucket) -> Vec<String> {
    let (ours, files) = location.0.wait(location.0.objects.list()).unwrap();
    let mut names: Vec<_> =
        ours.into_iter().map(|meta| meta.location).chain(files.into_keys()).map(String::from).collect();
    names.sort();
    names
}

fn states(manifest: &Manifest) -> Vec<State> {
    manifest.jobs().map(|job| job.state).collect()
}

#[test]
fn what_is_done_stays_done() {
    let store = Arc::new(InMemory::new());
    let location = worker(&store, CALM);
    assert!(matches!(plan(&location, &["a", "b"]), Ok(manifest) if states(&manifest) == [State::Planned; 2]));
    let mut manifest = plan(&location, &["a", "b"]).unwrap();
    draw(&location, &mut manifest, "a");
    assert!(manifest.is_done("a", "a.png") && !manifest.is_done("b", "b.png"));
    // Killed here: the line of `a` is in an object of its own.
    let again = plan(&worker(&store, CALM), &["b", "a"]).unwrap();
    assert_eq!(states(&again), [State::Planned, State::Done]);
    assert!(again.is_done("a", "a.png"));
    // The old handle finds the new manifest.
    manifest.refresh().unwrap();
    assert_eq!(states(&manifest), states(&again));
    draw(&location, &mut manifest, "b");
    location.sweep().unwrap();
    assert_eq!(names(&location), ["night/a.png", "night/b.png", "night/manifest.jsonl"]);
    let without = plan(&location, &["b"]).unwrap();
    assert_eq!(without.jobs().count(), 1);
    assert!(plan(&location, &["a"]).unwrap().is_done("a", "a.png"), "a line that comes back finds its picture");
}

#[test]
fn a_picture_that_is_gone_or_another_is_drawn_again() {
    let store = Arc::new(InMemory::new());
    let location = worker(&store, CALM);
    let mut manifest = plan(&location, &["a", "b"]).unwrap();
    draw(&location, &mut manifest, "a");
    draw(&location, &mut manifest, "b");
    location.0.wait(location.0.store().put(&Key::from("night/a.png"), "other".into())).unwrap();
    location.0.wait(location.0.store().delete(&Key::from("night/b.png"))).unwrap();
    let location = worker(&store, CALM);
    let mut manifest = plan(&location, &["a", "b"]).unwrap();
    assert!(!manifest.is_done("a", "a.png") && !manifest.is_done("b", "b.png"));
    assert!(location.has("a.png") && !location.has("b.png"));
    draw(&location, &mut manifest, "a");
    draw(&location, &mut manifest, "b");
    assert!(manifest.is_done("a", "a.png") && location.checksum("a.png").ok() == Some(crc32fast::hash(b"picture")));
}

#[test]
fn one_worker_at_a_time_and_the_others_learn_of_it() {
    let store = Arc::new(InMemory::new());
    let (one, two) = (worker(&store, CALM), worker(&store, CALM));
    let mut mine = plan(&one, &["a", "b"]).unwrap();
    let mut theirs = plan(&two, &["a", "b"]).unwrap();
    mine.refresh().unwrap();
    let held = one.claim("a", "a.png").unwrap().unwrap();
    assert!(two.claim("a", "a.png").unwrap().is_none());
    drop(held);
    drop(two.claim("a", "a.png").unwrap().unwrap());
    draw(&one, &mut mine, "a");
    assert!(two.claim("a", "a.png").unwrap().is_none());
    theirs.refresh().unwrap();
    assert!(theirs.is_done("a", "a.png"));
    // What failed may be tried by anybody, and what is said of it goes when it is done.
    let held = one.claim("b", "b.png").unwrap().unwrap();
    mine.record(&Job { state: State::Failed, error: Some("why".to_owned()), ..job("b") }).unwrap();
    drop(held);
    assert_eq!(states(&plan(&worker(&store, CALM), &["a", "b"]).unwrap()), [State::Done, State::Planned]);
    theirs.refresh().unwrap();
    draw(&two, &mut theirs, "b");
    two.sweep().unwrap();
    // A worker that knows nothing of that yet gets a claim, and sees then that there is nothing to do.
    let late = one.claim("b", "b.png").unwrap();
    mine.refresh().unwrap();
    assert!(late.is_some() && mine.is_done("b", "b.png"));
    drop(late);
    assert_eq!(names(&one), ["night/a.png", "night/b.png", "night/manifest.jsonl"]);
}

#[test]
fn the_claim_of_a_dead_worker_is_taken_over() {
    let store = Arc::new(InMemory::new());
    let living = worker(&store, CALM);
    let key = living.0.objects.job_key("a", "a.png").unwrap();
    let held = living.claim("a", "a.png").unwrap().unwrap();
    let version = || living.0.wait(living.0.store().head(&key)).unwrap().e_tag;
    let first = version();
    while version() == first {
        std::thread::yield_now();
    }
    // It dies: what it held stays, and changes no more.
    living.0.runtime.block_on(living.0.claims.let_go(&key));
    drop(held);
    let eager = worker(&store, Pace { lease: Duration::ZERO, ..CALM });
    let patient = worker(&store, CALM);
    assert!(patient.claim("a", "a.png").unwrap().is_none());
    let taken = eager.claim("a", "a.png").unwrap();
    assert!(taken.is_some());
    assert!(patient.claim("a", "a.png").unwrap().is_none());
    drop(taken);
    assert!(patient.claim("a", "a.png").unwrap().is_some());
}

#[test]
fn a_manifest_is_not_written_over_another() {
    let store = Arc::new(InMemory::new());
    let (one, two) = (worker(&store, CALM), worker(&store, CALM));
    assert!(one.read().unwrap().is_none() && two.read().unwrap().is_none());
    one.replace(b"one").unwrap();
    assert!(two.replace(b"two").unwrap_err().to_string().contains("start the same command again"));
    assert_eq!(two.read().unwrap().unwrap().0, b"one");
    two.replace(b"two").unwrap();
    assert!(one.replace(b"one again").is_err());
}

#[test]
fn names_and_addresses_that_cannot_be_are_told() {
    for (bucket, folder) in [("", "x"), ("b", "a//b"), ("b", "a/../b"), ("b", "./c"), ("b", "/x")] {
        assert!(is_name(bucket, folder).is_err(), "{bucket} {folder}");
    }
    for (bucket, folder) in [("b", ""), ("b", "a/b/"), ("b", "a b/ü.x")] {
        assert!(is_name(bucket, folder).is_ok(), "{bucket} {folder}");
    }
    for address in ["127.0.0.1:9000", "http://", "https:///x", "http://:80", "minio"] {
        assert!(is_address(address).unwrap_err().to_string().contains("AWS_ENDPOINT_URL"), "{address}");
    }
    assert!(is_address("http://minio:9000").is_ok());
}
