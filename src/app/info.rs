//! What an image tells about how it was made.

use std::path::Path;

use serde_json::{Value, json};

use super::answer::Answer;
use super::error::Result;
use crate::diagnostic::{Diagnostic, Text, code};
use crate::image_io::{ImageText, read_text};
use crate::say;

/// Infotext of an image, and where it is wanted the plan; programs get both.
pub fn info(path: &Path, with_plan: bool) -> Result<Answer> {
    let ImageText { parameters, plan } = read_text(path)?;
    let parsed = plan.as_deref().and_then(|plan| serde_json::from_str::<Value>(plan).ok());
    let mut answer = Answer::new(json!({ "file": path, "parameters": parameters, "plan": parsed }), Text::default());
    let name = path.display();
    let absent = match (with_plan, &parameters, &plan) {
        (true, _, None) => Some(say!("{name}: no plan", "{name}: 計画がありません")),
        (false, None, None) => Some(say!("{name}: no infotext and no plan", "{name}: infotext も計画もありません")),
        (false, None, Some(_)) => Some(say!(
            "{name}: no infotext; `--plan` shows the plan that it holds",
            "{name}: infotext がありません。`--plan` で入っている計画を表示します"
        )),
        _ => None,
    };
    answer.found.extend(absent.map(|message| Diagnostic::new(code::NO_TEXT, message)));
    // What `lbw txt2img -` and `lbw run` read.
    let lines = parameters.into_iter().filter(|_| !with_plan).chain(plan.filter(|_| with_plan));
    answer.text = Text::join(lines.map(|text| Text::same(format!("{text}\n"))), "");
    Ok(answer)
}
