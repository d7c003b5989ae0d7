//! The embedded model's world as a judge: what its pictures of one thing in the middle show, told from the prompt and the pixels
//! alone, with nothing of what lbw measures with.

use image::RgbImage;

/// A prompt whose picture is known.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub colour: &'static str,
    pub ground: &'static str,
}

/// Colours of things and grounds, as `fixtures/embedded/world.py` has them.
const COLOURS: [(&str, [f64; 3]); 6] = [
    ("red", [215.0, 30.0, 30.0]),
    ("orange", [242.0, 130.0, 15.0]),
    ("yellow", [248.0, 205.0, 0.0]),
    ("green", [30.0, 150.0, 55.0]),
    ("cyan", [0.0, 190.0, 205.0]),
    ("blue", [30.0, 65.0, 210.0]),
];
const GROUNDS: [(&str, [f64; 3]); 6] = [
    ("white", [248.0, 248.0, 248.0]),
    ("gray", [135.0, 135.0, 135.0]),
    ("blue", [120.0, 170.0, 240.0]),
    ("green", [145.0, 218.0, 145.0]),
    ("yellow", [250.0, 235.0, 150.0]),
    ("pink", [250.0, 172.0, 200.0]),
];

impl Scene {
    /// The scene that a prompt of this form tells.
    pub fn of(prompt: &str) -> Option<Scene> {
        let word = |names: [&'static str; 6], word: &str| names.into_iter().find(|name| *name == word);
        let mut words = prompt.split([' ', ',']).filter(|word| !word.is_empty());
        let colour = word(COLOURS.map(|(name, _)| name), words.next()?)?;
        let _shape = words.next()?;
        let ground = word(GROUNDS.map(|(name, _)| name), words.find(|word| *word != "centered")?)?;
        Some(Scene { colour, ground })
    }
}

/// What should not have happened to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Colour,
    Lines,
    Blur,
    Composition,
}

/// What is wanted, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motif {
    /// A dark blue frame.
    Frame,
    /// An orange sun in the corner.
    Sun,
    /// Green ground below.
    Ground,
}

impl Motif {
    fn colour(self) -> [f64; 3] {
        match self {
            Motif::Frame => [15.0, 26.0, 92.0],
            Motif::Sun => [255.0, 184.0, 26.0],
            Motif::Ground => [26.0, 92.0, 41.0],
        }
    }

    /// Whether a pixel of a picture of 128×128 is well inside it.
    fn has(self, x: f64, y: f64) -> bool {
        match self {
            Motif::Frame => x.min(127.0 - x).min(y.min(127.0 - y)) < 12.0,
            Motif::Sun => (x - 24.0).hypot(y - 24.0) < 13.0,
            Motif::Ground => y > 107.0,
        }
    }
}

/// Pixels that no motif covers and things in the middle may.
fn is_inner(x: f64, y: f64) -> bool {
    x.min(127.0 - x).min(y) > 20.0 && y < 100.0 && (x - 24.0).hypot(y - 24.0) > 20.0
}

/// Of these, those around the thing.
fn is_ring(x: f64, y: f64) -> bool {
    is_inner(x, y) && (x.min(127.0 - x).min(y) < 29.0)
}

/// What a picture of 128×128 shows.
pub struct Judged {
    ground: [f64; 3],
    centre: [f64; 3],
    /// The share of dark pixels, in percent.
    ink: f64,
    /// The mean of the steepest gradients.
    sharpness: f64,
    /// Where the thing is, and how large, in pixels.
    place: [f64; 2],
    area: f64,
    pixels: RgbImage,
}

impl Judged {
    pub fn new(pixels: RgbImage) -> Self {
        assert_eq!(pixels.dimensions(), (128, 128), "the judge knows pictures of the model's own size");
        let of = |is: &dyn Fn(f64, f64) -> bool| -> Vec<[f64; 3]> {
            let inside = pixels.enumerate_pixels().filter(|(x, y, _)| is(f64::from(*x), f64::from(*y)));
            inside.map(|(_, _, p)| p.0.map(f64::from)).collect()
        };
        let ground = median(&of(&is_ring));
        let centre = median(&of(&|x, y| (x - 63.5).abs() < 10.0 && (y - 63.5).abs() < 10.0));
        let inner = of(&is_inner);
        let dark = inner.iter().filter(|p| p.iter().all(|v| *v < 77.0)).count();
        let luma = |x: u32, y: u32| {
            let [r, g, b] = pixels.get_pixel(x, y).0.map(f64::from);
            0.299 * r + 0.587 * g + 0.114 * b
        };
        let places = || (0..127u32).flat_map(|y| (0..127u32).map(move |x| (x, y)));
        let inside = || places().filter(|(x, y)| is_inner(f64::from(*x), f64::from(*y)));
        let mut steep: Vec<f64> =
            inside().map(|(x, y)| (luma(x + 1, y) - luma(x, y)).hypot(luma(x, y + 1) - luma(x, y))).collect();
        steep.sort_by(|p, q| q.total_cmp(p));
        steep.truncate(steep.len() / 33);
        let sharpness = steep.iter().sum::<f64>() / steep.len() as f64;
        let is_thing = |(x, y): &(u32, u32)| {
            let pixel = pixels.get_pixel(*x, *y).0;
            pixel.iter().zip(ground).any(|(v, g)| (f64::from(*v) - g).abs() > 50.0)
        };
        let thing: Vec<(u32, u32)> = inside().filter(is_thing).collect();
        let area = thing.len() as f64 + 1.0;
        let place = [
            thing.iter().map(|p| f64::from(p.0)).sum::<f64>() / area,
            thing.iter().map(|p| f64::from(p.1)).sum::<f64>() / area,
        ];
        let ink = 100.0 * dark as f64 / inner.len() as f64;
        Judged { ground, centre, ink, sharpness, place, area, pixels }
    }

    /// How much of a damage there is, next to the base model's picture of the same prompt and seed; 0 is none.
    pub fn damage(&self, damage: Damage, scene: Scene, base: &Judged) -> f64 {
        let nominal = |table: &[(&str, [f64; 3]); 6], name: &str| table.iter().find(|(n, _)| *n == name).unwrap().1;
        let off = |judged: &Judged| {
            distance(judged.ground, nominal(&GROUNDS, scene.ground))
                + distance(judged.centre, nominal(&COLOURS, scene.colour))
        };
        match damage {
            Damage::Colour => off(self) - off(base),
            Damage::Lines => self.ink - base.ink,
            Damage::Blur => (base.sharpness / self.sharpness.max(1.0)).ln(),
            Damage::Composition => {
                let [dx, dy] = [self.place[0] - base.place[0], self.place[1] - base.place[1]];
                dx.hypot(dy) + 20.0 * (self.area / base.area).ln().abs()
            }
        }
    }

    /// How much of a motif is there: 1 is all of it, 0 as in the base model's picture.
    pub fn motif(&self, motif: Motif, base: &Judged) -> f64 {
        let far = |judged: &Judged| {
            let inside = judged.pixels.enumerate_pixels().filter(|(x, y, _)| motif.has(f64::from(*x), f64::from(*y)));
            let distances: Vec<f64> = inside.map(|(_, _, p)| distance(p.0.map(f64::from), motif.colour())).collect();
            distances.iter().sum::<f64>() / distances.len() as f64
        };
        1.0 - far(self) / far(base)
    }
}

fn distance(p: [f64; 3], q: [f64; 3]) -> f64 {
    p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt()
}

fn median(colours: &[[f64; 3]]) -> [f64; 3] {
    std::array::from_fn(|at| {
        let mut values: Vec<f64> = colours.iter().map(|c| c[at]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}
