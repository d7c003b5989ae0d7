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
use crate::infotext::{Infotext, Pasted};
use crate::lora::LoraIndex;
use crate::plan::{Plan, Settings};
use crate::text::EmbeddingFiles;

/// Draws all `plans`. `pasted` is what each prompt said, in the order of the plans and with as many plans each, or nothing.
pub fn render(
    plans: &[Plan],
    pasted: &[Pasted],
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
    let images = plans.len() / pasted.len().max(1);
    for (n, plan) in plans.iter().enumerate() {
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
        if let Some(pasted) = pasted.get(n / images.max(1)).filter(|_| n % images == 0) {
            say_other_files(pasted, &picture.parameters);
        }
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

/// Says which files are not those that a pasted text was made with.
fn say_other_files(pasted: &Pasted, parameters: &str) {
    let drawn = Infotext::parse(parameters).apply(&mut Settings::default());
    for (what, pasted, here) in drawn.iter().flat_map(|drawn| pasted.other_files(drawn)) {
        report::warning(&format!("{what} is not the one of the pasted text: hash {here} instead of {pasted}"));
    }
}
