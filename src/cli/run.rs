//! `lbw run`: executes saved plans.

use std::path::Path;

use super::args::{EngineArgs, RunArgs};
use super::exit::{CommandResult, Failure};
use super::files::Files;
use super::request::read_text;
use super::{embeddings, painter, render, report};
use crate::engine::check_limits;
use crate::image_io::read_text as read_image_text;
use crate::lora::LoraIndex;
use crate::plan::{FORMAT, Plan};

pub fn run(args: &RunArgs) -> CommandResult {
    let files = Files::resolve(&args.files, None)?;
    let loras = LoraIndex::scan(&files.lora_dirs()?).map_err(|e| Failure::file(e.to_string()))?;
    let plans = args.plans.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?.concat();
    plans.iter().try_for_each(check_limits).map_err(painter::failure)?;
    let embeddings = embeddings::scan(&files)?;
    plans.iter().for_each(|plan| report::diagnostics(&embeddings::unusable(&embeddings, plan)));
    let engine = EngineArgs { init: args.init.clone(), ..args.engine.clone() };
    render::render(&plans, &[], &files.model()?, loras, embeddings, &engine, &args.output)
}

/// The plans in a file: JSON with one plan or one per line, or an image that holds one.
fn read(path: &Path) -> Result<Vec<Plan>, Failure> {
    let is_image =
        path.extension().is_some_and(|e| ["png", "jpg", "jpeg", "webp"].iter().any(|i| e.eq_ignore_ascii_case(i)));
    let json = if is_image {
        let text = read_image_text(path).map_err(|e| Failure::file(e.to_string()))?;
        text.plan.ok_or_else(|| {
            let advice = "paste its infotext (`lbw info`) to `lbw txt2img -` instead";
            Failure::text(format!("{}: the image holds no plan; {advice}", path.display()))
        })?
    } else {
        read_text(path)?
    };
    serde_json::Deserializer::from_str(&json)
        .into_iter::<serde_json::Value>()
        .map(|value| {
            let plan = value.map_err(|e| e.to_string()).and_then(plan_of);
            plan.map_err(|e| Failure::text(format!("{}: not a plan: {e}", path.display())))
        })
        .collect()
}

/// The plan that `value` is.
pub fn plan_of(value: serde_json::Value) -> Result<Plan, String> {
    // The number is looked at first, so that a plan of another format is called that and not malformed.
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format != u64::from(FORMAT) => {
            Err(format!("it has format {format}, this lbw reads format {FORMAT}"))
        }
        _ => serde_json::from_value(value).map_err(|e| e.to_string()),
    }
}
