//! kohya's TOML: settings of all prompts in `[prompt]`, and each prompt in a `[[prompt.subset]]`.

use serde_json::{Map, Value};

use super::{Read, kohya};
use crate::files::limits::VALUES;
use crate::files::values::is_crowded_toml;
use crate::plan::Patch;
use crate::say;

pub(super) fn read(text: &str, read: &mut Read) {
    let first = text.lines().next().unwrap_or_default();
    if is_crowded_toml(text) {
        return read.wrong(1, first, say!("more than {VALUES} values", "{VALUES} 個を超える値があります"));
    }
    let all: Map<String, Value> = match ::toml::from_str(text) {
        Ok(all) => all,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let number = 1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
            let message = error.message().to_owned();
            return read.wrong(
                number,
                text.lines().nth(number - 1).unwrap_or(first),
                say!("not TOML: {message}", "TOML として読めません: {message}"),
            );
        }
    };
    let shared = all.get("prompt").and_then(Value::as_object);
    let prompts = shared.and_then(|shared| shared.get("subset")).and_then(Value::as_array);
    let (Some(shared), Some(prompts)) = (shared, prompts) else {
        let message = say!(
            "there is no `[[prompt.subset]]`, in which kohya's form has its prompts",
            "kohya の書式のプロンプトである `[[prompt.subset]]` がありません"
        );
        return read.wrong(1, first, message);
    };
    let lines: Vec<&str> = text.lines().collect();
    let headings: Vec<usize> = (0..lines.len()).filter(|at| is_heading(lines[*at])).collect();
    for (number, prompt) in prompts.iter().enumerate() {
        let from = headings.get(number).copied().unwrap_or(0);
        let to = headings.get(number + 1).copied().unwrap_or(lines.len());
        let Some(own) = prompt.as_object() else {
            read.wrong(from + 1, lines[from], say!("this is no table", "テーブルではありません"));
            continue;
        };
        let own_values = own.iter().filter_map(|(name, value)| Some((kohya::key(name)?, value)));
        let of_all = shared.iter().filter(|(name, _)| !own.contains_key(*name));
        let values = of_all.filter_map(|(name, value)| Some((kohya::key(name)?, value))).chain(own_values);
        read.push(from + 1, &lines[from..to].join("\n"), &Patch::default(), values);
    }
}

fn is_heading(line: &str) -> bool {
    line.split_whitespace().collect::<String>().starts_with("[[prompt.subset]]")
}
