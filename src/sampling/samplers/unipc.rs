//! UniPC: a multistep predictor-corrector on the denoised latent.
//!
//! Time t runs from 1 down to 1/1000 and stands for the table's entry 1000 t − 1, fractions included. Before every use a
//! noise prediction becomes a prediction of the denoised latent m = (x − σ ε) / α with α = √ᾱ, σ = √(1 − ᾱ); steps are
//! taken in λ = ln α − ln σ. Source: Zhao et al., "UniPC" (2023), algorithms 5 to 8.

use std::collections::VecDeque;

use candle_core::Tensor;

use super::super::{EpsModel, NoiseLevels, OnStep, Result, Step};
use super::{mix, step};
use crate::plan::{UniPcOptions, UniPcSkipType, UniPcVariant};

/// The highest order that is used, webui's limit.
const MAX_ORDER: usize = 50;

/// Takes `n` steps with `n` model calls from time `t_start`: 1, or ([the last timestep] + 1) / 1000 when x holds an image.
///
/// Orders ramp up from 1; an order above `n` is lowered to it.
pub fn unipc(
    model: &mut dyn EpsModel,
    mut x: Tensor,
    (n, t_start): (usize, f64),
    levels: &NoiseLevels,
    options: UniPcOptions,
    on_step: OnStep,
) -> Result<Tensor> {
    let table = LogAlphas::new(levels);
    let times = times(&table, options.skip_type, t_start, n);
    let highest = (options.order as usize).clamp(1, n.clamp(1, MAX_ORDER));
    let mut denoise = |x: &Tensor, t: f64| -> Result<Tensor> {
        let at = table.at(t);
        let eps = model.eps(x, ((t - FIRST_T) * table.len()) as f32)?.guided;
        Ok((step(x, &eps, -at.sigma as f32)? / at.alpha)?)
    };
    // λ and m of earlier times, the newest first.
    let mut history: VecDeque<(f64, Tensor)> = VecDeque::new();
    for (i, pair) in times.windows(2).enumerate() {
        let (from, to) = (table.at(pair[0]), table.at(pair[1]));
        if i == 0 {
            history.push_front((from.lambda, denoise(&x, pair[0])?));
        }
        let order = if options.lower_order_final { highest.min(n - i) } else { highest }.min(history.len());
        let h = to.lambda - from.lambda;
        let m_0 = history[0].1.clone();
        let ratios: Vec<f64> = history.range(1..order).map(|(lambda, _)| (lambda - from.lambda) / h).collect();
        let slopes = history.range(1..order).zip(&ratios).map(|((_, m), r)| Ok(((m - &m_0)? / *r)?));
        let slopes = slopes.collect::<Result<Vec<Tensor>>>()?;
        let weights = Weights::new(options.variant, -h, &ratios);
        let base = mix((to.sigma / from.sigma) as f32, &x, (-to.alpha * (-h).exp_m1()) as f32, &m_0)?;
        x = along(&base, -to.alpha, &weights.predictor, &slopes)?;
        if i + 1 == n {
            // The last step is not corrected: x is the result.
            on_step(Step { index: i, x: &x, sigma: 0.0, denoised: &x })?;
            break;
        }
        let m = denoise(&x, pair[1])?;
        x = along(&base, -to.alpha, &weights.corrector, &slopes)?;
        x = step(&x, &(&m - &m_0)?, (-to.alpha * weights.corrector_last) as f32)?;
        on_step(Step { index: i, x: &x, sigma: 0.0, denoised: &m })?;
        history.push_front((to.lambda, m));
        history.truncate(highest);
    }
    Ok(x)
}

/// `base + scale · Σ weight · slope`
fn along(base: &Tensor, scale: f64, weights: &[f64], slopes: &[Tensor]) -> Result<Tensor> {
    let mut x = base.clone();
    for (weight, slope) in weights.iter().zip(slopes) {
        x = step(&x, slope, (scale * weight) as f32)?;
    }
    Ok(x)
}

/// Where every walk ends: the time of the table's first entry.
const FIRST_T: f64 = 1.0 / 1000.0;

fn times(table: &LogAlphas, skip: UniPcSkipType, start: f64, n: usize) -> Vec<f64> {
    let spaced = |from: f64, to: f64| (0..=n).map(move |i| from + (to - from) * i as f64 / n as f64);
    match skip {
        UniPcSkipType::TimeUniform => spaced(start, FIRST_T).collect(),
        UniPcSkipType::TimeQuadratic => spaced(start.sqrt(), FIRST_T.sqrt()).map(|root| root * root).collect(),
        UniPcSkipType::LogSnr => {
            let lambda = |t: f64| table.at(t).lambda;
            spaced(lambda(start), lambda(FIRST_T)).map(|l| table.time_of(l)).collect()
        }
    }
}

/// α, σ and λ at one time.
struct Level {
    alpha: f64,
    sigma: f64,
    lambda: f64,
}

/// ln α of every table entry, k + 1 of `len` being entry k's time.
struct LogAlphas(Vec<f64>);

impl LogAlphas {
    fn new(levels: &NoiseLevels) -> Self {
        LogAlphas(levels.alphas_cumprod().iter().map(|a| 0.5 * f64::from(*a).ln()).collect())
    }

    fn len(&self) -> f64 {
        self.0.len() as f64
    }

    fn at(&self, t: f64) -> Level {
        let position = t * self.len() - 1.0;
        let low = (position.max(0.0) as usize).min(self.0.len() - 2);
        let log_alpha = self.0[low] + (position - low as f64) * (self.0[low + 1] - self.0[low]);
        let sigma = (-(2.0 * log_alpha).exp_m1()).sqrt();
        Level { alpha: log_alpha.exp(), sigma, lambda: log_alpha - sigma.ln() }
    }

    /// The time at which λ has this value; the inverse of [`LogAlphas::at`].
    fn time_of(&self, lambda: f64) -> f64 {
        let log_alpha = -0.5 * (-2.0 * lambda).exp().ln_1p();
        // ln α descends.
        let low = self.0.partition_point(|a| *a >= log_alpha).saturating_sub(1).min(self.0.len() - 2);
        let share = (log_alpha - self.0[low]) / (self.0[low + 1] - self.0[low]);
        (low as f64 + share + 1.0) / self.len()
    }
}

/// What the differences of earlier predictions count for, to be multiplied by −α.
struct Weights {
    predictor: Vec<f64>,
    corrector: Vec<f64>,
    /// For the difference between the prediction at the new time and the last one.
    corrector_last: f64,
}

impl Weights {
    /// `hh` = −h; `ratios` place the earlier predictions, in units of h from the last one.
    fn new(variant: UniPcVariant, hh: f64, ratios: &[f64]) -> Self {
        match variant {
            UniPcVariant::Bh1 => Self::with_b(hh, hh, ratios),
            UniPcVariant::Bh2 => Self::with_b(hh, hh.exp_m1(), ratios),
            UniPcVariant::VaryCoeff => Self::varying(hh, ratios),
        }
    }

    fn with_b(hh: f64, b: f64, ratios: &[f64]) -> Self {
        let order = ratios.len() + 1;
        let nodes: Vec<f64> = ratios.iter().copied().chain([1.0]).collect();
        let phis = phis(hh, order);
        let mut factorial = 1.0;
        let mut target = Vec::new();
        for (k, phi) in phis.iter().enumerate() {
            target.push(phi * factorial);
            factorial *= (k + 2) as f64;
        }
        let powers = |n: usize| -> Vec<Vec<f64>> {
            (0..n).map(|k| nodes[..n].iter().map(|r| r.powi(k as i32)).collect()).collect()
        };
        let predictor = match order {
            1 => Vec::new(),
            2 => vec![0.5 * b],
            _ => solve(powers(order - 1), target[..order - 1].to_vec()),
        };
        let mut corrector = if order == 1 { vec![0.5 * b] } else { solve(powers(order), target) };
        let corrector_last = corrector.pop().unwrap_or(0.0);
        Weights { predictor, corrector, corrector_last }
    }

    fn varying(hh: f64, ratios: &[f64]) -> Self {
        let order = ratios.len() + 1;
        let nodes: Vec<f64> = ratios.iter().copied().chain([1.0]).collect();
        let phis = phis(hh, order);
        // Row j holds r_j^k / (k + 1)!.
        let taylor = |n: usize| -> Vec<Vec<f64>> {
            let row = |r: &f64| {
                (0..n)
                    .scan(1.0, |c, k| {
                        let now = *c;
                        *c *= r / (k + 2) as f64;
                        Some(now)
                    })
                    .collect()
            };
            nodes[..n].iter().map(row).collect()
        };
        // Σ_k φ_k · (inverse)[k][j] over the first `rows` rows.
        let column = |inverse: &[Vec<f64>], rows: usize, j: usize| (0..rows).map(|k| phis[k] * inverse[k][j]).sum();
        let for_predictor = inverse(taylor(order - 1));
        let for_corrector = inverse(taylor(order));
        let earlier = order - 1;
        // The reference program takes the last weight from the row before the last; it is reproduced here.
        let row = earlier.saturating_sub(1);
        Weights {
            predictor: (0..earlier).map(|j| column(&for_predictor, earlier, j)).collect(),
            corrector: (0..earlier).map(|j| column(&for_corrector, earlier, j)).collect(),
            corrector_last: phis[earlier] * for_corrector[row][earlier],
        }
    }
}

/// φ_2 hh, φ_3 hh, …: expm1(hh)/hh − 1, each next one the last over hh minus 1/(k + 1)!.
fn phis(hh: f64, count: usize) -> Vec<f64> {
    let mut phi = hh.exp_m1();
    let mut factorial = 1.0;
    let next = |k: usize| {
        phi = phi / hh - 1.0 / factorial;
        factorial *= (k + 2) as f64;
        phi
    };
    (0..count).map(next).collect()
}

fn inverse(matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let unit = |j: usize| (0..n).map(|i| f64::from(u8::from(i == j))).collect();
    let columns: Vec<Vec<f64>> = (0..n).map(|j| solve(matrix.clone(), unit(j))).collect();
    (0..n).map(|i| columns.iter().map(|c| c[i]).collect()).collect()
}

/// Solves a · x = b by Gaussian elimination with pivoting.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[*i][k].abs().total_cmp(&a[*j][k].abs())).unwrap_or(k);
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            let (above, below) = a.split_at_mut(i);
            below[0][k..].iter_mut().zip(&above[k][k..]).for_each(|(v, pivot)| *v -= factor * pivot);
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_with_pivoting() {
        let x = solve(vec![vec![0.0, 2.0, 1.0], vec![1.0, 1.0, 1.0], vec![2.0, 0.0, -1.0]], vec![7.0, 6.0, -1.0]);
        assert!(x.iter().zip([1.0, 2.0, 3.0]).all(|(x, e)| (x - e).abs() < 1e-12), "{x:?}");
    }

    #[test]
    fn times_and_lambdas_are_inverse() {
        let table = LogAlphas::new(&NoiseLevels::scaled_linear());
        for t in [0.001, 0.0123, 0.5, 0.77777, 0.9999, 1.0] {
            assert!((table.time_of(table.at(t).lambda) - t).abs() < 1e-9, "{t}");
        }
    }
}
