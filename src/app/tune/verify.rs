//! The result on pictures that it was not made from: gently, in the middle and strongly.

use super::scenes::Scenes;
use super::trials::{FOR_ONE_SCENE, Trials};
use crate::app::error::Result;
use crate::app::scene::{Scene, Version};
use crate::app::subject::name_of;
use crate::study::analyzer_prompt::tags_behind;
use crate::study::tune::{Found, Room, Shown, Strength, Variant, Verified};

/// The found weights and two on the way there, each verified on as many other scenes as may be drawn.
pub fn variants(trials: &mut Trials, scenes: &Scenes, rooms: &[Room], found: &Found) -> Result<Vec<Variant>> {
    let left = f64::from(trials.wish.budget) - trials.spent();
    let count = ((left / f64::from(FOR_ONE_SCENE)) as usize).clamp(1, scenes.others.len());
    let scenes: Vec<Scene> = scenes.others.iter().take(count).cloned().collect();
    let steps = trials.subject.whole_steps();
    let references = trials.references(&scenes, steps)?;
    trials.verified = scenes.iter().map(|scene| (scene.prompt.clone(), scene.seed)).collect();
    let blocks = trials.subject.blocks();
    let whole = |block: usize| rooms.iter().find(|room| room.block == block).map_or(1.0, |room| room.whole);
    let (mut vectors, mut drawn) = (Vec::new(), Vec::new());
    for strength in Strength::ALL {
        let weights = found.best.weights.iter();
        let weights: Vec<(&str, f64)> =
            weights.map(|(block, weight)| (blocks[*block], strength.of(whole(*block), *weight))).collect();
        let vector = trials.subject.vector(weights.iter().copied())?;
        drawn.push(trials.draw(&scenes, Version::Vector(&vector), &name_of(weights.iter().copied()), steps)?);
        vectors.push((strength, weights, vector));
    }
    // The strong vector's pictures are last: they tell what the others draw.
    let (scale, readings) = trials.measure(&scenes, &drawn, steps)?;
    let mut variants = Vec::new();
    for (((strength, weights, vector), files), readings) in vectors.into_iter().zip(&drawn).zip(&readings) {
        let verified = Verified::new(&scale, readings);
        let vector = trials.subject.shortest(&vector, trials.easel.renderer)?;
        let prompt = trials.subject.marked.with(&vector, &trials.subject.complement(&vector)?);
        let shown = |(at, scene): (usize, &Scene)| Shown {
            prompt: scene.prompt.clone(),
            seed: scene.seed,
            base: trials.folder.relative(&references[0][at]),
            full: trials.folder.relative(&references[1][at]),
            tuned: trials.folder.relative(&files[at]),
        };
        variants.push(Variant {
            strength,
            tags: tags_behind("", &prompt).trim().to_owned(),
            vector,
            prompt,
            weights: weights.into_iter().map(|(block, weight)| (block.to_owned(), weight)).collect(),
            holds: verified.holds(),
            verified,
            pictures: scenes.iter().enumerate().map(shown).collect(),
        });
    }
    Ok(variants)
}
