//! One number for each pixel: gradients, and structural similarity.

use image::RgbImage;

use super::mean;

/// One number per pixel.
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f32>,
}

impl Plane {
    /// One of L*, a*, b* of a picture.
    pub(super) fn channel(picture: &RgbImage, lab: &[[f32; 3]], at: usize) -> Self {
        let values = lab.iter().map(|c| c[at]).collect();
        Plane { width: picture.width() as usize, height: picture.height() as usize, values }
    }

    pub(super) fn deviation(&self) -> f64 {
        let average = mean(self.values.iter().map(|v| f64::from(*v)));
        mean(self.values.iter().map(|v| (f64::from(*v) - average).powi(2))).sqrt()
    }

    /// The squared gradient of all pixels but the last row and column, by differences to the right and lower neighbours.
    fn energies(&self) -> Plane {
        let at = |x: usize, y: usize| self.values[y * self.width + x];
        let (width, height) = (self.width.saturating_sub(1), self.height.saturating_sub(1));
        let inner = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let energy = |(x, y)| (at(x + 1, y) - at(x, y)).powi(2) + (at(x, y + 1) - at(x, y)).powi(2);
        Plane { width, height, values: inner.map(energy).collect() }
    }

    pub(super) fn gradient_energy(&self) -> f64 {
        mean(self.energies().values.iter().map(|v| f64::from(*v)))
    }

    /// The `ratio` of `to`'s gradient energy to this plane's, over the pixels where this one has its strongest gradients and
    /// those beside them.
    pub(super) fn energy_on_edges(&self, to: &Plane, ratio: impl Fn(f64, f64) -> f64) -> f64 {
        /// The share of pixels that are not edges.
        const PLAIN: f64 = 0.85;
        let (own, other) = (self.energies(), to.energies());
        let mut sorted = own.values.clone();
        if sorted.is_empty() {
            return 1.0;
        }
        let at = ((sorted.len() as f64 * PLAIN) as usize).min(sorted.len() - 1);
        let least = *sorted.select_nth_unstable_by(at, f32::total_cmp).1;
        let is_edge = |x: usize, y: usize| own.values[y * own.width + x] > least;
        let near = |n: usize| {
            let (x, y) = (n % own.width, n / own.width);
            let around = |c: usize, end: usize| c.saturating_sub(1)..(c + 2).min(end);
            around(y, own.height).any(|y| around(x, own.width).any(|x| is_edge(x, y)))
        };
        let edges: Vec<usize> = (0..own.values.len()).filter(|n| near(*n)).collect();
        let energy = |plane: &Plane| mean(edges.iter().filter_map(|n| plane.values.get(*n)).map(|v| f64::from(*v)));
        ratio(energy(&other), energy(&own))
    }

    /// What became of this plane's edges in `to`: the `ratio` of the steepest gradients there, over the tiles where this plane is
    /// steepest. Beside a tile its neighbours are looked at, too, so that edges may move a little.
    pub(super) fn steepness_on_edges(&self, to: &Plane, ratio: impl Fn(f64, f64) -> f64) -> f64 {
        /// Tiles along the short side.
        const TILES: usize = 24;
        /// The share of tiles that hold no edges.
        const PLAIN: f64 = 0.8;
        /// What is less steep, squared, is no edge, however plain the picture.
        const LEAST: f32 = 1.0;
        let side = (self.width.min(self.height) / TILES).max(1);
        let (own, other) = (self.energies().peaks(side), to.energies().peaks(side));
        let mut sorted = own.values.clone();
        if sorted.is_empty() || own.values.len() != other.values.len() {
            return 1.0;
        }
        let at = ((sorted.len() as f64 * PLAIN) as usize).min(sorted.len() - 1);
        let least = *sorted.select_nth_unstable_by(at, f32::total_cmp).1;
        let edges: Vec<usize> = (0..own.values.len()).filter(|n| own.values[*n] >= least.max(LEAST)).collect();
        if edges.is_empty() {
            return 1.0;
        }
        let steepness = |plane: &Plane| mean(edges.iter().map(|n| f64::from(plane.greatest_around(*n).sqrt())));
        ratio(steepness(&other), steepness(&own))
    }

    /// The greatest value of each tile.
    fn peaks(&self, side: usize) -> Plane {
        let (width, height) = (self.width.div_ceil(side), self.height.div_ceil(side));
        let mut values = vec![0.0f32; width * height];
        for (n, value) in self.values.iter().enumerate() {
            let tile = &mut values[n / self.width / side * width + n % self.width / side];
            *tile = tile.max(*value);
        }
        Plane { width, height, values }
    }

    /// The greatest value at a place and the eight around it.
    fn greatest_around(&self, n: usize) -> f32 {
        let around = |c: usize, end: usize| c.saturating_sub(1)..(c + 2).min(end);
        let rows = around(n / self.width, self.height);
        let places = rows.flat_map(|y| around(n % self.width, self.width).map(move |x| y * self.width + x));
        places.map(|n| self.values[n]).fold(0.0, f32::max)
    }

    /// Mean structural similarity over all 7×7 windows (Wang et al., 2004, with uniform windows, unbiased covariances and
    /// a range of 100).
    pub(super) fn ssim(&self, other: &Plane) -> f64 {
        const WINDOW: usize = 7;
        const C1: f64 = (0.01 * 100.0) * (0.01 * 100.0);
        const C2: f64 = (0.03 * 100.0) * (0.03 * 100.0);
        let (w, h) = (WINDOW.min(self.width), WINDOW.min(self.height));
        let count = (w * h) as f64;
        let product = |p: &Plane, q: &Plane| Sums::new(p, q);
        let one = Plane { width: self.width, height: self.height, values: vec![1.0; self.values.len()] };
        let sums = [
            product(self, &one),
            product(other, &one),
            product(self, self),
            product(other, other),
            product(self, other),
        ];
        let windows = (0..=self.height - h).flat_map(|y| (0..=self.width - w).map(move |x| (x, y)));
        mean(windows.map(|(x, y)| {
            let [p, q, pp, qq, pq] = sums.each_ref().map(|s| s.window(x, y, w, h) / count);
            let unbiased = count / (count - 1.0).max(1.0);
            let (vp, vq, cov) = ((pp - p * p) * unbiased, (qq - q * q) * unbiased, (pq - p * q) * unbiased);
            ((2.0 * p * q + C1) * (2.0 * cov + C2)) / ((p * p + q * q + C1) * (vp + vq + C2))
        }))
    }
}

/// How well what is in one picture is where it was in another, channel by channel the same planes of both: 1 is exactly, 0 not at all.
/// The correlation in 7×7 windows, which no change of tone, sharpness or contrast moves much, weighted by how much there is to be seen
/// in the first picture: what the other one adds where this one is plain does not count.
pub(super) fn in_place(own: &[Plane; 3], other: &[Plane; 3]) -> f64 {
    const WINDOW: usize = 7;
    /// Variance that stands for nothing to be seen.
    const PLAIN: f64 = 1.0;
    let [Plane { width, height, .. }, ..] = own;
    let (w, h) = (WINDOW.min(*width), WINDOW.min(*height));
    let one = Plane { width: *width, height: *height, values: vec![1.0; width * height] };
    let sums: Vec<[Sums; 5]> = own
        .iter()
        .zip(other)
        .map(|(p, q)| [(p, &one), (q, &one), (p, p), (q, q), (p, q)].map(|(p, q)| Sums::new(p, q)))
        .collect();
    let (mut alike, mut all) = (0.0, 0.0);
    for (x, y) in (0..=height - h).flat_map(|y| (0..=width - w).map(move |x| (x, y))) {
        let [mut own, mut other, mut both] = [0.0; 3];
        for sums in &sums {
            let [p, q, pp, qq, pq] = sums.each_ref().map(|s| s.window(x, y, w, h) / (w * h) as f64);
            own += pp - p * p;
            other += qq - q * q;
            both += pq - p * q;
        }
        alike += own * both / ((own + PLAIN) * (other + PLAIN)).sqrt();
        all += own;
    }
    if all > 0.0 { alike / all } else { 1.0 }
}

/// Sums over rectangles of the products of two planes.
struct Sums {
    width: usize,
    /// Sums over everything above and left, with a row and a column of zeros before.
    table: Vec<f64>,
}

impl Sums {
    fn new(p: &Plane, q: &Plane) -> Self {
        let width = p.width + 1;
        let mut table = vec![0.0; width * (p.height + 1)];
        for y in 0..p.height {
            let mut row = 0.0;
            for x in 0..p.width {
                let at = y * p.width + x;
                row += f64::from(p.values[at]) * q.values.get(at).copied().map_or(0.0, f64::from);
                table[(y + 1) * width + x + 1] = table[y * width + x + 1] + row;
            }
        }
        Sums { width, table }
    }

    fn window(&self, x: usize, y: usize, w: usize, h: usize) -> f64 {
        let at = |x: usize, y: usize| self.table[y * self.width + x];
        at(x + w, y + h) - at(x, y + h) - at(x + w, y) + at(x, y)
    }
}
