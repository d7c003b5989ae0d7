//! Comparing images over block weights: the extension's XYZ plot and its Effective Block Analyzer, as arithmetic on
//! weight vectors and on finished images.

pub mod analyzer;
pub mod analyzer_prompt;
pub mod atlas;
pub mod grid;
pub mod metrics;
mod page;
pub mod report;
pub mod suggest;
pub mod tune;
pub mod words;
pub mod xyz;
pub mod xyz_weights;
