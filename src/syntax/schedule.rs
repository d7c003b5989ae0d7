//! Prompt editing `[from:to:N]` and alternation `[a|b]`: one text becomes a text per range of steps.
//!
//! What is a construct and what is literal text is decided by one pass over the tokens from right to left: whether a
//! construct begins at a bracket depends only on what follows, so every answer needed is already known, nothing is read
//! twice and nothing recurses.

use std::ops::Range;

use super::{Mapped, PromptGrammar, Rule, tokens};
use crate::diagnostic::{Said, Text};
use crate::say;

pub use super::timeline::Timeline;

/// A text read for its editing constructs. It refers to the [`Mapped`] text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    tokens: Vec<Token>,
    /// For the token a construct begins at, the construct.
    constructs: Vec<Option<Construct>>,
    /// The token that makes the whole text literal, if any.
    pub failure: Option<Failure>,
}

/// Why webui ignores every construct of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A `|` outside `[…|…]`.
    Pipe(Range<usize>),
    /// A backslash at the end or before a line end.
    Backslash(Range<usize>),
}

/// A construct webui acts on.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// `[from:to:N]`.
    Scheduled {
        /// From bracket to bracket.
        span: Range<usize>,
        /// Of `N`.
        when: Range<usize>,
    },
    /// `[a|b|…]`.
    Alternate {
        /// From bracket to bracket.
        span: Range<usize>,
    },
}

impl Edit {
    /// From bracket to bracket.
    pub fn span(&self) -> &Range<usize> {
        match self {
            Edit::Scheduled { span, .. } | Edit::Alternate { span } => span,
        }
    }
}

/// Why a schedule cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum LayoutError {
    /// The number at this place, times the steps, is beyond all steps that can be counted.
    StepOverflow(Range<usize>),
    /// More bytes than the limit.
    TooLarge,
}

impl Said for LayoutError {
    fn said(&self) -> Text {
        match self {
            LayoutError::StepOverflow(_) => say!("the step number is too large", "ステップ数が大きすぎます"),
            LayoutError::TooLarge => {
                say!("the texts of all steps together are too large", "全ステップのプロンプトを合わせると長すぎます")
            }
        }
    }
}

/// A text and the last step at which it is used.
pub type Entry = (u32, Mapped);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    OpenRound,
    OpenSquare,
    CloseRound,
    CloseSquare,
    Colon,
    Pipe,
    Dangling,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// Ranges are of tokens; `end` is the token behind the construct.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Construct {
    /// `(…)`, `(…:…)`, `[…]`: literal, with constructs inside.
    Transparent {
        end: usize,
    },
    Scheduled {
        from: Range<usize>,
        to: Range<usize>,
        when: usize,
        end: usize,
    },
    Alternate {
        options: Vec<Range<usize>>,
        end: usize,
    },
}

impl Construct {
    fn end(&self) -> usize {
        match self {
            Construct::Transparent { end } | Construct::Scheduled { end, .. } | Construct::Alternate { end, .. } => {
                *end
            }
        }
    }
}

/// Reads `text` for constructs.
pub fn parse(text: &Mapped) -> Schedule {
    let mut schedule = Schedule { tokens: tokenize(text.text()), constructs: Vec::new(), failure: None };
    let mut constructs = vec![None; schedule.tokens.len()];
    for at in (0..schedule.tokens.len()).rev() {
        constructs[at] = Reader { text: text.text(), tokens: &schedule.tokens, constructs: &constructs }.construct(at);
    }
    schedule.constructs = constructs;
    schedule.failure = schedule.find_failure(text);
    schedule
}

fn tokenize(text: &str) -> Vec<Token> {
    let kind = |rule| match rule {
        Rule::plain => Some(Kind::Plain),
        Rule::open_round => Some(Kind::OpenRound),
        Rule::open_square => Some(Kind::OpenSquare),
        Rule::close_round => Some(Kind::CloseRound),
        Rule::close_square => Some(Kind::CloseSquare),
        Rule::colon => Some(Kind::Colon),
        Rule::pipe => Some(Kind::Pipe),
        Rule::dangling => Some(Kind::Dangling),
        _ => None,
    };
    let Some(tokens) = tokens::<PromptGrammar, _>(Rule::schedule, text) else {
        return vec![Token { kind: Kind::Plain, start: 0, end: text.len() }];
    };
    tokens
        .filter_map(|t| Some(Token { kind: kind(t.as_rule())?, start: t.as_span().start(), end: t.as_span().end() }))
        .collect()
}

/// The number that is all of `text`, without the whitespace around it.
fn number(text: &str) -> Option<&str> {
    let token = tokens::<PromptGrammar, _>(Rule::step, text)?.find(|t| t.as_rule() == Rule::number)?;
    Some(token.as_str())
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// Known for every token behind the one in question.
    constructs: &'a [Option<Construct>],
}

impl Reader<'_> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|t| t.kind)
    }

    fn construct(&self, at: usize) -> Option<Construct> {
        match self.kind(at)? {
            Kind::OpenRound => self.round(at + 1),
            Kind::OpenSquare => self.square(at + 1),
            _ => None,
        }
    }

    /// The end of the text runs and constructs from `at` on.
    fn body(&self, mut at: usize) -> usize {
        loop {
            match self.tokens.get(at).map(|t| t.kind) {
                Some(Kind::Plain) => at += 1,
                Some(_) => match &self.constructs[at] {
                    Some(construct) => at = construct.end(),
                    None => return at,
                },
                None => return at,
            }
        }
    }

    fn round(&self, start: usize) -> Option<Construct> {
        let mut end = self.body(start);
        if self.kind(end)? == Kind::Colon {
            end = self.body(end + 1);
        }
        (self.kind(end)? == Kind::CloseRound).then_some(Construct::Transparent { end: end + 1 })
    }

    fn square(&self, start: usize) -> Option<Construct> {
        let end = self.body(start);
        match self.kind(end)? {
            Kind::CloseSquare => Some(Construct::Transparent { end: end + 1 }),
            Kind::Pipe => self.alternate(start..end),
            Kind::Colon if self.number_closes(end + 1) => {
                Some(Construct::Scheduled { from: start..start, to: start..end, when: end + 1, end: end + 3 })
            }
            Kind::Colon => {
                let to = end + 1..self.body(end + 1);
                let when = to.end + 1;
                let closed = self.kind(to.end)? == Kind::Colon && self.number_closes(when);
                closed.then_some(Construct::Scheduled { from: start..end, to, when, end: when + 2 })
            }
            _ => None,
        }
    }

    fn alternate(&self, first: Range<usize>) -> Option<Construct> {
        let mut options = vec![first];
        loop {
            let at = options.last()?.end;
            match self.kind(at)? {
                Kind::Pipe => options.push(at + 1..self.body(at + 1)),
                Kind::CloseSquare => return Some(Construct::Alternate { options, end: at + 1 }),
                _ => return None,
            }
        }
    }

    /// Whether a number stands at `at`, followed by `]`.
    fn number_closes(&self, at: usize) -> bool {
        self.kind(at) == Some(Kind::Plain)
            && self.kind(at + 1) == Some(Kind::CloseSquare)
            && number(&self.text[self.tokens[at].start..self.tokens[at].end]).is_some()
    }
}

impl Schedule {
    /// The constructs webui acts on, in order of their first character.
    pub fn edits(&self, text: &Mapped) -> Vec<Edit> {
        if self.failure.is_some() {
            return Vec::new();
        }
        let span = |from: usize, to: usize| text.span(self.tokens[from].start..self.tokens[to].end);
        // Inside a construct everything is text, construct or delimiter: every construct there is, is reached.
        let edits = self.constructs.iter().enumerate().filter_map(|(at, construct)| match construct.as_ref()? {
            Construct::Transparent { .. } => None,
            Construct::Scheduled { when, end, .. } => {
                Some(Edit::Scheduled { span: span(at, end - 1), when: span(*when, *when) })
            }
            Construct::Alternate { end, .. } => Some(Edit::Alternate { span: span(at, end - 1) }),
        });
        edits.collect()
    }

    /// Places where webui's answer differs from process to process: a stray bracket or colon directly behind an edit, or
    /// behind other constructs that follow an edit without text between them.
    /// Here every construct that can be read is read.
    pub fn ambiguities(&self, text: &Mapped) -> Vec<Range<usize>> {
        if self.failure.is_some() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut at = 0;
        let mut after_edit = false;
        while at < self.tokens.len() {
            let construct = self.constructs[at].as_ref();
            let end = construct.map_or(at + 1, Construct::end);
            let stray = construct.is_none() && self.tokens[at].kind != Kind::Plain;
            if stray && after_edit {
                found.push(text.span(self.tokens[at].start..self.tokens[at].end));
            }
            after_edit = construct.is_some_and(|c| after_edit || self.is_scheduled(at, c));
            at = end;
        }
        found
    }

    /// Whether the construct at `at` is, or holds, a `[from:to:N]`.
    fn is_scheduled(&self, at: usize, construct: &Construct) -> bool {
        self.constructs[at..construct.end()].iter().flatten().any(|c| matches!(c, Construct::Scheduled { .. }))
    }

    fn find_failure(&self, text: &Mapped) -> Option<Failure> {
        let mut at = 0;
        while at < self.tokens.len() {
            let token = &self.tokens[at];
            let span = || text.span(token.start..token.end);
            match (&self.constructs[at], token.kind) {
                (Some(construct), _) => at = construct.end(),
                (None, Kind::Pipe) => return Some(Failure::Pipe(span())),
                (None, Kind::Dangling) => return Some(Failure::Backslash(span())),
                (None, _) => at += 1,
            }
        }
        None
    }

    /// The texts over the steps of `timeline`, at most `limit` bytes together.
    pub fn lay_out(&self, text: &Mapped, timeline: Timeline, limit: usize) -> Result<Vec<Entry>, LayoutError> {
        if self.failure.is_some() {
            return Ok(vec![(timeline.steps, text.clone())]);
        }
        let whens = self.whens(text, timeline)?;
        let mut size = 0;
        let mut entries = Vec::new();
        for step in self.boundaries(&whens, timeline.steps, limit)? {
            let at_step = self.at_step(text, step, &whens);
            size += at_step.size();
            if size > limit {
                return Err(LayoutError::TooLarge);
            }
            entries.push((step, at_step));
        }
        Ok(entries)
    }

    /// For each token that a `[from:to:N]` begins at, the last step of `from`.
    fn whens(&self, text: &Mapped, timeline: Timeline) -> Result<Vec<i64>, LayoutError> {
        let mut whens = vec![0; self.tokens.len()];
        for (at, construct) in self.constructs.iter().enumerate() {
            if let Some(Construct::Scheduled { when, .. }) = construct {
                let token = &self.tokens[*when];
                let written = number(&text.text()[token.start..token.end]).unwrap_or_default();
                let overflow = || LayoutError::StepOverflow(text.span(token.start..token.end));
                whens[at] = timeline.when(written).ok_or_else(overflow)?;
            }
        }
        Ok(whens)
    }

    /// The last step of every entry, ascending; the last one is `steps`.
    fn boundaries(&self, whens: &[i64], steps: u32, limit: usize) -> Result<Vec<u32>, LayoutError> {
        let alternates = self.constructs.iter().flatten().any(|c| matches!(c, Construct::Alternate { .. }));
        if alternates {
            let fits = (steps as usize).saturating_mul(size_of::<Entry>()) <= limit;
            return if fits { Ok((1..=steps).collect()) } else { Err(LayoutError::TooLarge) };
        }
        let scheduled = self.constructs.iter().zip(whens).filter(|(c, _)| c.is_some());
        let mut steps: Vec<u32> =
            scheduled.filter_map(|(_, when)| u32::try_from(*when).ok().filter(|s| *s >= 1)).chain([steps]).collect();
        steps.sort_unstable();
        steps.dedup();
        Ok(steps)
    }

    /// The text at `step`: a walk over the tokens that jumps to the side of each construct that is taken.
    fn at_step(&self, text: &Mapped, step: u32, whens: &[i64]) -> Mapped {
        let mut out = Mapped::default();
        // Where the part being copied ends, and where to go on then.
        let mut returns: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        loop {
            if let Some((end, resume)) = returns.last().copied().filter(|(end, _)| *end == at) {
                debug_assert!(end <= resume);
                returns.pop();
                at = resume;
                continue;
            }
            let Some(token) = self.tokens.get(at) else { return out };
            let taken = match &self.constructs[at] {
                Some(Construct::Scheduled { from, to, end, .. }) => {
                    Some((if i64::from(step) <= whens[at] { from } else { to }, *end))
                }
                Some(Construct::Alternate { options, end }) => {
                    Some((&options[(step.saturating_sub(1) as usize) % options.len()], *end))
                }
                _ => None,
            };
            match taken {
                Some((side, end)) => {
                    returns.push((side.end, end));
                    at = side.start;
                }
                None => {
                    out.push_from(text, token.start..token.end);
                    at += 1;
                }
            }
        }
    }
}
