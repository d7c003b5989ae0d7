//! The EXIF block of AVIF and its kin (ISO base media files): which item it is, and where its bytes lie.

use std::io::{BufRead, Seek, SeekFrom};

use super::budget::Problem;
use super::comments::exactly;
use crate::files::limits::PICTURE_BLOCK;
use crate::say;

/// The block; nothing where there is none.
pub(super) fn exif(file: &mut (impl BufRead + Seek)) -> Result<Option<Vec<u8>>, Problem> {
    while !file.fill_buf()?.is_empty() {
        let head = exactly(file, 8)?;
        let (size, kind) = head.split_at(4);
        let (size, head) = match number(size) {
            1 => (number(&exactly(file, 8)?), 16),
            size => (size, 8),
        };
        // A box of no size goes on to the end: only the pixels do that.
        let Some(length) = size.checked_sub(head) else { return Ok(None) };
        if kind == b"meta" {
            if length > PICTURE_BLOCK as u64 {
                return Err(Problem::TooLong);
            }
            let meta = exactly(file, length as usize)?;
            return meta.get(4..).and_then(Item::find).map(|item| item.read(file)).transpose();
        }
        file.seek_relative(i64::try_from(length).unwrap_or(i64::MAX))?;
    }
    Ok(None)
}

/// Where an item lies.
struct Item<'m> {
    /// Places and lengths.
    extents: Vec<(u64, u64)>,
    /// What places count from: the box for data beside the description, or the file.
    inside: Option<&'m [u8]>,
}

impl<'m> Item<'m> {
    /// The item of the kind `Exif`.
    fn find(meta: &'m [u8]) -> Option<Self> {
        let get = |name: &[u8; 4]| boxes(meta).find(|(kind, _)| kind == name).map(|(_, body)| body);
        let mut infos = Fields(get(b"iinf")?);
        let is_long = infos.number(4)? >> 24 > 0;
        infos.number(if is_long { 4 } else { 2 })?;
        let id = boxes(infos.0).filter(|(kind, _)| kind == b"infe").find_map(|(_, info)| {
            let mut info = Fields(info);
            let id = match info.number(4)? >> 24 {
                2 => info.number(2)?,
                3 => info.number(4)?,
                _ => return None,
            };
            info.number(2)?;
            (info.number(4)? == number(b"Exif")).then_some(id)
        })?;

        let mut places = Fields(get(b"iloc")?);
        let version = places.number(4)? >> 24;
        let sizes = places.number(2)?;
        let [offset, length, base, index] = [12, 8, 4, 0].map(|shift| (sizes >> shift & 15) as usize);
        let index = if version == 0 { 0 } else { index };
        let wide = if version < 2 { 2 } else { 4 };
        for _ in 0..places.number(wide)? {
            let this = places.number(wide)?;
            let method = if version == 0 { 0 } else { places.number(2)? & 15 };
            places.number(2)?;
            let base = places.number(base)?;
            let mut extents = Vec::new();
            for _ in 0..places.number(2)? {
                places.number(index)?;
                extents.push((base.checked_add(places.number(offset)?)?, places.number(length)?));
            }
            if this == id {
                let inside = if method == 1 { Some(get(b"idat")?) } else { None };
                return (method < 2).then_some(Item { extents, inside });
            }
        }
        None
    }

    /// The block, behind the bytes that stand before it in its item.
    fn read(self, file: &mut (impl BufRead + Seek)) -> Result<Vec<u8>, Problem> {
        let total = self.extents.iter().fold(0u64, |all, (_, length)| all.saturating_add(*length));
        if total > PICTURE_BLOCK as u64 {
            return Err(Problem::TooLong);
        }
        let cut_short = || Problem::from(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        let mut bytes = Vec::new();
        for (at, length) in self.extents {
            match self.inside {
                Some(data) => {
                    let part = usize::try_from(at).ok().and_then(|at| data.get(at..)?.get(..length as usize));
                    bytes.extend_from_slice(part.ok_or_else(cut_short)?);
                }
                None => {
                    file.seek(SeekFrom::Start(at))?;
                    bytes.extend(exactly(file, length as usize)?);
                }
            }
        }
        let before = Fields(&bytes).number(4).and_then(|before| usize::try_from(before).ok()?.checked_add(4));
        match before.filter(|before| *before <= bytes.len()) {
            Some(before) => Ok(bytes.split_off(before)),
            None => Err(Problem::Damaged(say!("its EXIF block is broken", "EXIF のブロックが壊れています"))),
        }
    }
}

/// The boxes inside a box, up to one that is not whole.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(number(bytes.get(..4)?)).ok()?;
        let (this, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some((this.get(4..8)?, this.get(8..)?))
    })
}

/// Numbers one after the other.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    /// A number of so many bytes; 0 of none.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (this, rest) = self.0.split_at_checked(bytes).filter(|_| bytes <= 8)?;
        self.0 = rest;
        Some(number(this))
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
