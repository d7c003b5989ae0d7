//! Drawing over a part of a picture: masks from files and from transparency, what is said about them, and pasting it all again.

use image::{Luma, Rgb, RgbImage, Rgba};
use serde_json::json;

use crate::sandbox::Sandbox;
use crate::worker::worker_in;

const SMALL: [&str; 8] = ["--steps", "2", "--seed", "1", "--sampler", "Euler", "--size", "64x64"];

/// A sandbox with a picture, `init.png`, a mask of its right half, `mask.png`, and the same as transparency, `holed.png`.
fn sandbox() -> Sandbox {
    let s = Sandbox::new();
    let colour = |x: u32, y: u32| [200 - x as u8, 40 + y as u8, 90];
    RgbImage::from_fn(64, 64, |x, y| Rgb(colour(x, y))).save(s.path("init.png")).unwrap();
    image::GrayImage::from_fn(64, 64, |x, _| Luma([if x < 32 { 0 } else { 255 }])).save(s.path("mask.png")).unwrap();
    let holed = image::RgbaImage::from_fn(64, 64, |x, y| {
        let [r, g, b] = colour(x, y);
        if x < 32 { Rgba([r, g, b, 255]) } else { Rgba([255, 255, 255, 0]) }
    });
    holed.save(s.path("holed.png")).unwrap();
    s
}

fn draw(s: &Sandbox, name: &str, args: &[&str]) -> (RgbImage, String) {
    let (_, said) = s.expect(0, &[&["img2img", "red circle", "-o", name], &SMALL[..], args].concat());
    (s.picture(name), said)
}

/// Whether all pixels of some columns are those of `init.png`.
fn kept(s: &Sandbox, picture: &RgbImage, mut columns: std::ops::Range<u32>) -> bool {
    let init = s.picture("init.png");
    columns.all(|x| (0..64).all(|y| picture.get_pixel(x, y) == init.get_pixel(x, y)))
}

#[test]
fn only_what_is_masked_changes() {
    let s = sandbox();
    let masked = ["--init", "init.png", "--mask", "mask.png", "--mask-blur", "2"];
    let (right, _) = draw(&s, "right.png", &masked);
    assert!(kept(&s, &right, 0..24) && !kept(&s, &right, 48..49));
    let (left, _) = draw(&s, "left.png", &[&masked[..], &["--mask-invert"]].concat());
    assert!(kept(&s, &left, 40..64) && !kept(&s, &left, 0..1));
    let (free, _) = draw(&s, "free.png", &[&masked[..], &["--overlay-inpaint=false"]].concat());
    assert!(!kept(&s, &free, 0..1));
    let (info, _) = s.expect(0, &["info", "left.png"]);
    assert!(info.contains("Mask mode: Inpaint not masked, Mask blur: 2,"), "{info}");

    // The transparency of a picture is a mask.
    let (holes, _) = draw(&s, "holes.png", &["--init", "holed.png", "--mask", "alpha", "--masked-content", "fill"]);
    assert!(kept(&s, &holes, 0..16));
    let white = |p: &Rgb<u8>| p.0.iter().all(|v| *v > 250);
    assert!(!holes.pixels().any(white), "what was transparent is filled with its surroundings");
}

#[test]
fn only_the_masked_part_is_drawn_large() {
    let s = sandbox();
    let fields =
        ["--init", "init.png", "--mask", "mask.png", "--only-masked", "--only-masked-padding", "8", "--mask-blur", "1"];
    let (part, _) = draw(&s, "part.png", &[&fields[..], &["--masked-content", "latent nothing"]].concat());
    assert_eq!(part.dimensions(), (64, 64));
    assert!(kept(&s, &part, 0..24) && !kept(&s, &part, 48..49));
    let (info, _) = s.expect(0, &["info", "part.png"]);
    for field in ["Inpaint area: Only masked", "Masked area padding: 8", "Masked content: latent nothing"] {
        assert!(info.contains(field), "{info}");
    }

    // The infotext gives the same bytes with the same picture and mask, and so does the plan.
    let pictures = ["--init", "init.png", "--mask", "mask.png"];
    s.expect(0, &[&["img2img", info.trim(), "-o", "pasted.png"], &pictures[..]].concat());
    assert!(s.bytes("part.png") == s.bytes("pasted.png"));
    s.expect(0, &[&["run", "part.png", "-o", "run.png"], &pictures[..]].concat());
    assert!(s.bytes("part.png") == s.bytes("run.png"));
    let (_, said) = s.expect(3, &["run", "part.png", "--init", "init.png", "-o", "without.png"]);
    assert!(said.contains("--mask"), "{said}");
    // A batch's line as well.
    let line = "--prompt \"red circle\" --init init.png --mask mask.png --inpaint_full_res true \
        --inpaint_full_res_padding 8 --mask_blur 1 --inpainting_fill 3";
    s.write("lines.txt", format!("#lbw --steps 2 --sampler Euler --width 64 --height 64\n{line} --seed 1\n"));
    s.expect(0, &["batch", "lines.txt", "-o", "out"]);
    let drawn = s.names("out").into_iter().find(|name| name.ends_with(".png")).unwrap();
    s.assert_same_picture("part.png", &format!("out/{drawn}"));
    // A worker's plan, and its request in the infotext's own words.
    let plan = &s.json(&["info", "part.png", "--json"])["plan"];
    let plan = json!({ "plan": plan, "file": "plan.png" });
    let request = json!({ "prompt": info.trim(), "init": "init.png", "mask": "mask.png" });
    let request = json!({ "request": request, "file": "request.png" });
    worker_in(&s, &pictures, 0, format!("{plan}\n{request}\n").as_bytes());
    s.assert_same_picture("part.png", "out/plan.png");
    s.assert_same_picture("part.png", "out/request.png");
}

#[test]
fn what_does_not_fit_is_told_before_the_first_step() {
    let s = sandbox();
    image::GrayImage::new(32, 64).save(s.path("narrow.png")).unwrap();
    image::GrayImage::new(64, 64).save(s.path("black.png")).unwrap();
    image::GrayImage::from_pixel(72, 64, Luma([255])).save(s.path("wide.png")).unwrap();
    let refused = |args: &[&str], says: &str| {
        let command = [&["img2img", "x", "-o", "x.png"], &SMALL[..], args].concat();
        let (_, said) = s.expect(2, &command);
        assert!(said.contains("E1101") && said.contains(says), "{said}");
        let (_, said) = s.expect(2, &[&command[..], &["--lang", "ja"]].concat());
        assert!(said.contains("E1101") && said.contains("マスク") | said.contains("--mask"), "{said}");
    };
    refused(&["--init", "init.png", "--mask", "narrow.png"], "32×64");
    refused(&["--init", "init.png", "--mask", "alpha"], "transparent");
    refused(&["--init", "wide.png", "--mask", "wide.png", "--resize-mode", "latent"], "latent");
    assert!(!s.path("x.png").exists());

    let (_, said) = draw(&s, "black-whole.png", &["--init", "init.png", "--mask", "black.png"]);
    assert!(said.contains("W1102") && said.contains("stays as it is"), "{said}");
    let (_, said) = draw(&s, "black-part.png", &["--init", "init.png", "--mask", "black.png", "--only-masked"]);
    assert!(said.contains("W1102") && said.contains("as in webui"), "{said}");
    // Fields of a pasted text that need a picture.
    let text =
        "a\nSteps: 1, Seed: 1, Size: 64x64, Mask blur: 9, Inpaint area: Only masked, Soft inpainting enabled: True";
    let (_, said) = s.expect(0, &["plan", text]);
    assert!(said.contains("Mask blur, Inpaint area") && said.contains("Soft inpainting"), "{said}");
}
