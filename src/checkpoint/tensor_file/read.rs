//! The numbers of tensors, read where they lie.

use std::borrow::Cow;
use std::ops::Range;

use ::safetensors::tensor::Dtype;
use candle_core::quantized::{GgmlDType, ggml_file};
use candle_core::{DType, Device, Tensor};

use super::error::FileError;
use super::numbers::Numbers;
use super::{Entry, Place, Span, TensorFile, contiguous_strides};

impl TensorFile {
    /// The tensor's numbers in its [`Entry::dtype`], little-endian and row-major.
    pub fn bytes(&self, name: &str) -> Result<Cow<'_, [u8]>, FileError> {
        let entry = self.known(name)?;
        self.rows(name, entry, 0..entry.rows())
    }

    /// The tensor's numbers as f32, f16 or bf16, all of them finite. Only those of f64 files are rounded.
    pub fn numbers(&self, name: &str) -> Result<Numbers<'_>, FileError> {
        let entry = self.known(name)?;
        self.checked(name, entry, 0..entry.rows())
    }

    /// The tensor on the CPU in its own type: numbers of 8 bits become f16, whole numbers i64 or u8. NaN and infinities are
    /// refused.
    pub fn tensor(&self, name: &str) -> Result<Tensor, FileError> {
        self.tensor_of(name, true)
    }

    /// [`TensorFile::tensor`], whether its numbers are finite or not.
    pub fn unchecked_tensor(&self, name: &str) -> Result<Tensor, FileError> {
        self.tensor_of(name, false)
    }

    fn tensor_of(&self, name: &str, finite: bool) -> Result<Tensor, FileError> {
        let entry = self.known(name)?;
        let whole = 0..entry.rows();
        let made = |bytes: &[u8], dtype| Ok(Tensor::from_raw_buffer(bytes, dtype, &entry.shape, &Device::Cpu)?);
        let from = |values: Vec<i64>| Ok(Tensor::from_vec(values, entry.shape.as_slice(), &Device::Cpu)?);
        let bytes = self.rows(name, entry, whole.clone())?;
        match entry.dtype {
            Dtype::F64 => {
                let at = bytes.as_chunks::<8>().0.iter().position(|b| !f64::from_le_bytes(*b).is_finite());
                match at.filter(|_| finite) {
                    Some(index) => Err(self.not_finite(name, index)),
                    None => made(&bytes, DType::F64),
                }
            }
            Dtype::I64 => made(&bytes, DType::I64),
            Dtype::U8 | Dtype::BOOL => made(&bytes, DType::U8),
            Dtype::I32 => from(bytes.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()),
            Dtype::U32 => from(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b).into()).collect()),
            Dtype::I16 => from(bytes.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b).into()).collect()),
            Dtype::U16 => from(bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b).into()).collect()),
            Dtype::I8 => from(bytes.iter().map(|b| i8::from_le_bytes([*b]).into()).collect()),
            _ => {
                let numbers = match finite {
                    true => self.checked(name, entry, whole)?,
                    false => Numbers::of(entry.dtype, bytes).ok_or_else(|| self.wrong_type(name, entry))?,
                };
                let dtype = match numbers.dtype {
                    Dtype::F16 => DType::F16,
                    Dtype::BF16 => DType::BF16,
                    _ => DType::F32,
                };
                made(&numbers.bytes, dtype)
            }
        }
    }

    /// The tensor as f32 on the CPU. NaN and infinities are refused.
    pub fn f32(&self, name: &str) -> Result<Tensor, FileError> {
        let entry = self.known(name)?;
        let values = self.checked(name, entry, 0..entry.rows())?.f32();
        Ok(Tensor::from_vec(values, entry.shape.as_slice(), &Device::Cpu)?)
    }

    /// The `rows` of matrix `name` as f32 on the CPU, (rows, columns). Only these are read, and checked for NaN and infinities.
    pub fn f32_rows(&self, name: &str, rows: &[u32]) -> Result<Tensor, FileError> {
        let entry = self.known(name)?;
        let [count, columns] = entry.shape[..] else {
            return Err(candle_core::Error::Msg(format!("{name} has no rows, its shape is {:?}", entry.shape)).into());
        };
        // Asked first: a table without rows has columns that nothing in the file bounds.
        if let Some(row) = rows.iter().find(|row| **row as usize >= count) {
            return Err(candle_core::Error::Msg(format!("{name} has {count} rows, none of number {row}")).into());
        }
        let mut values = Vec::with_capacity(rows.len() * columns);
        for row in rows {
            let row = *row as usize;
            values.append(&mut self.checked(name, entry, row..row + 1)?.f32());
        }
        Ok(Tensor::from_vec(values, (rows.len(), columns), &Device::Cpu)?)
    }

    // ---- How they are stored ------------------------------------------------------------------------------------------

    fn known(&self, name: &str) -> Result<&Entry, FileError> {
        let missing = || FileError::NoTensor { path: self.path.clone(), tensor: name.to_owned() };
        self.entries.get(name).ok_or_else(missing)
    }

    /// Some of the bytes of `span`, counted from its start.
    fn part(&self, span: &Span, bytes: Range<usize>) -> Result<Cow<'_, [u8]>, FileError> {
        let changed = || FileError::Changed { path: self.path.clone() };
        // Spans were checked against their source when the file was opened, and parts lie in their tensors.
        let source = self.sources.get(span.source).ok_or_else(changed)?;
        let (start, end) = (span.bytes.start + bytes.start, span.bytes.start + bytes.end);
        if end > span.bytes.end {
            return Err(changed());
        }
        source.read(start..end).map_err(|error| error.of(self.path.clone()))
    }

    /// Numbers of this type in `span`.
    fn numbers_in(&self, span: &Span, numbers: Range<usize>, dtype: Dtype) -> Result<Cow<'_, [u8]>, FileError> {
        let at = |n: usize| n.saturating_mul(dtype.bitsize()) / 8;
        self.part(span, at(numbers.start)..at(numbers.end))
    }

    fn wrong_type(&self, name: &str, entry: &Entry) -> FileError {
        FileError::Dtype { path: self.path.clone(), tensor: name.to_owned(), dtype: entry.type_name() }
    }

    fn not_finite(&self, name: &str, index: usize) -> FileError {
        FileError::NotFinite { path: self.path.clone(), tensor: name.to_owned(), index }
    }

    /// Finite numbers of some rows.
    fn checked(&self, name: &str, entry: &Entry, rows: Range<usize>) -> Result<Numbers<'_>, FileError> {
        let start = rows.start * entry.row_len();
        let wrong = || self.wrong_type(name, entry);
        // Asked first, so that nothing is made of what cannot be used.
        entry.number_type().ok_or_else(wrong)?;
        let numbers = Numbers::of(entry.dtype, self.rows(name, entry, rows)?).ok_or_else(wrong)?;
        match numbers.first_not_finite() {
            Some(index) => Err(self.not_finite(name, start + index)),
            None => Ok(numbers),
        }
    }

    /// The numbers of some rows (along the first dimension) in the entry's type.
    fn rows(&self, name: &str, entry: &Entry, rows: Range<usize>) -> Result<Cow<'_, [u8]>, FileError> {
        let (first, last) = (rows.start * entry.row_len(), rows.end * entry.row_len());
        Ok(match &entry.place {
            Place::Plain(span) => self.numbers_in(span, first..last, entry.dtype)?,
            Place::Strided { span, strides } => {
                Cow::Owned(gather(&self.part(span, 0..span.bytes.len())?, entry, strides, rows))
            }
            Place::Blocks { span, ggml } => {
                let per_block = ggml.block_size();
                let blocks = first / per_block..last.div_ceil(per_block);
                let stored = self.part(span, blocks.start * ggml.type_size()..blocks.end * ggml.type_size())?;
                let skipped = blocks.start * per_block;
                Cow::Owned(dequantized(&stored, *ggml, first - skipped..last - skipped)?)
            }
            Place::Scaled { span, stored, scales } => {
                let bytes = self.numbers_in(span, first..last, *stored)?;
                let values = Numbers::of(*stored, bytes).ok_or_else(|| self.wrong_type(name, entry))?.f32();
                let scales = self.scales(name, entry, scales)?;
                Cow::Owned(scaled(values, &scales, rows.start, entry.row_len()))
            }
            Place::Stacked(parts) => {
                let mut bytes = Vec::new();
                let mut above = 0;
                for part in parts {
                    let (start, end) = (rows.start.max(above), rows.end.min(above + part.rows()));
                    if start < end {
                        bytes.extend_from_slice(&self.rows(name, part, start - above..end - above)?);
                    }
                    above += part.rows();
                }
                Cow::Owned(bytes)
            }
        })
    }

    /// One scale, or one for each row.
    fn scales(&self, name: &str, entry: &Entry, scales: &Entry) -> Result<Vec<f32>, FileError> {
        let values = self.checked(name, scales, 0..scales.rows())?.f32();
        if values.len() == 1 || values.len() == entry.rows() {
            return Ok(values);
        }
        let dtype = format!("{}, one for each of {:?} parts of {:?}", entry.type_name(), scales.shape, entry.shape);
        Err(FileError::Dtype { path: self.path.clone(), tensor: name.to_owned(), dtype })
    }
}

impl Entry {
    /// Rows along the first dimension; a single number is one.
    fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Numbers in a row.
    fn row_len(&self) -> usize {
        self.shape.iter().skip(1).fold(1, |n, dim| n.saturating_mul(*dim))
    }
}

/// Row-major numbers of some rows that lie with `strides`.
fn gather(bytes: &[u8], entry: &Entry, strides: &[usize], rows: Range<usize>) -> Vec<u8> {
    let size = entry.dtype.bitsize() / 8;
    let row_shape = entry.shape.get(1..).unwrap_or_default();
    let plain = contiguous_strides(row_shape);
    let mut gathered = Vec::with_capacity(rows.len().saturating_mul(entry.row_len()).saturating_mul(size));
    for row in rows {
        for i in 0..entry.row_len() {
            let within: usize =
                plain.iter().zip(row_shape).zip(&strides[1..]).map(|((p, dim), s)| i / p % dim * s).sum();
            let at = (row * strides[0] + within) * size;
            gathered.extend_from_slice(&bytes[at..at + size]);
        }
    }
    gathered
}

/// `values`, which begin with row `first`, times their scale.
fn scaled(values: Vec<f32>, scales: &[f32], first: usize, row_len: usize) -> Vec<u8> {
    let scale = |i: usize| match scales {
        [scale] => *scale,
        scales => scales[first + i / row_len.max(1)],
    };
    values.into_iter().enumerate().flat_map(|(i, value)| (value * scale(i)).to_le_bytes()).collect()
}

/// The numbers of quantised blocks as f32, by candle. Only the blocks that hold some of `numbers` are read.
fn dequantized(bytes: &[u8], ggml: GgmlDType, numbers: Range<usize>) -> candle_core::Result<Vec<u8>> {
    /// Blocks that are read at once.
    const RUN: usize = 1 << 12;
    let (per_block, size) = (ggml.block_size(), ggml.type_size());
    let blocks = numbers.start / per_block..numbers.end.div_ceil(per_block);
    let mut values = Vec::with_capacity(numbers.len() * size_of::<f32>());
    // candle takes blocks from memory that is aligned for them, which a place in a file is not.
    let mut aligned: Vec<u64> = Vec::new();
    for start in blocks.clone().step_by(RUN) {
        let end = (start + RUN).min(blocks.end);
        let stored = bytes.get(start * size..end * size).unwrap_or_default();
        aligned.clear();
        aligned.resize(stored.len().div_ceil(size_of::<u64>()), 0);
        let copy = &mut bytemuck::cast_slice_mut::<u64, u8>(&mut aligned)[..stored.len()];
        copy.copy_from_slice(stored);
        let count = stored.len() / size * per_block;
        let tensor = ggml_file::qtensor_from_ggml(ggml, copy, vec![count], &Device::Cpu)?.dequantize(&Device::Cpu)?;
        let first = start * per_block;
        let wanted = numbers.start.max(first) - first..numbers.end.min(first + count) - first;
        values.extend(tensor.to_vec1::<f32>()?[wanted].iter().flat_map(|v| v.to_le_bytes()));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_whole_and_only_they_are_checked() {
        let values: Vec<f32> = (0..12).map(|i| if i == 5 { f32::NAN } else { i as f32 / 8.0 }).collect();
        let table = Tensor::from_vec(values, (4, 3), &Device::Cpu).unwrap();
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("table.safetensors");
            let stored = table.to_dtype(dtype).unwrap();
            candle_core::safetensors::save(&[("table", stored)].into_iter().collect(), &path).unwrap();
            let file = TensorFile::open(&path).unwrap();
            let rows = file.f32_rows("table", &[3, 0, 3]).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(rows, [[1.125, 1.25, 1.375], [0.0, 0.125, 0.25], [1.125, 1.25, 1.375]]);
            assert!(matches!(file.f32_rows("table", &[0, 1]), Err(FileError::NotFinite { index: 5, .. })));
            assert!(matches!(file.f32_rows("table", &[4]), Err(FileError::Candle(_))));
            assert!(matches!(file.f32_rows("no", &[0]), Err(FileError::NoTensor { .. })));
        }
    }
}
