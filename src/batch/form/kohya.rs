//! The prompt lines of kohya's scripts: `a cat --n blurry --w 832 --h 1216 --d 1 --l 7 --s 28`.

use serde_json::{Map, Value};

use super::{Options, Read};
use crate::batch::LineError;
use crate::diagnostic::Said;
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

pub(super) fn read(name: &str, text: &str, options: &Options, read: &mut Read) {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut parts = line.split(" --");
        let prompt = parts.next().unwrap_or_default().trim();
        let mut values = Map::from_iter([("prompt".to_owned(), Value::from(prompt))]);
        let mut good = true;
        for part in parts {
            let (letter, value) = part.split_once(' ').unwrap_or((part, ""));
            match LETTERS.iter().find(|(l, _)| *l == letter) {
                Some((_, option)) if !value.trim().is_empty() || *option == "negative_prompt" => {
                    values.insert((*option).to_owned(), value.trim().into());
                }
                Some(_) => {
                    read.wrong(name, number, LineError::NoValue(format!("--{letter}")).said());
                    good = false;
                }
                None => {
                    let unknown = say!(
                        "`--{letter}` is not one of --n, --w, --h, --s, --d and --l, the options of this form",
                        "`--{letter}` はこの形式のオプション (--n、--w、--h、--s、--d、--l) ではありません"
                    );
                    read.wrong(name, number, unknown);
                    good = false;
                }
            }
        }
        if good {
            read.push(name, number, values, options);
        }
    }
}
