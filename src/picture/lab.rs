//! OpenCV's conversion between sRGB and CIE L*a*b* (D65) of bytes, in integers with tables.

use std::sync::LazyLock;

use super::Picture;

/// Bits after the point of a matrix.
const MATRIX: u32 = 12;
/// Bits after the point of linear light, going to Lab.
const LIGHT: u32 = 3;
/// Bits after the point of the cube roots.
const ROOT: u32 = MATRIX + LIGHT;
/// 1 in the way back.
const BASE: i32 = 1 << 14;
/// The steps of linear light in the way back.
const STEPS: usize = 1 << 12;
/// Bits that the way back leaves too many after its matrix.
const BACK: u32 = 14;

const WHITE: [f64; 3] = [0.950456, 1.0, 1.088754];
const TO_XYZ: [[f64; 3]; 3] =
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]];
const FROM_XYZ: [[f64; 3]; 3] =
    [[3.240479, -1.53715, -0.498535], [-0.969256, 1.875991, 0.041556], [0.055648, -0.204043, 1.057311]];

/// RGB bytes to L·255/100, a + 128, b + 128.
pub fn to_lab(picture: &Picture<3>) -> Picture<3> {
    let t = &*TO;
    picture.map(|rgb| {
        let light = rgb.map(|v| t.light[usize::from(v)]);
        let root = t.matrix.map(|row| t.root[shifted(dot(row, light), MATRIX) as usize]);
        let half = 128 << ROOT;
        let byte = |value: i32| shifted(value, ROOT).clamp(0, 255) as u8;
        let lightness = (116 * 255 + 50) / 100 * root[1] - ((16 * 255 * (1 << ROOT) + 50) / 100);
        [byte(lightness), byte(500 * (root[0] - root[1]) + half), byte(200 * (root[1] - root[2]) + half)]
    })
}

/// The way back.
pub fn from_lab(picture: &Picture<3>) -> Picture<3> {
    let t = &*FROM;
    picture.map(|[l, a, b]| {
        let (y, root) = t.lightness[usize::from(l)];
        let across = ((5 * i32::from(a) * 53687 + (1 << 7)) >> 13) - 128 * BASE / 500;
        let along = ((i32::from(b) * 41943 + (1 << 4)) >> 9) - 128 * BASE / 200 + 1;
        let xyz = [cubed(root + across), y, cubed(root - along)];
        t.matrix.map(|row| t.byte[shifted(dot(row, xyz), BACK).clamp(0, STEPS as i32 - 1) as usize])
    })
}

struct To {
    /// Linear light of a byte.
    light: [i32; 256],
    /// f(t) = ∛t, a line near 0.
    root: Vec<i32>,
    matrix: [[i32; 3]; 3],
}

static TO: LazyLock<To> = LazyLock::new(|| {
    let linear = |v: f64| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
    let steps = 255.0 * f64::from(1 << LIGHT);
    let root = |t: f64| if t < 216.0 / 24389.0 { t * 841.0 / 108.0 + 16.0 / 116.0 } else { t.cbrt() };
    let scaled = |row: usize| TO_XYZ[row].map(|v| whole(v * f64::from(1 << MATRIX) / WHITE[row]));
    To {
        light: std::array::from_fn(|i| whole(steps * linear(i as f64 / 255.0))),
        root: (0..(256 * 3 / 2) << LIGHT).map(|i| whole(f64::from(1 << ROOT) * root(f64::from(i) / steps))).collect(),
        matrix: [scaled(0), scaled(1), scaled(2)],
    }
});

struct From {
    /// Y and f(Y) of an L.
    lightness: [(i32, i32); 256],
    /// The byte of linear light.
    byte: Vec<u8>,
    matrix: [[i32; 3]; 3],
}

static FROM: LazyLock<From> = LazyLock::new(|| {
    let gamma = |v: f64| if v <= 0.0031308 { v * 12.92 } else { v.powf(1.0 / 2.4) * 1.055 - 0.055 };
    let base = f64::from(BASE);
    let lightness = |i: usize| match i as f64 {
        l if i <= 20 => {
            let y = l * base * 180.0 / f64::from(17 * 29 * 29 * 29);
            (whole(y), whole(base * (16.0 / 116.0 + l * 5.0 / f64::from(3 * 17 * 29))))
        }
        l => {
            let root = l * 100.0 * base / f64::from(255 * 116) + 16.0 * base / 116.0;
            (whole(root * root * root / (base * base)), whole(root))
        }
    };
    let scaled = |row: usize| std::array::from_fn(|i| whole(FROM_XYZ[row][i] * f64::from(1 << MATRIX) * WHITE[i]));
    From {
        lightness: std::array::from_fn(lightness),
        byte: (0..STEPS).map(|i| whole(255.0 * gamma(i as f64 / STEPS as f64)) as u8).collect(),
        matrix: [scaled(0), scaled(1), scaled(2)],
    }
});

/// The inverse of f, in integers that truncate.
fn cubed(v: i32) -> i32 {
    // 6/29 of the base: below it f is a line.
    match v <= 3390 {
        true => v * 108 / 841 - BASE * 16 / 116 * 108 / 841,
        false => v * v / BASE * v / BASE,
    }
}

fn whole(v: f64) -> i32 {
    v.round_ties_even() as i32
}

fn dot(a: [i32; 3], b: [i32; 3]) -> i32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// v / 2ᵇⁱᵗˢ, rounded.
fn shifted(v: i32, bits: u32) -> i32 {
    (v + (1 << (bits - 1))) >> bits
}
