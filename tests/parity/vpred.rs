//! What a network's output means: eps, v, and v with zero terminal signal-to-noise ratio.

use std::collections::HashMap;

use candle_core::Tensor;
use lbw::plan::{ScheduleType, Settings};
use lbw::sampling::{self, Denoiser, EpsModel, Guided, NoiseLevels, Parameterization, Predictions};

use crate::common::{Tally, case_file, number};
use crate::numeric::{load_tensors, rel_to_max, values, within};

/// The network of the vectors, 0.3 tanh(x) − 0.1 cos(t / 100); remembers what it was asked.
#[derive(Default)]
struct Network {
    inputs: Vec<Tensor>,
    times: Vec<f32>,
}

impl Guided for Network {
    fn predict(&mut self, x_in: &Tensor, t: f32, _level: f32) -> sampling::Result<Predictions> {
        self.inputs.push(x_in.clone());
        self.times.push(t);
        let output = x_in.tanh()?.affine(0.3, -0.1 * f64::from((t / 100.0).cos()))?;
        Ok(Predictions { parts: vec![(output.clone(), 1.0)], uncond: Some(output) })
    }
}

struct Case<'a> {
    tensors: &'a HashMap<String, Tensor>,
    tolerance: f64,
    t_tolerance: f64,
}

impl Case<'_> {
    fn close(&self, name: &str, got: &Tensor) -> Result<(), String> {
        within(name, rel_to_max(got, &self.tensors[name]), self.tolerance)
    }

    fn list(&self, name: &str, got: &[f32]) -> Result<(), String> {
        self.close(name, &Tensor::new(got, &candle_core::Device::Cpu).unwrap())
    }

    fn times(&self, name: &str, got: &[f32]) -> Result<(), String> {
        let expected = values(&self.tensors[name]);
        let worst = got.iter().zip(&expected).map(|(g, e)| (f64::from(*g) - e).abs()).fold(0.0, f64::max);
        within(name, Ok(worst), self.t_tolerance)
    }

    /// The batch's rows have different sigmas: one call for each.
    fn check_denoiser(&self, prefix: &str, p: Parameterization, levels: &NoiseLevels) -> Result<(), String> {
        let mut network = Network::default();
        let denoised: Vec<Tensor> = rows(&self.tensors["x"])
            .iter()
            .zip(values(&self.tensors["sigma"]))
            .map(|(x, sigma)| {
                let mut denoiser =
                    sampling::SigmaDenoiser { model: &mut network, levels, parameterization: p, cfg_scale: 7.0 };
                denoiser.denoise(x, sigma as f32).unwrap()
            })
            .collect();
        self.close(&format!("{prefix}.model_in"), &Tensor::cat(&network.inputs, 0).unwrap())?;
        self.times(&format!("{prefix}.t"), &network.times)?;
        self.close(&format!("{prefix}.denoised"), &Tensor::cat(&denoised, 0).unwrap())?;
        let sigmas = sampling::schedule::sigmas(ScheduleType::Uniform, 10, levels, &Settings::default()).unwrap();
        self.list(&format!("{prefix}.get_sigmas_10"), &sigmas)
    }

    fn check_timestep(&self, levels: &NoiseLevels) -> Result<(), String> {
        // The stored value is the conversion of the velocity; the network's part of it is not.
        let outcome: Vec<Tensor> = rows(&self.tensors["x"])
            .iter()
            .zip(values(&self.tensors["timestep.t"]))
            .map(|(x, t)| {
                let mut network = Network::default();
                let mut model = sampling::TimestepDenoiser {
                    model: &mut network,
                    levels,
                    parameterization: Parameterization::V,
                    cfg_scale: 7.0,
                };
                model.eps(x, t as f32).unwrap().guided
            })
            .collect();
        self.close("timestep.v_to_eps", &Tensor::cat(&outcome, 0).unwrap())
    }
}

fn rows(batch: &Tensor) -> Vec<Tensor> {
    batch.chunk(batch.dim(0).unwrap(), 0).unwrap()
}

#[test]
fn parameterizations() {
    let Some(file) = case_file("vpred/vpred") else { return };
    let tensors = load_tensors("vpred/vpred");
    let tolerance = number(&file["tolerance"]["rel_to_max"]);
    let case = Case { tensors: &tensors, tolerance, t_tolerance: number(&file["tolerance"]["t_abs"]) };
    let levels = NoiseLevels::scaled_linear();
    let zero_terminal = levels.with_zero_terminal_snr();
    let mut tally = Tally::new("vpred");
    tally.check("eps", case.check_denoiser("eps", Parameterization::Eps, &levels));
    tally.check("v", case.check_denoiser("v", Parameterization::V, &levels));
    tally.check("v_ztsnr", case.check_denoiser("v_ztsnr", Parameterization::V, &zero_terminal));
    tally.check("eps sigmas", case.list("eps.sigmas", levels.sigmas()));
    tally.check("ztsnr sigmas", case.list("v_ztsnr.sigmas", zero_terminal.sigmas()));
    tally.check("ztsnr alphas", case.list("ztsnr_alphas_cumprod", zero_terminal.alphas_cumprod()));
    tally.check("f16 alphas", case.list("downcast_alphas_cumprod", levels.downcast().alphas_cumprod()));
    tally.check("timesteps", case.check_timestep(&levels));
    tally.finish();
}
