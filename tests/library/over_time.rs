//! Strengths and weights that change over the steps: what is written, what the plan says of each step, and what is drawn.

use candle_core::{DType, Device, Tensor};
use lbw::block::Space;
use lbw::engine::Event;
use lbw::plan::{BlocksPoint, Dialect, LoraPlan, Lowering, OverTime, Plan, Point, Request, Sampler, Start, lower};
use lbw::preset::PresetSet;
use lbw::sampling;

use crate::drawing::{draw, embedded, engine, plan};

fn read(prompt: &str, steps: u32, dialect: Dialect) -> Lowering {
    let mut request = Request::new(prompt, "");
    (request.settings.steps, request.settings.lbw_dialect) = (steps, dialect);
    lower(&request, PresetSet::builtin())
}

#[track_caller]
fn lora(prompt: &str, steps: u32) -> LoraPlan {
    let lowering = read(prompt, steps, Dialect::Webui);
    lowering.plan.unwrap_or_else(|| panic!("{prompt}: {:#?}", lowering.diagnostics)).first.loras[0].clone()
}

fn unet(lora: &LoraPlan, steps: impl IntoIterator<Item = i64>) -> Vec<f64> {
    steps.into_iter().map(|step| lora.at(step).unet).collect()
}

/// numpy's `interp`, from its documentation: straight lines between points, level outside.
fn interp(x: f64, points: &[(f64, f64)]) -> f64 {
    let after = points.iter().position(|p| p.0 > x).unwrap_or(points.len());
    match (after.checked_sub(1), points.get(after)) {
        (None, _) => points[0].1,
        (Some(at), None) => points[at].1,
        (Some(at), Some(next)) => {
            let (from, value) = points[at];
            value + (next.1 - value) * (x - from) / (next.0 - from)
        }
    }
}

/// Rows: strength, steps of the pass, points, whether these are shares. Source: github.com/cheald/sd-webui-loractl,
/// `loractl/lib/utils.py`: `sorted_positions`, `calculate_weight` (shares of the steps less 2).
#[test]
fn strengths_are_loractls() {
    type Row = (&'static str, u32, &'static [(f64, f64)], bool);
    let rows: [Row; 9] = [
        ("0@0,1@0.5", 20, &[(0.0, 0.0), (0.5, 1.0)], true),
        ("0@0,1@0.5,0@1", 12, &[(0.0, 0.0), (0.5, 1.0), (1.0, 0.0)], true),
        ("1@0.5,0@0", 20, &[(0.0, 0.0), (0.5, 1.0)], true),
        ("0.25@0.5,1@1", 20, &[(0.5, 0.25), (1.0, 1.0)], true),
        ("0@0;1", 20, &[(0.0, 0.0), (1.0, 1.0)], true),
        ("0~5, 1~6", 20, &[(5.0, 0.0), (6.0, 1.0)], false),
        ("1@0.5,0@3", 20, &[(0.5, 1.0), (3.0, 0.0)], false),
        ("-1@0,1@0.3,1@0.3,0.5@0.9", 30, &[(0.0, -1.0), (0.3, 1.0), (0.3, 1.0), (0.9, 0.5)], true),
        ("0@0,0@0.5,1@0.5", 22, &[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0)], true),
    ];
    for (strength, steps, points, are_shares) in rows {
        let lora = lora(&format!("<lora:a:1:{strength}>"), steps);
        assert_eq!(lora.te, 1.0);
        for step in 0..i64::from(steps) {
            let x = if are_shares { step as f64 / f64::from(steps - 2) } else { step as f64 };
            let (got, expected) = (lora.at(step).unet, interp(x, points));
            assert!((got - expected).abs() < 1e-12, "{strength} at {step}: {got}, expected {expected}");
        }
    }
}

#[test]
fn every_place_of_a_strength_is_read() {
    // Without a name the first is for both, the second for the UNet.
    let both = lora("<lora:a:0@0,1@1>", 12);
    assert_eq!((both.te, unet(&both, [0, 5, 10])), (0.0, vec![0.0, 0.5, 1.0]));
    let named = lora("<lora:a:te=0.7:unet=0@0,1@1>", 12);
    assert_eq!((named.te, unet(&named, [0, 5, 10])), (0.7, vec![0.0, 0.5, 1.0]));
    let te = lora("<lora:a:te=0.3@0,1@1:unet=0.5>", 12);
    assert_eq!((te.te, te.unet, te.over_time.is_level()), (0.3, 0.5, true));
    // The text encoders get the value of the beginning, before the first point too.
    assert_eq!(lora("<lora:a:0.4@0.5,1@1>", 12).te, 0.4);
    // Twice the same LoRA is twice the first tag.
    let twice = lora("<lora:a:0@0,1@1> <lora:a:0.3>", 12);
    assert_eq!(unet(&twice, [0, 5, 10]), [0.0, 1.0, 2.0]);
    // Block weights multiply it, windows cut it.
    let weighted = lora("<lora:a:1:0@0,1@1:lbw=XLMID:start=4>", 12);
    assert_eq!(
        (unet(&weighted, [2, 3, 10]), weighted.blocks[13], weighted.blocks[14]),
        (vec![0.0, 0.3, 1.0], 1.0, 0.0)
    );
    // Short passes report step 0 alone.
    for steps in [1, 2] {
        assert_eq!(unet(&lora("<lora:a:1:0.5@0,1@1>", steps), [0]), [0.5]);
    }
    for wrong in ["<lora:a:0@0,x@1>", "<lora:a:0@0,1@>", "<lora:a:1:@0>", "<lora:a:1@0@1,2@1>", "<lora:a:0@inf,1@nan>"]
    {
        let lowering = read(wrong, 20, Dialect::Webui);
        let codes: Vec<_> = lowering.diagnostics.iter().map(|d| d.code.id).collect();
        assert!(lowering.plan.is_none() && codes.contains(&"E0207"), "{wrong}: {codes:?}");
    }
}

#[test]
fn the_second_pass_has_its_own() {
    let second = |tag: &str| {
        let mut request = Request::new(tag, "");
        request.settings.steps = 12;
        request.hires = Some(lbw::plan::Hires { steps: 7, ..hires() });
        let plan = lower(&request, PresetSet::builtin()).plan.unwrap();
        (plan.first.loras[0].clone(), plan.later[0].loras[0].clone())
    };
    let (first, later) = second("<lora:a:0@0,1@1:hr=1@0,0@1>");
    assert_eq!((unet(&first, [0, 5, 10]), unet(&later, [0, 1, 5])), (vec![0.0, 0.5, 1.0], vec![1.0, 0.8, 0.0]));
    let (first, later) = second("<lora:a:0.5:hr=1.0>");
    assert_eq!((first.te, first.unet, later.te, later.unet), (0.5, 0.5, 1.0, 1.0));
    let (_, later) = second("<lora:a:0.5:0@0,1@1:hrte=0.25>");
    assert_eq!((later.te, unet(&later, [0, 5])), (0.25, vec![0.0, 1.0]));
    let (_, later) = second("<lora:a:0.5:hr=0.1:hrunet=0.2>");
    assert_eq!((later.te, later.unet), (0.1, 0.2));
    // Without a second pass `hr=` has no effect, and that is said.
    let codes: Vec<_> = read("<lora:a:0.5:hr=1>", 20, Dialect::Webui).diagnostics.iter().map(|d| d.code.id).collect();
    assert!(codes.contains(&"W0610") && codes.contains(&"W1308"), "{codes:?}");
}

fn hires() -> lbw::plan::Hires {
    lbw::plan::Hires { denoising_strength: 0.5, ..lbw::plan::Hires::default() }
}

/// Source: github.com/vladmandic/sdnext, `modules/lora/extra_networks_lora.py`: `parse`, `get_stepwise`.
#[test]
fn sections_of_sdnext_change_apart() {
    let lowering = read("<lora:a:1:in=0@0,1@1:out=1@0,0.5@0.5:lbw=0.5,1,1,1,1,1,1,1,1,1,1,1>", 12, Dialect::Sdnext);
    let lora = &lowering.plan.unwrap().first.loras[0];
    let at = |step: i64, block: &str| {
        let now = lora.at(step);
        now.unet * now.blocks[Space::Unet.names().iter().position(|name| *name == block).unwrap()]
    };
    assert_eq!(lora.te, 1.0);
    for (step, input, output) in [(0, 0.0, 1.0), (2, 0.2, 0.8), (5, 0.5, 0.5), (8, 0.8, 0.5), (10, 1.0, 0.5)] {
        assert!((at(step, "IN04") - input).abs() < 1e-12 && (at(step, "OUT01") - output).abs() < 1e-12, "{step}");
        assert_eq!((at(step, "M00"), at(step, "BASE")), (1.0, 0.5), "{step}");
    }
    let codes: Vec<_> = lowering.diagnostics.iter().map(|d| d.code.id).collect();
    assert!(codes.contains(&"N1312") && !codes.contains(&"W1308"), "{codes:?}");
    // One point is a number.
    let lowering = read("<lora:a:1:in=0.5@0.3>", 12, Dialect::Sdnext);
    let codes: Vec<_> = lowering.diagnostics.iter().map(|d| d.code.id).collect();
    let lora = &lowering.plan.unwrap().first.loras[0];
    assert_eq!((lora.blocks[5], lora.blocks[14], codes.contains(&"W1311")), (0.5, 1.0, true));
    let whole = read("<lora:a:unet=0@0,1@1:te=0.2>", 12, Dialect::Sdnext).plan.unwrap().first.loras[0].clone();
    assert_eq!((whole.te, unet(&whole, [0, 5, 10])), (0.2, vec![0.0, 0.5, 1.0]));
}

#[test]
fn weights_are_frames() {
    let lora = lora("<lora:a:0.8:lbw=XLALL@0,XLOUT@0.5,0,0,0,0,0,0,1,1,1,1,1,0.5@1>", 22);
    let weight = |step: i64, index: usize| lora.at(step).blocks[index];
    // IN04 is 5, OUT05 is 19, BASE 0.
    for (step, input, output) in
        [(0, 1.0, 1.0), (5, 0.5, 1.0), (10, 0.0, 1.0), (15, 0.0, 0.75), (20, 0.0, 0.5), (21, 0.0, 0.5)]
    {
        assert!((weight(step, 5) - input).abs() < 1e-12 && (weight(step, 19) - output).abs() < 1e-12, "{step}");
    }
    assert_eq!((lora.unet, lora.te, lora.blocks[5]), (0.8, 0.8, 1.0));
    assert!(lora.source.contains("XLALL (sdxl.yaml:") && lora.source.contains("at 0.5, tag at 1"), "{}", lora.source);
    // Steps instead of shares; strengths and weights at once.
    let both = self::lora("<lora:a:1:0@0,1@1:lbw=XLIN@2,XLOUT@6>", 22);
    assert_eq!((both.at(4).unet, both.at(4).blocks[5], both.at(4).blocks[14]), (0.2, 0.5, 0.5));
    for (wrong, code) in [
        ("<lora:a:1:lbw=XLALL@0,XLOUT>", "E1313"),
        ("<lora:a:1:lbw=XLALL@x>", "E1313"),
        ("<lora:a:1:lbw=XLALL@0,XLUOT@0.5>", "E0201"),
        ("<lora:a:1:lbw=1,0,1@0,XLOUT@0.5>", "E0202"),
        ("<lora:a:1:lbw=1,0,0,0,0,0,0,0,0,0,0,z@0,XLOUT@0.5>", "E0204"),
    ] {
        let lowering = read(wrong, 20, Dialect::Webui);
        let codes: Vec<_> = lowering.diagnostics.iter().map(|d| d.code.id).collect();
        assert!(lowering.plan.is_none() && codes.contains(&code), "{wrong}: {codes:?}");
    }
    let lowering = read("<lora:a:1:lbw=XLALL@0,XLUOT@0.5>", 20, Dialect::Webui);
    let found = lowering.diagnostics.iter().find(|d| d.code.id == "E0201").unwrap();
    assert_eq!(found.pointed_at(), Some("XLUOT"));
    let level = read("<lora:a:1:lbw=XLALL@5,XLOUT@40>", 6, Dialect::Webui);
    assert!(level.diagnostics.iter().any(|d| d.code.id == "W1311"), "{:#?}", level.diagnostics);
}

#[test]
fn a_plan_with_changes_survives_its_json() {
    let plan = read("<lora:a:1:0@0,1@1:lbw=XLALL@0,XLOUT@0.5>", 22, Dialect::Webui).plan.unwrap();
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
    let level = read("<lora:a:1>", 22, Dialect::Webui).plan.unwrap();
    assert!(!serde_json::to_string(&level).unwrap().contains("over_time"));
}

/// The steps of a pass are those that the sampling runs.
#[test]
fn plans_count_the_steps_that_are_run() {
    let latent = Tensor::zeros((1, 4, 1, 1), DType::F32, &Device::Cpu).unwrap();
    for strength in [0.0, 0.01, 0.3, 0.5, 0.75, 0.999, 1.0] {
        for steps in [1, 2, 7, 20, 33] {
            let picture = Start::over("", None, strength, &Default::default());
            let start = sampling::Start::Latent {
                latent: latent.clone(),
                strength,
                fix_steps: false,
                noise_multiplier: 1.0,
                mask: None,
            };
            assert_eq!(picture.steps(steps) as usize, start.steps(steps as usize).unwrap(), "{strength} of {steps}");
        }
    }
    for (sampler, last) in [(Sampler::Euler, 8), (Sampler::Heun, 9)] {
        assert_eq!(sampler.last_reported_step(10), last);
    }
}

/// The embedded model with a LoRA of its own; what is merged at each step is told by events.
fn merged_at_each_step(plan: &Plan) -> (Vec<u8>, Vec<usize>) {
    let mut engine = engine(&embedded().join("shapes-xl.safetensors"));
    let (mut merged, mut now) = (Vec::new(), 0);
    let image = engine
        .run(plan, &mut |event| {
            match event {
                Event::Merged { parameters } => now += parameters,
                Event::Predicted { .. } => merged.push(std::mem::take(&mut now)),
                _ => {}
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    (image.rgb, merged)
}

fn over(steps: u32, prompt: &str) -> Plan {
    let mut plan = plan("red house");
    plan.first.settings.steps = steps;
    let mut request = Request::new(prompt, "");
    request.settings = plan.first.settings.clone();
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

#[test]
fn only_what_changes_is_merged_again() {
    // Of 8 steps those after step 3 are level: the report lags one step behind.
    let (_, merged) = merged_at_each_step(&over(8, "red house <lora:house:1:0.5@0,1@0.5>"));
    assert!(merged[0] > 0 && merged[1] == 0 && merged[2] > 0 && merged[4] > 0, "{merged:?}");
    assert_eq!(&merged[5..], [0, 0, 0], "{merged:?}");
    // One block changes, the others are left alone.
    let (_, one) = merged_at_each_step(&over(
        8,
        "red house <lora:house:1:lbw=1,1,1,1,1,1,1,1,1,1,1,0@0,1,1,1,1,1,1,1,1,1,1,1,1@1>",
    ));
    assert!(one[2] > 0 && 5 * one[2] < merged[2], "{one:?} {merged:?}");
    let (_, level) = merged_at_each_step(&over(8, "red house <lora:house:1:1@0,1@1>"));
    assert!(level[1..].iter().all(|count| *count == 0), "{level:?}");
}

#[test]
fn a_curve_draws_what_plans_made_by_hand_draw() {
    // A step is a curve with two points at one place, and a window is another way to say it.
    let window = over(6, "red house <lora:house:1:te=1:start=3>");
    let mut step = window.clone();
    step.first.loras[0].window = Default::default();
    let point = |step, value| Point { step, value };
    step.first.loras[0].over_time =
        OverTime { unet: vec![point(0.0, 0.0), point(2.0, 0.0), point(2.0, 1.0)], blocks: Vec::new() };
    let (by_window, _) = merged_at_each_step(&window);
    assert!(merged_at_each_step(&step).0 == by_window, "bit for bit");

    // Weights that change are a strength that changes, where all blocks do.
    let strength = over(6, "red house <lora:house:te=1:unet=0@0,1@1>");
    let mut weights = strength.clone();
    let lora = &mut weights.first.loras[0];
    // All of the UNet's; the text encoders have theirs in full.
    let all = |weight: f64| [vec![1.0], vec![weight; 25]].concat();
    let point = |weight: f64| BlocksPoint { step: 4.0 * weight, blocks: all(weight) };
    (lora.unet, lora.blocks, lora.over_time) =
        (1.0, all(0.0), OverTime { unet: Vec::new(), blocks: vec![point(0.0), point(1.0)] });
    let by_strength = merged_at_each_step(&strength).0;
    assert!(merged_at_each_step(&weights).0 == by_strength, "bit for bit");

    // It is neither end.
    let mut engine = engine(&embedded().join("shapes-xl.safetensors"));
    let end = draw(&mut engine, &over(6, "red house <lora:house:1>")).rgb;
    assert!(by_strength != end && by_window != end);
}
