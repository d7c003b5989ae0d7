//! Memory of packed weights and of transformed inputs.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use bytemuck::Pod;
use memmap2::MmapMut;

/// Size of a huge page, and from this size on values lie in a map of their own.
const HUGE: usize = 2 << 20;

/// Values, zeros at first. Large ones ask the system for huge pages, which it clears and finds again in a fraction of the
/// time that as many small ones take, and are given back as soon as they are dropped: a weight that is made anew takes the
/// pages of the one before.
#[derive(Debug)]
pub(super) enum Memory<T> {
    Allocated(Vec<T>),
    Mapped { map: MmapMut, bytes: usize, number: PhantomData<T> },
}

impl<T: Pod> Memory<T> {
    pub fn zeros(len: usize) -> candle_core::Result<Self> {
        match len.checked_mul(size_of::<T>()) {
            Some(bytes) if bytes >= HUGE => {
                // Of whole huge pages, as only such maps begin at one; what is never touched of the last takes no memory.
                let map = MmapMut::map_anon(bytes.next_multiple_of(HUGE))?;
                // Only a wish: without it the memory works as well.
                #[cfg(target_os = "linux")]
                let _ = map.advise_range(memmap2::Advice::HugePage, 0, bytes / HUGE * HUGE);
                Ok(Memory::Mapped { map, bytes, number: PhantomData })
            }
            Some(_) => Ok(Memory::Allocated(vec![T::zeroed(); len])),
            None => candle_core::bail!("a weight of {len} values is larger than the memory"),
        }
    }
}

impl<T: Pod> Deref for Memory<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Memory::Allocated(values) => values,
            Memory::Mapped { map, bytes, .. } => bytemuck::cast_slice(&map[..*bytes]),
        }
    }
}

impl<T: Pod> DerefMut for Memory<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Memory::Allocated(values) => values,
            Memory::Mapped { map, bytes, .. } => bytemuck::cast_slice_mut(&mut map[..*bytes]),
        }
    }
}

/// Calls `work` with memory for `len` values, which hold anything. It is kept for the next call: memory that is fetched from
/// the system anew costs as much as filling it.
pub(super) fn with_transformed<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    static KEPT: Mutex<Vec<f32>> = Mutex::new(Vec::new());
    let mut values = KEPT.lock().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default();
    if values.len() < len {
        // What there was is given back first, and nothing of it is copied.
        drop(values);
        values = vec![0.0; len];
    }
    let result = work(&mut values[..len]);
    if let Ok(mut kept) = KEPT.lock() {
        *kept = values;
    }
    result
}
