//! The numeric half against golden values: every case in `$LBW_VECTORS/num`, or `fixtures/vectors/num`.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod e2e;
mod embedded;
mod lora_full;
mod lora_kinds;
mod numeric;
mod operators;
mod rng;
mod samplers;
mod schedules;
mod sd1;
mod stopping;
mod tinyxl;
mod vpred;

/// Every folder is known to a test here, or no test reads it yet; a test whose folder is missing says so.
#[test]
fn every_vector_folder_is_known() {
    const READ: [&str; 9] =
        ["e2e", "lora_full", "lora_kinds", "rng", "samplers", "schedules", "sd1", "tinyxl", "vpred"];
    const NOT_YET: [&str; 4] = ["extra", "hires", "img2img", "upscale"];
    common::assert_known_files("num", &[&READ[..], &NOT_YET[..]].concat());
}
