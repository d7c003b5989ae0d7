//! webui's colour correction of img2img: the colours of the picture that was drawn over, in the brightness of the result.

use super::{Picture, Rgb, from_lab, to_lab};

/// The distribution of colours that results are brought to.
#[derive(Debug, Clone)]
pub struct ColourCorrection {
    /// How often each value occurs, for each channel of L*a*b*.
    target: [[usize; 256]; 3],
}

impl ColourCorrection {
    /// To the colours of `target`, as it is given to the encoder.
    pub fn to(target: &Rgb) -> Self {
        ColourCorrection { target: counts(&to_lab(target)) }
    }

    /// The corrected picture, of any size: histograms matched in L*a*b* (scikit-image's `match_histograms`), and the brightness of
    /// `picture` laid over.
    pub fn apply(&self, picture: &Rgb) -> Rgb {
        let lab = to_lab(picture);
        let found = counts(&lab);
        let tables: [_; 3] = std::array::from_fn(|channel| matched(&found[channel], &self.target[channel]));
        let matched = lab.map(|pixel| std::array::from_fn(|channel| tables[channel][usize::from(pixel[channel])]));
        luminosity(&from_lab(&matched), picture)
    }
}

fn counts(picture: &Rgb) -> [[usize; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in picture.pixels() {
        for (counts, value) in counts.iter_mut().zip(pixel) {
            counts[usize::from(*value)] += 1;
        }
    }
    counts
}

/// For each value the one that has as many below it in `target`, between neighbours by a line, truncated.
fn matched(found: &[usize; 256], target: &[usize; 256]) -> [u8; 256] {
    let shares = |counts: &[usize; 256]| {
        let total: usize = counts.iter().sum();
        let mut sum = 0;
        counts.map(|count| {
            sum += count;
            sum as f64 / total.max(1) as f64
        })
    };
    let (from, to) = (shares(found), shares(target));
    let points: Vec<(f64, f64)> = (0..256).filter(|v| target[*v] > 0).map(|v| (to[v], v as f64)).collect();
    from.map(|share| interpolated(&points, share) as u8)
}

/// The value at `x` of the lines between points, whose first coordinates grow; outside, that of the nearest.
fn interpolated(points: &[(f64, f64)], x: f64) -> f64 {
    let above = points.partition_point(|(at, _)| *at <= x);
    match (above.checked_sub(1).and_then(|i| points.get(i)), points.get(above)) {
        (Some((x0, y0)), Some((x1, y1))) => (y1 - y0) / (x1 - x0) * (x - x0) + y0,
        (Some((_, y)), None) | (None, Some((_, y))) => *y,
        (None, None) => 0.0,
    }
}

/// The colours of `lower` with the brightness of `upper`, of one size: blendmodes' LUMINOSITY, which truncates.
pub fn luminosity(lower: &Rgb, upper: &Rgb) -> Rgb {
    debug_assert_eq!((lower.width, lower.height), (upper.width, upper.height));
    let pixels = lower.pixels().iter().zip(upper.pixels());
    let unit = |pixel: &[u8; 3]| pixel.map(|v| f64::from(v) / 255.0);
    let bytes = pixels.flat_map(|(lower, upper)| {
        with_brightness(unit(lower), brightness(unit(upper))).map(|v| (v.clamp(0.0, 1.0) * 255.0) as u8)
    });
    Picture { bytes: bytes.collect(), ..*lower }
}

fn brightness([r, g, b]: [f64; 3]) -> f64 {
    r * 0.299 + g * 0.587 + b * 0.114
}

/// The colour moved to another brightness, and towards gray until it can be shown.
fn with_brightness(colour: [f64; 3], wanted: f64) -> [f64; 3] {
    let change = wanted - brightness(colour);
    let mut colour = colour.map(|v| v + change);
    let middle = brightness(colour);
    let (least, most) = colour.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), v| (l.min(*v), m.max(*v)));
    if least < 0.0 {
        colour = colour.map(|v| middle + (v - middle) * middle / (middle - least));
    }
    if most > 1.0 {
        colour = colour.map(|v| middle + (v - middle) * (1.0 - middle) / (most - middle));
    }
    colour
}
