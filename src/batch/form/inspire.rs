//! Blocks of `positive:` and `negative:`, divided by lines of three or more hyphens, as ComfyUI's Inspire pack reads them.

use serde_json::Value;

use super::Read;
use crate::plan::Patch;
use crate::say;

pub(super) fn read(text: &str, read: &mut Read) {
    let mut block = Block::default();
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.len() >= 3 && trimmed.bytes().all(|b| b == b'-') {
            std::mem::take(&mut block).finish(read);
        } else if let Some(rest) = trimmed.strip_prefix("positive:") {
            if block.line != 0 && (block.negative.is_some() || !block.positive.is_empty()) {
                std::mem::take(&mut block).finish(read);
            }
            block.line = number;
            block.positive.push_str(rest.trim());
        } else if let Some(rest) = trimmed.strip_prefix("negative:") {
            block.line = if block.line == 0 { number } else { block.line };
            block.negative = Some(rest.trim().to_owned());
        } else if block.line == 0 && !trimmed.is_empty() && !trimmed.starts_with('#') {
            read.wrong(number, line, say!("the line stands before `positive:`", "`positive:` より前に行があります"));
        } else if block.line != 0 && !trimmed.is_empty() {
            let text = block.negative.as_mut().unwrap_or(&mut block.positive);
            text.push('\n');
            text.push_str(trimmed);
        }
    }
    block.finish(read);
}

#[derive(Default)]
struct Block {
    line: usize,
    positive: String,
    negative: Option<String>,
}

impl Block {
    fn finish(self, read: &mut Read) {
        if self.line == 0 {
            return;
        }
        let mut values = vec![("prompt", Value::from(self.positive.trim()))];
        values.extend(self.negative.map(|negative| ("negative_prompt", negative.trim().into())));
        read.push(self.line, "", &Patch::default(), values.iter().map(|(name, value)| (*name, value)));
    }
}
