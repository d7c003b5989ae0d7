//! `lbw xyz` as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        Sandbox(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbw"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("LBW_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .env("LBW_LANG", "en")
            .env_remove("LBW_WEBUI_DIR")
            .env("LBW_LANG", "en");
        command
    }

    fn expect(&self, code: i32, args: &[&str]) -> (String, String) {
        let Output { stdout, stderr, status } = self.command(args).output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{args:?}\n{out}\n{err}");
        assert!(!err.contains("panicked"), "{err}");
        (out, err)
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.expect(0, args).0).unwrap()
    }

    fn pngs(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == "png"));
        files.sort();
        files
    }
}

/// A small plot: 2 × 3 cells, in which the weight 1 is the same picture for both blocks.
const PLOT: [&str; 14] = [
    "xyz",
    "red circle <lora:house:1:1:lbw=XYZ>",
    "--x",
    "Block ID=IN04-IN05,OUT00-OUT02",
    "--y",
    "values=0,0.5,1",
    "--seed",
    "7",
    "--steps",
    "1",
    "--width",
    "64",
    "--height",
    "64",
];

fn plot<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&PLOT[..], more].concat()
}

#[test]
fn a_plot_is_drawn_once_and_goes_on_where_it_was() {
    let s = Sandbox::new();
    let first = s.json(&plot(&["-o", "plot", "--json"]));
    assert_eq!(first["drawn"], 5);
    let grid = std::fs::read(s.path("plot/grid.png")).unwrap();
    let cells = &first["grids"][0]["cells"];
    assert_eq!(cells[2][0], cells[2][1]);
    assert_ne!(cells[0][0], cells[0][1]);

    let again = s.json(&plot(&["-o", "plot", "--json"]));
    assert_eq!((&again["drawn"], &again["pictures"]), (&0.into(), &first["pictures"]));

    // One cell gone, one damaged, the grid gone.
    let files = s.pngs("plot/cells");
    let bytes = std::fs::read(&files[1]).unwrap();
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::write(&files[1], &bytes[..bytes.len() / 2]).unwrap();
    std::fs::remove_file(s.path("plot/grid.png")).unwrap();
    assert_eq!(s.json(&plot(&["-o", "plot", "--json"]))["drawn"], 2);
    assert_eq!(std::fs::read(s.path("plot/grid.png")).unwrap(), grid);
    assert_eq!(std::fs::read(&files[1]).unwrap(), bytes);

    // A cell is a picture like any other: its own infotext draws it.
    let (info, _) = s.expect(0, &["info", files[0].to_str().unwrap()]);
    let parameters = info.split("\nplan: ").next().unwrap().trim();
    s.expect(0, &["txt2img", parameters, "-o", "alone.png"]);
    let pixels = |path: &Path| image::open(path).unwrap().to_rgb8().into_raw();
    assert_eq!(pixels(&s.path("alone.png")), pixels(&files[0]));

    // Another plot does not mix with this one.
    let other: Vec<_> = plot(&["-o", "plot"]).into_iter().map(|arg| if arg == "7" { "8" } else { arg }).collect();
    let (_, err) = s.expect(3, &other);
    assert!(err.contains("holds another plot"), "{err}");
}

#[test]
fn a_killed_plot_leaves_whole_cells_and_goes_on() {
    let s = Sandbox::new();
    let mut child = s.command(&plot(&["-o", "plot"])).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while s.pngs("plot/cells").is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = s.pngs("plot/cells");
    assert!((1..=5).contains(&left.len()), "{left:?}");
    left.iter().for_each(|cell| drop(image::open(cell).unwrap()));
    let rest = s.json(&plot(&["-o", "plot", "--json"]));
    assert_eq!(rest["drawn"].as_u64().unwrap() as usize + left.len(), 5);
    s.expect(0, &plot(&["-o", "undisturbed"]));
    let grid = |folder: &str| std::fs::read(s.path(folder).join("grid.png")).unwrap();
    assert_eq!(grid("plot"), grid("undisturbed"));
}

#[test]
fn every_z_has_a_grid() {
    let s = Sandbox::new();
    let prompt = "red circle <lora:house:1>";
    let args = ["xyz", prompt, "--x", "Steps=1,2", "--y", "prompt s/r=red,blue", "--z", "strength=0-1", "--seed", "1"];
    let out = s.expect(0, &[&args[..], &["--dry-run"]].concat()).0;
    assert!(out.starts_with("8 cells, 8 different pictures, into lbw-out/xyz-"), "{out}");
    assert!(out.contains("\ngrid-2.png: "), "{out}");
    assert!(out.contains("Strength: 1.0\n  columns: Steps: 1 | Steps: 2\n  rows: red | blue\n"), "{out}");
    assert!(!s.path("lbw-out").exists());
}

#[test]
fn mistakes_are_told_before_anything_is_drawn() {
    let s = Sandbox::new();
    let weighted = "a <lora:house:1:lbw=XYZ>";
    for (args, said) in [
        (vec![weighted], "give --x, --y or --z"),
        (vec![weighted, "--x", "block=IN04,IN99", "--y", "values=1"], "`IN99` is not a block"),
        (vec![weighted, "--x", "blok=IN04", "--y", "valus=1"], "did you mean `values`"),
        (vec!["a <lora:house:1>", "--x", "block=IN04", "--y", "values=1"], "<lora:house:1:lbw=XYZ>"),
        (vec![weighted, "--x", "preset=XLMID,NOPE"], "there is no preset `NOPE`"),
        (vec![weighted, "--x", "steps=1-5000"], "--max-cells 5000"),
        (vec![weighted, "--x", "steps=0"], "steps"),
        (vec!["a <lora:hose:1>", "--x", "steps=1"], "did you mean `house`"),
        (vec![weighted, "--x", "steps=1", "--webui-quirks"], "no axis `Steps`"),
        (vec![weighted, "b", "--x", "steps=1"], "one prompt"),
    ] {
        let (_, err) = s.expect(2, &[&["xyz"][..], &args].concat());
        assert!(err.contains(said), "{args:?}: {err}");
    }
    let (_, err) = s.expect(3, &["xyz", weighted, "--x", "steps=1", "--font", "no.ttf"]);
    assert!(err.contains("no.ttf"), "{err}");
    assert!(s.pngs("lbw-out").is_empty());
}
