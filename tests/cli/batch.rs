//! `lbw batch` as a user runs it: prompt files, mistakes in them, and going on.

use crate::sandbox::Sandbox;

const SMALL: &str = "#lbw --steps 1 --width 32 --height 32 --cfg_scale 2\n";

#[test]
fn every_line_is_the_picture_it_would_be_alone() {
    let s = Sandbox::new();
    let lines = [
        "--prompt \"red house <lora:house:1:1:lbw=XLOUT>\" --seed 7",
        "--prompt \"red house <lora:house:1:1:lbw=XLIN>\" --seed 7",
        "--prompt \"red house <lora:house:1:1:lbw=XLALL:stop=1>\" --seed 7 --steps 2",
        "--prompt \"red house <lora:night:0.5:lbw=XLALL:lbwe=ATTNDEEPON>\" --seed 7",
        "--prompt \"red house\" --negative_prompt gradient --seed 7",
    ];
    s.write("houses.txt", format!("{SMALL}{}\n", lines.join("\n")));
    let (out, err) = s.expect(0, &["batch", "houses.txt"]);
    assert_eq!(out.lines().count(), 5);
    assert!(err.contains("5 pictures from 5 lines"), "{err}");
    for (n, line) in (2..).zip(lines) {
        let prompt = line.split('"').nth(1).unwrap();
        let steps = if line.contains("--steps 2") { "2" } else { "1" };
        let negative = if line.contains("gradient") { "gradient" } else { "" };
        let alone = format!("alone-{n}.png");
        let size =
            ["--steps", steps, "--width", "32", "--height", "32", "--cfg-scale", "2", "--seed", "7", "-n", negative];
        s.expect(0, &[&["txt2img", prompt, "-o", &alone][..], &size].concat());
        s.assert_same_picture(&alone, &format!("lbw-out/houses/{n:04}-7.png"));
    }

    // Nothing is drawn again, unless it is damaged or its line has changed.
    let (out, err) = s.expect(0, &["batch", "houses.txt"]);
    assert!(out.is_empty() && err.contains("5 were there"), "{out}{err}");
    let whole = s.bytes("lbw-out/houses/0003-7.png");
    s.write("lbw-out/houses/0003-7.png", &whole[..whole.len() / 2]);
    let (out, _) = s.expect(1, &["batch", "verify", "lbw-out/houses"]);
    assert_eq!(out, "damaged or changed: 0003-7.png (houses.txt:3)\n");
    s.write("houses.txt", format!("{SMALL}{}\n", lines.join("\n").replace("XLOUT>", "XLOUT1>")));
    let (out, _) = s.expect(0, &["batch", "houses.txt"]);
    let mut drawn: Vec<_> = out.lines().collect();
    drawn.sort();
    assert_eq!(drawn, ["lbw-out/houses/0002-7.png", "lbw-out/houses/0003-7.png"]);
    assert_eq!(s.bytes("lbw-out/houses/0003-7.png"), whole);
    s.expect(0, &["batch", "verify", "lbw-out/houses"]);

    // A line that goes and comes back finds its picture.
    let text = s.text("houses.txt");
    s.write("houses.txt", text.replace("gradient --seed 7", "gradient --seed 8"));
    assert_eq!(s.expect(0, &["batch", "houses.txt"]).0, "lbw-out/houses/0006-8.png\n");
    s.write("houses.txt", &text);
    assert_eq!(s.expect(0, &["batch", "houses.txt"]).0, "");
    s.expect(0, &["batch", "verify", "lbw-out/houses"]);
}

#[test]
fn a_seed_that_was_drawn_stays() {
    let s = Sandbox::new();
    s.write("a.txt", format!("{SMALL}red circle\nred circle\n--prompt \"green star\" --n_iter 2\n"));
    s.expect(0, &["batch", "a.txt", "--name", "{number}-{seed}", "--grid"]);
    let before = s.tree("lbw-out/a");
    assert_eq!(before.len(), 6, "{:?}", before.keys());
    let seeds: std::collections::HashSet<_> =
        before.keys().filter_map(|n| n.split_once('-')).map(|(_, seed)| seed).collect();
    assert_eq!(seeds.len(), 4);
    let (out, _) = s.expect(0, &["batch", "a.txt", "--name", "{number}-{seed}"]);
    assert!(out.is_empty());
    // Shards do their part of the same batch.
    s.expect(0, &["batch", "a.txt", "-o", "shards", "--shard", "1/2"]);
    let (out, _) = s.expect(0, &["batch", "status", "shards"]);
    assert_eq!(out, "2 of 4 pictures of a.txt are done\n");
    s.expect(0, &["batch", "a.txt", "-o", "shards", "--shard", "2/2"]);
    s.expect(0, &["batch", "verify", "shards"]);
}

#[test]
fn everything_wrong_is_said_before_the_first_picture() {
    let s = Sandbox::new();
    s.write("bad.txt", format!("{SMALL}red circle\n--prompt x --step 5\n--prompt \"it's\na <lora:hause:1:lbw=XLUOT>\n--prompt z --width 63\n"));
    let (out, err) = s.expect(2, &["batch", "bad.txt"]);
    assert!(out.is_empty() && !s.path("lbw-out").exists());
    for said in [
        "there is no option `step`",
        "bad.txt:3:12",
        "did you mean `steps`?",
        "a quotation is not closed",
        "bad.txt:4:1",
        "bad.txt:5:9",
        "did you mean `house`?",
        "did you mean `XLOUT`?",
        "the width is 63",
        "bad.txt:6:1",
        "the nearest is 64",
        "4 of 5 lines are wrong",
    ] {
        assert!(err.contains(said), "{said}\n{err}");
    }
    let (out, err) = s.expect(1, &["batch", "bad.txt", "--keep-going", "--json"]);
    assert_eq!(out.lines().filter(|l| l.contains("\"event\":\"done\"")).count(), 1, "{out}");
    assert!(err.contains("4 lines were wrong and not drawn"), "{err}");

    // A LoRA file that cannot be read is found before the first picture, too.
    s.write("loras/torn.safetensors", "\u{8}");
    s.write("torn.txt", format!("{SMALL}red circle\nred circle <lora:torn:1>\n"));
    let (out, err) = s.expect(3, &["batch", "torn.txt", "--lora-dir", "loras"]);
    assert!(out.is_empty() && err.contains("torn.txt:3") && err.contains("torn.safetensors"), "{err}");
    let (out, _) = s.expect(1, &["batch", "torn.txt", "--lora-dir", "loras", "--keep-going"]);
    assert_eq!(out.lines().count(), 1);

    // A folder belongs to its batch, and other files in it to the user.
    s.write("good.txt", format!("{SMALL}--prompt \"red circle\" --seed 1\n"));
    s.expect(2, &["batch", "good.txt", "-o", "lbw-out/bad"]);
    s.write("mine/0002-1.png", "mine");
    let (_, err) = s.expect(3, &["batch", "good.txt", "-o", "mine"]);
    assert!(err.contains("would be written over"), "{err}");
    assert_eq!(s.bytes("mine/0002-1.png"), b"mine");
    s.expect(2, &["batch", "good.txt", "--name", "../{seed}"]);
    s.expect(3, &["batch", "status", "mine"]);
}

#[test]
fn pictures_are_drawn_again_from_their_infotexts() {
    let s = Sandbox::new();
    s.write("a.txt", format!("{SMALL}--prompt \"red circle\" --seed 1\n--prompt \"green star\" --seed 2\n"));
    s.expect(0, &["batch", "a.txt", "-o", "first"]);
    s.expect(0, &["batch", "first", "-o", "again", "--name", "{seed}"]);
    s.assert_same_picture("first/0002-1.png", "again/1.png");
    s.assert_same_picture("first/0003-2.png", "again/2.png");
}
