//! Blocks of `positive:` and `negative:`, divided by lines of three or more hyphens, as ComfyUI's Inspire pack reads them.

use serde_json::{Map, Value};

use super::{Options, Read};
use crate::say;

pub(super) fn read(name: &str, text: &str, options: &Options, read: &mut Read) {
    let mut block = Block::default();
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.len() >= 3 && trimmed.bytes().all(|b| b == b'-') {
            std::mem::take(&mut block).finish(name, options, read);
        } else if let Some(rest) = trimmed.strip_prefix("positive:") {
            if block.line != 0 && (block.negative.is_some() || !block.positive.is_empty()) {
                std::mem::take(&mut block).finish(name, options, read);
            }
            block.line = number;
            block.positive.push_str(rest.trim());
        } else if let Some(rest) = trimmed.strip_prefix("negative:") {
            block.line = if block.line == 0 { number } else { block.line };
            block.negative = Some(rest.trim().to_owned());
        } else if block.line == 0 && !trimmed.is_empty() && !trimmed.starts_with('#') {
            read.wrong(name, number, say!("the line stands before `positive:`", "`positive:` より前に行があります"));
        } else if block.line != 0 && !trimmed.is_empty() {
            let text = block.negative.as_mut().unwrap_or(&mut block.positive);
            text.push('\n');
            text.push_str(trimmed);
        }
    }
    block.finish(name, options, read);
}

#[derive(Default)]
struct Block {
    line: usize,
    positive: String,
    negative: Option<String>,
}

impl Block {
    fn finish(self, name: &str, options: &Options, read: &mut Read) {
        if self.line == 0 {
            return;
        }
        let mut values = Map::from_iter([("prompt".to_owned(), Value::from(self.positive.trim()))]);
        if let Some(negative) = self.negative {
            values.insert("negative_prompt".to_owned(), negative.trim().into());
        }
        read.push(name, self.line, values, options);
    }
}
