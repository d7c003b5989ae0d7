//! webui's API as values: what a request in its form asks for, and what it is answered. Nothing here knows HTTP.

mod fields;
mod info;
mod lists;
mod models;
mod options;
mod pictures;
mod read;
mod refusal;
mod request;
mod scripts;

pub use fields::{FIELDS, Field, FieldError, Fields, Route, Type, plain_number};
pub use info::info;
pub use lists::{embedding_list, latent_upscalers, module_counts, preset_list, sampler_list, schedule_list};
pub use models::{Model, Models, short};
pub use options::{Class, Options};
pub use pictures::{Enlarging, UPSCALERS, encode_picture, encoded, mask_of_bytes, picture_of_bytes, png_info, sent_as};
pub use read::request_of_infotext;
pub use refusal::Refusal;
pub use request::{Drawing, Over, Reader, Rules};
pub use scripts::{ARGUMENTS, SCRIPT, Script, Task};
