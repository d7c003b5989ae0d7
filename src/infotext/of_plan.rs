//! Plan → infotext.

use serde_json::{Map, Value};

use super::Parameters;
use crate::plan::{Emphasis, NoiseSource, Plan, Sampler, ScheduleType, Settings};

/// What infotext says about the files an image was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelInfo {
    /// The checkpoint's file name without extension.
    pub model: Option<String>,
    /// The first ten hex digits of its SHA-256.
    pub model_hash: Option<String>,
    /// File name and hash of a VAE of its own.
    pub vae: Option<String>,
    pub vae_hash: Option<String>,
    /// Name as the prompt has it and first twelve hex digits of the addnet-style hash, one per LoRA.
    pub loras: Vec<(String, String)>,
    /// Names and sha256 of the textual-inversion embeddings used, in the order and as often as webui lists them.
    pub embeddings: Vec<(String, String)>,
}

/// The infotext of an image made from `plan`, as webui would have written it.
pub fn infotext(plan: &Plan, models: &ModelInfo) -> String {
    let settings = &plan.settings;
    let parameters = Parameters {
        prompt: plan.prompt.clone(),
        negative_prompt: plan.negative_prompt.clone(),
        steps: settings.steps,
        sampler: settings.sampler.label().to_string(),
        schedule_type: Some(settings.schedule_type.label().to_string()),
        cfg_scale: as_in_the_ui(settings.cfg_scale),
        seed: settings.seed.try_into().unwrap_or(i64::MAX),
        width: settings.width,
        height: settings.height,
        model_hash: models.model_hash.clone(),
        model: models.model.clone(),
        vae_hash: models.vae_hash.clone(),
        vae: models.vae.clone(),
        variation_seed: settings.subseed.try_into().unwrap_or(i64::MAX),
        variation_seed_strength: settings.subseed_strength,
        seed_resize_from: (settings.seed_resize_from_width.into(), settings.seed_resize_from_height.into()),
        clip_skip: settings.clip_skip,
        eta_noise_seed_delta: settings.eta_noise_seed_delta,
        eta: settings.eta,
        rng: match settings.noise_source {
            NoiseSource::Gpu => "GPU".to_string(),
            NoiseSource::Cpu => "CPU".to_string(),
        },
        extra: extra(plan, models),
        version: Some(concat!("lbw ", env!("CARGO_PKG_VERSION")).to_string()),
        ..Parameters::default()
    };
    parameters.to_infotext()
}

/// The further fields, in the order in which webui comes to them: networks, texts, schedule, sampler, guidance.
fn extra(plan: &Plan, models: &ModelInfo) -> Map<String, Value> {
    let settings = &plan.settings;
    let mut extra = Map::new();
    let mut add = |key: &str, wanted: bool, value: Value| {
        if wanted {
            extra.insert(key.to_string(), value);
        }
    };
    add("Lora hashes", !models.loras.is_empty(), name_hash_pairs(&models.loras).into());
    add("LBW dialect", !settings.lbw_dialect.is_webui(), settings.lbw_dialect.name().into());
    let drawn: Vec<_> = plan.drawn.iter().map(f64::to_string).collect();
    add("LBW drawn weights", !drawn.is_empty(), drawn.join(" ").into());
    add("TI hashes", !models.embeddings.is_empty(), name_hash_pairs(&models.embeddings).into());
    let brackets = plan.prompt.contains(['(', '[']) || plan.negative_prompt.contains(['(', '[']);
    let emphasis = match settings.emphasis {
        Emphasis::Original => "Original",
        Emphasis::NoNorm => "No norm",
        Emphasis::Ignore => "Ignore",
        Emphasis::None => "None",
    };
    add("Emphasis", brackets && settings.emphasis != Emphasis::Original, emphasis.into());

    let discards = settings.always_discard_next_to_last_sigma && !settings.sampler.discards_next_to_last_sigma();
    add("Discard penultimate sigma", discards, true.into());
    let schedule = effective_schedule(settings);
    if let Some(schedule) = schedule {
        add("Schedule type", true, schedule.label().into());
    }
    add("Schedule min sigma", settings.sigma_min != 0.0, settings.sigma_min.into());
    add("Schedule max sigma", settings.sigma_max != 0.0, settings.sigma_max.into());
    add("Schedule rho", settings.rho != 0.0, settings.rho.into());
    let beta = schedule == Some(ScheduleType::Beta);
    add("Beta schedule alpha", beta, settings.beta_alpha.into());
    add("Beta schedule beta", beta, settings.beta_beta.into());
    add("SGM noise multiplier", settings.sgm_noise_multiplier, true.into());

    let ddim = matches!(settings.sampler, Sampler::Ddim | Sampler::DdimCfgPp);
    let default_eta = if ddim { 0.0 } else { 1.0 };
    let eta = settings.eta.unwrap_or(default_eta);
    add(if ddim { "Eta DDIM" } else { "Eta" }, eta != default_eta, eta.into());
    add("Sigma churn", settings.s_churn != 0.0, settings.s_churn.into());
    add("Sigma tmin", settings.s_tmin != 0.0, settings.s_tmin.into());
    add("Sigma tmax", settings.s_tmax != 0.0, settings.s_tmax.into());
    add("Sigma noise", settings.s_noise != 1.0, settings.s_noise.into());
    add("Skip Early CFG", settings.skip_early_cond != 0.0, settings.skip_early_cond.into());
    add("NGMS", settings.s_min_uncond != 0.0, settings.s_min_uncond.into());
    add("NGMS all steps", settings.s_min_uncond != 0.0 && settings.s_min_uncond_all, true.into());
    extra
}

/// The schedule that is really used, where a schedule is used and it has a name.
fn effective_schedule(settings: &Settings) -> Option<ScheduleType> {
    match settings.schedule_type {
        _ if settings.sampler.is_timestep() => None,
        ScheduleType::Automatic => settings.sampler.default_schedule(),
        named => Some(named),
    }
}

/// `name: hash, …` with the first twelve digits of each hash.
fn name_hash_pairs(files: &[(String, String)]) -> String {
    let entries: Vec<_> =
        files.iter().map(|(name, hash)| format!("{}: {hash:.12}", name.replace([':', ','], ""))).collect();
    entries.join(", ")
}

/// webui's sliders give whole numbers without a fraction.
fn as_in_the_ui(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e9 { (value as i64).into() } else { value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Family;
    use crate::infotext::Infotext;

    fn plan(settings: Settings) -> Plan {
        Plan {
            format: crate::plan::FORMAT,
            family: Family::Sdxl,
            prompt: "a (cat:1.2) <lora:x,y:1>".to_string(),
            negative_prompt: "dog".to_string(),
            positive: Vec::new(),
            negative: Vec::new(),
            loras: Vec::new(),
            drawn: Vec::new(),
            settings,
        }
    }

    #[test]
    fn plain_image() {
        let models = ModelInfo {
            model: Some("m".to_string()),
            model_hash: Some("0123456789".to_string()),
            loras: vec![("x,y".to_string(), "abcdef012345".to_string())],
            ..ModelInfo::default()
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            infotext(&plan(Settings { seed: 5, ..Settings::default() }), &models),
            format!(
                "a (cat:1.2) <lora:x,y:1>\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, \
                 CFG scale: 7, Seed: 5, Size: 1024x1024, Model hash: 0123456789, Model: m, \
                 Lora hashes: \"xy: abcdef012345\", Version: lbw {version}"
            )
        );
    }

    #[test]
    fn settings_survive_being_written_and_pasted() {
        let settings = Settings {
            sampler: Sampler::EulerA,
            schedule_type: ScheduleType::Beta,
            cfg_scale: 5.5,
            seed: 99,
            width: 832,
            noise_source: NoiseSource::Cpu,
            clip_skip: 2,
            emphasis: Emphasis::NoNorm,
            eta_noise_seed_delta: 31337,
            subseed: 4,
            subseed_strength: 0.5,
            seed_resize_from_width: 512,
            seed_resize_from_height: 768,
            eta: Some(0.3),
            s_churn: 0.5,
            s_tmax: 9.0,
            s_noise: 1.003,
            s_min_uncond: 1.5,
            s_min_uncond_all: true,
            skip_early_cond: 0.2,
            sigma_min: 0.1,
            rho: 3.0,
            beta_alpha: 0.7,
            always_discard_next_to_last_sigma: true,
            sgm_noise_multiplier: true,
            ..Settings::default()
        };
        let mut read = Settings::default();
        let text = infotext(&plan(settings.clone()), &ModelInfo::default());
        let pasted = Infotext::parse(&text).apply(&mut read).unwrap();
        assert_eq!(read, settings);
        assert_eq!(pasted.not_understood, []);
        assert_eq!(pasted.prompt, "a (cat:1.2) <lora:x,y:1>");
    }
}
