//! What is done with LoRA files: looked into, baked, apart and together, to other sizes and other programs.

mod bake;
mod chart;
mod diff;
mod export;
mod extract;
mod inspect;
mod join;
mod merge;
mod model;
mod resize;
mod split;
mod talk;

use std::path::{Path, PathBuf};

pub use bake::{BakeWish, bake};
pub use diff::diff;
pub use export::diffusers_scales;
pub use extract::{ExtractWish, extract};
pub use inspect::{Inspected, inspect};
pub use join::{join, vector};
pub use merge::{MergeWish, merge};
pub use resize::{ResizeWish, resize};
pub use split::{SplitWish, split, tags};

pub use crate::lora::surgery::Precision;

use super::error::{Error, Result};
use super::session::Session;
use crate::block::Family;
use crate::diagnostic::{Diagnostic, code};
use crate::model::Architecture;
use crate::plan::network::lora_tags;
use crate::plan::{LoraPlan, Request};
use crate::say;
use crate::syntax::Prompt;

/// A file, or a name from the LoRA folders of `session`.
pub fn find(name: &str, session: &Session) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.is_file() { Ok(path.to_owned()) } else { Ok(session.loras.resolve(name)?.to_owned()) }
}

/// The LoRA that a tag says, its file, and what is to be said about both.
fn of_tag(tag: &str, session: &Session) -> Result<(LoraPlan, PathBuf, Vec<Diagnostic>)> {
    let (mut loras, found) = of_tags(tag, session)?;
    match (loras.pop(), loras.is_empty()) {
        (Some((lora, path)), true) => Ok((lora, path, found)),
        _ => Err(not_one_tag(tag)),
    }
}

fn not_one_tag(tag: &str) -> Error {
    let message = say!(
        "`{tag}` should be one tag, as in \"<lora:NAME:1:lbw=XLOUT>\"",
        "`{tag}` は \"<lora:名前:1:lbw=XLOUT>\" のようなタグ一つにしてください"
    );
    Error::words(code::USAGE, message)
}

/// The family of the model that is named, or of those that the first LoRA of the tags is made for.
fn family(tags: &str, session: &Session) -> Family {
    let model = || session.architecture(&session.model().ok()?.checkpoint);
    if let Some(architecture) = Some(()).filter(|()| session.names_model()).and_then(|()| model()) {
        return architecture.family;
    }
    let tags = Prompt::parse(tags).tags;
    let name = lora_tags(&tags).into_iter().find_map(|tag| tag.positional().next());
    name.and_then(|name| session.inspection_of(&name.text)).map_or(Architecture::DRAWN[0], |file| file.family)
}

/// A LoRA as a tag says it, and its file.
type WithFile = (LoraPlan, PathBuf);

/// The LoRAs that tags say, and what is to be said about them.
fn of_tags(tags: &str, session: &Session) -> Result<(Vec<WithFile>, Vec<Diagnostic>)> {
    let request = Request { family: family(tags, session), ..Request::new(tags, "") };
    let (plan, said) = session.lower(&request, &session.presets);
    let found = [session.found.clone(), said].concat();
    let plan = plan.filter(|_| !session.refuses(&found));
    let Some(plan) = plan else { return Err(Error::refused(found)) };
    let with_file = |lora: LoraPlan| Ok((session.loras.resolve(&lora.name)?.to_owned(), lora));
    let loras = plan.first.loras.into_iter().map(with_file).collect::<Result<Vec<_>>>()?;
    Ok((loras.into_iter().map(|(path, lora)| (lora, path)).collect(), found))
}
