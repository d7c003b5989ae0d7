//! `lbw serve` as its clients see it: the program on a free port, asked over plain sockets.
#![cfg(feature = "serve")]

#[path = "../common/sandbox.rs"]
mod sandbox;

mod client;
mod page;
mod pictures;
mod queue;
mod refusals;
mod saved;
mod soak;
mod study;
mod threats;
mod via;
