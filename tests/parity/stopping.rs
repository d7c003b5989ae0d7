//! An observer stops a run at any point; what the engine draws next is what it always draws.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use lbw::checkpoint::Checkpoint;
use lbw::engine::{Engine, EngineError, EngineOptions, Event, Image, InitImage, unobserved};
use lbw::image_io::Rgb;
use lbw::lora::LoraIndex;
use lbw::model::Held;
use lbw::plan::settings::PictureFields;
use lbw::plan::{Plan, Request, Sampler, Settings, Start, lower};
use lbw::preset::PresetSet;

const SIDE: u32 = 64;

fn picture() -> InitImage {
    let bytes = (0..3 * SIDE * SIDE).map(|i| (i * 7 % 251) as u8).collect();
    InitImage::new(Rgb { width: SIDE as usize, height: SIDE as usize, bytes })
}

fn engine(weights: Held) -> Engine {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded");
    let loras = LoraIndex::scan(std::slice::from_ref(&dir)).unwrap();
    let options = EngineOptions { loras, weights, ..EngineOptions::default() };
    let mut engine = Engine::new(Checkpoint::open(&dir.join("shapes-xl.safetensors")).unwrap(), options).unwrap();
    engine.add_init_image(picture());
    engine
}

fn plan(prompt: &str, over_a_picture: bool) -> Plan {
    let mut request = Request::new(prompt, "blue");
    let sampler = Sampler::from_name("Euler").unwrap();
    request.settings = Settings { sampler, steps: 2, seed: 5, width: SIDE, height: SIDE, ..Settings::default() };
    if over_a_picture {
        let fields = PictureFields { fix_steps: true, ..PictureFields::default() };
        request.start = Start::over(picture().id(), None, 0.75, &fields);
    }
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

fn kind(event: Event<'_>) -> &'static str {
    match event {
        Event::Loading { .. } => "loading",
        Event::Merging { .. } => "merging",
        Event::Merged { .. } => "merged",
        Event::Encoding { .. } => "encoding",
        Event::Encoded => "encoded",
        Event::EncodingImage { .. } => "encoding image",
        Event::Enlarging { .. } => "enlarging",
        Event::Block { .. } => "block",
        Event::Predicted { .. } => "predicted",
        Event::Step { .. } => "step",
        Event::Decoding { .. } => "decoding",
    }
}

fn kinds_of(engine: &mut Engine, plan: &Plan) -> (Vec<&'static str>, Image) {
    let mut kinds = Vec::new();
    let image = engine.run(plan, &mut |event| {
        kinds.push(kind(event));
        ControlFlow::Continue(())
    });
    (kinds, image.unwrap())
}

fn assert_same(a: &Image, b: &Image, what: &str) {
    let bits = |image: &Image| -> Vec<u32> {
        image.latent.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    assert!(bits(a) == bits(b) && a.rgb == b.rgb, "another picture after {what}");
}

/// Stops at the first, a middle and the last event of each kind; after each stop one of two plans is drawn whole.
#[test]
fn the_next_picture_is_as_from_a_fresh_engine() {
    for weights in [Held::Exact, Held::Half] {
        let plans = [
            plan("red house <lora:house:1:lbw=XLOUT> <lora:night:0.5:lbw=XLALL:start=1>", true),
            plan("red circle", false),
        ];
        let fresh = plans.each_ref().map(|plan| kinds_of(&mut engine(weights), plan));
        let mut points: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        fresh[0].0.iter().enumerate().for_each(|(at, kind)| points.entry(kind).or_default().push(at));
        assert_eq!(points.len(), 9, "every kind but loading: {points:?}");

        let mut used = engine(weights);
        let mut turn = 0;
        for at in points.values().flat_map(|at| [at[0], at[at.len() / 2], at[at.len() - 1]]) {
            // What the engine holds from before leaves out events, so that a stop may never come.
            let mut seen = 0;
            let stopped = used.run(&plans[0], &mut |_| {
                seen += 1;
                if seen == at + 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let what = format!("{} at event {at}", fresh[0].0[at]);
            match stopped {
                Err(EngineError::Stopped) => assert_eq!(seen, at + 1, "nothing is told after a stop"),
                Ok(_) => assert!(seen <= at, "{what}: it did not stop"),
                Err(error) => panic!("{what}: {error}"),
            }
            turn += 1;
            let again = used.run(&plans[turn % 2], &mut unobserved).unwrap();
            assert_same(&again, &fresh[turn % 2].1, &what);
        }
    }
}

/// From a fresh engine each time: merging and encoding are really cut off in the middle.
#[test]
fn every_kind_of_work_can_be_cut_off() {
    let plan = plan("red house <lora:house:1:lbw=XLOUT> <lora:night:0.5>", true);
    let (kinds, whole) = kinds_of(&mut engine(Held::Exact), &plan);
    for wanted in ["merging", "encoding", "encoding image", "block", "decoding"] {
        let mut engine = engine(Held::Exact);
        let mut left = kinds.iter().filter(|kind| **kind == wanted).count() / 2 + 1;
        let stopped = engine.run(&plan, &mut |event| {
            left -= usize::from(kind(event) == wanted);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(EngineError::Stopped)), "{wanted}");
        assert_same(&engine.run(&plan, &mut unobserved).unwrap(), &whole, wanted);
    }
}

#[test]
fn parts_are_counted_to_their_number() {
    let plan = plan("red house <lora:house:1>", true);
    let mut last: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut see = |event: Event<'_>| {
        let (Event::Loading { part, of }
        | Event::Merging { part, of }
        | Event::Encoding { part, of }
        | Event::EncodingImage { part, of }
        | Event::Block { part, of, .. }
        | Event::Decoding { part, of }) = event
        else {
            return ControlFlow::Continue(());
        };
        assert!(part <= of);
        if let Some((before, _)) = last.insert(kind(event), (part, of)) {
            assert!(part > before || before == of || kind(event) == "encoding", "{} {part}", kind(event));
        }
        ControlFlow::Continue(())
    };
    let mut engine = engine(Held::Exact);
    engine.load(&mut see).unwrap();
    engine.run(&plan, &mut see).unwrap();
    assert_eq!(last.len(), 6);
    assert!(last.values().all(|(part, of)| part == of), "{last:?}");
}

#[test]
fn loading_can_be_cut_off() {
    let plan = plan("red circle", false);
    let whole = engine(Held::Exact).run(&plan, &mut unobserved).unwrap();
    let mut engine = engine(Held::Exact);
    let mut asked = 0;
    let stopped = engine.load(&mut |_| {
        asked += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(EngineError::Stopped)) && asked == 1);
    assert_same(&engine.run(&plan, &mut unobserved).unwrap(), &whole, "loading");
}
