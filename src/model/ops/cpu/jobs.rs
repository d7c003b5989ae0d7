//! Work that the threads take piece by piece.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Runs `work` for the jobs 0, 1, … below `count`, each once, on the threads of the current pool. A thread takes the next job
/// as soon as it is ready for one: the threads end together even where one of them is slower than the others, and work side
/// by side on jobs that share their memory. What a thread needs for its jobs is made once.
pub(super) fn in_turn<T: Default>(count: usize, work: impl Fn(&mut T, usize) + Sync) {
    let next = AtomicUsize::new(0);
    (0..rayon::current_num_threads().min(count)).into_par_iter().with_max_len(1).for_each(|_| {
        let mut own = T::default();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= count {
                break;
            }
            work(&mut own, job);
        }
    });
}
