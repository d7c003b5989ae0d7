//! What an image tells about how it was made, and what came of it.

use std::path::Path;

use serde_json::{Value, json};

use super::answer::Answer;
use super::error::Result;
use super::referee::{self, PROGRAMS};
use super::session::Session;
use super::show;
use super::source::{Says, of_foreign, says};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::image_io::{ImageText, read_text};
use crate::say;

/// Infotext of an image, and where it is wanted the plan; programs get both.
pub fn info(path: &Path, with_plan: bool) -> Result<Answer> {
    let text = read_text(path)?;
    let name = path.display();
    let (infotext, said) = match says(&text) {
        Says::Infotext(infotext) => (Some(infotext), Vec::new()),
        Says::Foreign(foreign) => of_foreign(&foreign, &name.to_string()),
        Says::Nothing => (None, Vec::new()),
    };
    let ImageText { parameters, plan, .. } = text;
    let parsed = plan.as_deref().and_then(|plan| serde_json::from_str::<Value>(plan).ok());
    let mut answer = Answer::new(
        json!({ "file": path.to_string_lossy(), "parameters": parameters, "plan": parsed }),
        Text::default(),
    );
    let is_silent = infotext.is_none() && said.is_empty();
    let absent = match (with_plan, Some(()).filter(|()| !is_silent), &plan) {
        (true, _, None) => Some(say!("{name}: no plan", "{name}: 計画がありません")),
        (false, None, None) => Some(say!("{name}: no infotext and no plan", "{name}: infotext も計画もありません")),
        (false, None, Some(_)) => Some(say!(
            "{name}: no infotext; `--plan` shows the plan that it holds",
            "{name}: infotext がありません。`--plan` で入っている計画を表示します"
        )),
        _ => None,
    };
    answer.found.extend(said.into_iter().filter(|_| !with_plan));
    answer.found.extend(absent.map(|message| Diagnostic::new(code::NO_TEXT, message)));
    // What `lbw txt2img -` and `lbw run` read.
    let lines = infotext.into_iter().filter(|_| !with_plan).chain(plan.filter(|_| with_plan));
    answer.text = Text::join(lines.map(|text| Text::same(format!("{text}\n"))), "");
    Ok(answer)
}

/// What the block weights of an image did in the program that drew it.
pub fn audit(path: &Path, session: &Session) -> Result<Answer> {
    let name = path.display();
    let text = read_text(path)?;
    let Some(audit) = referee::audit(&text, session) else {
        let message = say!("{name}: no infotext, no plan, no nodes", "{name}: infotext も計画もノードもありません");
        let found = match says(&text) {
            Says::Foreign(foreign) => of_foreign(&foreign, &name.to_string()).1,
            _ => vec![Diagnostic::new(code::NO_TEXT, message)],
        };
        return Ok(Answer::new(json!({ "file": path.to_string_lossy() }), Text::default()).with(found));
    };
    let (by, compared) = (&audit.drawn_by, &audit.comparison);
    let loras: Vec<Value> = compared.loras.iter().map(|lora| show::lora_as_json(lora, compared)).collect();
    let json = json!({
        "file": path.to_string_lossy(),
        "program": audit.program.map(|at| PROGRAMS[at].id),
        "drawn_by": by.to_string(),
        "prompt": audit.prompt,
        "notes": audit.notes.iter().map(Text::to_string).collect::<Vec<_>>(),
        "loras": loras,
    });
    let head = say!("{name}: drawn by {by}\n", "{name}: 描いたのは {by}\n", with by);
    let rest = match compared.loras.is_empty() {
        true => say!("it has no LoRA\n", "LoRA はありません\n"),
        false => show::one_program(compared, audit.program.unwrap_or(0)),
    };
    let notes = audit.notes.iter().map(|note| say!("{note}\n", "{note}\n", with note));
    Ok(Answer::new(json, Text::join([head, rest].into_iter().chain(notes), "")))
}
