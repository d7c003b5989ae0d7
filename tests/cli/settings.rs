//! Settings as users give them: flags, pasted infotext, webui's configuration, pictures and VAEs.

use serde_json::Value;

use crate::sandbox::{Sandbox, json};

/// The plan that `lbw plan` makes of these arguments.
#[track_caller]
fn plan(s: &Sandbox, args: &[&str]) -> Value {
    s.json(&[&["plan", "--json"], args].concat())
}

#[test]
fn every_rare_flag_reaches_the_plan() {
    let s = Sandbox::new();
    #[rustfmt::skip]
    let full = plan(&s, &[
        "x", "--seed", "1", "--ensd", "31337", "--seed-resize-from", "64x96", "--s-churn", "0.1", "--s-tmin", "0.2", "--s-tmax", "5",
        "--s-noise", "1.01", "--sigma-min", "0.03", "--sigma-max", "14", "--rho", "6", "--beta-alpha", "0.5", "--beta-beta", "0.4",
        "--discard-penultimate-sigma", "--sgm-noise-multiplier", "--old-karras-sigmas", "--quantize-timesteps",
        "--downcast-alphas-cumprod", "--zero-terminal-snr", "--unipc-variant", "bh2", "--unipc-skip-type", "logSNR",
        "--unipc-order", "2", "--unipc-lower-order-final=false", "--ngms", "0.5", "--s-min-uncond-all", "--skip-early-cfg", "0.1",
        "--crop-top", "8", "--crop-left", "16", "--clip-skip-sdxl", "--comma-padding-backtrack", "0", "--pad-conds", "v0",
        "--old-prompt-editing", "--extra-noise", "0.1", "--sampler", "dpmpp_2m_sde_karras",
    ]);
    let settings = full["passes"][0]["settings"].as_object().unwrap();
    let plain = plan(&s, &["x", "--seed", "1"]);
    // What no flag above touches.
    let same: Vec<_> = settings
        .iter()
        .filter(|(k, v)| plain["passes"][0]["settings"].get(k) == Some(v))
        .map(|(k, _)| k.as_str())
        .collect();
    let untouched = [
        "steps",
        "cfg_scale",
        "seed",
        "width",
        "height",
        "clip_skip",
        "noise_source",
        "subseed",
        "subseed_strength",
        "emphasis",
        "eta",
    ];
    assert_eq!(same, untouched);
    assert_eq!((&settings["sampler"], &settings["schedule_type"]), (&"DPM++ 2M SDE".into(), &"Karras".into()));
}

#[test]
fn slips_in_names_are_recognised() {
    let s = Sandbox::new();
    let (_, err) = s.expect(2, &["plan", "x", "--sampler", "Eular a"]);
    assert!(err.contains("did you mean `Euler a`?") && err.contains("Restart, LCM"), "{err}");
    let (_, err) = s.expect(2, &["plan", "x", "--hires-upscaler", "4x-UltraSharp"]);
    assert!(err.contains("4x-UltraSharp") && err.contains("Latent (nearest-exact)"), "{err}");
    let pasted = "x\nSteps: 20, Sampler: Euler, Seed: 1, Denoising strength: 0.4, Hires upscale: 2, Hires upscaler: R-ESRGAN 4x+";
    let (_, err) = s.expect(2, &["plan", pasted]);
    assert!(err.contains("R-ESRGAN 4x+") && err.contains("--no-hires"), "{err}");
    assert!(plan(&s, &[pasted, "--no-hires"])["passes"].as_array().unwrap().len() == 1);
    let second = &plan(&s, &[pasted, "--hires-upscaler", "bicubic"])["passes"][1];
    assert_eq!(
        (&second["start"]["from"], &second["start"]["upscaler"]),
        (&"previous".into(), &"Latent (bicubic)".into())
    );
}

#[test]
fn webuis_configuration_is_taken_and_said() {
    let s = Sandbox::new();
    let model = std::fs::read(crate::sandbox::repository("fixtures/embedded/shapes-xl.safetensors")).unwrap();
    s.write("webui/models/Stable-diffusion/x.safetensors", model);
    let config = |text: &str| s.write("webui/config.json", text);
    let prompt = ["x", "--seed", "1", "--webui-dir", "webui", "--json"];
    config(
        r#"{"randn_source": "CPU", "eta_noise_seed_delta": 31337, "eta_ancestral": 0.5, "emphasis": "No norm",
               "sdxl_crop_top": "far", "use_old_emphasis_implementation": true, "sd_vae": "None"}"#,
    );
    let (out, err) = s.expect(0, &[&["plan"], &prompt[..]].concat());
    let settings = &json(&out)["passes"][0]["settings"];
    assert_eq!((&settings["noise_source"], &settings["eta_noise_seed_delta"]), (&"CPU".into(), &31337.into()));
    assert_eq!((&settings["eta"], &settings["emphasis"]), (&0.5.into(), &"No norm".into()));
    assert!(err.contains("eta_noise_seed_delta = 31337") && err.contains("`sdxl_crop_top` is \"far\""), "{err}");
    assert!(err.contains("does not do use_old_emphasis_implementation"), "{err}");

    let (out, err) = s.expect(0, &[&["plan", "--no-webui-config"], &prompt[..]].concat());
    assert!(out.contains("\"eta_noise_seed_delta\":0") && !err.contains("config.json"), "{err}");
    for strange in ["", "[1]", "{\"a\":", "\u{0}", "null"] {
        config(strange);
        let (_, err) = s.expect(0, &[&["plan"], &prompt[..]].concat());
        assert!(err.contains("config.json"), "{strange:?}: {err}");
    }
}

#[test]
fn a_picture_is_drawn_over() {
    let s = Sandbox::new();
    let mut picture = image::RgbaImage::from_pixel(48, 40, image::Rgba([200, 30, 30, 255]));
    picture.put_pixel(0, 0, image::Rgba([0, 0, 0, 0]));
    picture.save(s.path("init.png")).unwrap();
    let (_, err) = s.expect(2, &["img2img", "x"]);
    assert!(err.contains("--init"), "{err}");
    let draw = |name: &str, strength: &str| {
        let args = [
            "img2img",
            "red circle",
            "--init",
            "init.png",
            "--steps",
            "2",
            "--seed",
            "1",
            "--width",
            "64",
            "--height",
            "64",
        ];
        s.expect(0, &[&args[..], &["--denoising-strength", strength, "-o", name]].concat());
        s.picture(name)
    };
    let (weak, strong) = (draw("weak.png", "0"), draw("strong.png", "1"));
    assert_eq!(weak.dimensions(), (64, 64));
    let red = |image: &image::RgbImage| image.pixels().map(|p| i64::from(p.0[0]) - i64::from(p.0[2])).sum::<i64>();
    assert!(red(&weak) > 64 * 64 * 60 && weak != strong, "{} {}", red(&weak), red(&strong));
    let (info, _) = s.expect(0, &["info", "strong.png"]);
    assert!(info.contains("Denoising strength: 1,"), "{info}");

    // The plan knows the picture by its pixels.
    let (_, err) = s.expect(3, &["run", "strong.png", "-o", "again.png"]);
    assert!(err.contains("--init"), "{err}");
    s.expect(0, &["run", "strong.png", "--init", "init.png", "-o", "again.png"]);
    assert_eq!(s.picture("again.png"), strong);
}
