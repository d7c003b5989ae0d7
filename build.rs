//! Tells the code whether it is compiled without optimisation (see `model::ops`), what tells one embedded model from another, lists the
//! files of the page, and compiles the kernels for NVIDIA's cards where they are wanted.

use std::fmt::Write;
use std::hash::Hasher;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(unoptimised)");
    if std::env::var("OPT_LEVEL").as_deref() == Ok("0") {
        println!("cargo::rustc-cfg=unoptimised");
    }
    embedded();
    page();
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        cuda();
    }
}

/// Compiles our kernels to PTX for the oldest card that each serves; the driver compiles that on for the card that is there.
fn cuda() {
    // Attention wants the tensor cores of 8.0: an older card has it from the others.
    const SOURCES: [(&str, u32); 2] = [("kernels", 75), ("attention", 80)];
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let nvcc = set("CUDA_HOME").map_or("nvcc".into(), |home| Path::new(&home).join("bin/nvcc"));
    let oldest = set("CUDA_COMPUTE_CAP").and_then(|card| card.parse().ok()).unwrap_or(0);
    for (name, least) in SOURCES {
        let source = format!("src/model/ops/cuda/{name}.cu");
        println!("cargo::rerun-if-changed={source}");
        let to = Path::new(&set("OUT_DIR").unwrap_or_default()).join(format!("{name}.ptx"));
        let card = format!("-arch=compute_{}", least.max(oldest));
        let mut command = std::process::Command::new(&nvcc);
        command.args(["-ptx", "-std=c++17", "-O3", &card, &source, "-o"]).arg(to);
        let done = command.status();
        assert!(done.as_ref().is_ok_and(|status| status.success()), "{}: {done:?}", nvcc.display());
    }
}

/// A number that changes with the embedded files: hashing them at every start of the program would take most of a plan's time.
fn embedded() {
    // Another release of Rust may hash otherwise: then the files are only written once more.
    let mut hasher = std::hash::DefaultHasher::new();
    for name in ["shapes-xl", "house", "night", "overcooked", "shapes-2x"] {
        let path = format!("fixtures/embedded/{name}.safetensors");
        println!("cargo::rerun-if-changed={path}");
        hasher.write(&std::fs::read(path).unwrap_or_default());
    }
    println!("cargo::rustc-env=LBW_EMBEDDED={:012x}", hasher.finish() >> 16);
    // The package for crates.io has no room for the checkpoint: there is none built in then.
    let set = |name| std::path::PathBuf::from(std::env::var_os(name).unwrap_or_default());
    let mut checkpoint = set("CARGO_MANIFEST_DIR").join("fixtures/embedded/shapes-xl.safetensors");
    if !checkpoint.exists() {
        checkpoint = set("OUT_DIR").join("none");
        let written = std::fs::write(&checkpoint, "");
        assert!(written.is_ok(), "{}: {written:?}", checkpoint.display());
    }
    println!("cargo::rustc-env=LBW_CHECKPOINT={}", checkpoint.display());
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
