//! The result on pictures that it was not made from: gently, in the middle and strongly.

use super::scenes::Scenes;
use super::trials::{REFERENCES, Trials, name_in_time};
use crate::app::error::Result;
use crate::app::scene::{Scene, Version};
use crate::study::analyzer_prompt::tags_behind;
use crate::study::tune::{Found, Room, Shown, Strength, Thirds, Variant, Verified};

/// The found weights, two on the way there, and those in some of the steps if the search liked them, each verified on as many other
/// scenes as may be drawn; and whether the whole LoRA hardly does there what should go.
pub fn variants(trials: &mut Trials, scenes: &Scenes, rooms: &[Room], found: &Found) -> Result<(Vec<Variant>, bool)> {
    let blocks = trials.subject.blocks();
    let named = |weights: &[(usize, f64)]| -> Vec<(&str, f64)> {
        weights.iter().map(|(block, weight)| (blocks[*block], *weight)).collect()
    };
    let whole = |block: usize| rooms.iter().find(|room| room.block == block).map_or(1.0, |room| room.whole);
    let on_the_way = |strength: Strength| -> Vec<(usize, f64)> {
        found.best.weights.iter().map(|(block, weight)| (*block, strength.of(whole(*block), *weight))).collect()
    };
    // What is in some of the steps comes first, and the strong vector last: its pictures tell what the others draw.
    let timed = found.timed.iter().map(|timed| (Strength::Timed, timed.thirds, named(&timed.weights)));
    let level = Strength::WAY.into_iter().map(|strength| (strength, Thirds::ALL, named(&on_the_way(strength))));
    let tries: Vec<_> = timed.chain(level).collect();
    let left = f64::from(trials.wish.budget) - trials.spent();
    let for_one_scene = REFERENCES + tries.len();
    let count = ((left / for_one_scene as f64) as usize).clamp(1, scenes.others.len());
    let scenes: Vec<Scene> = scenes.others.iter().take(count).cloned().collect();
    let steps = trials.subject.whole_steps();
    trials.easel.expect(scenes.len() * for_one_scene);
    let references = trials.references(&scenes, steps)?;
    trials.verified = scenes.iter().map(|scene| (scene.prompt.clone(), scene.seed)).collect();
    let mut drawn = Vec::new();
    for (_, thirds, weights) in &tries {
        let vector = trials.subject.over_time(weights, *thirds, |vector| Ok(vector.to_owned()))?;
        drawn.push(trials.draw(&scenes, Version::Vector(&vector), &name_in_time(weights, *thirds), steps)?);
    }
    let (scale, readings) = trials.measure(&scenes, &drawn, steps)?;
    let mut variants = Vec::new();
    for (((strength, thirds, weights), files), readings) in tries.into_iter().zip(&drawn).zip(&readings) {
        let verified = Verified::new(&scale, readings);
        let (subject, renderer) = (trials.subject, &mut *trials.easel.renderer);
        let vector = subject.over_time(&weights, thirds, |vector| subject.shortest(vector, renderer))?;
        let prompt = subject.marked.with(&vector, &subject.complement(&vector)?);
        let shown = |(at, scene): (usize, &Scene)| Shown {
            prompt: scene.prompt.clone(),
            seed: scene.seed,
            base: trials.folder.relative(&references[0][at]),
            full: trials.folder.relative(&references[1][at]),
            tuned: trials.folder.relative(&files[at]),
        };
        variants.push(Variant {
            strength,
            thirds,
            tags: tags_behind("", &prompt).trim().to_owned(),
            vector,
            prompt,
            weights: weights.into_iter().map(|(block, weight)| (block.to_owned(), weight)).collect(),
            holds: verified.holds(),
            verified,
            pictures: scenes.iter().enumerate().map(shown).collect(),
        });
    }
    // What is in some of the steps is told last.
    variants.sort_by_key(|variant| !variant.thirds.is_all());
    Ok((variants, scale.is_idle()))
}
