//! What a plan may ask for.

use super::EngineError;
use crate::block::Family;
use crate::diagnostic::Text;
use crate::plan::{FORMAT, HiresSize, Part, Plan, Segment, Settings};
use crate::say;

/// Longest side in pixels.
pub const MAX_SIDE: u32 = 4096;
/// Steps of one pass.
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
    if plan.family != Family::Sdxl {
        return Err(EngineError::Family(plan.family.label()));
    }
    sizes(&plan.settings)?;
    numbers(&plan.settings)?;
    if plan.settings.hires.is_some() != plan.hires.is_some() {
        return Err(limit(
            say!("the second pass", "高解像度補助の設定とプロンプト"),
            say!("half there", "片方だけ"),
            say!(
                "a plan has its settings and its prompts, or neither",
                "plan には両方を書くか、どちらも書かないでください"
            ),
        ));
    }
    if plan.positive.is_empty() || plan.positive.iter().any(|p| p.schedule.is_empty()) {
        return Err(limit(
            say!("the prompt", "プロンプト"),
            say!("empty", "空"),
            say!(
                "a plan has at least one part with one text",
                "plan には少なくとも一つの部分と一つのテキストが必要です"
            ),
        ));
    }
    let count = |positive: &[Part], negative: &[Segment]| {
        positive.iter().map(|p| p.schedule.len()).sum::<usize>() + negative.len()
    };
    let hires = plan.hires.as_ref().map_or(0, |h| count(&h.positive, &h.negative));
    let segments = count(&plan.positive, &plan.negative) + hires;
    if segments > MAX_SEGMENTS {
        return Err(limit(
            say!("the number of texts over the steps", "全ステップのテキストの数"),
            Text::same(segments),
            say!("at most {MAX_SEGMENTS} are allowed", "{MAX_SEGMENTS} までです"),
        ));
    }
    Ok(())
}

fn limit(what: Text, value: Text, limit: Text) -> EngineError {
    EngineError::Limit { what, value, limit }
}

fn from_to(first: u32, last: u32) -> Text {
    say!("it must be from {first} to {last}", "{first} から {last} までにしてください")
}

/// Sizes and steps of both passes.
fn sizes(s: &Settings) -> Result<(), EngineError> {
    for (what, side) in [(say!("the width", "幅"), s.width), (say!("the height", "高さ"), s.height)] {
        if !(8..=MAX_SIDE).contains(&side) || !side.is_multiple_of(8) {
            let allowed = say!(
                "it must be a multiple of 8 from 8 to {MAX_SIDE}",
                "8 から {MAX_SIDE} までの 8 の倍数にしてください"
            );
            return Err(limit(what, Text::same(side), allowed));
        }
    }
    let hires = s.hires.as_ref();
    let steps = [
        (say!("the number of steps", "ステップ数"), Some(s.steps)),
        (say!("the number of hires steps", "高解像度補助のステップ数"), hires.map(|h| h.steps_of(s))),
    ];
    for (what, steps) in steps {
        if let Some(steps) = steps.filter(|n| !(1..=MAX_STEPS).contains(n)) {
            return Err(limit(what, Text::same(steps), from_to(1, MAX_STEPS)));
        }
    }
    if let Some(target) = hires.map(|h| h.size.target(s.width, s.height)) {
        let sides = [
            (say!("the hires width", "高解像度補助の幅"), target.width, target.cut.0),
            (say!("the hires height", "高解像度補助の高さ"), target.height, target.cut.1),
        ];
        for (what, side, cut) in sides {
            if !(8..=MAX_SIDE).contains(&side) || side / 8 <= cut {
                return Err(limit(what, Text::same(side), from_to(8, MAX_SIDE)));
            }
        }
    }
    let resize_from = [s.seed_resize_from_width, s.seed_resize_from_height];
    if let Some(side) = resize_from.into_iter().find(|side| *side > MAX_SIDE || (1..8).contains(side)) {
        let allowed = say!("it must be 0 or from 8 to {MAX_SIDE}", "0 か、8 から {MAX_SIDE} までにしてください");
        return Err(limit(say!("a side of the seed resize", "シードリサイズの辺"), Text::same(side), allowed));
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
        (say!("the CFG scale", "CFG スケール"), Some(s.cfg_scale)),
        (say!("the subseed strength", "バリエーション強度"), Some(s.subseed_strength)),
        (Text::same("eta"), s.eta),
        (Text::same("s_churn"), Some(s.s_churn)),
        (Text::same("s_tmin"), Some(s.s_tmin)),
        (Text::same("s_tmax"), Some(s.s_tmax)),
        (Text::same("s_noise"), Some(s.s_noise)),
        (Text::same("sigma_min"), Some(s.sigma_min)),
        (Text::same("sigma_max"), Some(s.sigma_max)),
        (Text::same("rho"), Some(s.rho)),
        (Text::same("s_min_uncond"), Some(s.s_min_uncond)),
        (
            say!("the share of steps without negative prompt", "ネガティブプロンプトを使わないステップの割合"),
            Some(s.skip_early_cond),
        ),
        (say!("the extra noise", "追加のノイズ"), Some(s.extra_noise)),
        (say!("the noise multiplier", "ノイズ倍率"), s.img2img.as_ref().map(|i| i.noise_multiplier)),
        (say!("the hires upscale", "高解像度補助の倍率"), factor),
    ];
    if let Some((what, Some(value))) = finite.into_iter().find(|(_, v)| v.is_some_and(|v| !v.is_finite())) {
        return Err(limit(what, Text::same(value), say!("it must be a finite number", "有限の数値にしてください")));
    }
    let strengths = [s.img2img.as_ref().map(|i| i.denoising_strength), hires.map(|h| h.denoising_strength)];
    if let Some(value) = strengths.into_iter().flatten().find(|v| !(0.0..=1.0).contains(v)) {
        return Err(limit(say!("the denoising strength", "ノイズ除去強度"), Text::same(value), from_to(0, 1)));
    }
    if !(1..=MAX_UNIPC_ORDER).contains(&s.unipc.order) {
        let what = say!("the order of UniPC", "UniPC の次数");
        return Err(limit(what, Text::same(s.unipc.order), from_to(1, MAX_UNIPC_ORDER)));
    }
    Ok(())
}
