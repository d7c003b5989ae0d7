//! Tells the code whether it is compiled without optimisation (see `model::ops`), and lists the files of the page.

use std::fmt::Write;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(unoptimised)");
    if std::env::var("OPT_LEVEL").as_deref() == Ok("0") {
        println!("cargo::rustc-cfg=unoptimised");
    }
    page();
}

/// Writes a table of all files of `web/` with their bytes.
fn page() {
    println!("cargo::rerun-if-changed=web");
    let (Ok(root), Ok(out)) = (std::env::var("CARGO_MANIFEST_DIR"), std::env::var("OUT_DIR")) else { return };
    let mut names = Vec::new();
    files(&Path::new(&root).join("web"), "", &mut names);
    names.sort();
    let mut table = "&[\n".to_owned();
    for name in names {
        let path = format!("{root}/web/{name}");
        let _ = writeln!(table, "    ({name:?}, include_bytes!({path:?})),");
    }
    table.push(']');
    let written = std::fs::write(Path::new(&out).join("page.rs"), table);
    assert!(written.is_ok(), "the table of the page's files cannot be written: {written:?}");
}

/// The files that browsers are given: tools for their development lie beside them.
fn files(folder: &Path, below: &str, names: &mut Vec<String>) {
    const SERVED: [&str; 10] = ["html", "js", "mjs", "css", "svg", "png", "ico", "woff2", "webmanifest", "txt"];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && !name.starts_with('.') && name != "node_modules" {
            files(&entry.path(), &format!("{below}{name}/"), names);
        } else if name.rsplit_once('.').is_some_and(|(_, extension)| SERVED.contains(&extension)) {
            names.push(format!("{below}{name}"));
        }
    }
}
