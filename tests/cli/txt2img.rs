//! `lbw txt2img`, or a prompt alone: what it draws, prints, writes and refuses.

use crate::sandbox::{Sandbox, json_lines};

const PROMPT: &str = "red circle, (blue background:1.2) <lora:house:1:1:lbw=XLOUT>";

#[test]
fn a_prompt_becomes_a_png_that_tells_how() {
    let s = Sandbox::new();
    let (out, _) = s.expect(0, &[PROMPT, "--steps", "2", "--seed", "7"]);
    assert_eq!(out, "lbw-out/00000-7.png\n");
    let (info, _) = s.expect(0, &["info", "lbw-out/00000-7.png"]);
    assert!(info.starts_with(PROMPT), "{info}");
    assert!(info.contains("Steps: 2, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 128x128"));
    assert!(info.contains("Lora hashes: \"house: "), "{info}");

    // The plan inside gives the same picture again, and so does the pasted infotext.
    s.expect(0, &["run", "lbw-out/00000-7.png", "-o", "again.png"]);
    let parameters = info.split("\nplan: ").next().unwrap().trim();
    s.expect(0, &["txt2img", parameters, "-o", "pasted.png"]);
    s.assert_same_picture("again.png", "lbw-out/00000-7.png");
    s.assert_same_picture("pasted.png", "lbw-out/00000-7.png");
}

#[test]
fn block_weights_change_the_picture_and_zeros_do_not() {
    let s = Sandbox::new();
    let draw = |name: &str, prompt: &str| {
        s.expect(0, &["txt2img", prompt, "--steps", "2", "--seed", "1", "-o", name]);
        s.picture(name)
    };
    let plain = draw("plain.png", "a cat ");
    assert_eq!(draw("zeros.png", "a cat <lora:house:1:1:lbw=XLNONE>"), plain);
    assert_ne!(draw("out.png", "a cat <lora:house:1:1:lbw=XLOUT>"), plain);
}

#[test]
fn several_images_count_their_seeds_and_files() {
    let s = Sandbox::new();
    let (out, _) =
        s.expect(0, &["--prompt", "a", "--prompt", "b", "--n-iter", "2", "--steps", "1", "--seed", "5", "--json"]);
    let seeds: Vec<u64> = json_lines(&out).iter().map(|line| line["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [5, 6, 5, 6]);
    assert_eq!(s.names("lbw-out").len(), 4);
}

#[test]
fn nothing_is_overwritten() {
    let s = Sandbox::new();
    s.write("mine.png", "mine");
    // What is written as a folder is one, though it has a dot.
    s.expect(0, &["a cat", "--steps", "1", "--size", "64x64", "--seed", "3", "-o", "new/v1.6/"]);
    assert_eq!(s.names("new/v1.6"), ["00000-3.png"]);
    let (_, err) = s.expect(3, &["a cat", "--steps", "1", "-o", "mine.png"]);
    assert!(err.contains("nothing is overwritten"), "{err}");
    assert_eq!(s.bytes("mine.png"), b"mine");
}

#[test]
fn text_mistakes_are_all_shown_and_nothing_is_drawn() {
    let s = Sandbox::new();
    let (_, err) = s.expect(2, &["a (cat:1.2.3) <lora:house:1:lbw=XLUOT> <lora:huose:1>"]);
    for part in ["did you mean `XLOUT`?", "did you mean `house`?", "is not a number", "prompt:1:8"] {
        assert!(err.contains(part), "{part}\n{err}");
    }
    let (_, err) = s.expect(2, &["<lora:house:1:lbw=1,1,1>"]);
    assert!(err.contains("12") && err.contains("17"), "the lengths there are: {err}");
    s.expect(2, &["a", "--sampler", "Eular"]);
    s.expect(2, &["a", "--width", "100000"]);
    s.expect(2, &["a", "--steps", "0"]);
    s.expect(2, &["a", "--seed", "-7"]);
    s.expect(2, &["a", "--n-iter", "4000000000"]);
    s.expect(2, &["pln"]);
    assert_eq!(s.names("."), [] as [&str; 0]);
}

/// What the last step makes is looked at as well as what it began with.
#[test]
fn no_numbers_are_no_picture() {
    let s = Sandbox::new();
    for (prompt, more) in [
        ("red <lora:house:10000000000000000000000000000000000>", &["--steps", "1"][..]),
        ("red", &["--steps", "1", "--cfg-scale", "1e38"]),
        ("red", &["--steps", "2", "--cfg-scale", "1e38"]),
    ] {
        let small = ["txt2img", prompt, "--size", "64x64", "--seed", "1", "-o", "a.png"];
        let (_, err) = s.expect(3, &[&small[..], more].concat());
        assert!(err.contains("E0802") && err.contains("not a number") && !s.path("a.png").exists(), "{err}");
    }
}
