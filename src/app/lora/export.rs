//! A tag in the form another program takes.

use serde_json::{Map, Value, json};

use super::of_tag;
use crate::app::answer::Answer;
use crate::app::error::{Error, Result};
use crate::app::session::Session;
use crate::block::{Block, Space};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::lora::Inspection;
use crate::model::{Architecture, UnetArchitecture};
use crate::plan::LoraPlan;
use crate::say;

/// The scales of a tag for diffusers' `set_adapters`.
pub fn diffusers_scales(session: &Session, tag: &str) -> Result<Answer> {
    let (lora, path, mut found) = of_tag(tag, session)?;
    if !lora.elements.is_empty() {
        let message =
            say!("diffusers' scales have no element rules", "diffusers のスケールには要素のルールがありません");
        return Err(Error::words(code::CANNOT_BAKE, message)
            .help(say!("`lbw lora bake` writes a file that has them", "`lbw lora bake` ならファイルに書けます")));
    }
    if !lora.is_always_the_same() {
        let message = say!(
            "diffusers' scales have no steps; leave start, stop, step and what changes over the steps out",
            "diffusers のスケールにはステップがありません。start・stop・step と時間で変わるものを省いてください"
        );
        return Err(Error::words(code::CANNOT_BAKE, message));
    }
    let inspection = Inspection::of_file(&path, None)?;
    let family = inspection.family;
    let architecture = Architecture::full_size(family).ok_or_else(|| {
        let name = family.label();
        let message = say!(
            "diffusers' scales by block are for UNets, not {name}",
            "diffusers のブロックごとのスケールは UNet のもので、{name} にはありません"
        );
        Error::words(code::CANNOT_BAKE, message)
    })?;
    let [down, up] = levels(&architecture.unet);
    let named: Vec<&str> = down.iter().chain(&up).flat_map(|(_, blocks)| blocks).map(String::as_str).collect();
    let is_named = |block: Block| named.contains(&block.name()) || ["BASE", "M00"].contains(&block.name());
    let outside = inspection.modules.iter().filter(|module| {
        let block = Block::of_module(family, module);
        !block.is_some_and(is_named) && lora.unet * lora.ratio(family, module) != 1.0
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
    let scales = scales(&lora, architecture.text.len(), [&down, &up]);
    let text = Text::same(format!("{scales:#}\n"));
    Ok(Answer::new(scales, text).with(found))
}

/// The blocks of one resolution, under the number that diffusers gives it.
type Levels = Vec<(usize, Vec<String>)>;

/// The blocks with attention, down and up, as diffusers counts them: resolutions, where webui counts blocks. Down 1 of SDXL is
/// IN04 and IN05, up 0 is OUT00 to OUT02.
fn levels(unet: &UnetArchitecture) -> [Levels; 2] {
    let (mut down, mut up) = (Levels::new(), Levels::new());
    let (mut input, mut output) = (1, 0);
    for (l, level) in unet.levels.iter().enumerate() {
        down.push((l, (input..input + level.down.len()).map(|n| format!("IN{n:02}")).collect()));
        // One block changes the resolution.
        input += level.down.len() + 1;
    }
    for (l, level) in unet.levels.iter().rev().enumerate() {
        up.push((l, (output..output + level.up.len()).map(|n| format!("OUT{n:02}")).collect()));
        output += level.up.len();
    }
    let has_attention = |depths: &[usize]| depths.iter().any(|depth| *depth > 0);
    down.retain(|(l, _)| has_attention(&unet.levels[*l].down));
    up.retain(|(l, _)| has_attention(&unet.levels[unet.levels.len() - 1 - *l].up));
    [down, up]
}

fn scales(lora: &LoraPlan, encoders: usize, [down, up]: [&Levels; 2]) -> Value {
    let weight = |name: &str| {
        let index = Space::Unet.names().iter().position(|block| *block == name);
        index.and_then(|index| lora.blocks.get(index)).copied().unwrap_or(1.0)
    };
    let of_levels = |levels: &Levels| -> Value {
        let blocks = |names: &[String]| names.iter().map(|name| lora.unet * weight(name)).collect::<Vec<_>>();
        levels.iter().map(|(l, names)| (format!("block_{l}"), json!(blocks(names)))).collect::<Map<_, _>>().into()
    };
    let mut scales = Map::new();
    for name in ["text_encoder", "text_encoder_2"].into_iter().take(encoders) {
        scales.insert(name.to_owned(), json!(lora.te * weight("BASE")));
    }
    let unet = json!({ "down": of_levels(down), "mid": lora.unet * weight("M00"), "up": of_levels(up) });
    scales.insert("unet".to_owned(), unet);
    scales.into()
}
