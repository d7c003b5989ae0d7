//! A whole prompt: what is left of it after comments and tags are cut out.

use super::{Mapped, Tag, strip_comments, tag};

/// A prompt, read up to its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The text without comments, tags still in it: what infotext shows.
    pub shown: Mapped,
    /// The text without comments and tags: what is composed, scheduled and tokenized.
    pub body: Mapped,
    /// In the order of the text.
    pub tags: Vec<Tag>,
}

impl Prompt {
    /// Reads `text`, comments included.
    pub fn parse(text: &str) -> Self {
        Prompt::of(strip_comments(&Mapped::whole(text)))
    }

    /// Reads `text` as it is: `#` has no meaning.
    pub fn parse_with_comments(text: &str) -> Self {
        Prompt::of(Mapped::whole(text))
    }

    fn of(shown: Mapped) -> Self {
        let (body, tags) = tag::cut(&shown);
        Prompt { shown, body, tags }
    }
}

/// The prompt without comments, as it was written: the body with each tag back in its place.
impl std::fmt::Display for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut from = 0;
        for tag in &self.tags {
            let at = self.body.insertion_point(tag.span.start).max(from);
            write!(f, "{}<{}:", &self.body.text()[from..at], tag.kind)?;
            for (index, item) in tag.items.iter().enumerate() {
                write!(f, "{}{}", if index == 0 { "" } else { ":" }, item.text)?;
            }
            write!(f, ">")?;
            from = at;
        }
        write!(f, "{}", &self.body.text()[from..])
    }
}
