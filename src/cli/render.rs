//! Draws plans: runs each and writes each PNG with its infotext and plan.

use serde_json::json;

use super::args::{EngineArgs, OutputArgs};
use super::exit::{CommandResult, Exit, Failure};
use super::files::ModelFiles;
use super::output::Output;
use super::painter::Painter;
use super::progress::Progress;
use super::report;
use crate::image_io::{self, Existing};
use crate::lora::LoraIndex;
use crate::plan::Plan;
use crate::text::EmbeddingFiles;

/// Draws all `plans`.
pub fn render(
    plans: &[Plan],
    model: &ModelFiles,
    loras: LoraIndex,
    embeddings: EmbeddingFiles,
    engine: &EngineArgs,
    output: &OutputArgs,
) -> CommandResult {
    let mut target = Output::new(output.output.as_deref(), plans.len())?;
    let mut painter = Painter::open(model, loras, embeddings, engine)?;
    painter.check_loras(plans)?;
    let mut failed = 0;
    for plan in plans {
        let mut progress = Progress::new(output.json);
        let result = painter.paint(plan, &mut |event| progress.on(&event));
        progress.finish();
        let picture = match result {
            Ok(picture) => picture,
            Err(failure) if plans.len() > 1 => {
                report::error(&format!("seed {}: {}", plan.settings.seed, failure.message));
                failed += 1;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let path = loop {
            let path = target.next(plan.settings.seed);
            match picture.write(&path, Existing::Keep) {
                Ok(()) => break path,
                Err(image_io::Error::Exists { .. }) if matches!(target, Output::Folder { .. }) => continue,
                Err(error) => return Err(Failure::file(error.to_string())),
            }
        };
        match output.json {
            true => {
                let id = painter.job_id(plan)?;
                println!(
                    "{}",
                    json!({ "file": path, "id": id, "seed": plan.settings.seed, "parameters": picture.parameters })
                );
            }
            false => println!("{}", path.display()),
        }
    }
    match failed {
        0 => Ok(Exit::Done),
        _ => Err(Failure { exit: Exit::SomeFailed, message: format!("{failed} of {} images failed", plans.len()) }),
    }
}
