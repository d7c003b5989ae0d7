//! The command as a user runs it: what it prints, writes and exits with. One module for each command.

#[path = "../common/planted.rs"]
mod planted;
#[path = "../common/sandbox.rs"]
mod sandbox;

mod analyze;
mod atlas;
mod batch;
mod bench;
mod book;
mod check;
mod general;
mod hostile;
mod language;
mod lists;
mod lora;
mod lora_surgery;
mod memory;
mod models;
mod over;
mod pasted;
mod plan;
mod preset;
mod refiner;
mod sd1;
mod settings;
mod slips;
mod styles;
mod tune;
mod txt2img;
mod upscale;
mod worker;
mod xyz;
