//! Textual-inversion embeddings: vectors that stand in a prompt where their name is written.

use std::collections::HashMap;

use candle_core::{Result, Tensor};

use super::chunk::{EmbeddingNames, chunk};
use super::tokenizer::Encoder;
use crate::model::Architecture;
use crate::plan::{Pass, Piece, Plan, Schedule};

/// A textual-inversion embedding.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// For each text encoder of the model, (vectors, the encoder's width); as many vectors for each.
    pub vectors: Vec<Tensor>,
}

/// Embeddings by name.
#[derive(Clone, Default)]
pub struct Embeddings {
    names: EmbeddingNames,
    by_name: HashMap<String, Embedding>,
}

impl Embeddings {
    /// Adds an embedding in the place of one of the same name.
    pub fn add(&mut self, name: &str, embedding: Embedding) -> Result<()> {
        let Some(vectors) = embedding.vectors.first() else { return Ok(()) };
        self.names.add(name, vectors.dim(0)?);
        self.by_name.insert(name.to_owned(), embedding);
        Ok(())
    }

    /// The embedding called `name`, exactly.
    pub fn get(&self, name: &str) -> Option<&Embedding> {
        self.by_name.get(name)
    }

    pub(super) fn names(&self) -> &EmbeddingNames {
        &self.names
    }

    /// The embeddings that `plan` uses, in the order of webui's `TI hashes`.
    pub fn used_by(&self, plan: &Plan) -> Vec<String> {
        self.names.used_by(plan)
    }
}

impl EmbeddingNames {
    /// The names that stand in the texts of `plan`, in the order of webui's `TI hashes`: each run of an encoder puts its own
    /// before those of the earlier runs, and every text runs through all encoders, so that with SDXL each name comes twice.
    pub fn used_by(&self, plan: &Plan) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let encoders = Architecture::full_size(plan.family).map_or(Vec::new(), |architecture| architecture.text);
        let encoders: Vec<Encoder> = encoders.iter().map(|encoder| encoder.kind.into()).collect();
        // Those of later passes first.
        plan.passes().fold(Vec::new(), |mut used, pass| {
            used.splice(0..0, self.used_by_pass(pass, &encoders));
            used
        })
    }

    fn used_by_pass(&self, pass: &Pass, encoders: &[Encoder]) -> Vec<String> {
        let mut parts: Vec<&Schedule> = vec![&pass.negative];
        for part in &pass.positive {
            // Equal parts are encoded once.
            if !parts[1..].contains(&&part.schedule) {
                parts.push(&part.schedule);
            }
        }
        let mut used = Vec::new();
        for schedule in parts {
            for encoder in encoders {
                let texts = schedule.iter().map(|segment| segment.pieces.as_slice());
                used.splice(0..0, self.in_texts(texts, *encoder, pass.settings.comma_padding_backtrack));
            }
        }
        used
    }

    /// The names in texts that are encoded together, each once: those of all first chunks, then of all second ones, and so on.
    fn in_texts<'a>(&self, texts: impl Iterator<Item = &'a [Piece]>, encoder: Encoder, backtrack: u32) -> Vec<String> {
        let chunks: Vec<_> = texts.map(|pieces| chunk(pieces, encoder, backtrack, self).chunks).collect();
        let length = chunks.iter().map(Vec::len).max().unwrap_or(0);
        let mut used: Vec<String> = Vec::new();
        for placed in
            (0..length).flat_map(|at| chunks.iter().filter_map(move |c| c.get(at))).flat_map(|c| &c.embeddings)
        {
            if !used.contains(&placed.name) {
                used.push(placed.name.clone());
            }
        }
        used
    }
}
