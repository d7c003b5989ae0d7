//! A tag in the form another program takes.

use serde_json::{Value, json};

use super::of_tag;
use crate::app::answer::Answer;
use crate::app::error::{Error, Result};
use crate::app::session::Session;
use crate::block::{Block, Family, Space};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::lora::Inspection;
use crate::plan::LoraPlan;
use crate::say;

/// The blocks that diffusers' scales can name: those with attention. All others get 1 there.
const EXPRESSIBLE: [&str; 12] =
    ["BASE", "IN04", "IN05", "IN07", "IN08", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05"];

/// The scales of a tag for diffusers' `set_adapters`.
pub fn diffusers_scales(session: &Session, tag: &str) -> Result<Answer> {
    let (lora, path, mut found) = of_tag(tag, session)?;
    if !lora.elements.is_empty() {
        let message =
            say!("diffusers' scales have no element rules", "diffusers のスケールには要素のルールがありません");
        return Err(Error::words(code::CANNOT_BAKE, message)
            .help(say!("`lbw lora bake` writes a file that has them", "`lbw lora bake` ならファイルに書けます")));
    }
    if !lora.window.is_always() {
        let message = say!(
            "diffusers' scales have no steps; leave start, stop and step out",
            "diffusers のスケールにはステップがありません。start・stop・step を省いてください"
        );
        return Err(Error::words(code::CANNOT_BAKE, message));
    }
    let inspection = Inspection::of_file(&path, None)?;
    let outside = inspection.modules.iter().filter(|module| {
        let block = Block::of_module(Family::Sdxl, module);
        let is_named = block.is_some_and(|block| EXPRESSIBLE.contains(&block.name()));
        !is_named && lora.unet * lora.ratio(Family::Sdxl, module) != 1.0
    });
    if let Some(example) = outside.clone().next() {
        let count = outside.count();
        let message = say!(
            "{count} modules lie in blocks that diffusers' scales cannot name and keep 1 there, for example {example}",
            "{count} 個のモジュールは diffusers のスケールで指定できないブロックにあり、1 のままです (例: {example})"
        );
        found.push(
            Diagnostic::new(code::INEXACT, message).help(say!(
                "`lbw lora bake` writes a file that is exact",
                "`lbw lora bake` なら正確なファイルを書けます"
            )),
        );
    }
    let scales = scales(&lora);
    let text = Text::same(format!("{scales:#}\n"));
    Ok(Answer::new(scales, text).with(found))
}

/// diffusers counts resolutions, down and up, where webui counts blocks: down 1 is IN04 and IN05, up 0 is OUT00 to OUT02.
fn scales(lora: &LoraPlan) -> Value {
    let weight = |name: &str| {
        let index = Space::Unet.names().iter().position(|block| *block == name);
        index.and_then(|index| lora.blocks.get(index)).copied().unwrap_or(1.0)
    };
    let unet = |names: &[&str]| names.iter().map(|name| lora.unet * weight(name)).collect::<Vec<_>>();
    let text = lora.te * weight("BASE");
    json!({
        "text_encoder": text,
        "text_encoder_2": text,
        "unet": {
            "down": { "block_1": unet(&["IN04", "IN05"]), "block_2": unet(&["IN07", "IN08"]) },
            "mid": lora.unet * weight("M00"),
            "up": {
                "block_0": unet(&["OUT00", "OUT01", "OUT02"]),
                "block_1": unet(&["OUT03", "OUT04", "OUT05"]),
            },
        },
    })
}
