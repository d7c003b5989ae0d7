//! Numbers as files store them: which of them are finite, and what they are in a wider type.

use std::borrow::Cow;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::Dtype;

/// Row-major numbers of a type that kernels read: f32, f16 or bf16, little-endian.
#[derive(Debug)]
pub struct Numbers<'f> {
    /// F32, F16 or BF16.
    pub dtype: Dtype,
    /// All of them.
    pub bytes: Cow<'f, [u8]>,
}

/// The type in which numbers stored as `dtype` are given, none of them rounded but those of f64; `None` where they are no
/// fractions.
pub(super) fn given_as(dtype: Dtype) -> Option<Dtype> {
    match dtype {
        Dtype::F32 | Dtype::F16 | Dtype::BF16 => Some(dtype),
        Dtype::F64 => Some(Dtype::F32),
        dtype if Fp8::of(dtype).is_some() => Some(Dtype::F16),
        _ => None,
    }
}

impl<'f> Numbers<'f> {
    /// `bytes` of type `dtype` as numbers; `None` for types that are no fractions.
    pub(super) fn of(dtype: Dtype, bytes: Cow<'f, [u8]>) -> Option<Self> {
        let bytes = match dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => bytes,
            Dtype::F64 => {
                let values = bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32);
                Cow::Owned(values.flat_map(f32::to_le_bytes).collect())
            }
            dtype => {
                let table = Fp8::of(dtype)?.table().map(|value| f16::from_f32(value).to_le_bytes());
                Cow::Owned(bytes.iter().flat_map(|b| table[usize::from(*b)]).collect())
            }
        };
        Some(Numbers { dtype: given_as(dtype)?, bytes })
    }

    /// The index of the first NaN or infinity.
    pub(super) fn first_not_finite(&self) -> Option<usize> {
        match self.dtype {
            Dtype::F16 => first(&self.bytes, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7c00 == 0x7c00),
            Dtype::BF16 => first(&self.bytes, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7f80 == 0x7f80),
            _ => first(&self.bytes, |b: [u8; 4]| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000),
        }
    }

    pub(super) fn f32(&self) -> Vec<f32> {
        match self.dtype {
            Dtype::F16 => widen(&self.bytes, f16::from_le_bytes),
            Dtype::BF16 => widen(&self.bytes, bf16::from_le_bytes),
            _ => self.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        }
    }
}

/// An 8-bit floating-point type: a sign, an exponent, a mantissa.
struct Fp8 {
    mantissa: u32,
    bias: i32,
    special: Special,
}

/// Which bit patterns are no numbers.
enum Special {
    /// The greatest exponent, as in IEEE 754.
    Exponent,
    /// All ones but the sign.
    Ones,
    /// Minus zero.
    MinusZero,
}

impl Fp8 {
    fn of(dtype: Dtype) -> Option<Self> {
        let (mantissa, bias, special) = match dtype {
            Dtype::F8_E4M3 => (3, 7, Special::Ones),
            Dtype::F8_E5M2 => (2, 15, Special::Exponent),
            Dtype::F8_E4M3FNUZ => (3, 8, Special::MinusZero),
            Dtype::F8_E5M2FNUZ => (2, 16, Special::MinusZero),
            _ => return None,
        };
        Some(Fp8 { mantissa, bias, special })
    }

    /// The value of every bit pattern. All are exact in f16.
    fn table(&self) -> [f32; 256] {
        std::array::from_fn(|bits| {
            let (sign, rest) = (if bits & 0x80 == 0 { 1.0 } else { -1.0 }, (bits & 0x7f) as u32);
            let (exponent, fraction) = ((rest >> self.mantissa) as i32, rest & ((1 << self.mantissa) - 1));
            let greatest = 0x7f >> self.mantissa;
            match self.special {
                Special::Exponent if exponent == greatest => {
                    return if fraction == 0 { sign * f32::INFINITY } else { f32::NAN };
                }
                Special::Ones if rest == 0x7f => return f32::NAN,
                Special::MinusZero if bits == 0x80 => return f32::NAN,
                _ => {}
            }
            let fraction = fraction as f32 / (1 << self.mantissa) as f32;
            let (whole, exponent) = if exponent == 0 { (0.0, 1) } else { (1.0, exponent) };
            sign * (whole + fraction) * 2f32.powi(exponent - self.bias)
        })
    }
}

/// Converts half-precision numbers in runs that the processor's conversion instructions can take at once.
fn widen<T>(bytes: &[u8], read: impl Fn([u8; 2]) -> T) -> Vec<f32>
where
    [T]: HalfFloatSliceExt,
    T: Copy,
{
    const RUN: usize = 4096;
    let mut values = vec![0f32; bytes.len() / 2];
    let mut run = Vec::with_capacity(RUN);
    for (bytes, values) in bytes.chunks(2 * RUN).zip(values.chunks_mut(RUN)) {
        run.clear();
        run.extend(bytes.as_chunks::<2>().0.iter().map(|b| read(*b)));
        run.as_slice().convert_to_f32_slice(values);
    }
    values
}

/// The index of the first number of N bytes that `is_bad`.
fn first<const N: usize>(bytes: &[u8], is_bad: impl Fn([u8; N]) -> bool) -> Option<usize> {
    const RUN: usize = 4096;
    let (numbers, _) = bytes.as_chunks::<N>();
    // Without an early exit the check of a run vectorises.
    let run = numbers.chunks(RUN).position(|run| run.iter().fold(false, |bad, b| bad | is_bad(*b)))?;
    numbers[run * RUN..].iter().position(|b| is_bad(*b)).map(|i| run * RUN + i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_numbers_are_those_of_their_formats() {
        let value = |dtype, bits: usize| Fp8::of(dtype).unwrap().table()[bits];
        for (dtype, bits, expected) in [
            (Dtype::F8_E4M3, 0x7e, 448.0),
            (Dtype::F8_E4M3, 0x01, 2f32.powi(-9)),
            (Dtype::F8_E4M3, 0xb8, -1.0),
            (Dtype::F8_E5M2, 0x7b, 57344.0),
            (Dtype::F8_E5M2, 0x01, 2f32.powi(-16)),
            (Dtype::F8_E5M2, 0xbe, -1.5),
            (Dtype::F8_E4M3FNUZ, 0x7f, 240.0),
            (Dtype::F8_E5M2FNUZ, 0x01, 2f32.powi(-17)),
        ] {
            assert_eq!(value(dtype, bits), expected, "{dtype:?} {bits:#x}");
        }
        for (dtype, bits) in [(Dtype::F8_E4M3, 0x7f), (Dtype::F8_E4M3, 0xff), (Dtype::F8_E5M2, 0x7f)] {
            assert!(value(dtype, bits).is_nan());
        }
        assert_eq!(value(Dtype::F8_E5M2, 0xfc), f32::NEG_INFINITY);
        assert!(value(Dtype::F8_E5M2FNUZ, 0x80).is_nan());
    }

    #[test]
    fn every_eight_bit_number_is_exact_in_f16() {
        for dtype in [Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::F8_E4M3FNUZ, Dtype::F8_E5M2FNUZ] {
            for value in Fp8::of(dtype).unwrap().table() {
                assert!(f16::from_f32(value).to_f32().to_bits() == value.to_bits() || value.is_nan(), "{value}");
            }
        }
    }
}
