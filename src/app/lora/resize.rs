//! A LoRA at a lower rank.

use std::path::PathBuf;

use serde_json::json;

use super::model::{self, Model};
use super::{find, talk};
use crate::app::answer::Answer;
use crate::app::error::Result;
use crate::app::session::Session;
use crate::diagnostic::Text;
use crate::lora::surgery::{self, Resized, Size};
use crate::say;

/// What is to be resized.
#[derive(Debug, Clone)]
pub struct ResizeWish {
    /// A file, or a name.
    pub lora: String,
    /// The new file.
    pub output: PathBuf,
    /// The highest rank of a module.
    pub rank: Option<usize>,
    /// The share of the sum of squares of a module that stays.
    pub energy: Option<f64>,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
}

/// Writes a LoRA at a lower rank, and tells the measured error.
pub fn resize(session: &Session, wish: &ResizeWish) -> Result<Answer> {
    model::check_output(&wish.output)?;
    if let Some(energy) = wish.energy.filter(|energy| !(*energy > 0.0 && *energy <= 1.0)) {
        return Err(talk::wrong(say!(
            "--energy is {energy}; it must be above 0 and at most 1",
            "--energy が {energy} です。0 より大きく 1 以下でなければなりません"
        )));
    }
    let path = find(&wish.lora, session)?;
    let model = Model::of(&path, session)?;
    let size = Size { rank: wish.rank, energy: wish.energy };
    let provenance = json!({ "of": model::origin(&path), "rank": wish.rank, "energy": wish.energy }).to_string();
    let existing = model::existing(wish.overwrite);
    let resized = surgery::resize(&path, &wish.output, &model.table, size, &provenance, existing)?;
    let (file, Resized { cut, unchanged, .. }) = (wish.output.display(), &resized);
    let summary = say!(
        "{file}: {cut} modules cut, {unchanged} small enough already\n",
        "{file}: 切り詰めたモジュール {cut} 個、もともと小さいモジュール {unchanged} 個\n"
    );
    let text = Text::join([summary, talk::errors(&resized.errors)], "");
    let mut answer = Answer::new(json!({ "file": wish.output.to_string_lossy(), "resized": resized }), text);
    answer.found.extend(talk::without_effect(&path, &resized.without_effect));
    for (kind, count) in &resized.other_kinds {
        answer.found.push(talk::apart(say!(
            "{count} modules are {kind}, which has no rank to cut this way; they are as they were",
            "{count} 個のモジュールは {kind} で、この方法では切り詰められません。元のままです"
        )));
    }
    if let dora @ 1.. = resized.dora {
        answer.found.push(talk::apart(say!(
            "{dora} modules have DoRA magnitudes, which belong to their exact factors; they are as they were",
            "{dora} 個のモジュールには DoRA の大きさがあり、元の因子と組になっています。元のままです"
        )));
    }
    Ok(answer)
}
