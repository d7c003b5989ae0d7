//! What the machine takes from the bytes, and what it keeps on its stack.

use super::{Container, Pickle, PickleProblem, Result, Value, pairs};
use crate::files::limits::PICKLE_VALUES;
use crate::say;

impl<'b> Pickle<'b> {
    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    pub(super) fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(underflow)
    }

    pub(super) fn pop_many(&mut self, count: usize) -> Result<Vec<Value>> {
        let at = self.stack.len().checked_sub(count).ok_or_else(underflow)?;
        Ok(self.stack.split_off(at))
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.stack.iter().rposition(|v| matches!(v, Value::Mark)).ok_or_else(underflow)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    pub(super) fn new_list(&mut self, items: Vec<Value>) {
        self.containers.push(Container::List(items));
        self.push(Value::List(self.containers.len() - 1));
    }

    pub(super) fn new_dict(&mut self, pairs: Vec<(Value, Value)>, is_object: bool) {
        self.containers.push(Container::Dict { pairs, is_object });
        self.push(Value::Dict(self.containers.len() - 1));
    }

    pub(super) fn append(&mut self, new: Vec<Value>) -> Result<()> {
        self.count(new.len())?;
        if let Value::List(at) = *self.stack.last().ok_or_else(underflow)?
            && let Some(Container::List(items)) = self.containers.get_mut(at)
        {
            put(items, new);
        }
        Ok(())
    }

    pub(super) fn set_items(&mut self, new: Vec<Value>) -> Result<()> {
        self.count(new.len())?;
        let new = pairs(new)?;
        if let Value::Dict(at) = *self.stack.last().ok_or_else(underflow)?
            && let Some(Container::Dict { pairs, .. }) = self.containers.get_mut(at)
        {
            put(pairs, new);
        }
        Ok(())
    }

    /// Counts values that a container takes.
    pub(super) fn count(&mut self, new: usize) -> Result<()> {
        self.made = self.made.saturating_add(new);
        if self.made > PICKLE_VALUES {
            Err(PickleProblem::TooMuch(say!("more than {PICKLE_VALUES} values", "{PICKLE_VALUES} 個を超える値")))
        } else {
            Ok(())
        }
    }

    // ---- Bytes --------------------------------------------------------------------------------------------------------

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes.get(self.at..).and_then(|b| b.first_chunk()).copied().ok_or(PickleProblem::CutShort)?;
        self.at += N;
        Ok(bytes)
    }

    pub(super) fn take_slice(&mut self, length: usize) -> Result<&'b [u8]> {
        let end = self.at.checked_add(length).ok_or(PickleProblem::CutShort)?;
        let bytes = self.bytes.get(self.at..end).ok_or(PickleProblem::CutShort)?;
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, length: usize) -> Result<()> {
        self.take_slice(length).map(drop)
    }

    /// What stands before the next line feed, which is passed.
    pub(super) fn line(&mut self) -> Result<&'b str> {
        const LONGEST: usize = 4096;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().take(LONGEST).position(|b| *b == b'\n').ok_or(PickleProblem::CutShort)?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end])
            .map_err(|_| PickleProblem::Damaged(say!("a name that is no text", "文字列でない名前")))
    }
}

/// Adds to a container; an empty one takes no more memory than what comes: a stranger's may hold one thing each.
fn put<T>(to: &mut Vec<T>, mut new: Vec<T>) {
    match to.is_empty() {
        true => {
            new.shrink_to_fit();
            *to = new;
        }
        false => to.extend(new),
    }
}

pub(super) fn underflow() -> PickleProblem {
    PickleProblem::Damaged(say!("it takes values that it never made", "作っていない値を使っています"))
}
