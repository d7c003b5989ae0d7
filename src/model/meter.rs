//! How much memory a network takes at most, found out without running it: a walk makes and drops rooms in the order in which the
//! network makes and drops tensors.

use std::cell::Cell;

use super::layers::Conv3x3;
use super::ops::{Operators, Work, Workspace};

/// What tensors of sizes alone take.
#[derive(Debug, Default)]
pub(super) struct Meter {
    now: Cell<u64>,
    most: Cell<u64>,
    /// Memory that operators keep for themselves from call to call.
    kept: Cell<u64>,
}

/// The memory of a tensor, as long as this lives.
#[derive(Debug)]
pub(super) struct Room<'a> {
    meter: &'a Meter,
    bytes: u64,
}

impl Meter {
    /// A tensor of so many bytes is made.
    pub fn room(&self, bytes: u64) -> Room<'_> {
        self.now.set(self.now.get() + bytes);
        self.most.set(self.most.get().max(self.now.get()));
        Room { meter: self, bytes }
    }

    /// An operator keeps so many bytes for its next call.
    pub fn keeps(&self, bytes: u64) {
        self.kept.set(self.kept.get().max(bytes));
    }

    /// Bytes at most.
    pub fn most(&self) -> u64 {
        self.most.get() + self.kept.get()
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.meter.now.set(self.meter.now.get() - self.bytes);
    }
}

/// Images of one resolution, channels last, as a set of operators has them.
#[derive(Clone, Copy)]
pub(super) struct Images<'m> {
    meter: &'m Meter,
    operators: &'m dyn Operators,
    pub count: usize,
    pub height: usize,
    pub width: usize,
}

impl<'m> Images<'m> {
    pub fn new(meter: &'m Meter, operators: &'m dyn Operators, count: usize, height: usize, width: usize) -> Self {
        Images { meter, operators, count, height, width }
    }

    /// Bytes of a number.
    pub fn number(self) -> u64 {
        self.operators.dtype().size_in_bytes() as u64
    }

    pub fn pixels(self) -> usize {
        self.count * self.height * self.width
    }

    pub fn of(self, channels: usize) -> Room<'m> {
        self.meter.room((self.pixels() * channels) as u64 * self.number())
    }

    pub fn resized(self, resize: impl Fn(usize) -> usize) -> Self {
        Images { height: resize(self.height), width: resize(self.width), ..self }
    }

    /// The result of a norm.
    pub fn normalised(self, channels: usize) -> Room<'m> {
        self.after(Work::Norm { values: self.pixels() * channels }, channels)
    }

    /// The result of a linear layer.
    pub fn multiplied(self, inputs: usize, outputs: usize, made: usize) -> Room<'m> {
        let (rows, rows_of_image) = (self.pixels(), self.height * self.width);
        self.after(Work::Linear { rows, rows_of_image, inputs, outputs }, made)
    }

    /// The result of attention to so many keys of each image.
    pub fn attended(self, keys: usize, heads: usize, channels: usize) -> Room<'m> {
        let (images, queries) = (self.count, self.height * self.width);
        self.after(Work::Attention { images, queries, keys, heads, channels }, channels)
    }

    fn after(self, work: Work, channels: usize) -> Room<'m> {
        let Workspace { beside, kept } = self.operators.workspace(work);
        self.meter.keeps(kept);
        let _beside = self.meter.room(beside);
        self.of(channels)
    }
}

impl Conv3x3 {
    /// A convolution of images that are dropped after it where they are given.
    pub(super) fn walk<'m>(&self, from: Images<'m>, to: Images<'m>, x: Option<Room<'m>>) -> Room<'m> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let made = to.after(Work::Conv3x3 { from: from.pixels(), to: to.pixels(), inputs, outputs }, outputs);
        drop(x);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_does_not_count() {
        let meter = Meter::default();
        let mut x = meter.room(10);
        {
            let _y = meter.room(5);
        }
        x = {
            let _old = &x;
            meter.room(3)
        };
        meter.keeps(2);
        meter.keeps(1);
        assert_eq!((x.bytes, meter.most()), (3, 17));
        let _z = meter.room(20);
        assert_eq!(meter.most(), 25);
    }
}
