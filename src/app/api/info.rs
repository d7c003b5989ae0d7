//! What webui tells about the pictures of a request, as `info`.

use serde_json::{Value, json};

use super::request::Drawing;
use crate::diagnostic::{Diagnostic, Severity};
use crate::infotext::{ModelInfo, further_fields, infotext};
use crate::plan::Plan;

/// webui's `info` of a request: `plans` are those that were to be drawn, `texts` the infotexts of the pictures that are there.
pub fn info(
    drawing: &Drawing,
    plans: &[Plan],
    models: &ModelInfo,
    mut texts: Vec<String>,
    found: &[Diagnostic],
    [timestamp, id]: [&str; 2],
) -> Value {
    let Some(first) = plans.first() else { return json!({}) };
    let settings = first.settings();
    let of_all = |of: fn(&Plan) -> Value| plans.iter().map(of).collect::<Vec<_>>();
    if texts.is_empty() {
        // Clients read the first one, whether there is a picture or not.
        texts.push(infotext(first, models));
    }
    // webui tells the field whether or not a pass uses it, and typed clients want a number.
    let used = first.passes().find_map(|pass| pass.start.denoising_strength());
    let strength = used.map_or_else(|| drawing.fields.values["denoising_strength"].clone(), Value::from);
    let warnings: Vec<&str> =
        found.iter().filter(|found| found.severity >= Severity::Warning).map(|found| &*found.message).collect();
    json!({
        "prompt": first.first.prompt,
        "all_prompts": of_all(|plan| plan.first.prompt.as_str().into()),
        "negative_prompt": first.first.negative_prompt,
        "all_negative_prompts": of_all(|plan| plan.first.negative_prompt.as_str().into()),
        "seed": settings.seed,
        "all_seeds": of_all(|plan| plan.settings().seed.into()),
        "subseed": settings.subseed,
        "all_subseeds": of_all(|plan| plan.settings().subseed.into()),
        "subseed_strength": settings.subseed_strength,
        "width": settings.width,
        "height": settings.height,
        "sampler_name": settings.sampler.label(),
        "cfg_scale": settings.cfg_scale,
        "steps": settings.steps,
        "batch_size": drawing.fields.values["batch_size"],
        "restore_faces": false,
        "face_restoration_model": null,
        "sd_model_name": models.model,
        "sd_model_hash": models.model_hash,
        "sd_vae_name": models.vae,
        "sd_vae_hash": models.vae_hash,
        "seed_resize_from_w": drawing.fields.values["seed_resize_from_w"],
        "seed_resize_from_h": drawing.fields.values["seed_resize_from_h"],
        "denoising_strength": strength,
        "extra_generation_params": further_fields(first, models),
        "index_of_first_image": 0,
        "infotexts": texts,
        "styles": drawing.styles,
        "job_timestamp": timestamp,
        "clip_skip": settings.clip_skip,
        "is_using_inpainting_conditioning": false,
        "version": concat!("lbw ", env!("CARGO_PKG_VERSION")),
        "lbw": { "warnings": warnings, "ids": [id] },
    })
}
