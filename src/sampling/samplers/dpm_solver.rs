//! DPM-Solver with its own steps instead of a schedule: "fast" with fixed orders, "adaptive" with error control.
//!
//! Time is t = −ln σ; ε(x, t) = (x − D) / σ. Source: Lu et al., "DPM-Solver" (2022), and its k-diffusion form, which
//! replaces a part of the noise after every step (η).

use candle_core::Tensor;

use super::super::schedule::linspace;
use super::super::{Denoiser, Error, NoiseSampler, OnStep, Result, Step};
use super::{Args, ancestral_step, sigma_fn, step, t_fn};

/// The noise levels a run goes from and to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SigmaRange {
    /// Where it begins.
    pub max: f32,
    /// Where it ends.
    pub min: f32,
}

/// Spends `nfe` model calls on even steps of order 3, the last ones of lower order. Ends at `range.min`, not at 0.
pub fn dpm_fast(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    range: SigmaRange,
    nfe: usize,
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    let (t_start, t_end) = (t_fn(range.max), t_fn(range.min));
    let orders = orders(nfe);
    let ts: Vec<f32> = linspace(t_start, t_end, nfe / 3 + 2).collect();
    for (i, (pair, order)) in ts.windows(2).zip(orders).enumerate() {
        let (t, next) = (pair[0], pair[1]);
        let (target, up) = ancestral_target(t, next, t_end, args.eta);
        let mut solver = Solver::new(model, &x, t)?;
        on_step(Step { index: i, x: &x, sigma: sigma_fn(t), denoised: &solver.denoised })?;
        let moved = match order {
            1 => solver.order_1(target)?,
            2 => solver.order_2(target, 0.5)?,
            _ => solver.order_3(target)?,
        };
        x = step(&moved, &noise.sample(sigma_fn(t), sigma_fn(next))?, up * args.s_noise as f32)?;
    }
    Ok(x)
}

/// Orders that add up to `nfe` model calls.
fn orders(nfe: usize) -> Vec<usize> {
    let mut orders = vec![3; nfe / 3];
    match nfe % 3 {
        0 => {
            orders.truncate((nfe / 3).saturating_sub(1));
            orders.extend([2, 1]);
        }
        rest => orders.push(rest),
    }
    orders
}

/// Tolerances of the embedded second-order solution: absolute and relative.
const ATOL: f64 = 0.0078;
const RTOL: f64 = 0.05;
/// First step in t, and the distance from the end at which the solver stops.
const FIRST_H: f32 = 0.05;
const T_ERROR: f32 = 1e-5;
/// Steps after which the solver gives up; a usual run takes some tens.
const MAX_ADAPTIVE_STEPS: usize = 10_000;

/// Chooses every step by comparing orders 2 and 3; reports after each, accepted or not. Ends at `range.min`, not at 0.
pub fn dpm_adaptive(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    range: SigmaRange,
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    let t_end = t_fn(range.min);
    let mut t = t_fn(range.max);
    let mut x_low_before = x.clone();
    let mut controller = StepSize { h: FIRST_H, order: if args.eta == 0.0 { 3.0 } else { 1.5 } };
    let mut index = 0;
    while t < t_end - T_ERROR {
        let next = t_end.min(t + controller.h);
        let (target, up) = ancestral_target(t, next, t_end, args.eta);
        let mut solver = Solver::new(model, &x, t)?;
        let low = solver.order_2(target, 1.0 / 3.0)?;
        let high = solver.order_3(target)?;
        let denoised = solver.denoised;
        let (sigma, error) = (sigma_fn(t), scaled_error(&low, &high, &x_low_before)?);
        if controller.accepts(error) {
            x_low_before = low;
            x = step(&high, &noise.sample(sigma, sigma_fn(next))?, up * args.s_noise as f32)?;
            t = next;
        }
        on_step(Step { index, x: &x, sigma, denoised: &denoised })?;
        index += 1;
        if !error.is_finite() || index == MAX_ADAPTIVE_STEPS {
            return Err(Error::NoConvergence { steps: index });
        }
    }
    Ok(x)
}

/// The root mean square of (low − high) / max(atol, rtol · max(|low|, |low before|)).
fn scaled_error(low: &Tensor, high: &Tensor, before: &Tensor) -> Result<f32> {
    let allowed = (low.abs()?.maximum(&before.abs()?)? * RTOL)?.maximum(ATOL)?;
    let ratio = ((low - high)? / allowed)?;
    Ok(ratio.sqr()?.mean_all()?.to_scalar::<f32>()?.sqrt())
}

/// Integral control of the step size in t.
struct StepSize {
    h: f32,
    order: f64,
}

impl StepSize {
    /// Whether a step with this error is good enough; adapts h either way.
    fn accepts(&mut self, error: f32) -> bool {
        let inverse = 1.0 / (f64::from(error) + 1e-8);
        let factor = 1.0 + (inverse.powf(1.0 / self.order) - 1.0).atan();
        self.h = (f64::from(self.h) * factor) as f32;
        factor >= 0.81
    }
}

/// The time to solve for and the deviation of the fresh noise that brings x from there back to time `next`.
fn ancestral_target(t: f32, next: f32, t_end: f32, eta: f64) -> (f32, f32) {
    if eta == 0.0 {
        return (next, 0.0);
    }
    let (down, _) = ancestral_step(sigma_fn(t), sigma_fn(next), eta);
    let target = t_end.min(t_fn(down));
    let (sigma, reached) = (sigma_fn(next), sigma_fn(target));
    (target, (sigma * sigma - reached * reached).sqrt())
}

/// One step from `x` at time `t`; model calls that several orders need are made once.
struct Solver<'a> {
    model: &'a mut dyn Denoiser,
    x: &'a Tensor,
    t: f32,
    denoised: Tensor,
    eps: Tensor,
    /// The share of the step at which the intermediate ε was taken, and that ε.
    eps_r1: Option<(f32, Tensor)>,
}

impl<'a> Solver<'a> {
    fn new(model: &'a mut dyn Denoiser, x: &'a Tensor, t: f32) -> Result<Self> {
        let (eps, denoised) = eps_and_denoised(model, x, t)?;
        Ok(Solver { model, x, t, denoised, eps, eps_r1: None })
    }

    fn order_1(&self, next: f32) -> Result<Tensor> {
        step(self.x, &self.eps, -sigma_fn(next) * (next - self.t).exp_m1())
    }

    fn order_2(&mut self, next: f32, r1: f32) -> Result<Tensor> {
        let slope = self.intermediate(next, r1)?;
        let scale = sigma_fn(next) * (next - self.t).exp_m1();
        step(&self.order_1(next)?, &(slope - &self.eps)?, -scale / (2.0 * r1))
    }

    fn order_3(&mut self, next: f32) -> Result<Tensor> {
        let (r1, r2) = (1.0_f32 / 3.0, 2.0_f32 / 3.0);
        let h = next - self.t;
        let change_1 = (self.intermediate(next, r1)? - &self.eps)?;
        let s2 = self.t + r2 * h;
        let u2 = step(self.x, &self.eps, -sigma_fn(s2) * (r2 * h).exp_m1())?;
        let bend = sigma_fn(s2) * (r2 / r1) * ((r2 * h).exp_m1() / (r2 * h) - 1.0);
        let u2 = step(&u2, &change_1, -bend)?;
        let (eps_r2, _) = eps_and_denoised(self.model, &u2, s2)?;
        let bend = sigma_fn(next) / r2 * (h.exp_m1() / h - 1.0);
        step(&self.order_1(next)?, &(eps_r2 - &self.eps)?, -bend)
    }

    /// ε after the share `r1` of the step to `next`.
    fn intermediate(&mut self, next: f32, r1: f32) -> Result<Tensor> {
        if let Some((r, eps)) = &self.eps_r1
            && *r == r1
        {
            return Ok(eps.clone());
        }
        let s1 = self.t + r1 * (next - self.t);
        let u1 = step(self.x, &self.eps, -sigma_fn(s1) * (r1 * (next - self.t)).exp_m1())?;
        let (eps, _) = eps_and_denoised(self.model, &u1, s1)?;
        self.eps_r1 = Some((r1, eps.clone()));
        Ok(eps)
    }
}

fn eps_and_denoised(model: &mut dyn Denoiser, x: &Tensor, t: f32) -> Result<(Tensor, Tensor)> {
    let denoised = model.denoise(x, sigma_fn(t))?;
    Ok((super::to_d(x, sigma_fn(t), &denoised)?, denoised))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_add_up() {
        for nfe in 1..40 {
            let orders = orders(nfe);
            assert_eq!((orders.iter().sum::<usize>(), orders.len()), (nfe, nfe / 3 + 1), "{nfe}");
        }
    }
}
