//! From text to trees: webui's prompt language, one file per idea.
//!
//! No input makes a parser panic, overflow the stack or take more than linear time. The grammars in `grammar/` are flat,
//! brackets are tokens, and nesting is built in loops. Parsers return what webui would read together with spans into the
//! user's text; what is surprising about it is said by [`crate::plan`], not here.
//!
//! ```
//! use lbw::syntax::{Prompt, attention};
//! let prompt = Prompt::parse("a (cat:1.2) <lora:x:0.8> # note");
//! assert_eq!(prompt.body.text(), "a (cat:1.2)  \n");
//! assert_eq!(prompt.tags[0].items[1].text, "0.8");
//! let pieces = attention::parse(prompt.body.text()).pieces;
//! assert_eq!((pieces[1].text.as_str(), pieces[1].weight), ("cat", 1.2));
//! ```

pub mod attention;
mod comment;
pub mod composition;
pub mod keyword;
pub mod lora_tag;
mod mapped;
mod prompt;
pub mod python;
pub mod schedule;
pub mod tag;
mod timeline;

pub use comment::strip_comments;
pub use mapped::Mapped;
pub use prompt::Prompt;
pub use tag::{Item, Tag};

/// What pest makes of the grammar, kept out of sight.
mod grammar {
    /// The tokens of the prompt language.
    #[derive(pest_derive::Parser)]
    #[grammar = "grammar/prompt.pest"]
    pub(super) struct PromptGrammar;
}

use grammar::{PromptGrammar, Rule};

use crate::files::limits::PROMPT;

/// The tokens that the entry rule `rule` finds in `text`. Entry rules accept any text, so there is always one. A text that is longer than a
/// prompt may be, and that whoever would draw it refuses, is not looked into.
fn tokens<'i, P: pest::Parser<R>, R: pest::RuleType>(rule: R, text: &'i str) -> Option<pest::iterators::Pairs<'i, R>> {
    if text.len() > PROMPT {
        return None;
    }
    Some(P::parse(rule, text).ok()?.next()?.into_inner())
}
