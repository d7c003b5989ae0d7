//! Samplers, schedules, upscalers of latents and embeddings as webui lists them.

use serde_json::{Map, Value, json};

use crate::app::session::Session;
use crate::plan::{LatentUpscaler, Plan, Sampler, ScheduleType};
use crate::preset::{Preset, Presets};
use crate::text::EmbeddingFile;

/// webui's `/samplers`.
pub fn sampler_list() -> Value {
    let item = |sampler: &Sampler| {
        let mut options = Map::new();
        if let Some(schedule) = sampler.default_schedule() {
            let name = schedule.names().nth(1).unwrap_or_default();
            options.insert("scheduler".to_owned(), name.into());
        }
        let marks = [
            ("discard_next_to_last_sigma", sampler.discards_next_to_last_sigma()),
            ("uses_ensd", sampler.uses_ensd()),
            ("second_order", sampler.is_second_order()),
        ];
        options.extend(marks.into_iter().filter(|(_, is)| *is).map(|(name, is)| (name.to_owned(), is.into())));
        json!({ "name": sampler.label(), "aliases": sampler.aliases(), "options": options })
    };
    Sampler::ALL.iter().map(item).collect()
}

/// webui's `/schedulers`.
pub fn schedule_list() -> Value {
    let item = |schedule: &ScheduleType| {
        let mut names = schedule.names().skip(1);
        let name = names.next().unwrap_or_default();
        let aliases: Vec<&str> = names.collect();
        let rho = match schedule {
            ScheduleType::Karras => 7,
            ScheduleType::Polyexponential => 1,
            _ => -1,
        };
        let needs_model = matches!(
            schedule,
            ScheduleType::Uniform
                | ScheduleType::SgmUniform
                | ScheduleType::Simple
                | ScheduleType::Normal
                | ScheduleType::Ddim
                | ScheduleType::Beta
        );
        json!({
            "name": name,
            "label": schedule.label(),
            "aliases": if aliases.is_empty() { Value::Null } else { json!(aliases) },
            "default_rho": rho,
            "need_inner_model": needs_model,
        })
    };
    ScheduleType::ALL.iter().map(item).collect()
}

/// The names of the ways to enlarge a latent.
pub fn latent_upscalers() -> impl Iterator<Item = &'static str> {
    LatentUpscaler::ALL.into_iter().map(LatentUpscaler::label)
}

/// Presets by kind: names, what they stand for, and where they are defined; of folders only the names of files.
pub fn preset_list(session: &Session) -> Value {
    let item = |preset: &Preset| {
        let file = preset.origin.file.rsplit(['/', '\\']).next().unwrap_or_default();
        json!({ "name": preset.name, "value": preset.value, "origin": format!("{file}:{}", preset.origin.line) })
    };
    let all = |presets: &Presets| presets.iter().map(item).collect::<Vec<_>>();
    json!({ "weights": all(&session.presets.weights), "elements": all(&session.presets.elements) })
}

/// How many modules each LoRA of a plan has in each block, by its name.
pub fn module_counts(session: &Session, plan: &Plan) -> Value {
    let counts = plan.loras().filter_map(|lora| {
        let inspection = session.inspection_of(&lora.name)?;
        let blocks: Map<String, Value> =
            inspection.blocks.iter().map(|(block, count)| ((*block).to_owned(), (*count).into())).collect();
        Some((lora.name.clone(), Value::Object(blocks)))
    });
    Value::Object(counts.collect())
}

/// webui's embeddings that can be used, by name.
pub fn embedding_list(session: &Session) -> Map<String, Value> {
    let item = |file: &EmbeddingFile| {
        let (widths, vectors) = (file.widths.as_ref().ok()?, file.vectors()?);
        let shape = widths.0.iter().sum::<usize>();
        let value = json!({
            "step": null, "sd_checkpoint": null, "sd_checkpoint_name": null, "shape": shape, "vectors": vectors,
        });
        Some((file.name.clone(), value))
    };
    session.embeddings.files().iter().filter_map(item).collect()
}
