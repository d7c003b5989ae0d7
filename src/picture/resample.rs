//! Resizing bit for bit as Pillow does it.
//!
//! Pillow works in fixed point: weights have 22 bits after the point, and rows are rounded to bytes between the horizontal
//! and the vertical pass.

use std::f64::consts::PI;

use super::Picture;

/// Bits after the point of a weight: 32, less 8 for the byte and 2 for the sign and the overshoot.
const PRECISION: u32 = 22;

/// How values between pixels are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The pixel that lies there.
    Nearest,
    /// The mean of a pixel's width.
    Box,
    /// Lines between two pixels.
    Bilinear,
    /// Cubic curves between four.
    Bicubic,
    /// A windowed sinc over six.
    Lanczos,
}

/// A part of a picture that is resized: from `left` to `right` and from `top` to `bottom`, in pixels. It may be empty: then the
/// line where it lies is stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// From the picture's left edge.
    pub left: f32,
    /// From the picture's upper edge.
    pub top: f32,
    /// From the picture's left edge.
    pub right: f32,
    /// From the picture's upper edge.
    pub bottom: f32,
}

impl Filter {
    /// How far from the middle values count, in pixels.
    fn reach(self) -> f64 {
        match self {
            Filter::Nearest => 0.0,
            Filter::Box => 0.5,
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        match self {
            Filter::Nearest => 0.0,
            Filter::Box => f64::from(x > -0.5 && x <= 0.5),
            Filter::Bilinear => (1.0 - x.abs()).max(0.0),
            Filter::Bicubic => bicubic(x.abs()),
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

/// Keys' cubic with a = −1/2.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

impl<const C: usize> Picture<C> {
    /// The whole picture stretched to `width` × `height`.
    pub fn resized(&self, filter: Filter, width: usize, height: usize) -> Self {
        let part = Part { left: 0.0, top: 0.0, right: self.width as f32, bottom: self.height as f32 };
        self.part_resized(filter, part, width, height)
    }

    /// A part of the picture stretched to `width` × `height`.
    pub fn part_resized(&self, filter: Filter, part: Part, width: usize, height: usize) -> Self {
        if self.bytes.is_empty() || width == 0 || height == 0 {
            return Picture::filled(width, height, [0; C]);
        }
        let across = Span { from: part.left, to: part.right, inputs: self.width, outputs: width };
        let down = Span { from: part.top, to: part.bottom, inputs: self.height, outputs: height };
        if filter == Filter::Nearest {
            return self.nearest(across, down);
        }
        let whole =
            if across.is_whole() { self.clone() } else { self.transposed().stretched(filter, across).transposed() };
        if down.is_whole() { whole } else { whole.stretched(filter, down) }
    }

    /// The picture stretched along its height.
    fn stretched(&self, filter: Filter, span: Span) -> Self {
        let row = C * self.width;
        let mut bytes = Vec::with_capacity(row * span.outputs);
        let mut sums = vec![0i64; row];
        for i in 0..span.outputs {
            let (first, weights) = span.weights(filter, i);
            sums.fill(1 << (PRECISION - 1));
            for (line, weight) in self.bytes.chunks_exact(row).skip(first).zip(&weights) {
                for (sum, byte) in sums.iter_mut().zip(line) {
                    *sum += i64::from(*byte) * weight;
                }
            }
            bytes.extend(sums.iter().map(|sum| (sum >> PRECISION).clamp(0, 255) as u8));
        }
        Picture { width: self.width, height: span.outputs, bytes }
    }

    fn nearest(&self, across: Span, down: Span) -> Self {
        let (columns, pixels) = (across.places(), self.pixels());
        let rows = down.places();
        let place = |(y, x): (Option<usize>, Option<usize>)| Some(pixels[y? * self.width + x?]);
        let places = rows.iter().flat_map(|y| columns.iter().map(|x| (*y, *x)));
        let bytes = places.flat_map(|at| place(at).unwrap_or([0; C])).collect();
        Picture { width: across.outputs, height: down.outputs, bytes }
    }
}

/// One direction of a resize.
#[derive(Clone, Copy)]
struct Span {
    from: f32,
    to: f32,
    inputs: usize,
    outputs: usize,
}

impl Span {
    /// Whether nothing changes.
    fn is_whole(&self) -> bool {
        self.inputs == self.outputs && self.from == 0.0 && self.to == self.inputs as f32
    }

    /// Inputs for each output.
    fn scale(&self) -> f64 {
        f64::from(self.to - self.from) / self.outputs as f64
    }

    /// The first input of output `i`, and the weights of it and those after it.
    fn weights(&self, filter: Filter, i: usize) -> (usize, Vec<i64>) {
        let stretch = self.scale().max(1.0);
        let support = filter.reach() * stretch;
        let center = f64::from(self.from) + (i as f64 + 0.5) * self.scale();
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(self.inputs);
        let inverse = 1.0 / stretch;
        let raw: Vec<f64> = (first..end).map(|at| filter.at((at as f64 - center + 0.5) * inverse)).collect();
        let sum: f64 = raw.iter().sum();
        let fixed = |w: f64| {
            let share = if sum == 0.0 { w } else { w / sum };
            let scaled = share * f64::from(1u32 << PRECISION);
            // Halves go away from zero.
            (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i64
        };
        (first, raw.into_iter().map(fixed).collect())
    }

    /// The input of each output without a filter. The place is a running sum, as in Pillow: a product differs where it lies
    /// between two pixels.
    fn places(&self) -> Vec<Option<usize>> {
        let mut at = f64::from(self.from) + self.scale() * 0.5;
        let next = |_| {
            let place = if at < 0.0 { None } else { Some(at as usize).filter(|place| *place < self.inputs) };
            at += self.scale();
            place
        };
        (0..self.outputs).map(next).collect()
    }
}
