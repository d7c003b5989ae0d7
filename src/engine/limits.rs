//! What a plan may ask for.

use super::EngineError;
use crate::model::Architecture;
use crate::plan::{FORMAT, HiresSize, Part, Plan, Segment, Settings};

/// Longest side in pixels.
pub const MAX_SIDE: u32 = 4096;
pub const MAX_STEPS: u32 = 1000;
/// webui's slider ends here.
const MAX_UNIPC_ORDER: u32 = 50;
/// Texts over all steps of a prompt and its parts.
pub const MAX_SEGMENTS: usize = 20_000;

/// Refuses plans that cannot be run or would take all memory, which needs no model to be seen.
pub fn check(plan: &Plan) -> Result<(), EngineError> {
    if plan.format != FORMAT {
        return Err(EngineError::Format(plan.format));
    }
    if !Architecture::DRAWN.contains(&plan.family) {
        return Err(EngineError::Family(plan.family.label()));
    }
    sizes(&plan.settings)?;
    numbers(&plan.settings)?;
    if plan.settings.hires.is_some() != plan.hires.is_some() {
        return Err(limit("the second pass", "half there", "a plan has its settings and its prompts, or neither"));
    }
    if plan.positive.is_empty() || plan.positive.iter().any(|p| p.schedule.is_empty()) {
        return Err(limit("the prompt", "empty", "a plan has at least one part with one text"));
    }
    let count = |positive: &[Part], negative: &[Segment]| {
        positive.iter().map(|p| p.schedule.len()).sum::<usize>() + negative.len()
    };
    let hires = plan.hires.as_ref().map_or(0, |h| count(&h.positive, &h.negative));
    let segments = count(&plan.positive, &plan.negative) + hires;
    if segments > MAX_SEGMENTS {
        return Err(limit(
            "the number of texts over the steps",
            segments,
            format!("at most {MAX_SEGMENTS} are allowed"),
        ));
    }
    Ok(())
}

fn limit(what: &'static str, value: impl ToString, limit: impl Into<String>) -> EngineError {
    EngineError::Limit { what, value: value.to_string(), limit: limit.into() }
}

/// Sizes and steps of both passes.
fn sizes(s: &Settings) -> Result<(), EngineError> {
    for (what, side) in [("the width", s.width), ("the height", s.height)] {
        if !(8..=MAX_SIDE).contains(&side) || !side.is_multiple_of(8) {
            return Err(limit(what, side, format!("it must be a multiple of 8 from 8 to {MAX_SIDE}")));
        }
    }
    let hires = s.hires.as_ref();
    let steps = [("the number of steps", Some(s.steps)), ("the number of hires steps", hires.map(|h| h.steps_of(s)))];
    for (what, steps) in steps {
        if let Some(steps) = steps.filter(|n| !(1..=MAX_STEPS).contains(n)) {
            return Err(limit(what, steps, format!("it must be from 1 to {MAX_STEPS}")));
        }
    }
    if let Some(target) = hires.map(|h| h.size.target(s.width, s.height)) {
        let sides =
            [("the hires width", target.width, target.cut.0), ("the hires height", target.height, target.cut.1)];
        for (what, side, cut) in sides {
            if !(8..=MAX_SIDE).contains(&side) || side / 8 <= cut {
                return Err(limit(what, side, format!("it must be from 8 to {MAX_SIDE}")));
            }
        }
    }
    let resize_from = [s.seed_resize_from_width, s.seed_resize_from_height];
    if let Some(side) = resize_from.into_iter().find(|side| *side > MAX_SIDE || (1..8).contains(side)) {
        return Err(limit("a side of the seed resize", side, format!("it must be 0 or from 8 to {MAX_SIDE}")));
    }
    Ok(())
}

/// Numbers that no sampler can work with.
fn numbers(s: &Settings) -> Result<(), EngineError> {
    let hires = s.hires.as_ref();
    let factor = hires.map(|h| match h.size {
        HiresSize::Scale(factor) => factor,
        HiresSize::Resize { .. } => 1.0,
    });
    let finite = [
        ("the CFG scale", Some(s.cfg_scale)),
        ("the subseed strength", Some(s.subseed_strength)),
        ("eta", s.eta),
        ("s_churn", Some(s.s_churn)),
        ("s_tmin", Some(s.s_tmin)),
        ("s_tmax", Some(s.s_tmax)),
        ("s_noise", Some(s.s_noise)),
        ("sigma_min", Some(s.sigma_min)),
        ("sigma_max", Some(s.sigma_max)),
        ("rho", Some(s.rho)),
        ("s_min_uncond", Some(s.s_min_uncond)),
        ("the share of steps without negative prompt", Some(s.skip_early_cond)),
        ("the extra noise", Some(s.extra_noise)),
        ("the noise multiplier", s.img2img.as_ref().map(|i| i.noise_multiplier)),
        ("the hires upscale", factor),
    ];
    if let Some((what, Some(value))) = finite.into_iter().find(|(_, v)| v.is_some_and(|v| !v.is_finite())) {
        return Err(limit(what, value, "it must be a finite number"));
    }
    let strengths = [s.img2img.as_ref().map(|i| i.denoising_strength), hires.map(|h| h.denoising_strength)];
    if let Some(value) = strengths.into_iter().flatten().find(|v| !(0.0..=1.0).contains(v)) {
        return Err(limit("the denoising strength", value, "it must be from 0 to 1"));
    }
    if !(1..=MAX_UNIPC_ORDER).contains(&s.unipc.order) {
        return Err(limit("the order of UniPC", s.unipc.order, format!("it must be from 1 to {MAX_UNIPC_ORDER}")));
    }
    Ok(())
}
