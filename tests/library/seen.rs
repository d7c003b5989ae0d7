//! What a checkpoint sees in pictures: places with its UNet, tone and lines with its VAE.

use lbw::engine::{Engine, Features, unobserved};
use lbw::image_io::Rgb;
use lbw::study::tune::Seen;

use crate::drawing::{draw, embedded, engine, plan};

/// A disc as the embedded model's world draws one.
struct Disc {
    at: [f64; 2],
    colour: [u8; 3],
    ground: [u8; 3],
    /// Pixels of a dark outline.
    outline: f64,
}

const DISC: Disc = Disc { at: [64.0, 64.0], colour: [215, 30, 30], ground: [120, 170, 240], outline: 0.0 };

impl Disc {
    fn picture(&self) -> Rgb {
        let pixel = |n: usize| {
            let far = (f64::from((n % 128) as u32) - self.at[0]).hypot(f64::from((n / 128) as u32) - self.at[1]) - 24.0;
            if far < -self.outline {
                self.colour
            } else if far < 0.0 {
                [20, 20, 20]
            } else {
                self.ground
            }
        };
        Rgb { width: 128, height: 128, bytes: (0..128 * 128).flat_map(pixel).collect() }
    }
}

fn seen(engine: &mut Engine, disc: &Disc) -> Seen {
    let Features { content, channels, style } = engine.see(&disc.picture(), &mut unobserved).unwrap();
    Seen { content, channels, style }
}

#[test]
fn places_are_seen_by_the_content_and_tone_and_lines_by_the_style() {
    let mut engine = engine(&embedded().join("shapes-xl.safetensors"));
    let disc = seen(&mut engine, &DISC);
    assert_eq!((disc.content_distance(&disc), disc.style_distance(&disc)), (0.0, 0.0));
    let moved = seen(&mut engine, &Disc { at: [88.0, 44.0], ..DISC });
    let redder = seen(&mut engine, &Disc { ground: [140, 120, 170], ..DISC });
    let inked = seen(&mut engine, &Disc { outline: 8.0, ..DISC });
    let content = [&moved, &redder, &inked].map(|other| disc.content_distance(other));
    let style = [&moved, &redder, &inked].map(|other| disc.style_distance(other));
    assert!(content[0] > 2.0 * content[1] && content[0] > 2.0 * content[2], "{content:?}");
    assert!(style[1] > 5.0 * style[0] && style[2] > 5.0 * style[0], "{style:?}");
}

/// Looking leaves nothing behind, and what was drawn with before does not change what is seen.
#[test]
fn looking_and_drawing_do_not_know_of_each_other() {
    let mut engine = engine(&embedded().join("shapes-xl.safetensors"));
    let fresh = seen(&mut engine, &DISC);
    let plan = plan("red circle <lora:house:1>");
    let drawn = draw(&mut engine, &plan).rgb;
    assert_eq!(seen(&mut engine, &DISC), fresh);
    assert_eq!(draw(&mut engine, &plan).rgb, drawn);
}
