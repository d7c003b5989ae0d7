//! The prompt lines of kohya's scripts: `a cat --n blurry --w 832 --h 1216 --d 1 --l 7 --s 28`.

use serde_json::Value;

use super::Read;
use crate::plan::Patch;
use crate::say;

/// Options by kohya's letters.
const LETTERS: [(&str, &str); 6] =
    [("n", "negative_prompt"), ("w", "width"), ("h", "height"), ("s", "steps"), ("d", "seed"), ("l", "cfg_scale")];

/// Whether `line` has options that only this form has.
pub(super) fn is_line(line: &str) -> bool {
    !line.starts_with('#')
        && !line.starts_with("--")
        && line.split(" --").skip(1).any(|part| LETTERS.iter().any(|(l, _)| part.split(' ').next() == Some(l)))
}

pub(super) fn read(text: &str, read: &mut Read) {
    for (number, whole) in (1..).zip(text.lines()) {
        let line = whole.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut parts = line.split(" --");
        let mut values = vec![("prompt", Value::from(parts.next().unwrap_or_default().trim()))];
        let mut good = true;
        for part in parts {
            let (letter, value) = part.split_once(' ').unwrap_or((part, ""));
            match LETTERS.iter().find(|(l, _)| *l == letter) {
                Some((_, option)) if !value.trim().is_empty() || *option == "negative_prompt" => {
                    values.push((option, value.trim().into()));
                }
                Some(_) => {
                    read.wrong(
                        number,
                        whole,
                        say!("`--{letter}` needs a value after it", "`--{letter}` の後に値が要ります"),
                    );
                    good = false;
                }
                None => {
                    let known = "--n, --w, --h, --s, --d, --l";
                    let message = say!(
                        "`--{letter}` is not one of {known}, the options of this form",
                        "`--{letter}` はこの書式のオプション ({known}) ではありません"
                    );
                    read.wrong(number, whole, message);
                    good = false;
                }
            }
        }
        if good {
            read.push(number, whole, &Patch::default(), values.iter().map(|(name, value)| (*name, value)));
        }
    }
}
