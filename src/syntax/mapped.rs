//! Text that was cut out of another text, and remembers from where.
//!
//! A prompt is read in stages, each cutting something away (comments, tags, parts, options not taken). A [`Mapped`] text
//! keeps for every byte its offset in the user's text, so that any stage can point at what the user wrote.

use std::ops::Range;

/// A text with the origin of each of its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    text: String,
    /// (offset here, offset in the original), ascending; between two entries both count alike.
    runs: Vec<(usize, usize)>,
}

impl Mapped {
    /// The original text itself.
    pub fn whole(text: &str) -> Self {
        let mut mapped = Mapped::default();
        mapped.push(text, 0);
        mapped
    }

    /// The text as it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it takes in memory, in bytes.
    pub fn size(&self) -> usize {
        self.text.len() + size_of_val(self.runs.as_slice()) + size_of::<Mapped>()
    }

    /// Appends `text`, which begins at `origin` in the original.
    pub fn push(&mut self, text: &str, origin: usize) {
        if text.is_empty() {
            return;
        }
        let continues = self.runs.last().is_some_and(|(here, there)| there + (self.text.len() - here) == origin);
        if !continues {
            self.runs.push((self.text.len(), origin));
        }
        self.text.push_str(text);
    }

    /// Appends the part `range` of another mapped text.
    pub fn push_from(&mut self, other: &Mapped, range: Range<usize>) {
        let mut from = range.start;
        while from < range.end {
            let run = other.run_at(from);
            let end = other.runs.get(run + 1).map_or(range.end, |(here, _)| (*here).min(range.end));
            self.push(&other.text[from..end], other.origin(from));
            from = end;
        }
    }

    /// The part `range`, still knowing its origin.
    pub fn slice(&self, range: Range<usize>) -> Mapped {
        let mut slice = Mapped::default();
        slice.push_from(self, range);
        slice
    }

    /// Where the byte at `offset` stands in the original.
    pub fn origin(&self, offset: usize) -> usize {
        match self.runs.get(self.run_at(offset)) {
            Some((here, there)) => there + (offset - here),
            None => 0,
        }
    }

    /// The range of the original that `range` comes from.
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.origin(range.start);
        if range.is_empty() { start..start } else { start..(self.origin(range.end - 1) + 1).max(start) }
    }

    /// The offset here of the first byte that comes from `origin` or later in the original.
    pub fn insertion_point(&self, origin: usize) -> usize {
        let run = self.runs.partition_point(|(_, there)| *there < origin);
        let next = self.runs.get(run).map_or(self.text.len(), |(here, _)| *here);
        match run.checked_sub(1).map(|previous| self.runs[previous]) {
            Some((here, there)) => (here + (origin - there)).min(next),
            None => next,
        }
    }

    fn run_at(&self, offset: usize) -> usize {
        self.runs.partition_point(|(here, _)| *here <= offset).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_points_into_the_original() {
        let original = "a <x> b <y> c";
        let mut cut = Mapped::default();
        for range in [0..2, 5..8, 11..13] {
            cut.push(&original[range.clone()], range.start);
        }
        assert_eq!(cut.text(), "a  b  c");
        assert_eq!(cut.origin(3), 6);
        assert_eq!(cut.span(3..4), 6..7);
        assert_eq!(cut.span(0..7), 0..13);
        let part = cut.slice(3..7);
        assert_eq!((part.text(), part.origin(3)), ("b  c", 12));
    }
}
