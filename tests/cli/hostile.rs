//! Files that somebody else has put where lbw reads: refused or passed over, with a word, and without waiting.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use crate::sandbox::Sandbox;

const SMALL: &str = "--prompt a --seed 1 --steps 1 --width 32 --height 32 --cfg_scale 1\n";

fn pipe(s: &Sandbox, name: &str) {
    assert!(Command::new("mkfifo").arg(s.path(name)).status().unwrap().success());
}

#[test]
fn a_batch_whose_folder_somebody_prepared() {
    let s = Sandbox::new();
    s.write("a.txt", SMALL);
    s.folder("out");
    std::os::unix::fs::symlink("nowhere", s.path("out/.claims")).unwrap();
    let (_, err) = s.expect(3, &["batch", "a.txt", "-o", "out"]);
    assert!(err.contains(".claims is a link, a pipe or a folder") && err.contains("remove it"), "{err}");
    let ja = crate::sandbox::expect(3, s.lbw(&["batch", "a.txt", "-o", "out"]).env("LBW_LANG", "ja")).1;
    assert!(ja.contains("取り除いて"), "{ja}");
    s.remove("out/.claims");
    pipe(&s, "out/manifest.jsonl");
    let (_, err) = s.expect(3, &["batch", "a.txt", "-o", "out"]);
    assert!(err.contains("a pipe or a device"), "{err}");
    s.remove("out/manifest.jsonl");
    s.expect(0, &["batch", "a.txt", "-o", "out"]);

    // Names that lead elsewhere are told and not opened, and what would speak to the terminal is spelled out.
    let manifest = s.text("out/manifest.jsonl");
    for (name, shown) in [("/dev/zero", "/dev/zero"), ("../a.txt", "../a.txt"), ("\\u001b[2Jx.png", "\\u{1b}[2Jx.png")]
    {
        s.write("out/manifest.jsonl", manifest.replace("0001-1.png", name));
        let (out, _) = s.expect(1, &["batch", "verify", "out"]);
        assert!(out.contains(shown) && !out.contains('\u{1b}'), "{out}");
        assert_eq!(out.contains("outside of the folder"), !name.ends_with("x.png"), "{out}");
    }
    // Lines that were cut are not believed; pictures without a line are not written over, and it is said what to do.
    let header = manifest.lines().next().unwrap();
    for cut in [format!("{header}\n"), format!("{header}\n{{\"id\":\"x\"")] {
        s.write("out/manifest.jsonl", cut);
        let (_, err) = s.expect(3, &["batch", "a.txt", "-o", "out"]);
        assert!(err.contains("bring it back or move the pictures away"), "{err}");
    }
    s.remove("out/manifest.jsonl");
    let (_, err) = s.expect(3, &["batch", "a.txt", "-o", "out"]);
    assert!(err.contains("bring it back or move the pictures away"), "{err}");
    let mut first = crate::sandbox::json(header);
    first["seed_base"] = (first["seed_base"].as_u64().unwrap() ^ 1).into();
    s.write("out/manifest.jsonl", manifest.replace(header, &first.to_string()));
    let (_, err) = s.expect(3, &["batch", "a.txt", "-o", "out"]);
    assert!(err.contains("has been changed since it was written"), "{err}");
    s.write("out/manifest.jsonl", &manifest);
    assert_eq!(s.expect(0, &["batch", "a.txt", "-o", "out"]).0, "");
}

#[test]
fn pipes_where_files_are_found() {
    let s = Sandbox::new();
    s.folder("webui");
    pipe(&s, "webui/config.json");
    // There is no checkpoint, which is told after it.
    let (_, err) = s.expect(3, &["plan", "a", "--webui-dir", "webui"]);
    assert!(err.contains("config.json: a pipe or a device") && err.contains("defaults are used"), "{err}");
    // Of folders that are gone on with, and among LoRAs.
    let drawn = ["--steps", "1", "--size", "32x32", "--seed", "1", "-o"];
    for (name, args) in [
        ("analysis/request.json", &["analyze", "a <lora:house:1>", "--blocks", "IN04"][..]),
        ("plot/xyz.json", &["xyz", "a", "--x", "Seed=1,2"]),
    ] {
        let folder = name.split('/').next().unwrap();
        s.folder(folder);
        pipe(&s, name);
        let (_, err) = s.expect(3, &[args, &drawn, &[folder]].concat());
        assert!(err.contains("a pipe or a device"), "{err}");
    }
    s.folder("loras");
    pipe(&s, "loras/x.safetensors");
    for args in [&["plan", "a <lora:x:1>", "--lora-dir", "loras"][..], &["lora", "inspect", "loras/x.safetensors"]] {
        let output = s.lbw(args).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code >= 2), "{args:?}");
    }
    pipe(&s, "a.png");
    // Pictures of kinds that are not read, or none at all.
    s.write("a.tiff", b"II*\0\x08\0\0\0");
    s.write("a.txt", "words");
    for name in ["a.tiff", "a.txt"] {
        let (_, err) = s.expect(3, &["img2img", "a", "--init", name, "--size", "64x64"]);
        assert!(err.contains(&format!("{name} is not a PNG, JPEG or WebP picture")), "{err}");
    }
    for args in [&["info", "a.png"][..], &["img2img", "a", "--init", "a.png", "--size", "64x64"]] {
        let (_, err) = s.expect(3, args);
        assert!(err.contains("a pipe or a device"), "{err}");
    }
}

/// A folder that cannot be read: its path is longer than the system takes.
#[test]
fn a_folder_of_pictures_with_an_unreadable_one_in_it() {
    let s = Sandbox::new();
    s.expect(0, &["txt2img", "a", "--steps", "1", "--size", "32x32", "--seed", "1", "-o", "p.png"]);
    s.folder("pictures");
    std::fs::copy(s.path("p.png"), s.path("pictures/p.png")).unwrap();
    let made = s.command("sh").args(["-c", "cd pictures && n=$(printf '%0255d' 7) && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do mkdir $n && cd -P $n || exit 1; done"]).status();
    assert!(made.unwrap().success());
    let (_, err) = s.expect(0, &["batch", "pictures", "--dry-run"]);
    assert!(err.contains("1 picture from 1 line") && err.contains("warning"), "{err}");
}

/// A bomb in a folder is one wrong line among others.
#[test]
fn a_picture_that_unpacks_to_too_much_in_a_folder() {
    let s = Sandbox::new();
    s.expect(0, &["txt2img", "a", "--steps", "1", "--size", "32x32", "--seed", "1", "-o", "p.png"]);
    let good = s.bytes("p.png");
    s.write("pictures/a.png", &good);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &vec![0; 17 << 20]).unwrap();
    let text = [b"parameters\0\0", &packed.finish().unwrap()[..]].concat();
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(b"zTXt");
    checksum.update(&text);
    let (head, rest) = good.split_at(33);
    let chunk = [&(text.len() as u32).to_be_bytes()[..], b"zTXt", &text, &checksum.finalize().to_be_bytes()].concat();
    s.write("pictures/b.png", [head, &chunk, rest].concat());
    let (_, err) = s.expect(3, &["batch", "pictures", "--dry-run"]);
    assert!(err.contains("longer than 16 MiB") && err.contains("1 of 2 lines"), "{err}");
    let (_, err) = s.expect(0, &["batch", "pictures", "--dry-run", "--keep-going"]);
    assert!(err.contains("1 picture from"), "{err}");
}

#[test]
fn more_than_a_batch_can_hold() {
    let s = Sandbox::new();
    s.write("many.txt", "--prompt a --seed 1 --n_iter 10000\n".repeat(101));
    let (_, err) = s.expect(0, &["batch", "many.txt", "--dry-run"]);
    assert!(err.contains("1010000 pictures from 101 lines"), "{err}");
    let (_, err) = s.expect(2, &["batch", "many.txt", "-o", "out"]);
    assert!(err.contains("1010000 pictures, and one folder takes 1000000"), "{err}");
    s.write("lines.txt", "a\n".repeat(50_000));
    let long = "x".repeat(50_000);
    let (_, err) = s.expect(2, &["batch", "lines.txt", "--negative-prompt", &long, "--dry-run"]);
    assert!(err.contains("longer than 256 MiB"), "{err}");
    let style = format!("name,prompt\nmuch,\"{}\"\n", "{prompt} ".repeat(3000));
    s.write("styles.csv", style);
    let prompt = "x".repeat(2000);
    let (_, err) = s.expect(2, &["plan", &prompt, "--styles-file", "styles.csv", "--style", "much"]);
    assert!(err.contains("with the style `much` the prompt is larger than 256 KiB"), "{err}");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let s = Sandbox::new();
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded/house.safetensors");
    let odd = |name: &[u8]| Path::new(OsStr::from_bytes(name)).to_owned();
    for folder in ["loras", "webui/models/Stable-diffusion", "webui/models/VAE", "pictures"] {
        std::fs::create_dir_all(s.path(folder)).unwrap();
    }
    for folder in ["loras", "webui/models/Stable-diffusion", "webui/models/VAE"] {
        std::fs::copy(&lora, s.path(folder).join(odd(b"a\xff.safetensors"))).unwrap();
    }
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/readme/cooked.png");
    let named = s.path("pictures").join(odd(b"p\xff.png"));
    std::fs::copy(picture, &named).unwrap();
    for args in
        [&["loras", "--lora-dir", "loras"][..], &["models", "--webui-dir", "webui"], &["vaes", "--webui-dir", "webui"]]
    {
        for json in [&[][..], &["--json"]] {
            let (out, _) = s.expect(0, &[args, json].concat());
            assert!(out.contains("a\u{fffd}"), "{args:?}: {out}");
        }
    }
    let told = s.lbw(&["info", "--json"]).arg(&named).output().unwrap();
    assert!(told.status.success() && String::from_utf8_lossy(&told.stdout).contains("p\u{fffd}.png"), "{told:?}");
}

#[test]
fn any_number_of_unknown_keys() {
    let s = Sandbox::new();
    let keys = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    s.write("keys.jsonl", format!("{{\"prompt\":\"a\"{}}}\n", keys(100_000, &|n| format!(",\"k{n}\":1"))));
    let (_, err) = s.expect(2, &["check", "keys.jsonl"]);
    assert!(err.contains("E0605") && err.contains("99800 more findings"), "{}", &err[..err.len().min(2000)]);
    s.write("config.toml", keys(100_000, &|n| format!("k{n}=1\n")));
    let told = s.lbw(&["plan", "a"]).env("LBW_CONFIG", s.path("config.toml")).output().unwrap();
    let err = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.code() == Some(2) && err.contains("E0720") && err.contains("99800 more findings"), "{err}");
}

#[test]
fn a_configuration_that_has_no_end() {
    let s = Sandbox::new();
    pipe(&s, "pipe");
    s.write("config.toml", "presets = \"pipe\"\n");
    for (config, code, said) in [("pipe", 3, "a pipe or a device"), (".", 3, ""), ("config.toml", 2, "no pipes")] {
        let told = s.lbw(&["plan", "a"]).env("LBW_CONFIG", s.path(config)).output().unwrap();
        let err = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.code() == Some(code) && err.contains(said), "{config}: {err}");
    }
    // Which of several files is wrong.
    s.write("list.yaml", "- a\n");
    s.write("deep.yaml", "[".repeat(200_000));
    for name in ["list.yaml", "deep.yaml"] {
        let (_, err) = s.expect(2, &["check", name]);
        assert!(err.contains(name), "{err}");
    }
}

/// What somebody wrote twice, cut in half or left broken is told, and the exit code says it too.
#[test]
fn what_is_lost_is_told() {
    let s = Sandbox::new();
    s.write("twice.jsonl", r#"{"prompt":"a","seed":1,"prompt":"b"}"#);
    s.write("twice.csv", "prompt,seed,prompt\na,1,b\n");
    for name in ["twice.jsonl", "twice.csv"] {
        let (_, err) = s.expect(0, &["check", name]);
        assert!(err.contains("W0610") && err.contains("`prompt` stands there twice") && err.contains(name), "{err}");
    }
    s.write("empty.txt", "\n");
    for command in ["batch", "run"] {
        let (_, err) = s.expect(2, &[command, "empty.txt"]);
        assert!(err.contains("empty.txt"), "{command}: {err}");
    }
    let (plan, _) = s.expect(0, &["plan", "a", "--json", "--seed", "1"]);
    s.write("plan.json", plan.replace("\"width\":128", "\"width\":129"));
    let (_, err) = s.expect(2, &["run", "plan.json"]);
    assert!(err.contains("E0609") && err.contains("in plan.json"), "{err}");

    // Half of a manifest is no whole one.
    s.write("a.txt", SMALL.repeat(2));
    s.expect(0, &["batch", "a.txt", "-o", "out"]);
    let manifest = s.text("out/manifest.jsonl");
    let half: Vec<&str> = manifest.lines().filter(|line| !line.contains("0002-")).collect();
    s.write("out/manifest.jsonl", half.join("\n") + "\n");
    let (out, _) = s.expect(1, &["batch", "verify", "out"]);
    assert!(out.contains("1 of its pictures are no longer in it"), "{out}");
    let (out, _) = s.expect(0, &["batch", "status", "out", "--json"]);
    assert_eq!(
        (crate::sandbox::json(&out)["lost"].as_u64(), crate::sandbox::json(&out)["pictures"].as_u64()),
        (Some(1), Some(2))
    );

    s.write("broken.yaml", "- a\n");
    let (out, err) = s.expect(2, &["preset", "list", "--presets", "broken.yaml"]);
    assert!(out.contains("XLIN") && err.contains("E0401"), "{err}");
    s.write("u32.txt", b"\xff\xfe\0\0a\0\0\0");
    let (_, err) = s.expect(3, &["check", "u32.txt"]);
    assert!(err.contains("UTF-32"), "{err}");
}

/// The size of a picture is looked at before its pixels are unpacked.
#[test]
fn a_picture_whose_own_size_cannot_be_drawn() {
    let s = Sandbox::new();
    image::GrayImage::new(8000, 16).save(s.path("wide.png")).unwrap();
    let (_, err) = s.expect(2, &["img2img", "a", "--init", "wide.png", "--seed", "1"]);
    assert!(err.contains("E0609") && err.contains("wide.png: it has 8000×16 pixels"), "{err}");
    assert!(err.contains("--width 4096 --height 8"), "{err}");
    s.expect(0, &["img2img", "a", "--init", "wide.png", "--size", "64x64", "--seed", "1", "--steps", "1", "--dry-run"]);
}

/// A folder that somebody prepared says neither where else pictures are written nor what is waited for.
#[test]
fn a_study_whose_folder_somebody_prepared() {
    let s = Sandbox::new();
    let plot = ["xyz", "a", "--x", "Seed=1,2", "--steps", "1", "--size", "32x32", "-o", "plot"];
    s.expect(0, &plot);
    let cell = std::fs::read_dir(s.path("plot/cells")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&cell).unwrap();
    assert!(Command::new("mkfifo").arg(&cell).status().unwrap().success());
    s.expect(0, &plot);
    assert!(cell.is_file());
    std::fs::remove_dir_all(s.path("plot/cells")).unwrap();
    s.folder("elsewhere");
    std::os::unix::fs::symlink(s.path("elsewhere"), s.path("plot/cells")).unwrap();
    let (_, err) = s.expect(3, &plot);
    assert!(err.contains("cells is a link"), "{err}");
    assert!(std::fs::read_dir(s.path("elsewhere")).unwrap().next().is_none());
    // A picture is a cell's because it says so, and not because of its name.
    let analysis = [
        "analyze",
        "red <lora:house:1>",
        "--steps",
        "1",
        "--size",
        "64x64",
        "--seed",
        "1",
        "--blocks",
        "IN04,OUT00",
        "-o",
        "w",
    ];
    s.expect(0, &analysis);
    let names = s.names("w/cells").into_iter().filter(|name| !name.ends_with("-diff.png"));
    let cells: Vec<_> = names.map(|name| format!("w/cells/{name}")).collect();
    let own: Vec<_> = cells.iter().map(|cell| s.bytes(cell)).collect();
    s.write(&cells[0], &own[1]);
    s.write(&cells[1], &own[0]);
    image::GrayImage::new(64, 64).save(s.path(&cells[2])).unwrap();
    image::GrayImage::new(1, 1).save(s.path(&cells[3])).unwrap();
    s.expect(0, &analysis);
    assert!(cells.iter().zip(&own).all(|(cell, own)| s.bytes(cell) == *own));
    // A record that was cut says nothing of other plots.
    s.write("plot/xyz.json", "");
    let (_, err) = s.expect(3, &plot);
    assert!(err.contains("xyz.json is no record of a plot"), "{err}");
    // No picture has so many before it.
    s.write("pictures/18446744073709551615-1.png", "");
    s.expect(0, &["txt2img", "a", "--steps", "1", "--size", "32x32", "--seed", "1", "-o", "pictures"]);
    assert!(s.path("pictures/00000-1.png").is_file());
}

/// Names in a stranger's text are looked for where models are, and open nothing else.
#[test]
fn a_stranger_names_no_paths() {
    let s = Sandbox::new();
    s.write("secret.txt", "SECRET");
    let secret = s.path("secret.txt");
    let infotext = format!("a\nSteps: 1, Seed: 1, Size: 32x32, Refiner: {}, Refiner switch at: 0.5", secret.display());
    let (_, err) = s.expect(3, &["txt2img", &infotext, "-o", "a.png"]);
    assert!(!err.contains("SECRET"), "{err}");
    s.write("webui/config.json", format!("{{\"sd_model_checkpoint\":\"{}\"}}", secret.display()));
    let (_, err) = s.expect(3, &["plan", "a", "--webui-dir", "webui"]);
    assert!(!err.contains("SECRET"), "{err}");
}

/// A LoRA in which a module is damaged is told what is wrong with it, by whatever reads it; a tensor that is named twice is no LoRA.
#[test]
fn a_damaged_lora_is_told_what_is_wrong_with_it() {
    let s = Sandbox::new();
    let whole = std::fs::read(crate::sandbox::repository("fixtures/embedded/house.safetensors")).unwrap();
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&whole[8..8 + length]).unwrap();
    let is_alpha = |name: &&String| name.ends_with(".alpha");
    let name = header.as_object().unwrap().keys().find(is_alpha).unwrap();
    let entry = &header[name];
    let at = 8 + length + entry["data_offsets"][0].as_u64().unwrap() as usize;
    let mut damaged = whole.clone();
    let end = 8 + length + entry["data_offsets"][1].as_u64().unwrap() as usize;
    damaged[at..end].fill(0xff);
    s.write("damaged.safetensors", &damaged);
    for args in [
        &["txt2img", "x <lora:damaged:1>", "--steps", "1", "--size", "64x64"][..],
        &["lora", "bake", "<lora:damaged:0.5:lbw=XLOUT>", "-o", "q.safetensors"],
        &["lora", "resize", "damaged", "--rank", "2", "-o", "q.safetensors"],
    ] {
        let (_, err) = s.expect(3, &[args, &["--lora-dir", "."]].concat());
        assert!(err.contains("`alpha` is NaN") && !err.contains("is made for a weight"), "{args:?}: {err}");
    }
    let twice = String::from_utf8(whole[8..8 + length].to_vec()).unwrap();
    let twice = format!("{},\"{name}\":{entry}}}", twice.trim_end().strip_suffix('}').unwrap());
    let bytes = [&(twice.len() as u64).to_le_bytes()[..], twice.as_bytes(), &whole[8 + length..]].concat();
    s.write("twice.safetensors", bytes);
    let (_, err) = s.expect(3, &["lora", "inspect", "twice", "--lora-dir", "."]);
    assert!(err.contains("names a tensor twice"), "{err}");
}
