//! How the house is built: who names whom, and that nothing in it is forgotten.

mod circles;
mod forgotten;
mod paths;
mod rules;
mod source;
mod table;
mod tree;
