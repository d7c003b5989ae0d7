//! The numeric half against golden values: every case in `$LBW_VECTORS/num`, or `fixtures/vectors/num`.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod e2e;
mod embedded;
mod lora_full;
mod lora_kinds;
mod numeric;
mod rng;
mod samplers;
mod schedules;
mod tinyxl;
mod vpred;

/// Every folder is known to a test here; a test whose folder is missing says so.
#[test]
fn every_vector_folder_is_known() {
    common::assert_known_files(
        "num",
        &["e2e", "lora_full", "lora_kinds", "rng", "samplers", "schedules", "tinyxl", "vpred"],
    );
}
