//! Plan → infotext.

use serde_json::{Map, Value, json};

use super::Parameters;
use crate::plan::{
    Emphasis, Hires, HiresSize, NoiseSource, PadConds, Plan, Sampler, ScheduleType, Settings, UniPcOptions,
};

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
    let hires = settings.hires.as_ref();
    let strength = settings.img2img.as_ref().map(|i| i.denoising_strength).or(hires.map(|h| h.denoising_strength));
    add("Denoising strength", strength.is_some(), as_in_the_ui(strength.unwrap_or_default()));
    for (key, value) in hires.into_iter().flat_map(|hires| hires_fields(hires, plan)) {
        add(key, true, value);
    }
    let noise_multiplier = settings.img2img.as_ref().map_or(1.0, |i| i.noise_multiplier);
    add("Noise multiplier", noise_multiplier != 1.0, noise_multiplier.into());
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
    let old_editing = settings.old_prompt_editing && plan.prompt.contains('[');
    add("Old prompt editing timelines", old_editing, true.into());
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
    add("Pad conds", settings.pad_conds == PadConds::EmptyPrompts, true.into());
    add("Pad conds v0", settings.pad_conds == PadConds::NegativeOnly, true.into());
    add("Extra noise", settings.extra_noise != 0.0, settings.extra_noise.into());
    add("Downcast alphas_cumprod", settings.downcast_alphas_cumprod, true.into());
    add("Noise Schedule", settings.zero_terminal_snr, "Zero Terminal SNR".into());
    if settings.sampler == Sampler::UniPc {
        let (unipc, default) = (settings.unipc, UniPcOptions::default());
        add("UniPC variant", unipc.variant != default.variant, json!(unipc.variant));
        add("UniPC skip type", unipc.skip_type != default.skip_type, json!(unipc.skip_type));
        add("UniPC order", unipc.order != default.order, unipc.order.into());
        add("UniPC lower order final", !unipc.lower_order_final, false.into());
    }
    // webui keeps these to itself; without them a pasted infotext would give another picture.
    add("SDXL crop top", settings.crop_top != 0, settings.crop_top.into());
    add("SDXL crop left", settings.crop_left != 0, settings.crop_left.into());
    add("Clip skip SDXL", settings.clip_skip_sdxl && settings.clip_skip > 1, true.into());
    let backtrack = settings.comma_padding_backtrack;
    add("Comma padding backtrack", backtrack != Settings::default().comma_padding_backtrack, backtrack.into());
    add("Quantize timesteps", settings.quantize_timesteps, true.into());
    add("Old karras sigmas", settings.use_old_karras_scheduler_sigmas, true.into());
    extra
}

/// The fields of the second pass, in webui's order.
fn hires_fields(hires: &Hires, plan: &Plan) -> Vec<(&'static str, Value)> {
    let first = &plan.settings;
    let second = hires.settings_of(first);
    let mut fields = Vec::new();
    if second.sampler != first.sampler {
        fields.push(("Hires sampler", second.sampler.label().into()));
    }
    let prompts =
        plan.hires.iter().flat_map(|h| [("Hires prompt", &h.prompt), ("Hires negative prompt", &h.negative_prompt)]);
    fields.extend(prompts.filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, text.as_str().into())));
    match hires.size {
        HiresSize::Scale(factor) => fields.push(("Hires upscale", as_in_the_ui(factor))),
        HiresSize::Resize { width, height } => fields.push(("Hires resize", format!("{width}x{height}").into())),
    }
    if hires.steps != 0 {
        fields.push(("Hires steps", hires.steps.into()));
    }
    fields.push(("Hires upscaler", hires.upscaler.label().into()));
    let schedule = effective_schedule(&second);
    if let Some(schedule) = schedule.filter(|_| schedule != effective_schedule(first)) {
        fields.push(("Hires schedule type", schedule.label().into()));
    }
    fields
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
    use crate::plan::LatentUpscaler;

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
            hires: None,
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
    fn other_settings_survive_too() {
        for settings in [
            Settings {
                sampler: Sampler::UniPc,
                unipc: UniPcOptions {
                    variant: crate::plan::UniPcVariant::VaryCoeff,
                    skip_type: crate::plan::UniPcSkipType::LogSnr,
                    order: 2,
                    lower_order_final: false,
                },
                ..Settings::default()
            },
            Settings { pad_conds: PadConds::NegativeOnly, ..Settings::default() },
            Settings {
                hires: Some(Hires { size: HiresSize::Resize { width: 1536, height: 0 }, ..Hires::default() }),
                ..Settings::default()
            },
        ] {
            let mut read = Settings::default();
            let text = infotext(&plan(settings.clone()), &ModelInfo::default());
            assert_eq!(Infotext::parse(&text).apply(&mut read).unwrap().not_understood, []);
            // "Automatic" is written as what it stands for.
            assert_eq!(Settings { schedule_type: settings.schedule_type, ..read }, settings, "{text}");
        }
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
            pad_conds: PadConds::EmptyPrompts,
            downcast_alphas_cumprod: true,
            zero_terminal_snr: true,
            quantize_timesteps: true,
            use_old_karras_scheduler_sigmas: true,
            extra_noise: 0.1,
            crop_top: 8,
            crop_left: 16,
            clip_skip_sdxl: true,
            comma_padding_backtrack: 0,
            hires: Some(Hires {
                size: HiresSize::Scale(1.5),
                steps: 7,
                upscaler: LatentUpscaler::BicubicAntialiased,
                denoising_strength: 0.55,
                sampler: Some(Sampler::Heun),
                schedule_type: Some(ScheduleType::Karras),
            }),
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
