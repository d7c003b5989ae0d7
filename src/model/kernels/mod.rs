//! The operators of the hot path, channels last.
//!
//! On the CPU those where candle's own lose most are ours: one generic source (`simd`) compiled for AVX-512, AVX2 and for
//! what every processor has; the best is [chosen](choice()) at run time. Every other device runs the plain candle expression
//! that stands beside each of them and is its test. Kernels take contiguous f32 inputs. Each value of a result is computed
//! by one thread in an order that its shape alone decides, so results do not depend on the number of threads.
//!
//! Only here and where files are mapped is there `unsafe` code. The functions of this module check all shapes.

mod attention;
mod choice;
mod conv;
mod epilogue;
mod gemm;
mod jobs;
mod limit;
mod linear;
mod math;
mod memory;
mod norm;
mod panels;
mod resize;
mod simd;
mod strassen;
#[cfg(test)]
mod tests;
mod values;
mod winograd;

pub use attention::attention;
pub(in crate::model) use choice::choice_for;
pub use choice::{KernelError, VARIABLE, choice};
pub use conv::{Conv3x3, conv3x3};
pub use epilogue::Activation;
pub use limit::arithmetic_limit;
pub use linear::{Fused, Weight, linear};
pub use norm::{group_norm, layer_norm};
pub use panels::{LowRank, NumberType, Order, Panels, Shape, Stored};
pub use resize::resize_nearest;
pub use simd::Isa;
