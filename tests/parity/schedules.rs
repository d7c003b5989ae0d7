//! Noise levels and schedules.

use candle_core::Tensor;
use lbw::plan::{Sampler, ScheduleType, Settings};
use lbw::sampling::NoiseLevels;
use lbw::sampling::schedule::{sampler_sigmas, sigmas, timesteps};
use serde_json::Value;

use crate::common::{Tally, case_file, number};
use crate::numeric::{load_tensors, max_rel_diff, values, within};

fn compare(what: &str, got: &[f32], expected: &Tensor, tolerance: f64) -> Result<(), String> {
    let got: Vec<f64> = got.iter().copied().map(f64::from).collect();
    within(what, max_rel_diff(&got, &values(expected)), tolerance)
}

fn options(case: &Value) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in case["options"].as_object().into_iter().flatten() {
        let value = number(value);
        match name.as_str() {
            "rho" => settings.rho = value,
            "sigma_min" => settings.sigma_min = value,
            "sigma_max" => settings.sigma_max = value,
            "beta_dist_alpha" => settings.beta_alpha = value,
            "beta_dist_beta" => settings.beta_beta = value,
            "use_old_karras_scheduler_sigmas" => settings.use_old_karras_scheduler_sigmas = value != 0.0,
            _ => panic!("unknown option {name}"),
        }
    }
    settings
}

#[test]
fn table() {
    let Some(file) = case_file("schedules/schedules") else { return };
    let tensors = load_tensors("schedules/schedules");
    let tolerance = number(&file["tolerance"]["rel"]);
    let levels = NoiseLevels::scaled_linear();
    let mut tally = Tally::new("noise levels");
    tally.check("alphas_cumprod", compare("alphas", levels.alphas_cumprod(), &tensors["alphas_cumprod"], tolerance));
    tally.check("sigmas", compare("sigmas", levels.sigmas(), &tensors["sigmas"], tolerance));
    for case in file["sigma_to_t"].as_array().unwrap() {
        let (t, expected) = (f64::from(levels.t(number(&case["sigma"]) as f32)), number(&case["t"]));
        tally.check(case, within("t", Ok((t - expected).abs()), tolerance * expected.max(100.0)));
    }
    for case in file["t_to_sigma"].as_array().unwrap() {
        let sigma = f64::from(levels.sigma(number(&case["t"]) as f32));
        tally.check(case, within("sigma", max_rel_diff(&[sigma], &[number(&case["sigma"])]), tolerance));
    }
    tally.finish();
}

#[test]
fn every_schedule() {
    let Some(file) = case_file("schedules/schedules") else { return };
    let tensors = load_tensors("schedules/schedules");
    let tolerance = number(&file["tolerance"]["rel"]);
    let levels = NoiseLevels::scaled_linear();
    let mut tally = Tally::new("schedules");
    for (i, case) in file["schedulers"].as_array().unwrap().iter().enumerate() {
        let kind = ScheduleType::from_name(case["scheduler"].as_str().unwrap()).unwrap();
        let n = case["n"].as_u64().unwrap() as usize;
        let got = sigmas(kind, n, &levels, &options(case)).unwrap();
        let expected = &tensors[&format!("s.{i}")];
        tally.check(case, compare("sigmas", &got, expected, tolerance));
    }
    tally.finish();
}

#[test]
fn every_samplers_sigmas() {
    let Some(file) = case_file("schedules/schedules") else { return };
    let tensors = load_tensors("schedules/schedules");
    let tolerance = number(&file["tolerance"]["rel"]);
    let levels = NoiseLevels::scaled_linear();
    let mut tally = Tally::new("sampler sigmas");
    for (i, case) in file["sampler_sigmas"].as_array().unwrap().iter().enumerate() {
        let settings = Settings {
            sampler: Sampler::from_name(case["sampler"].as_str().unwrap()).unwrap(),
            schedule_type: ScheduleType::from_name(case["scheduler"].as_str().unwrap()).unwrap(),
            ..options(case)
        };
        let got = sampler_sigmas(&settings, case["steps"].as_u64().unwrap() as usize, &levels).unwrap();
        tally.check(case, compare("sigmas", &got, &tensors[&format!("f.{i}")], tolerance));
    }
    let lcm = levels.for_lcm();
    let settings = Settings { sampler: Sampler::Lcm, ..Settings::default() };
    for (i, case) in file["lcm_automatic"].as_array().unwrap().iter().enumerate() {
        let got = sampler_sigmas(&settings, case["steps"].as_u64().unwrap() as usize, &levels).unwrap();
        tally.check(case, compare("sigmas", &got, &tensors[&format!("lcm.{i}")], tolerance));
        let t: Vec<f64> = got[..got.len() - 1].iter().map(|s| f64::from(lcm.t(*s))).collect();
        let expected: Vec<f64> = case["sigma_to_t"].as_array().unwrap().iter().map(number).collect();
        tally.check(case, within("sigma_to_t", max_rel_diff(&t, &expected), 0.0));
    }
    tally.finish();
}

#[test]
fn ddim_timesteps() {
    let Some(file) = case_file("schedules/schedules") else { return };
    let mut tally = Tally::new("timesteps");
    for (steps, expected) in file["timesteps"].as_object().unwrap() {
        let got = timesteps(steps.parse().unwrap()).unwrap();
        let expected: Vec<usize> = serde_json::from_value(expected.clone()).unwrap();
        tally.check(steps, if got == expected { Ok(()) } else { Err(format!("{got:?}, expected {expected:?}")) });
    }
    tally.finish();
}
