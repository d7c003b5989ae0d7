//! Batches under attack: workers killed at random and at the worst moments, files that may not grow, full disks.
//!
//! Whatever happens, in the end every picture is there once, byte for byte as in an undisturbed run, nothing else is left in the
//! folder, the manifest agrees, and one more run draws nothing.
#![cfg(unix)]

#[path = "common/sandbox.rs"]
mod sandbox;

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sandbox::{LBW, Sandbox, expect, told};

const KILLS: usize = 20;

/// The prompt file, and what an undisturbed run makes of it.
struct Calm {
    jobs: String,
    files: BTreeMap<String, Vec<u8>>,
    /// How long the run took.
    time: Duration,
}

/// 24 pictures whose lines differ in LoRA, block weights, windows and elements.
fn calm() -> &'static Calm {
    static CALM: OnceLock<Calm> = OnceLock::new();
    CALM.get_or_init(|| {
        let weights = [
            "<lora:house:1:lbw=XLOUT>",
            "<lora:house:1:lbw=XLIN>",
            "<lora:house:0.5:lbw=XLALL:lbwe=ATTNDEEPON>",
            "",
            "<lora:night:1:lbw=XLALL:start=1>",
            "<lora:night:0.7:lbw=1,0,0,0,0,1,1,0.8,1,1,1,1>",
        ];
        let line = |n: usize| {
            let settings = "--steps 1 --cfg_scale 2 --width 32 --height 32";
            format!("--prompt \"red circle {}\" --seed {n} {settings}\n", weights[n % weights.len()])
        };
        let jobs: String = (0..24).map(line).collect();
        let s = sandbox(&jobs);
        let began = Instant::now();
        s.expect(0, &["batch", "jobs.txt", "-o", "out"]);
        let files = s.tree("out");
        assert_eq!(files.len(), 25, "{:?}", files.keys());
        Calm { jobs, files, time: began.elapsed() }
    })
}

/// A folder with a prompt file of these lines, which is drawn into `out`.
fn sandbox(jobs: &str) -> Sandbox {
    let s = Sandbox::new();
    s.write("jobs.txt", jobs);
    s
}

fn worker(s: &Sandbox) -> Child {
    let mut command = s.lbw(&["batch", "jobs.txt", "-o", "out", "--claim"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// One more run ends well, all is as it should be, and the run after it draws nothing.
#[track_caller]
fn recovers(s: &Sandbox) {
    s.expect(0, &["batch", "jobs.txt", "-o", "out", "--claim"]);
    let (found, calm) = (s.tree("out"), &calm().files);
    assert_eq!(found.keys().collect::<Vec<_>>(), calm.keys().collect::<Vec<_>>());
    for (name, bytes) in calm.iter().filter(|(name, _)| name.ends_with(".png")) {
        assert!(found[name] == *bytes, "{name} differs from the undisturbed run");
    }
    s.expect(0, &["batch", "verify", "out"]);
    let status = s.json(&["batch", "status", "out", "--json"]);
    assert_eq!((&status["pictures"], &status["done"], &status["failed"]), (&24.into(), &24.into(), &0.into()));
    assert_eq!(s.expect(0, &["batch", "jobs.txt", "-o", "out"]).0, "", "a rerun draws nothing");
}

/// The files by which workers claim jobs and write pictures, while they do.
fn claims(s: &Sandbox) -> impl Iterator<Item = PathBuf> {
    let claims = std::fs::read_dir(s.path("out/.claims")).into_iter().flatten();
    claims.filter_map(|entry| Some(entry.ok()?.path()))
}

/// How many jobs workers have claimed. Looking takes a lock for a moment, which delays a worker but harms nothing.
fn claimed(s: &Sandbox) -> usize {
    let files = claims(s).filter(|path| path.extension().is_none());
    files.filter(|path| File::open(path).is_ok_and(|file| file.try_lock().is_err())).count()
}

/// Whether a picture is being written and has not got its name yet.
fn is_writing(s: &Sandbox) -> bool {
    claims(s).any(|path| path.extension().is_some_and(|e| e == "part"))
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Two workers share the jobs; one of them is killed and replaced again and again. Now and then a finished picture is damaged or
/// removed, so that there is work until the end.
#[test]
fn killed_workers_lose_nothing() {
    let calm = calm();
    let s = sandbox(&calm.jobs);
    // The moments differ from run to run; that is the point of them.
    let random = || std::hash::RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    let mut survivor = worker(&s);
    let mut killed_at = Vec::new();
    for n in 0..KILLS {
        let victim = worker(&s);
        let (began, limit) = (Instant::now(), calm.time.mul_f64(0.02 + 0.4 * random()));
        // At any moment; as soon as it has a job, perhaps one that a dead worker had; while it writes.
        let is_moment = || match n % 3 {
            0 => false,
            1 => claimed(&s) == 2,
            _ => is_writing(&s),
        };
        while began.elapsed() < limit && !is_moment() {
            std::thread::sleep(Duration::from_micros(200));
        }
        kill(victim);
        killed_at.push(began.elapsed());
        if survivor.try_wait().unwrap().is_some_and(|status| status.success()) {
            let pictures: Vec<_> = calm.files.keys().filter(|name| name.ends_with(".png")).collect();
            for (which, name) in (0..8).map(|i| (i, pictures[(n * 7 + i) % pictures.len()])) {
                let path = s.path(&format!("out/{name}"));
                match which % 2 {
                    0 => std::fs::remove_file(&path).unwrap(),
                    _ => std::fs::write(&path, b"damaged").unwrap(),
                }
            }
            survivor = worker(&s);
        }
    }
    println!("killed after {killed_at:?}");
    // The survivor may have passed a picture that was damaged later; it may also still be at work.
    assert!(survivor.wait().unwrap().success());
    recovers(&s);
}

/// All workers die at once, as on a power cut; what they held is taken over.
#[test]
fn the_jobs_of_dead_workers_are_taken_over() {
    let s = sandbox(&calm().jobs);
    for round in 0..3 {
        let workers = [worker(&s), worker(&s)];
        let began = Instant::now();
        let is_moment = || if round == 1 { is_writing(&s) } else { claimed(&s) == 2 };
        while began.elapsed() < calm().time && !is_moment() {
            std::thread::sleep(Duration::from_micros(200));
        }
        workers.into_iter().for_each(kill);
    }
    recovers(&s);
}

/// `ulimit -f`: the kernel refuses to let files grow, with an error or with a signal that kills.
#[test]
fn files_that_may_not_grow() {
    for (blocks, trap) in [(1, "trap '' XFSZ;"), (8, "trap '' XFSZ;"), (1, ""), (8, "")] {
        let s = sandbox(&calm().jobs);
        let script = format!("{trap} ulimit -c 0; ulimit -f {blocks}; exec '{LBW}' batch jobs.txt -o out");
        let mut command = s.command("sh");
        let output = command.args(["-c", &script]).output().unwrap();
        match trap.is_empty() {
            true => assert_eq!(output.status.code(), None, "killed by a signal"),
            false => drop(told(3, &command, output)),
        }
        recovers(&s);
    }
}

/// A real file system of too few blocks, which is then made larger. Where the system does not let users mount one, the test says so.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    let s = sandbox(&calm().jobs);
    std::fs::create_dir(s.path("out")).unwrap();
    let can_mount = s.command("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "out"]).output();
    if !can_mount.is_ok_and(|output| output.status.success()) {
        println!("not checked: no file system can be mounted here");
        return;
    }
    // Each size is full at another place; the last one has room. The results are moved out before the file system is gone.
    let script = format!(
        "mount -t tmpfs -o size=4k tmpfs out && for size in 4k 12k 40k 64k; do \
           mount -o remount,size=$size out && '{LBW}' batch jobs.txt -o out; echo code $?; \
         done; mount -o remount,size=8m out && '{LBW}' batch jobs.txt -o out >&2; echo last $?; cp -a out saved"
    );
    let (out, err) = expect(0, s.command("unshare").args(["-rm", "sh", "-c", &script]));
    let codes: Vec<&str> = out.lines().filter(|line| line.starts_with("code") || line.starts_with("last")).collect();
    assert_eq!(codes, ["code 3", "code 3", "code 3", "code 3", "last 0"], "{out}\n{err}");
    std::fs::remove_dir(s.path("out")).unwrap();
    std::fs::rename(s.path("saved"), s.path("out")).unwrap();
    recovers(&s);
}
