//! Plan → infotext.

use serde_json::{Map, Value};

use super::Parameters;
use crate::plan::settings::table;
use crate::plan::{
    Choice, HiresSize, HiresUpscaler, MaskedContent, PadConds, Pass, Plan, RefinerPass, ResizeMode, ScheduleType,
    Settings, Start, Tiles, Wanted,
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
    /// The first ten hex digits of the refiner's SHA-256.
    pub refiner_hash: Option<String>,
    /// Name as the prompt has it and first twelve hex digits of the addnet-style hash, one per LoRA.
    pub loras: Vec<(String, String)>,
    /// Names and sha256 of the textual-inversion embeddings used, in the order and as often as webui lists them.
    pub embeddings: Vec<(String, String)>,
}

/// The infotext of an image made from `plan`, as webui would have written it.
pub fn infotext(plan: &Plan, models: &ModelInfo) -> String {
    let Pass { prompt, negative_prompt, settings, .. } = &plan.first;
    let parameters = Parameters {
        prompt: prompt.clone(),
        negative_prompt: negative_prompt.clone(),
        steps: settings.steps,
        sampler: settings.sampler.label().to_string(),
        schedule_type: Some(settings.schedule_type.label().to_string()),
        cfg_scale: as_in_the_ui(settings.cfg_scale),
        seed: settings.seed.into(),
        width: settings.width,
        height: settings.height,
        model_hash: models.model_hash.clone(),
        model: models.model.clone(),
        vae_hash: models.vae_hash.clone(),
        vae: models.vae.clone(),
        variation_seed: settings.subseed.into(),
        variation_seed_strength: settings.subseed_strength,
        seed_resize_from: (settings.seed_resize_from_width.into(), settings.seed_resize_from_height.into()),
        clip_skip: settings.clip_skip,
        eta_noise_seed_delta: settings.eta_noise_seed_delta,
        eta: settings.eta,
        conditional_mask_weight: match plan.first.start {
            Start::Picture { conditional_mask_weight, .. } => Some(conditional_mask_weight).filter(|w| *w != 1.0),
            Start::Noise | Start::Previous { .. } => None,
        },
        token_merging_ratio: settings.token_merging_ratio,
        token_merging_ratio_hr: plan
            .later
            .first()
            .map(|second| second.settings.token_merging_ratio)
            .filter(|ratio| *ratio != settings.token_merging_ratio),
        rng: settings.noise_source.name().to_owned(),
        tiling: settings.tiling,
        extra: further_fields(plan, models),
        version: Some(concat!("lbw ", env!("CARGO_PKG_VERSION")).to_string()),
        ..Parameters::default()
    };
    parameters.to_infotext()
}

/// The further fields, in the order in which webui comes to them: passes, networks, texts, schedule, sampler, guidance.
pub fn further_fields(plan: &Plan, models: &ModelInfo) -> Map<String, Value> {
    let Pass { prompt, negative_prompt, settings, start, drawn, .. } = &plan.first;
    let second = plan.later.first();
    let mut extra = Map::new();
    let mut add = |key: &str, wanted: bool, value: Value| {
        if wanted {
            extra.insert(key.to_string(), value);
        }
    };
    let strength = start.denoising_strength().or(second.and_then(|pass| pass.start.denoising_strength()));
    add("Denoising strength", strength.is_some(), as_in_the_ui(strength.unwrap_or_default()));
    for (key, value) in second.into_iter().flat_map(|second| hires_fields(second, &plan.first)) {
        add(key, true, value);
    }
    for (key, value) in picture_fields(start) {
        add(key, true, value);
    }
    add("Lora hashes", !models.loras.is_empty(), name_hash_pairs(&models.loras).into());
    add("LBW dialect", !settings.lbw_dialect.is_webui(), settings.lbw_dialect.name().into());
    let drawn: Vec<_> = drawn.iter().map(f64::to_string).collect();
    add("LBW drawn weights", !drawn.is_empty(), drawn.join(" ").into());
    add("TI hashes", !models.embeddings.is_empty(), name_hash_pairs(&models.embeddings).into());

    let schedule = effective_schedule(settings);
    let (wanted, default) = (Wanted { settings: settings.clone(), ..Wanted::default() }, Wanted::default());
    for setting in table::of_a_pass() {
        let value = (setting.get)(&wanted);
        match setting.name {
            "schedule_type" => add("Schedule type", schedule.is_some(), schedule.map(ScheduleType::label).into()),
            "beta_alpha" | "beta_beta" => {
                add(setting.infotext[0], schedule == Some(ScheduleType::Beta), value);
            }
            "eta" => {
                let default = settings.sampler.default_eta();
                let eta = settings.eta.unwrap_or(default);
                let ddim = settings.sampler.is_ddim();
                let has_none = settings.sampler.is_timestep() && !ddim;
                add(setting.infotext[usize::from(ddim)], eta != default && !has_none, eta.into());
            }
            "pad_conds" => match settings.pad_conds {
                PadConds::Separate => {}
                PadConds::EmptyPrompts => add("Pad conds", true, true.into()),
                PadConds::NegativeOnly => add("Pad conds v0", true, true.into()),
            },
            _ => {
                let is_changed =
                    value != (setting.get)(&default) && (setting.written)(settings, [prompt, negative_prompt]);
                let key = setting.infotext.first().copied().unwrap_or_default();
                add(key, is_changed && !key.is_empty(), setting.written_value(value));
            }
        }
    }
    for (key, value) in refiner_fields(plan, models) {
        extra.insert(key.to_owned(), value);
    }
    extra
}

/// The fields of a picture that is drawn over, in webui's order.
fn picture_fields(start: &Start) -> Vec<(&'static str, Value)> {
    let Start::Picture { fix_steps, resize_mode, noise_multiplier, mask, color_correction, .. } = start else {
        return Vec::new();
    };
    let mut fields: Vec<(&str, Value)> = Vec::new();
    let mut add = |key, wanted: bool, value: Value| {
        if wanted {
            fields.push((key, value));
        }
    };
    if let Some(mask) = mask {
        let [x, y] = mask.blur;
        add("Mask mode", mask.inverted, "Inpaint not masked".into());
        add("Mask blur", x == y, x.into());
        add("Inpaint area", mask.only_masked.is_some(), "Only masked".into());
        add("Masked area padding", mask.only_masked.is_some(), mask.only_masked.into());
        add("Masked content", mask.content != MaskedContent::Original, mask.content.name().into());
        // webui keeps these to itself; without them a pasted infotext would give another picture.
        add("Mask blur x", x != y, x.into());
        add("Mask blur y", x != y, y.into());
        add("Overlay original", !mask.overlay, false.into());
    }
    add("Noise multiplier", *noise_multiplier != 1.0, (*noise_multiplier).into());
    add("Resize mode", *resize_mode != ResizeMode::Just, resize_mode.name().into());
    add("Fix steps", *fix_steps, true.into());
    add("Color correction", *color_correction, true.into());
    fields
}

/// The fields of a checkpoint that takes over, in webui's order.
fn refiner_fields(plan: &Plan, models: &ModelInfo) -> Vec<(&'static str, Value)> {
    let Some(settings) = plan.passes().map(|pass| &pass.settings).find(|settings| settings.refiner.is_some()) else {
        return Vec::new();
    };
    let name = settings.refiner.clone().unwrap_or_default();
    let title = match &models.refiner_hash {
        Some(hash) => format!("{name} [{hash}]"),
        None => name,
    };
    let by_steps = settings.refiner_switch_by_sample_steps;
    let by_steps = by_steps.then(|| ("Refiner switch by sampling steps", true.into()));
    let switch = [("Refiner", title.into()), ("Refiner switch at", settings.refiner_switch_at.into())];
    by_steps.into_iter().chain(switch).collect()
}

/// The fields of the second pass, in webui's order.
fn hires_fields(second: &Pass, first: &Pass) -> Vec<(&'static str, Value)> {
    let Start::Previous { upscaler, tiles, asked, .. } = &second.start else { return Vec::new() };
    let (now, before) = (&second.settings, &first.settings);
    let mut fields: Vec<(&str, Value)> = Vec::new();
    if now.sampler != before.sampler {
        fields.push(("Hires sampler", now.sampler.label().into()));
    }
    let texts = [
        ("Hires prompt", &second.prompt, &first.prompt),
        ("Hires negative prompt", &second.negative_prompt, &first.negative_prompt),
    ];
    let own = texts.into_iter().filter(|(_, own, first)| own != first);
    fields.extend(own.map(|(key, text, _)| (key, text.as_str().into())));
    match *asked {
        HiresSize::Scale(factor) => fields.push(("Hires upscale", as_in_the_ui(factor))),
        HiresSize::Resize { width, height } => fields.push(("Hires resize", format!("{width}x{height}").into())),
    }
    if now.steps != before.steps {
        fields.push(("Hires steps", now.steps.into()));
    }
    fields.push(("Hires upscaler", upscaler.label().into()));
    // webui keeps these to itself; without them a pasted infotext would give another picture.
    if let (HiresUpscaler::Pixel(_), default) = (upscaler, Tiles::default()) {
        let of = [("ESRGAN tile", tiles.tile, default.tile), ("ESRGAN tile overlap", tiles.overlap, default.overlap)];
        let changed = of.into_iter().filter(|(_, now, default)| now != default);
        fields.extend(changed.map(|(key, now, _)| (key, now.into())));
    }
    let schedule = effective_schedule(now);
    if let Some(schedule) = schedule.filter(|_| schedule != effective_schedule(before)) {
        fields.push(("Hires schedule type", schedule.label().into()));
    }
    if now.cfg_scale != before.cfg_scale {
        fields.push(("Hires CFG Scale", as_in_the_ui(now.cfg_scale)));
    }
    if before.refiner.is_some() {
        let pass = if now.refiner.is_some() { RefinerPass::Both } else { RefinerPass::First };
        fields.push(("Hires refiner", pass.name().into()));
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
    use crate::plan::settings::PictureFields;
    use crate::plan::{
        Emphasis, Hires, LatentUpscaler, NoiseSource, Sampler, UniPcOptions, UniPcSkipType, UniPcVariant,
    };

    fn plan(settings: Settings, hires: Option<&Hires>) -> Plan {
        let first = Pass {
            start: Start::Noise,
            prompt: "a (cat:1.2) <lora:x,y:1>".to_string(),
            negative_prompt: "dog".to_string(),
            positive: Vec::new(),
            negative: Vec::new(),
            loras: Vec::new(),
            drawn: Vec::new(),
            settings,
        };
        let second = |hires: &Hires| Pass {
            start: hires.start(&first.settings),
            settings: hires.settings_of(&first.settings),
            ..first.clone()
        };
        let later = hires.map(second).into_iter().collect();
        let settings = hires.map_or(first.settings.clone(), |hires| hires.settings_of_first(&first.settings));
        let first = Pass { settings, ..first };
        Plan { family: Family::Sdxl, first, later }
    }

    /// What comes back when the infotext is pasted, with nothing that is not understood.
    fn pasted(plan: &Plan) -> Wanted {
        let text = infotext(plan, &ModelInfo::default());
        let pasted = Infotext::parse(&text).paste().unwrap();
        assert_eq!(pasted.not_understood, [], "{text}");
        let mut wanted = Wanted::default();
        pasted.patch.apply(&mut wanted);
        wanted
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
            infotext(&plan(Settings { seed: 5, ..Settings::default() }, None), &models),
            format!(
                "a (cat:1.2) <lora:x,y:1>\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, \
                 CFG scale: 7, Seed: 5, Size: 1024x1024, Model hash: 0123456789, Model: m, \
                 Lora hashes: \"xy: abcdef012345\", Version: lbw {version}"
            )
        );
    }

    #[test]
    fn other_settings_survive_too() {
        let unipc = UniPcOptions {
            variant: UniPcVariant::VaryCoeff,
            skip_type: UniPcSkipType::LogSnr,
            order: 2,
            lower_order_final: false,
        };
        for settings in [
            Settings { sampler: Sampler::UniPc, ..Settings::default() }.with_unipc(unipc),
            Settings { pad_conds: PadConds::NegativeOnly, ..Settings::default() },
            Settings { seed: u64::MAX, ..Settings::default() },
        ] {
            let read = pasted(&plan(settings.clone(), None)).settings;
            // "Automatic" is written as what it stands for.
            assert_eq!(Settings { schedule_type: settings.schedule_type, ..read }, settings);
        }
    }

    #[test]
    fn what_is_drawn_over_survives_too() {
        let fields = PictureFields {
            resize_mode: ResizeMode::Crop,
            mask_blur_x: Some(8),
            mask_blur_y: Some(2),
            inpainting_mask_invert: true,
            inpaint_full_res: true,
            inpaint_full_res_padding: 12,
            inpainting_fill: MaskedContent::LatentNothing,
            inpainting_mask_weight: 0.4,
            overlay_inpaint: false,
            img2img_color_correction: true,
            fix_steps: true,
            noise_multiplier: 0.9,
            ..PictureFields::default()
        };
        for fields in [fields, PictureFields { mask_blur: 0, ..PictureFields::default() }] {
            let mut plan = plan(Settings::default(), None);
            plan.first.start = Start::over("picture", Some("mask"), 0.6, &fields);
            let read = pasted(&plan);
            let strength = read.hires.denoising_strength.unwrap();
            assert_eq!(Start::over("picture", Some("mask"), strength, &read.picture), plan.first.start);
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
            tiling: true,
            token_merging_ratio: 0.3,
            refiner: Some("other".to_owned()),
            refiner_switch_at: 0.6,
            refiner_switch_by_sample_steps: true,
            ..Settings::default()
        };
        let hires = Hires {
            size: HiresSize::Resize { width: 1664, height: 0 },
            steps: 7,
            upscaler: HiresUpscaler::Latent(LatentUpscaler::BicubicAntialiased),
            tiles: Tiles::default(),
            denoising_strength: 0.55,
            sampler: Some(Sampler::Heun),
            schedule_type: Some(ScheduleType::Karras),
            cfg_scale: Some(3.5),
            token_merging_ratio: 0.4,
            refiner_pass: RefinerPass::Both,
        };
        let read = pasted(&plan(settings.clone(), Some(&hires)));
        assert_eq!((read.settings.clone(), read.hires.resolve()), (settings.clone(), Some(hires.clone())));
        assert_eq!(read.texts.prompt, "a (cat:1.2) <lora:x,y:1>");
        let pixel = HiresUpscaler::Pixel("R-ESRGAN 4x+ Anime6B".to_owned());
        let hires = Hires { upscaler: pixel, tiles: Tiles { tile: 0, overlap: 4 }, ..hires };
        assert_eq!(pasted(&plan(settings, Some(&hires))).hires.resolve(), Some(hires));
    }
}
