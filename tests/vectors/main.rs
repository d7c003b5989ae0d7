//! The text half against golden values: every row of every file in `$LBW_VECTORS/prompt`, or `fixtures/vectors/prompt`.

#[path = "../common/mod.rs"]
mod common;

mod attention;
mod extra_networks;
mod infotext;
mod key_map;
mod lbw;
mod lbw_multi;
mod lbw_presets;
mod lbw_steps;
mod multicond;
mod prompts_file;
mod schedule;
mod study;
mod tokens;

/// Every file of the folder is known to a test here; a test whose file is missing says so.
#[test]
fn every_vector_file_is_known() {
    common::assert_known_files(
        "prompt",
        &[
            "analyzer_diff.jsonl",
            "attention.jsonl",
            "extra_networks.jsonl",
            "infotext.jsonl",
            "infotext_format.jsonl",
            "key_map.jsonl",
            "lbw.jsonl",
            "lbw_multi.jsonl",
            "lbw_presets.jsonl",
            "lbw_steps.jsonl",
            "multicond.jsonl",
            "prompts_file.jsonl",
            "schedule.jsonl",
            "tokens.jsonl",
            "xyz_weights.jsonl",
        ],
    );
}
