//! The suggested vector: looked for on the pictures of the analysis, verified on others.

use super::pictures::{Drawing, errors_of};
use crate::app::error::{Error, Result};
use crate::app::scene::{Scene, Version};
use crate::app::store::read_cell;
use crate::app::subject::{name_of, other_seeds};
use crate::diagnostic::code;
use crate::say;
use crate::study::analyzer_prompt::tags_behind;
use crate::study::metrics::{Change, Measured};
use crate::study::report::{Found, Report, Suggestion, Verified};
use crate::study::suggest::{Errors, Goal, Weights, search};
use crate::study::words::{is_seen, suggestion_sentence};

/// Looks for a vector for `goal` and verifies it.
pub fn suggest(drawing: &mut Drawing, goal: Goal, report: &Report) -> Result<Suggestion> {
    let Ok(weight) = drawing.subject.range[1].parse::<f64>() else {
        let range = &drawing.wish.range;
        let message = say!(
            "--range {range}: --toward needs a number as the weight of the other blocks",
            "--range {range}: --toward にはほかのブロックの重みとして数値が要ります"
        );
        return Err(Error::words(code::STUDY, message));
    };
    // What a block that hardly does anything seems to take back is chance.
    let changing = report.blocks.iter().enumerate().filter(|(_, block)| block.modules > 0 && is_seen(&block.effect));
    let blocks: Vec<(usize, Errors)> = changing.map(|(at, block)| (at, block.errors)).collect();
    let (seeds, language) = (drawing.seeds.clone(), drawing.wish.language);
    let prompt = |drawing: &Drawing, vector: &str| {
        Ok::<_, Error>(drawing.subject.marked.with(vector, &drawing.subject.complement(vector)?))
    };
    let best = search(&blocks, &report.errors, goal, weight, |weights| {
        let vector = vector(drawing, report, weights)?;
        let prompt = prompt(drawing, &vector)?;
        let name = name(report, weights);
        let mut jobs = Vec::new();
        for seed in &seeds {
            jobs.push((format!("{seed}-{name}"), drawing.subject.plan_of(prompt.clone(), *seed)?));
        }
        let paths = drawing.easel.draw(jobs)?;
        let (mut left, mut effects) = (Vec::new(), Vec::new());
        for (path, references) in paths.iter().zip(&report.references) {
            let read = |name: &str| Ok::<_, Error>(Measured::new(&read_cell(&drawing.folder.path(name))?));
            let now = Measured::new(&read_cell(path)?);
            left.push(read(&references.base)?.change_to(&now));
            effects.push(now.change_to(&read(&references.full)?));
        }
        Ok::<_, Error>(errors_of(&left, &effects))
    })?;
    let Some(best) = best else {
        let sentence = suggestion_sentence(None, None, &report.errors, goal).in_language(language).to_owned();
        return Ok(Suggestion { goal, found: None, sentence });
    };
    let long = vector(drawing, report, &best.weights)?;
    let (full, errors, pictures) = verify(drawing, &long, &name(report, &best.weights))?;
    let vector = drawing.subject.shortest(&long, drawing.easel.renderer)?;
    let prompt = prompt(drawing, &vector)?;
    let found = Found {
        tags: tags_behind("", &prompt).trim().to_owned(),
        vector,
        prompt,
        weights: best.weights.iter().map(|(at, w)| (report.blocks[*at].id.clone(), *w)).collect(),
        errors: best.errors,
        verified_full: full,
        verified: errors,
        holds: best.errors.reaches(&report.errors, goal) && errors.reaches(&full, goal),
        pictures,
    };
    let sentence = suggestion_sentence(Some(&found), Some(&best), &report.errors, goal);
    let sentence = sentence.in_language(language).to_owned();
    Ok(Suggestion { goal, found: Some(found), sentence })
}

/// The vector with 26 entries in which some blocks have other weights.
fn vector(drawing: &Drawing, report: &Report, changed: &Weights) -> Result<String> {
    drawing.subject.vector(changed.iter().map(|(block, weight)| (report.blocks[*block].id.as_str(), *weight)))
}

fn name(report: &Report, weights: &Weights) -> String {
    name_of(weights.iter().map(|(block, weight)| (report.blocks[*block].id.as_str(), *weight)))
}

/// Renders base, whole LoRA and suggestion on other prompts and seeds, with all steps: errors of the whole LoRA and of the suggestion.
fn verify(drawing: &mut Drawing, vector: &str, name: &str) -> Result<(Errors, Errors, Vec<Verified>)> {
    let subject = drawing.subject;
    let prompts = subject.other_prompts(&drawing.wish.verify_prompts);
    let versions =
        [("base", Version::Base), ("full", Version::Vector(&subject.reference)), (name, Version::Vector(vector))];
    let last = drawing.seeds.iter().max().copied().unwrap_or(0);
    let (mut jobs, mut rows) = (Vec::new(), Vec::new());
    let (lora, steps) = (drawing.wish.lora.as_deref(), subject.whole_steps());
    for text in &prompts {
        for seed in other_seeds(last) {
            let scene = Scene { prompt: text.clone(), seed };
            for (name, version) in &versions {
                jobs.push((format!("verify-{seed}-{name}"), scene.plan(subject, lora, *version, steps)?));
            }
            rows.push((text.clone(), seed));
        }
    }
    let paths = drawing.easel.draw(jobs)?;
    let (mut pictures, mut of_full, mut of_suggested, mut effects) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::<Change>::new());
    for ((prompt, seed), paths) in rows.into_iter().zip(paths.chunks_exact(3)) {
        let mut measured = Vec::new();
        for path in paths {
            measured.push(Measured::new(&read_cell(path)?));
        }
        of_full.push(measured[0].change_to(&measured[1]));
        of_suggested.push(measured[0].change_to(&measured[2]));
        effects.push(measured[2].change_to(&measured[1]));
        let file = |at: usize| drawing.folder.relative(&paths[at]);
        let (base, full, suggested) = (file(0), file(1), file(2));
        pictures.push(Verified { prompt, seed: seed.unsigned_abs(), base, full, suggested });
    }
    Ok((errors_of(&of_full, &[]), errors_of(&of_suggested, &effects), pictures))
}
