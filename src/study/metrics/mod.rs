//! What changed between two pictures, in numbers that stand for colour, contrast, edges, structure and composition.
//!
//! Colours are CIE L*a*b* (D65) of sRGB; L* goes from 0 to 100. Edges and structure are measured on L*. Every measure is 0
//! (or 1, for ratios and SSIM) where the pictures are equal.

use image::RgbImage;
use image::imageops::{FilterType, resize};
use serde::Serialize;

mod plane;

use plane::Plane;

/// A picture made ready for comparisons.
pub struct Measured {
    /// L*, a*, b* of each pixel, row by row.
    lab: Vec<[f32; 3]>,
    light: Plane,
    /// The colours of the picture at [`COARSE`] pixels along its short side.
    cells: Vec<[f32; 3]>,
    /// The picture at [`COARSE`] pixels along its short side: what is where, without how it looks.
    coarse: Plane,
    /// L*, a*, b* at [`FINE`] pixels along its short side: where things are.
    places: [Plane; 3],
    mean: [f64; 3],
    chroma: f64,
    contrast: f64,
    edges: f64,
}

/// Pixels along the short side of the picture whose SSIM is the coarse one.
const COARSE: u32 = 16;
/// Pixels along the short side of the picture that things are found in.
const FINE: u32 = 32;

/// A plain picture has no contrast and no edges; the least that 8 bits show stands for it.
const LEAST: f64 = 1e-2;

/// The way from one picture to another, or the mean of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Change {
    /// Mean ΔE (CIE 1976): the distance in L*a*b*.
    pub delta_e: f64,
    /// Change of mean L*, a* (green to red), b* (blue to yellow).
    pub lightness: f64,
    /// Change of mean a*, positive towards red.
    pub a: f64,
    /// Change of mean b*, positive towards yellow.
    pub b: f64,
    /// Turn of the hues in degrees, −180 to 180, weighted by chroma; positive is from red towards yellow.
    pub hue: f64,
    /// Change of mean chroma.
    pub saturation: f64,
    /// Standard deviation of L*, as a ratio.
    pub contrast: f64,
    /// Gradient energy of L* (mean of the squared gradient), as a ratio.
    pub edges: f64,
    /// The shift of the tone that most of the picture shares: the medians of the pixels' changes of a* and b*, as a
    /// distance. What is drawn into a smaller part of the picture does not move it.
    pub balance: f64,
    /// Gradient energy where the first picture has its strongest edges, as a ratio: what became of its lines, whatever lines
    /// were added elsewhere.
    pub lines: f64,
    /// Mean SSIM of L*.
    pub ssim: f64,
    /// SSIM of the pictures made small, so that only the composition counts.
    pub coarse_ssim: f64,
}

impl Change {
    /// No change at all.
    pub const NONE: Change = Change {
        delta_e: 0.0,
        lightness: 0.0,
        a: 0.0,
        b: 0.0,
        hue: 0.0,
        saturation: 0.0,
        contrast: 1.0,
        edges: 1.0,
        balance: 0.0,
        lines: 1.0,
        ssim: 1.0,
        coarse_ssim: 1.0,
    };

    /// How far the first picture's lines are from what they were, harder or softer: |ln ratio|.
    pub fn line_error(&self) -> f64 {
        self.lines.ln().abs()
    }

    /// The mean of `changes`; ratios are averaged as logarithms.
    pub fn mean(changes: &[Change]) -> Option<Change> {
        let count = (!changes.is_empty()).then_some(changes.len() as f64)?;
        let mean = |of: fn(&Change) -> f64| changes.iter().map(of).sum::<f64>() / count;
        Some(Change {
            delta_e: mean(|c| c.delta_e),
            lightness: mean(|c| c.lightness),
            a: mean(|c| c.a),
            b: mean(|c| c.b),
            hue: mean(|c| c.hue),
            saturation: mean(|c| c.saturation),
            contrast: mean(|c| c.contrast.ln()).exp(),
            edges: mean(|c| c.edges.ln()).exp(),
            balance: mean(|c| c.balance),
            lines: mean(|c| c.lines.ln()).exp(),
            ssim: mean(|c| c.ssim),
            coarse_ssim: mean(|c| c.coarse_ssim),
        })
    }
}

impl Measured {
    /// Computes what comparisons need: L*a*b* of every pixel, and light at several scales.
    pub fn new(picture: &RgbImage) -> Self {
        let lab: Vec<[f32; 3]> = picture.pixels().map(|p| lab(p.0)).collect();
        let light = Plane::channel(picture, &lab, 0);
        let shrunk = |short: u32| {
            let (width, height) = picture.dimensions();
            let scale = f64::from(short) / f64::from(width.min(height).max(1));
            let side = |side: u32| ((f64::from(side) * scale).round() as u32).clamp(1, side.max(1));
            let small = resize(picture, side(width), side(height), FilterType::Triangle);
            let lab: Vec<[f32; 3]> = small.pixels().map(|p| self::lab(p.0)).collect();
            (small, lab)
        };
        let (small, small_lab) = shrunk(COARSE);
        let (fine, fine_lab) = shrunk(FINE);
        let mean = |of: &dyn Fn(&[f32; 3]) -> f32| mean(lab.iter().map(|c| f64::from(of(c))));
        Measured {
            mean: [mean(&|c| c[0]), mean(&|c| c[1]), mean(&|c| c[2])],
            chroma: mean(&|c| c[1].hypot(c[2])),
            contrast: light.deviation(),
            edges: light.gradient_energy(),
            coarse: Plane::channel(&small, &small_lab, 0),
            places: [0, 1, 2].map(|at| Plane::channel(&fine, &fine_lab, at)),
            cells: small_lab,
            light,
            lab,
        }
    }

    /// What changes from this picture to `to`, which has the same size.
    pub fn change_to(&self, to: &Measured) -> Change {
        let ratio = |to: f64, from: f64| (to + LEAST) / (from + LEAST);
        let pairs = || self.lab.iter().zip(&to.lab);
        let distance = |(p, q): (&[f32; 3], &[f32; 3])| {
            let square: f32 = p.iter().zip(q).map(|(p, q)| (p - q) * (p - q)).sum();
            f64::from(square.sqrt())
        };
        // The product of one colour's conjugate and the other: its angle is the turn, its length the weight.
        let turn = pairs().fold((0.0f64, 0.0f64), |(re, im), (p, q)| {
            let [pa, pb, qa, qb] = [p[1], p[2], q[1], q[2]].map(f64::from);
            (re + pa * qa + pb * qb, im + pa * qb - pb * qa)
        });
        Change {
            delta_e: mean(pairs().map(distance)),
            lightness: to.mean[0] - self.mean[0],
            a: to.mean[1] - self.mean[1],
            b: to.mean[2] - self.mean[2],
            hue: turn.1.atan2(turn.0).to_degrees(),
            saturation: to.chroma - self.chroma,
            contrast: ratio(to.contrast, self.contrast),
            edges: ratio(to.edges, self.edges),
            balance: [1, 2]
                .map(|at| median(pairs().map(|(p, q)| f64::from(q[at] - p[at]))))
                .iter()
                .map(|m| m * m)
                .sum::<f64>()
                .sqrt(),
            lines: self.light.energy_on_edges(&to.light, ratio),
            ssim: self.light.ssim(&to.light),
            coarse_ssim: self.coarse.ssim(&to.coarse),
        }
    }

    /// How far the tone that most of the picture shares has shifted: the medians of the changes of L*, a* and b*, as a distance.
    pub fn tone_shift(&self, to: &Measured) -> f64 {
        let shift = |at: usize| median(self.lab.iter().zip(&to.lab).map(|(p, q)| f64::from(q[at] - p[at])));
        [0, 1, 2].map(shift).iter().map(|m| m * m).sum::<f64>().sqrt()
    }

    /// How much harder or softer the edges have become: |ln| of their steepness, wherever near by they are now.
    pub fn edge_shift(&self, to: &Measured) -> f64 {
        self.light.steepness_on_edges(&to.light, |to, from| (to + LEAST) / (from + LEAST)).ln().abs()
    }

    /// How much of what is in this picture is no longer where it was: 0 is nothing, 1 all of it. What `to` adds where this picture is plain
    /// does not count, nor do its tone and its sharpness.
    pub fn displacement(&self, to: &Measured) -> f64 {
        1.0 - plane::in_place(&self.places, &to.places)
    }

    /// How far `to` differs from this picture over coarse cells: mean ΔE.
    pub fn cell_distance(&self, to: &Measured) -> f64 {
        mean(self.cells.iter().zip(&to.cells).map(|(p, q)| length(difference(p, q))))
    }

    /// How far `to` has gone from this picture on the way to `toward`: the changes of coarse cells along those to `toward`, in ΔE. Where
    /// `toward` changes more counts more; 0 is this picture itself, or one that has changed elsewhere and otherwise.
    pub fn along(&self, toward: &Measured, to: &Measured) -> f64 {
        let ways = self.cells.iter().zip(&toward.cells).map(|(p, q)| difference(p, q));
        let (mut gone, mut all) = (0.0, 0.0);
        for (way, (p, q)) in ways.zip(self.cells.iter().zip(&to.cells)) {
            gone += way.iter().zip(difference(p, q)).map(|(w, d)| w * d).sum::<f64>();
            all += length(way);
        }
        gone / all.max(f64::MIN_POSITIVE)
    }
}

fn difference(from: &[f32; 3], to: &[f32; 3]) -> [f64; 3] {
    std::array::from_fn(|at| f64::from(to[at] - from[at]))
}

fn length(way: [f64; 3]) -> f64 {
    way.iter().map(|d| d * d).sum::<f64>().sqrt()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

/// L*, a*, b* of an sRGB colour (IEC 61966-2-1; white D65; CIE 15).
fn lab(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|sample| {
        let s = f32::from(sample) / 255.0;
        if s <= 0.04045 { s / 12.92 } else { ((s + 0.055) / 1.055).powf(2.4) }
    });
    let x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.950456;
    let y = 0.2126729 * r + 0.7151522 * g + 0.072175 * b;
    let z = (0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.088754;
    let [x, y, z] = [x, y, z].map(|t| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn picture(colour: impl Fn(u32, u32) -> [u8; 3]) -> Measured {
        Measured::new(&RgbImage::from_fn(64, 48, |x, y| Rgb(colour(x, y))))
    }

    #[test]
    fn known_colours() {
        let close = |rgb, expected: [f32; 3]| {
            let found = lab(rgb);
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 0.05), "{rgb:?}: {found:?}");
        };
        close([255, 255, 255], [100.0, 0.0, 0.0]);
        close([0, 0, 0], [0.0, 0.0, 0.0]);
        close([255, 0, 0], [53.24, 80.09, 67.2]);
        close([0, 0, 255], [32.3, 79.19, -107.86]);
    }

    #[test]
    fn equal_pictures_have_no_change() {
        let a = picture(|x, y| [(x * 4) as u8, (y * 5) as u8, 90]);
        let found = a.change_to(&a);
        assert!((found.ssim - 1.0).abs() < 1e-9 && (found.coarse_ssim - 1.0).abs() < 1e-9, "{found:?}");
        assert_eq!(Change { ssim: 1.0, coarse_ssim: 1.0, ..found }, Change::NONE);
    }

    #[test]
    fn each_measure_sees_its_own() {
        let plain = picture(|x, _| if x < 32 { [100, 100, 100] } else { [140, 140, 140] });
        let red = picture(|x, _| if x < 32 { [140, 90, 90] } else { [180, 130, 130] });
        let change = plain.change_to(&red);
        assert!(change.delta_e > 10.0 && change.a > 10.0 && change.saturation > 10.0, "{change:?}");
        assert!(change.coarse_ssim > 0.9 && (change.edges - 1.0).abs() < 0.2, "{change:?}");

        let hard = picture(|x, _| if x < 32 { [60, 60, 60] } else { [190, 190, 190] });
        let change = plain.change_to(&hard);
        assert!(change.contrast > 2.0 && change.edges > 4.0 && change.saturation.abs() < 1.0, "{change:?}");

        let moved = picture(|_, y| if y < 24 { [100, 100, 100] } else { [140, 140, 140] });
        assert!(plain.change_to(&moved).coarse_ssim < 0.9);
        let displaced = [&moved, &plain, &hard, &red].map(|to| plain.displacement(to));
        assert!(displaced[0] > 0.6 && displaced[1..].iter().all(|d| *d < 0.05), "{displaced:?}");

        // A frame, drawn around what stays as it is, is composition and neither a shift of colours nor harder lines.
        let square = |x: u32, y: u32| [100 + 40 * u8::from((24..40).contains(&x) && (16..32).contains(&y)); 3];
        let framed = picture(|x, y| match (x, y) {
            (4..60, 4..44) => square(x, y),
            _ => [250, 30, 30],
        });
        let change = picture(square).change_to(&framed);
        assert!(change.delta_e > 10.0 && change.edges > 2.0, "{change:?}");
        assert!(change.balance < 0.1 && change.line_error() < 0.3, "{change:?}");
        assert!(picture(square).displacement(&framed) < 0.2, "{}", picture(square).displacement(&framed));
        assert!(plain.change_to(&red).balance > 10.0 && plain.change_to(&hard).lines > 4.0);

        // Edges that have moved a little are as hard as before; blurred ones are softer.
        assert!(picture(square).edge_shift(&framed) < 0.1 && plain.edge_shift(&hard) > 0.7);
        let beside = picture(|x, _| if x < 34 { [100, 100, 100] } else { [140, 140, 140] });
        assert!(plain.edge_shift(&beside) < 0.05 && plain.change_to(&beside).line_error() > 0.3);
        assert!((plain.tone_shift(&red) - plain.change_to(&red).balance).abs() < 5.0);
        assert!(picture(square).tone_shift(&framed) < 0.1);

        // Noise leaves the composition.
        let still = picture(|x, y| {
            let v = if x < 32 { 100 } else { 140 };
            let v = if (x + y) % 2 == 0 { v - 15 } else { v + 15 };
            [v, v, v]
        });
        assert!(plain.change_to(&still).coarse_ssim > 0.95 && plain.change_to(&still).ssim < 0.6);
    }

    #[test]
    fn what_was_drawn_is_told_by_where_and_which_way() {
        let bar = |at: std::ops::Range<u32>, colour: [u8; 3]| {
            picture(move |x, _| if at.contains(&x) { colour } else { [120, 170, 240] })
        };
        let (plain, drawn) = (bar(0..0, [0; 3]), bar(0..16, [15, 26, 92]));
        let whole = plain.along(&drawn, &drawn);
        assert!(whole > 20.0 && plain.along(&drawn, &plain) == 0.0 && plain.cell_distance(&drawn) > whole / 5.0);
        // Elsewhere, or lighter instead of darker, is not it; half as dark is half of it.
        assert!(plain.along(&drawn, &bar(40..64, [15, 26, 92])).abs() < 1e-6);
        assert!(plain.along(&drawn, &bar(0..16, [200, 220, 255])) < 0.0);
        let half = plain.along(&drawn, &bar(0..16, [70, 100, 165])) / whole;
        assert!((0.3..0.7).contains(&half), "{half}");
        assert_eq!(plain.along(&plain, &drawn), 0.0);
    }

    #[test]
    fn hues_turn_the_right_way() {
        let of = |colour: [u8; 3]| picture(move |_, _| colour);
        let turn = of([200, 60, 60]).change_to(&of([200, 160, 60]));
        assert!((30.0..90.0).contains(&turn.hue), "{turn:?}");
        let back = of([200, 160, 60]).change_to(&of([200, 60, 60]));
        assert!((turn.hue + back.hue).abs() < 1e-6);
    }

    #[test]
    fn tiny_pictures_are_measured_too() {
        let one = Measured::new(&RgbImage::from_pixel(1, 1, Rgb([9, 9, 9])));
        assert!(one.change_to(&one).ssim.is_finite());
    }
}
