//! Prompts in tokens and chunks, for both encoders.

use lbw::plan::Piece;
use lbw::syntax::attention;
use lbw::text::chunk::{Chunk, Chunks, EmbeddingNames, chunk};
use lbw::text::tokenizer::Encoder;
use serde_json::Value;

use crate::common::{self, Tally};

#[test]
fn tokens() {
    let mut tally = Tally::new("tokens");
    for row in common::rows("tokens") {
        tally.check(&row["prompt"], check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let prompt = row["prompt"].as_str().unwrap();
    let backtrack = row["comma_padding_backtrack"].as_u64().unwrap() as u32;
    let pieces = match row["emphasis"].as_str().unwrap() {
        "None" => vec![Piece { text: prompt.to_string(), weight: 1.0 }],
        _ => attention::parse(prompt).pieces,
    };
    let mut names = EmbeddingNames::default();
    for embedding in row["embeddings"].as_array().into_iter().flatten() {
        names.add(embedding["name"].as_str().unwrap(), embedding["vectors"].as_u64().unwrap() as usize);
    }
    let expected_l = row["expect"].as_array().unwrap();
    let l = chunk(&pieces, Encoder::ClipL, backtrack, &names);
    compare("L", &l, expected_l, expected_l, &row["token_count"])?;
    if let Some(expected_g) = row["expect_g"].as_array() {
        let g = chunk(&pieces, Encoder::ClipG, backtrack, &names);
        compare("G", &g, expected_g, expected_l, &row["token_count_g"])?;
    }
    Ok(())
}

/// Fields that a chunk of CLIP-G does not name are those of CLIP-L's.
fn compare(which: &str, found: &Chunks, expected: &[Value], inherited: &[Value], count: &Value) -> Result<(), String> {
    if found.token_count as u64 != count.as_u64().unwrap() {
        return Err(format!("{which}: {} tokens, expected {count}", found.token_count));
    }
    if found.chunks.len() != expected.len() {
        return Err(format!("{which}: {} chunks, expected {}", found.chunks.len(), expected.len()));
    }
    for (i, (chunk, expected)) in found.chunks.iter().zip(expected).enumerate() {
        let field = |name| expected.get(name).or_else(|| inherited.get(i)?.get(name));
        compare_chunk(chunk, field).map_err(|why| format!("{which} chunk {i}: {why}"))?;
    }
    Ok(())
}

fn compare_chunk<'v>(chunk: &Chunk, field: impl Fn(&'static str) -> Option<&'v Value>) -> Result<(), String> {
    let list = |name| field(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let tokens: Vec<u32> = list("tokens").iter().map(|t| t.as_u64().unwrap() as u32).collect();
    if chunk.tokens != tokens {
        return Err(format!("tokens {:?}\n    expected {tokens:?}", chunk.tokens));
    }
    let multipliers: Vec<f32> = list("multipliers").iter().map(|m| common::number(m) as f32).collect();
    if chunk.multipliers != multipliers {
        return Err(format!("multipliers {:?}\n    expected {multipliers:?}", chunk.multipliers));
    }
    let placed: Vec<_> =
        chunk.embeddings.iter().map(|e| (e.offset as u64, e.name.as_str(), e.vectors as u64)).collect();
    let expected: Vec<_> = list("embeddings")
        .iter()
        .map(|e| (e["offset"].as_u64().unwrap(), e["name"].as_str().unwrap(), e["vectors"].as_u64().unwrap()))
        .collect();
    if placed != expected {
        return Err(format!("embeddings {placed:?}\n    expected {expected:?}"));
    }
    Ok(())
}
