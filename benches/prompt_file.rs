//! What a prompt file costs before its first picture, and whether memory grows while it is drawn.
//!
//! `cargo bench --bench prompt_file` writes a file of 10,000 lines, reads and hashes it for comparison, and has `lbw batch` plan
//! it; memory per line is the difference of the peak to a file of one line. Then it draws 120 small pictures with changing LoRAs and
//! compares the resident memory after the first third with that at the end. Memory is read from `/proc`, so only on Linux.

use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

const LINES: usize = 10_000;
const ROUNDS: usize = 5;
const PICTURES: usize = 120;

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let lines: String = (0..LINES).map(line).collect();
    std::fs::write(dir.path().join("lines.txt"), &lines).expect("the prompt file");
    std::fs::write(dir.path().join("one.txt"), line(0)).expect("the prompt file");
    println!("{LINES} lines, {} bytes", lines.len());

    let hashing = median(|| {
        let bytes = std::fs::read(dir.path().join("lines.txt")).expect("the prompt file");
        std::hint::black_box(Sha256::digest(&bytes));
    });
    let one = planned(dir.path(), "one.txt");
    let all = planned(dir.path(), "lines.txt");
    println!("reading and hashing the file  {:>8.1} ms", ms(hashing));
    println!("the whole command, one line   {:>8.1} ms", ms(one.0));
    println!("the whole command, all lines  {:>8.1} ms", ms(all.0));
    if let (Some(one), Some(all)) = (one.1, all.1) {
        println!("peak memory per line          {:>8.1} KB", all.saturating_sub(one) as f64 / LINES as f64);
    }
    drawing(dir.path());
}

/// A line as people write them: some tags, a LoRA with its own block weights and strength, editing, settings.
fn line(n: usize) -> String {
    let preset = ["XLOUT", "XLIN", "XLALL", "1,0,0,0,0,1,1,0.8,1,1,1,1"][n % 4];
    let mut line = format!(
        "--prompt \"masterpiece, (red house:1.{}), [day:night:0.5], blue background, <lora:house:0.{}",
        n % 9,
        1 + n % 9
    );
    let _ = write!(line, ":lbw={preset}:stop={}>\" --negative_prompt \"(low quality:1.4), blurry\"", 10 + n % 10);
    let _ = writeln!(line, " --steps 20 --cfg_scale 5 --width 128 --height 128 --seed {n}");
    line
}

/// The median time of `lbw batch NAME --dry-run`, and its peak memory in KB.
fn planned(folder: &Path, name: &str) -> (Duration, Option<u64>) {
    let mut peak = None;
    let time = median(|| {
        let mut child = lbw(folder, &["batch", name, "--dry-run"]);
        peak = peak.max(watch(&mut child, "VmHWM").last().copied());
        assert!(child.wait().expect("lbw").success());
    });
    (time, peak)
}

/// Draws pictures and says how much memory is in use along the way.
fn drawing(folder: &Path) {
    let small = |n| line(n).replace("--steps 20", "--steps 1").replace("128", "64");
    std::fs::write(folder.join("small.txt"), (0..PICTURES).map(small).collect::<String>()).expect("the prompt file");
    let began = Instant::now();
    let mut child = lbw(folder, &["batch", "small.txt"]);
    let resident = watch(&mut child, "VmRSS");
    assert!(child.wait().expect("lbw").success());
    println!("drawing {PICTURES} pictures          {:>8.1} ms each", ms(began.elapsed()) / PICTURES as f64);
    let highest = |part: &[u64]| part.iter().max().copied().unwrap_or(0) as f64 / 1024.0;
    let third = resident.len() / 3;
    println!("resident memory, first third  {:>8.1} MB at most", highest(&resident[..third]));
    println!("resident memory, last third   {:>8.1} MB at most", highest(&resident[resident.len() - third..]));
}

fn lbw(folder: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lbw"))
        .args(args)
        .current_dir(folder)
        .env_remove("LBW_WEBUI_DIR")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("lbw runs")
}

/// A value of `/proc/PID/status` in KB, again and again until the process ends.
fn watch(child: &mut Child, what: &str) -> Vec<u64> {
    let mut values = Vec::new();
    while child.try_wait().expect("lbw").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let value = status.lines().find_map(|line| line.strip_prefix(what)?.split_whitespace().nth(1)?.parse().ok());
        values.extend::<Option<u64>>(value);
        std::thread::sleep(Duration::from_millis(2));
    }
    values
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
