//! Every sampler on a denoiser that is a formula: with the stored noise, and whole runs on noise of our own.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use lbw::plan::{NoiseSource, Sampler, ScheduleType, Settings, UniPcOptions};
use lbw::sampling::samplers::{self, Args, KSampler, SigmaRange};
use lbw::sampling::{
    self, BrownianTree, Denoiser, Eps, Guided, ImageRng, LcmDenoiser, NoiseLevels, NoiseSampler, Parameterization,
    Predictions, Run, Start, Step,
};
use serde_json::Value;

use crate::common::{Tally, case_file, number};
use crate::numeric::{load_tensors, max_abs_diff, max_rel_diff, within};

/// The vectors' denoiser for a batch: D(x, σ) = 1.2 tanh(0.7 x / √(1 + σ²)) + F / 2 · (1 + 1 / (1 + σ)).
struct Formula {
    offset: Tensor,
    levels: NoiseLevels,
}

impl Formula {
    /// F[b, c, y, x] = 0.8 sin(0.7 (c + 1) + 0.31 y + 0.17 x + 0.5 b) times `scale`, for the images `batch`.
    fn new(batch: std::ops::Range<usize>, shape: [usize; 3], scale: f64) -> Self {
        let [channels, height, width] = shape;
        let mut offset = Vec::new();
        for b in batch.clone() {
            for c in 0..channels {
                for y in 0..height {
                    for x in 0..width {
                        let phase = 0.7 * (c + 1) as f64 + 0.31 * y as f64 + 0.17 * x as f64 + 0.5 * b as f64;
                        offset.push(0.8 * phase.sin() * scale);
                    }
                }
            }
        }
        let shape = (batch.len(), channels, height, width);
        let offset = Tensor::from_vec(offset, shape, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        Formula { offset, levels: NoiseLevels::scaled_linear() }
    }

    fn denoise(&self, x: &Tensor, sigma: f32) -> sampling::Result<Tensor> {
        let sigma = f64::from(sigma);
        let squashed = ((x * (0.7 / (1.0 + sigma * sigma).sqrt()))?.tanh()? * 1.2)?;
        Ok((squashed + (&self.offset * (0.5 * (1.0 + 1.0 / (1.0 + sigma))))?)?)
    }

    /// The noise prediction for an input scaled as networks expect it.
    fn eps(&self, x_in: &Tensor, t: f32) -> sampling::Result<Tensor> {
        let sigma = self.levels.sigma(t);
        let x = (x_in * (1.0 + f64::from(sigma) * f64::from(sigma)).sqrt())?;
        Ok(((&x - self.denoise(&x, sigma)?)? / f64::from(sigma))?)
    }
}

/// The formula as a network with one part and a negative prompt.
struct Network {
    cond: Formula,
    uncond: Option<Formula>,
    calls: usize,
}

impl Guided for Network {
    fn predict(&mut self, x_in: &Tensor, t: f32, _level: f32) -> sampling::Result<Predictions> {
        self.calls += 1;
        let uncond = self.uncond.as_ref().map(|f| f.eps(x_in, t)).transpose()?;
        Ok(Predictions { parts: vec![(self.cond.eps(x_in, t)?, 1.0)], uncond })
    }
}

struct Case<'a> {
    index: usize,
    json: &'a Value,
    tensors: &'a HashMap<String, Tensor>,
    tolerance: f64,
}

/// What a run did, for comparing with what was recorded.
#[derive(Default)]
struct Log {
    /// Sigma or timestep of every model call.
    calls: Vec<f64>,
    /// x and denoised of every report.
    reports: Vec<(usize, Tensor, Tensor)>,
    /// Pairs of sigmas for which Brownian noise was asked.
    queries: Vec<[f64; 2]>,
    draws: usize,
}

impl Case<'_> {
    fn sampler(&self) -> Sampler {
        Sampler::from_name(self.json["sampler"].as_str().unwrap()).unwrap()
    }

    fn shape(&self) -> [usize; 3] {
        serde_json::from_value(self.json["shape"].clone()).unwrap()
    }

    fn seeds(&self) -> Vec<u64> {
        serde_json::from_value(self.json["seeds"].clone()).unwrap()
    }

    fn kw(&self, name: &str) -> Option<f64> {
        self.json["kw"].get(name).map(number)
    }

    fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(&format!("{}.{name}", self.index))
    }

    fn formula(&self, scale: f64) -> Formula {
        Formula::new(0..self.seeds().len(), self.shape(), scale)
    }

    /// The settings of the image with this seed.
    fn settings(&self, seed: u64) -> Settings {
        let [_, height, width] = self.shape();
        Settings {
            steps: self.json["steps"].as_u64().unwrap() as u32,
            sampler: self.sampler(),
            schedule_type: ScheduleType::from_name(self.json["scheduler"].as_str().unwrap()).unwrap(),
            cfg_scale: self.json.get("cfg").map_or(1.0, number),
            seed,
            height: height as u32 * 8,
            width: width as u32 * 8,
            noise_source: match self.json["source"].as_str() {
                Some("CPU") => NoiseSource::Cpu,
                _ => NoiseSource::Gpu,
            },
            eta: self.kw("eta"),
            s_churn: self.kw("s_churn").unwrap_or(0.0),
            s_tmin: self.kw("s_tmin").unwrap_or(0.0),
            s_tmax: self.kw("s_tmax").unwrap_or(0.0),
            s_noise: self.kw("s_noise").unwrap_or(1.0),
            ..Settings::default()
        }
        .with_unipc(self.unipc_options())
    }

    fn args(&self) -> Args {
        let default = Args::default();
        Args {
            eta: self.kw("eta").unwrap_or(default.eta),
            s_churn: self.kw("s_churn").unwrap_or(default.s_churn),
            s_tmin: self.kw("s_tmin").unwrap_or(default.s_tmin),
            s_tmax: self.kw("s_tmax").unwrap_or(default.s_tmax),
            s_noise: self.kw("s_noise").unwrap_or(default.s_noise),
        }
    }

    /// webui's options, by their names in webui.
    fn unipc_options(&self) -> UniPcOptions {
        let mut options = serde_json::to_value(UniPcOptions::default()).unwrap();
        for (name, value) in self.json["opts"].as_object().into_iter().flatten() {
            let name = name.strip_prefix("uni_pc_").unwrap_or_else(|| panic!("unknown option {name}"));
            assert!(options.get(name).is_some(), "unknown option {name}");
            options[name] = value.clone();
        }
        serde_json::from_value(options).unwrap()
    }

    /// Draws for the whole batch, the first of each image already taken.
    fn drawn(&self) -> impl FnMut() -> Tensor + use<> {
        let mut images: Vec<ImageRng> =
            self.seeds().into_iter().map(|seed| ImageRng::new(&self.settings(seed), &Device::Cpu)).collect();
        let mut draw =
            move || Tensor::cat(&images.iter_mut().map(|r| r.draw().unwrap()).collect::<Vec<_>>(), 0).unwrap();
        draw();
        draw
    }

    /// The sampler alone, on the stored start, sigmas and noise.
    fn run_on_stored(&self) -> (Tensor, Log) {
        let (mut calls, mut reports, mut queries, mut draws) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let x = self.tensor("x_init").unwrap().clone();
        let levels = NoiseLevels::scaled_linear();
        let (noises, brownian) = (self.tensor("noise").cloned(), self.tensor("brownian").cloned());
        let mut drawn = self.drawn();
        let mut noise = |sigma: f32, next: f32| -> sampling::Result<Tensor> {
            if let Some(brownian) = &brownian {
                queries.push([f64::from(sigma), f64::from(next)]);
                return Ok(brownian.get(queries.len() - 1)?);
            }
            draws += 1;
            let ours = drawn();
            Ok(match &noises {
                Some(stored) => stored.get(draws - 1)?,
                None => ours,
            })
        };
        let mut on_step = |step: Step| {
            reports.push((step.index, step.x.clone(), step.denoised.clone()));
            Ok(())
        };
        let args = self.args();
        let out = if self.sampler().is_timestep() {
            let (cond, uncond) = (self.formula(1.0), self.formula(-0.5));
            let scale = self.json.get("cfg").map_or(1.0, number) * samplers::CFG_PP_SCALE;
            let is_cfg_pp = self.sampler() == Sampler::DdimCfgPp;
            let mut model = |x: &Tensor, t: f32| -> sampling::Result<Eps> {
                calls.push(f64::from(t));
                let cond = cond.eps(x, t)?;
                let uncond = if is_cfg_pp { uncond.eps(x, t)? } else { cond.clone() };
                let guided = (&uncond + ((&cond - &uncond)? * scale)?)?;
                Ok(Eps { guided: if is_cfg_pp { guided } else { cond }, uncond })
            };
            let timesteps: Vec<usize> = serde_json::from_value(self.json["timesteps"].clone()).unwrap();
            let eta = self.kw("eta").unwrap_or(0.0);
            match self.sampler() {
                Sampler::Ddim => samplers::ddim(&mut model, x, &timesteps, &levels, eta, &mut noise, &mut on_step),
                Sampler::DdimCfgPp => {
                    samplers::ddim_cfgpp(&mut model, x, &timesteps, &levels, eta, &mut noise, &mut on_step)
                }
                Sampler::Plms => samplers::plms(&mut model, x, &timesteps, &levels, &mut on_step),
                _ => {
                    let walk = (timesteps.len(), 1.0);
                    samplers::unipc(&mut model, x, walk, &levels, self.unipc_options(), &mut on_step)
                }
            }
        } else {
            let sigmas: Vec<f32> = self.tensor("sigmas").unwrap().to_vec1().unwrap();
            let formula = self.formula(1.0);
            let mut network = Network { cond: self.formula(1.0), uncond: None, calls: 0 };
            let parameterization = Parameterization::Eps;
            let mut lcm =
                LcmDenoiser { model: &mut network, levels: levels.for_lcm(), parameterization, cfg_scale: 1.0 };
            let is_lcm = self.sampler() == Sampler::Lcm;
            let mut model = |x: &Tensor, sigma: f32| -> sampling::Result<Tensor> {
                calls.push(f64::from(sigma));
                if is_lcm { lcm.denoise(x, sigma) } else { formula.denoise(x, sigma) }
            };
            let range =
                || SigmaRange { max: self.kw("sigma_max").unwrap() as f32, min: self.kw("sigma_min").unwrap() as f32 };
            match self.sampler() {
                Sampler::DpmFast => {
                    let n = self.kw("n").unwrap() as usize;
                    samplers::dpm_fast(&mut model, x, range(), n, &args, &mut noise, &mut on_step)
                }
                Sampler::DpmAdaptive => samplers::dpm_adaptive(&mut model, x, range(), &args, &mut noise, &mut on_step),
                sampler => k_sampler(sampler)(&mut model, x, &sigmas, &args, &mut noise, &mut on_step),
            }
        };
        (out.unwrap(), Log { calls, reports, queries, draws })
    }

    fn check_stored(&self) -> Result<(), String> {
        let (out, log) = self.run_on_stored();
        let json = self.json;
        let same = |what: &str, got: usize, expected: &Value| match expected.as_u64() {
            Some(expected) if expected != got as u64 => Err(format!("{what}: {got}, expected {expected}")),
            _ => Ok(()),
        };
        same("model calls", log.calls.len(), &json["model_calls"])?;
        if self.sampler() != Sampler::DpmAdaptive {
            let expected: Vec<f64> = json["model_sigmas_or_t"].as_array().unwrap().iter().map(number).collect();
            within("model sigmas", max_rel_diff(&log.calls, &expected), 3e-6)?;
        }
        if let Some(expected) = json.get("brownian_queries") {
            let expected: Vec<[f64; 2]> = serde_json::from_value(expected.clone()).unwrap();
            let (got, expected) = (log.queries.as_flattened(), expected.as_flattened());
            within("brownian queries", max_rel_diff(got, expected), 3e-6)?;
        } else {
            same("noise draws", log.draws, &json["noise_draws"])?;
        }
        within("out", max_abs_diff(&out, self.tensor("out").unwrap()), self.tolerance)?;
        self.check_reports(&log)
    }

    /// Reports of every step, where they are stored.
    fn check_reports(&self, log: &Log) -> Result<(), String> {
        let Some(stored) = self.tensor("callback_x") else { return Ok(()) };
        let count = stored.dim(0).unwrap();
        if count != log.reports.len() {
            return Err(format!("{} reports, expected {count}", log.reports.len()));
        }
        let stored_denoised = self.tensor("callback_denoised").unwrap();
        for (i, (index, x, denoised)) in log.reports.iter().enumerate() {
            if *index != i {
                return Err(format!("report {i} is called {index}"));
            }
            within(&format!("x of report {i}"), max_abs_diff(x, &stored.get(i).unwrap()), self.tolerance)?;
            // UniPC's last step has no denoised latent of its own.
            if i < stored_denoised.dim(0).unwrap() {
                let expected = stored_denoised.get(i).unwrap();
                within(&format!("denoised of report {i}"), max_abs_diff(denoised, &expected), self.tolerance)?;
            }
        }
        Ok(())
    }

    /// The whole run from settings to latent, every image for itself.
    fn check_whole_run(&self) -> Result<(), String> {
        let run = |(b, seed)| {
            let settings = self.settings(seed);
            let is_cfg_pp = self.sampler() == Sampler::DdimCfgPp;
            let formula = |scale| Formula::new(b..b + 1, self.shape(), scale);
            // At CFG scale 1 the negative prompt cancels out.
            let uncond = formula(if is_cfg_pp { -0.5 } else { 1.0 });
            let mut model = Network { cond: formula(1.0), uncond: Some(uncond), calls: 0 };
            let run = Run {
                settings: &settings,
                levels: &NoiseLevels::scaled_linear(),
                parameterization: Parameterization::Eps,
                model: &mut model,
                rng: &mut ImageRng::new(&settings, &Device::Cpu),
                start: Start::Noise,
            };
            let latent = sampling::sample(run, &mut |_| Ok(())).unwrap();
            (latent, model.calls)
        };
        let (latents, calls): (Vec<Tensor>, Vec<usize>) = self.seeds().into_iter().enumerate().map(run).unzip();
        if calls.iter().any(|c| Some(*c as u64) != self.json["model_calls"].as_u64()) {
            return Err(format!("model calls {calls:?}"));
        }
        let latent = Tensor::cat(&latents, 0).unwrap();
        within("latent", max_abs_diff(&latent, self.tensor("out").unwrap()), self.tolerance)
    }

    /// Our Brownian noise for the recorded questions.
    fn check_brownian(&self) -> Result<(), String> {
        let Some(expected) = self.tensor("brownian") else { return Ok(()) };
        let queries: Vec<[f64; 2]> = serde_json::from_value(self.json["brownian_queries"].clone()).unwrap();
        let sigmas: Vec<f32> = self.tensor("sigmas").unwrap().to_vec1().unwrap();
        let [channels, height, width] = self.shape();
        let shape = (1, channels, height, width);
        let mut trees: Vec<BrownianTree> = self
            .seeds()
            .into_iter()
            .map(|seed| BrownianTree::new(self.settings(seed).noise_source, seed, &sigmas, shape, &Device::Cpu))
            .collect();
        for (i, [sigma, next]) in queries.into_iter().enumerate() {
            let noises: Vec<Tensor> =
                trees.iter_mut().map(|tree| tree.sample(sigma as f32, next as f32).unwrap()).collect();
            let got = Tensor::cat(&noises, 0).unwrap();
            within(&format!("query {i}"), max_abs_diff(&got, &expected.get(i).unwrap()), self.tolerance)?;
        }
        Ok(())
    }
}

fn k_sampler(sampler: Sampler) -> KSampler {
    match sampler {
        Sampler::DpmPp2M => samplers::dpmpp_2m,
        Sampler::DpmPpSde => samplers::dpmpp_sde,
        Sampler::DpmPp2MSde => samplers::dpmpp_2m_sde,
        Sampler::DpmPp2MSdeHeun => samplers::dpmpp_2m_sde_heun,
        Sampler::DpmPp2SA => samplers::dpmpp_2s_ancestral,
        Sampler::DpmPp3MSde => samplers::dpmpp_3m_sde,
        Sampler::EulerA => samplers::euler_ancestral,
        Sampler::Euler => samplers::euler,
        Sampler::Lms => samplers::lms,
        Sampler::Heun => samplers::heun,
        Sampler::Dpm2 => samplers::dpm_2,
        Sampler::Dpm2A => samplers::dpm_2_ancestral,
        Sampler::Restart => samplers::restart,
        Sampler::Lcm => samplers::lcm,
        other => panic!("{other:?} does not walk along sigmas"),
    }
}

fn for_every_case(name: &'static str, check: impl Fn(&Case, &mut Tally)) {
    let Some(file) = case_file("samplers/samplers") else { return };
    let tensors = load_tensors("samplers/samplers");
    let mut tally = Tally::new(name);
    for (index, json) in file["cases"].as_array().unwrap().iter().enumerate() {
        let is_adaptive = json["sampler"] == "DPM adaptive";
        let stated = number(&file["tolerance"]["abs"]);
        let tolerance = if is_adaptive { f64::max(stated, 1e-4) } else { stated };
        let case = Case { index, json, tensors: &tensors, tolerance };
        check(&case, &mut tally);
    }
    tally.finish();
}

fn label(case: &Case) -> String {
    format!("{} {} {} {}", case.index, case.json["sampler"], case.json["scheduler"], case.json["steps"])
}

#[test]
fn on_stored_noise() {
    for_every_case("samplers on stored noise", |case, tally| tally.check(label(case), case.check_stored()));
}

#[test]
fn whole_runs() {
    for_every_case("whole runs", |case, tally| {
        if case.sampler() == Sampler::EulerA && case.kw("s_noise").is_some() {
            return tally.skip("webui hands no noise strength to Euler a");
        }
        tally.check(label(case), case.check_whole_run());
    });
}

#[test]
fn brownian_noise() {
    for_every_case("brownian noise", |case, tally| {
        if case.tensor("brownian").is_some() {
            tally.check(label(case), case.check_brownian());
        }
    });
}
