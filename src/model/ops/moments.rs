//! The statistics of group norms, for images that are seen part by part.

/// Sums over positions of an image, channel by channel.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    positions: usize,
    /// Of some positions each: the sum of a channel's values, and of their squares.
    sums: Vec<Vec<(f64, f64)>>,
}

impl Moments {
    /// Adds sums over so many positions, in order.
    pub(super) fn add(&mut self, positions: usize, sums: impl IntoIterator<Item = Vec<(f64, f64)>>) {
        self.positions += positions;
        self.sums.extend(sums);
    }

    /// Scale and shift of each channel: (x − mean) / √(variance + eps) · weight + bias over its group is x · scale + shift.
    pub fn scales(&self, weight: &[f32], bias: &[f32], groups: usize, eps: f64) -> (Vec<f32>, Vec<f32>) {
        let per_group = weight.len() / groups;
        let count = (self.positions * per_group) as f64;
        let statistics: Vec<(f64, f64)> = (0..groups)
            .map(|g| {
                let members = g * per_group..(g + 1) * per_group;
                let sums = self.sums.iter().flat_map(|part| &part[members.clone()]);
                let (sum, squares) = sums.fold((0.0, 0.0), |(s, q), (a, b)| (s + a, q + b));
                let mean = sum / count;
                // In f64 the difference of squares is exact enough for any f32 input.
                let variance = (squares / count - mean * mean).max(0.0);
                (mean, 1.0 / (variance + eps).sqrt())
            })
            .collect();
        let channel = |(c, (w, b)): (usize, (&f32, &f32))| {
            let (mean, inverse) = statistics[c / per_group];
            let scale = inverse * f64::from(*w);
            (scale as f32, (f64::from(*b) - mean * scale) as f32)
        };
        weight.iter().zip(bias).enumerate().map(channel).unzip()
    }
}
