//! The model whose modules the keys of a LoRA are matched to.

use std::borrow::Cow;
use std::path::Path;

use crate::app::error::{Error, Result};
use crate::app::session::Session;
use crate::checkpoint::{Checkpoint, TensorFile};
use crate::diagnostic::code;
use crate::image_io::Existing;
use crate::lora::surgery::Blocks;
use crate::lora::{KeyTable, LoraError, ModuleTable, Network};
use crate::model::Architecture;
use crate::say;

/// A LoRA of another model fits nowhere; one that was made for it and is damaged does not fit in a few places.
const MOST_MISFITS: usize = 32;

pub struct Model {
    pub table: Cow<'static, ModuleTable>,
    /// The checkpoint itself, where one is named or the LoRA is the embedded model's.
    pub checkpoint: Option<Checkpoint>,
}

impl Model {
    /// The model of `--model`; else a full-size one of the family that the LoRA is made for, or the embedded one if the LoRA
    /// fits only that.
    pub fn of(lora: &Path, session: &Session) -> Result<Self> {
        if session.names_model() {
            return Self::of_checkpoint(session);
        }
        let file = TensorFile::open(lora)?;
        let blocks = Blocks::of(&file);
        let family = match blocks.as_ref().map(|blocks| (blocks.webui_family(), blocks.family())) {
            None => Architecture::DRAWN[0],
            Some((Some(family), _)) if Architecture::full_size(family).is_some() => family,
            Some((_, name)) => {
                let file = lora.display();
                let message = say!(
                    "{file} is made for {name}, whose layers are not known here; SD1, SD2 and SDXL are (`lbw lora split` splits \
                     it all the same)",
                    "{file} は {name} 用で、その層の形がわかりません。わかるのは SD1、SD2、SDXL です (`lbw lora split` で分けることはできます)"
                );
                return Err(Error::words(code::USAGE, message));
            }
        };
        let table = ModuleTable::full_size(family);
        if session.is_embedded() && Network::open(lora, table, KeyTable::Lenient).is_err() {
            let embedded = Self::of_checkpoint(session)?;
            match Network::open(lora, &embedded.table, KeyTable::Lenient) {
                Ok(_) => return Ok(embedded),
                // Most of it fits there, so what does not is what is wrong with it.
                Err(LoraError::Misfits { misfits, .. }) if misfits.len() < MOST_MISFITS => return Ok(embedded),
                Err(_) => {}
            }
        }
        Ok(Model { table: Cow::Borrowed(table), checkpoint: None })
    }

    fn of_checkpoint(session: &Session) -> Result<Self> {
        let checkpoint = Checkpoint::open(&session.model()?.checkpoint)?;
        let table = ModuleTable::of_checkpoint(checkpoint.file());
        Ok(Model { table: Cow::Owned(table), checkpoint: Some(checkpoint) })
    }
}

/// Whether a file that is there is replaced.
pub fn existing(overwrite: bool) -> Existing {
    if overwrite { Existing::Replace } else { Existing::Keep }
}

/// A new LoRA is a .safetensors file, which programs tell by its name.
pub fn check_output(path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| e == "safetensors") {
        return Ok(());
    }
    let path = path.display();
    let message = say!("-o {path}: end the name in .safetensors", "-o {path}: 名前を .safetensors で終えてください");
    Err(Error::words(code::USAGE, message))
}

/// A file's name and hash, for the metadata of what is made of it.
pub fn origin(path: &Path) -> serde_json::Value {
    let hash = crate::lora::LoraHashes::of_file(path).map(|hashes| hashes.sha256).ok();
    serde_json::json!({ "file": path.file_name().map(|name| name.to_string_lossy()), "sha256": hash })
}
