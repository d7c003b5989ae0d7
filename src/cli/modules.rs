//! The modules of LoRA files by name, each file opened once.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::lora::{Inspection, LoraIndex};

pub struct LoraModules<'a> {
    loras: &'a LoraIndex,
    known: RefCell<HashMap<String, Option<Vec<String>>>>,
}

impl<'a> LoraModules<'a> {
    pub fn new(loras: &'a LoraIndex) -> Self {
        LoraModules { loras, known: RefCell::default() }
    }

    /// The modules of the LoRA `name`; nothing for a file that is not there or cannot be read, which is reported where it
    /// is used.
    pub fn of(&self, name: &str) -> Option<Vec<String>> {
        let read = || Some(Inspection::of_file(self.loras.resolve(name).ok()?, None).ok()?.modules);
        self.known.borrow_mut().entry(name.to_owned()).or_insert_with(read).clone()
    }
}
