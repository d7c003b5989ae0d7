//! Looking for weights with few pictures: the blocks that alone do what should go are lowered together; then each is raised again, to see
//! whether it was needed.

use serde::Serialize;

use super::score::Score;

/// The weights of some blocks (by their number), all others as they were.
pub type Weights = Vec<(usize, f64)>;

/// The thirds of the steps in which changed weights are in force; in the others the blocks are as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Thirds(pub [bool; 3]);

impl Thirds {
    /// All the time.
    pub const ALL: Thirds = Thirds([true; 3]);
    /// What else there is.
    const PARTS: [Thirds; 6] = [
        Thirds([true, false, false]),
        Thirds([false, true, false]),
        Thirds([false, false, true]),
        Thirds([true, true, false]),
        Thirds([false, true, true]),
        Thirds([true, false, true]),
    ];

    /// Whether it is all the time.
    pub fn is_all(&self) -> bool {
        *self == Thirds::ALL
    }

    /// Their numbers, from 1 on.
    pub fn numbers(&self) -> Vec<usize> {
        self.0.iter().enumerate().filter(|(_, on)| **on).map(|(at, _)| at + 1).collect()
    }
}

/// What the weights of a block may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// The block's number.
    pub block: usize,
    /// Its weight in the whole LoRA.
    pub whole: f64,
    /// The least weight that is allowed.
    pub least: f64,
    /// The greatest.
    pub most: f64,
    /// Whether it acts in the steps, and so may be changed in some of them; the text encoders act before them.
    pub in_steps: bool,
}

/// A block alone on the base model, without the others, which might hide what it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alone {
    /// What it may be.
    pub room: Room,
    /// How much of what should go it does: 1 is as much as the whole LoRA.
    pub does: f64,
    /// How much of what should stay it does.
    pub keeps: f64,
    /// What it does of what should go, against what is worth a change: from 1 on it is guilty.
    pub guilt: f64,
}

/// Weights that were tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What was changed.
    pub weights: Weights,
    /// When.
    pub thirds: Thirds,
    /// What came of it.
    pub score: Score,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The blocks that are worth lowering, the worst first.
    pub guilty: Vec<usize>,
    /// The best weights.
    pub best: Trial,
    /// The same in some thirds of the steps, where that is better on the pictures of the search.
    pub timed: Option<Trial>,
    /// All that was tried, in order.
    pub trials: Vec<Trial>,
}

/// What all changes together have to gain at least.
const TOGETHER: f64 = 0.2;
/// How much of what should go has to come back at least where a block is raised again, times its guilt: next to a worse block little comes
/// back with one that does much alone, and what a block draws that should stay moves colours and lines a little, too.
const BACK: f64 = 0.08;
/// What has to be gained at least by blocks that are more than whole, and by changes in some of the steps alone.
pub const LEAST: f64 = 0.08;
/// Blocks that are lowered together at most.
const MOST: usize = 4;
/// Blocks that may be more than whole and are tried so.
const ABOVE: usize = 2;

/// Vectors that are tried on each scene, where nothing may be more than whole; fewer where few blocks are guilty.
pub const TRIALS: usize = 1 + MOST + Thirds::PARTS.len();

/// Tries weights in some thirds of the steps; gives nothing when no more pictures may be drawn.
pub type Measure<'a, E> = dyn FnMut(&Weights, Thirds) -> Result<Option<Score>, E> + 'a;

struct Search<'a, E> {
    measure: &'a mut Measure<'a, E>,
    best: Trial,
    trials: Vec<Trial>,
}

/// The weights that come nearest to the goals; nothing where none helps. When no more pictures may be drawn the search ends with what
/// it has. The first weights that are measured have all blocks that seem guilty at their least.
pub fn search<'a, E>(alone: &[Alone], measure: &'a mut Measure<'a, E>) -> Result<Option<Found>, E> {
    let mut order: Vec<&Alone> = alone.iter().filter(|a| a.room.least < a.room.whole && a.guilt >= 1.0).collect();
    order.sort_by(|p, q| q.guilt.total_cmp(&p.guilt));
    order.truncate(MOST);
    let mut guilty: Vec<Room> = order.iter().map(|one| one.room).collect();
    if guilty.is_empty() {
        return Ok(None);
    }
    let weights: Weights = guilty.iter().map(|room| (room.block, room.least)).collect();
    let Some(score) = measure(&weights, Thirds::ALL)? else { return Ok(None) };
    let best = Trial { weights, thirds: Thirds::ALL, score };
    let mut search = Search { measure, trials: vec![best.clone()], best };
    for one in order.into_iter().rev() {
        search.raise(one, &mut guilty)?;
    }
    search.above(alone, &guilty)?;
    let helps = search.best.score.helps();
    let timed = if helps { search.in_time(alone)? } else { None };
    let Search { best, trials, .. } = search;
    let guilty: Vec<usize> = guilty.into_iter().map(|room| room.block).collect();
    Ok(helps.then_some(Found { guilty, best, timed, trials }))
}

impl Score {
    /// Whether it is a result at all. Few scenes leave much doubt, and what is found here is verified on others: only a gain that is less
    /// than half of its standard error is none.
    fn helps(&self) -> bool {
        self.value() > TOGETHER.max(self.doubt / 2.0)
    }
}

impl<E> Search<'_, E> {
    /// Tries weights; nothing where no more pictures may be drawn.
    fn tries(&mut self, weights: Weights, thirds: Thirds) -> Result<Option<Trial>, E> {
        let score = (self.measure)(&weights, thirds)?;
        let trial = score.map(|score| Trial { weights, thirds, score });
        self.trials.extend(trial.clone());
        Ok(trial)
    }

    /// Raises a block again where it is not needed.
    fn raise(&mut self, Alone { room, guilt, .. }: &Alone, guilty: &mut Vec<Room>) -> Result<(), E> {
        if guilty.len() == 1 {
            return Ok(());
        }
        let weights = self.best.weights.iter().copied().filter(|(block, _)| *block != room.block).collect();
        if let Some(trial) = self.tries(weights, Thirds::ALL)?
            && (self.best.score.gone - trial.score.gone) * guilt < BACK
        {
            self.best = trial;
            guilty.retain(|other| other.block != room.block);
        }
        Ok(())
    }

    /// Tries the blocks that may be more than whole, the one that does least of what should go first.
    fn above(&mut self, alone: &[Alone], guilty: &[Room]) -> Result<(), E> {
        let mut able: Vec<&Alone> = alone.iter().filter(|a| a.room.most > a.room.whole).collect();
        able.retain(|a| guilty.iter().all(|room| room.block != a.room.block));
        able.sort_by(|p, q| p.guilt.total_cmp(&q.guilt));
        for one in able.into_iter().take(ABOVE) {
            let mut weights = self.best.weights.clone();
            weights.push((one.room.block, one.room.most));
            if let Some(trial) = self.tries(weights, Thirds::ALL)?
                && trial.score.value() - self.best.score.value() > LEAST
            {
                self.best = trial;
            }
        }
        Ok(())
    }

    /// The best weights in some thirds of the steps, where that is better: what should stay may be drawn in others than the damage.
    fn in_time(&mut self, alone: &[Alone]) -> Result<Option<Trial>, E> {
        let in_steps = |block: usize| alone.iter().any(|one| one.room.block == block && one.room.in_steps);
        let weights = self.best.weights.clone();
        if !weights.iter().any(|(block, _)| in_steps(*block)) {
            return Ok(None);
        }
        let mut timed: Option<Trial> = None;
        for thirds in Thirds::PARTS {
            let Some(trial) = self.tries(weights.clone(), thirds)? else { break };
            let value = timed.as_ref().map_or(self.best.score.value() + LEAST, |best| best.score.value());
            if trial.score.value() > value {
                timed = Some(trial);
            }
        }
        Ok(timed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks 1 and 2 do the damage, each alone all of it; block 0 draws the motif; block 3 only seems guilty.
    fn world(weights: &Weights) -> Score {
        let weight = |block: usize| weights.iter().find(|(b, _)| *b == block).map_or(1.0, |(_, w)| *w);
        let damage = weight(1).max(weight(2)).clamp(0.0, 1.0);
        Score { gone: 1.0 - damage, kept: (0.8 * weight(0) + 0.2 * weight(3)).min(1.0), doubt: 0.01 }
    }

    fn alone(room: &dyn Fn(usize) -> Room) -> Vec<Alone> {
        let guilts = [0.2, 2.0, 3.0, 1.1];
        (0..4).map(|block| Alone { room: room(block), does: 0.0, keeps: 0.0, guilt: guilts[block] }).collect()
    }

    fn room(block: usize) -> Room {
        Room { block, whole: 1.0, least: 0.0, most: 1.0, in_steps: false }
    }

    fn found(world: fn(&Weights) -> Score, room: &dyn Fn(usize) -> Room, pictures: usize) -> Option<Found> {
        found_in_time(&|weights, _| world(weights), room, pictures)
    }

    fn found_in_time(
        world: &dyn Fn(&Weights, Thirds) -> Score,
        room: &dyn Fn(usize) -> Room,
        mut pictures: usize,
    ) -> Option<Found> {
        let mut measure = |weights: &Weights, thirds: Thirds| {
            let may = pictures > 0;
            pictures = pictures.saturating_sub(1);
            Ok::<_, ()>(may.then(|| world(weights, thirds)))
        };
        search(&alone(room), &mut measure).unwrap()
    }

    #[test]
    fn guilty_blocks_are_found_though_each_hides_the_other() {
        let found = found(world, &room, 100).unwrap();
        assert_eq!(found.guilty, [2, 1]);
        assert_eq!(found.best.weights, [(2, 0.0), (1, 0.0)]);
        assert_eq!(found.trials.len(), 4);
    }

    #[test]
    fn what_is_fixed_stays_and_what_may_be_more_is_tried() {
        let fixed = |block: usize| if block == 1 { Room { least: 1.0, ..room(block) } } else { room(block) };
        assert_eq!(found(world, &fixed, 100), None);
        // More of block 0 takes from what should go.
        let wants_more = |weights: &Weights| {
            let more = weights.iter().find(|(b, _)| *b == 0).map_or(0.0, |(_, w)| w - 1.0);
            let score = world(weights);
            Score { gone: score.gone + more, ..score }
        };
        let open = |block: usize| Room { most: 1.5, least: -0.5, ..room(block) };
        let found = found(wants_more, &open, 100).unwrap();
        assert!(found.best.weights.contains(&(0, 1.5)), "{found:?}");
        assert!(found.best.weights.contains(&(1, -0.5)), "{found:?}");
    }

    #[test]
    fn what_is_drawn_in_other_steps_than_the_damage_may_stay() {
        // Each block draws a part of what should stay in the first third, and does its damage later.
        let apart = |weights: &Weights, thirds: Thirds| {
            let share = |third: usize| if thirds.0[third] { 1.0 } else { 0.0 };
            let changed = weights.len() as f64 / 3.0;
            let gone = changed * (share(1) + share(2)) / 2.0;
            Score { gone, kept: 1.0 - changed * share(0), doubt: 0.01 }
        };
        let acts = |block: usize| Room { in_steps: block == 2, ..room(block) };
        let Found { best, timed, trials, .. } = found_in_time(&apart, &acts, 100).unwrap();
        let timed = timed.unwrap();
        assert!(best.thirds.is_all() && trials.len() == 10, "{trials:?}");
        assert_eq!((timed.thirds.numbers(), timed.weights), (vec![2, 3], best.weights));
        // Text encoders act before the steps; and where it makes no difference, nothing is found.
        assert_eq!(found_in_time(&apart, &room, 100).unwrap().timed, None);
        assert_eq!(found(world, &acts, 100).unwrap().timed, None);
    }

    #[test]
    fn nothing_is_found_where_nothing_helps_or_no_picture_is_left() {
        assert_eq!(
            found(|weights| Score { gone: 0.1, kept: 1.0 - 0.1 * weights.len() as f64, doubt: 0.0 }, &room, 100),
            None
        );
        // Chance alone: a gain that other pictures do not share.
        assert_eq!(found(|_| Score { gone: 0.3, kept: 1.0, doubt: 0.7 }, &room, 100), None);
        assert_eq!(found(world, &room, 0), None);
        let with_what_there_is = found(world, &room, 1).unwrap();
        assert_eq!((with_what_there_is.guilty, with_what_there_is.trials.len()), (vec![2, 1, 3], 1));
    }
}
