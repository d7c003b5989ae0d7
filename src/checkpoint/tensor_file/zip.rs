//! Where the parts of a zip archive lie. torch stores them uncompressed, so that they can be used in place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::error::PickleProblem;
use super::source::Source;
use crate::diagnostic::Text;
use crate::files::limits::TENSOR_HEADER;
use crate::say;

/// The parts of an archive by name; `None` for those that are compressed.
pub(super) type Parts = BTreeMap<String, Option<Range<usize>>>;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// The end record is followed by a comment of up to 65535 bytes.
const END_LEN: usize = 22;
const END_WITHIN: usize = END_LEN + 65535;
/// Before the name of a part.
const LOCAL_LEN: usize = 30;

pub(super) fn read(source: &Source) -> Result<Parts, PickleProblem> {
    let tail_at = source.len().saturating_sub(END_WITHIN);
    let tail = piece(source, tail_at..source.len())?;
    let end = tail.windows(END.len()).rposition(|w| w == END).ok_or(PickleProblem::CutShort)?;
    if tail.len() < end + END_LEN {
        return Err(PickleProblem::CutShort);
    }
    let mut size = u64::from(u32_at(&tail, end + 12)?);
    let mut start = u64::from(u32_at(&tail, end + 16)?);
    if let Some(locator) = end.checked_sub(20).filter(|at| tail[*at..].starts_with(LOCATOR_64)) {
        let record = place(u64_at(&tail, locator + 8)?)?;
        let record = source.get(record..record + 56).filter(|record| record.starts_with(END_64)).ok_or_else(|| {
            damaged(say!("its list of parts is not where it should be", "部品の一覧があるべき場所にありません"))
        })?;
        size = u64_at(&record, 40)?;
        start = u64_at(&record, 48)?;
    }
    let start = place(start)?;
    let stop = start.checked_add(place(size)?).filter(|stop| *stop <= tail_at + end).ok_or_else(|| {
        damaged(say!("its list of parts is longer than the file", "部品の一覧がファイルより長くなっています"))
    })?;
    if stop - start > TENSOR_HEADER {
        let mib = TENSOR_HEADER >> 20;
        return Err(PickleProblem::TooMuch(say!(
            "a list of parts of more than {mib} MiB",
            "{mib} MiB を超える部品の一覧"
        )));
    }
    let list = piece(source, start..stop)?;
    let mut parts = Parts::new();
    let mut at = 0;
    while at < list.len() {
        let (name, range, next) = entry(source, &list, at)?;
        // Two parts of one name are read differently by different programs.
        if parts.insert(name, range).is_some() {
            return Err(damaged(say!("two of its parts have the same name", "同じ名前の部品が二つあります")));
        }
        at = next;
    }
    Ok(parts)
}

fn piece(source: &Source, range: Range<usize>) -> Result<Cow<'_, [u8]>, PickleProblem> {
    source.get(range).ok_or(PickleProblem::CutShort)
}

/// The part that the entry at `at` of the `list` describes, and where the next entry begins.
fn entry(source: &Source, list: &[u8], at: usize) -> Result<(String, Option<Range<usize>>, usize), PickleProblem> {
    if !list.get(at..).is_some_and(|b| b.starts_with(CENTRAL)) {
        return Err(damaged(say!("its list of parts is broken", "部品の一覧が壊れています")));
    }
    let method = u16_at(list, at + 10)?;
    let (mut packed, mut unpacked) = (u64::from(u32_at(list, at + 20)?), u64::from(u32_at(list, at + 24)?));
    let name_len = usize::from(u16_at(list, at + 28)?);
    let extra_len = usize::from(u16_at(list, at + 30)?);
    let comment_len = usize::from(u16_at(list, at + 32)?);
    let mut local = u64::from(u32_at(list, at + 42)?);
    let name = list.get(at + 46..at + 46 + name_len).ok_or(PickleProblem::CutShort)?;
    let extra_at = at + 46 + name_len;
    let extra = list.get(extra_at..extra_at + extra_len).ok_or(PickleProblem::CutShort)?;
    let mut wide = zip64(extra);
    for value in [&mut unpacked, &mut packed, &mut local] {
        if *value == u64::from(u32::MAX) {
            *value = wide.next().ok_or_else(|| damaged(say!("a part has no size", "大きさのない部品があります")))?;
        }
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let next = extra_at + extra_len + comment_len;
    if method != 0 || packed != unpacked {
        return Ok((name, None, next));
    }
    let local = place(local)?;
    let header = source
        .get(local..local + LOCAL_LEN)
        .filter(|header| header.starts_with(LOCAL))
        .ok_or_else(|| damaged(say!("a part is not where its list says", "一覧の示す場所に部品がありません")))?;
    let data = local + LOCAL_LEN + usize::from(u16_at(&header, 26)?) + usize::from(u16_at(&header, 28)?);
    let end = data.checked_add(place(packed)?).filter(|end| *end <= source.len()).ok_or(PickleProblem::CutShort)?;
    Ok((name, Some(data..end), next))
}

/// The 64-bit numbers of an entry that stand for those of 32 bits that are full.
fn zip64(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut found: &[u8] = &[];
    while let (Ok(id), Ok(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some(field) = extra.get(4..4 + usize::from(len)) else { break };
        if id == 1 {
            found = field;
            break;
        }
        extra = &extra[4 + field.len()..];
    }
    found.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b))
}

fn damaged(why: Text) -> PickleProblem {
    PickleProblem::Damaged(why)
}

fn place(value: u64) -> Result<usize, PickleProblem> {
    // Kept far from the end of the numbers, so that small sums cannot overflow.
    usize::try_from(value).ok().filter(|v| *v < usize::MAX / 4).ok_or(PickleProblem::CutShort)
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], PickleProblem> {
    bytes.get(at..).and_then(|b| b.first_chunk()).copied().ok_or(PickleProblem::CutShort)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, PickleProblem> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, PickleProblem> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, PickleProblem> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}
