//! `lbw upscale`: finished pictures made larger.

use image::RgbImage;
use lbw::image_io::{Existing, read_text, write_png};

use crate::sandbox::{Sandbox, json};

const TEXT: &str = "a cat\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 24x16";

/// A sandbox with a picture of 24×16 pixels, `a.png`.
fn sandbox() -> Sandbox {
    let s = Sandbox::new();
    let picture = RgbImage::from_fn(24, 16, |x, y| image::Rgb([x as u8 * 10, y as u8 * 15, 90]));
    write_png(&s.path("a.png"), &picture, TEXT, Some("{}"), Existing::Keep).unwrap();
    s
}

fn parameters(s: &Sandbox, name: &str) -> String {
    read_text(&s.path(name)).unwrap().parameters.unwrap()
}

#[test]
fn a_picture_keeps_its_text_and_says_what_was_done() {
    let s = sandbox();
    s.expect(0, &["upscale", "a.png", "--scale", "2.5", "-o", "large.png"]);
    assert_eq!(s.picture("large.png").dimensions(), (56, 40), "whole eighths, as webui has it");
    let text = parameters(&s, "large.png");
    assert_eq!(text, format!("{TEXT}, Postprocess upscale by: 2.5, Postprocess upscaler: Lanczos"));
    assert_eq!(read_text(&s.path("large.png")).unwrap().plan.as_deref(), Some("{}"));
    // What was done afterwards is not drawn, and that is said.
    let (_, err) = s.expect(0, &["plan", &text]);
    assert!(err.contains("W0608") && err.contains("lbw upscale"), "{err}");
    let (_, err) = s.expect(3, &["upscale", "a.png", "-o", "large.png"]);
    assert!(err.contains("E0707"), "{err}");
}

#[test]
fn sizes_and_a_second_upscaler() {
    let s = sandbox();
    let to = |args: &[&str], name: &str| {
        s.expect(0, &[&["upscale", "a.png", "-o", name], args].concat());
        (s.picture(name).dimensions(), parameters(&s, name))
    };
    let (size, text) = to(&["--size", "60x60", "--crop"], "cut.png");
    assert_eq!(size, (60, 60));
    assert!(text.contains("Postprocess upscale to: 60x60, Postprocess crop to: 60x60"), "{text}");
    assert_eq!(to(&["--size", "60x60"], "covering.png").0, (88, 56));
    let (size, text) = to(&["--scale", "4", "--max-side", "48"], "limited.png");
    assert_eq!(size, (48, 32));
    assert!(text.contains("Postprocess upscale by: 4, Max side length: 48"), "{text}");
    let (_, err) = s.expect(0, &["upscale", "a.png", "-o", "b.png", "--memory", "8g", "--weights", "f16"]);
    assert!(err.contains("W0610") && err.contains("--memory, --weights: without effect"), "{err}");
    let (_, text) = to(&["-u", "nearest", "--upscaler-2", "Lanczos", "--upscaler-2-visibility", "0.3"], "mixed.png");
    assert!(text.ends_with("Postprocess upscaler: Nearest, Postprocess upscaler 2: Lanczos"), "{text}");
}

#[test]
fn the_built_in_upscaler_sharpens_what_the_built_in_model_draws() {
    let s = Sandbox::new();
    let (listed, _) = s.expect(0, &["upscalers"]);
    assert!(listed.contains("shapes-2x"), "{listed}");
    let settings = ["--steps", "4", "--seed", "1", "--sampler", "Euler a", "--cfg-scale", "4"];
    let hires =
        ["--hires-upscaler", "shapes-2x", "--hires-upscale", "2", "--hires-steps", "1", "--denoising-strength", "0.1"];
    let size = ["--size", "64x64", "-o", "large.png"];
    s.expect(0, &[&["red circle, blue background"], &settings[..], &hires, &size].concat());
    assert_eq!(s.picture("large.png").dimensions(), (128, 128));
    let text = parameters(&s, "large.png");
    assert!(text.contains("Hires upscaler: shapes-2x"), "{text}");
    s.expect(0, &["txt2img", &text, "-o", "again.png"]);
    assert_eq!(s.bytes("again.png"), s.bytes("large.png"), "its own infotext gives the same bytes");
    // An edge is made steeper than interpolation makes it.
    let edge = RgbImage::from_fn(32, 32, |x, _| {
        let part = ((x as f32 - 14.5) / 3.0).clamp(0.0, 1.0);
        image::Rgb([[215.0, 120.0], [30.0, 170.0], [30.0, 240.0]].map(|[from, to]| (from + (to - from) * part) as u8))
    });
    edge.save(s.path("edge.png")).unwrap();
    let steepest = |upscaler: &str| {
        let name = format!("{upscaler}.png");
        s.expect(0, &["upscale", "edge.png", "--scale", "2", "-u", upscaler, "-o", &name]);
        let picture = s.picture(&name);
        assert_eq!(picture.dimensions(), (64, 64));
        (1..64).map(|x| picture.get_pixel(x, 32)[2].abs_diff(picture.get_pixel(x - 1, 32)[2])).max().unwrap()
    };
    let (network, filter) = (steepest("shapes-2x"), steepest("Lanczos"));
    assert!(network > filter, "{network} against {filter}");
}

#[test]
fn a_folder_goes_on_where_it_was() {
    let s = sandbox();
    s.folder("in");
    std::fs::copy(s.path("a.png"), s.path("in/b.png")).unwrap();
    s.write("in/notes.txt", "");
    let run = |args: &[&str]| s.expect(0, &[&["upscale", "in", "--json", "-o", "out"], args].concat()).0;
    let first = json(&run(&[]));
    assert_eq!((&first["was_there"], s.names("out").len()), (&false.into(), 1));
    let again = json(&run(&[]));
    assert_eq!((&again["was_there"], &again["file"]), (&true.into(), &first["file"]));
    // A file that was cut off is made again, and other settings make other files.
    let name = first["file"].as_str().unwrap().to_owned();
    let bytes = s.bytes(&name);
    s.write(&name, &bytes[..bytes.len() / 2]);
    assert_eq!(json(&run(&[]))["was_there"], false);
    assert_eq!(s.bytes(&name), bytes);
    run(&["--scale", "3"]);
    assert_eq!(s.names("out").len(), 2);
    // What cannot be read does not stop the others.
    s.write("in/damaged.png", "x");
    let (_, err) = s.expect(1, &["upscale", "in", "-o", "out"]);
    assert!(err.contains("damaged.png"), "{err}");
}

#[test]
fn names_files_and_numbers_that_do_not_fit_are_refused() {
    let s = sandbox();
    let refused = |code: i32, args: &[&str], words: &[&str]| {
        let (_, err) = s.expect(code, &[&["upscale", "a.png", "-o", "x.png"], args].concat());
        assert!(words.iter().all(|word| err.contains(word)), "{err}");
        assert!(!s.path("x.png").exists());
    };
    refused(2, &["-u", "4x-UltraSharp"], &["E0611", "4x-UltraSharp", "Lanczos", "--upscaler-dir"]);
    refused(2, &["-u", "Lancsoz"], &["did you mean `Lanczos`?"]);
    refused(2, &["-u", "SwinIR 4x"], &["SwinIR network, which lbw cannot run"]);
    refused(2, &["--scale", "0"], &["E0609"]);
    refused(2, &["--scale", "5000"], &["E0609", "too large"]);
    refused(2, &["--size", "big"], &["--size big"]);
    refused(2, &["--tile", "8", "--tile-overlap", "8"], &["E0609", "overlap"]);
    s.write("models/bad.pth", "not a model");
    // Python's `os.system`, as a pickle that a careless reader would run.
    s.write("models/evil.pth", b"cos\nsystem\n(S'touch ran'\ntR.");
    for name in ["bad", "evil"] {
        refused(3, &["-u", name, "--upscaler-dir", "models"], &["E0705", &format!("{name}.pth")]);
    }
    assert!(!s.path("ran").exists());
}

/// Decoded, enlarged as a picture and encoded again.
#[test]
fn a_second_pass_by_a_pixel_upscaler_comes_back_from_its_text() {
    let s = Sandbox::new();
    let small = ["--size", "64x64", "--steps", "1", "--seed", "3", "--sampler", "Euler"];
    let hires = ["--hires-upscale", "1.5", "--hires-upscaler", "lanczos", "--denoise", "0.5"];
    s.expect(0, &[&["txt2img", "red circle", "-o", "a.png"], &small[..], &hires].concat());
    assert_eq!(s.picture("a.png").dimensions(), (96, 96));
    let text = parameters(&s, "a.png");
    assert!(text.contains("Hires upscale: 1.5, Hires upscaler: Lanczos"), "{text}");
    s.expect(0, &["txt2img", &text, "-o", "b.png"]);
    s.assert_same_picture("a.png", "b.png");
    assert_eq!(parameters(&s, "b.png"), text);
}
