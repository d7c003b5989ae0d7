//! Whether memory grows. A program of its own whose tests run one after the other, since what is measured is the memory of the whole
//! process.
#![cfg(target_os = "linux")]

#[path = "common/drawing.rs"]
mod drawing;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use candle_core::DType;
use drawing::{draw, embedded, engine, plan};
use lbw::app::batch::{Batch, Wish};
use lbw::app::{Caller, EngineSettings, Memory, Places, Session, check};
use lbw::checkpoint::Checkpoint;
use lbw::diagnostic::Severity;
use lbw::engine::{Engine, EngineError, EngineOptions, Event};
use lbw::lora::LoraIndex;
use lbw::model::OperatorChoice;
use lbw::model::ops::Cpu;
use lbw::plan::Patch;

static ALONE: Mutex<()> = Mutex::new(());

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: all is the system allocator's, counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

/// What is said of a plan's memory before it is drawn is what it then takes, within a tenth; and what may not be taken is not.
#[test]
fn memory_is_known_before_the_first_step() {
    let _alone = ALONE.lock().unwrap();
    let open = |operators, memory| {
        let loras = LoraIndex::scan(&[embedded()]).unwrap();
        let options = EngineOptions { operators, loras, memory, ..EngineOptions::default() };
        Engine::new(Checkpoint::open(&embedded().join("shapes-xl.safetensors")).unwrap(), options).unwrap()
    };
    let sized = |prompt, width, height| {
        let mut plan = plan(prompt);
        (plan.first.settings.width, plan.first.settings.height) = (width, height);
        plan
    };
    // Tables that are made once.
    draw(&mut open(OperatorChoice::Best, None), &plan("red house"));
    for (operators, side) in [(OperatorChoice::Cpu(Cpu::best().isa()), 256), (OperatorChoice::Candle(DType::F32), 128)]
    {
        for (width, prompt) in [
            (side, "red house"),
            (side + 64, "red house AND blue star AND green circle"),
            (side, "red house <lora:house:1>"),
        ] {
            let plan = sized(prompt, width, side);
            let before = NOW.load(Relaxed);
            let mut engine = open(operators, None);
            let said = engine.needs(&plan).unwrap();
            MOST.store(NOW.load(Relaxed), Relaxed);
            let picture = draw(&mut engine, &plan);
            let taken = (MOST.load(Relaxed) - before) as f64;
            drop(engine);
            let share = taken / (said.all() - said.overhead.own) as f64;
            // Of candle's operators is told what they take at most.
            let least = if matches!(operators, OperatorChoice::Cpu(_)) { 0.9 } else { 0.2 };
            assert!((least..1.1).contains(&share), "{operators:?} {width}×{side} {prompt}: {share} of {said:?}");

            // The same picture in as little as possible.
            let before = NOW.load(Relaxed);
            let mut engine = open(operators, Some(said.least()));
            assert!(engine.save_memory(&plan).unwrap().unet.is_some());
            MOST.store(NOW.load(Relaxed), Relaxed);
            assert!(draw(&mut engine, &plan).rgb == picture.rgb, "{operators:?} {prompt}");
            let taken = (MOST.load(Relaxed) - before) as f64;
            assert!(
                taken < 1.1 * (said.least() - said.overhead.own) as f64,
                "{operators:?} {prompt}: {taken} of {said:?}"
            );
        }
    }
    let large = sized("red house", 512, 512);
    let most = open(OperatorChoice::Best, None).needs(&sized("red house", 320, 320)).unwrap().least();
    let refused = open(OperatorChoice::Best, Some(most)).run(&large, &mut |_| panic!("something was done")).err();
    let Some(EngineError::Memory(short)) = refused else { panic!("{refused:?}") };
    assert_eq!((short.most, short.fits), (most, Some((320, 320))));
}

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

/// Files of many small things are refused before they become large ones.
#[test]
fn crowded_files_are_refused_in_little_memory() {
    let _alone = ALONE.lock().unwrap();
    const MOST: usize = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let session = Arc::new(Session::open(&Places { cache, ..Places::default() }, Caller::default()).unwrap());
    let memory = Memory::new(&session, EngineSettings::default());
    // What any file takes the first time is not of these.
    let fine = folder.path().join("fine.txt");
    std::fs::write(&fine, "red circle").unwrap();
    check(&session, &[fine.to_string_lossy().into_owned()], &memory).unwrap();
    let keys: String = (0..300_000).map(|key| format!(",\"k{key}\":1")).collect();
    for (name, text) in [
        ("a.jsonl", format!("{{\"prompt\":\"a\"{keys}}}").into_bytes()),
        ("b.toml", format!("{}a = 1", "a.".repeat(1_000_000)).into_bytes()),
        ("c.yaml", format!("a: [{}1]", "1,".repeat(2_000_000)).into_bytes()),
        ("d.yaml", "? ".repeat(100_000).into_bytes()),
        (
            "e.yaml",
            (0..100_000).map(|name| format!("A{name}: {{of: A{}}}\n", name + 1)).collect::<String>().into_bytes(),
        ),
        ("f.json", format!("[{}1]", "[],".repeat(1_000_000)).into_bytes()),
        ("g.png", Vec::new()),
        ("h.png", Vec::new()),
        ("i.txt", format!("{}x\nSteps: 2, Seed: 1", "\n".repeat(4_000_000)).into_bytes()),
    ] {
        let path = folder.path().join(name);
        let bytes = match name {
            "g.png" => in_a_picture(&format!("{}x\nSteps: 2, Seed: 1", "\n".repeat(15_000_000))),
            "h.png" => in_a_picture(&format!("x\nSteps: 2, {}Seed: 1", "a: 1, ".repeat(2_500_000))),
            _ => text,
        };
        std::fs::write(&path, bytes).unwrap();
        let before = peak_anew();
        let found = check(&session, &[path.to_string_lossy().into_owned()], &memory);
        let found = found.unwrap_or_else(|error| error.findings);
        let most = peak().saturating_sub(before);
        assert!(found.iter().any(|found| found.severity == Severity::Error), "{name}: {found:?}");
        assert!(most < MOST, "{name}: {} MiB", most >> 20);
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

/// A small PNG whose infotext this is, packed.
fn in_a_picture(infotext: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_ztxt_chunk("parameters".to_owned(), infotext.to_owned()).unwrap();
    encoder.write_header().unwrap().write_image_data(&[0; 8 * 8 * 3]).unwrap();
    bytes
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
