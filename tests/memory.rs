//! Whether memory grows. A program of its own whose tests run one after the other, since what is measured is the memory of the whole
//! process.
#![cfg(target_os = "linux")]

#[path = "common/drawing.rs"]
mod drawing;

use std::sync::Mutex;

use drawing::{draw, embedded, engine, plan};
use lbw::app::batch::{Batch, Wish};
use lbw::app::{Caller, Places, Session};
use lbw::engine::Event;
use lbw::plan::Patch;

static ALONE: Mutex<()> = Mutex::new(());

/// A thousand changes from one LoRA to another need no more memory than the first hundred.
#[test]
fn changing_loras_does_not_grow() {
    let _alone = ALONE.lock().unwrap();
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

/// Ten million pictures, and ten thousand of a long prompt, take what their lines do.
#[test]
fn pictures_of_a_batch_take_no_memory_before_they_are_drawn() {
    let _alone = ALONE.lock().unwrap();
    const MOST: usize = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let patch = Patch::default().and("n_iter", 10_000).and("seed", 1);
    let caller = Caller { patch, is_default: true, ..Caller::default() };
    let session = Session::open(&Places { cache, ..Places::default() }, caller).unwrap();
    let wish = Wish { inputs: vec![path.clone()], ..Wish::default() };
    for (text, pictures) in [("a cat\n".repeat(1000), 10_000_000), ("a cat, ".repeat(15_000), 10_000)] {
        std::fs::write(&path, text).unwrap();
        let before = peak_anew();
        let batch = Batch::prepare(&session, &wish).unwrap();
        assert_eq!((batch.pictures(), batch.summary()[0]), (pictures, pictures), "{:?}", batch.findings().first());
        let most = peak().saturating_sub(before);
        assert!(most < MOST, "{pictures} pictures: {} MiB", most >> 20);
        // The last one is made when it is asked for.
        let last = batch.plans(0).nth(9_999).unwrap().unwrap();
        assert_eq!(last.settings().seed, 10_000);
    }
}

/// Each part of a prompt is computed, and few of them at once. 498 parts of weight 0 add nothing to the picture, but for the last bit
/// of what the UNet computes for several texts together.
#[test]
fn five_hundred_parts_of_a_prompt_take_the_memory_of_a_few() {
    let _alone = ALONE.lock().unwrap();
    const MORE: usize = 64 << 20;
    let mut engine = engine(&embedded().join("shapes-xl.safetensors"));
    let few = "red circle AND blue star";
    let mut drawn = |prompt: &str| {
        let plan = plan(prompt);
        let (mut predicted, before) = (0, peak_anew());
        let picture = engine.run(&plan, &mut |event| {
            if let Event::Predicted { outputs } = event {
                predicted = outputs.len();
            }
            std::ops::ControlFlow::Continue(())
        });
        (picture.unwrap(), predicted, peak().saturating_sub(before))
    };
    // Eight texts are what the UNet is asked at once.
    drawn(&[few, &" AND star :0".repeat(5)].concat());
    let (picture, two, _) = drawn(few);
    let (same, all, more) = drawn(&[few, &" AND star :0".repeat(498)].concat());
    assert_eq!((two, all), (3, 501));
    let differs = picture.rgb.iter().zip(&same.rgb).any(|(a, b)| a.abs_diff(*b) > 1);
    assert!(!differs, "parts of weight 0 have changed the picture");
    assert!(more < MORE, "{} MiB more", more >> 20);
}

/// The most memory that this process has had since [`peak_anew`].
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Forgets what the most was; what there is now.
fn peak_anew() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}
