//! The limit that kernels are measured against.

use std::time::Instant;

use super::simd::{Isa, Simd, Task};

/// Chains of multiply-adds that run at once: more than a processor needs to hide their latency, and few enough for its registers.
const CHAINS: usize = 12;
const ROUNDS: usize = 1_000_000;

/// Operations in f32 per second (two for a multiply-add) of all threads together, in loops that touch nothing but registers.
pub fn arithmetic_limit(isa: Isa) -> f64 {
    let began = Instant::now();
    let counts = rayon::broadcast(|_| {
        let mut sum = 0.0;
        let mut operations = 0;
        isa.run(Loop { sum: &mut sum, operations: &mut operations });
        std::hint::black_box(sum);
        operations
    });
    counts.iter().sum::<usize>() as f64 / began.elapsed().as_secs_f64()
}

struct Loop<'a> {
    sum: &'a mut f32,
    operations: &'a mut usize,
}

impl Task for Loop<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut lanes = [0.0f32; 64];
        assert!(S::LANES <= lanes.len());
        // SAFETY: the instructions are the processor's, by the trait's contract, and the array has room for a vector.
        unsafe {
            let (factor, addend) = (S::splat(0.999), S::splat(0.001));
            // Equal chains would be computed once.
            let mut chains: [S::V; CHAINS] = std::array::from_fn(|i| S::splat(std::hint::black_box(i as f32)));
            for _ in 0..ROUNDS {
                for chain in &mut chains {
                    *chain = S::mul_add(*chain, factor, addend);
                }
            }
            let sum = chains.into_iter().fold(S::splat(0.0), |sum, chain| S::add(sum, chain));
            S::store(lanes.as_mut_ptr(), sum);
        }
        *self.sum = lanes.iter().sum();
        *self.operations = ROUNDS * CHAINS * S::LANES * 2;
    }
}
