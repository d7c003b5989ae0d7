//! The second pass as infotext writes it.

use serde_json::{Map, Value};

use super::paste::{NotUnderstood, Pasted, Why, number, value_text, whole};
use crate::diagnostic::Expected;
use crate::plan::{Hires, HiresSize, LatentUpscaler, Sampler, ScheduleType};

/// Fields that are read here.
pub(super) const FIELDS: &[&str] = &[
    "Hires upscale",
    "Hires resize-1",
    "Hires resize-2",
    "Hires steps",
    "Hires upscaler",
    "Hires sampler",
    "Hires schedule type",
    "Hires prompt",
    "Hires negative prompt",
    "First pass size-1",
    "First pass size-2",
];

/// The second pass, where one is written. `fields` have webui's defaults and corrections.
pub(super) fn of_fields(
    fields: &Map<String, Value>,
    is_written: impl Fn(&str) -> bool,
    pasted: &mut Pasted,
) -> Option<Hires> {
    let written = ["Hires upscale", "Hires resize-1", "Hires upscaler", "First pass size-1"];
    if !written.into_iter().any(&is_written) {
        return None;
    }
    let mut hires = Hires::default();
    if let Some(strength) = pasted.denoising_strength {
        hires.denoising_strength = strength;
    }
    let first_pass = is_written("First pass size-1");
    for key in FIELDS.iter().filter(|key| is_written(key) || (first_pass && key.starts_with("Hires resize"))) {
        let value = fields.get(*key).map(value_text).unwrap_or_default();
        if let Err(why) = take(&mut hires, pasted, key, &value) {
            pasted.not_understood.push(NotUnderstood::new(key, &value, why));
        }
    }
    Some(hires)
}

fn take(hires: &mut Hires, pasted: &mut Pasted, key: &str, value: &str) -> Result<(), Why> {
    match key {
        "Hires upscale" => hires.size = HiresSize::Scale(number(value)?),
        "Hires resize-1" => hires.size = resized(hires.size, Some(whole(value)?), None),
        "Hires resize-2" => hires.size = resized(hires.size, None, Some(whole(value)?)),
        "Hires steps" => hires.steps = whole(value)?,
        "Hires upscaler" => match LatentUpscaler::from_name(value) {
            Some(upscaler) => hires.upscaler = upscaler,
            None => pasted.other_upscaler = Some(value.to_owned()),
        },
        "Hires sampler" if value == "Use same sampler" => {}
        "Hires sampler" => {
            let (sampler, schedule) = Sampler::from_any_name(value).ok_or(Why::NotA(Expected::Sampler))?;
            hires.sampler = Some(sampler);
            hires.schedule_type = schedule.or(hires.schedule_type);
        }
        "Hires schedule type" if value == "Use same scheduler" => {}
        "Hires schedule type" => {
            hires.schedule_type = Some(ScheduleType::from_any_name(value).ok_or(Why::NotA(Expected::ScheduleType))?);
        }
        "Hires prompt" => pasted.hires_prompt = value.to_owned(),
        "Hires negative prompt" => pasted.hires_negative_prompt = value.to_owned(),
        _ => {}
    }
    Ok(())
}

fn resized(size: HiresSize, width: Option<u32>, height: Option<u32>) -> HiresSize {
    let (w, h) = match size {
        HiresSize::Resize { width, height } => (width, height),
        HiresSize::Scale(_) => (0, 0),
    };
    HiresSize::Resize { width: width.unwrap_or(w), height: height.unwrap_or(h) }
}
