//! Claim: no text makes the parser slow or deep. A megabyte of `(`, of `[a|` and of `<lora:` is read and planned in under a
//! second each, on a stack of 256 KiB, and twice the text takes about twice the time.
//!
//! Run with `cargo bench --bench syntax`.

use std::time::{Duration, Instant};

use lbw::plan::{Request, lower};
use lbw::preset::PresetSet;

const MEGABYTE: usize = 1 << 20;
const STACK: usize = 256 << 10;
/// What a megabyte may take in a release build.
const LIMIT: Duration = Duration::from_secs(1);
const ROUNDS: usize = 3;

fn main() {
    println!(
        "{:<8} {:>10} {:>10} {:>10}   {:>8}   limit {} s for 1 MB",
        "text",
        "1/4 MB",
        "1/2 MB",
        "1 MB",
        "1 / ½",
        LIMIT.as_secs()
    );
    let mut over = false;
    for unit in ["(", "[a|", "<lora:"] {
        let [quarter, half, whole] = [4, 2, 1].map(|parts| best_of(unit, MEGABYTE / parts));
        let growth = whole.as_secs_f64() / half.as_secs_f64();
        let verdict = if whole <= LIMIT { "within" } else { "OVER" };
        over |= whole > LIMIT;
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        println!("{unit:<8} {:>10} {:>10} {:>10}   {growth:>7.2}x   {verdict}", ms(quarter), ms(half), ms(whole));
    }
    std::process::exit(i32::from(over));
}

/// The shortest of some runs, each on a small stack of its own.
fn best_of(unit: &'static str, bytes: usize) -> Duration {
    let run = move || {
        let request = Request::new(&unit.repeat(bytes / unit.len()), "");
        let start = Instant::now();
        std::hint::black_box(lower(&request, PresetSet::builtin()));
        start.elapsed()
    };
    let on_a_small_stack = || std::thread::Builder::new().stack_size(STACK).spawn(run);
    let times = (0..ROUNDS).filter_map(|_| on_a_small_stack().ok()?.join().ok());
    // A run that overflowed its stack has ended the process already.
    times.min().unwrap_or(Duration::MAX)
}
