//! Changing the LoRA tags of a prompt.

use super::Error;
use crate::diagnostic::Source;
use crate::syntax::{Prompt, Tag};

/// Whether the tag loads a LoRA.
pub(super) fn is_lora(tag: &Tag) -> bool {
    matches!(tag.kind.as_str(), "lora" | "lyco")
}

/// Whether the text of an item names the vector of the plot or its complement.
pub(super) fn names_plot(item: &str) -> bool {
    item.contains("XYZ") || item.contains("ZYX")
}

/// Changes every LoRA tag of `prompt`, whose comments are left out then.
pub(super) fn rewrite(prompt: &mut Source, change: impl FnMut(&mut Tag)) {
    let mut parsed = Prompt::parse(&prompt.text);
    parsed.tags.iter_mut().filter(|tag| is_lora(tag)).for_each(change);
    prompt.text = parsed.to_string().into();
}

/// Puts the vectors in the place of the names that stand for them.
pub(super) fn put_vectors(tag: &mut Tag, xyz: &str, zyx: &str) {
    for item in &mut tag.items {
        let vector = match item.text.split_once('=') {
            Some(("lbw" | "w", "XYZ")) => xyz,
            Some(("lbw" | "w", "ZYX")) => zyx,
            _ => continue,
        };
        item.text = format!("lbw={vector}");
    }
}

/// Gives the LoRA whose tag names the plot's vector, or the only one, this strength for text encoders and UNet.
pub(super) fn set_strength(prompt: &mut Source, strength: &str) -> Result<(), Error> {
    let tags = Prompt::parse(&prompt.text).tags;
    let loras = tags.iter().filter(|tag| is_lora(tag)).count();
    let in_plot = |tag: &Tag| tag.items.iter().any(|item| names_plot(&item.text));
    let several = tags.iter().filter(|tag| is_lora(tag)).any(in_plot);
    if !several && loras != 1 {
        return Err(Error::WhichLora(loras));
    }
    rewrite(prompt, |tag| {
        if !several || in_plot(tag) {
            strengthen(tag, strength);
        }
    });
    Ok(())
}

/// Both strengths as the items after the name; named ones go.
fn strengthen(tag: &mut Tag, strength: &str) {
    let is_strength = |text: &str| matches!(text.split_once('='), Some(("te" | "unet", _)));
    tag.items.retain(|item| !is_strength(&item.text));
    let mut positional = tag.items.iter_mut().filter(|item| item.named().is_none()).skip(1);
    if let Some(te) = positional.next() {
        te.text = strength.to_owned();
        if let Some(unet) = positional.next() {
            unet.text = strength.to_owned();
        }
    } else if let Some(name) = tag.items.first().cloned() {
        tag.items.insert(1, crate::syntax::Item { text: strength.to_owned(), ..name });
    }
}
