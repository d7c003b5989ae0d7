//! The result on pictures that it was not made from: gently, in the middle and strongly.

use super::scenes::{Scene, Scenes, Version};
use super::trials::{FOR_ONE_SCENE, References, Trials};
use crate::app::error::Result;
use crate::app::subject::name_of;
use crate::study::analyzer_prompt::tags_behind;
use crate::study::tune::{Found, Room, Shown, Strength, Variant, Verified};

/// The found weights and two on the way there, each verified on as many other scenes as may be drawn.
pub fn variants(trials: &mut Trials, scenes: &Scenes, rooms: &[Room], found: &Found) -> Result<Vec<Variant>> {
    let left = f64::from(trials.wish.budget) - trials.spent();
    let count = ((left / f64::from(FOR_ONE_SCENE)) as usize).clamp(1, scenes.others.len());
    let scenes: Vec<Scene> = scenes.others.iter().take(count).cloned().collect();
    let references = trials.references(&scenes, trials.subject.whole_steps())?;
    trials.verified = scenes.iter().map(|scene| (scene.prompt.clone(), scene.seed)).collect();
    let mut variants = Vec::new();
    for strength in Strength::ALL {
        variants.push(variant(trials, &scenes, rooms, found, strength, &references)?);
    }
    Ok(variants)
}

fn variant(
    trials: &mut Trials,
    scenes: &[Scene],
    rooms: &[Room],
    found: &Found,
    strength: Strength,
    references: &References,
) -> Result<Variant> {
    let blocks = trials.subject.blocks();
    let whole = |block: usize| rooms.iter().find(|room| room.block == block).map_or(1.0, |room| room.whole);
    let weights: Vec<(String, f64)> = found
        .best
        .weights
        .iter()
        .map(|(block, weight)| (blocks[*block].to_owned(), strength.of(whole(*block), *weight)))
        .collect();
    let named = || weights.iter().map(|(block, weight)| (block.as_str(), *weight));
    let long = trials.subject.vector(named())?;
    let steps = trials.subject.whole_steps();
    let drawn = trials.draw(scenes, Version::Vector(&long), &name_of(named()), steps)?;
    let verified = Verified::new(&references.scale, &trials.readings(scenes, &drawn, steps)?);
    let vector = trials.subject.shortest(&long, trials.easel.renderer)?;
    let prompt = trials.subject.marked.with(&vector, &trials.subject.complement(&vector)?);
    let shown = |(at, scene): (usize, &Scene)| Shown {
        prompt: scene.prompt.clone(),
        seed: scene.seed,
        base: trials.folder.relative(&references.files[0][at]),
        full: trials.folder.relative(&references.files[1][at]),
        tuned: trials.folder.relative(&drawn[at]),
    };
    Ok(Variant {
        strength,
        tags: tags_behind("", &prompt).trim().to_owned(),
        vector,
        prompt,
        weights: weights.clone(),
        holds: verified.holds(),
        verified,
        pictures: scenes.iter().enumerate().map(shown).collect(),
    })
}
