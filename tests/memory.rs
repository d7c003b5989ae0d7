//! Whether memory grows. A program of its own with one test, since what is measured is the memory of the whole process.
#![cfg(target_os = "linux")]

#[path = "common/drawing.rs"]
mod drawing;

use drawing::{draw, embedded, engine, plan};

/// A thousand changes from one LoRA to another need no more memory than the first hundred.
#[test]
fn changing_loras_does_not_grow() {
    const GROWTH: usize = 16 << 20;
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let mut engine = engine(&embedded().join("shapes-xl.safetensors"));
    let plans = [plan("red house <lora:house:1:lbw=XLOUT>"), plan("red house <lora:night:1:lbw=XLALL>")];
    let mut after_the_first = 0;
    for n in 0..1000 {
        draw(&mut engine, &plans[n % 2]);
        if n == 100 {
            after_the_first = resident();
        }
    }
    let grown = resident().saturating_sub(after_the_first);
    assert!(grown < GROWTH, "{} MiB more", grown >> 20);
}
