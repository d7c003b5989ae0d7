//! Extra-network tags, `<kind:args>`, which are cut out of a prompt before anything else reads it.

use std::ops::Range;

use super::{Mapped, PromptGrammar, Rule, lora_tag, tokens};

/// One tag as written. Nothing is trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// `lora`, `lyco`, `hypernet`, …: case sensitive.
    pub kind: String,
    /// Where the kind stands in the original.
    pub kind_span: Range<usize>,
    /// From `<` to `>` in the original.
    pub span: Range<usize>,
    /// The arguments between colons, at least one.
    pub items: Vec<Item>,
}

/// A piece of a tag's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// As written.
    pub text: String,
    /// Where it stands in the original.
    pub span: Range<usize>,
}

impl Item {
    /// Name and value, if this is a named argument: text with exactly one `=`.
    pub fn named(&self) -> Option<(&str, &str)> {
        self.text.split_once('=').filter(|(_, value)| !value.contains('='))
    }

    /// The span of what stands behind the first `=`, else of all.
    pub fn value_span(&self) -> Range<usize> {
        let value = self.text.split_once('=').map_or(self.text.as_str(), |(_, value)| value);
        self.span.end.saturating_sub(value.len()).max(self.span.start)..self.span.end
    }
}

impl Tag {
    /// Arguments without a name, in order.
    pub fn positional(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.named().is_none())
    }

    /// The last argument called `name`, exactly.
    pub fn named(&self, name: &str) -> Option<&Item> {
        self.items.iter().rfind(|item| item.named().is_some_and(|(n, _)| n == name))
    }
}

/// Cuts the tags out of `prompt`; the text around them is left as it is.
pub fn cut(prompt: &Mapped) -> (Mapped, Vec<Tag>) {
    let text = prompt.text();
    // Without a ">" further on nothing can be a tag, so the search ends at the last one.
    let end = text.rfind('>').map_or(0, |at| at + 1);
    let mut rest = Mapped::default();
    let mut found = Vec::new();
    let Some(tokens) = tokens::<PromptGrammar, _>(Rule::tags, &text[..end]) else {
        return (prompt.clone(), found);
    };
    for token in tokens {
        let range = token.as_span().start()..token.as_span().end();
        if token.as_rule() != Rule::tag {
            rest.push_from(prompt, range);
            continue;
        }
        let mut inner = token.into_inner();
        if let (Some(kind), Some(args)) = (inner.next(), inner.next()) {
            let kind_range = kind.as_span().start()..kind.as_span().end();
            found.push(Tag {
                kind: kind.as_str().to_owned(),
                kind_span: prompt.span(kind_range),
                span: prompt.span(range),
                items: items(args.as_str(), args.as_span().start(), prompt),
            });
        }
    }
    rest.push_from(prompt, end..text.len());
    (rest, found)
}

fn items(args: &str, offset: usize, prompt: &Mapped) -> Vec<Item> {
    let item = |range: Range<usize>| Item {
        text: args[range.clone()].to_owned(),
        span: prompt.span(offset + range.start..offset + range.end),
    };
    lora_tag::items(args).into_iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_cut_and_know_their_place() {
        let (rest, tags) = cut(&Mapped::whole("a, <lora:x:0.8:lbw=A>, b"));
        assert_eq!(rest.text(), "a, , b");
        assert_eq!(tags[0].span, 3..21);
        assert_eq!(tags[0].items[2], Item { text: "lbw=A".into(), span: 15..20 });
        assert_eq!(tags[0].items[2].value_span(), 19..20);
        assert_eq!(rest.span(5..6), 23..24);
    }

    #[test]
    fn what_is_no_tag_stays() {
        for text in ["<lora>", "<lora:>", "< lora:a>", "<lora:a", "<>", "a > b", "<:a>"] {
            let (rest, tags) = cut(&Mapped::whole(text));
            assert_eq!((rest.text(), tags.len()), (text, 0));
        }
    }

    #[test]
    fn unclosed_tags_take_linear_time() {
        let (rest, _) = cut(&Mapped::whole(&"<lora:".repeat(1 << 17)));
        assert_eq!(rest.text().len(), 6 << 17);
    }
}
