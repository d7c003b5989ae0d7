//! Who may know whom: the arrows between the rooms of `src/`, what is kept to some of them, and what is still against the rules.
//!
//! Whoever needs an arrow that is not here changes this table first, and says why.

/// Each room (a folder or a file right under `src/`) and the rooms it may name, from the ground up: a room may only name rooms that
/// stand above it in this list.
pub const ROOMS: [(&str, &[&str]); 21] = [
    // On the ground: they know nothing of lbw, but for how reasons are said.
    ("diagnostic", &[]),
    ("block", &["diagnostic"]),
    ("files", &["diagnostic"]),
    ("picture", &[]),
    ("image_io", &["diagnostic", "files", "picture"]),
    // The text half: no tensors.
    ("syntax", &["diagnostic", "files"]),
    // Its limits and its YAML are those of all files.
    ("preset", &["block", "diagnostic", "files", "syntax"]),
    ("plan", &["block", "diagnostic", "files", "preset", "syntax"]),
    ("infotext", &["block", "diagnostic", "files", "plan", "preset", "syntax"]),
    // Arithmetic and formats; they know nothing of each other.
    ("batch", &["block", "diagnostic", "files", "infotext", "plan", "preset", "syntax"]),
    ("study", &["block", "diagnostic", "files", "image_io", "infotext", "picture", "plan", "preset", "syntax"]),
    // The numeric half: of the text half it knows the plan and the names of blocks.
    ("checkpoint", &["block", "diagnostic", "files", "image_io"]),
    ("lora", &["block", "checkpoint", "diagnostic", "files"]),
    ("model", &["block", "checkpoint", "diagnostic", "lora"]),
    ("text", &["checkpoint", "diagnostic", "files", "lora", "model", "plan"]),
    ("sampling", &["diagnostic", "plan"]),
    ("upscale", &["diagnostic", "model", "picture"]),
    (
        "engine",
        &[
            "block",
            "checkpoint",
            "diagnostic",
            "files",
            "image_io",
            "lora",
            "model",
            "picture",
            "plan",
            "sampling",
            "text",
            "upscale",
        ],
    ),
    // One application; the front ends know it, and what all rooms speak in, and nothing of each other.
    (
        "app",
        &[
            "batch",
            "block",
            "checkpoint",
            "diagnostic",
            "engine",
            "files",
            "image_io",
            "infotext",
            "lora",
            "model",
            "picture",
            "plan",
            "preset",
            "sampling",
            "study",
            "syntax",
            "text",
            "upscale",
        ],
    ),
    ("server", &["app", "diagnostic"]),
    // One of its commands starts the server.
    ("cli", &["app", "diagnostic", "server"]),
];

/// Rooms that have their row and are not there yet.
pub const COMING: [&str; 0] = [];

pub const FRONT_ENDS: [&str; 2] = ["cli", "server"];

/// The application names the device and passes errors on.
const NUMERIC_HALF_AND_APP: &[&str] = &["checkpoint", "lora", "model", "text", "sampling", "upscale", "engine", "app"];
const NUMERIC_HALF: &[&str] = &["checkpoint", "lora", "model", "text", "sampling", "upscale", "engine"];
const TEXT_HALF: &[&str] = &["syntax", "block", "preset", "plan", "infotext", "batch"];

/// What is kept to some rooms: a crate, or a module of the standard library.
pub const KEPT: [(&str, &[&str]); 16] = [
    ("candle_core", NUMERIC_HALF_AND_APP),
    ("candle_nn", NUMERIC_HALF),
    ("candle_transformers", NUMERIC_HALF),
    ("pest", TEXT_HALF),
    ("pest_derive", TEXT_HALF),
    ("annotate_snippets", &["diagnostic"]),
    ("serde_yaml", &["files"]),
    ("clap", &["cli"]),
    ("axum", &["server"]),
    ("hyper", &["server"]),
    // Object stores are asked by a client that wants an executor.
    ("tokio", &["batch", "server"]),
    ("indicatif", &["cli"]),
    ("ctrlc", &["cli"]),
    ("sys_locale", &["cli"]),
    // What the machine says is read in one place, and told to the rest as a value.
    ("std::env", &["cli"]),
    ("std::process", &["cli"]),
];

/// Macros that print, which is for front ends.
pub const PRINTING: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];

/// Beginnings of the types (and the word) that make a `static` a variable.
pub const STATE: [&str; 9] =
    ["mut", "Mutex", "RwLock", "OnceLock", "OnceCell", "Cell", "RefCell", "UnsafeCell", "Atomic"];

/// What is still against the rules, by rule and file or folder. This list only gets shorter: a row that is mended must go.
pub const UNMENDED: &[(&str, &str)] = &[];

/// Circles of more than two files that are still there. They only get smaller.
pub const CIRCLES: &[&[&str]] = &[];
