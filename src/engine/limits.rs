//! What a plan may ask for.

use super::EngineError;
use crate::block::Family;
use crate::plan::{FORMAT, Plan};

/// Longest side in pixels.
pub const MAX_SIDE: u32 = 4096;
pub const MAX_STEPS: u32 = 1000;
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
    let s = &plan.settings;
    for (what, side) in [("the width", s.width), ("the height", s.height)] {
        if !(8..=MAX_SIDE).contains(&side) || !side.is_multiple_of(8) {
            let limit = format!("it must be a multiple of 8 from 8 to {MAX_SIDE}");
            return Err(EngineError::Limit { what, value: side.to_string(), limit });
        }
    }
    if s.steps == 0 || s.steps > MAX_STEPS {
        let limit = format!("it must be from 1 to {MAX_STEPS}");
        return Err(EngineError::Limit { what: "the number of steps", value: s.steps.to_string(), limit });
    }
    if !s.cfg_scale.is_finite() {
        let limit = "it must be a finite number".to_owned();
        return Err(EngineError::Limit { what: "the CFG scale", value: s.cfg_scale.to_string(), limit });
    }
    if plan.positive.is_empty() || plan.positive.iter().any(|p| p.schedule.is_empty()) {
        let limit = "a plan has at least one part with one text".to_owned();
        return Err(EngineError::Limit { what: "the prompt", value: "empty".to_owned(), limit });
    }
    let segments: usize = plan.positive.iter().map(|p| p.schedule.len()).sum::<usize>() + plan.negative.len();
    if segments > MAX_SEGMENTS {
        let limit = format!("at most {MAX_SEGMENTS} are allowed");
        return Err(EngineError::Limit {
            what: "the number of texts over the steps",
            value: segments.to_string(),
            limit,
        });
    }
    Ok(())
}
