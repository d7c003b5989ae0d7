//! Comparing images over block weights: the extension's XYZ plot and its Effective Block Analyzer, as arithmetic on
//! weight vectors and on finished images.

pub mod analyzer;
pub mod grid;
pub mod xyz;
pub mod xyz_weights;
