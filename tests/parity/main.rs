//! The numeric half against golden values: every case in `$LBW_VECTORS/num`, or `fixtures/vectors/num`.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod e2e;
mod embedded;
mod extra;
mod hires;
mod img2img;
mod lora_full;
mod lora_kinds;
mod numeric;
mod operators;
mod picture;
mod rng;
mod samplers;
mod schedules;
mod sd1;
mod stopping;
mod tinyxl;
mod upscale;
mod vpred;

/// Every folder is known to a test here; a test whose folder is missing says so.
#[test]
fn every_vector_folder_is_known() {
    const READ: [&str; 13] = [
        "e2e",
        "extra",
        "hires",
        "img2img",
        "lora_full",
        "lora_kinds",
        "rng",
        "samplers",
        "schedules",
        "sd1",
        "tinyxl",
        "upscale",
        "vpred",
    ];
    common::assert_known_files("num", &READ);
}
