//! Block weights, element rules and strengths of a tag, written into a new LoRA file.

use std::path::PathBuf;

use serde_json::json;

use super::model::{self, Model};
use super::{of_tag, talk};
use crate::app::answer::Answer;
use crate::app::error::{Error, Result};
use crate::app::session::Session;
use crate::diagnostic::{Said, code};
use crate::lora::{self, BakeError, KeyTable, Network, NetworkModule, Strength};
use crate::plan::LoraPlan;
use crate::say;

/// What is to be baked.
#[derive(Debug, Clone)]
pub struct BakeWish {
    /// A LoRA tag as a prompt has it.
    pub tag: String,
    /// The new file; nothing is overwritten.
    pub output: PathBuf,
}

/// Writes a new LoRA that has, without block weights, the effect that a tag gives to the old one.
pub fn bake(session: &Session, wish: &BakeWish) -> Result<Answer> {
    model::check_output(&wish.output)?;
    let (lora, path, mut found) = of_tag(&wish.tag, session)?;
    check(&lora)?;
    let table = Model::of(&path, session)?.table;
    let strength = |module: &NetworkModule| match module.strength() {
        Strength::Te => lora.te,
        Strength::Unet => lora.unet,
    };
    let network = Network::open(&path, &table, KeyTable::Lenient)?;
    found.extend(talk::without_effect(&path, network.left_out()));
    if let Some(module) = network.modules().iter().find(|module| module.has_bias() && strength(module) != 1.0) {
        let module = module.name();
        let message = say!(
            "`{module}` changes a bias, which a strength scales but a baked weight does not",
            "`{module}` はバイアスを変えます。強度はバイアスに掛かりますが、焼き込んだ重みは掛かりません"
        );
        return Err(Error::words(code::CANNOT_BAKE, message).help(say!(
            "bake with strength 1 and give the strength where the file is used",
            "強度 1 で焼き込み、強度はファイルを使うときに指定してください"
        )));
    }
    let weight = |module: &NetworkModule| strength(module) * lora.ratio(table.family(), module.name());
    let provenance =
        json!({ "of": path.file_name().map(|name| name.to_string_lossy()), "tag": wish.tag, "plan": lora });
    let baked = lora::bake(&path, &wish.output, &table, KeyTable::Lenient, weight, &provenance.to_string());
    let baked = baked.map_err(|error| match error {
        BakeError::CannotScale { .. } | BakeError::NotFinite { .. } => Error::words(code::CANNOT_BAKE, error.said()),
        _ => Error::file(code::NOT_WRITTEN, error.said()),
    })?;
    let (output, scaled, unchanged, dropped) = (wish.output.display(), baked.scaled, baked.unchanged, baked.dropped);
    let said = say!(
        "{output}: {scaled} modules scaled, {unchanged} unchanged, {dropped} left out (weight 0)\n",
        "{output}: {scaled} モジュールに重みを掛け、{unchanged} はそのまま、{dropped} は省きました (重み 0)\n"
    );
    Ok(Answer::new(json!({ "file": wish.output.to_string_lossy(), "baked": baked }), said).with(found))
}

/// What a file cannot say.
fn check(lora: &LoraPlan) -> Result<()> {
    if !lora.is_always_the_same() {
        let message = say!(
            "start, stop, step and what changes over the steps cannot be baked: a file has no steps; leave them out",
            "start・stop・step と時間で変わるものは焼き込めません。ファイルにはステップがないので省いてください"
        );
        return Err(Error::words(code::CANNOT_BAKE, message));
    }
    if lora.dyn_dim.is_some() {
        let message = say!(
            "the rank (the tag's fourth number) cannot be baked; leave it out",
            "ランク (タグの 4 番目の数) は焼き込めません。省いてください"
        );
        return Err(Error::words(code::CANNOT_BAKE, message));
    }
    Ok(())
}
