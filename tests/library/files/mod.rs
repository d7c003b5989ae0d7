//! Files of every format that people have: safetensors, pickles, GGUF, good ones and hostile ones.

mod changing;
mod checkpoints;
mod classes;
mod families;
mod hostile;
mod limits;
mod loras;
mod memory;
mod pickles;
mod write;
