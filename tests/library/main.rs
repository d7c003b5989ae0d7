//! The library as a program that uses it sees it.

#[path = "../common/drawing.rs"]
mod drawing;
#[path = "../common/guilt.rs"]
mod guilt;
#[path = "../common/world.rs"]
mod world;

mod diagnostics;
mod dialects;
mod embedding_files;
mod errors;
mod files;
mod fuzz_smoke;
mod guilty;
mod hostile_lora;
mod lora_bake;
mod lora_surgery;
mod over_time;
mod pasted;
mod referee;
mod seen;
mod text_properties;
mod weights;
