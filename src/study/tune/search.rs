//! Looking for weights with few pictures: the blocks that alone help most are lowered together, one after the other, as long as each
//! still helps; then those are raised again that were not needed; then how far.

use super::score::Score;

/// The weights of some blocks (by their number), all others as they were.
pub type Weights = Vec<(usize, f64)>;

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
}

/// A block at its least weight, all others as they were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alone {
    /// What it may be.
    pub room: Room,
    /// What its pictures say.
    pub score: Score,
}

/// Weights that were tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What was changed.
    pub weights: Weights,
    /// What came of it.
    pub score: Score,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The blocks that are worth lowering, the one that helps most first.
    pub guilty: Vec<usize>,
    /// The best weights.
    pub best: Trial,
    /// All that was tried, in order.
    pub trials: Vec<Trial>,
}

/// What a block has to gain alone at least: what blocks without guilt seem to gain, since the base model comes back with the motif
/// lost.
const ALONE: f64 = 0.2;
/// What a change has to gain at least with others.
const LEAST: f64 = 0.08;
/// Blocks that are lowered together at most.
const TOGETHER: usize = 4;
/// Blocks that are tried behind each other on the way there.
const TRIED: usize = 6;
/// Blocks that seemed not to help alone and are tried again with the others lowered.
const AGAIN: usize = 2;
/// How far the guilty blocks are lowered together, as shares of the way.
const SHARES: [f64; 2] = [0.5, 0.75];

struct Search<'a, E> {
    measure: &'a mut dyn FnMut(&Weights) -> Result<Option<Score>, E>,
    best: Trial,
    trials: Vec<Trial>,
}

/// The weights that come nearest to the goals; nothing where none helps. `measure` gives nothing when no more pictures may be
/// drawn: the search then ends with what it has.
pub fn search<E>(
    alone: &[Alone],
    measure: &mut dyn FnMut(&Weights) -> Result<Option<Score>, E>,
) -> Result<Option<Found>, E> {
    let whole = Trial { weights: Vec::new(), score: Score::WHOLE };
    let mut search = Search { measure, best: whole, trials: Vec::new() };
    let mut guilty: Vec<Room> = Vec::new();
    let mut order: Vec<&Alone> = alone.iter().filter(|a| a.room.least < a.room.whole).collect();
    order.sort_by(|p, q| q.score.value().total_cmp(&p.score.value()));
    let (helpful, others): (Vec<&Alone>, Vec<&Alone>) = order.into_iter().partition(|a| helps(&a.score, 0.0));
    let mut hidden: Vec<&Alone> = others.into_iter().filter(|a| a.score.kept > 0.5).collect();
    hidden.sort_by(|p, q| q.score.gone.total_cmp(&p.score.gone));
    for one in helpful.into_iter().take(TRIED).chain(hidden.into_iter().take(AGAIN)) {
        // A block that does not help alone may do so where another one no longer hides it.
        let is_first = search.best.weights.is_empty();
        if guilty.len() == TOGETHER || (is_first && !helps(&one.score, 0.0)) {
            continue;
        }
        let mut weights = search.best.weights.clone();
        weights.push((one.room.block, one.room.least));
        let score = match is_first {
            true => Some(one.score),
            false => (search.measure)(&weights)?,
        };
        if search.takes(weights, score) {
            guilty.push(one.room);
        }
    }
    if guilty.len() > 1 {
        for room in guilty.clone().into_iter().rev() {
            search.raise(room, &mut guilty)?;
        }
    }
    search.strengths(&guilty)?;
    search.above(alone, &guilty)?;
    let Search { best, trials, .. } = search;
    let guilty: Vec<usize> = guilty.into_iter().map(|room| room.block).collect();
    Ok((!guilty.is_empty()).then_some(Found { guilty, best, trials }))
}

/// Whether a score is better than this value. Few scenes leave much doubt, and what is found here is verified on others: only a gain that
/// is less than half of its standard error is none.
fn helps(score: &Score, than: f64) -> bool {
    score.value() - than > ALONE.max(score.doubt / 2.0)
}

impl<E> Search<'_, E> {
    /// Remembers a trial, and takes it where it is better.
    fn takes(&mut self, weights: Weights, score: Option<Score>) -> bool {
        let Some(score) = score else { return false };
        let trial = Trial { weights, score };
        self.trials.push(trial.clone());
        let is_better = score.value() - self.best.score.value() > LEAST;
        if is_better {
            self.best = trial;
        }
        is_better
    }

    /// Raises a block again where it is not needed.
    fn raise(&mut self, room: Room, guilty: &mut Vec<Room>) -> Result<(), E> {
        if guilty.len() == 1 {
            return Ok(());
        }
        let weights: Weights = self.best.weights.iter().copied().filter(|(block, _)| *block != room.block).collect();
        let known = self.trials.iter().find(|trial| trial.weights == weights).map(|trial| trial.score);
        let score = match known {
            Some(score) => Some(score),
            None => (self.measure)(&weights)?,
        };
        let Some(score) = score else { return Ok(()) };
        let trial = Trial { weights, score };
        self.trials.push(trial.clone());
        if self.best.score.value() - score.value() < LEAST / 2.0 {
            self.best = trial;
            guilty.retain(|other| other.block != room.block);
        }
        Ok(())
    }

    /// Tries the guilty blocks together, less far down.
    fn strengths(&mut self, guilty: &[Room]) -> Result<(), E> {
        for share in SHARES.into_iter().filter(|_| !guilty.is_empty()) {
            let weights: Weights =
                guilty.iter().map(|room| (room.block, room.whole + share * (room.least - room.whole))).collect();
            let Some(score) = (self.measure)(&weights)? else { return Ok(()) };
            let trial = Trial { weights, score };
            self.trials.push(trial.clone());
            if score.value() > self.best.score.value() {
                self.best = trial;
            }
        }
        Ok(())
    }

    /// Tries the blocks that may be more than whole, the one whose loss costs most first.
    fn above(&mut self, alone: &[Alone], guilty: &[Room]) -> Result<(), E> {
        if guilty.is_empty() {
            return Ok(());
        }
        let mut able: Vec<&Alone> = alone.iter().filter(|a| a.room.most > a.room.whole).collect();
        able.retain(|a| guilty.iter().all(|room| room.block != a.room.block));
        able.sort_by(|p, q| p.score.kept.total_cmp(&q.score.kept));
        for one in able.into_iter().take(AGAIN) {
            let mut weights = self.best.weights.clone();
            weights.push((one.room.block, one.room.most));
            let score = (self.measure)(&weights)?;
            self.takes(weights, score);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks 1 and 2 do the damage, block 2 hidden behind block 1; block 0 draws the motif; block 3 does a little of everything.
    fn world(weights: &Weights) -> Score {
        let off = |block: usize| weights.iter().find(|(b, _)| *b == block).map_or(0.0, |(_, w)| 1.0 - w);
        let (first, second) = (off(1), off(2));
        let gone = 0.5 * first + 0.5 * second * first + 0.05 * off(3);
        Score { gone, kept: 1.0 - 0.9 * off(0) - 0.05 * off(3) - 0.03 * (first + second), doubt: 0.01 }
    }

    fn alone(world: fn(&Weights) -> Score, room: impl Fn(usize) -> Room) -> Vec<Alone> {
        (0..4).map(room).map(|room| Alone { room, score: world(&vec![(room.block, room.least)]) }).collect()
    }

    fn room(block: usize) -> Room {
        Room { block, whole: 1.0, least: 0.0, most: 1.0 }
    }

    fn found(world: fn(&Weights) -> Score, room: impl Fn(usize) -> Room, mut pictures: usize) -> Option<Found> {
        let mut measure = |weights: &Weights| {
            pictures = pictures.saturating_sub(1);
            Ok::<_, ()>((pictures > 0).then(|| world(weights)))
        };
        search(&alone(world, room), &mut measure).unwrap()
    }

    #[test]
    fn guilty_blocks_are_found_also_where_one_hides_another() {
        let found = found(world, room, 100).unwrap();
        assert_eq!(found.guilty, [1, 2]);
        assert_eq!(found.best.weights, [(1, 0.0), (2, 0.0)]);
        assert!(found.trials.len() < 10, "{}", found.trials.len());
    }

    #[test]
    fn what_is_fixed_stays_and_what_may_be_more_is_tried() {
        let fixed = |block: usize| if block == 1 { Room { least: 1.0, ..room(block) } } else { room(block) };
        assert_eq!(found(world, fixed, 100), None);
        let wants_more = |weights: &Weights| {
            let motif = weights.iter().find(|(b, _)| *b == 0).map_or(1.0, |(_, w)| *w);
            let score = world(&weights.iter().copied().filter(|(b, _)| *b != 0).collect());
            Score { kept: score.kept + motif - 1.0, ..score }
        };
        let open = |block: usize| Room { most: 1.5, least: -0.5, ..room(block) };
        let found = found(wants_more, open, 100).unwrap();
        assert!(found.best.weights.contains(&(0, 1.5)), "{found:?}");
        assert!(found.best.weights.contains(&(1, -0.5)), "{found:?}");
    }

    #[test]
    fn nothing_is_found_where_nothing_helps_or_no_picture_is_left() {
        assert_eq!(
            found(|weights| Score { gone: 0.02, kept: 1.0 - 0.1 * weights.len() as f64, doubt: 0.0 }, room, 100),
            None
        );
        // Chance alone: a gain that other pictures do not share.
        assert_eq!(found(|_| Score { gone: 0.3, kept: 1.0, doubt: 0.7 }, room, 100), None);
        let with_what_there_is = found(world, room, 1).unwrap();
        assert_eq!((with_what_there_is.guilty, with_what_there_is.best.weights), (vec![1], vec![(1, 0.0)]));
    }
}
