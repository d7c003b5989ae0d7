//! LoRA files and everything webui calls a network: names, kinds, deltas.
//!
//! A [`Network`] is a file matched to the modules of a model ([`ModuleTable`]). Each of its [`NetworkModule`]s knows its
//! layer and makes the delta that is added to that layer's weight, always from the original weight, so deltas of several
//! networks simply add up.
//!
//! ```no_run
//! use lbw::block::Family;
//! use lbw::lora::{KeyTable, ModuleTable, Network};
//!
//! let table = ModuleTable::full_size(Family::Sdxl);
//! let network = Network::open("style.safetensors".as_ref(), &table, KeyTable::Lenient)?;
//! for module in network.modules() {
//!     println!("{} {} {:?}", module.kind(), module.name(), module.block().map(|b| b.name()));
//! }
//! # Ok::<(), lbw::lora::LoraError>(())
//! ```

mod bake;
mod bundled;
mod deltas;
mod error;
mod file;
mod full_size;
mod hash;
mod index;
mod inspect;
mod kind;
mod lenient;
mod made_for;
mod matching;
mod module;
mod names;
mod network;
pub mod surgery;
mod table;

pub use bake::{BakeError, Baked, bake};
pub use bundled::BundledEmbedding;
pub use deltas::{BlockDeltas, Deltas};
pub use error::LoraError;
pub use hash::LoraHashes;
pub use index::{IndexEntry, IndexError, LoraIndex};
pub use inspect::{Inspection, Member};
pub use kind::Kind;
pub use matching::KeyTable;
pub use module::{Delta, Factors, NetworkModule, Quirk};
pub use names::{Strength, renumbered};
pub use network::Network;
pub use table::{MappedKey, ModuleTable, Target};
