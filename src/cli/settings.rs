//! Flags over pasted fields over webui's configuration over defaults.

use std::hash::{BuildHasher, Hasher};

use super::args::{EmphasisArg, NoiseSourceArg, PromptArgs};
use super::exit::Failure;
use super::report;
use super::settings_args::{HiresArgs, RareArgs};
use crate::engine::embedded;
use crate::infotext::Pasted;
use crate::plan::{Emphasis, Hires, HiresSize, Img2Img, LatentUpscaler, NoiseSource, Sampler, ScheduleType, Settings};

/// Settings in which a size of 0 stands for the model's own.
pub fn without_size() -> Settings {
    Settings { width: 0, height: 0, ..Settings::default() }
}

/// Puts the flags over `s`, which holds what was pasted, and draws the seeds that are left open.
pub fn with_flags(mut s: Settings, pasted: &Pasted, args: &PromptArgs, is_embedded: bool) -> Result<Settings, Failure> {
    let side = if is_embedded { embedded::SIZE } else { Settings::default().width };
    let (width, height) = args.over.as_ref().map_or((side, side), |over| over.size);
    let size = |flag: Option<u32>, pasted: u32, own: u32| flag.unwrap_or(if pasted == 0 { own } else { pasted });
    s.width = size(args.width, s.width, width);
    s.height = size(args.height, s.height, height);
    put(&mut s.steps, args.steps);
    put(&mut s.cfg_scale, args.cfg_scale);
    put(&mut s.clip_skip, args.clip_skip);
    put(&mut s.subseed_strength, args.subseed_strength);
    s.eta = args.eta.or(s.eta);
    if let Some(name) = &args.sampler {
        let (sampler, schedule) = sampler("--sampler", name)?;
        s.sampler = sampler;
        put(&mut s.schedule_type, schedule);
    }
    if let Some(name) = &args.schedule_type {
        s.schedule_type = schedule_type("--schedule-type", name)?;
    }
    put(&mut s.noise_source, args.noise_source.map(NoiseSource::from));
    put(&mut s.emphasis, args.emphasis.map(Emphasis::from));
    put(&mut s.lbw_dialect, args.lbw_dialect);
    rare(&mut s, &args.rare);
    let strength = args.hires.denoising_strength.or(pasted.denoising_strength);
    match &args.over {
        Some(over) => {
            s.hires = None;
            let denoising_strength = strength.unwrap_or(over.img2img.denoising_strength);
            s.img2img = Some(Img2Img { denoising_strength, ..over.img2img.clone() });
        }
        None => s.hires = hires(s.hires.take(), pasted, &args.hires)?,
    }
    if s.hires.is_none() && s.img2img.is_none() && strength.is_some() {
        report::warning(
            "a denoising strength without a second pass or a picture has no effect; --hires-upscale asks for a second \
             pass, and `lbw img2img --init IMAGE` draws over a picture",
        );
    }
    s.seed = match args.seed {
        Some(seed) => seed_or_drawn("--seed", seed)?,
        None if pasted.has_seed => s.seed,
        None => drawn_seed(),
    };
    if let Some(subseed) = args.subseed {
        s.subseed = seed_or_drawn("--subseed", subseed)?;
    } else if s.subseed_strength != 0.0 && args.subseed_strength.is_some() {
        s.subseed = drawn_seed();
    }
    Ok(s)
}

fn put<T>(setting: &mut T, given: Option<impl Into<T>>) {
    if let Some(value) = given {
        *setting = value.into();
    }
}

fn rare(s: &mut Settings, args: &RareArgs) {
    put(&mut s.eta_noise_seed_delta, args.eta_noise_seed_delta);
    if let Some((width, height)) = args.seed_resize_from {
        (s.seed_resize_from_width, s.seed_resize_from_height) = (width, height);
    }
    put(&mut s.s_churn, args.s_churn);
    put(&mut s.s_tmin, args.s_tmin);
    put(&mut s.s_tmax, args.s_tmax);
    put(&mut s.s_noise, args.s_noise);
    put(&mut s.sigma_min, args.sigma_min);
    put(&mut s.sigma_max, args.sigma_max);
    put(&mut s.rho, args.rho);
    put(&mut s.beta_alpha, args.beta_alpha);
    put(&mut s.beta_beta, args.beta_beta);
    put(&mut s.always_discard_next_to_last_sigma, args.discard_penultimate_sigma);
    put(&mut s.sgm_noise_multiplier, args.sgm_noise_multiplier);
    put(&mut s.use_old_karras_scheduler_sigmas, args.old_karras_sigmas);
    put(&mut s.quantize_timesteps, args.quantize_timesteps);
    put(&mut s.downcast_alphas_cumprod, args.downcast_alphas_cumprod);
    put(&mut s.zero_terminal_snr, args.zero_terminal_snr);
    put(&mut s.unipc.variant, args.unipc_variant);
    put(&mut s.unipc.skip_type, args.unipc_skip_type);
    put(&mut s.unipc.order, args.unipc_order);
    put(&mut s.unipc.lower_order_final, args.unipc_lower_order_final);
    put(&mut s.s_min_uncond, args.s_min_uncond);
    put(&mut s.s_min_uncond_all, args.s_min_uncond_all);
    put(&mut s.skip_early_cond, args.skip_early_cfg);
    put(&mut s.crop_top, args.crop_top);
    put(&mut s.crop_left, args.crop_left);
    put(&mut s.clip_skip_sdxl, args.clip_skip_sdxl);
    put(&mut s.comma_padding_backtrack, args.comma_padding_backtrack);
    put(&mut s.pad_conds, args.pad_conds);
    put(&mut s.old_prompt_editing, args.old_prompt_editing);
    put(&mut s.extra_noise, args.extra_noise);
}

/// The second pass, where a flag or what was pasted asks for one.
fn hires(written: Option<Hires>, pasted: &Pasted, args: &HiresArgs) -> Result<Option<Hires>, Failure> {
    if args.no_hires {
        return Ok(None);
    }
    let size = match (args.hires_upscale, args.hires_resize) {
        (Some(factor), _) => Some(HiresSize::Scale(factor)),
        (None, Some((0, 0))) => return Err(Failure::text("--hires-resize 0x0: one side must be more than 0")),
        (None, Some((width, height))) => Some(HiresSize::Resize { width, height }),
        (None, None) => None,
    };
    let Some(mut hires) = written.or_else(|| args.asks().then(Hires::default)) else { return Ok(None) };
    put(&mut hires.size, size);
    put(&mut hires.steps, args.hires_steps);
    put(&mut hires.denoising_strength, args.denoising_strength);
    let labels = || LatentUpscaler::ALL.map(|u| u.label()).join(", ");
    match (&args.hires_upscaler, &pasted.other_upscaler) {
        (Some(name), _) => {
            hires.upscaler = LatentUpscaler::from_name(name).ok_or_else(|| {
                Failure::text(format!("--hires-upscaler `{name}`: lbw enlarges latents only; there are: {}", labels()))
            })?;
        }
        (None, Some(name)) => {
            return Err(Failure::text(format!(
                "`Hires upscaler: {name}` of the pasted infotext: lbw enlarges latents only; choose with --hires-upscaler \
                 ({}), or leave the second pass out with --no-hires",
                labels()
            )));
        }
        (None, None) => {}
    }
    if let Some(name) = &args.hires_sampler {
        let (sampler, schedule) = sampler("--hires-sampler", name)?;
        hires.sampler = Some(sampler);
        hires.schedule_type = schedule.or(hires.schedule_type);
    }
    if let Some(name) = &args.hires_schedule_type {
        hires.schedule_type = Some(schedule_type("--hires-schedule-type", name)?);
    }
    Ok(Some(hires))
}

fn seed_or_drawn(flag: &str, seed: i64) -> Result<u64, Failure> {
    match u64::try_from(seed) {
        Ok(seed) => Ok(seed),
        Err(_) if seed == -1 => Ok(drawn_seed()),
        Err(_) => Err(Failure::text(format!("{flag} {seed}: a seed is 0 or more, or -1 to draw one"))),
    }
}

/// webui draws seeds below 2³².
pub fn drawn_seed() -> u64 {
    // The standard library's hasher is keyed by the system's random numbers.
    std::hash::RandomState::new().build_hasher().finish() >> 32
}

fn sampler(flag: &str, name: &str) -> Result<(Sampler, Option<ScheduleType>), Failure> {
    Sampler::from_any_name(name).ok_or_else(|| {
        let labels = Sampler::ALL.iter().map(|s| s.label()).collect();
        unknown(flag, name, "sampler", Sampler::nearest(name), labels)
    })
}

fn schedule_type(flag: &str, name: &str) -> Result<ScheduleType, Failure> {
    ScheduleType::from_any_name(name).ok_or_else(|| {
        let labels = ScheduleType::ALL.iter().map(|s| s.label()).collect();
        unknown(flag, name, "schedule", ScheduleType::nearest(name), labels)
    })
}

fn unknown(flag: &str, name: &str, what: &str, nearest: Option<&str>, labels: Vec<&str>) -> Failure {
    let meant = nearest.map_or(String::new(), |label| format!(" Did you mean `{label}`?"));
    Failure::text(format!("{flag} `{name}`: there is no such {what}.{meant} There are: {}", labels.join(", ")))
}

impl From<NoiseSourceArg> for NoiseSource {
    fn from(arg: NoiseSourceArg) -> Self {
        match arg {
            NoiseSourceArg::Gpu | NoiseSourceArg::Nv => NoiseSource::Gpu,
            NoiseSourceArg::Cpu => NoiseSource::Cpu,
        }
    }
}

impl From<EmphasisArg> for Emphasis {
    fn from(arg: EmphasisArg) -> Self {
        match arg {
            EmphasisArg::Original => Emphasis::Original,
            EmphasisArg::NoNorm => Emphasis::NoNorm,
            EmphasisArg::Ignore => Emphasis::Ignore,
            EmphasisArg::None => Emphasis::None,
        }
    }
}
