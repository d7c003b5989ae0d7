//! Files of every format that people have: safetensors, pickles, GGUF, good ones and hostile ones.

mod checkpoints;
mod hostile;
mod loras;
mod memory;
mod pickles;
mod write;
