//! `lbw xyz` as a user runs it.

use std::process::Stdio;
use std::time::Duration;

use crate::sandbox::Sandbox;

/// The pictures of a folder.
fn pngs(s: &Sandbox, folder: &str) -> Vec<String> {
    let names = s.names(folder).into_iter().filter(|name| name.ends_with(".png"));
    names.map(|name| format!("{folder}/{name}")).collect()
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
    let grid = s.bytes("plot/grid.png");
    let cells = &first["grids"][0]["cells"];
    assert_eq!(cells[2][0], cells[2][1]);
    assert_ne!(cells[0][0], cells[0][1]);

    let again = s.json(&plot(&["-o", "plot", "--json"]));
    assert_eq!((&again["drawn"], &again["pictures"]), (&0.into(), &first["pictures"]));

    // One cell gone, one damaged, the grid gone.
    let files = pngs(&s, "plot/cells");
    let bytes = s.bytes(&files[1]);
    s.remove(&files[0]);
    s.write(&files[1], &bytes[..bytes.len() / 2]);
    s.remove("plot/grid.png");
    assert_eq!(s.json(&plot(&["-o", "plot", "--json"]))["drawn"], 2);
    assert_eq!(s.bytes("plot/grid.png"), grid);
    assert_eq!(s.bytes(&files[1]), bytes);

    // A cell is a picture like any other: its own infotext draws it.
    let (info, _) = s.expect(0, &["info", &files[0]]);
    let parameters = info.split("\nplan: ").next().unwrap().trim();
    s.expect(0, &["txt2img", parameters, "-o", "alone.png"]);
    s.assert_same_picture("alone.png", &files[0]);

    // Another plot does not mix with this one.
    let other: Vec<_> = plot(&["-o", "plot"]).into_iter().map(|arg| if arg == "7" { "8" } else { arg }).collect();
    let (_, err) = s.expect(3, &other);
    assert!(err.contains("holds another plot"), "{err}");
}

#[test]
fn a_killed_plot_leaves_whole_cells_and_goes_on() {
    let s = Sandbox::new();
    let mut child = s.lbw(&plot(&["-o", "plot"])).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while pngs(&s, "plot/cells").is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = pngs(&s, "plot/cells");
    assert!((1..=5).contains(&left.len()), "{left:?}");
    left.iter().for_each(|cell| drop(s.picture(cell)));
    let rest = s.json(&plot(&["-o", "plot", "--json"]));
    assert_eq!(rest["drawn"].as_u64().unwrap() as usize + left.len(), 5);
    s.expect(0, &plot(&["-o", "undisturbed"]));
    assert_eq!(s.bytes("plot/grid.png"), s.bytes("undisturbed/grid.png"));
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
    assert!(pngs(&s, "lbw-out").is_empty());
}
