//! How much is read of a file: every reader's limits, in one place.
//!
//! Files come from strangers, also by way of a server. What is read, what it unpacks to, how many things are in it and how deep they
//! nest is bounded before memory is taken for it, and a file that is refused has taken less than 64 MiB. Files that people really
//! have stay far below: the greatest that are known are named beside the limits.

/// A text that people write: prompt files, presets, styles, plans, webui's `config.json`. In bytes. Collections of wildcards and
/// styles reach some 100 KB.
pub const TEXT: usize = 4 << 20;

/// The answer of another host (`--via`), in bytes. A picture of 4096² has 67 MiB as base64.
pub const ANSWER: u64 = 128 << 20;

/// Its answer to a question that draws nothing: lists of names, in bytes.
pub const ANSWERED_LISTS: u64 = 16 << 20;

/// What is piped into standard input: a text or a picture. In bytes.
pub const STANDARD_INPUT: u64 = 256 << 20;

/// A prompt, also with what styles make of it, in bytes. Prompts have thousands of characters; this is all that [`PROMPT_CHUNKS`] hold.
/// What reads it keeps some 200 bytes for each bracket.
pub const PROMPT: usize = 256 << 10;
/// The texts that one prompt is at all its steps, with what each of their pieces is kept in, in bytes: a text for each of a few hundred
/// edits, or one of 20 KB for each of 150 steps.
pub const PROMPT_OF_ALL_STEPS: usize = 4 << 20;
/// Chunks of 75 tokens in those texts: a text of 77,000 tokens, or 150 steps with another text of seven chunks each. At SDXL's size they
/// take 600 MB.
pub const PROMPT_CHUNKS: usize = 1024;

/// Values of a JSON, TOML or YAML text. Graphs of ComfyUI with hundreds of nodes have some 10,000.
pub const VALUES: usize = 1 << 18;
/// What a YAML file becomes, in bytes of memory.
pub const YAML: usize = 32 << 20;
/// A configuration beside a model, in bytes. Those of LDM have 4 KB.
pub const CONFIGURATION: usize = 1 << 20;

/// The prompts of all lines of a batch, with what is given for all of them, in bytes.
pub const BATCH_PROMPTS: u64 = 256 << 20;
/// Plans of a batch that are kept and not made again, in bytes.
pub const BATCH_PLANS: u64 = 128 << 20;
/// What a prompt file becomes when what stands in it once for several pictures is laid under each, in bytes.
pub const ENTRIES: usize = 64 << 20;
/// Files and folders that are searched for LoRAs, in all. Collections reach some 20,000 with the pictures beside them.
pub const SEARCHED: usize = 1 << 17;
/// Pictures of one batch's folder, each of which has a line in its manifest.
pub const BATCH_PICTURES: u64 = 1_000_000;

/// The manifest of a batch, in bytes: a million pictures, each planned and drawn.
pub const MANIFEST: usize = 1 << 30;
/// A job that another program sends to a worker, in bytes: a plan with a picture in it.
pub const JOB: usize = 16 << 20;

/// The texts of one picture together, unpacked, in bytes. Graphs of ComfyUI reach 2 MB.
pub const PICTURE_TEXT: usize = 16 << 20;
/// An infotext, in bytes: four prompts of [`PROMPT`] and what stands beside them.
pub const INFOTEXT: usize = 2 << 20;
/// Lines of an infotext. What reads them keeps some 100 bytes for each.
pub const INFOTEXT_LINES: usize = 1 << 16;
/// Fields of an infotext. webui with many extensions writes a hundred.
pub const INFOTEXT_FIELDS: usize = 1 << 10;
/// A block that is no text: EXIF, a colour profile, in bytes. Profiles of printers reach 3 MB.
pub const PICTURE_BLOCK: usize = 4 << 20;
/// Directories and fields of an EXIF block.
pub const EXIF_FIELDS: usize = 4096;
/// Longest side of a picture, in pixels.
pub const PICTURE_SIDE: u32 = 16_384;
/// Pixels of a picture that is drawn over or enlarged. Cameras reach 61 million.
pub const PICTURE_PIXELS: u64 = 64 << 20;
/// Bytes of pixels that are searched for hidden text, row by row.
pub const HIDDEN_PIXELS: usize = 256 << 20;
/// A text hidden in pixels, in bytes. NovelAI's have 3 KB.
pub const HIDDEN_TEXT: usize = 4 << 20;

/// What describes the tensors of a file — a safetensors or GGUF header, a pickle, an archive's list — in bytes. The metadata of a LoRA
/// with all its tags reach 5 MB.
pub const TENSOR_HEADER: usize = 16 << 20;
/// Tensors of a file. SDXL has 2,500, with its moving averages 4,200; the largest models in one file 20,000.
pub const TENSORS: usize = 1 << 16;
/// Entries of a file's metadata. Trainers write 70.
pub const METADATA: usize = 1 << 12;
/// Objects that a pickle makes. A checkpoint of SD1 makes 60,000, so one of SDXL with its moving averages 220,000.
pub const PICKLE_VALUES: usize = 1 << 18;
/// The vectors of an embedding, in bytes: hundreds of them. What is larger is taken for something else.
pub const EMBEDDING: usize = 16 << 20;
/// An embedding that a picture carries, as text: hundreds of vectors in decimal, in bytes.
pub const EMBEDDING_TEXT: usize = 4 << 20;
/// Lists in lists, wherever files have them.
pub const DEPTH: usize = 8;
